// The population: columns decoded when they are first asked for, and questions about a sample answered.

const NO_LEVEL = 65535;

class Column {
  constructor(described, bytes) {
    const { values, ...facts } = described;
    Object.assign(this, facts, { bytes, place: values });
  }

  get values() {
    if (!this.unpacked) {
      const unpack = { number: unpackNumbers, category: unpackCodes, text: unpackJson }[this.kind];
      this.unpacked = unpack(this.bytes, this.place);
    }
    return this.unpacked;
  }

  has(i) {
    if (this.kind === "number") return Number.isFinite(this.values[i]);
    return this.kind === "category" ? this.values[i] !== NO_LEVEL : this.values[i] !== null;
  }

  // Finite values in order, made once.
  get sorted() {
    if (!this.inOrder) this.inOrder = Float64Array.from(this.values.filter(Number.isFinite)).sort();
    return this.inOrder;
  }
}

// What one can look at: the samples, or the instances in them. `sampleOf(i)` is the row of the sample.
function readTable(packed, bytes, ids) {
  const columns = packed.columns.map((column) => new Column(column, bytes));
  const samples = packed.samples ? unpackNumbers(bytes, packed.samples) : null;
  const own = packed.samples ? unpackJson(bytes, packed.ids) : ids;
  return {
    ...packed,
    ids: own,
    sampleIds: ids,
    sampleOf: samples ? (i) => samples[i] : (i) => i,
    boxes: packed.boxes ? unpackJson(bytes, packed.boxes) : null,
    noun: packed.key,
    columns,
    column: new Map(columns.map((column) => [column.name, column])),
    maps: packed.maps.map((map) => ({ ...map, x: unpackNumbers(bytes, map.x), y: unpackNumbers(bytes, map.y) })),
  };
}

async function readRun() {
  const content = JSON.parse(element("content").textContent);
  const bytes = await inflate(element("columns").textContent);
  const ids = unpackJson(bytes, content.tables[0].ids);
  const queues = {};
  for (const [key, place] of Object.entries(content.queues)) queues[key] = unpackJson(bytes, place);
  const insights = content.insights.map((one) => ({ ...one, samples: unpackJson(bytes, one.samples) }));
  return { ...content, bytes, queues, insights, tables: content.tables.map((table) => readTable(table, bytes, ids)) };
}

// A number as one reads it: 4 digits that count, thousands apart, no exponent where it can be avoided.
function readable(value) {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
}

function counted(n, noun = "sample") {
  return `${readable(n)} ${noun}${n === 1 ? "" : "s"}`;
}

function cell(column, i) {
  if (!column.has(i)) return null;
  if (column.kind === "number") return readable(column.values[i]);
  return column.kind === "category" ? column.levels[column.values[i]] : column.values[i];
}

function quantile(column, share) {
  const { sorted } = column;
  return sorted.length ? sorted[Math.round(share * (sorted.length - 1))] : NaN;
}

// Share of the values that are smaller.
function rank(column, value) {
  const { sorted } = column;
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return sorted.length > 1 ? low / (sorted.length - 1) : 0.5;
}

// What most have: the 2nd to 98th percentile, or everything when that is a single value.
function robustRange(column) {
  if (!column.robust) {
    const range = [quantile(column, 0.02), quantile(column, 0.98)];
    column.robust = range[0] < range[1] ? range : [quantile(column, 0), quantile(column, 1)];
  }
  return column.robust;
}
