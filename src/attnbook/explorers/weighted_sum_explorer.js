import {
  announcer,
  bar,
  body,
  button,
  change,
  digits,
  drawOnChange,
  html,
  namedSlider,
  slider,
  softmax,
  svg,
} from "./kit.js";

const SIZE = 320; // the drawing's width and height, in its own units
const MARGIN = 28;

const point = ([x, y]) => `(${digits(x)}, ${digits(y)})`;
const short = ([x, y]) => `(${[x, y].map((c) => digits(c, 2).replace(/\.?0+$/, "")).join(", ")})`;

/** The partial sums of weight · value: where each arrow ends and the next begins. The last is the context. */
function partialSums(weights, values) {
  const sums = [[0, 0]];
  weights.forEach((weight, i) => {
    const [x, y] = sums[i];
    sums.push([x + weight * values[i][0], y + weight * values[i][1]]);
  });
  return sums;
}

/** A map from the plane to the drawing that shows the origin and all values, with the same scale on both axes. */
function fit(values) {
  const [xs, ys] = [0, 1].map((axis) => [0, ...values.map((value) => value[axis])]);
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const span = Math.max(right - left, top - bottom) || 1;
  const scale = (SIZE - 2 * MARGIN) / span;
  const place = ([x, y]) => [
    SIZE / 2 + (x - (left + right) / 2) * scale,
    SIZE / 2 - (y - (bottom + top) / 2) * scale,
  ];
  return { place, scale };
}

function arrow(from, to, attributes) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy);
  if (length < 0.5) return svg("g", attributes); // too short to have a direction that anyone could see
  const [ux, uy] = [dx / length, dy / length];
  const head = Math.min(11, length);
  const neck = [to[0] - ux * head, to[1] - uy * head];
  const [wx, wy] = [-uy * head * 0.45, ux * head * 0.45];
  const corners = [to, [neck[0] + wx, neck[1] + wy], [neck[0] - wx, neck[1] - wy]];
  return svg(
    "g",
    attributes,
    svg("line", { x1: from[0], y1: from[1], x2: neck[0], y2: neck[1] }),
    svg("polygon", { points: corners.map((corner) => corner.join(",")).join(" ") }),
  );
}

function grid({ place, scale }) {
  const step = [1, 2, 5, 10, 20, 50, 100].find((size) => size * scale >= 24) ?? 1e9;
  const [x0, y0] = place([0, 0]);
  const lines = [];
  for (let i = -20; i <= 20; i++) {
    const [x, y] = place([i * step, i * step]);
    const kind = { class: i === 0 ? "axis" : "grid" };
    if (x >= 0 && x <= SIZE) lines.push(svg("line", { ...kind, x1: x, x2: x, y1: 0, y2: SIZE }));
    if (y >= 0 && y <= SIZE) lines.push(svg("line", { ...kind, y1: y, y2: y, x1: 0, x2: SIZE }));
    if (i === 0) continue;
    if (x > 8 && x < SIZE - 8)
      lines.push(svg("text", { class: "tick", x, y: y0 + 13, "text-anchor": "middle" }, digits(i * step, 0)));
    if (y > 8 && y < SIZE - 8)
      lines.push(svg("text", { class: "tick", x: x0 - 5, y: y + 4, "text-anchor": "end" }, digits(i * step, 0)));
  }
  return lines;
}

/** The corners of the smallest convex shape around the points: where any average of them lies. (Andrew, 1979.) */
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const chain = (ordered) => {
    const corners = [];
    for (const [x, y] of ordered) {
      const turnsRight = ([ax, ay], [bx, by]) => (bx - ax) * (y - ay) - (by - ay) * (x - ax) <= 0;
      while (corners.length > 1 && turnsRight(corners.at(-2), corners.at(-1))) corners.pop();
      corners.push([x, y]);
    }
    return corners.slice(0, -1);
  };
  return [...chain(sorted), ...chain(sorted.reverse())];
}

/** The drawing's parts, from back to front: grid, whole values, their scaled copies head to tail, the context.
 * The active value stands out. */
function plane(weights, values, labels, active) {
  const fade = (i) => (active === null || active === i ? "" : " faded");
  const map = fit(values);
  const { place } = map;
  const sums = partialSums(weights, values).map(place);
  const [origin, context] = [sums[0], sums.at(-1)];
  const whole = values.map((value, i) => {
    const [x, y] = place(value);
    const outward = x >= origin[0] ? 8 : -8;
    return svg(
      "g",
      { class: "whole" + fade(i) },
      svg("line", { x1: origin[0], y1: origin[1], x2: x, y2: y }),
      svg("circle", { cx: x, cy: y, r: 4 }),
      svg(
        "text",
        { x: x + outward, y: y - 8, "text-anchor": outward > 0 && x < SIZE - 40 ? "start" : "end" },
        labels[i],
      ),
    );
  });
  const scaled = weights.map((_, i) => arrow(sums[i], sums[i + 1], { class: "scaled" + fade(i) }));
  const corners = hull(values.map(place)).map((corner) => corner.join(","));
  const shape = svg("polygon", { class: "hull", points: corners.join(" ") });
  return [shape, ...grid(map), ...whole, ...scaled, arrow(origin, context, { class: "context" })];
}

