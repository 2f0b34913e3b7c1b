import { announcer, bar, body, button, change, digits, drawOnChange, html, softmax, svg } from "./kit.js";

const SLOPE = 0.2; // of LeakyReLU below zero
const COLUMNS = 6; // of the field on which nodes stand,
const ROWS = 5; // and its rows
const LISTED = 9; // neighbours with a bar of their own
const LAYERS = ["GCN", "GAT", "GATv2"];
const GRAPHS = { "look-up": "Look-up table", digits: "Digits" };
const TRAITS = ["graph", "layer", "node", "head", "edges"];

// Graph, layer, node: what the chapter tells of, ready to be looked at.
const SCENES = {
  "All want one key": ["look-up", "GAT", 0],
  "Each its own": ["look-up", "GATv2", 0],
  "All alike": ["digits", "GCN", 0],
  "Friends first": ["digits", "GATv2", 0],
};

const leaky = (x) => (x > 0 ? x : SLOPE * x);
const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);

/** The score of target i for source j in each head. */
function scores(layer, kind, i, j) {
  if (kind === "GAT") return layer.query[i].map((q, head) => leaky(q + layer.key[j][head]));
  const width = layer.a[0].length;
  return layer.a.map((a, head) =>
    sum(a.map((x, d) => x * leaky(layer.query[i][head * width + d] + layer.value[j][head * width + d]))),
  );
}

/** Whom node i looks at: a list of sources, and for each head a list of weights on them. */
function look(piece, kind, edges, i) {
  const layer = piece.layers[kind];
  const sourcesOf = (target) => [
    ...edges.filter(([, to]) => to === target).map(([from]) => from),
    ...(piece.loops ? [target] : []),
  ];
  const sources = sourcesOf(i);
  if (kind === "GCN") {
    const degree = (node) => sourcesOf(node).length;
    const scale = (node) => (degree(node) ? 1 / Math.sqrt(degree(node)) : 0);
    return { sources, weights: [sources.map((j) => scale(i) * scale(j))] };
  }
  const byEdge = sources.map((j) => scores(layer, kind, i, j));
  const heads = Array.from({ length: layer.heads }, (_, head) => head);
  return { sources, weights: heads.map((head) => (sources.length ? softmax(byEdge.map((row) => row[head])) : [])) };
}

/** The prediction for a node: the weighted sum of its neighbours' values, and the matrix behind it. */
function predict(piece, kind, { sources, weights }) {
  const layer = piece.layers[kind];
  const width = layer.value[0].length / layer.heads;
  const taken = layer.value[0].map((_, d) => {
    const own = weights[Math.floor(d / width)];
    return sum(sources.map((j, e) => own[e] * layer.value[j][d]));
  });
  const x = layer.after === "elu" ? taken.map((t) => (t > 0 ? t : Math.expm1(t))) : taken;
  return layer.matrix.map((row, c) => layer.bias[c] + sum(row.map((w, d) => w * x[d])));
}

const best = (numbers) => numbers.indexOf(Math.max(...numbers));

/** A digit as four grey levels of the text's colour, so that it follows light and dark. */
function picture(pixels) {
  const levels = [4, 8, 12].map((least) => {
    const squares = [...pixels].map((p, i) => (parseInt(p, 16) >= least ? `M${i % 8},${Math.floor(i / 8)}h1v1h-1z` : ""));
    return svg("path", { d: squares.join(""), "fill-opacity": 0.38 });
  });
  return svg("svg", { viewBox: "0 0 8 8", class: "digit", "aria-hidden": "true" }, ...levels);
}

/** A path from one place of the field to another, bent a little, so that it does not hide behind those between. */
function curve([x, y], [a, b]) {
  const middle = [(x + a) / 2 + 0.12 * (b - y), (y + b) / 2 - 0.12 * (a - x)];
  return `M${x + 0.5},${y + 0.5}Q${middle[0] + 0.5},${middle[1] + 0.5} ${a + 0.5},${b + 0.5}`;
}

