// Which rows pass the filters. A filter of numbers is {low, high}, null where open; of categories {hidden: [level]},
// null among them for rows without a value; of texts {text}.

function isOpen(filter) {
  if (!filter) return true;
  if (filter.hidden) return !filter.hidden.length;
  if ("text" in filter) return !filter.text;
  return filter.low === null && filter.high === null;
}

function passing(column, filter) {
  const { values } = column;
  if (column.kind === "number") {
    const [low, high] = [filter.low ?? -Infinity, filter.high ?? Infinity];
    return (i) => values[i] >= low && values[i] <= high;
  }
  if (column.kind === "text") {
    const wanted = filter.text.toLowerCase();
    return (i) => values[i] !== null && values[i].toLowerCase().includes(wanted);
  }
  const hidden = new Set(filter.hidden);
  const shown = Uint8Array.from(column.levels, (level) => (hidden.has(level) ? 0 : 1));
  return (i) => (values[i] === NO_LEVEL ? !hidden.has(null) : shown[values[i]] === 1);
}

// A mask of the rows that pass every filter, a Map from column names.
function visibleRows(table, filters) {
  const visible = new Uint8Array(table.n).fill(1);
  for (const [name, filter] of filters) {
    const column = table.column.get(name);
    if (!column || isOpen(filter)) continue;
    const passes = passing(column, filter);
    for (let i = 0; i < table.n; i += 1) if (visible[i] && !passes(i)) visible[i] = 0;
  }
  return visible;
}

// How many rows fall into each of n bins between the 2nd and 98th percentile; the outer bins hold what lies beyond.
function binCounts(column, n, taken) {
  const [low, high] = robustRange(column);
  const { values } = column;
  const counts = new Float64Array(n);
  const width = high - low;
  for (let i = 0; i < values.length; i += 1) {
    if ((taken && !taken[i]) || !Number.isFinite(values[i])) continue;
    const share = width > 0 ? (values[i] - low) / width : 0.5;
    counts[Math.min(n - 1, Math.max(0, Math.floor(share * n)))] += 1;
  }
  return counts;
}

// How many rows have each level; the last count is of those without a value.
function levelCounts(column, taken) {
  const counts = new Float64Array(column.levels.length + 1);
  const { values } = column;
  for (let i = 0; i < values.length; i += 1) {
    if (taken && !taken[i]) continue;
    counts[values[i] === NO_LEVEL ? column.levels.length : values[i]] += 1;
  }
  return counts;
}
