// The rows in sight as a table that follows the map, and the map it.

const ROW_HEIGHT = 26;
const [LEAST_ID, MOST_ID, LETTER] = [150, 230, 7.5]; // pixels
const COLUMN_GAP = 18;

class LinkedTable {
  // on: {hover(i), pin(i), toggle(i), sort(name), shown(names)}
  constructor(place, sight, on) {
    Object.assign(this, { place, sight, on, cursor: 0, idWidths: new Map() });
    this.head = make("div", { class: "grid-head", role: "row" });
    this.scroller = make("div", {
      class: "grid-rows",
      role: "grid",
      tabindex: "0",
      "aria-label": "Rows in sight: arrow keys go up and down, Enter pins, Space selects",
    });
    this.chooser = make("details", { class: "chooser" }, make("summary", {}, "Columns"));
    place.append(make("div", { class: "grid-scroll" }, this.head, this.scroller), this.chooser);
    this.list = new LongList(
      this.scroller,
      () => ({ count: this.sight().rows.length, height: ROW_HEIGHT }),
      (k) => this.row(k),
    );
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.chooser.addEventListener("toggle", () => this.fillChooser());
  }

  get columns() {
    const { table, shown } = this.sight();
    return shown.map((name) => table.column.get(name)).filter(Boolean);
  }

  // Enough for the end of an id, which often is what tells it from the next. Once per table: drawing is frequent, ids many.
  get idWidth() {
    const { table } = this.sight();
    if (!this.idWidths.has(table)) {
      const longest = table.ids.reduce((most, id) => Math.max(most, id.length), 0);
      this.idWidths.set(table, Math.min(MOST_ID, Math.max(LEAST_ID, Math.ceil(longest * LETTER))));
    }
    return this.idWidths.get(table);
  }

  draw() {
    if (this.place.hidden) return;
    const { sort, rows, selected } = this.sight();
    this.cursor = Math.min(this.cursor, Math.max(0, rows.length - 1));
    const widths = this.columns.map((column) => `minmax(${column.kind === "number" ? 86 : 96}px, 1fr)`);
    const { idWidth } = this;
    const template = `26px minmax(${idWidth}px, 1.6fr) ${widths.join(" ")}`;
    this.place.style.setProperty("--columns", template);
    this.place.style.setProperty("--least", `${26 + idWidth + this.columns.length * (92 + COLUMN_GAP)}px`);
    const title = (name, label, isNumber) =>
      make(
        "span",
        {
          role: "columnheader",
          class: isNumber ? "number" : "",
          "aria-sort": sort.name === name ? (sort.descending ? "descending" : "ascending") : "none",
        },
        makeButton(label + (sort.name !== name ? "" : sort.descending ? " ↓" : " ↑"), () => this.on.sort(name), {
          class: "plain",
          title: `Sort by ${label}`,
        }),
      );
    this.head.replaceChildren(
      make("span", { role: "columnheader", title: selected ? "selected" : "" }),
      title("", this.sight().table.key === "instances" ? "instance" : "sample", false),
      ...this.columns.map((column) => title(column.name, column.label, column.kind === "number")),
    );
    this.scroller.setAttribute("aria-rowcount", rows.length);
    this.list.draw();
  }

  row(k) {
    const { table, rows, selected, pinned } = this.sight();
    const i = rows[k];
    const mark = make(
      "span",
      { role: "gridcell", class: "tick", "aria-label": selected?.[i] ? "selected" : "not selected" },
      selected?.[i] ? "●" : "○",
    );
    mark.addEventListener("click", (event) => {
      event.stopPropagation();
      this.on.toggle(i);
    });
    const cells = this.columns.map((column) =>
      make(
        "span",
        {
          role: "gridcell",
          class: column.kind === "number" ? "number" : "",
          title: column.kind === "number" ? null : cell(column, i),
        },
        cell(column, i) ?? "–",
      ),
    );
    const isCursor = k === this.cursor && document.activeElement === this.scroller;
    const row = make(
      "div",
      {
        class: ["grid-row", i === pinned && "pinned", isCursor && "cursor"].filter(Boolean).join(" "),
        role: "row",
        "aria-rowindex": k + 1,
        "aria-selected": String(Boolean(selected?.[i])),
        "data-row": i,
      },
      mark,
      make("span", { role: "gridcell", class: "id", title: table.ids[i] }, table.ids[i]),
      ...cells,
    );
    row.addEventListener("mouseenter", () => this.on.hover(i));
    row.addEventListener("mouseleave", () => this.on.hover(-1));
    row.addEventListener("click", () => this.on.pin(i));
    return row;
  }

  key(event) {
    const { rows } = this.sight();
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (!rows.length) return;
    if (event.key in steps) {
      this.cursor = Math.min(rows.length - 1, Math.max(0, this.cursor + steps[event.key]));
      this.list.reveal(this.cursor);
      this.on.hover(rows[this.cursor]);
    } else if (event.key === "Enter") this.on.pin(rows[this.cursor]);
    else if (event.key === " ") this.on.toggle(rows[this.cursor]);
    else return;
    event.preventDefault();
  }

  // Which columns the table and the tooltip show.
  fillChooser() {
    if (!this.chooser.open) return;
    const { table, shown } = this.sight();
    const search = make("input", { type: "search", placeholder: "search columns", "aria-label": "Search columns" });
    const list = make(
      "div",
      { class: "choices" },
      ...table.columns.map((column) =>
        makeChoice("checkbox", "column", shown.includes(column.name), [column.label], (checked) => {
          const now = this.sight().shown.filter((name) => name !== column.name);
          this.on.shown(checked ? [...now, column.name] : now);
        }),
      ),
    );
    search.addEventListener("input", () =>
      table.columns.forEach((column, k) => {
        list.children[k].hidden = !column.label.includes(search.value.trim().toLowerCase());
      }),
    );
    this.chooser.replaceChildren(this.chooser.firstChild, make("div", { class: "popover" }, search, list));
  }
}
