import { announcer, body, button, change, digits, drawOnChange, html, namedSlider, softmax, svg } from "./kit.js";

const SCALES = ["none", "1/√d", "1/d", "unit length"];
const [WIDEST, QUERIES, KEYS] = [1024, 16, 64];
const HEARD = 0.001; // a key whose score has a smaller gradient counts as not heard
const [FLOOR, CEILING] = [-8, 1]; // the ends of the logarithmic axes, as powers of ten
const FAN = { width: 400, height: 250, left: 34, right: 18, top: 8, bottom: 22 };
const BARS = { width: 400, height: 84, left: 34, right: 2, top: 6, bottom: 4 };

/** The first normal numbers of a seed: those of Python's `normal`, which says how they come about. */
function normal(seed, count) {
  const uniform = (i) => {
    const a = (seed + Math.imul(i + 1, 0x6d2b79f5)) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Float64Array.from(
    { length: count },
    (_, c) => Math.sqrt(-2 * Math.log(1 - uniform(2 * c))) * Math.cos(2 * Math.PI * uniform(2 * c + 1)),
  );
}

/** All that a seed gives: 16 queries, 64 keys, and for each query the 64 numbers of its loss. */
function drawVectors(seed) {
  const numbers = normal(seed, (QUERIES + KEYS) * WIDEST + QUERIES * KEYS);
  const row = (i, width, from = 0) => numbers.subarray(from + i * width, from + (i + 1) * width);
  return {
    q: Array.from({ length: QUERIES }, (_, i) => row(i, WIDEST)),
    k: Array.from({ length: KEYS }, (_, j) => row(QUERIES + j, WIDEST)),
    u: Array.from({ length: QUERIES }, (_, i) => row(i, KEYS, (QUERIES + KEYS) * WIDEST)),
  };
}

function dot(a, b, d) {
  let sum = 0;
  for (let i = 0; i < d; i++) sum += a[i] * b[i];
  return sum;
}

/** By what a dot product is multiplied, where that does not depend on the vectors' lengths. */
const factor = (scale, d) => ({ none: 1, "1/√d": 1 / Math.sqrt(d), "1/d": 1 / d })[scale];

/** The scores of one query, and the standard deviation that the formula predicts. */
function scoresOf({ q, k }, i, { d, scale, gain }) {
  if (scale !== "unit length") return k.map((key) => factor(scale, d) * dot(q[i], key, d));
  const length = (x) => Math.sqrt(dot(x, x, d));
  return k.map((key) => (gain * dot(q[i], key, d)) / (length(q[i]) * length(key)));
}
const predicted = ({ d, scale, gain }) =>
  scale === "unit length" ? gain / Math.sqrt(d) : factor(scale, d) * Math.sqrt(d);

/** The gradient of the loss Σ u w with respect to one query's scores, and the length of that with respect to it. */
function gradientsOf({ q, k, u }, i, { d, scale, gain }) {
  const weights = softmax(scoresOf({ q, k }, i, { d, scale, gain }));
  const mean = weights.reduce((sum, w, j) => sum + w * u[i][j], 0);
  const ofScores = weights.map((w, j) => w * (u[i][j] - mean));
  const length = (x) => Math.sqrt(dot(x, x, d));
  const unit = scale === "unit length";
  const ofQuery = new Float64Array(d);
  k.forEach((key, j) => {
    const share = ofScores[j] * (unit ? gain / length(key) : factor(scale, d));
    for (let l = 0; l < d; l++) ofQuery[l] += share * key[l];
  });
  if (unit) {
    // Only what turns the query counts: its part along the query is gone.
    const size = length(q[i]);
    const along = dot(ofQuery, q[i], d) / size ** 2;
    for (let l = 0; l < d; l++) ofQuery[l] = (ofQuery[l] - along * q[i][l]) / size;
  }
  return { ofScores: ofScores.map(Math.abs), ofQuery: length(ofQuery) };
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
}

/** Three digits, or a power of ten where there is little left: 1.25, 0.040, 3·10⁻⁷. */
function short(x) {
  if (x >= 0.0095) return digits(x, x < 0.095 ? 3 : 2);
  if (x === 0) return "0";
  const [factor, power] = x.toExponential(0).split("e-"); // 3e-7, and never 10e-8
  return `${factor}·10⁻${[...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

/** The fan: each key's score as d grows, with the predicted band and a line at the chosen d. */
function makeFan() {
  const { width, height, left, right, top, bottom } = FAN;
  const x = (d) => left + ((Math.log2(d) - 1) / 9) * (width - left - right);
  const middle = (top + height - bottom) / 2;
  const half = (height - top - bottom) / 2;
  const [lines, band, cursor, ticks] = ["lines", "band", "cursor", "ticks"].map((name) => svg("g", { class: name }));
  const widths = [...new Set(Array.from({ length: 73 }, (_, i) => Math.round(2 ** (1 + i / 8))))];
  const names = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map((d) =>
    svg("text", { x: x(d), y: height - 6, "text-anchor": "middle" }, String(d)),
  );
  const element = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "fan", role: "img" },
    svg("g", { class: "ticks" }, ...names),
    ticks,
    lines,
    band,
    cursor,
  );
  const path = (points) => "M" + points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join("L");

  function show(vectors, i, state) {
    const mark = { none: 80, "1/√d": 3, "1/d": 2, "unit length": 0.75 * state.gain }[state.scale];
    const reach = mark / 0.75;
    const y = (score) => middle - half * Math.max(-1, Math.min(1, score / reach));
    const at = widths.map((d) => scoresOf(vectors, i, { ...state, d }));
    const now = scoresOf(vectors, i, state);
    const best = now.indexOf(Math.max(...now));
    lines.replaceChildren(
      ...now.map((_, j) =>
        svg("path", {
          class: j === best ? "best" : "",
          d: path(widths.map((d, step) => [x(d), y(at[step][j])])),
        }),
      ),
    );
    lines.append(lines.children[best]); // on top
    band.replaceChildren(
      ...[1, -1].map((sign) =>
        svg("path", { d: path(widths.map((d) => [x(d), y(sign * predicted({ ...state, d }))])) }),
      ),
    );
    cursor.replaceChildren(svg("line", { x1: x(state.d), x2: x(state.d), y1: top, y2: height - bottom }));
    ticks.replaceChildren(
      ...[-mark, 0, mark].flatMap((value) => {
        const text = digits(value, Number.isInteger(value) ? 0 : 1);
        return [
          svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value) }),
          svg("text", { x: left - 4, y: y(value) + 4, "text-anchor": "end" }, text),
        ];
      }),
    );
    element.setAttribute(
      "aria-label",
      `Lines: the scores of 64 keys from d = 2 to d = 1024, with the predicted standard deviation as a dashed band, ` +
        `${short(predicted(state))} at d = ${state.d}`,
    );
  }
  return { element, show };
}

/** Upright bars on a linear axis from 0 to 1, or on a logarithmic one. */
function makeBars(kind, count, logarithmic) {
  const { width, height, left, right, top, bottom } = BARS;
  const room = (width - left - right) / count;
  const share = (x) =>
    logarithmic ? Math.max(0, (Math.log10(Math.max(x, 1e-300)) - FLOOR) / (CEILING - FLOOR)) : x;
  const y = (x) => height - bottom - Math.min(1, share(x)) * (height - top - bottom);
  const marks = logarithmic
    ? [
        [1, "1"],
        [1e-3, "10⁻³"],
        [1e-6, "10⁻⁶"],
      ]
    : [
        [1, "1"],
        [0.5, "0.5"],
      ];
  const axis = marks.flatMap(([x, text]) => [
    svg("line", { x1: left, x2: width - right, y1: y(x), y2: y(x) }),
    svg("text", { x: left - 4, y: y(x) + 4, "text-anchor": "end" }, text),
  ]);
  const rects = Array.from({ length: count }, (_, j) =>
    svg("rect", { x: left + j * room + 0.1 * room, width: 0.8 * room }),
  );
  const element = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: `columns ${kind}`, role: "img" },
    svg("g", { class: "ticks" }, ...axis),
    ...rects,
  );
  const show = (heights, chosen, label) => {
    rects.forEach((rect, j) => {
      rect.setAttribute("y", y(heights[j]));
      rect.setAttribute("height", height - bottom - y(heights[j]));
      rect.classList.toggle("chosen", j === chosen);
    });
    element.setAttribute("aria-label", label);
  };
  return { element, show };
}

/** A row of the table: what is measured, and the number. */
function makeRow(text) {
  const number = html("span", { class: "number" });
  return { element: html("div", { class: "fact" }, html("span", {}, text), number), number };
}

function render({ model, el }) {
  const traits = ["d", "scale", "gain", "query", "seed"];
  const get = () => Object.fromEntries(traits.map((trait) => [trait, model.get(trait)]));
  const start = get();
  const width = namedSlider({
    label: "d",
    min: 1,
    max: 10,
    step: 1,
    onInput: (power) => change(model, { d: 2 ** power }),
  });
  const query = namedSlider({
    label: "query",
    min: 1,
    max: QUERIES,
    step: 1,
    onInput: (i) => change(model, { query: i }),
  });
  const gain = namedSlider({
    label: "gain",
    min: 0,
    max: 6,
    step: 0.5,
    onInput: (power) => change(model, { gain: 2 ** power }),
  });
  const choices = SCALES.map((scale) => button(scale, () => change(model, { scale })));
  const fan = makeFan();
  const weights = makeBars("weights", KEYS, false);
  const ofScores = makeBars("of-scores", KEYS, true);
  const ofQueries = makeBars("of-queries", QUERIES, true);
  const rows = {
    predicted: makeRow("spread of scores, predicted"),
    spread: makeRow("spread of scores, measured"),
    entropy: makeRow("entropy (at most 4.16)"),
    largest: makeRow("largest weight"),
    trace: makeRow("trace of the Jacobian"),
    heard: makeRow("scores with a gradient > 0.001"),
    gradient: makeRow("gradient that reaches this query"),
    typical: makeRow("the same, median of 16 queries"),
  };
  const spoken = announcer();
  body(
    el,
    html(
      "div",
      { class: "scale-explorer" },
      html(
        "div",
        { class: "left" },
        html("div", { class: "scales", role: "group", "aria-label": "scale" }, ...choices),
        html("p", { class: "heading" }, "64 scores of one query, as d grows"),
        fan.element,
        width.element,
        gain.element,
        query.element,
        html(
          "div",
          { class: "buttons" },
          button("New draw", () => change(model, { seed: model.get("seed") + 1 })),
          button("Reset", () => change(model, start)),
        ),
      ),
      html(
        "div",
        { class: "right" },
        html("p", { class: "heading" }, "weights of the 64 keys"),
        weights.element,
        html("p", { class: "heading" }, "gradient of each score, log scale"),
        ofScores.element,
        html("p", { class: "heading" }, "gradient at each of 16 queries, log scale"),
        ofQueries.element,
        html("div", { class: "facts" }, ...Object.values(rows).map((row) => row.element)),
      ),
      spoken.element,
    ),
  );

  let [seed, vectors] = [null, null]; // drawing all numbers takes longer than all else, so they are kept
  function draw() {
    const state = get();
    if (state.seed !== seed) [seed, vectors] = [state.seed, drawVectors(state.seed)];
    const i = state.query - 1;
    const scores = scoresOf(vectors, i, state);
    const w = softmax(scores);
    const all = vectors.q.map((_, row) => gradientsOf(vectors, row, state));
    const mean = scores.reduce((sum, x) => sum + x, 0) / KEYS;
    const facts = {
      predicted: predicted(state),
      spread: Math.sqrt(scores.reduce((sum, x) => sum + (x - mean) ** 2, 0) / KEYS),
      entropy: -w.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0),
      largest: Math.max(...w),
      trace: 1 - w.reduce((sum, x) => sum + x * x, 0),
      heard: all[i].ofScores.filter((x) => x > HEARD).length,
      gradient: all[i].ofQuery,
      typical: median(all.map(({ ofQuery }) => ofQuery)),
    };
    for (const [name, row] of Object.entries(rows))
      row.number.textContent = name === "heard" ? `${facts.heard} of ${KEYS}` : short(facts[name]);
    choices.forEach((choice, s) => choice.setAttribute("aria-pressed", SCALES[s] === state.scale));
    width.show(Math.log2(state.d), String(state.d));
    query.show(state.query, String(state.query));
    gain.show(Math.log2(state.gain), digits(state.gain, 1));
    gain.input.disabled = state.scale !== "unit length";
    gain.element.classList.toggle("off", gain.input.disabled);
    fan.show(vectors, i, state);
    weights.show(w, -1, `Bars: 64 weights, the largest ${short(facts.largest)}`);
    ofScores.show(all[i].ofScores, -1, `Bars: gradients of 64 scores, ${facts.heard} of them above 0.001`);
    ofQueries.show(
      all.map(({ ofQuery }) => ofQuery),
      i,
      `Bars: gradients that reach 16 queries, the median ${short(facts.typical)}`,
    );
    spoken.say(
      `d ${state.d}, scale ${state.scale}: spread ${short(facts.spread)}, predicted ${short(facts.predicted)}. ` +
        `Largest weight ${short(facts.largest)}. ${facts.heard} of 64 scores have a gradient.`,
    );
    el.dataset.scores = JSON.stringify(scores); // all digits, for whoever checks them
    el.dataset.weights = JSON.stringify(w);
    el.dataset.facts = JSON.stringify(facts);
    el.dataset.ofScores = JSON.stringify(all[i].ofScores);
    el.dataset.ofQueries = JSON.stringify(all.map(({ ofQuery }) => ofQuery));
  }
  return drawOnChange(model, traits, draw);
}

export default { render };
