// Which rows are selected, selections kept in the browser, and what sets one apart.

const MOST_TELLING = 6;

// how: "replace", "add" or "remove". Null where nothing is selected.
function combined(before, mask, how) {
  const after = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i += 1) {
    if (how === "add") after[i] = mask[i] || before?.[i] ? 1 : 0;
    else after[i] = how === "remove" ? (before?.[i] && !mask[i] ? 1 : 0) : mask[i];
  }
  return after.includes(1) ? after : null;
}

function maskOf(rows, n) {
  const mask = new Uint8Array(n);
  for (const i of rows) mask[i] = 1;
  return mask;
}

function rowsOf(mask) {
  const rows = [];
  mask.forEach((taken, i) => {
    if (taken) rows.push(i);
  });
  return rows;
}

// Rows of the ids that the table has.
function rowsOfIds(table, ids) {
  const at = new Map(table.ids.map((id, i) => [id, i]));
  return ids.map((id) => at.get(id)).filter((i) => i !== undefined);
}

// Named selections of one run, in the browser's storage where it allows that, otherwise until the page is closed.
class SavedSelections {
  constructor(run) {
    this.key = `armscope selections ${run}`;
    this.isKept = true;
    try {
      this.all = this.checked(JSON.parse(localStorage.getItem(this.key) ?? "[]"));
    } catch {
      this.all = [];
    }
  }

  checked(all) {
    return Array.isArray(all)
      ? all.filter((one) => typeof one?.name === "string" && typeof one.table === "string" && Array.isArray(one.ids))
      : [];
  }

  save(one) {
    this.all = [...this.all.filter(({ name, table }) => name !== one.name || table !== one.table), one];
    this.store();
  }

  remove(one) {
    this.all = this.all.filter((other) => other !== one);
    this.store();
  }

  store() {
    try {
      localStorage.setItem(this.key, JSON.stringify(this.all));
      this.isKept = true;
    } catch {
      this.isKept = false;
    }
  }
}

// What the selected rows have that the others in sight have not: the columns that differ most, in words.
function tellingColumns(table, selected, visible) {
  const own = visible.map((shown, i) => (shown && selected[i] ? 1 : 0));
  const rest = visible.map((shown, i) => (shown && !selected[i] ? 1 : 0));
  const differing = { number: differingMeans, category: differingLevel, text: () => null };
  const found = table.columns.map((column) => ({ column, ...differing[column.kind](column, own, rest) }));
  const telling = found.filter((one) => one.strength !== undefined);
  return telling.sort((a, b) => b.strength - a.strength).slice(0, MOST_TELLING);
}

// The difference of means in standard deviations of all.
function differingMeans(column, inside, outside) {
  const { values } = column;
  const [counts, sums] = [
    [0, 0],
    [0, 0],
  ];
  let squares = 0;
  for (let i = 0; i < values.length; i += 1) {
    const group = inside[i];
    if (!(group || outside[i]) || !Number.isFinite(values[i])) continue;
    counts[group] += 1;
    sums[group] += values[i];
    squares += values[i] * values[i];
  }
  const n = counts[0] + counts[1];
  const mean = (sums[0] + sums[1]) / n;
  const spread = Math.sqrt(Math.max(0, squares / n - mean * mean));
  if (!counts[0] || !counts[1] || !(spread > 1e-9 * Math.abs(mean))) return null;
  const [rest, own] = [sums[0] / counts[0], sums[1] / counts[1]];
  return { strength: Math.abs(own - rest) / spread, own: readable(own), rest: readable(rest), more: own > rest };
}

// The level whose share differs most.
function differingLevel(column, inside, outside) {
  const [rest, own] = [levelCounts(column, outside), levelCounts(column, inside)];
  const total = (counts) => counts.reduce((sum, count) => sum + count, 0);
  const [nRest, nOwn] = [total(rest), total(own)];
  if (!nRest || !nOwn) return null;
  let best = null;
  column.levels.forEach((level, k) => {
    const [a, b, all] = [own[k] / nOwn, rest[k] / nRest, (own[k] + rest[k]) / (nOwn + nRest)];
    const strength = Math.abs(a - b) / Math.sqrt(all * (1 - all) || 1);
    if (!best || strength > best.strength)
      best = { strength, level, own: `${Math.round(100 * a)} %`, rest: `${Math.round(100 * b)} %`, more: a > b };
  });
  return best;
}
