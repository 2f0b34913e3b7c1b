import { announcer, bar, body, button, change, digits, drawOnChange, html, softmax, svg } from "./kit.js";

const SIZE = 320; // the plane's width and height, in its own units
const REACH = 4; // how far from the origin a coordinate may lie
const UNIT = SIZE / 2 / 4.45; // so that a point at the end of the reach stays within the drawing
const FINGER = 25; // the radius around a point in which a finger or mouse takes hold of it
const LEVELS = 8; // lines of equal score
const CELLS = 32; // in each direction of the grid that those lines are drawn from

const sub = (letter) => html("sub", {}, letter);
const FORMULAS = {
  dot: () => ["q · k"],
  "scaled dot": () => ["q · k ÷ √2"],
  multiplicative: () => ["q · W k"],
  additive: () => ["w · tanh(W", sub("q"), "q + W", sub("k"), "k)"],
};
const SCENES = {
  "Long key": {
    q: [2, 1.4],
    k: [
      [1, 0.7],
      [3.5, -1],
      [-1, 1.5],
    ],
  },
  "In a line": {
    q: [1.2, 1.2],
    k: [
      [-2.4, 0],
      [0, 0],
      [2.4, 0],
    ],
  },
};

const dot = ([a, b], [c, d]) => a * c + b * d;
const place = ([x, y]) => [SIZE / 2 + x * UNIT, SIZE / 2 - y * UNIT];
const label = (i) => "k" + "₁₂₃₄₅"[i];
const point = ([x, y]) => `(${digits(x, 1)}, ${digits(y, 1)})`;

/** The four scores, each a function of a query and a key, with the model's choice of matrices. */
function scoresOf(model) {
  const matrix = model.get("matrices")[model.get("matrix")];
  const network = model.get("networks")[model.get("network")];
  const bend = network.tanh ? Math.tanh : (x) => x;
  return {
    dot,
    "scaled dot": (q, k) => dot(q, k) / Math.SQRT2,
    multiplicative: (q, k) => dot(q, [dot(matrix[0], k), dot(matrix[1], k)]),
    // Every entry of w is 1, so the score is the sum over the hidden layer.
    additive: (q, k) =>
      network.query.reduce((sum, row, i) => sum + bend(dot(row, q) + dot(network.key[i], k)), 0),
  };
}

/** Where a height passes a level between two corners of a triangle, [x, y, height] each. */
function crossings(corners, level) {
  return corners.flatMap(([x0, y0, h0], i) => {
    const [x1, y1, h1] = corners[(i + 1) % 3];
    if (h0 < level === h1 < level) return [];
    const t = (level - h0) / (h1 - h0);
    return [[x0 + t * (x1 - x0), y0 + t * (y1 - y0)]];
  });
}

/** Lines on which a function of the plane has the same height: paths from the lowest to the highest. */
function lines(height) {
  const ticks = Array.from({ length: CELLS + 1 }, (_, i) => ((2 * i) / CELLS - 1) * 4.45);
  const grid = ticks.map((y) => ticks.map((x) => [...place([x, y]), height([x, y])]));
  const heights = grid.flat().map(([, , h]) => h);
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  if (high - low < 1e-9) return []; // flat: no key is better than another anywhere
  return Array.from({ length: LEVELS }, (_, l) => {
    const level = low + ((l + 0.5) / LEVELS) * (high - low);
    let path = "";
    for (let i = 0; i < CELLS; i++)
      for (let j = 0; j < CELLS; j++) {
        const [a, b, c, d] = [grid[i][j], grid[i][j + 1], grid[i + 1][j + 1], grid[i + 1][j]];
        for (const triangle of [
          [a, b, c],
          [a, c, d],
        ]) {
          const [from, to] = crossings(triangle, level).map((p) => p.map((x) => x.toFixed(1)).join(","));
          if (to) path += `M${from}L${to}`;
        }
      }
    return svg("path", { d: path, "stroke-opacity": (0.2 + (0.8 * l) / (LEVELS - 1)).toFixed(2) });
  });
}

function axes() {
  const marks = [-4, -3, -2, -1, 0, 1, 2, 3, 4].flatMap((i) => {
    const [x, y] = place([i, i]);
    const kind = { class: i === 0 ? "axis" : "grid" };
    const texts =
      i % 2 || i === 0
        ? []
        : [
            svg("text", { class: "tick", x, y: SIZE / 2 + 13, "text-anchor": "middle" }, digits(i, 0)),
            svg("text", { class: "tick", x: SIZE / 2 - 5, y: y + 4, "text-anchor": "end" }, digits(i, 0)),
          ];
    return [
      svg("line", { ...kind, x1: x, x2: x, y1: 0, y2: SIZE }),
      svg("line", { ...kind, y1: y, y2: y, x1: 0, x2: SIZE }),
      ...texts,
    ];
  });
  return svg("g", {}, ...marks);
}

