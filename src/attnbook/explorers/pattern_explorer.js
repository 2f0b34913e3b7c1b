import { announcer, body, button, change, digits, drawOnChange, html, namedSlider, svg } from "./kit.js";

const MOST_TOKENS = 48;
const SOURCES = ["window", "chunk", "global", "random"];
// The grid's width, and what its labels take from it on the left and on top, in its own units.
const [SIDE, LEFT, TOP] = [400, 46, 36];
const WIDTH = 400; // the row's
const LENGTH = 4096; // a real one, in which the pattern costs as much for each token
const D = 64; // the width of a head. A link is 4 D operations: a product and a sum for its score, and for its value

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const range = (n) => Array.from({ length: n }, (_, i) => i);
const isAll = ({ n, window }) => window >= n - 1;

/** 7, 11.5, 45,056, 5.8 million, 2.1 billion. */
function readable(x) {
  for (const [size, name] of [
    [1e12, "trillion"],
    [1e9, "billion"],
    [1e6, "million"],
  ])
    if (x >= size) return `${digits(x / size, 1)} ${name}`;
  return x.toLocaleString("en", { maximumFractionDigits: 1 });
}

/** For each query a row: the first source that lets the query see the key, or "". */
function linksOf({ n, window, dilation, global_tokens, chunks, random, block, seed, causal }, draws) {
  const blocks = Math.ceil(n / block);
  const drawn = draws[seed][blocks];
  const each = Math.min(3, blocks); // how many are drawn for each block of queries; the pattern takes the first
  const takes = Math.min(random, each);
  const global = new Set(global_tokens);
  const source = (i, j) => {
    const [distance, a, b] = [Math.abs(i - j), Math.floor(i / block), Math.floor(j / block)];
    if (causal && j > i) return "";
    if (distance <= window * dilation && distance % dilation === 0) return "window";
    if (chunks && a === b) return "chunk";
    if (global.has(i) || global.has(j)) return "global";
    return drawn.slice(a * each, a * each + takes).includes(b.toString(36)) ? "random" : "";
  };
  return range(n).map((i) => range(n).map((j) => source(i, j)));
}

/** The layers that information of key j needs to come to query i: hops[i][j], -1 for never. */
function hopsOf(links) {
  const n = links.length;
  const hops = links.map(() => Array(n).fill(-1));
  for (const key of range(n)) {
    hops[key][key] = 0;
    for (let edge = [key], layer = 1; edge.length; layer++) {
      edge = range(n).filter((i) => hops[i][key] < 0 && edge.some((j) => links[i][j]));
      for (const query of edge) hops[query][key] = layer;
    }
  }
  return hops;
}

/** The tokens on a shortest way from key to query, or null. Of several, each step goes as near to the query as it can. */
function pathOf(links, hops, key, query) {
  if (hops[query][key] < 0) return null;
  const way = [key];
  for (let here = key; here !== query; way.push(here)) {
    const onward = range(links.length).filter((i) => links[i][here] && hops[query][i] === hops[query][here] - 1);
    here = onward.reduce((best, i) => (Math.abs(query - i) < Math.abs(query - best) ? i : best));
  }
  return way;
}

/** What a token costs in a long sequence, at most and on average: the terms, each with its words, and their sum. */
function costOf({ n, window, dilation, global_tokens, chunks, random, block, causal }, length) {
  const keys = Math.ceil(length / dilation);
  const terms = [];
  if (isAll({ n, window })) terms.push([causal ? (keys + 1) / 2 : keys, "window"]);
  else terms.push([causal ? window + 1 : 2 * window + 1, "window"]);
  if (chunks) terms.push([(block - 1) / (causal ? 2 : 1), "chunk"]);
  if (global_tokens.length) terms.push([(causal ? 1 : 2) * global_tokens.length, "global"]);
  if (random) terms.push([random * block, "random"]);
  const dense = causal ? (length + 1) / 2 : length;
  const sum = terms.reduce((total, [links]) => total + links, 0);
  return { terms, sum: Math.min(sum, dense), dense };
}

const box = (x, y, side) => `M${x} ${y}h${side}v${side}h${-side}z`;

/** A way's steps: who tells, who hears. */
const stepsOf = (way) => (way ?? []).slice(1).map((hearer, i) => [way[i], hearer]);

