// Insights, clusters and queues: lists whose entries highlight their samples.

const MOST_CLUSTERS = 200;
const MOST_QUEUED = 500;

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
      `${readable(one.samples.length)} samples`,
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

const QUEUES = {
  labelling: {
    title: "Label next",
    none: [
      "No labelling queue yet. ",
      make("code", {}, "armscope label RUN --budget N"),
      " ranks what to label next and measures what it saves.",
    ],
  },
  pruning: {
    title: "Prune",
    none: [
      "No pruning decisions yet. ",
      make("code", {}, "armscope prune RUN --auto"),
      " proposes what to drop and checks what it costs.",
    ],
  },
};

function fillQueue(place, key, run, table, pictures, active, on) {
  place.replaceChildren();
  const queue = run.queues[key];
  const curves = run.curves[key] ?? [];
  if (!queue && !curves.length) place.append(make("p", { class: "note" }, ...QUEUES[key].none));
  if (queue) {
    const groups =
      key === "pruning" && queue.decision
        ? [
            ["drop", "To drop"],
            ["keep", "To keep"],
          ]
        : [[null, "In this order"]];
    for (const [decision, title] of groups)
      fillQueueGroup(place, { key, queue, decision, title }, run, table, pictures, active, on);
  }
  curves.forEach((curve) => place.append(curveFigure(curve)));
  if (queue && curves.length) place.prepend(...place.querySelectorAll(".figure"));
}

function fillQueueGroup(place, { key, queue, decision, title }, run, table, pictures, active, on) {
  const at = queue.samples.map((_, k) => k).filter((k) => decision === null || queue.decision[k] === decision);
  const name = decision === null ? `${QUEUES[key].title.toLowerCase()} (${at.length})` : `${decision} (${at.length})`;
  const head = finding(
    [make("span", {}, title), make("small", {}, `${readable(at.length)} samples`)],
    [],
    active === `${key} ${decision}`,
    () =>
      on.select(
        rowsOfSamples(
          table,
          at.map((k) => queue.samples[k]),
        ),
        name,
        `${key} ${decision}`,
      ),
  );
  place.append(make("div", { class: "queue-head" }, head));
  const samples = run.tables[0];
  const list = make("ol", { class: "queue" });
  for (const k of at.slice(0, MOST_QUEUED)) list.append(make("li", {}, queueEntry(queue, k, samples, pictures, on)));
  place.append(list);
  if (at.length > MOST_QUEUED)
    place.append(
      make(
        "p",
        { class: "note" },
        `… and ${readable(at.length - MOST_QUEUED)} more, in the file and in the table below.`,
      ),
    );
}

function queueEntry(queue, k, samples, pictures, on) {
  const i = queue.samples[k];
  const [value, low, high] = ["predicted_error", "predicted_error_low", "predicted_error_high"].map(
    (name) => queue[name]?.[k],
  );
  const range = Number.isFinite(low) && Number.isFinite(high) ? ` (${readable(low)} to ${readable(high)})` : "";
  const expected = Number.isFinite(value) ? `expected error ${readable(value)}${range}` : "";
  const text = make(
    "span",
    { class: "inside" },
    make("span", { class: "title" }, samples.ids[i]),
    ...[expected, queue.reason?.[k]].filter(Boolean).map((note) => make("span", { class: "note" }, note)),
  );
  const picture = make(
    "span",
    { class: "small-picture" },
    ...(pictures.has(samples, i) ? [pictures.thumbnail(samples, i, 38)] : []),
  );
  const button = makeButton("", () => on.pinSample(i), { class: "entry" });
  button.append(make("small", { class: "rank-number" }, readable(queue.rank?.[k] ?? k + 1)), picture, text);
  button.addEventListener("mouseenter", () => on.hoverSample(i));
  button.addEventListener("mouseleave", () => on.hoverSample(-1));
  return button;
}
