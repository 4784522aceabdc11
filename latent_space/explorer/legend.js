// What the colours and sizes mean.

const N_BARS = 44;

function drawLegend(place, population, column, scale, sizeColumn, visible) {
  place.replaceChildren();
  place.append(make("h2", {}, column ? column.label : "one colour"));
  if (column && column.kind === "category") place.append(levelList(column, scale, visible));
  else if (column) place.append(...histogram(column, scale, visible));
  const missing = column ? scale.bins.reduce((count, bin, i) => count + (bin < 0 && visible[i] ? 1 : 0), 0) : 0;
  if (missing) place.append(make("p", { class: "note" }, `hollow: ${readable(missing)} without ${column.label}`));
  if (sizeColumn) place.append(make("p", { class: "note" }, `larger: more ${sizeColumn.label}`));
}

function levelList(column, scale, visible) {
  const counts = new Array(column.levels.length).fill(0);
  column.values.forEach((level, i) => { if (level !== NO_LEVEL && visible[i]) counts[level] += 1; });
  const list = make("ul", { class: "levels" });
  column.levels.forEach((level, k) => {
    const dot = make("span", { class: "dot" });
    dot.style.background = scale.colors[Math.min(k, scale.colors.length - 1)];
    list.append(make("li", { title: level }, dot, make("span", {}, level), make("small", {}, readable(counts[k]))));
  });
  return list;
}

// How the visible values spread over the colours, which is the colour bar as well.
function histogram(column, scale, visible) {
  const [low, high] = scale.range;
  const counts = new Array(N_BARS).fill(0);
  column.values.forEach((value, i) => {
    if (!visible[i] || !Number.isFinite(value)) return;
    const share = high > low ? (value - low) / (high - low) : 0.5;
    counts[Math.min(N_BARS - 1, Math.max(0, Math.floor(share * N_BARS)))] += 1;
  });
  const canvas = make("canvas", { class: "bar", role: "img", "aria-label": `${column.label} from ${readable(low)} to ${readable(high)}` });
  canvas.style.position = "static";
  requestAnimationFrame(() => paintBars(canvas, counts));
  const clipped = [quantile(column, 0) < low, quantile(column, 1) > high];
  const ticks = make("div", { class: "ticks" }, make("span", {}, (clipped[0] ? "≤ " : "") + readable(low)));
  if (high > low) ticks.append(make("span", {}, readable((low + high) / 2)), make("span", {}, (clipped[1] ? "≥ " : "") + readable(high)));
  return [canvas, ticks];
}

function paintBars(canvas, counts) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const most = Math.max(1, ...counts);
  const step = width / counts.length;
  counts.forEach((count, k) => {
    const tall = count ? 2 + (height - 14) * Math.sqrt(count / most) : 0;
    pen.fillStyle = shade(k / (counts.length - 1));
    pen.fillRect(k * step, height - 9 - tall, step - 1, tall);
    pen.fillRect(k * step, height - 7, step + 0.5, 7);
  });
}