/** A source's mark in a cell whose corner is (x, y): square, plus, circle or diamond. */
function mark(source, x, y, cell) {
  const [cx, cy, r] = [x + cell / 2, y + cell / 2, 0.42 * cell];
  const [half, arm] = [0.15 * cell, 0.31 * cell]; // of the plus: 2 · half + 2 · arm = 0.92 cell from end to end
  return {
    window: box(cx - r, cy - r, 2 * r),
    chunk:
      `M${cx - half} ${cy - half - arm}h${2 * half}v${arm}h${arm}v${2 * half}h${-arm}v${arm}h${-2 * half}` +
      `v${-arm}h${-arm}v${-2 * half}h${arm}z`,
    global: `M${cx - r} ${cy}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    random: `M${cx} ${cy - cell / 2}l${cell / 2} ${cell / 2}l${-cell / 2} ${cell / 2}l${-cell / 2} ${-cell / 2}z`,
  }[source];
}

/** The grid's parts, from back to front: what has been heard, the links, the chosen row and column, the way. */
function gridOf({ links, hops, layers, key, query, way }) {
  const n = links.length;
  const [left, top, cell] = [LEFT, TOP, (SIDE - LEFT - 2) / n];
  const [x, y] = [(j) => left + j * cell, (i) => top + i * cell];
  const paths = { reached: "", window: "", chunk: "", global: "", random: "" };
  for (const i of range(n))
    for (const j of range(n)) {
      if (hops[i][j] >= 0 && hops[i][j] <= layers) paths.reached += box(x(j), y(i), cell);
      if (links[i][j]) paths[links[i][j]] += mark(links[i][j], x(j), y(i), cell);
    }
  const label = (text, at, where) => svg("text", { ...at, class: `tick ${where}`, "text-anchor": "middle" }, text);
  const step = n > 24 ? 8 : 4;
  const ticks = range(n)
    .filter((t) => t % step === 0)
    .flatMap((t) => [
      Math.abs(t - key) * cell > 26 && label(t, { x: x(t + 0.5), y: top - 7 }, ""),
      Math.abs(t - query) * cell > 18 && label(t, { x: left - 16, y: y(t + 0.5) + 5 }, ""),
    ]);
  const steps = stepsOf(way).map(([teller, hearer]) => [x(teller), y(hearer)]);
  const crowded = steps.some(([cx, cy], i) => i && Math.hypot(cx - steps[i - 1][0], cy - steps[i - 1][1]) < 18);
  const numbered = steps.map(([cx, cy], i) => {
    const middle = { cx: cx + cell / 2, cy: cy + cell / 2 };
    const number = svg("text", { x: middle.cx, y: middle.cy + 4.5, "text-anchor": "middle" }, i + 1);
    const badge = crowded ? [] : [svg("circle", { ...middle, r: 9 }), number];
    return svg("g", { class: "hop" }, svg("path", { d: box(cx, cy, cell) }), ...badge);
  });
  return [
    ...Object.entries(paths).map(([kind, d]) => svg("path", { class: kind, d })),
    svg("rect", { class: "frame", x: left, y: top, width: n * cell, height: n * cell }),
    svg("rect", { class: "of-query", x: left, y: y(query), width: n * cell, height: cell }),
    svg("rect", { class: "of-key", x: x(key), y: top, width: cell, height: n * cell }),
    ...ticks.filter(Boolean),
    label(key, { x: x(key + 0.5), y: top - 7 }, "of-key"),
    label(query, { x: left - 16, y: y(query + 0.5) + 5 }, "of-query"),
    svg("text", { class: "side", x: left + (n * cell) / 2, y: 12, "text-anchor": "middle" }, "key: is heard"),
    svg(
      "text",
      { class: "side", transform: `translate(12 ${top + (n * cell) / 2}) rotate(-90)`, "text-anchor": "middle" },
      "query: hears",
    ),
    ...numbered,
  ];
}

/** The tokens in a row, those that the query has heard from filled, and an arc for each step of the way. */
function rowOf({ hops, layers, key, query, way }) {
  const n = hops.length;
  const [space, base] = [WIDTH / n, 84];
  const x = (token) => (token + 0.5) * space;
  const dots = range(n).map((token) => {
    const heard = hops[query][token] >= 0 && hops[query][token] <= layers;
    return svg("circle", { class: heard ? "heard" : "unheard", cx: x(token), cy: base, r: Math.min(5, space * 0.36) });
  });
  const arcs = stepsOf(way).flatMap(([teller, hearer]) => {
    const [from, to, foot] = [x(teller), x(hearer), base - 8];
    const top = foot - 17 - 0.19 * Math.abs(to - from); // of the curve's handles: the curve is three quarters as high
    return [
      svg("path", { class: "arc", d: `M${from} ${foot}C${from} ${top} ${to} ${top} ${to} ${foot}` }),
      svg("path", { class: "head", d: `M${to} ${foot + 3}l-4 -7h8z` }),
    ];
  });
  // The ends' names, which make room for each other, and the others' where there is room.
  const near = (a, b) => Math.abs(x(a) - x(b)) < 20;
  const side = near(key, query) && key !== query ? Math.sign(key - query) : 0;
  const anchor = (toward) => ({ "text-anchor": ["end", "middle", "start"][toward + 1] });
  const name = (token, kind, toward) =>
    svg("text", { class: kind, x: x(token) + 4 * -toward, y: base + 22, ...anchor(toward) }, token);
  const named = [key, query];
  const between = (way ?? []).slice(1, -1).filter((token) => !named.some((other) => near(token, other)) && named.push(token));
  return [
    ...dots,
    ...arcs,
    ...between.map((token) => name(token, "passed", 0)),
    name(key, "of-key", side),
    ...(query === key ? [] : [name(query, "of-query", -side)]),
  ];
}

function render({ model, el }) {
  const start = Object.fromEntries(["pattern", "layers", "key", "query"].map((trait) => [trait, model.get(trait)]));
  const pattern = () => model.get("pattern");
  const set = (changes) => change(model, { pattern: { ...pattern(), ...changes } });
  const inside = (token, n = pattern().n) => Math.max(0, Math.min(n - 1, token));
  const resize = (n) => {
    const [key, query] = ["key", "query"].map((trait) => inside(model.get(trait), n));
    change(model, { key, query, pattern: { ...pattern(), n } });
  };
  const slide = (label, min, max, onInput) => namedSlider({ label, min, max, step: 1, onInput });

  const presets = model.get("presets").map((preset) => ({
    ...preset,
    element: button(preset.name, () => set({ ...preset.pattern, n: pattern().n })),
  }));
  const note = html("p", { class: "note" });
  const sliders = {
    n: slide("tokens", 8, MOST_TOKENS, resize),
    window: slide("window", 0, MOST_TOKENS - 1, (x) => set({ window: x >= pattern().n - 1 ? MOST_TOKENS - 1 : x })),
    dilation: slide("dilation", 1, 4, (x) => set({ dilation: x })),
    random: slide("random blocks", 0, 3, (x) => set({ random: x })),
    block: slide("block size", 2, 8, (x) => set({ block: x })),
    seed: slide("seed", 0, model.get("draws").length - 1, (x) => set({ seed: x })),
  };
  const causal = button("Causal", () => set({ causal: !pattern().causal }));
  const chunks = button("Chunks", () => set({ chunks: !pattern().chunks }));
  const questions = {
    layers: slide("layers", 1, 6, (x) => change(model, { layers: x })),
    key: slide("from key", 0, MOST_TOKENS - 1, (x) => change(model, { key: x })),
    query: slide("to query", 0, MOST_TOKENS - 1, (x) => change(model, { query: x })),
  };
  const farthest = button("Farthest pair", () => change(model, farthestPair()));
  const grid = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE - LEFT + TOP + 2}`, "aria-hidden": "true" });
  const board = html("div", { class: "board", tabindex: 0, role: "application" }, grid);
  const legend = html("p", { class: "legend" });
  const tokens = html("div", { class: "tokens", role: "group", "aria-label": "global tokens" });
  const row = svg("svg", { viewBox: `0 0 ${WIDTH} 112`, role: "img", class: "strip" });
  const [heard, everyone, route, links, longer] = range(5).map(() => html("p"));
  const spoken = announcer();
  let drawn; // what the present drawing shows

  /** Of the pairs that need most layers, or can never meet, the one that lies furthest apart. */
  function farthestPair() {
    const pairs = drawn.hops.flatMap((row, i) => row.map((layer, j) => ({ layer, key: j, query: i })));
    const possible = pairs.filter(({ key, query }) => !pattern().causal || key <= query);
    const far = ({ layer, key, query }) => (layer < 0 ? 1e6 : 1e3 * layer) + Math.abs(key - query);
    const { key, query } = possible.reduce((best, pair) => (far(pair) > far(best) ? pair : best));
    return { key, query };
  }

  function choose(event) {
    const area = grid.getBoundingClientRect();
    const unit = area.width / SIDE;
    const token = (pixels, margin) => inside(Math.floor(((pixels / unit - margin) * pattern().n) / (SIDE - LEFT - 2)));
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    change(model, { key: token(x, LEFT), query: token(y, TOP) });
  }
  grid.addEventListener("click", choose);
  grid.addEventListener("pointermove", (event) => event.pointerType === "mouse" && event.buttons && choose(event));
  board.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault(); // the page would scroll
    change(model, { key: inside(model.get("key") + move[0]), query: inside(model.get("query") + move[1]) });
  });

  // The tokens are one stop of the Tab key; the arrow keys go from one to the next.
  function makeTokens(n) {
    const toggle = (token) => {
      const others = pattern().global_tokens.filter((other) => other !== token);
      const added = others.length === pattern().global_tokens.length ? [token] : [];
      set({ global_tokens: [...others, ...added].sort((a, b) => a - b) });
    };
    const made = range(n).map((token) => button(token, () => toggle(token)));
    made.forEach((element, token) => (element.tabIndex = token ? -1 : 0));
    tokens.replaceChildren(...made);
  }
  tokens.addEventListener("keydown", (event) => {
    const made = [...tokens.children];
    const here = made.indexOf(event.target);
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: made.length - 1 }[event.key];
    if (!made[next]) return;
    event.preventDefault();
    made[here].tabIndex = -1;
    made[next].tabIndex = 0;
    made[next].focus();
  });

  body(
    el,
    html(
      "div",
      { class: "pattern" },
      html("div", { class: "buttons presets" }, ...presets.map(({ element }) => element)),
      note,
      html(
        "div",
        { class: "controls" },
        ...Object.values(sliders).map(({ element }) => element),
        html("div", { class: "buttons" }, chunks, causal, button("Reset", () => change(model, start))),
        html("p", { class: "remark" }, "Tap a token to make it global:"),
        tokens,
      ),
      html("div", { class: "drawing" }, board, legend),
      html(
        "div",
        { class: "question" },
        html("p", { class: "remark" }, "How does information come from one token to another? Tap the grid, or choose:"),
        ...Object.values(questions).map(({ element }) => element),
        html("div", { class: "buttons" }, farthest),
      ),
      html("div", { class: "answer" }, row, html("div", { class: "sentences" }, route, heard, everyone)),
      html("div", { class: "cost" }, links, longer),
      spoken.element,
    ),
  );

  function drawControls(now) {
    const shown = { ...now, window: Math.min(now.window, now.n - 1) };
    for (const { input } of [sliders.window, questions.key, questions.query]) input.max = now.n - 1;
    for (const [name, slider] of Object.entries(sliders)) slider.show(shown[name], String(shown[name]));
    if (isAll(now)) sliders.window.show(now.n - 1, "all");
    sliders.block.input.disabled = !now.random && !now.chunks;
    sliders.seed.input.disabled = !now.random;
    chunks.setAttribute("aria-pressed", now.chunks);
    causal.setAttribute("aria-pressed", now.causal);
    if (tokens.children.length !== now.n) makeTokens(now.n);
    [...tokens.children].forEach((token, i) => token.setAttribute("aria-pressed", now.global_tokens.includes(i)));
    const same = (a, b) => Object.keys(a).every((name) => name === "n" || String(a[name]) === String(b[name]));
    for (const { element, pattern } of presets) element.setAttribute("aria-pressed", same(pattern, now));
    note.textContent = presets.find(({ pattern }) => same(pattern, now))?.note ?? "A pattern of your own.";
  }

  function drawLegend(linked, layers) {
    const entry = (kind, d, words) => {
      const piece = svg("svg", { viewBox: "0 0 12 12", class: "piece", "aria-hidden": "true" });
      piece.append(svg("path", { class: kind, d }));
      return html("span", {}, piece, words);
    };
    const used = SOURCES.filter((source) => linked.some((row) => row.includes(source)));
    legend.replaceChildren(
      ...used.map((source) => entry(source, mark(source, 0, 0, 12), source)),
      entry("reached", box(0.5, 0.5, 11), `heard from after ${count(layers, "layer")}`),
    );
  }

  function drawCost(now, linked) {
    const total = linked.flat().filter(Boolean).length;
    const all = now.causal ? (now.n * (now.n + 1)) / 2 : now.n ** 2;
    const share = `of ${readable(all)} (${digits((100 * total) / all, 1)}%), ${digits(total / now.n, 1)} a query.`;
    links.replaceChildren(html("b", {}, count(total, "link")), ` ${share}`);
    const { terms, sum, dense } = costOf(now, LENGTH);
    const parts = terms.map(([number, source]) => `${readable(number)} (${source})`).join(" + ");
    const operations = (perQuery) => `${readable(4 * D * LENGTH * perQuery)} operations`;
    longer.textContent =
      `At ${readable(LENGTH)} tokens a query has, on average, at most ${parts}` +
      `${terms.length > 1 ? ` = ${readable(sum)}` : ""} links. A head of width ${D} needs ${operations(sum)}; ` +
      `dense, ${operations(dense)}.`;
  }

  function drawAnswer({ hops, layers, key, query, way }, isCausal) {
    const reached = hops[query].filter((layer) => layer >= 0 && layer <= layers).length;
    heard.replaceChildren(
      `After ${count(layers, "layer")}, token ${query} has heard from `,
      html("b", {}, `${reached} of ${count(isCausal ? query + 1 : hops.length, "token")}`),
      isCausal ? " up to itself (filled)." : " (filled).",
    );
    const needed = hops.flatMap((row, i) => (isCausal ? row.slice(0, i + 1) : row));
    everyone.replaceChildren(
      ...(needed.includes(-1)
        ? ["Some tokens ", html("b", {}, "never"), ` hear from ${isCausal ? "all before them" : "each other"}.`]
        : [`Every token has heard from ${isCausal ? "all before it" : "every other"} after `, html("b", {}, count(Math.max(...needed), "layer")), "."]),
    );
    const [from, to] = [`token ${key}`, `token ${query}`];
    const shown = way?.length > 9 ? [...way.slice(0, 4), "…", ...way.slice(-3)] : way;
    if (key === query) route.textContent = `A token keeps what it has: ${to} needs no layer to hear from itself.`;
    else if (way) route.replaceChildren(html("b", {}, shown.join(" → ")), `: ${count(way.length - 1, "layer")}.`);
    else if (isCausal && key > query) route.textContent = `No way from ${from} to ${to}: it lies in the future.`;
    else route.textContent = `No way from ${from} to ${to}, however many layers.`;
  }

  function draw() {
    const now = pattern();
    const [layers, ...pair] = ["layers", "key", "query"].map((trait) => model.get(trait));
    const [key, query] = pair.map((token) => Math.min(token, now.n - 1)); // while the number of tokens changes
    const linked = linksOf(now, model.get("draws"));
    const hops = hopsOf(linked);
    drawn = { links: linked, hops, layers, key, query, way: pathOf(linked, hops, key, query) };
    drawControls(now);
    for (const [name, slider] of Object.entries(questions)) slider.show(drawn[name], String(drawn[name]));
    grid.replaceChildren(...gridOf(drawn));
    board.setAttribute("aria-label", `Grid of queries by keys, at key ${key} and query ${query}. Arrow keys move.`);
    row.replaceChildren(...rowOf(drawn));
    row.setAttribute("aria-label", `The tokens in a row, and the way from ${key} to ${query}`);
    drawLegend(linked, layers);
    drawCost(now, linked);
    drawAnswer(drawn, now.causal);
    spoken.say([heard, everyone, route, links].map((line) => line.textContent).join(" "));
    el.dataset.links = linked.map((sources) => sources.map((source) => source[0] ?? ".").join("")).join("\n");
    el.dataset.hops = JSON.stringify(hops); // for whoever checks them
    el.dataset.way = JSON.stringify(drawn.way);
  }
  return drawOnChange(model, ["pattern", "layers", "key", "query"], draw);
}

export default { render };
