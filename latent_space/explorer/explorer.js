// The page: what is looked at, and everything drawn from it.

const DEFAULT_SHOWN = 8;

// What is looked at in one table.
function makeSight(table) {
  const has = (name) => table.column.has(name);
  const color = ["loss", "verdict", "label", "split"].find(has) ?? table.columns.find((column) => column.kind !== "text")?.name ?? "";
  const telling = table.columns.filter((column) => column.role === "metric" && column.kind === "number").map((column) => column.name);
  const own = table.columns.filter((column) => column.role === "sample" && column.kind !== "text" && !column.name.startsWith("cluster_id_")).map((column) => column.name);
  const shown = [...new Set(["split", "loss", "cluster_id", ...own.slice(0, table.key === "instances" ? 6 : 4), ...telling])].filter(has).slice(0, DEFAULT_SHOWN);
  const visible = new Uint8Array(table.n).fill(1);
  const sort = { name: has("loss") ? "loss" : "", descending: has("loss") };
  return { table, color, size: ["loss", "confidence", "area_rel"].find(has) ?? "", shown, sort, filters: new Map(), visible, selected: null, name: "", key: null, rows: [], hovered: -1, pinned: -1 };
}

class Explorer {
  constructor(run) {
    this.run = run;
    this.pictures = new Pictures(run.bytes);
    this.saved = new SavedSelections(run.run.id);
    this.sights = run.tables.filter((table) => table.maps.length).map(makeSight);
    this.sight = this.sights[0];
    this.layout = window.innerWidth >= 1400 && this.sight.table.maps.length > 1 ? "all" : this.sight.table.maps[0].key;
    this.tool = "pan";
    this.views = new Map();
    this.wanted = { look: false, lists: false };
    this.later = inNextFrame(() => this.draw());
    this.latest = whenQuiet(() => this.writeHash(), 200);
    this.renderer = new URLSearchParams(window.location.search).get("renderer");
    this.build();
  }

  build() {
    const sight = () => this.sight;
    const on = { hover: (i) => this.hover(i), pin: (i) => this.pin(i), toggle: (i) => this.toggle(i), sort: (name) => this.sort(name), shown: (names) => this.set({ shown: names }) };
    fillHeader(this.run);
    this.filters = new FilterPanel(element("filters"), () => ({ table: this.sight.table, filters: this.sight.filters, taken: this.taken }), (name, filter) => this.filter(name, filter));
    this.table = new LinkedTable(element("table"), sight, on);
    this.gallery = new Gallery(element("gallery"), sight, this.pictures, on);
    this.showLeft = makeTabs(element("left-tabs"), LEFT_TABS, this.run.insights.length ? "findings" : "filters", () => this.drawLists());
    this.showDock = makeTabs(element("dock-tabs"), DOCK_TABS, "gallery", () => this.drawLists());
    fillWarnings(element("warnings"), this.run.run.warnings);
    fillHelp(element("help"));
    listenToTheme(() => this.refresh());
    listenToFind(sight, (i) => this.pin(i));
    listenToCopy();
    for (const [id, key] of [["color-by", "color"], ["size-by", "size"]]) element(id).addEventListener("change", () => this.set({ [key]: element(id).value }));
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("hashchange", () => { if (window.location.hash !== this.hash) this.readHash(); });
    this.readHash();
  }

  // Views of the maps of the table in sight, made when it is first shown.
  get shownViews() {
    const { table } = this.sight;
    if (!this.views.has(table)) {
      const on = { hover: (i, at) => this.hover(i, at), pin: (i) => this.pin(i), toggle: (i) => this.toggle(i),
        draw: (polygon, map, how) => this.select(pointsInside(map, polygon), how), moved: () => this.latest() };
      this.views.set(table, table.maps.map((map) => new MapView(map, table, on, this.renderer)));
    }
    return this.views.get(table);
  }

  // What the lists hold: those selected among those in sight, or all in sight.
  get taken() {
    const { selected, visible } = this.sight;
    return selected ? visible.map((shown, i) => (shown && selected[i] ? 1 : 0)) : visible;
  }

