// What is looked at in one table: colours, filters, the selection, and the rows of the lists.

const DEFAULT_SHOWN = 8;

// What is looked at in one table.
function makeSight(table) {
  const has = (name) => table.column.has(name);
  const color =
    ["loss", "verdict", "label", "split"].find(has) ??
    table.columns.find((column) => column.kind !== "text")?.name ??
    "";
  const telling = table.columns
    .filter((column) => column.role === "metric" && column.kind === "number")
    .map((column) => column.name);
  const own = table.columns
    .filter((column) => column.role === "sample" && column.kind !== "text")
    .map(({ name }) => name);
  const first = ["split", "loss", "cluster_id", "predicted_error", "pruning_decision"];
  const wanted = table.key === "instances" ? own : [...first, ...telling, ...own];
  const shown = [...new Set(wanted)].filter(has).slice(0, DEFAULT_SHOWN);
  const visible = new Uint8Array(table.n).fill(1);
  const sort = { name: has("loss") ? "loss" : "", descending: has("loss") };
  return {
    table,
    color,
    size: ["loss", "confidence", "area_rel"].find(has) ?? "",
    shown,
    sort,
    filters: new Map(),
    visible,
    selected: null,
    name: "",
    key: null,
    rows: [],
    hovered: -1,
    pinned: -1,
  };
}

// What the lists hold: those selected among those in sight, or all in sight.
function takenRows({ selected, visible }) {
  return selected ? visible.map((shown, i) => (shown && selected[i] ? 1 : 0)) : visible;
}

// The rows of the lists, in the order of a column; those without a value last.
function sortedRows({ table, sort }, taken) {
  const rows = Uint32Array.from(rowsOf(taken));
  const column = table.column.get(sort.name);
  const turn = sort.descending ? -1 : 1;
  if (!column) return sort.descending ? rows.reverse() : rows;
  const { values } = column;
  const isText = column.kind === "text";
  const missing = Uint8Array.from({ length: table.n }, (_, i) => (column.has(i) ? 0 : 1));
  const compare = isText ? (a, b) => values[a].localeCompare(values[b]) : (a, b) => values[a] - values[b];
  return rows.sort((a, b) => missing[a] - missing[b] || (missing[a] ? a - b : turn * compare(a, b) || a - b));
}

// How many are listed, in words: [the main ones, the rest].
function listedText({ table, rows, selected, visible }) {
  const inSight = visible.reduce((sum, one) => sum + one, 0);
  const all = table.n_all ? ` on the maps (${readable(table.n_all)} in all)` : "";
  const counted =
    inSight < table.n
      ? `${readable(inSight)} of ${readable(table.n)} ${table.noun} pass the filters`
      : `${readable(table.n)} ${table.noun}${all}`;
  return selected ? [`${readable(rows.length)} selected`, ` of ${counted}`] : [counted, ""];
}