/** What the kinds of line in the drawing mean, each with a piece of it. */
function legend() {
  const piece = (...children) =>
    svg("svg", { class: "plane piece", viewBox: "0 0 30 12", "aria-hidden": "true" }, ...children);
  const dots = svg(
    "g",
    { class: "whole" },
    svg("line", { x1: 0, y1: 6, x2: 24, y2: 6 }),
    svg("circle", { cx: 25, cy: 6, r: 4 }),
  );
  const patch = svg("rect", { class: "hull", width: 30, height: 12 });
  const across = [
    [0, 6],
    [30, 6],
  ];
  return html(
    "p",
    { class: "legend" },
    html("span", {}, piece(dots), "value"),
    html("span", {}, piece(arrow(...across, { class: "scaled" })), "weight · value"),
    html("span", {}, piece(arrow(...across, { class: "context" })), "context, their sum"),
    html("span", {}, piece(patch), "where it can lie"),
  );
}

function render({ model, el }) {
  const start = { scores: [...model.get("scores")], temperature: model.get("temperature") };
  const changeScore = (i, score) =>
    change(model, { scores: model.get("scores").map((old, j) => (j === i ? score : old)) });

  let active = null; // the row that the reader's hand is on
  function lookAt(i) {
    active = i;
    draw();
  }

  // The sliders reach to the start's scores, and to 4 at least: e⁴ : 1 is near enough to one winner.
  const reach = Math.max(4, ...start.scores.map((score) => Math.ceil(Math.abs(score))));
  const rows = start.scores.map((_, i) => {
    const label = model.get("labels")[i];
    const row = {
      name: html("span", { class: "name" }),
      score: slider({
        label: `score of ${label}`,
        min: -reach,
        max: reach,
        step: 0.1,
        onInput: (x) => changeScore(i, x),
      }),
      scoreText: html("span", { class: "number" }),
      bar: bar(),
      weightText: html("span", { class: "number weight" }),
    };
    const what = html("small", { class: "what" }, "weight"); // where the rows are too narrow for the heading
    row.element = html(
      "div",
      { class: "score-row" },
      row.name,
      row.score,
      row.scoreText,
      what,
      row.bar.element,
      row.weightText,
    );
    for (const event of ["pointerenter", "focusin"]) row.element.addEventListener(event, () => lookAt(i));
    for (const event of ["pointerleave", "focusout"]) row.element.addEventListener(event, () => lookAt(null));
    return row;
  });
  // Equal steps of the slider multiply the temperature by equal factors: from 0.1 over 1 in the middle to 10.
  const temperature = namedSlider({
    label: "temperature",
    min: -1,
    max: 1,
    step: 0.05,
    onInput: (x) => change(model, { temperature: 10 ** x }),
  });
  const drawing = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", class: "plane" });
  const sum = html("p", { class: "sum" });
  const spoken = announcer();

  body(
    el,
    html(
      "div",
      { class: "weighted-sum" },
      html(
        "div",
        { class: "controls" },
        html(
          "div",
          { class: "score-row heading", "aria-hidden": "true" },
          html("span", {}, "value"),
          html("span", {}, "score"),
          html("span"),
          html("span", {}, "weight"),
        ),
        ...rows.map((row) => row.element),
        temperature.element,
        html(
          "p",
          { class: "remark" },
          "weight = softmax(score ÷ temperature). Cold: the largest score takes all. Hot: all become equal.",
        ),
        html(
          "div",
          { class: "buttons" },
          button("Equal", () => change(model, { scores: [0, 0, 0, 0], temperature: 1 })),
          button("One winner", () => change(model, { scores: [-4, -4, 4, -4], temperature: 1 })),
          button("Reset", () => change(model, { ...start, scores: [...start.scores] })),
        ),
      ),
      drawing,
      html("div", { class: "words" }, legend(), sum),
      spoken.element,
    ),
  );

  function draw() {
    const [scores, values, labels] = ["scores", "values", "labels"].map((trait) => model.get(trait));
    const t = model.get("temperature");
    const weights = softmax(scores, t);
    const context = partialSums(weights, values).at(-1);
    rows.forEach((row, i) => {
      row.name.replaceChildren(html("b", {}, labels[i]), html("small", {}, short(values[i])));
      row.score.value = scores[i];
      row.score.setAttribute("aria-valuetext", `${digits(scores[i])}, weight ${digits(weights[i])}`);
      row.scoreText.textContent = digits(scores[i]);
      row.bar.show(weights[i]);
      row.weightText.textContent = digits(weights[i]);
    });
    temperature.show(Math.log10(t), digits(t));
    drawing.replaceChildren(...plane(weights, values, labels, active));
    const terms = weights.map((weight, i) => html("span", {}, `${i ? "+ " : ""}${digits(weight)} ${labels[i]}`));
    drawing.setAttribute(
      "aria-label",
      `Four arrows, head to tail, from the origin to the context ${point(context)}`,
    );
    sum.replaceChildren(...terms.flatMap((term) => [term, " "]), html("b", {}, `= context ${point(context)}`));
    spoken.say(`Weights ${weights.map((weight) => digits(weight)).join(", ")}; context ${point(context)}`);
    el.dataset.weights = JSON.stringify(weights); // all digits, for whoever checks them
    el.dataset.context = JSON.stringify(context);
  }
  return drawOnChange(model, ["scores", "values", "labels", "temperature"], draw);
}

export default { render };
