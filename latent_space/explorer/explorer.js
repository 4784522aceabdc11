// The page: what is looked at, and everything drawn from it.

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
    const on = {
      hover: (i) => this.hover(i),
      pin: (i) => this.pin(i),
      toggle: (i) => this.toggle(i),
      sort: (name) => this.sort(name),
      shown: (names) => this.set({ shown: names }),
    };
    fillHeader(this.run);
    this.filters = new FilterPanel(
      element("filters"),
      () => ({ table: this.sight.table, filters: this.sight.filters, taken: takenRows(this.sight) }),
      (name, filter) => this.filter(name, filter),
    );
    this.table = new LinkedTable(element("table"), sight, on);
    this.gallery = new Gallery(element("gallery"), sight, this.pictures, on);
    this.showLeft = makeTabs(element("left-tabs"), LEFT_TABS, this.run.insights.length ? "findings" : "filters", () =>
      this.drawLists(),
    );
    this.showDock = makeTabs(element("dock-tabs"), DOCK_TABS, "gallery", () => this.drawLists());
    fillWarnings(element("warnings"), this.run.run.warnings);
    fillHelp(element("help"));
    listenToTheme(() => this.refresh());
    listenToFind(sight, (i) => this.pin(i));
    listenToCopy(() => !this.sight.selected || /[#&]rows=/.test(window.location.hash));
    element("color-by").addEventListener("change", () => this.set({ color: element("color-by").value }));
    element("size-by").addEventListener("change", () => this.set({ size: element("size-by").value }));
    listenToKeys(this);
    window.addEventListener("hashchange", () => {
      if (window.location.hash !== this.hash) this.readHash();
    });
    this.readHash();
  }

  // Views of the maps of the table in sight, made when it is first shown.
  get shownViews() {
    const { table } = this.sight;
    if (!this.views.has(table)) {
      const on = {
        hover: (i, at) => this.hover(i, at),
        pin: (i) => this.pin(i),
        toggle: (i) => this.toggle(i),
        draw: (polygon, map, how) => this.select(pointsInside(map, polygon), how),
        moved: () => this.latest(),
      };
      this.views.set(
        table,
        table.maps.map((map) => new MapView(map, table, on, this.renderer)),
      );
    }
    return this.views.get(table);
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
    this.set({
      selected: combined(this.sight.selected, mask, how),
      name: how === "replace" ? name : this.sight.name,
      key,
    });
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
    fillChoices(this);
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

  draw() {
    const { sight } = this;
    const { table } = sight;
    if (this.wanted.look) {
      const scale = colorScale(table.column.get(sight.color), table.n);
      const look = makeLook({
        scale,
        radius: radii(table.column.get(sight.size), table.n),
        visible: sight.visible,
        selected: sight.selected,
      });
      for (const view of this.shownViews) view.setLook(look);
      for (const view of this.shownViews) view.mark({ hovered: -1, pinned: sight.pinned });
      drawLegend(element("legend"), sight, scale);
      [element("color-by").value, element("size-by").value] = [sight.color, sight.size];
      tickSplits(sight);
    }
    if (this.wanted.lists) {
      sight.rows = sortedRows(sight, takenRows(sight));
      this.drawLists();
      this.drawDetails();
    } else this.gallery.draw();
    this.wanted = { look: false, lists: false };
  }

  drawLists() {
    const { sight, run } = this;
    if (!this.showDock) return; // while the page is being built
    const { table } = sight;
    const [main, rest] = listedText(sight);
    element("listed").replaceChildren(make("strong", {}, main), make("span", { class: "rest" }, rest));
    fillSelectionBar(element("selection-bar"), sight, run, this.selectionActions());
    const note = element("gallery").hidden ? "" : this.pictures.note;
    Object.assign(element("pictures-note"), { hidden: !note, textContent: note });
    this.table.draw();
    this.gallery.draw();
    if (!element("filters").hidden) this.filters.draw();
    if (!element("findings").hidden) {
      const choose = (...one) => this.choose(...one);
      keepingPlace(element("findings"), (place) => fillFindings(place, run, table, sight.key, choose));
    }
    for (const key of ["labelling", "pruning"]) {
      const fillIt = (place) => fillQueue(place, key, run, table, this.pictures, sight.key, this.queueActions());
      if (!element(key).hidden) keepingPlace(element(key), fillIt);
    }
  }

  selectionActions() {
    return {
      name: (name) => {
        this.sight.name = name;
        this.latest();
      },
      keep: () => this.keep(),
      clear: () => this.set({ selected: null, name: "", key: null }),
      download: (format) => downloadListed(this.sight, this.run, format),
    };
  }

  queueActions() {
    const samples = this.sights[0];
    const inSamples = (act) => (i) => {
      if (this.sight === samples) act(i);
    };
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
    this.saved.save({
      name: sight.name,
      table: sight.table.key,
      ids: rowsOf(sight.selected).map((i) => sight.table.ids[i]),
    });
    this.pin(-1);
    this.refresh();
  }

  drawDetails() {
    const { sight } = this;
    const place = element("details");
    if (sight.pinned >= 0) {
      if (place.dataset.of !== `${sight.table.key} ${sight.pinned}`)
        fillDetails(place, sight.table, this.pictures, sight.pinned, () => this.pin(-1));
      place.dataset.of = `${sight.table.key} ${sight.pinned}`;
      return;
    }
    place.dataset.of = "";
    fillSummary(place, sight, this.saved, {
      color: (name) => this.set({ color: name }),
      restore: (one) => this.select(maskOf(rowsOfIds(sight.table, one.ids), sight.table.n), "replace", one.name),
      forget: (one) => {
        this.saved.remove(one);
        this.drawDetails();
      },
    });
    if (!sight.selected) place.append(...meansBySplit(this.run.metrics));
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
    const view = fromHash(
      window.location.hash,
      this.sights.map((sight) => sight.table),
    );
    if (window.location.hash.length > 1) {
      const sight = this.sights.find((one) => one.table === view.table);
      applyView(sight, view);
      if (view.map === "all" || view.table.maps.some((map) => map.key === view.map)) this.layout = view.map;
    }
    this.show(window.location.hash.length > 1 ? view.table : table);
    for (const one of this.shownViews) if (view.places[one.map.key]) one.show(view.places[one.map.key]);
  }
}
