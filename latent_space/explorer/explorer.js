// The page: one state, and what is drawn from it.

const ROUNDS = 40;
const population = readPopulation();
const element = (id) => document.getElementById(id);
const state = {
  color: population.column.has("loss") ? "loss" : "split",
  size: population.column.has("loss") ? "loss" : "",
  hiddenSplits: new Set(),
  hovered: -1,
  pinned: -1,
};
const views = population.maps.map((map, k) => new MapView(map, k, { hover, pin }));
const splits = population.column.get("split");

function visibleSamples() {
  const visible = new Uint8Array(population.n).fill(1);
  if (splits) splits.values.forEach((level, i) => { if (state.hiddenSplits.has(splits.levels[level])) visible[i] = 0; });
  return visible;
}

// Samples without a value first. Then numbers from low to high, so that the highest end on top; levels in many mixed
// rounds, so that none covers the others.
function layersOf({ bins, colors, range }) {
  const rounds = range ? 1 : ROUNDS;
  const layers = Array.from({ length: 1 + rounds * colors.length }, (_, k) => ({ color: k ? colors[(k - 1) % colors.length] : null, samples: [] }));
  bins.forEach((bin, i) => {
    const round = (Math.imul(i, 2654435761) >>> 16) % rounds;
    layers[bin < 0 ? 0 : 1 + round * colors.length + bin].samples.push(i);
  });
  return layers.filter((layer) => layer.samples.length);
}

function refresh() {
  const [color, size] = [population.column.get(state.color), population.column.get(state.size)];
  const [scale, visible] = [colorScale(color, population.n), visibleSamples()];
  const look = { layers: layersOf(scale), radius: radii(size, population.n), visible };
  for (const view of views) {
    view.look = look;
    view.draw();
  }
  drawLegend(element("legend"), population, color, scale, size, visible);
  if (state.pinned < 0) showGallery();
}

function showGallery() {
  const named = [state.color, state.size, "loss"].map((name) => population.column.get(name));
  fillGallery(element("details"), population, named.find((column) => column && column.kind === "number"), visibleSamples(), pin);
}

function hover(i, at) {
  if (i !== state.hovered) {
    state.hovered = i;
    const shown = [state.color, state.size].map((name) => population.column.get(name));
    if (i >= 0) fillTooltip(element("tooltip"), population, i, shown);
    for (const view of views) {
      view.hovered = i;
      view.draw();
    }
  }
  if (i >= 0) showTooltip(element("tooltip"), at);
  else element("tooltip").hidden = true;
}

function pin(i) {
  state.pinned = i;
  for (const view of views) {
    view.pinned = i;
    view.draw();
  }
  if (i >= 0) fillDetails(element("details"), population, i, () => pin(-1));
  else showGallery();
}

function fillHeader() {
  const { task, facts } = population.run;
  element("title").textContent = `${task[0].toUpperCase()}${task.slice(1)}: latent space`;
  document.title = `${task}: latent space of ${readable(population.n)} samples`;
  const counts = population.metrics.splits.map((split, k) => `${readable(population.metrics.counts[k])} ${split}`);
  element("subtitle").textContent = `${readable(population.n)} samples: ${counts.join(", ")}`;
  const shown = { Model: [facts.model, facts.sha].filter(Boolean).join(" · "), Latents: facts.latents, Run: facts.date, Seed: facts.seed };
  for (const [name, value] of Object.entries(shown)) {
    if (value) element("facts").append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  }
  if (facts.latent) element("facts").title = `latents from ${facts.latent}`;
}

function fillSelect(select, kinds, none) {
  select.append(make("option", { value: "" }, none));
  for (const [role, title] of [["sample", "Sample"], ["metric", "Metrics"], ["metadata", "Metadata"]]) {
    const group = make("optgroup", { label: title });
    for (const column of population.columns) {
      if (column.role === role && kinds.includes(column.kind)) group.append(make("option", { value: column.name }, column.label));
    }
    if (group.children.length) select.append(group);
  }
}

function check(place, type, name, checked, children, act) {
  const input = make("input", { type, name });
  input.checked = checked;
  input.addEventListener("change", () => act(input.checked));
  place.append(make("label", {}, input, ...children));
}

function fillControls() {
  for (const [id, key, kinds, none] of [["color-by", "color", ["number", "category"], "one colour"], ["size-by", "size", ["number"], "one size"]]) {
    const select = element(id);
    fillSelect(select, kinds, none);
    select.value = state[key];
    select.addEventListener("change", () => {
      state[key] = select.value;
      refresh();
    });
  }
  const choices = [["All", views], ...views.map((view) => [view.map.name, [view]])];
  if (views.length === 2) choices[0][0] = "Both";
  for (const [k, [name, shown]] of choices.entries()) {
    if (views.length > 1) check(element("map-choice"), "radio", "map", k === 0, [name], () => showMaps(shown));
  }
  element("map-choice").hidden = views.length < 2;
  element("split-filter").hidden = !splits;
  (splits ? population.metrics.splits : []).forEach((split, k) => {
    const label = [split, make("small", {}, readable(population.metrics.counts[k]))];
    check(element("split-filter"), "checkbox", "split", true, label, (checked) => {
      if (checked) state.hiddenSplits.delete(split);
      else state.hiddenSplits.add(split);
      refresh();
    });
  });
  element("find").addEventListener("input", find);
}

function showMaps(shown) {
  for (const view of views) view.element.hidden = !shown.includes(view);
}

// Offer ids that contain the text; pin the one that is it.
function find() {
  const text = element("find").value.trim();
  const matches = [];
  for (let i = 0; i < population.n && text && matches.length < 30; i += 1) {
    if (population.ids[i].includes(text)) matches.push(population.ids[i]);
  }
  element("find-ids").replaceChildren(...matches.map((id) => make("option", { value: id })));
  const exact = population.ids.indexOf(text);
  if (exact >= 0) pin(exact);
}

function fillMetrics() {
  const { splits: names, counts, rows } = population.metrics;
  const place = element("metrics");
  place.append(make("h2", {}, "Means by split"));
  if (!rows.length) place.append(make("p", { class: "note" }, "No metric was computed."));
  const heads = names.map((name, k) => make("th", { scope: "col" }, name, make("br"), `${readable(counts[k])} samples`));
  const body = rows.map((row) => make("tr", {}, make("td", {}, row.label), ...row.means.map((mean) => make("td", {}, mean === null ? "–" : readable(mean)))));
  const table = make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, ""), ...heads)), make("tbody", {}, ...body));
  if (rows.length) place.append(make("div", { class: "scroll" }, table));
}

function fillWarnings() {
  const place = element("warnings");
  const lines = population.run.warnings;
  place.append(make("h2", {}, lines.length ? `Warnings (${lines.length})` : "Warnings"));
  if (lines.length) place.append(make("ul", { class: "lines" }, ...lines.map((line) => make("li", {}, line))));
  else place.append(make("p", { class: "note" }, "None: every sample went through."));
}

fillHeader();
fillControls();
fillMetrics();
fillWarnings();
element("maps").append(...views.map((view) => view.element));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") { hover(-1); pin(-1); } });
DARK.addEventListener("change", refresh);
window.addEventListener("scroll", () => hover(-1), { passive: true });
refresh();
