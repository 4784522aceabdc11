// From a column to a colour and a size per sample.

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
// Plasma, even steps of perception, without the end that the background swallows.
const RAMP = ["#0d0887", "#310597", "#4c02a1", "#6600a7", "#7e03a8", "#9511a1", "#aa2395", "#bc3587", "#cc4778",
  "#da5a6a", "#e66c5c", "#f0804e", "#f89540", "#fdac33", "#fdc527", "#f8df25", "#f0f921"];
const PALETTE = { light: ["#3a6fd8", "#e07b1f", "#2f9e5f", "#c9407a", "#7a56c8", "#1f9bb0", "#b8931c", "#8a5a3c", "#d1483d", "#5f8f1e"],
  dark: ["#7ea6ff", "#ffa657", "#63d08f", "#f57fb1", "#b39bf5", "#56cfe1", "#e6c650", "#c99a7c", "#ff8078", "#a9d65a"] };
const N_SHADES = 64;

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function shade(share) {
  const [from, to] = DARK.matches ? [0.32, 1] : [0, 0.88];
  const place = (from + (to - from) * Math.min(1, Math.max(0, share))) * (RAMP.length - 1);
  const lower = Math.min(RAMP.length - 2, Math.floor(place));
  const [a, b] = [rgb(RAMP[lower]), rgb(RAMP[lower + 1])];
  const mixed = a.map((value, k) => Math.round(value + (b[k] - value) * (place - lower)));
  return `rgb(${mixed.join(",")})`;
}

// bins[i] is the colour of sample i in colors, or -1 where the column has no value.
function colorScale(column, n) {
  const bins = new Int16Array(n).fill(-1);
  if (!column) return { bins: bins.fill(0), colors: [shade(0.45)] };
  if (column.kind === "category") {
    const palette = PALETTE[DARK.matches ? "dark" : "light"];
    const many = column.levels.length > palette.length;
    const colors = many ? [...palette.slice(0, -1), cssColor("--faint")] : palette;
    for (let i = 0; i < n; i += 1) {
      if (column.values[i] !== NO_LEVEL) bins[i] = Math.min(column.values[i], colors.length - 1);
    }
    return { bins, colors, many };
  }
  const range = robustRange(column);
  const width = range[1] - range[0];
  for (let i = 0; i < n; i += 1) {
    const value = column.values[i];
    if (!Number.isFinite(value)) continue;
    const share = width > 0 ? (value - range[0]) / width : 0.5;
    bins[i] = Math.min(N_SHADES - 1, Math.max(0, Math.floor(share * N_SHADES)));
  }
  const colors = Array.from({ length: N_SHADES }, (_, k) => shade(k / (N_SHADES - 1)));
  return { bins, colors, range };
}

// Radii in pixels, smaller the more samples there are.
function radii(column, n) {
  const base = Math.min(4.5, Math.max(1.3, 70 / Math.sqrt(n + 60)));
  const sizes = new Float32Array(n).fill(base);
  if (!column) return sizes;
  const [low, high] = robustRange(column);
  for (let i = 0; i < n; i += 1) {
    const value = column.values[i];
    const share = Number.isFinite(value) && high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.15;
    sizes[i] = base * (0.65 + 1.25 * share);
  }
  return sizes;
}

function cssColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
