// The choices above the maps, and the keys that work everywhere.

// Which table, map and splits are shown, and what a drag does.
function fillChoices(explorer) {
  const { table, filters } = explorer.sight;
  const group = (id, legend, choices) => element(id).replaceChildren(make("legend", {}, legend), ...choices);
  element("table-choice").hidden = explorer.sights.length < 2;
  group(
    "table-choice",
    "Show",
    explorer.sights.map((sight) =>
      makeChoice(
        "radio",
        "shown",
        sight === explorer.sight,
        [sight.table.noun, make("small", {}, readable(sight.table.n))],
        () => explorer.show(sight.table),
      ),
    ),
  );
  element("map-choice").hidden = table.maps.length < 2;
  const layouts = [...table.maps.map((map) => [map.key, map.name]), ["all", table.maps.length === 2 ? "Both" : "All"]];
  group(
    "map-choice",
    "Map",
    layouts.map(([key, name]) =>
      makeChoice("radio", "map", key === explorer.layout, [name], () => explorer.showMaps(key)),
    ),
  );
  const split = table.column.get("split");
  element("split-filter").hidden = split?.kind !== "category";
  const counts = split?.kind === "category" ? levelCounts(split, null) : [];
  group(
    "split-filter",
    "Splits",
    (split?.levels ?? []).map((level, k) =>
      makeChoice(
        "checkbox",
        "split",
        !filters.get("split")?.hidden.includes(level),
        [level, make("small", {}, readable(counts[k]))],
        (checked) => {
          const hidden = (explorer.sight.filters.get("split")?.hidden ?? []).filter((one) => one !== level);
          explorer.filter("split", { hidden: checked ? hidden : [...hidden, level] });
        },
      ),
    ),
  );
  group(
    "tool-choice",
    "Drag",
    [
      ["pan", "Pan"],
      ["lasso", "Lasso"],
      ["box", "Rectangle"],
    ].map(([tool, label]) => {
      const choice = makeChoice("radio", "tool", tool === explorer.tool, [label], () => explorer.useTool(tool));
      choice.firstChild.value = tool;
      return choice;
    }),
  );
}

// The splits' boxes as the filters say.
function tickSplits({ table, filters }) {
  const hidden = filters.get("split")?.hidden ?? [];
  for (const [k, input] of element("split-filter").querySelectorAll("input").entries()) {
    input.checked = !hidden.includes(table.column.get("split").levels[k]);
  }
}

function listenToKeys(explorer) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches?.("input:not([type=radio]):not([type=checkbox]), select, textarea");
    const tool = { p: "pan", l: "lasso", r: "box" }[event.key.toLowerCase()];
    if (event.key === "Escape" && !element("help").open) explorer.escape();
    else if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (tool) explorer.useTool(tool);
    else if (event.key === "/") {
      element("find").focus();
      event.preventDefault();
    } else if (event.key === "?") element("help").showModal();
  });
}