  // Colours and sizes change no list.
  set(changes) {
    Object.assign(this.sight, changes);
    this.refresh(Object.keys(changes).some((key) => key !== "color" && key !== "size"));
  }

  refresh(lists = true) {
    this.wanted = { look: true, lists: lists || this.wanted.lists };
    this.later();
    this.latest();
  }

  filter(name, filter) {
    const { filters, table } = this.sight;
    if (name === null) filters.clear();
    else if (isOpen(filter)) filters.delete(name);
    else filters.set(name, filter);
    this.set({ visible: visibleRows(table, filters) });
  }

  select(mask, how = "replace", name = "", key = null) {
    this.set({ selected: combined(this.sight.selected, mask, how), name: how === "replace" ? name : this.sight.name, key });
  }

  toggle(i) {
    const { selected, table } = this.sight;
    this.select(maskOf([i], table.n), selected?.[i] ? "remove" : "add");
  }

  // An entry of a list: pressed again, it lets go.
  choose(rows, name, key) {
    if (this.sight.key === key) this.set({ selected: null, name: "", key: null });
    else this.select(maskOf(rows, this.sight.table.n), "replace", name, key);
  }

  sort(name) {
    const { sort } = this.sight;
    this.set({ sort: sort.name === name ? { name, descending: !sort.descending } : { name, descending: name !== "" } });
  }

  hover(i, at) {
    const { sight } = this;
    const tooltip = element("tooltip");
    if (i !== sight.hovered) {
      sight.hovered = i;
      if (i >= 0 && at) fillTooltip(tooltip, sight, this.pictures, i);
      for (const view of this.shownViews) view.mark({ hovered: i });
    }
    if (i >= 0 && at) showTooltip(tooltip, at);
    else tooltip.hidden = true;
  }

  pin(i) {
    this.sight.pinned = i;
    for (const view of this.shownViews) view.mark({ pinned: i });
    this.drawDetails();
    this.table.draw();
    this.gallery.draw();
    this.latest();
  }

  show(table) {
    this.sight = this.sights.find((sight) => sight.table === table) ?? this.sights[0];
    if (this.layout !== "all" && !table.maps.some((map) => map.key === this.layout)) this.layout = table.maps[0].key;
    element("maps").replaceChildren(...this.shownViews.map((view) => view.element));
    fillSelect(element("color-by"), this.sight.table, "one colour");
    fillSelect(element("size-by"), this.sight.table, "one size");
    this.fillChoices();
    this.showMaps(this.layout);
    this.refresh();
  }

  showMaps(layout) {
    this.layout = layout;
    for (const view of this.shownViews) view.element.hidden = layout !== "all" && view.map.key !== layout;
    this.useTool(this.tool);
    this.latest();
  }

  useTool(tool) {
    this.tool = tool;
    for (const view of this.shownViews) Object.assign(view, { tool }).plot.dataset.tool = tool;
    for (const input of element("tool-choice").querySelectorAll("input")) input.checked = input.value === tool;
  }

  fillChoices() {
    const { table, filters } = this.sight;
    const group = (id, legend, choices) => element(id).replaceChildren(make("legend", {}, legend), ...choices);
    element("table-choice").hidden = this.sights.length < 2;
    group("table-choice", "Show", this.sights.map((sight) => makeChoice("radio", "shown", sight === this.sight, [sight.table.noun, make("small", {}, readable(sight.table.n))], () => this.show(sight.table))));
    element("map-choice").hidden = table.maps.length < 2;
    const layouts = [...table.maps.map((map) => [map.key, map.name]), ["all", table.maps.length === 2 ? "Both" : "All"]];
    group("map-choice", "Map", layouts.map(([key, name]) => makeChoice("radio", "map", key === this.layout, [name], () => this.showMaps(key))));
    const split = table.column.get("split");
    element("split-filter").hidden = split?.kind !== "category";
    const counts = split?.kind === "category" ? levelCounts(split, null) : [];
    group("split-filter", "Splits", (split?.levels ?? []).map((level, k) => makeChoice("checkbox", "split", !filters.get("split")?.hidden.includes(level), [level, make("small", {}, readable(counts[k]))], (checked) => {
      const hidden = (this.sight.filters.get("split")?.hidden ?? []).filter((one) => one !== level);
      this.filter("split", { hidden: checked ? hidden : [...hidden, level] });
    })));
    group("tool-choice", "Drag", [["pan", "Pan"], ["lasso", "Lasso"], ["box", "Rectangle"]].map(([tool, label]) => {
      const choice = makeChoice("radio", "tool", tool === this.tool, [label], () => this.useTool(tool));
      choice.firstChild.value = tool;
      return choice;
    }));
  }