/** A point that can be taken hold of. Its hit area is as large as a finger, its knob smaller. */
function handle(kind, name, onKey) {
  const hit = svg("circle", { class: "hit", r: FINGER });
  const knob = kind === "query" ? svg("polygon", { class: "knob" }) : svg("circle", { class: "knob", r: 7 });
  const text = svg("text", {}, name);
  const element = svg(
    "g",
    {
      class: `handle ${kind}`,
      tabindex: 0,
      role: "slider",
      "aria-roledescription": "point on the plane",
      "aria-label": kind === "query" ? "query" : `key ${name}`,
      "aria-valuemin": -REACH,
      "aria-valuemax": REACH,
    },
    hit,
    knob,
    text,
  );
  element.addEventListener("keydown", onKey);
  const show = (position) => {
    const [x, y] = place(position);
    element.setAttribute("aria-valuenow", position[0]);
    element.setAttribute("aria-valuetext", `${digits(position[0], 1)} right, ${digits(position[1], 1)} up`);
    for (const [attribute, value] of [
      ["cx", x],
      ["cy", y],
    ]) {
      hit.setAttribute(attribute, value);
      if (kind === "key") knob.setAttribute(attribute, value);
    }
    if (kind === "query")
      knob.setAttribute("points", `${x},${y - 9} ${x + 9},${y} ${x},${y + 9} ${x - 9},${y}`);
    const outward = x > SIZE - 40 ? -1 : 1;
    text.setAttribute("x", x + 12 * outward);
    text.setAttribute("y", y < 24 ? y + 18 : y - 9);
    text.setAttribute("text-anchor", outward > 0 ? "start" : "end");
  };
  return { element, show };
}

/** The plane with its handles; `onMove(i, position)` is told of every move, i being −1 for the query. */
function makePlane(model, onMove) {
  const contours = svg("g", { class: "contours" });
  const arrow = svg("line", { class: "query-line", x1: SIZE / 2, y1: SIZE / 2 });
  const position = (i) => (i < 0 ? model.get("q") : model.get("k")[i]);
  const move = (i, wanted) => {
    // To tenths, so that the numbers are short; adding 0 turns −0 into 0.
    const held = wanted.map((x) => Math.round(10 * Math.max(-REACH, Math.min(REACH, x))) / 10 + 0);
    if (held.join() !== position(i).join()) onMove(i, held);
  };
  const onKey = (i) => (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    const step = steps[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault(); // the page shall not scroll
    const size = event.shiftKey ? 1 : 0.1;
    move(
      i,
      position(i).map((x, axis) => x + size * step[axis]),
    );
  };
  const keys = model.get("k").map((_, i) => handle("key", label(i), onKey(i)));
  const query = handle("query", "q", onKey(-1));
  const handles = [query, ...keys];
  const element = svg(
    "svg",
    { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "plane", role: "group" },
    contours,
    axes(),
    arrow,
    ...handles.map((one) => one.element),
  );

  let held = null; // the point under the reader's finger
  const toPlane = (event) => {
    const box = element.getBoundingClientRect();
    const scale = SIZE / box.width;
    return [
      ((event.clientX - box.left) * scale - SIZE / 2) / UNIT,
      (SIZE / 2 - (event.clientY - box.top) * scale) / UNIT,
    ];
  };
  element.addEventListener("pointerdown", (event) => {
    const at = toPlane(event);
    const distance = (i) => Math.hypot(position(i)[0] - at[0], position(i)[1] - at[1]);
    const nearest = handles.map((_, i) => i - 1).sort((a, b) => distance(a) - distance(b))[0];
    if (event.button !== 0 || distance(nearest) * UNIT > FINGER) return;
    event.preventDefault();
    held = nearest;
    element.setPointerCapture(event.pointerId);
    handles[held + 1].element.focus({ preventScroll: true });
  });
  element.addEventListener("pointermove", (event) => held !== null && move(held, toPlane(event)));
  // A finger on a point moves it; beside the points it scrolls the page.
  element.addEventListener("touchstart", (event) => held !== null && event.preventDefault(), { passive: false });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (held = null));

  function show(score, name) {
    const q = model.get("q");
    contours.replaceChildren(...lines((k) => score(q, k)));
    const [x, y] = place(q);
    arrow.setAttribute("x2", x);
    arrow.setAttribute("y2", y);
    handles.forEach((one, i) => one.show(position(i - 1)));
    element.setAttribute("aria-label", `Plane with a query and ${keys.length} keys, and lines of equal ${name} score`);
  }
  return { element, show };
}

