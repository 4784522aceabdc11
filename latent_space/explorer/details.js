// A row's picture and numbers: in the tooltip, and in the panel once it is pinned; and a selection in words.

const MOST_IN_TOOLTIP = 7;
const TOOLTIP_PICTURE = { square: 128, wide: 176 };

function fillTooltip(place, sight, pictures, i) {
  const { table } = sight;
  const columns = [sight.color, sight.size, ...sight.shown].map((name) => table.column.get(name)).filter(Boolean);
  const rows = [...new Set(columns)].filter((column) => column.has(i)).slice(0, MOST_IN_TOOLTIP);
  const body = make(
    "tbody",
    {},
    ...rows.map((column) => make("tr", {}, make("td", {}, column.label), make("td", {}, cell(column, i)))),
  );
  place.replaceChildren();
  if (pictures.has(table, i)) {
    const width = TOOLTIP_PICTURE[pictures.areWide ? "wide" : "square"];
    const style = `--width: ${width}px; --height: ${width / pictures.aspect}px`;
    place.append(make("div", { class: "picture", style }, pictures.thumbnail(table, i, width)));
  }
  place.append(make("div", {}, make("p", { class: "id" }, table.ids[i]), make("table", {}, body)));
}

function showTooltip(place, at) {
  place.hidden = false;
  const { width, height } = place.getBoundingClientRect();
  const left = at.clientX + 18 + width < window.innerWidth ? at.clientX + 18 : at.clientX - 18 - width;
  place.style.left = `${Math.max(6, left)}px`;
  place.style.top = `${Math.max(6, Math.min(at.clientY + 14, window.innerHeight - height - 8))}px`;
}

// The pinned row with all its pictures and columns.
function fillDetails(place, table, pictures, i, unpin) {
  const close = makeButton("Close", unpin, { title: "Escape", class: "small" });
  place.replaceChildren(make("div", { class: "row" }, make("p", { class: "id" }, table.ids[i]), close));
  if (table.key === "instances") place.append(make("p", { class: "note" }, `in ${table.sampleIds[table.sampleOf(i)]}`));
  place.append(...pictureViews(table, pictures, i));
  for (const [role, title] of ROLES) {
    const rows = table.columns.filter((column) => column.role === role && column.has(i));
    if (rows.length) place.append(make("h3", {}, title), valueTable(rows, i));
  }
  place.scrollTop = 0;
}

function valueTable(columns, i) {
  const body = make("tbody");
  for (const column of columns) {
    body.append(
      make(
        "tr",
        {},
        make("td", { title: column.name }, column.label),
        make("td", {}, cell(column, i)),
        make("td", {}, ...(column.kind === "number" ? [rankMark(column, column.values[i])] : [])),
      ),
    );
  }
  return make("table", { class: "values" }, body);
}

function rankMark(column, value) {
  const share = rank(column, value);
  const mark = make("i");
  mark.style.left = `calc(${(share * 100).toFixed(1)}% - ${(3 * share).toFixed(1)}px)`;
  return make("span", { class: "rank", title: `larger than ${Math.round(share * 100)} % of all` }, mark);
}

function pictureViews(table, pictures, i) {
  const views = pictures.views(table, i);
  if (!views.length) return [make("p", { class: "note" }, "This sample has no picture.")];
  const frame = make("div", { class: "picture" });
  const buttons = views.map(([name, view], k) =>
    makeButton(name, () => {
      frame.replaceChildren(view());
      pictureViews.last = name;
      buttons.forEach((other, l) => other.setAttribute("aria-pressed", String(k === l)));
    }),
  );
  buttons[
    Math.max(
      0,
      views.findIndex(([name]) => name === pictureViews.last),
    )
  ].click();
  return buttons.length > 1 ? [frame, make("div", { class: "views" }, ...buttons)] : [frame];
}

// While nothing is pinned: what sets the selection apart, and the selections that are kept.
function fillSummary(place, sight, saved, on) {
  const { table, selected, visible } = sight;
  place.replaceChildren();
  if (!selected) {
    place.append(
      make("h2", {}, "Nothing pinned"),
      make(
        "p",
        { class: "note" },
        "Point at a sample to see it, click to pin it. Shift-drag draws a lasso; the list below follows.",
      ),
    );
  } else {
    place.append(
      make("h2", {}, sight.name || "Selection"),
      make("p", { class: "note" }, "What sets it apart from the others in sight:"),
    );
    if (sight.telling?.selected !== selected || sight.telling.visible !== visible)
      sight.telling = { selected, visible, columns: tellingColumns(table, selected, visible) };
    const telling = sight.telling.columns;
    const rows = telling.map(({ column, own, rest, more, level }) =>
      make(
        "tr",
        {},
        make(
          "td",
          {},
          makeButton(level === undefined ? column.label : `${column.label} = ${level}`, () => on.color(column.name), {
            class: "plain",
            title: "Colour by it",
          }),
        ),
        make("td", { class: "strong" }, `${more ? "↑" : "↓"} ${own}`),
        make("td", {}, rest),
      ),
    );
    const head = make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("th", { scope: "col" }, ""),
        make("th", { scope: "col" }, "selected"),
        make("th", { scope: "col" }, "others"),
      ),
    );
    place.append(
      rows.length
        ? make("table", { class: "telling" }, head, make("tbody", {}, ...rows))
        : make("p", { class: "note" }, "nothing: it is everything in sight."),
    );
  }
  const own = saved.all.filter((one) => one.table === table.key);
  if (own.length) place.append(make("h3", {}, "Kept selections"));
  for (const one of own) {
    place.append(
      make(
        "div",
        { class: "row kept" },
        makeButton(one.name, () => on.restore(one), { class: "plain" }),
        make("small", {}, readable(one.ids.length)),
        makeButton("×", () => on.forget(one), { class: "x", "aria-label": `Forget ${one.name}` }),
      ),
    );
  }
  if (!saved.isKept)
    place.append(make("p", { class: "note" }, "This browser keeps nothing for pages from disk: export what you need."));
}
