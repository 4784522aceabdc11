// The rows in sight as pictures, in the order of the table.

const LEAST_SIDE = 88;
const TILE_GAP = 6;

class Gallery {
  // on: {hover(i), pin(i)}
  constructor(place, sight, pictures, on) {
    Object.assign(this, { place, sight, pictures, on });
    this.list = new LongList(
      place,
      () => ({ count: Math.ceil(this.sight().rows.length / this.perRow), height: this.side + TILE_GAP }),
      (k) => this.row(k),
    );
  }

  get room() {
    return this.place.clientWidth - 16;
  }

  get perRow() {
    return Math.max(1, Math.floor((this.room + TILE_GAP) / (LEAST_SIDE + TILE_GAP)));
  }

  // Pixels; the pictures fill the width.
  get side() {
    return Math.max(40, Math.floor((this.room + TILE_GAP) / this.perRow) - TILE_GAP);
  }

  draw() {
    if (!this.place.hidden) this.list.draw();
  }

  row(k) {
    const { table, rows, pinned, sort, color } = this.sight();
    const captioned = table.column.get(sort.name) ?? table.column.get(color);
    const { side } = this;
    const row = make("div", { class: "tile-row", style: `--side: ${side}px` });
    for (const i of Array.from(rows.slice(k * this.perRow, (k + 1) * this.perRow))) {
      const button = makeButton("", () => this.on.pin(i), {
        title: table.ids[i],
        "aria-label": `pin ${table.ids[i]}`,
        class: i === pinned ? "pinned" : "",
      });
      if (this.pictures.has(table, i)) button.append(this.pictures.thumbnail(table, i, side));
      else button.append(make("span", { class: "words" }, table.ids[i]));
      if (captioned?.has(i)) button.append(make("span", { class: "value" }, cell(captioned, i)));
      button.addEventListener("mouseenter", () => this.on.hover(i));
      button.addEventListener("mouseleave", () => this.on.hover(-1));
      row.append(button);
    }
    return row;
  }
}
