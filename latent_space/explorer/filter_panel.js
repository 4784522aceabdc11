// The filters as one sees them: a small histogram per column to draw a range on, or its levels to tick.

const FILTER_BINS = 40;
const FILTER_HEIGHT = 30;
const FEW_LEVELS = 6;
const ROLES = [
  ["sample", "Sample"],
  ["metric", "Metrics"],
  ["metadata", "Metadata"],
];

class FilterPanel {
  // sight() gives {table, filters, taken}; change(name, filter) sets one.
  constructor(place, sight, change) {
    Object.assign(this, { place, sight, change, blocks: [], table: null, wanted: "" });
    this.search = make("input", { type: "search", placeholder: "search columns", "aria-label": "Search columns" });
    this.search.addEventListener("input", () => this.sift());
    this.reset = makeButton("Clear all", () => this.change(null), { class: "small" });
    this.body = make("div", { class: "blocks" });
    place.append(make("div", { class: "row stick" }, this.search, this.reset), this.body);
    this.seen = new IntersectionObserver(
      (entries) =>
        entries.forEach((entry) => {
          const block = this.blocks.find((one) => one.element === entry.target);
          if (block) Object.assign(block, { inSight: entry.isIntersecting });
          if (block && entry.isIntersecting) this.drawBlock(block);
        }),
      { root: place, rootMargin: "120px" },
    );
  }

  draw() {
    const { table } = this.sight();
    if (table !== this.table) this.build(table);
    for (const block of this.blocks) block.stale = true;
    this.reset.disabled = ![...this.sight().filters.values()].some((filter) => !isOpen(filter));
    for (const block of this.blocks) if (block.inSight) this.drawBlock(block);
  }

  build(table) {
    this.seen.disconnect();
    this.table = table;
    this.blocks = [];
    this.body.replaceChildren();
    for (const [role, title] of ROLES) {
      const columns = table.columns.filter((column) => column.role === role);
      if (columns.length) this.body.append(make("h3", { "data-role": role }, title));
      for (const column of columns) {
        const block = {
          column,
          element: make("div", { class: "filter", "data-column": column.name }),
          stale: true,
          open: false,
        };
        this.blocks.push(block);
        this.body.append(block.element);
        this.seen.observe(block.element);
      }
    }
    this.sift();
  }

  sift() {
    const wanted = this.search.value.trim().toLowerCase();
    for (const { column, element: shown } of this.blocks)
      shown.hidden = !`${column.label} ${column.name}`.toLowerCase().includes(wanted);
    for (const heading of this.body.querySelectorAll("h3"))
      heading.hidden = this.blocks.every((block) => block.column.role !== heading.dataset.role || block.element.hidden);
  }

  drawBlock(block) {
    if (!block.stale) return;
    block.stale = false;
    const { column } = block;
    const { filters, taken } = this.sight();
    const filter = filters.get(column.name);
    const head = make(
      "div",
      { class: "filter-head" },
      make("span", { class: "name", title: column.name }, column.label),
      make("span", { class: "state" }, filterText(column, filter)),
    );
    if (!isOpen(filter))
      head.append(
        makeButton("×", () => this.change(column.name, null), {
          class: "x",
          "aria-label": `Clear the filter of ${column.label}`,
        }),
      );
    block.element.classList.toggle("active", !isOpen(filter));
    if (block.drawn && (block.busy || block.element.contains(document.activeElement))) block.drawn(head, filter, taken);
    else block.element.replaceChildren(head, ...this.bodyOf(block, filter, taken));
  }

  bodyOf(block, filter, taken) {
    const { column } = block;
    if (column.kind === "number") return this.numberBody(block, filter, taken);
    if (column.kind === "category") return [this.levelBody(block, filter, taken)];
    const input = make("input", {
      type: "search",
      placeholder: "contains …",
      "aria-label": `${column.label} contains`,
    });
    input.value = filter?.text ?? "";
    input.addEventListener("input", () => this.change(column.name, { text: input.value }));
    block.drawn = (head) => block.element.firstChild.replaceWith(head);
    return [input];
  }

  numberBody(block, filter, taken) {
    const { column } = block;
    const chart = make("div", { class: "brush" }, histogram(column, filter, taken));
    this.listenToBrush(chart, block);
    const [low, high] = ["low", "high"].map((end) => {
      const input = make("input", {
        type: "number",
        step: "any",
        class: "bound",
        "aria-label": `${column.label}: ${end === "low" ? "at least" : "at most"}`,
        placeholder: readable(end === "low" ? column.min : column.max),
      });
      if (filter && filter[end] !== null) input.value = filter[end];
      input.addEventListener("change", () => {
        const value = input.value === "" ? null : Number(input.value);
        this.change(column.name, { low: null, high: null, ...this.sight().filters.get(column.name), [end]: value });
      });
      return input;
    });
    block.drawn = (head, now, rows) => {
      block.element.firstChild.replaceWith(head);
      chart.replaceChildren(histogram(column, now, rows));
    };
    return [chart, make("div", { class: "bounds" }, low, make("span", {}, "to"), high)];
  }

