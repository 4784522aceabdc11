// The rows in sight as pictures, in the order of the table. Square ones have their value over a dark edge; wide ones, as
// diagrams are, are shown whole with the value below, where it hides nothing.

const LEAST_SIDE = 88;
const LEAST_HEIGHT_OF_WIDE = 80;
const CAPTION_OF_WIDE = 17;
const TILE_GAP = 6;

class Gallery {
  // on: {hover(i), pin(i)}
  constructor(place, sight, pictures, on) {
    Object.assign(this, { place, sight, pictures, on });
    this.list = new LongList(
      place,
      () => ({ count: Math.ceil(this.sight().rows.length / this.perRow), height: this.tileHeight + TILE_GAP }),
      (k) => this.row(k),
    );
  }

  get room() {
    return this.place.clientWidth - 16;
  }

  get perRow() {
    const { aspect, areWide } = this.pictures;
    const least = areWide ? LEAST_HEIGHT_OF_WIDE * aspect : LEAST_SIDE;
    return Math.max(1, Math.floor((this.room + TILE_GAP) / (least + TILE_GAP)));
  }

  // Pixels of a picture; together they fill the width.
  get width() {
    return Math.max(40, Math.floor((this.room + TILE_GAP) / this.perRow) - TILE_GAP);
  }

  get height() {
    return Math.round(this.width / this.pictures.aspect);
  }

  get tileHeight() {
    return this.height + (this.pictures.areWide ? CAPTION_OF_WIDE : 0);
  }

  draw() {
    if (!this.place.hidden) this.list.draw();
  }

  row(k) {
    const { table, rows, pinned, sort, color } = this.sight();
    const captioned = table.column.get(sort.name) ?? table.column.get(color);
    const { width, height, tileHeight } = this;
    const style = `--width: ${width}px; --height: ${height}px; --tile: ${tileHeight}px`;
    const row = make("div", { class: this.pictures.areWide ? "tile-row wide" : "tile-row", style });
    for (const i of Array.from(rows.slice(k * this.perRow, (k + 1) * this.perRow))) {
      const button = makeButton("", () => this.on.pin(i), {
        title: table.ids[i],
        "aria-label": `pin ${table.ids[i]}`,
        class: i === pinned ? "pinned" : "",
      });
      if (this.pictures.has(table, i)) button.append(this.pictures.thumbnail(table, i, width));
      else button.append(make("span", { class: "words" }, table.ids[i]));
      if (captioned?.has(i)) button.append(this.caption(captioned, i));
      button.addEventListener("mouseenter", () => this.on.hover(i));
      button.addEventListener("mouseleave", () => this.on.hover(-1));
      row.append(button);
    }
    return row;
  }

  caption(column, i) {
    const name = this.pictures.areWide ? [make("span", {}, column.label)] : [];
    return make("span", { class: "value" }, ...name, cell(column, i));
  }
}
