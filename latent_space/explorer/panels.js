// The frame of the page: header, tabs, choices, and what never changes.

const LEFT_TABS = [
  ["findings", "Findings"],
  ["filters", "Filters"],
  ["labelling", "Label"],
  ["pruning", "Prune"],
];
const DOCK_TABS = [
  ["gallery", "Gallery"],
  ["table", "Table"],
  ["warnings", "Warnings"],
];
const KEYS = [
  ["drag", "pan, or what Drag says: lasso, rectangle"],
  ["Shift + drag", "lasso"],
  ["Shift / Alt while drawing", "add to / take from the selection"],
  ["wheel, + −, 0", "zoom, show all"],
  ["click, Enter", "pin a sample"],
  ["arrow keys", "from point to point, or along the table"],
  ["Space", "select or deselect the sample under the ring"],
  ["P, L, R", "drag pans, draws a lasso, a rectangle"],
  ["/", "find a sample"],
  ["Escape", "unpin, then clear the selection"],
];

// Tabs that show one pane each; `shown(name)` is called whenever one comes to the front.
function makeTabs(place, tabs, first, shown) {
  const show = (name) => {
    for (const button of place.children) {
      const isShown = button.dataset.pane === name;
      button.setAttribute("aria-selected", String(isShown));
      button.tabIndex = isShown ? 0 : -1;
      element(button.dataset.pane).hidden = !isShown;
    }
    shown(name);
  };
  for (const [name, label] of tabs)
    place.append(makeButton(label, () => show(name), { role: "tab", "data-pane": name, "aria-controls": name }));
  place.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = [...place.children].indexOf(document.activeElement);
    const next = place.children[(at + step + place.children.length) % place.children.length];
    next.focus();
    show(next.dataset.pane);
    event.preventDefault();
  });
  show(first);
  return show;
}

function fillHeader(run) {
  const { task, facts } = run.run;
  const { splits, counts } = run.metrics;
  const n = run.tables[0].n;
  element("title").textContent = `${task[0].toUpperCase()}${task.slice(1)}: latent space`;
  document.title = `${task}: latent space of ${readable(n)} samples`;
  const subtitle =
    `${readable(n)} samples: ${splits.map((split, k) => `${readable(counts[k])} ${split}`).join(", ")}`;
  Object.assign(element("subtitle"), { textContent: subtitle, title: subtitle });
  const shown = {
    Model: [facts.model, facts.sha].filter(Boolean).join(" · "),
    Latents: facts.latents,
    Run: facts.date,
    Seed: facts.seed,
  };
  for (const [name, value] of Object.entries(shown)) {
    if (value) element("facts").append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  }
  if (facts.latent) element("facts").title = `latents from ${facts.latent}`;
}

function fillSelect(select, table, none) {
  select.replaceChildren(make("option", { value: "" }, none));
  for (const [role, title] of ROLES) {
    const columns = table.columns.filter((column) => column.role === role && column.kind !== "text");
    const options = columns.map((column) => make("option", { value: column.name }, column.label));
    if (options.length) select.append(make("optgroup", { label: title }, ...options));
  }
}

// A narrow column: three digits, two where there are many splits.
function meanCell(mean, digits) {
  if (mean === null) return make("td", {}, "–");
  const isShort = Number.isInteger(mean) || Math.abs(mean) >= 1000;
  return make("td", { title: readable(mean) }, readable(isShort ? mean : Number(mean.toPrecision(digits))));
}

// Splits without any loss or metric are left out.
function meansBySplit({ splits, rows }) {
  const shown = splits.map((_, k) => k).filter((k) => rows.some((row) => row.means[k] !== null));
  if (!shown.length) return [];
  const heads = shown.map((k) => make("th", { scope: "col", title: splits[k] }, splits[k]));
  const body = rows.map((row) =>
    make("tr", {}, make("td", {}, row.label), ...shown.map((k) => meanCell(row.means[k], shown.length > 3 ? 2 : 3))),
  );
  return [
    make("h3", {}, "Means by split"),
    make(
      "table",
      { id: "metrics" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, ""), ...heads)),
      make("tbody", {}, ...body),
    ),
  ];
}

function fillWarnings(place, lines) {
  const tab = document.querySelector('[data-pane="warnings"]');
  if (lines.length) tab.append(make("small", { class: "count" }, readable(lines.length)));
  if (lines.length) place.append(make("ul", { class: "lines" }, ...lines.map((line) => make("li", {}, line))));
  else place.append(make("p", { class: "note" }, "None: every sample went through."));
}

function fillHelp(dialog) {
  dialog.append(
    make("h2", {}, "Keys and gestures"),
    make(
      "table",
      {},
      make(
        "tbody",
        {},
        ...KEYS.map(([keys, meaning]) => make("tr", {}, make("td", {}, keys), make("td", {}, meaning))),
      ),
    ),
    make(
      "p",
      { class: "note" },
      "The address of the page holds the view: a copy of it opens the same colours, filters, place and selection.",
    ),
    makeButton("Close", () => dialog.close()),
  );
  element("help-button").addEventListener("click", () => dialog.showModal());
}

// As the system says, or the other way.
function listenToTheme(changed) {
  const root = document.documentElement;
  const apply = (theme) => {
    root.dataset.theme = theme;
    changed();
  };
  element("theme").addEventListener("click", () => apply(isDark() ? "light" : "dark"));
  SYSTEM_DARK.addEventListener("change", () => apply(SYSTEM_DARK.matches ? "dark" : "light"));
}

// Offer ids that contain the text; pin the one that it is.
function listenToFind(sight, pin) {
  const input = element("find");
  input.addEventListener("input", () => {
    const { ids } = sight().table;
    const text = input.value.trim();
    const matches = [];
    for (let i = 0; i < ids.length && text && matches.length < 30; i += 1)
      if (ids[i].includes(text)) matches.push(ids[i]);
    element("find-ids").replaceChildren(...matches.map((id) => make("option", { value: id })));
    const exact = ids.indexOf(text);
    if (exact >= 0) pin(exact);
  });
}

// `isWhole()` tells whether the address holds the selection.
function listenToCopy(isWhole) {
  const button = element("copy-link");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(window.location.href);
      button.textContent = isWhole() ? "Copied" : "Copied without the selection";
    } catch {
      button.textContent = "In the address bar";
    }
    setTimeout(() => {
      button.textContent = "Link";
    }, 1600);
  });
}

// What is listed, and what can be done with it.
function fillSelectionBar(place, sight, run, on) {
  const { table, selected, rows } = sight;
  const name = make("input", {
    type: "text",
    placeholder: "name this selection",
    "aria-label": "Name of the selection",
    id: "selection-name",
    autocomplete: "off",
    maxlength: "120",
  });
  name.value = sight.name;
  name.addEventListener("input", () => on.name(name.value));
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") on.keep();
  });
  const formats = [["csv", "CSV"], ["json", "JSON"], ...(imageIdColumn(run.tables[0]) ? [["coco", "COCO ids"]] : [])];
  const buttons = formats.map(([format, label]) =>
    makeButton(label, () => on.download(format), {
      title: `Download the ${readable(rows.length)} listed as ${label}`,
      "data-format": format,
      disabled: !rows.length,
    }),
  );
  const own = selected
    ? [
        name,
        makeButton("Keep", on.keep, { title: "Keep it in this browser" }),
        makeButton("Clear", on.clear, { title: "Escape" }),
      ]
    : [];
  place.replaceChildren(
    ...own,
    make("span", { class: "group", role: "group", "aria-label": `Download the listed ${table.noun}` }, ...buttons),
  );
}