/** One score's name, which chooses whose lines are drawn, and its row of score and weight for each key. */
function makePanel(name, count, onChoose) {
  const choose = button(name, onChoose);
  const rows = Array.from({ length: count }, (_, i) => {
    const score = html("span", { class: "number score" });
    const weight = html("span", { class: "number weight" });
    const fill = bar();
    fill.element.append(weight);
    const element = html("div", { class: "key-row" }, html("span", {}, label(i)), score, fill.element);
    return { element, score, weight, fill };
  });
  const element = html(
    "div",
    { class: "panel" },
    choose,
    html("p", { class: "remark" }, ...FORMULAS[name]()),
    ...rows.map((row) => row.element),
  );
  const show = (scores, weights, chosen) => {
    choose.setAttribute("aria-pressed", chosen);
    const best = Math.max(...weights) - 1e-9; // equal but for rounding is equal
    rows.forEach((row, i) => {
      row.score.textContent = digits(scores[i]);
      row.weight.textContent = digits(weights[i]);
      row.fill.show(weights[i]);
      row.element.classList.toggle("best", weights[i] >= best);
    });
  };
  return { element, show };
}

function choice(text, names, onChange) {
  const select = html("select", {}, ...names.map((name) => html("option", {}, name)));
  select.addEventListener("change", () => onChange(select.value));
  const numbers = html("p", { class: "remark" }); // the chosen matrices, row by row
  const element = html("div", {}, html("label", { class: "choose" }, html("span", {}, text), select), numbers);
  const show = (name, ...lines) => {
    select.value = name;
    numbers.replaceChildren(...lines.map((line) => html("span", {}, ...line)));
  };
  return { element, show };
}

const list = (rows) => rows.map((row) => `(${row.map((x) => digits(x, 1).replace(".0", "")).join(", ")})`).join(", ");

function render({ model, el }) {
  const traits = ["q", "k", "matrix", "network", "lines"];
  // What Reset brings back. Whose lines are drawn is a way of looking, so it stays.
  const start = Object.fromEntries(["q", "k", "matrix", "network"].map((trait) => [trait, model.get(trait)]));
  const count = start.k.length;
  const plane = makePlane(model, (i, position) =>
    change(
      model,
      i < 0
        ? { q: position }
        : { k: model.get("k").map((key, j) => (j === i ? position : key)) },
    ),
  );
  const panels = Object.keys(FORMULAS).map((name) => ({
    name,
    ...makePanel(name, count, () => change(model, { lines: name })),
  }));
  const matrix = choice("multiplicative: W", Object.keys(model.get("matrices")), (name) =>
    change(model, { matrix: name }),
  );
  const network = choice("additive: network", Object.keys(model.get("networks")), (name) =>
    change(model, { network: name }),
  );
  const spoken = announcer();
  const scenes = Object.entries(SCENES).map(([name, { q, k }]) =>
    // A scene moves the query and the first three keys; further keys stay where they are.
    button(name, () => change(model, { q, k: model.get("k").map((key, i) => k[i] ?? key) })),
  );
  body(
    el,
    html(
      "div",
      { class: "score-explorer" },
      plane.element,
      html("div", { class: "panels" }, ...panels.map((panel) => panel.element)),
      html(
        "div",
        { class: "settings" },
        html(
          "p",
          { class: "remark" },
          "Drag q or a key, or choose it with Tab and move it with the arrow keys (Shift: in larger steps). " +
            "Press a score's name to see its lines of equal score; the stronger a line, the higher.",
        ),
        html("div", { class: "buttons" }, ...scenes, button("Reset", () => change(model, start))),
        matrix.element,
        network.element,
      ),
      spoken.element,
    ),
  );

  function draw() {
    const functions = scoresOf(model);
    const [query, keys, chosen] = ["q", "k", "lines"].map((trait) => model.get(trait));
    const scores = panels.map(({ name }) => keys.map((key) => functions[name](query, key)));
    const weights = scores.map((row) => softmax(row));
    panels.forEach((panel, i) => panel.show(scores[i], weights[i], panel.name === chosen));
    plane.show(functions[chosen], chosen);
    const [W, net] = [model.get("matrices")[model.get("matrix")], model.get("networks")[model.get("network")]];
    matrix.show(model.get("matrix"), [`W: ${list(W)}`]);
    network.show(model.get("network"), ["W", sub("q"), `: ${list(net.query)}`], ["W", sub("k"), `: ${list(net.key)}`]);
    const winners = panels.map(({ name }, i) => {
      const best = weights[i].indexOf(Math.max(...weights[i]));
      return `${name} ${label(best)} ${digits(weights[i][best])}`;
    });
    spoken.say(`Query ${point(query)}, keys ${keys.map(point).join(", ")}. Most weight: ${winners.join(", ")}`);
    el.dataset.scores = JSON.stringify(scores); // all digits, for whoever checks them
    el.dataset.weights = JSON.stringify(weights);
  }
  return drawOnChange(model, traits, draw);
}

export default { render };
