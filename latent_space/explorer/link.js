// A view as the part of an address after the #, and back.

const LONGEST_SELECTION = 60000;

// Bytes in base64 that an address may hold.
function bytesToText(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function textToBytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

// Rows as differences in 7-bit groups; where they are many, a bit per row after 2 bytes that no differences begin with.
function rowsToText(rows) {
  const last = rows.at(-1) ?? 0;
  if (rows.length > 64 && rows.length > last / 8) {
    const bits = new Uint8Array((last >> 3) + 3);
    bits.set([128, 0]);
    for (const row of rows) bits[2 + (row >> 3)] |= 1 << (row & 7);
    return bytesToText(bits);
  }
  const bytes = [];
  let before = -1;
  for (const row of rows) {
    let step = row - before - 1;
    before = row;
    for (; step > 127; step >>>= 7) bytes.push((step & 127) | 128);
    bytes.push(step);
  }
  return bytesToText(bytes);
}

function rowsFromText(text) {
  const rows = [];
  let [row, step, shift] = [-1, 0, 0];
  const bytes = textToBytes(text);
  if (bytes[0] === 128 && bytes[1] === 0) {
    for (let k = 8 * 2; k < 8 * bytes.length; k += 1) if ((bytes[k >> 3] >> (k & 7)) & 1) rows.push(k - 16);
    return rows;
  }
  for (const byte of bytes) {
    step |= (byte & 127) << shift;
    shift += 7;
    if (byte > 127) continue;
    row += step + 1;
    rows.push(row);
    [step, shift] = [0, 0];
  }
  return rows;
}

const SELECTION_TEXTS = new WeakMap();

function selectionText(selected) {
  if (!SELECTION_TEXTS.has(selected)) SELECTION_TEXTS.set(selected, rowsToText(rowsOf(selected)));
  return SELECTION_TEXTS.get(selected);
}

// sight: what is looked at; views: of its maps; layout: which map is shown.
function toHash({ sight, views, layout }) {
  const parts = new URLSearchParams({ show: sight.table.key, map: layout, color: sight.color, size: sight.size });
  const filters = [...sight.filters].filter(([, filter]) => !isOpen(filter));
  if (filters.length) parts.set("filter", JSON.stringify(Object.fromEntries(filters)));
  for (const { map, view, whole } of views.map((one) => ({ map: one.map, view: one.view, whole: one.whole() }))) {
    if (view.zoom !== 1 || view.x !== whole.x || view.y !== whole.y)
      parts.set(`at-${map.key}`, [view.x, view.y, view.zoom].map((value) => Number(value.toPrecision(6))).join(","));
  }
  if (sight.pinned >= 0) parts.set("pin", sight.table.ids[sight.pinned]);
  if (sight.selected) {
    const text = selectionText(sight.selected);
    if (text.length <= LONGEST_SELECTION) parts.set("rows", text);
    if (sight.name) parts.set("name", sight.name);
  }
  return `#${parts}`;
}

// The parts of a view that a hash holds; what does not fit the run is left out.
function fromHash(hash, tables) {
  const parts = new URLSearchParams(hash.slice(1));
  const table = tables.find((one) => one.key === parts.get("show")) ?? tables[0];
  const view = { table, map: parts.get("map"), places: {}, filters: new Map() };
  for (const key of ["color", "size"]) {
    const name = parts.get(key);
    if (name === "" || table.column.has(name)) view[key] = name;
  }
  for (const { key } of table.maps) {
    const [x, y, zoom] = (parts.get(`at-${key}`) ?? "").split(",").map(Number);
    if (Number.isFinite(x) && Number.isFinite(y) && zoom > 0)
      view.places[key] = { x, y, zoom: Math.min(MOST_ZOOM, zoom) };
  }
  try {
    for (const [name, filter] of Object.entries(JSON.parse(parts.get("filter") ?? "{}"))) {
      const column = table.column.get(name);
      if (column && fitsColumn(column, filter)) view.filters.set(name, filter);
    }
    if (parts.has("rows")) view.rows = rowsFromText(parts.get("rows")).filter((row) => row < table.n);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof DOMException)) throw error; // a link that was cut short
  }
  view.name = parts.get("name") ?? "";
  view.pinned = table.ids.indexOf(parts.get("pin"));
  return view;
}

function fitsColumn(column, filter) {
  if (typeof filter !== "object" || filter === null) return false;
  if (column.kind === "category") return Array.isArray(filter.hidden);
  if (column.kind === "text") return typeof filter.text === "string";
  return ["low", "high"].every((end) => filter[end] === null || Number.isFinite(filter[end]));
}

function applyView(sight, view) {
  Object.assign(sight, {
    color: view.color ?? sight.color,
    size: view.size ?? sight.size,
    filters: view.filters,
    visible: visibleRows(view.table, view.filters),
    selected: view.rows?.length ? maskOf(view.rows, view.table.n) : null,
    name: view.name,
    key: null,
    pinned: view.pinned,
  });
}
