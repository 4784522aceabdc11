// From a column to a colour and a size per row.

const SYSTEM_DARK = window.matchMedia("(prefers-color-scheme: dark)");
// Plasma, even steps of perception, without the end that the background swallows.
const RAMP = [
  "#0d0887",
  "#310597",
  "#4c02a1",
  "#6600a7",
  "#7e03a8",
  "#9511a1",
  "#aa2395",
  "#bc3587",
  "#cc4778",
  "#da5a6a",
  "#e66c5c",
  "#f0804e",
  "#f89540",
  "#fdac33",
  "#fdc527",
  "#f8df25",
  "#f0f921",
].map(rgb);
const PALETTE = {
  light: [
    "#3a6fd8",
    "#e07b1f",
    "#2f9e5f",
    "#c9407a",
    "#7a56c8",
    "#1f9bb0",
    "#b8931c",
    "#8a5a3c",
    "#d1483d",
    "#5f8f1e",
  ].map(rgb),
  dark: [
    "#7ea6ff",
    "#ffa657",
    "#63d08f",
    "#f57fb1",
    "#b39bf5",
    "#56cfe1",
    "#e6c650",
    "#c99a7c",
    "#ff8078",
    "#a9d65a",
  ].map(rgb),
};
const N_SHADES = 64;

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

// Colours of the style sheet as [red, green, blue]; asked for once per theme.
const STYLE_COLORS = new Map();

function styleColor(name) {
  const key = `${document.documentElement.dataset.theme} ${name}`;
  if (!STYLE_COLORS.has(key)) {
    const probe = make("i", { style: `color: var(${name})` });
    document.body.append(probe);
    STYLE_COLORS.set(
      key,
      getComputedStyle(probe)
        .color.match(/[\d.]+/g)
        .map(Number)
        .slice(0, 3),
    );
    probe.remove();
  }
  return STYLE_COLORS.get(key);
}

function css([red, green, blue]) {
  return `rgb(${red},${green},${blue})`;
}

function mix(one, other, share) {
  return one.map((value, k) => Math.round(value + (other[k] - value) * share));
}

function shade(share) {
  const [from, to] = isDark() ? [0.32, 1] : [0, 0.88];
  const place = (from + (to - from) * Math.min(1, Math.max(0, share))) * (RAMP.length - 1);
  const lower = Math.min(RAMP.length - 2, Math.floor(place));
  return mix(RAMP[lower], RAMP[lower + 1], place - lower);
}

// The palette, then lighter and darker ones of it; with more levels than colours they repeat.
function levelColors(n) {
  const palette = PALETTE[isDark() ? "dark" : "light"];
  const lighter = palette.map((color) => mix(color, [255, 255, 255], 0.42));
  const darker = palette.map((color) => mix(color, [0, 0, 0], 0.38));
  return [...palette, ...lighter, ...darker].slice(0, Math.max(n, palette.length));
}

// bins[i] is the colour of row i in colors, or -1 where the column has no value.
function colorScale(column, n) {
  const bins = new Int16Array(n).fill(-1);
  if (!column) return { bins: bins.fill(0), colors: [shade(0.45)] };
  const { values } = column;
  if (column.kind === "category") {
    const colors = levelColors(column.levels.length);
    for (let i = 0; i < n; i += 1) if (values[i] !== NO_LEVEL) bins[i] = values[i] % colors.length;
    return { bins, colors };
  }
  const range = robustRange(column);
  const width = range[1] - range[0];
  for (let i = 0; i < n; i += 1) {
    if (!Number.isFinite(values[i])) continue;
    const share = width > 0 ? (values[i] - range[0]) / width : 0.5;
    bins[i] = Math.min(N_SHADES - 1, Math.max(0, Math.floor(share * N_SHADES)));
  }
  return { bins, range, colors: Array.from({ length: N_SHADES }, (_, k) => shade(k / (N_SHADES - 1))) };
}

// Radii in pixels, smaller the more rows there are. Of a category, later levels are larger.
function radii(column, n) {
  const base = Math.min(4.5, Math.max(1.4, 95 / Math.sqrt(n + 60)));
  const sizes = new Float32Array(n).fill(base);
  if (!column) return sizes;
  const [low, high] = column.kind === "category" ? [0, column.levels.length - 1] : robustRange(column);
  for (let i = 0; i < n; i += 1) {
    const share =
      column.has(i) && high > low ? Math.min(1, Math.max(0, (column.values[i] - low) / (high - low))) : 0.15;
    sizes[i] = base * (0.65 + 1.25 * share);
  }
  return sizes;
}
