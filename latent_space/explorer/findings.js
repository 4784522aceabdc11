// Insights and clusters: lists whose entries highlight their samples.

const MOST_CLUSTERS = 200;

// An entry of a list; pressed while its samples are what is selected.
function finding(title, notes, isActive, act, extra = []) {
  const button = makeButton("", act, { class: "finding", "aria-pressed": String(isActive) });
  const lines = notes.map((note) => make("span", { class: "note" }, note));
  return fill(button, {}, [make("span", { class: "title" }, ...title), ...extra, ...lines]);
}

function shareBar(value, most, title) {
  if (!Number.isFinite(value) || !(most > 0)) return null;
  const bar = make("i");
  bar.style.width = `${Math.max(3, Math.min(100, (100 * value) / most))}%`;
  return make("span", { class: "share", title }, bar);
}

// active: the key of the entry that is selected; select(rows, name, key).
function fillFindings(place, run, table, active, select) {
  place.replaceChildren();
  place.append(make("h3", {}, run.insights.length ? `Insights (${run.insights.length})` : "Insights"));
  if (!run.insights.length)
    place.append(make("p", { class: "note" }, "None in this run: no insights.json, or nothing stood out."));
  run.insights.forEach((one, k) => {
    const rows = rowsOfSamples(table, one.samples);
    const facts = [
      counted(one.samples.length),
      Number.isFinite(one.p_value) ? `p ${one.p_value < 0.001 ? "< 0.001" : `= ${readable(one.p_value)}`}` : null,
    ];
    const notes = [one.description, one.explained_by.join("; ")].filter(
      (text, at, all) => text && all.indexOf(text) === at,
    );
    const about = make(
      "span",
      { class: "about" },
      make("small", { class: "badge" }, String(one.kind ?? "insight").replaceAll("_", " ")),
      facts.filter(Boolean).join("  ·  "),
    );
    place.append(
      finding([one.title], notes, active === `insight ${k}`, () => select(rows, one.title, `insight ${k}`), [about]),
    );
  });
  for (const column of table.columns.filter((one) => one.kind === "category" && one.name.startsWith("cluster_id")))
    fillClusters(place, table, column, active, select);
}

// In the table of instances: those in the samples.
function rowsOfSamples(table, samples) {
  if (table.key === "samples") return samples;
  const wanted = new Set(samples);
  return table.ids.map((_, i) => i).filter((i) => wanted.has(table.sampleOf(i)));
}

// The clusters of a column with their mean loss, the worst first; found once.
function clustersOf(table, column) {
  if (column.clusters) return column.clusters;
  const loss = table.column.get("loss");
  const groups = column.levels.map((level) => ({ level, rows: [], sum: 0, known: 0 }));
  for (let i = 0; i < table.n; i += 1) {
    const group = groups[column.values[i]];
    if (!group) continue;
    group.rows.push(i);
    if (loss?.has(i)) Object.assign(group, { sum: group.sum + loss.values[i], known: group.known + 1 });
  }
  for (const group of groups) group.mean = group.known ? group.sum / group.known : NaN;
  const worst = (group) => (Number.isFinite(group.mean) ? group.mean : -Infinity);
  column.clusters = groups.sort((a, b) =>
    worst(b) > worst(a) ? 1 : worst(b) < worst(a) ? -1 : b.rows.length - a.rows.length,
  );
  return column.clusters;
}

function fillClusters(place, table, column, active, select) {
  const groups = clustersOf(table, column);
  const most = Math.max(...groups.map((group) => (Number.isFinite(group.mean) ? group.mean : 0)));
  place.append(make("h3", {}, `${column.label.replace("cluster id", "clusters")} (${groups.length})`));
  for (const { level, rows, mean } of groups.slice(0, MOST_CLUSTERS)) {
    const key = `${column.name} ${level}`;
    const facts = [
      `${readable(rows.length)} ${table.noun}`,
      Number.isFinite(mean) ? `mean loss ${readable(mean)}` : null,
    ]
      .filter(Boolean)
      .join("  ·  ");
    place.append(
      finding(
        [make("span", {}, `Cluster ${level}`), make("small", {}, facts)],
        [],
        active === key,
        () => select(rows, `cluster ${level}`, key),
        [shareBar(mean, most, "mean loss")],
      ),
    );
  }
}
