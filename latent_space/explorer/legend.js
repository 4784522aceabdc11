// What the colours and sizes mean.

const N_BARS = 44;

function drawLegend(place, sight, scale) {
  const { table, visible } = sight;
  const [column, sizeColumn] = [table.column.get(sight.color), table.column.get(sight.size)];
  place.replaceChildren(make("h2", {}, column ? column.label : "one colour"));
  if (column && column.kind === "category") place.append(levelList(column, scale, visible));
  else if (column) place.append(...colorBar(column, scale, visible));
  let missing = 0;
  for (let i = 0; column && i < table.n; i += 1) missing += scale.bins[i] < 0 && visible[i] ? 1 : 0;
  const notes = [];
  if (missing) notes.push(`hollow: ${readable(missing)} without ${column.label}`);
  if (column?.kind === "category" && column.levels.length > scale.colors.length) {
    notes.push(`colours repeat after ${scale.colors.length} of ${readable(column.levels.length)}`);
  }
  if (sizeColumn) notes.push(`larger: ${sizeColumn.kind === "category" ? "later" : "more"} ${sizeColumn.label}`);
  if (sight.selected) notes.push("gray: not selected");
  if (notes.length) place.append(make("p", { class: "note" }, notes.join("  ·  ")));
}

function levelList(column, scale, visible) {
  const counts = levelCounts(column, visible);
  const list = make("ul", { class: "levels" });
  column.levels.slice(0, 200).forEach((level, k) => {
    const dot = make("span", { class: "dot" });
    dot.style.background = css(scale.colors[k % scale.colors.length]);
    list.append(make("li", { title: level }, dot, make("span", {}, level), make("small", {}, readable(counts[k]))));
  });
  return list;
}

// How the values in sight spread over the colours, which is the colour bar as well.
function colorBar(column, scale, visible) {
  const [low, high] = scale.range;
  const counts = binCounts(column, N_BARS, visible);
  const most = Math.max(1, ...counts);
  const name = `${column.label} from ${readable(low)} to ${readable(high)}`;
  const svg = makeSvg("svg", {
    class: "bar",
    viewBox: `0 0 ${N_BARS} 46`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": name,
  });
  counts.forEach((count, k) => {
    const tall = count ? 1.5 + 34 * Math.sqrt(count / most) : 0;
    const fill = css(shade(k / (N_BARS - 1)));
    svg.append(
      makeSvg("rect", { x: k, y: 37 - tall, width: 0.9, height: tall, fill }),
      makeSvg("rect", { x: k, y: 39, width: 1.05, height: 7, fill }),
    );
  });
  const clipped = [quantile(column, 0) < low, quantile(column, 1) > high];
  const ticks = make("div", { class: "ticks" }, make("span", {}, (clipped[0] ? "≤ " : "") + readable(low)));
  if (high > low)
    ticks.append(
      make("span", {}, readable((low + high) / 2)),
      make("span", {}, (clipped[1] ? "≥ " : "") + readable(high)),
    );
  return [svg, ticks];
}