function render({ model, el }) {
  const graphs = model.get("graphs");
  const first = Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
  let linking = false; // whether a click cuts or draws an edge, and does not choose
  let nodes = []; // the buttons on the field
  let drawn = null; // the graph that they belong to

  const choice = (name, options, pick) => {
    const buttons = options.map(([value, text]) => ({ value, element: button(text, () => pick(value)) }));
    const group = html("div", { class: "choice", role: "group", "aria-label": name }, ...buttons.map((b) => b.element));
    const show = (value) => buttons.forEach((b) => b.element.setAttribute("aria-pressed", b.value === value));
    return { element: html("div", { class: "chosen" }, html("span", {}, name), group), show, buttons };
  };
  const graphChoice = choice("Graph", Object.entries(GRAPHS), (graph) => open(graph, model.get("layer"), 0));
  const layerChoice = choice(
    "Layer",
    LAYERS.map((name) => [name, name]),
    (layer) => {
      const head = model.get("head");
      change(model, { head: head > heads(model.get("graph"), layer) ? 0 : head, layer });
    },
  );
  const headChoice = choice(
    "Head",
    [[0, "mean"], ...[1, 2, 3, 4].map((head) => [head, String(head)])],
    (head) => change(model, { head }),
  );
  const link = button("Cut or draw edges", () => {
    linking = !linking;
    draw();
  });
  const alone = button("Cut all", () => {
    const node = model.get("node");
    change(model, { edges: model.get("edges").filter(([, to]) => to !== node) });
  });
  const scenes = Object.entries(SCENES).map(([text, scene]) => button(text, () => open(...scene)));
  const reset = button("Reset", () => open(first.graph, first.layer, first.node, first.head, first.edges));

  const lines = svg("svg", { class: "edges", viewBox: `0 0 ${COLUMNS} ${ROWS}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const field = html("div", { class: "field", role: "group", "aria-label": "nodes" }, lines);
  const title = html("p", { class: "title" });
  const rows = Array.from({ length: LISTED }, () => {
    const [name, share, number] = [html("span", { class: "name" }), bar(), html("span", { class: "number" })];
    return { name, share, number, element: html("div", { class: "neighbour" }, name, share.element, number) };
  });
  const rest = html("p", { class: "remark" });
  const answer = html("p", { class: "result" });
  const score = html("p", { class: "score" });
  const hint = html("p", { class: "remark hint" });
  const spoken = announcer();

  function heads(graph, layer) {
    return graphs[graph].layers[layer].heads;
  }

  /** Show another graph. Each change is drawn at once, so first come a node, a head and edges that fit any graph. */
  function open(graph, layer, node, head = 0, edges = graphs[graph].edges) {
    linking = false;
    change(model, { node: 0, head: 0, edges: [] });
    change(model, { graph, layer, edges, node, head });
  }

  function press(i) {
    const [node, edges] = [model.get("node"), model.get("edges")];
    if (!linking) change(model, { node: i });
    else if (i !== node) {
      const left = edges.filter(([from, to]) => from !== i || to !== node);
      change(model, { edges: left.length < edges.length ? left : [...edges, [i, node]] });
    }
  }

  /** Arrow keys go to the nearest node on that side. */
  function walk(event, i) {
    const { places } = graphs[model.get("graph")];
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [x, y] = places[i];
    const ahead = places
      .map(([a, b], j) => ({ j, along: (a - x) * step[0] + (b - y) * step[1], aside: Math.abs((a - x) * step[1] + (b - y) * step[0]) }))
      .filter(({ along, aside }) => along > 0 && aside === 0)
      .sort((a, b) => a.along - b.along);
    if (!ahead.length) return;
    nodes[ahead[0].j].element.focus();
    if (!linking) press(ahead[0].j);
  }

  function makeNodes(graph) {
    const piece = graphs[graph];
    nodes = piece.labels.map((label, i) => {
      const said = html("span", { class: "said" });
      const shown = piece.pictures.length ? picture(piece.pictures[i]) : html("span", { class: "label" }, label);
      const element = button("", () => press(i));
      element.append(shown, said);
      element.addEventListener("keydown", (event) => walk(event, i));
      element.style.insetInlineStart = `${(100 * (piece.places[i][0] + 0.5)) / COLUMNS}%`;
      element.style.insetBlockStart = `${(100 * (piece.places[i][1] + 0.5)) / ROWS}%`;
      return { element, said };
    });
    field.replaceChildren(lines, ...nodes.map((node) => node.element));
    drawn = graph;
  }

  function drawLines(piece, edges, node, sources, shown) {
    const path = (i, j) => curve(piece.places[j], piece.places[i]);
    const all = svg("path", { class: "all", d: edges.map(([from, to]) => path(to, from)).join("") });
    const strong = sources.map((j, e) => {
      if (j === node) return null;
      const line = svg("path", { class: "looks", d: path(node, j), "data-source": j });
      line.style.strokeWidth = `${1.5 + 8 * Math.min(1, shown[e])}px`;
      line.style.strokeOpacity = 0.25 + 0.75 * Math.min(1, shown[e]);
      return line;
    });
    lines.replaceChildren(all, ...strong.filter(Boolean));
  }

  function draw() {
    const [graph, layer, node, head, edges] = TRAITS.map((trait) => model.get(trait));
    const piece = graphs[graph];
    if (graph !== drawn) makeNodes(graph);
    const looks = piece.labels.map((_, i) => look(piece, layer, edges, i));
    const logits = looks.map((seen) => predict(piece, layer, seen));
    const { sources, weights } = looks[node];
    const shown = sources.map((_, e) => (head ? weights[head - 1][e] : sum(weights.map((row) => row[e])) / weights.length));
    drawLines(piece, edges, node, sources, shown);

    const asks = piece.truth.map((truth) => truth >= 0);
    const right = piece.truth.map((truth, i) => asks[i] && best(logits[i]) === truth);
    nodes.forEach(({ element, said }, i) => {
      const guess = asks[i] ? String(best(logits[i])) : "";
      element.setAttribute("aria-pressed", i === node);
      element.tabIndex = i === node ? 0 : -1;
      element.classList.toggle("wrong", asks[i] && !right[i]);
      element.classList.toggle("seen", sources.includes(i) && i !== node);
      said.textContent = guess && (right[i] ? guess : `${guess} ✗`);
      element.setAttribute("aria-label", piece.labels[i] + (guess ? `, answered ${guess}${right[i] ? "" : ", wrong"}` : ""));
    });

    const name = (j) => (j === node ? "itself" : piece.labels[j]);
    const ranked = sources.map((j, e) => ({ j, weight: shown[e] })).sort((a, b) => b.weight - a.weight);
    rows.forEach((row, i) => {
      const { j, weight } = ranked[i] ?? {};
      row.element.classList.toggle("empty", weight === undefined);
      row.element.classList.toggle("own", j !== undefined && asks[j] && piece.truth[j] === piece.truth[node]);
      row.name.textContent = weight === undefined ? "" : name(j);
      row.share.show(Math.min(1, weight ?? 0));
      row.number.textContent = weight === undefined ? "" : digits(weight);
    });
    const others = ranked.slice(LISTED);
    rest.textContent = others.length ? `${others.length} more: ${digits(sum(others.map((row) => row.weight)))} in all` : "";
    title.textContent = `${piece.labels[node]} looks at`;
    answer.textContent = answerOf(piece, node, logits[node], sources.length);
    const count = asks.filter(Boolean).length;
    score.textContent = `${layer}: ${right.filter(Boolean).length} of ${count} right`;
    hint.textContent = linking
      ? "Choose any other node: its edge to the framed one is cut, or drawn."
      : "Choose a node. Under each stands the layer’s answer.";
    link.setAttribute("aria-pressed", linking);
    graphChoice.show(graph);
    layerChoice.show(layer);
    headChoice.show(head);
    for (const { value, element } of headChoice.buttons)
      element.disabled = value > 0 && (heads(graph, layer) === 1 || value > heads(graph, layer));
    const top = ranked[0];
    spoken.say(`${title.textContent} ${top ? `${name(top.j)} most: ${digits(top.weight)}` : "nobody"}. ${answer.textContent} ${score.textContent}.`);
    el.dataset.sources = JSON.stringify(sources); // all digits, for whoever checks them
    el.dataset.weights = JSON.stringify(weights);
    el.dataset.logits = JSON.stringify(logits);
  }

  function answerOf(piece, node, logits, neighbours) {
    const truth = piece.truth[node];
    if (!neighbours) return "It looks at nobody: a vector of zeros, and a guess.";
    if (truth < 0) return "A key: it is looked at, and asks nothing.";
    const guess = best(logits);
    const sure = digits(softmax(logits)[guess]);
    return guess === truth ? `Answer: ${guess} (${sure}). Right.` : `Answer: ${guess} (${sure}). Right would be ${truth}.`;
  }

  body(
    el,
    html(
      "div",
      { class: "graph-explorer" },
      html("div", { class: "settings" }, graphChoice.element, layerChoice.element, headChoice.element),
      html("div", { class: "buttons" }, ...scenes, link, alone, reset),
      html("div", { class: "nodes" }, field, score, hint),
      html("div", { class: "panel" }, title, html("div", { class: "neighbours" }, ...rows.map((row) => row.element)), rest, answer),
      spoken.element,
    ),
  );
  return drawOnChange(model, TRAITS, draw);
}

export default { render };
