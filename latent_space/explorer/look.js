// How every point looks: its colour, size, and when it is drawn. Both maps and both ways to draw share it.

const SEVERAL_ROUNDS = 64;
const OUT_OF_FOCUS = 0.34;

// order: rows from back to front, without hidden ones: those not selected, those without a value, then the others.
// rgba: 4 bytes per row; radius: pixels, negative for a hollow point: without a value, in the accent when selected.
function makeLook({ scale, radius, visible, selected }) {
  const n = visible.length;
  const [gray, hollow] = [styleColor("--unselected"), styleColor(selected ? "--accent" : "--hollow")];
  const dense = n > 12000;
  const rgba = new Uint8Array(4 * n);
  const sizes = new Float32Array(n);
  const keys = new Uint16Array(n);
  const rounds = scale.range ? 1 : SEVERAL_ROUNDS;
  for (let i = 0; i < n; i += 1) {
    if (!visible[i]) continue;
    const bin = scale.bins[i];
    const inFocus = !selected || selected[i];
    const color = !inFocus ? gray : bin < 0 ? hollow : scale.colors[bin];
    [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]] = color;
    rgba[4 * i + 3] = inFocus ? (dense ? 217 : 240) : 150;
    sizes[i] = inFocus ? (bin < 0 ? -radius[i] : radius[i]) : Math.max(1, radius[i] * (1 - OUT_OF_FOCUS));
    keys[i] = !inFocus ? 1 : bin < 0 ? 2 : 3 + (scale.range ? bin : (Math.imul(i, 2654435761) >>> 16) % rounds);
  }
  const order = sortedByKey(keys, 3 + Math.max(rounds, scale.colors.length));
  return { order, rgba, radius: sizes, visible, selected, dense };
}

// Rows by key, in their own order where keys are alike; rows with key 0 are left out.
function sortedByKey(keys, nKeys) {
  const starts = new Uint32Array(nKeys + 1);
  for (const key of keys) starts[key] += key ? 1 : 0;
  let total = 0;
  for (let key = 0; key <= nKeys; key += 1) {
    const count = starts[key];
    starts[key] = total;
    total += count;
  }
  const order = new Uint32Array(total);
  keys.forEach((key, i) => {
    if (key) order[starts[key]++] = i;
  });
  return order;
}
