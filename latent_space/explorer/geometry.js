// Which points lie inside an outline, and which one is nearest. Coordinates are those of the map.

// A mask of the points inside a polygon, [[x, y], ...]; a point on a crossing of edges counts by the even-odd rule.
function pointsInside({ x, y }, polygon) {
  const inside = new Uint8Array(x.length);
  if (polygon.length < 3) return inside;
  const [xs, ys] = [polygon.map((corner) => corner[0]), polygon.map((corner) => corner[1])];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (let i = 0; i < x.length; i += 1) {
    const [px, py] = [x[i], y[i]];
    if (!(px >= left && px <= right && py >= low && py <= high)) continue;
    let odd = false;
    for (let a = 0, b = xs.length - 1; a < xs.length; b = a, a += 1) {
      if (ys[a] > py !== ys[b] > py && px < ((xs[b] - xs[a]) * (py - ys[a])) / (ys[b] - ys[a]) + xs[a]) odd = !odd;
    }
    inside[i] = odd ? 1 : 0;
  }
  return inside;
}

function rectangle([x0, y0], [x1, y1]) {
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}

function boundsOf({ x, y }) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < x.length; i += 1) {
    if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) continue;
    box[0] = Math.min(box[0], x[i]);
    box[1] = Math.min(box[1], y[i]);
    box[2] = Math.max(box[2], x[i]);
    box[3] = Math.max(box[3], y[i]);
  }
  return box[0] <= box[2] ? box : [0, 0, 1, 1];
}

// The points sorted into square cells, so that the nearest is found without looking at all.
class PointGrid {
  constructor({ x, y }, bounds) {
    Object.assign(this, { x, y, bounds });
    const [x0, y0, x1, y1] = bounds;
    this.cell = Math.max(x1 - x0, y1 - y0) / Math.max(1, Math.sqrt(x.length) / 2) || 1;
    this.columns = Math.floor((x1 - x0) / this.cell) + 1;
    this.rows = Math.floor((y1 - y0) / this.cell) + 1;
    const cells = Int32Array.from(x, (_, i) => this.cellOf(x[i], y[i]));
    this.starts = new Uint32Array(this.columns * this.rows + 1);
    for (const cell of cells) if (cell >= 0) this.starts[cell + 1] += 1;
    for (let k = 1; k < this.starts.length; k += 1) this.starts[k] += this.starts[k - 1];
    const next = this.starts.slice();
    this.points = new Uint32Array(this.starts.at(-1));
    cells.forEach((cell, i) => {
      if (cell >= 0) this.points[next[cell]++] = i;
    });
  }

  cellOf(px, py) {
    if (!Number.isFinite(px) || !Number.isFinite(py)) return -1;
    return this.column(px) + this.row(py) * this.columns;
  }

  column(px) {
    return Math.min(this.columns - 1, Math.max(0, Math.floor((px - this.bounds[0]) / this.cell)));
  }

  row(py) {
    return Math.min(this.rows - 1, Math.max(0, Math.floor((py - this.bounds[1]) / this.cell)));
  }

  // The nearest point within reach that `accept(i, dx, dy)` takes, or -1.
  nearest(cx, cy, reach, accept) {
    let [best, found] = [reach ** 2, -1];
    const [left, right] = [this.column(cx - reach), this.column(cx + reach)];
    for (let row = this.row(cy - reach); row <= this.row(cy + reach); row += 1) {
      const [from, to] = [this.starts[left + row * this.columns], this.starts[right + row * this.columns + 1]];
      for (let k = from; k < to; k += 1) {
        const i = this.points[k];
        const [dx, dy] = [this.x[i] - cx, this.y[i] - cy];
        const far = dx * dx + dy * dy;
        if (far <= best && accept(i, dx, dy)) [best, found] = [far, i];
      }
    }
    return found;
  }
}
