// A measured curve as a drawing: a line and a band per strategy, and what it comes to in words.

const CURVE = { width: 250, height: 160, left: 36, right: 10, top: 8, bottom: 32 };

// Places of budgets: even steps of their logarithm where they span more than a factor of 8.
function budgetScale(budgets) {
  const isWide = budgets[0] > 0 && budgets.at(-1) / budgets[0] > 8;
  const turn = isWide ? Math.log : (value) => value;
  const [low, high] = [turn(budgets[0]), turn(budgets.at(-1))];
  return (value) => CURVE.left + ((turn(value) - low) / (high - low || 1)) * (CURVE.width - CURVE.left - CURVE.right);
}

// About four round numbers from low to high.
function roundTicks(low, high) {
  const rough = (high - low) / 4 || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * size >= rough * 0.999) * size;
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step)
    ticks.push(Number(tick.toPrecision(10)));
  return ticks;
}

function makeCurve(curve) {
  const { budgets, strategies } = curve;
  const known = (value) => typeof value === "number" && Number.isFinite(value);
  const all = [
    ...Object.values(strategies).flatMap(({ low, high, mean }) => [...low, ...high, ...mean]),
    curve.full,
  ].filter(known);
  const [least, most] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
  const x = budgetScale(budgets);
  const y = (value) =>
    CURVE.top + (1 - (value - least) / (most - least || 1)) * (CURVE.height - CURVE.top - CURVE.bottom);
  const svg = makeSvg("svg", {
    class: "curve",
    viewBox: `0 0 ${CURVE.width} ${CURVE.height}`,
    role: "img",
    "aria-label": `${curve.title ?? "curve"}. ${curve.sentence ?? ""}`,
  });
  for (const tick of roundTicks(least, most)) {
    svg.append(
      makeSvg("line", { class: "rule", x1: CURVE.left, x2: CURVE.width - CURVE.right, y1: y(tick), y2: y(tick) }),
      makeSvg("text", { x: CURVE.left - 5, y: y(tick) + 3, "text-anchor": "end" }, readable(tick)),
    );
  }
  svg.append(
    ...budgetLabels(budgets, x),
    makeSvg(
      "text",
      { class: "axis", x: CURVE.width - CURVE.right, y: CURVE.height - 3, "text-anchor": "end" },
      curve.x_label ?? "",
    ),
  );
  if (known(curve.full))
    svg.append(
      makeSvg("line", {
        class: "full",
        x1: CURVE.left,
        x2: CURVE.width - CURVE.right,
        y1: y(curve.full),
        y2: y(curve.full),
      }),
    );
  const colors = strategyColors(Object.keys(strategies));
  for (const [name, line] of Object.entries(strategies)) {
    const at = budgets.map((budget, k) => k).filter((k) => known(line.mean[k]));
    const band = at.filter((k) => known(line.low[k]) && known(line.high[k]));
    const points = (rows, values) => rows.map((k) => `${x(budgets[k]).toFixed(1)},${y(values[k]).toFixed(1)}`);
    if (band.length > 1)
      svg.append(
        makeSvg("polygon", {
          fill: colors.get(name),
          opacity: 0.14,
          points: [...points(band, line.low), ...points(band, line.high).reverse()].join(" "),
        }),
      );
    svg.append(
      makeSvg("polyline", {
        stroke: colors.get(name),
        class: `line${name === "random" ? " random" : ""}`,
        points: points(at, line.mean).join(" "),
      }),
    );
    for (const k of at.length === 1 ? at : [])
      svg.append(makeSvg("circle", { cx: x(budgets[k]), cy: y(line.mean[k]), r: 3, fill: colors.get(name) }));
  }
  return svg;
}

function budgetLabels(budgets, x) {
  const labels = [];
  let right = -Infinity;
  for (const budget of budgets) {
    const text = readable(budget);
    const half = text.length * 2.9;
    if (x(budget) - half < right + 4) continue;
    right = x(budget) + half;
    labels.push(makeSvg("text", { x: x(budget), y: CURVE.height - 18, "text-anchor": "middle" }, text));
  }
  return labels;
}

// Random is gray; the default strategy comes first.
function strategyColors(names) {
  const colors = levelColors(30).map(css);
  const others = names.filter((name) => name !== "random").sort((a, b) => (b === "auto") - (a === "auto"));
  return new Map([
    ...others.map((name, k) => [name, colors[k % colors.length]]),
    ["random", css(styleColor("--soft"))],
  ]);
}

function curveFigure(curve) {
  const colors = strategyColors(Object.keys(curve.strategies));
  const keys = Object.entries(curve.strategies).map(([name, line]) => {
    const dot = make("span", { class: "dot" });
    dot.style.background = colors.get(name);
    const last = line.mean.findLast((value) => Number.isFinite(value));
    return make("li", {}, dot, make("span", {}, name.replaceAll("_", " ")), make("small", {}, readable(last)));
  });
  if (Number.isFinite(curve.full))
    keys.push(
      make(
        "li",
        {},
        make("span", { class: "dot full" }),
        make("span", {}, "everything"),
        make("small", {}, readable(curve.full)),
      ),
    );
  const seeds = curve.n_seeds ? `${readable(curve.n_seeds)} seeds` : "";
  return make(
    "figure",
    { class: "figure" },
    make(
      "figcaption",
      {},
      make("strong", {}, curve.title ?? ""),
      make("span", {}, [curve.y_label, seeds].filter(Boolean).join(", ")),
    ),
    make("p", { class: "sentence" }, curve.sentence ?? ""),
    makeCurve(curve),
    make("p", { class: "note ends" }, "at the right end"),
    make("ul", { class: "levels" }, ...keys),
  );
}