  draw() {
    const { sight } = this;
    const { table } = sight;
    if (this.wanted.look) {
      const scale = colorScale(table.column.get(sight.color), table.n);
      const look = makeLook({ scale, radius: radii(table.column.get(sight.size), table.n), visible: sight.visible, selected: sight.selected });
      for (const view of this.shownViews) view.setLook(look);
      for (const view of this.shownViews) view.mark({ hovered: -1, pinned: sight.pinned });
      drawLegend(element("legend"), sight, scale);
      [element("color-by").value, element("size-by").value] = [sight.color, sight.size];
      const hidden = sight.filters.get("split")?.hidden ?? [];
      element("split-filter").querySelectorAll("input").forEach((input, k) => { input.checked = !hidden.includes(table.column.get("split").levels[k]); });
    }
    if (this.wanted.lists) {
      sight.rows = sortedRows(sight, this.taken);
      this.drawLists();
      this.drawDetails();
    } else this.gallery.draw();
    this.wanted = { look: false, lists: false };
  }

  drawLists() {
    const { sight, run } = this;
    if (!this.showDock) return; // while the page is being built
    const { rows, table, selected, visible } = sight;
    const inSight = visible.reduce((sum, one) => sum + one, 0);
    const all = table.n_all ? ` on the maps (${readable(table.n_all)} in all)` : "";
    const counted = inSight < table.n ? `${readable(inSight)} of ${readable(table.n)} ${table.noun} pass the filters` : `${readable(table.n)} ${table.noun}${all}`;
    element("listed").replaceChildren(make("strong", {}, selected ? `${readable(rows.length)} selected` : counted), selected ? make("span", { class: "rest" }, ` of ${counted}`) : "");
    fillSelectionBar(element("selection-bar"), sight, run, this.selectionActions());
    this.table.draw();
    this.gallery.draw();
    if (!element("filters").hidden) this.filters.draw();
    if (!element("findings").hidden) fillFindings(element("findings"), run, table, sight.key, (...one) => this.choose(...one));
    for (const key of ["labelling", "pruning"]) {
      if (!element(key).hidden) fillQueue(element(key), key, run, table, this.pictures, sight.key, this.queueActions());
    }
  }

  selectionActions() {
    return {
      name: (name) => { this.sight.name = name; this.latest(); },
      keep: () => this.keep(),
      clear: () => this.set({ selected: null, name: "", key: null }),
      download: (format) => this.download(format),
    };
  }

  queueActions() {
    const samples = this.sights[0];
    const inSamples = (act) => (i) => { if (this.sight === samples) act(i); };
    return {
      select: (...one) => this.choose(...one),
      hoverSample: inSamples((i) => this.hover(i)),
      pinSample: (i) => {
        if (this.sight !== samples) this.show(samples.table);
        this.pin(i);
      },
    };
  }

  keep() {
    const { sight } = this;
    sight.name = sight.name.trim() || `selection ${this.saved.all.length + 1}`;
    this.saved.save({ name: sight.name, table: sight.table.key, ids: rowsOf(sight.selected).map((i) => sight.table.ids[i]) });
    this.pin(-1);
    this.refresh();
  }

