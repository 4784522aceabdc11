// One map: a canvas with pan and zoom that knows which sample is under the pointer.

const REACH = 14;
const FAST_FROM = 12000;

class MapView {
  // on: {hover(i, event), pin(i)}; i is a sample, or -1 for none.
  constructor(map, index, on) {
    Object.assign(this, { map, on, look: null, hovered: -1, pinned: -1 });
    this.element = make("section", { class: "map" });
    const head = make("header", {}, make("h2", {}, map.name), make("p", {}, map.quality || "quality not measured"));
    this.canvas = make("canvas", { tabindex: "0", role: "img", id: `map-${index}` });
    this.canvas.setAttribute("aria-label", `${map.name}: arrow keys go from sample to sample, Enter pins, plus and minus zoom, 0 shows all`);
    const zoom = make("div", { class: "zoom" }, this.button("+", "Zoom in", () => this.zoom(1.5)),
      this.button("−", "Zoom out", () => this.zoom(1 / 1.5)), this.button("⤢", "Show all", () => this.reset()));
    this.element.append(head, make("div", { class: "plot" }, this.canvas, zoom));
    this.bounds = MapView.boundsOf(map);
    this.reset();
    this.listen();
    // Painted at once: a frame later the old picture would show, stretched to the new size.
    new ResizeObserver(() => this.look && this.paint()).observe(this.canvas);
  }

