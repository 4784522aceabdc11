// Points without WebGL: paths while they are few, and written straight into the picture when they are many.

const FEW_POINTS = 12000;

class CanvasPoints {
  constructor(map) {
    this.canvas = make("canvas", { class: "points", "aria-hidden": "true" });
    Object.assign(this, { map, name: "canvas" });
  }

  setLook(look) {
    this.look = look;
  }

  paint(view) {
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.look.order.length > FEW_POINTS) this.paintMany(pen, view);
    else this.paintFew(pen, view);
  }

  placed(view) {
    const { width, height } = this.canvas;
    const step = view.scale * view.ratio;
    return { step, left: width / 2 - view.x * step, top: height / 2 + view.y * step, width, height };
  }

  paintFew(pen, view) {
    const { x, y } = this.map;
    const { rgba, radius, order } = this.look;
    const { step, left, top, width, height } = this.placed(view);
    pen.strokeStyle = css(styleColor("--edge"));
    pen.lineWidth = 0.7 * view.ratio;
    for (const i of order) {
      const [px, py, r] = [left + x[i] * step, top - y[i] * step, Math.abs(radius[i]) * view.grown * view.ratio];
      if (!(px > -r && py > -r && px < width + r && py < height + r)) continue;
      const color = `rgba(${rgba[4 * i]},${rgba[4 * i + 1]},${rgba[4 * i + 2]},${rgba[4 * i + 3] / 255})`;
      pen.beginPath();
      pen.arc(px, py, r, 0, 2 * Math.PI);
      if (radius[i] < 0) {
        const edge = pen.strokeStyle;
        pen.strokeStyle = color;
        pen.stroke();
        pen.strokeStyle = edge;
      } else {
        pen.fillStyle = color;
        pen.fill();
        if (r > 2.4 * view.ratio) pen.stroke(); // on small points a rim would wash them out
      }
    }
  }

  paintMany(pen, view) {
    const { x, y } = this.map;
    const { rgba, radius, order } = this.look;
    const { step, left, top, width, height } = this.placed(view);
    const picture = pen.createImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer);
    const colors = new Uint32Array(rgba.buffer);
    for (const i of order) {
      const px = Math.round(left + x[i] * step);
      const py = Math.round(top - y[i] * step);
      if (!(px >= 0 && py >= 0 && px < width && py < height)) continue;
      const r = Math.max(1, Math.abs(radius[i]) * view.grown * view.ratio);
      const [reach, hollow] = [Math.ceil(r) - 1, radius[i] < 0 ? (r - 1) ** 2 : -1];
      for (let dy = -reach; dy <= reach; dy += 1) {
        const row = py + dy;
        if (row < 0 || row >= height) continue;
        for (let dx = -reach; dx <= reach; dx += 1) {
          const far = dx * dx + dy * dy;
          if (far <= r * r && far >= hollow && px + dx >= 0 && px + dx < width)
            pixels[row * width + px + dx] = colors[i];
        }
      }
    }
    pen.putImageData(picture, 0, 0);
  }
}
