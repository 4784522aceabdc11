// A sample's picture and numbers: in the tooltip, and in the panel once it is pinned.

const MOST_IN_TOOLTIP = 6;
const GALLERY = 20;

// An element; texts become text nodes, never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function hasPicture(population, i) {
  return Boolean(population.thumbnails.urls[i]);
}

// The sample's thumbnail, from the page itself: an image, or its tile of a sheet.
function thumbnail(population, i, side) {
  const { urls, sheets, side: tile, per_side: perSide } = population.thumbnails;
  if (!sheets) return make("img", { src: urls[i], alt: `picture of ${population.ids[i]}` });
  const [sheet, place] = [Math.floor(i / perSide ** 2), i % perSide ** 2];
  const zoom = side / tile;
  const element = make("div", { class: "tile", role: "img", "aria-label": `picture of ${population.ids[i]}` });
  Object.assign(element.style, {
    width: `${side}px`,
    height: `${side}px`,
    backgroundImage: `url(${sheets[sheet]})`,
    backgroundSize: `${perSide * tile * zoom}px auto`,
    backgroundPosition: `${-(place % perSide) * side}px ${-Math.floor(place / perSide) * side}px`,
  });
  return element;
}

function tooltipColumns(population, shown) {
  const wanted = [...shown, population.column.get("split"), population.column.get("loss"),
    ...population.columns.filter((column) => column.role === "metric" && column.kind === "number")];
  return [...new Set(wanted.filter(Boolean))].slice(0, MOST_IN_TOOLTIP);
}

function fillTooltip(place, population, i, shown) {
  const rows = tooltipColumns(population, shown).map((column) => [column.label, cell(column, i)]);
  const table = make("table", {}, make("tbody", {}, ...rows.filter(([, value]) => value !== null)
    .map(([label, value]) => make("tr", {}, make("td", {}, label), make("td", {}, value)))));
  place.replaceChildren();
  if (hasPicture(population, i)) place.append(make("div", { class: "picture" }, thumbnail(population, i, 128)));
  place.append(make("div", {}, make("p", { class: "id" }, population.ids[i]), table));
}

function showTooltip(place, at) {
  place.hidden = false;
  const { width, height } = place.getBoundingClientRect();
  const left = at.clientX + 18 + width < window.innerWidth ? at.clientX + 18 : at.clientX - 18 - width;
  place.style.left = `${Math.max(6, left)}px`;
  place.style.top = `${Math.max(6, Math.min(at.clientY + 14, window.innerHeight - height - 8))}px`;
}

// The pinned sample with all its pictures and columns.
function fillDetails(place, population, i, unpin) {
  const close = make("button", { type: "button", title: "Escape" }, "Close");
  close.addEventListener("click", unpin);
  place.replaceChildren(make("div", { class: "row" }, make("p", { class: "id" }, population.ids[i]), close));
  place.append(...pictures(population, i));
  for (const [role, title] of [["sample", "Sample"], ["metric", "Metrics"], ["metadata", "Metadata"]]) {
    const rows = population.columns.filter((column) => column.role === role && cell(column, i) !== null);
    if (rows.length) place.append(make("h3", {}, title), valueTable(rows, i));
  }
  place.scrollTop = 0;
}

function valueTable(columns, i) {
  const body = make("tbody");
  for (const column of columns) {
    const row = make("tr", {}, make("td", { title: column.name }, column.label), make("td", {}, cell(column, i)));
    row.append(make("td", {}, ...(column.kind === "number" ? [rankMark(column, column.values[i])] : [])));
    body.append(row);
  }
  return make("table", { class: "values" }, body);
}

function rankMark(column, value) {
  const share = rank(column, value);
  const mark = make("i");
  mark.style.left = `calc(${(share * 100).toFixed(1)}% - ${(3 * share).toFixed(1)}px)`;
  return make("span", { class: "rank", title: `larger than ${Math.round(share * 100)} % of the samples` }, mark);
}

function pictures(population, i) {
  const views = [];
  if (hasPicture(population, i)) views.push([population.thumbnails.name.replaceAll("_", " "), () => largePicture(population, i)]);
  for (const [name, urls] of Object.entries(population.visualizers)) {
    if (urls[i]) views.push([name.replaceAll("_", " "), () => make("img", { src: urls[i], alt: `${name} of ${population.ids[i]}` })]);
  }
  if (!views.length) return [make("p", { class: "note" }, "This sample has no picture.")];
  const frame = make("div", { class: "picture" });
  const buttons = views.map(([name, view], k) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      frame.replaceChildren(view());
      buttons.forEach((other, l) => other.setAttribute("aria-pressed", String(k === l)));
    });
    return button;
  });
  buttons[0].click();
  return buttons.length > 1 ? [frame, make("div", { class: "views" }, ...buttons)] : [frame];
}

// The full picture; where it is not in the page, from the run folder, else the tile.
function largePicture(population, i) {
  if (!population.thumbnails.sheets) return thumbnail(population, i, 300);
  const image = make("img", { src: population.thumbnails.urls[i], alt: `picture of ${population.ids[i]}` });
  image.addEventListener("error", () => image.replaceWith(thumbnail(population, i, 240)), { once: true });
  return image;
}

// While nothing is pinned: the samples with the most of a column.
function fillGallery(place, population, column, visible, pin) {
  place.replaceChildren(make("h2", {}, column ? `Highest ${column.label}` : "No sample pinned"));
  place.append(make("p", { class: "note" }, "Point at a sample to see it, click to pin it."));
  if (!column) return;
  const order = [];
  column.values.forEach((value, i) => { if (visible[i] && Number.isFinite(value)) order.push(i); });
  order.sort((a, b) => column.values[b] - column.values[a] || a - b);
  const gallery = make("div", { class: "gallery" });
  for (const i of order.slice(0, GALLERY)) {
    const button = make("button", { type: "button", title: population.ids[i], "aria-label": `pin ${population.ids[i]}` });
    if (hasPicture(population, i)) button.append(thumbnail(population, i, 74));
    button.append(make("span", { class: "value" }, cell(column, i)));
    button.addEventListener("click", () => pin(i));
    gallery.append(button);
  }
  place.append(gallery);
}