  // A range drawn on the histogram; one that reaches the edge is open there.
  listenToBrush(chart, block) {
    let from = null;
    const { column } = block;
    const [low, high] = robustRange(column);
    const share = (event) =>
      Math.min(1, Math.max(0, (event.clientX - chart.getBoundingClientRect().left) / chart.clientWidth));
    const value = (at) => Number((low + at * (high - low)).toPrecision(4));
    chart.addEventListener("pointerdown", (event) => {
      from = share(event);
      block.busy = true;
      chart.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    chart.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(share(event) - from) < 0.015) return;
      const ends = [from, share(event)].sort((a, b) => a - b);
      this.change(column.name, {
        low: ends[0] <= 0.01 ? null : value(ends[0]),
        high: ends[1] >= 0.99 ? null : value(ends[1]),
      });
    });
    for (const kind of ["pointerup", "pointercancel"])
      chart.addEventListener(kind, () => {
        from = null;
        block.busy = false;
      });
    chart.addEventListener("dblclick", () => this.change(column.name, null));
  }

  levelBody(block, filter, taken) {
    const { column } = block;
    const [all, now] = [levelCounts(column, null), levelCounts(column, taken)];
    const levels = [...column.levels, null]
      .map((level, k) => ({ level, all: all[k], now: now[k] }))
      .filter((one) => one.all);
    const most = Math.max(...levels.map((one) => one.all));
    const list = make("div", { class: "ticks-list" });
    for (const one of block.open ? levels : levels.slice(0, FEW_LEVELS))
      list.append(this.tick(column, filter, one, most));
    if (levels.length > FEW_LEVELS) {
      list.append(
        makeButton(
          block.open ? "fewer" : `${levels.length - FEW_LEVELS} more`,
          () => {
            Object.assign(block, { open: !block.open, stale: true });
            block.element.replaceChildren(
              ...[...block.element.children].slice(0, 1),
              this.levelBody(block, this.sight().filters.get(column.name), this.sight().taken),
            );
          },
          { class: "more" },
        ),
      );
    }
    block.drawn = (head, next, rows) => {
      const at = [...list.querySelectorAll("input")].indexOf(document.activeElement);
      block.element.replaceChildren(head, this.levelBody(block, next, rows));
      block.element.querySelectorAll("input")[at]?.focus();
    };
    return list;
  }

  tick(column, filter, { level, all, now }, most) {
    const bar = make("i");
    bar.style.width = `${(100 * all) / most}%`;
    const part = make("b");
    part.style.width = `${(100 * now) / most}%`;
    return makeChoice(
      "checkbox",
      `filter-${column.name}`,
      !filter?.hidden?.includes(level),
      [
        make("span", { class: level === null ? "none" : "" }, level ?? "no value"),
        make("small", {}, readable(now)),
        make("span", { class: "back" }, bar, part),
      ],
      (checked) => {
        const hidden = (this.sight().filters.get(column.name)?.hidden ?? []).filter((one) => one !== level);
        this.change(column.name, { hidden: checked ? hidden : [...hidden, level] });
      },
    );
  }
}

function filterText(column, filter) {
  if (isOpen(filter)) return "";
  if (filter.hidden) return `${filter.hidden.length} hidden`;
  if ("text" in filter) return "";
  if (filter.low === null) return `≤ ${readable(filter.high)}`;
  return filter.high === null ? `≥ ${readable(filter.low)}` : `${readable(filter.low)} – ${readable(filter.high)}`;
}

// All rows in gray, those in the lists in colour; heights by square root, so that few are seen beside many.
function histogram(column, filter, taken) {
  const [all, now] = [binCounts(column, FILTER_BINS, null), binCounts(column, FILTER_BINS, taken)];
  const most = Math.max(1, ...all);
  const path = (counts) =>
    Array.from(counts, (count, k) => {
      const tall = count ? 1.5 + (FILTER_HEIGHT - 2) * Math.sqrt(count / most) : 0;
      return tall ? `M${k} ${FILTER_HEIGHT}v${-tall.toFixed(2)}h.86v${tall.toFixed(2)}z` : "";
    }).join("");
  const svg = makeSvg(
    "svg",
    {
      viewBox: `0 0 ${FILTER_BINS} ${FILTER_HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `How ${column.label} spreads`,
    },
    makeSvg("path", { class: "all", d: path(all) }),
    makeSvg("path", { class: "now", d: path(now) }),
  );
  if (!isOpen(filter)) {
    const [low, high] = robustRange(column);
    const at = (value, open) =>
      value === null ? open : Math.min(FILTER_BINS, Math.max(0, ((value - low) / (high - low || 1)) * FILTER_BINS));
    const [x0, x1] = [at(filter.low, 0), at(filter.high, FILTER_BINS)];
    svg.prepend(makeSvg("rect", { class: "range", x: x0, width: Math.max(0.3, x1 - x0), y: 0, height: FILTER_HEIGHT }));
  }
  return svg;
}