  static boundsOf({ x, y }) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < x.length; i += 1) {
      if (!Number.isFinite(x[i])) continue;
      box[0] = Math.min(box[0], x[i]);
      box[1] = Math.min(box[1], y[i]);
      box[2] = Math.max(box[2], x[i]);
      box[3] = Math.max(box[3], y[i]);
    }
    return box[0] <= box[2] ? box : [0, 0, 1, 1];
  }

  button(text, name, act) {
    const button = make("button", { type: "button", title: name, "aria-label": `${name}, ${this.map.name}` }, text);
    button.addEventListener("click", act);
    return button;
  }

  reset() {
    const [x0, y0, x1, y1] = this.bounds;
    this.view = { x: (x0 + x1) / 2, y: (y0 + y1) / 2, zoom: 1 };
    this.draw();
  }

  // Pixels per unit of the map, the same for both axes.
  get scale() {
    const [x0, y0, x1, y1] = this.bounds;
    const room = 0.92 * Math.min(this.width / (x1 - x0 || 1), this.height / (y1 - y0 || 1));
    return room * this.view.zoom;
  }

  get width() { return this.canvas.clientWidth || 1; }

  get height() { return this.canvas.clientHeight || 1; }

  place(i) {
    const scale = this.scale;
    return [(this.map.x[i] - this.view.x) * scale + this.width / 2, this.height / 2 - (this.map.y[i] - this.view.y) * scale];
  }

  zoom(factor, at = [this.width / 2, this.height / 2]) {
    const zoom = Math.min(400, Math.max(0.5, this.view.zoom * factor));
    const before = this.scale;
    this.view.zoom = zoom;
    const after = this.scale;
    this.view.x += (at[0] - this.width / 2) * (1 / before - 1 / after);
    this.view.y -= (at[1] - this.height / 2) * (1 / before - 1 / after);
    this.draw();
  }

  pan(dx, dy) {
    this.view.x -= dx / this.scale;
    this.view.y += dy / this.scale;
    this.draw();
  }

  // The visible sample nearest to a pixel; with a direction, the nearest that way.
  nearest(px, py, reach = REACH, direction = null) {
    const scale = this.scale;
    const [cx, cy] = [this.view.x + (px - this.width / 2) / scale, this.view.y - (py - this.height / 2) / scale];
    let [best, found] = [(reach / scale) ** 2, -1];
    const { x, y } = this.map;
    for (let i = 0; i < x.length; i += 1) {
      const [dx, dy] = [x[i] - cx, y[i] - cy];
      const far = dx * dx + dy * dy;
      if (!(far <= best) || !this.look.visible[i]) continue;
      if (direction && (i === this.hovered || dx * direction[0] + dy * direction[1] < 0.7 * Math.sqrt(far) || far === 0)) continue;
      [best, found] = [far, i];
    }
    return found;
  }

  listen() {
    const canvas = this.canvas;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.offsetX, y: event.offsetY, moved: 0 };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return this.on.hover(this.nearest(event.offsetX, event.offsetY), event);
      const [dx, dy] = [event.offsetX - drag.x, event.offsetY - drag.y];
      drag = { x: event.offsetX, y: event.offsetY, moved: drag.moved + Math.abs(dx) + Math.abs(dy) };
      if (drag.moved > 4) {
        canvas.classList.add("dragging");
        this.on.hover(-1, event);
        this.pan(dx, dy);
      }
      return undefined;
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && drag.moved <= 4) this.on.pin(this.nearest(event.offsetX, event.offsetY));
      drag = null;
      canvas.classList.remove("dragging");
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("pointerleave", (event) => { if (!drag) this.on.hover(-1, event); });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0016), [event.offsetX, event.offsetY]);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const direction = directions[event.key];
    if (direction) {
      const from = this.hovered >= 0 ? this.place(this.hovered) : [this.width / 2, this.height / 2];
      const next = this.nearest(...from, Infinity, this.hovered >= 0 ? direction : null);
      if (next >= 0) this.on.hover(next, this.pointAt(next));
    } else if (event.key === "Enter" && this.hovered >= 0) this.on.pin(this.hovered);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
  }

  pointAt(i) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = this.place(i);
    return { clientX: box.left + x, clientY: box.top + y };
  }

  draw() {
    if (this.pending || !this.look) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
    });
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    let drawn = 0;
    for (const layer of this.look.layers) drawn += this.paintLayer(pen, layer);
    this.canvas.dataset.drawn = drawn;
    this.ring(pen, this.pinned, 2.5, 4);
    this.ring(pen, this.hovered, 1.5, 3);
  }

  // Samples of one colour in one path: 50,000 points stay smooth.
  paintLayer(pen, { color, samples }) {
    const { radius, visible } = this.look;
    const { x, y } = this.map;
    const scale = this.scale;
    const grown = Math.min(2.2, Math.max(1, this.view.zoom ** 0.35));
    const [left, top] = [this.width / 2 - this.view.x * scale, this.height / 2 + this.view.y * scale];
    const fast = x.length > FAST_FROM;
    let drawn = 0;
    pen.beginPath();
    for (const i of samples) {
      if (!visible[i] || !Number.isFinite(x[i])) continue;
      drawn += 1;
      const [px, py, r] = [left + x[i] * scale, top - y[i] * scale, radius[i] * grown];
      if (px < -r || py < -r || px > this.width + r || py > this.height + r) continue;
      if (fast && r < 2.2) pen.rect(px - r, py - r, 2 * r, 2 * r);
      else {
        pen.moveTo(px + r, py);
        pen.arc(px, py, r, 0, 2 * Math.PI);
      }
    }
    if (color === null) {
      pen.lineWidth = 1;
      pen.strokeStyle = cssColor("--hollow");
      pen.stroke();
      return drawn;
    }
    pen.globalAlpha = fast ? 0.8 : 0.92;
    pen.fillStyle = color;
    pen.fill();
    pen.globalAlpha = 1;
    if (!fast) {
      pen.lineWidth = 0.7;
      pen.strokeStyle = cssColor("--edge");
      pen.stroke();
    }
    return drawn;
  }

  ring(pen, i, lineWidth, gap) {
    if (i < 0 || !Number.isFinite(this.map.x[i])) return;
    const [x, y] = this.place(i);
    const grown = Math.min(2.2, Math.max(1, this.view.zoom ** 0.35));
    pen.beginPath();
    pen.arc(x, y, this.look.radius[i] * grown + gap, 0, 2 * Math.PI);
    Object.assign(pen, { lineWidth: lineWidth + 2.5, strokeStyle: cssColor("--canvas") });
    pen.stroke();
    Object.assign(pen, { lineWidth, strokeStyle: cssColor("--ring") });
    pen.stroke();
  }
}
