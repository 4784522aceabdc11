// One map: points, what is drawn over them, and which part of the map is in sight.

const REACH = 14;
const MOST_ZOOM = 400;
const MAP_KEYS = "arrow keys go from point to point, Enter pins, Space selects, plus and minus zoom, 0 shows all";

class MapView {
  // on: {hover(i, at), pin(i), draw(polygon, map, how), toggle(i), moved()}; i is a row, or -1 for none.
  // renderer: "webgl" or "canvas" where one is asked for.
  constructor(map, table, on, renderer) {
    Object.assign(this, {
      map,
      table,
      on,
      look: null,
      hovered: -1,
      pinned: -1,
      outline: null,
      tool: "pan",
      stale: false,
    });
    this.bounds = boundsOf(map);
    this.frame = inNextFrame(() => this.paint());
    this.overlay = make("canvas", {
      class: "overlay",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "map",
    });
    this.overlay.setAttribute("aria-label", `${map.name} of the ${table.noun}: ${MAP_KEYS}`);
    const zoom = make(
      "div",
      { class: "zoom" },
      this.button("+", "Zoom in", () => this.zoom(1.5)),
      this.button("−", "Zoom out", () => this.zoom(1 / 1.5)),
      this.button("⤢", "Show all", () => this.reset()),
    );
    this.plot = make("div", { class: "plot" }, this.overlay, zoom);
    this.element = make(
      "section",
      { class: "map", "aria-label": `${map.name} of the ${table.noun}` },
      make(
        "header",
        {},
        make("h2", {}, map.name),
        make("p", { class: "quality", title: map.quality }, map.quality || "quality not measured"),
      ),
      this.plot,
    );
    this.useRenderer(
      renderer === "canvas" ? null : WebglPoints.make(map, this.bounds, () => this.fallBack(), renderer === "webgl"),
    );
    this.view = this.whole();
    listenToGestures(this);
    // Painted at once: a frame later the old picture would show, stretched to the new size.
    new ResizeObserver(([entry]) => {
      this.size = entry.contentRect;
      this.stale = true;
      this.paint();
    }).observe(this.overlay);
  }

  useRenderer(renderer) {
    this.points?.canvas.remove();
    this.points = renderer ?? new CanvasPoints(this.map);
    this.plot.prepend(this.points.canvas);
    this.plot.dataset.renderer = this.points.name;
  }

  fallBack() {
    this.useRenderer(null);
    if (this.look) this.setLook(this.look);
  }

  button(text, name, act) {
    return makeButton(text, act, { title: name, "aria-label": `${name}, ${this.map.name}` });
  }

  whole() {
    const [x0, y0, x1, y1] = this.bounds;
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, zoom: 1 };
  }

  reset() {
    this.show(this.whole());
  }

  show(view) {
    this.view = view;
    this.stale = true;
    this.frame();
    this.on.moved();
  }

  get width() {
    return this.size?.width || 1;
  }

  get height() {
    return this.size?.height || 1;
  }

  // Pixels per unit of the map, the same for both axes.
  get scale() {
    const [x0, y0, x1, y1] = this.bounds;
    return 0.92 * Math.min(this.width / (x1 - x0 || 1), this.height / (y1 - y0 || 1)) * this.view.zoom;
  }

  // How much larger points are drawn when one is near.
  get grown() {
    return Math.min(2.2, Math.max(1, this.view.zoom ** 0.35));
  }

  place(i) {
    const { scale } = this;
    return [
      (this.map.x[i] - this.view.x) * scale + this.width / 2,
      this.height / 2 - (this.map.y[i] - this.view.y) * scale,
    ];
  }

  unplace([px, py]) {
    const { scale } = this;
    return [this.view.x + (px - this.width / 2) / scale, this.view.y - (py - this.height / 2) / scale];
  }

  zoom(factor, at = [this.width / 2, this.height / 2]) {
    const before = this.scale;
    const zoom = Math.min(MOST_ZOOM, Math.max(0.5, this.view.zoom * factor));
    const after = (before * zoom) / this.view.zoom;
    this.show({
      zoom,
      x: this.view.x + (at[0] - this.width / 2) * (1 / before - 1 / after),
      y: this.view.y - (at[1] - this.height / 2) * (1 / before - 1 / after),
    });
  }

  pan(dx, dy) {
    const { scale } = this;
    this.show({ ...this.view, x: this.view.x - dx / scale, y: this.view.y + dy / scale });
  }

  // The row in sight nearest to a pixel; with a direction, the nearest that way.
  nearest(at, reach = REACH, direction = null) {
    this.grid ??= new PointGrid(this.map, this.bounds);
    const { visible } = this.look;
    const [cx, cy] = this.unplace(at);
    return this.grid.nearest(
      cx,
      cy,
      reach / this.scale,
      (i, dx, dy) =>
        visible[i] &&
        (!direction ||
          (i !== this.hovered && (dx || dy) && dx * direction[0] + dy * direction[1] >= 0.7 * Math.hypot(dx, dy))),
    );
  }

  pointAt(i) {
    const box = this.overlay.getBoundingClientRect();
    const [x, y] = this.place(i);
    return { clientX: box.left + x, clientY: box.top + y };
  }

  setLook(look) {
    this.look = look;
    this.points.setLook(look);
    this.stale = true;
    this.frame();
  }

  mark({ hovered = this.hovered, pinned = this.pinned }) {
    Object.assign(this, { hovered, pinned });
    this.frame();
  }

  paint() {
    if (!this.look || !this.size?.width) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    for (const canvas of [this.points.canvas, this.overlay]) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    if (this.stale) {
      const { scale, grown } = this;
      this.points.paint({ ...this.view, scale, grown, ratio, width: this.width, height: this.height });
      this.plot.dataset.drawn = this.look.order.length;
      this.stale = false;
    }
    const pen = this.overlay.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.ring(pen, this.pinned, 2.5, 4);
    this.ring(pen, this.hovered, 1.5, 3);
    if (this.outline) this.paintOutline(pen);
  }

  ring(pen, i, lineWidth, gap) {
    if (i < 0 || !Number.isFinite(this.map.x[i])) return;
    const [x, y] = this.place(i);
    pen.beginPath();
    pen.arc(x, y, Math.abs(this.look.radius[i] || 2) * this.grown + gap, 0, 2 * Math.PI);
    Object.assign(pen, { lineWidth: lineWidth + 2.5, strokeStyle: css(styleColor("--canvas")) });
    pen.stroke();
    Object.assign(pen, { lineWidth, strokeStyle: css(styleColor("--ring")) });
    pen.stroke();
  }

  paintOutline(pen) {
    const accent = css(styleColor("--accent"));
    pen.beginPath();
    this.outline.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    Object.assign(pen, { lineWidth: 1.5, strokeStyle: accent, fillStyle: accent });
    pen.globalAlpha = 0.1;
    pen.fill();
    pen.globalAlpha = 1;
    pen.setLineDash([5, 3]);
    pen.stroke();
    pen.setLineDash([]);
  }
}