  download(format) {
    const { sight, run } = this;
    const { table, rows } = sight;
    const name = sight.name.trim() || (sight.selected ? "selection" : table.noun);
    const columns = sight.shown.map((one) => table.column.get(one)).filter(Boolean);
    if (format === "csv") download(fileName(name, "csv"), "text/csv", csvText(table, rows, columns));
    else if (format === "json") download(fileName(name, "json"), "application/json", jsonText(table, rows, name, run.run.id));
    else download(fileName(`${name}-image-ids`, "json"), "application/json", cocoText(run.tables[0], table, rows));
  }

  drawDetails() {
    const { sight } = this;
    const place = element("details");
    if (sight.pinned >= 0) {
      if (place.dataset.of !== `${sight.table.key} ${sight.pinned}`) fillDetails(place, sight.table, this.pictures, sight.pinned, () => this.pin(-1));
      place.dataset.of = `${sight.table.key} ${sight.pinned}`;
      return;
    }
    place.dataset.of = "";
    fillSummary(place, sight, this.saved, {
      color: (name) => this.set({ color: name }),
      restore: (one) => {
        const at = new Map(sight.table.ids.map((id, i) => [id, i]));
        this.select(maskOf(one.ids.map((id) => at.get(id)).filter((i) => i !== undefined), sight.table.n), "replace", one.name);
      },
      forget: (one) => { this.saved.remove(one); this.drawDetails(); },
    });
    if (!sight.selected) place.append(...meansBySplit(this.run.metrics));
  }

  key(event) {
    const isTyping = event.target.matches?.("input:not([type=radio]):not([type=checkbox]), select, textarea");
    const tool = { p: "pan", l: "lasso", r: "box" }[event.key.toLowerCase()];
    if (event.key === "Escape" && !element("help").open) this.escape();
    else if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (tool) this.useTool(tool);
    else if (event.key === "/") { element("find").focus(); event.preventDefault(); }
    else if (event.key === "?") element("help").showModal();
  }

  escape() {
    this.hover(-1);
    if (this.sight.pinned >= 0) this.pin(-1);
    else if (this.sight.selected) this.set({ selected: null, name: "", key: null });
  }

  writeHash() {
    this.hash = toHash({ sight: this.sight, views: this.shownViews, layout: this.layout });
    if (window.location.hash !== this.hash) window.history.replaceState(null, "", this.hash);
  }

  readHash() {
    const table = this.sight.table;
    const view = fromHash(window.location.hash, this.sights.map((sight) => sight.table));
    if (window.location.hash.length > 1) {
      const sight = this.sights.find((one) => one.table === view.table);
      const selected = view.rows?.length ? maskOf(view.rows, view.table.n) : null;
      Object.assign(sight, { color: view.color ?? sight.color, size: view.size ?? sight.size, filters: view.filters, selected, name: view.name, key: null, pinned: view.pinned,
        visible: visibleRows(view.table, view.filters) });
      if (view.map === "all" || view.table.maps.some((map) => map.key === view.map)) this.layout = view.map;
    }
    this.show(window.location.hash.length > 1 ? view.table : table);
    for (const one of this.shownViews) if (view.places[one.map.key]) one.show(view.places[one.map.key]);
  }
}

// The rows of the lists, in the order of a column; those without a value last.
function sortedRows({ table, sort }, taken) {
  const rows = Uint32Array.from(rowsOf(taken));
  const column = table.column.get(sort.name);
  const turn = sort.descending ? -1 : 1;
  if (!column) return sort.descending ? rows.reverse() : rows;
  const { values } = column;
  const isText = column.kind === "text";
  const missing = Uint8Array.from({ length: table.n }, (_, i) => (column.has(i) ? 0 : 1));
  const compare = isText ? (a, b) => values[a].localeCompare(values[b]) : (a, b) => values[a] - values[b];
  return rows.sort((a, b) => missing[a] - missing[b] || (missing[a] ? a - b : turn * compare(a, b) || a - b));
}

readRun().then((run) => {
  const explorer = new Explorer(run);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.documentElement.dataset.firstPaint = Math.round(performance.now());
    explorer.latest();
  }));
}).catch((error) => {
  document.querySelector("main").replaceChildren(make("p", { class: "card" }, `This page could not be read: ${error.message}`));
  throw error;
});
