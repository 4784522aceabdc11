// A selection as a file that other commands read: CSV, JSON, or the image ids of a COCO dataset.

// The samples that rows belong to, each once.
function sampleRows(table, rows) {
  return [...new Set(Array.from(rows, (i) => table.sampleOf(i)))];
}

function csvField(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function exactCell(column, i) {
  if (!column.has(i)) return null;
  if (column.kind !== "number") return cell(column, i);
  const value = column.values[i];
  return Number.isInteger(value) ? value : Number(value.toPrecision(5));
}

function csvText(table, rows, columns) {
  const isInstances = table.key === "instances";
  const lines = [["sample_id", ...(isInstances ? ["instance_id"] : []), ...columns.map((column) => column.name)]];
  for (const i of rows) {
    lines.push([
      table.sampleIds[table.sampleOf(i)],
      ...(isInstances ? [table.ids[i]] : []),
      ...columns.map((column) => exactCell(column, i)),
    ]);
  }
  return `${lines.map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`;
}

function jsonText(table, rows, name, run) {
  const content = { name, run, sample_ids: sampleRows(table, rows).map((i) => table.sampleIds[i]) };
  if (table.key === "instances") content.instance_ids = Array.from(rows, (i) => table.ids[i]);
  return `${JSON.stringify(content, null, 1)}\n`;
}

// The column that names a sample's image in its COCO file, where there is one: whole numbers, as numbers or texts.
function imageIdColumn(samples) {
  return samples.columns.find((column) => /(^|_)image_id$/.test(column.name) && isWholeNumbers(column)) ?? null;
}

function isWholeNumbers(column) {
  if (column.wholeNumbers === undefined) {
    const texts = column.kind === "category" ? column.levels : column.values;
    column.wholeNumbers = texts.every((value) => value === null || Number.isNaN(value) || /^-?\d{1,15}$/.test(value));
  }
  return column.wholeNumbers;
}

function cocoText(samples, table, rows) {
  const column = imageIdColumn(samples);
  const value = column.kind === "category" ? (i) => column.levels[column.values[i]] : (i) => column.values[i];
  const ids = sampleRows(table, rows)
    .filter((i) => column.has(i))
    .map((i) => Number(value(i)));
  return `${JSON.stringify({ image_ids: ids })}\n`;
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function fileName(name, ending) {
  const plain = name
    .normalize("NFKD")
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 60);
  return `${plain || "selection"}.${ending}`;
}

// The rows of the lists as a file; a CSV has the columns of the table.
function downloadListed({ table, rows, name: given, selected, shown }, run, format) {
  const name = given.trim() || (selected ? "selection" : table.noun);
  const columns = shown.map((one) => table.column.get(one)).filter(Boolean);
  if (format === "csv") download(fileName(name, "csv"), "text/csv", csvText(table, rows, columns));
  else if (format === "json") {
    download(fileName(name, "json"), "application/json", jsonText(table, rows, name, run.run.id));
  } else download(fileName(`${name}-image-ids`, "json"), "application/json", cocoText(run.tables[0], table, rows));
}
