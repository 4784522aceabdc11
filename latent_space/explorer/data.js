// The population: columns decoded, and questions about a sample answered.

const NO_LEVEL = 65535;

function bytes(text) {
  const binary = atob(text);
  const array = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) array[i] = binary.charCodeAt(i);
  return array.buffer;
}

function numbers(packed) {
  return packed.type === "f8" ? new Float64Array(bytes(packed.base64)) : new Float32Array(bytes(packed.base64));
}

function decodeColumn(column) {
  if (column.kind === "number") return { ...column, values: numbers(column.values) };
  if (column.kind === "category") return { ...column, values: new Uint16Array(bytes(column.values)) };
  return column;
}

function readPopulation() {
  const content = JSON.parse(document.getElementById("content").textContent);
  const columns = content.columns.map(decodeColumn);
  return {
    ...content,
    n: content.ids.length,
    columns,
    column: new Map(columns.map((column) => [column.name, column])),
    maps: content.maps.map((map) => ({ ...map, x: numbers(map.x), y: numbers(map.y) })),
  };
}

// A number as one reads it: 4 digits that count, thousands apart, no exponent where it can be avoided.
function readable(value) {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
}

function cell(column, i) {
  if (column.kind === "number") return Number.isFinite(column.values[i]) ? readable(column.values[i]) : null;
  if (column.kind === "category") return column.values[i] === NO_LEVEL ? null : column.levels[column.values[i]];
  return column.values[i];
}

// Sorted finite values, made once per column.
function sortedValues(column) {
  if (!column.sorted) column.sorted = column.values.filter(Number.isFinite).sort();
  return column.sorted;
}

function quantile(column, share) {
  const sorted = sortedValues(column);
  return sorted.length ? sorted[Math.round(share * (sorted.length - 1))] : NaN;
}

// Share of the samples whose value is smaller.
function rank(column, value) {
  const sorted = sortedValues(column);
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return sorted.length > 1 ? low / (sorted.length - 1) : 0.5;
}

// What most samples have: the 2nd to 98th percentile, or everything when that is a single value.
function robustRange(column) {
  const range = [quantile(column, 0.02), quantile(column, 0.98)];
  return range[0] < range[1] ? range : [quantile(column, 0), quantile(column, 1)];
}
