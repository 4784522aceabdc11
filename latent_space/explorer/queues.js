// What to label and what to drop: the curve that justifies it, and the samples, those of one reason together.

const MOST_QUEUED = 500;
const MOST_REASONS = 12;
const EXAMPLES = 3;
const SMALL_PICTURE = { square: 38, wide: 52 };
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
  place.append(...curves.map(curveFigure));
  if (!queue) return;
  const all = queue.samples.map((_, k) => k);
  const rowsAt = (at) =>
    rowsOfSamples(
      table,
      at.map((k) => queue.samples[k]),
    );
  const list = {
    key,
    queue,
    active,
    select: (at, name, own) => on.select(rowsAt(at), `${name} (${at.length})`, own),
    entry: (k, told) => queueEntry(queue, k, run.tables[0], pictures, on, told),
  };
  if (key === "labelling" || !queue.decision) {
    place.append(queueHead(list, all, "In this order", QUEUES[key].title.toLowerCase(), `${key} null`));
    place.append(entries(list, all));
    return;
  }
  for (const [decision, title] of [
    ["drop", "To drop"],
    ["keep", "To keep"],
  ]) {
    const at = all.filter((k) => queue.decision[k] === decision);
    place.append(queueHead(list, at, title, decision, `${key} ${decision}`), ...byReason(list, at, decision));
  }
}

function queueHead({ active, select }, at, title, name, own, kind = "queue-head") {
  const button = finding(
    [make("span", {}, title), make("small", {}, counted(at.length))],
    [],
    active === own,
    () => select(at, name, own),
  );
  button.disabled = !at.length;
  return make("div", { class: kind }, button);
}

// A reason is what is before the first ": "; the most frequent first. Where each has its own they are one list.
function byReason(list, at, decision) {
  const groups = new Map();
  for (const k of at) {
    const reason = (list.queue.reason?.[k] ?? "").split(": ")[0];
    if (!groups.has(reason)) groups.set(reason, []);
    groups.get(reason).push(k);
  }
  if (groups.size > MOST_REASONS || groups.has("")) return [entries(list, at)];
  const sorted = [...groups].sort(([, a], [, b]) => b.length - a.length);
  return sorted.flatMap(([reason, rows]) => {
    const own = `${list.key} ${decision} ${reason}`;
    return [queueHead(list, rows, reason, reason, own, "reason"), entries(list, rows, reason, own)];
  });
}

// Of a reason only examples, until it is pressed.
function entries(list, at, told = "", own = null) {
  const isWhole = own === null || list.active === own;
  const shown = at.slice(0, isWhole ? MOST_QUEUED : EXAMPLES);
  const place = make("ol", { class: "queue" }, ...shown.map((k) => make("li", {}, list.entry(k, told))));
  const rest = at.length - shown.length;
  const more = isWhole
    ? `… and ${readable(rest)} more, in the file and in the table below.`
    : makeButton(`${readable(rest)} more`, () => list.select(at, told, own), { class: "more" });
  if (rest) place.append(make("li", { class: "note" }, more));
  return place;
}

// told: the part of its reason that stands above the entry already.
function queueEntry(queue, k, samples, pictures, on, told) {
  const i = queue.samples[k];
  const [value, low, high] = ["predicted_error", "predicted_error_low", "predicted_error_high"].map(
    (name) => queue[name]?.[k],
  );
  const range = Number.isFinite(low) && high > low ? ` (${readable(low)} to ${readable(high)})` : "";
  const reason = queue.reason?.[k] ?? "";
  const rest = told && reason.startsWith(told) ? reason.slice(told.length + 2) : reason;
  const expected = Number.isFinite(value) ? `expected error ${readable(value)}${range}` : "";
  const text = make(
    "span",
    { class: "inside" },
    make("span", { class: "title" }, samples.ids[i]),
    ...[expected, rest].filter(Boolean).map((note) => make("span", { class: "note" }, note)),
  );
  const width = SMALL_PICTURE[pictures.areWide ? "wide" : "square"];
  const picture = make(
    "span",
    { class: "small-picture", style: `--width: ${width}px; --height: ${width / pictures.aspect}px` },
    ...(pictures.has(samples, i) ? [pictures.thumbnail(samples, i, width)] : []),
  );
  const button = makeButton("", () => on.pinSample(i), { class: "entry" });
  if (Number.isFinite(queue.rank?.[k])) button.append(make("small", { class: "rank-number" }, readable(queue.rank[k])));
  button.append(picture, text);
  button.addEventListener("mouseenter", () => on.hoverSample(i));
  button.addEventListener("mouseleave", () => on.hoverSample(-1));
  return button;
}
