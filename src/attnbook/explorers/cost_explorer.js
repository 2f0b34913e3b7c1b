import { announcer, bar, body, button, change, drawOnChange, html, namedSlider, svg } from "./kit.js";

const [LEAST, MOST] = [2 ** 6, 2 ** 20]; // tokens, the ends of the chart
const GIB = 2 ** 30;
const CARDS = [16, 24, 80]; // GiB
const OWN = "Your own";

const METHODS = {
  dense: { badge: "D", name: "Dense" },
  exact: { badge: "E", name: "Exact blocks" },
  window: { badge: "W", name: "Sliding window" },
  sparse: { badge: "B", name: "Block-sparse" },
  performer: { badge: "P", name: "Performer" },
  linear: { badge: "L", name: "Linear" },
  recurrent: { badge: "R", name: "Recurrent" },
};
const VIEWS = {
  operations: {
    name: "Operations",
    unit: "FLOP",
    base: 1000,
    title: "operations of the mixing, all layers",
  },
  memory: { name: "Memory", unit: "B", base: 1024, title: "memory of one layer for the mixing" },
  kept: {
    name: "Cache",
    unit: "B",
    base: 1024,
    title: "what all layers keep while writing",
  },
};
const PREFIXES = {
  1000: ["", "k", "M", "G", "T", "P", "E", "Z", "Y"],
  1024: ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"],
};

const SIZES = [
  ["d_model", "width of a token"],
  ["num_heads", "heads"],
  ["num_kv_heads", "heads of keys and values"],
  ["num_layers", "layers"],
  ["d_ff", "hidden width of the network"],
  ["ff_matrices", "its matrices, 2 or 3"],
  ["bytes_a_number", "bytes a number: 4, 2 or 1"],
  ["window", "window, keys on either side"],
  ["block", "tokens in a block"],
  ["features", "features of a Performer"],
];

// The formulas of attnbook.costs.

/** Pairs of a query and a key that a method looks at. */
function pairsOf(model, method, n) {
  if (method === "window") {
    const window = Math.min(model.window, n - 1);
    return n + 2 * (n * window - (window * (window + 1)) / 2);
  }
  if (method === "sparse") {
    const blocks = Math.ceil(n / model.block);
    const global = Math.min(blocks, 2); // they see all; the others see themselves, 2 neighbours, these 2 and 3 drawn ones
    return Math.min(model.block ** 2 * ((blocks - global) * Math.min(blocks, 8) + global * blocks), n * n);
  }
  return n * n;
}

/** What a method costs in one layer of width d: operations, and how many numbers it stores. Only dense stores weights. */
function layerCost(model, method, n) {
  const [d, h] = [model.d_model, model.num_heads];
  if (method === "performer")
    return { operations: 8 * n * model.features * d, numbers: 2 * h * n * model.features };
  if (method === "linear") return { operations: 4 * n * d * (d / h), numbers: 2 * n * d };
  if (method === "recurrent") return { operations: 12 * n * d * d, numbers: 4 * n * d };
  const pairs = pairsOf(model, method, n);
  return { operations: 4 * pairs * d, numbers: method === "dense" ? h * pairs : h * n };
}

/** How many numbers each layer keeps while the model writes: keys and values, or sums over all tokens so far. */
function keptNumbers(model, method, n) {
  const d_head = model.d_model / model.num_heads;
  if (method === "recurrent") return model.d_model;
  if (method === "performer") return model.num_heads * model.features * (d_head + 1);
  if (method === "linear") return model.num_heads * d_head * (d_head + 1);
  return 2 * model.num_kv_heads * d_head * (method === "window" ? Math.min(n, model.window + 1) : n);
}

/** What n tokens cost in the whole model. A recurrent layer is charged with what it costs beyond the projections. */
function billOf(model, method, n) {
  const { num_layers: layers, d_model: d, num_heads: h, num_kv_heads: kv, bytes_a_number: bytes } = model;
  const { operations, numbers } = layerCost(model, method, n);
  const projections = (8 * n * d * d * (h + kv)) / (2 * h);
  const network = 2 * n * model.ff_matrices * d * model.d_ff;
  const own = layers * (operations - (method === "recurrent" ? projections : 0));
  const rest = layers * (projections + network);
  return {
    operations: own,
    rest,
    share: own / (own + rest),
    memory: (numbers + n * d) * bytes, // the output too
    kept: layers * keptNumbers(model, method, n) * bytes,
  };
}

/** The length at which a condition begins to hold, or null if that is past the chart's end. */
function firstLength(condition) {
  if (!condition(MOST)) return null;
  let [low, high] = [0, MOST];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (condition(middle)) high = middle;
    else low = middle;
  }
  return high;
}

// How numbers are told.

const three = (x) => (x >= 99.95 ? x.toFixed(0) : x >= 9.995 ? x.toFixed(1) : x.toFixed(2));
const whole = (x) => x.toLocaleString("en");

function amount(x, { unit, base }) {
  const power = Math.max(
    0,
    Math.min(Math.floor(Math.log(x * 1.0005) / Math.log(base)), PREFIXES[base].length - 1),
  );
  return `${power ? three(x / base ** power) : Math.round(x)}\u00a0${PREFIXES[base][power]}${unit}`;
}

function percent(share) {
  return share < 0.001 ? "under 0.1%" : `${(100 * share).toFixed(1)}%`;
}

function dollars(x) {
  if (x >= 999_500) return `${three(x / 1e6)}\u00a0million`;
  if (x >= 99.5) return whole(Math.round(x));
  return x < 0.01 ? "under 0.01" : x.toFixed(2);
}

const times = (x) => `×\u00a0${x >= 99.5 ? Math.round(x) : Number(x.toPrecision(2))}`;
const shortLength = (n) => (n >= 1e6 ? `${n / 1e6}M` : n >= 1000 ? `${n / 1000}k` : String(n));

const listed = (parts) =>
  parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0];

/** Where the chosen curve meets others: in words, and the lengths. */
function meetings(model, method, view) {
  const own = (n) => billOf(model, method, n);
  return view === "operations" ? meetsOthers(model, method, own) : meetsCards(method, view, own);
}

function meetsOthers(model, method, own) {
  const half = firstLength((n) => own(n).share >= 0.5);
  const sentences = [
    half === null
      ? "Below a million tokens the mixing is never half of the work."
      : `The mixing is half of all work from ${whole(half)} tokens on.`,
  ];
  const lengths = [half];
  if (method === "exact") sentences.push("It takes as many operations as dense attention.");
  else if (method !== "dense") {
    const cheaper = firstLength((n) => own(n).operations < billOf(model, "dense", n).operations);
    sentences.push(
      cheaper === null
        ? "Below a million tokens it takes as many operations as dense attention, or more."
        : `It takes fewer operations than dense attention from ${whole(cheaper)} tokens on.`,
    );
    lengths.push(cheaper);
  }
  return { lengths, text: sentences.join(" ") };
}

function meetsCards(method, view, own) {
  const what = view === "memory" ? "One layer’s memory" : "What is kept while writing";
  const lengths = CARDS.map((card) => firstLength((n) => own(n)[view] >= card * GIB));
  const full = CARDS.map((card, i) => [card, lengths[i]]).filter(([, n]) => n !== null);
  if (full.length) {
    const cards = full.map(
      ([card, n], i) => `${i ? "" : "a card of "}${card} GiB at ${whole(n)}${i ? "" : " tokens"}`,
    );
    return { lengths, text: `${what} fills ${listed(cards)}.` };
  }
  const bound = own(MOST)[view];
  const grows = bound > own(MOST / 2)[view];
  const end = grows
    ? "fills no card of 16 GiB below a million tokens."
    : `never takes more than ${amount(bound, VIEWS[view])}.`;
  return { lengths, text: `${what} ${end}` };
}

// The chart.

/** Where n and a cost lie on the drawing, both axes logarithmic. */
function scales(model, view, width, height) {
  const ends = Object.keys(METHODS).flatMap((method) =>
    [LEAST, MOST].map((n) => billOf(model, method, n)[view]),
  );
  const { base } = VIEWS[view];
  const [left, right, top, bottom] = [58, width - 26, 10, height - 36];
  const low = Math.log10(Math.min(...ends)) - 0.2;
  const high = Math.log10(Math.max(...ends)) + 0.2;
  const x = (n) => left + ((right - left) * Math.log2(n / LEAST)) / Math.log2(MOST / LEAST);
  const y = (cost) => bottom - ((bottom - top) * (Math.log10(cost) - low)) / (high - low);
  const n = (px) => LEAST * (MOST / LEAST) ** Math.min(1, Math.max(0, (px - left) / (right - left)));
  const ticks = [];
  for (let power = Math.ceil(low / Math.log10(base)); power <= high / Math.log10(base); power++)
    ticks.push(power);
  return { left, right, top, bottom, x, y, n, ticks };
}

const line = (x1, y1, x2, y2, attributes) => svg("line", { x1, y1, x2, y2, ...attributes });
const label = (x, y, text, attributes = {}) => svg("text", { x, y, ...attributes }, text);

function axes(view, { left, right, top, bottom, x, y, ticks }) {
  const { unit, base } = VIEWS[view];
  const named = (power) => `1\u00a0${PREFIXES[base][power] ?? ""}${unit}`;
  return [
    ...ticks.flatMap((power) => [
      line(left, y(base ** power), right, y(base ** power), { class: "grid" }),
      label(left - 6, y(base ** power) + 4, named(power), { class: "tick end" }),
    ]),
    ...[100, 1e3, 1e4, 1e5, 1e6].flatMap((n) => [
      line(x(n), top, x(n), bottom, { class: "grid" }),
      label(x(n), bottom + 15, shortLength(n), { class: "tick middle" }),
    ]),
    label((left + right) / 2, bottom + 31, "tokens, n", { class: "tick middle" }),
  ];
}

/** Heights of the badges beside the curves' ends: near to them, and far enough from each other. */
function spread(heights, gap, top, bottom) {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b]);
  const upwards = [...order].reverse();
  const [down, up, placed] = [[], [], []];
  order.forEach((i, k) => (down[i] = Math.max(heights[i], k ? down[order[k - 1]] + gap : top)));
  upwards.forEach((i, k) => (up[i] = Math.min(heights[i], k ? up[upwards[k - 1]] - gap : bottom)));
  // Half way between pushed down and pushed up the gaps are kept; a last push holds them inside the chart.
  const half = order.map((i) => (down[i] + up[i]) / 2);
  const inside = half.map((height, k) => Math.max(height, top + k * gap));
  order.forEach((i, k) => (placed[i] = Math.min(inside[k], bottom - (order.length - 1 - k) * gap)));
  return placed;
}

/** The place and turn of a text that lies on a curve, at its left end. */
function along(cost, { x, y, left, right }) {
  const rise = (y(cost(MOST)) - y(cost(LEAST))) / (right - left);
  return `translate(${left + 12} ${y(cost(LEAST)) + 12 * rise}) rotate(${(Math.atan(rise) * 180) / Math.PI})`;
}

function chart(state, width, height) {
  const { model, method: chosen, view, n, points, crossings } = state;
  const scale = scales(model, view, width, height);
  const { left, right, top, bottom, x, y } = scale;
  const lengths = Array.from({ length: 57 }, (_, i) => Math.round(LEAST * 2 ** (i / 4)));
  const path = (cost) =>
    lengths.map((length) => `${x(length).toFixed(1)},${y(cost(length)).toFixed(1)}`).join(" ");
  const names = Object.keys(METHODS);
  const value = (method, length) => billOf(model, method, length)[view];
  const badges = spread(
    names.map((method) => y(value(method, MOST))),
    17,
    top + 8,
    bottom - 8,
  );
  const ordered = [...names.filter((method) => method !== chosen), chosen]; // the chosen one on top

  const parts = axes(view, scale);
  if (view === "operations") {
    const rest = (length) => billOf(model, "dense", length).rest;
    parts.push(
      svg("polyline", { class: "rest", points: path(rest) }),
      label(0, -6, "rest of the model", { class: "tick", transform: along(rest, scale) }),
    );
  } else
    for (const card of CARDS) {
      const at = y(card * GIB);
      if (at > top && at < bottom) parts.push(line(left, at, right, at, { class: "limit" }));
    }
  if (view !== "operations" && y(80 * GIB) > top + 24)
    parts.push(label(left + 6, y(80 * GIB) - 5, "a card of 80, 24, 16 GiB", { class: "tick" }));
  parts.push(line(x(n), top, x(n), bottom, { class: "now" }));
  for (const method of ordered) {
    const i = names.indexOf(method);
    const kind = method === chosen ? "chosen" : "other";
    const [badge_x, end] = [right + 14, y(value(method, MOST))];
    parts.push(
      svg("polyline", { class: `curve ${kind}`, points: path((length) => value(method, length)) }),
      line(right, end, badge_x, badges[i], { class: `leader ${kind}` }),
      svg("circle", { class: `initial ${kind}`, cx: badge_x, cy: badges[i], r: 8 }),
      label(badge_x, badges[i] + 4, METHODS[method].badge, { class: `letter ${kind}` }),
    );
  }
  for (const { method, n: length, [view]: cost } of points) {
    const [px, py] = [x(length), y(cost)];
    if (py < top || py > bottom) continue;
    const kind = method === chosen ? "chosen" : "other";
    parts.push(svg("path", { class: `measured ${kind}`, d: `M${px} ${py - 5}l5 5l-5 5l-5 -5z` }));
  }
  for (const length of crossings)
    parts.push(svg("circle", { class: "crossing", cx: x(length), cy: y(value(chosen, length)), r: 6 }));
  parts.push(svg("circle", { class: "present", cx: x(n), cy: y(value(chosen, n)), r: 5 }));
  return { parts, lengthAt: scale.n };
}

// The explorer.

function makeChip(method, onClick) {
  const value = html("span", { class: "number" });
  const badge = html("span", { class: "initial" }, METHODS[method].badge);
  const element = button("", onClick);
  element.append(badge, html("span", { class: "name" }, METHODS[method].name), value);
  const show = (pressed, text) => {
    element.setAttribute("aria-pressed", pressed);
    value.textContent = text;
  };
  return { element, show };
}

/** The bill: a row for each quantity, now and ten times longer. The share of the mixing has a bar. */
function makeTable() {
  const [now, share] = [html("th", { scope: "col" }), bar()];
  const rows = Array.from({ length: 5 }, (_, i) => {
    const cells = [html("th", { scope: "row" }), html("span"), html("span"), html("small")];
    const [name, first, then, factor] = cells;
    const element = html(
      "tr",
      {},
      name,
      html("td", {}, ...(i === 1 ? [share.element] : []), first),
      html("td", {}, then, " ", factor),
    );
    const show = (...texts) => cells.forEach((cell, k) => (cell.textContent = texts[k] ?? ""));
    return { element, show };
  });
  const head = html("tr", {}, html("td"), now, html("th", { scope: "col" }, "ten times longer"));
  const bodyRows = rows.map((row) => row.element);
  const element = html("table", {}, html("thead", {}, head), html("tbody", {}, ...bodyRows));
  return { element, now, share, rows };
}

function render({ model, el }) {
  const traits = ["sizes", "n", "method", "view", "price"];
  const start = Object.fromEntries(traits.map((trait) => [trait, model.get(trait)]));
  const models = new Map(model.get("models").map(({ name, ...sizes }) => [name, sizes]));
  const same = (a, b) => SIZES.every(([size]) => a[size] === b[size]);

  const select = html(
    "select",
    { "aria-label": "model" },
    ...[...models.keys(), OWN].map((name) => html("option", {}, name)),
  );
  select.addEventListener("change", () =>
    models.has(select.value) ? change(model, { sizes: models.get(select.value) }) : (settings.open = true),
  );
  const length = namedSlider({
    label: "tokens",
    min: 6,
    max: 20,
    step: 0.25,
    onInput: (x) => change(model, { n: Math.round(2 ** x) }),
  });
  const views = Object.entries(VIEWS).map(([view, { name }]) => [
    view,
    button(name, () => change(model, { view })),
  ]);
  const chips = Object.keys(METHODS).map((method) => [
    method,
    makeChip(method, () => change(model, { method })),
  ]);
  const drawing = svg("svg", { role: "img", class: "chart" });
  const heading = html("p", { class: "remark" });
  const result = html("p", { class: "result" });
  const table = makeTable();
  const price = html("input", {
    type: "number",
    min: 0,
    step: "any",
    "aria-label": "dollars for a GiB of memory",
  });
  const inputs = SIZES.map(([size, name]) => [
    size,
    html("input", { type: "number", min: 1, step: 1, "aria-label": name }),
    name,
  ]);
  const problem = html("p", { class: "problem" });
  const settings = html(
    "details",
    { class: "settings" },
    html("summary", {}, "Other sizes and price"),
    html(
      "div",
      { class: "sizes" },
      ...[...inputs, ["price", price, "dollars for a GiB of memory"]].map(([, input, name]) =>
        html("label", {}, html("span", {}, name), input),
      ),
    ),
    problem,
  );
  const reset = button("Reset", () => change(model, { ...start, sizes: { ...start.sizes } }));
  const points = html("p", { class: "remark" });
  const spoken = announcer();

  body(
    el,
    html(
      "div",
      { class: "cost-explorer" },
      html("div", { class: "top" }, html("label", {}, html("span", {}, "model"), select), length.element),
      html(
        "div",
        { class: "choice", role: "group", "aria-label": "what is drawn" },
        ...views.map(([, each]) => each),
      ),
      html("div", { class: "drawing" }, heading, drawing),
      html(
        "div",
        { class: "chips", role: "group", "aria-label": "method" },
        ...chips.map(([, chip]) => chip.element),
      ),
      html("div", { class: "words" }, result, points),
      table.element,
      html("div", { class: "last" }, settings, html("div", { class: "buttons" }, reset)),
      spoken.element,
    ),
  );

  const complain = (text) => {
    problem.textContent = text;
    if (text) spoken.say(text);
  };
  for (const [size, input] of inputs)
    input.addEventListener("change", () => {
      const sizes = { ...model.get("sizes"), [size]: input.valueAsNumber };
      complain(complaint(sizes));
      if (problem.textContent) input.setAttribute("aria-invalid", "true");
      else change(model, { sizes });
    });
  price.addEventListener("change", () => {
    const fits = price.valueAsNumber >= 0 && price.valueAsNumber <= 1e6;
    price.setAttribute("aria-invalid", !fits);
    complain(fits ? "" : "The price should be from 0 to a million dollars.");
    if (fits) change(model, { price: price.valueAsNumber });
  });

  let lengthAt = () => LEAST;
  const follow = (event) => {
    const px = event.clientX - drawing.getBoundingClientRect().left;
    change(model, { n: Math.round(2 ** (Math.round(4 * Math.log2(lengthAt(px))) / 4)) });
  };
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    follow(event);
  });
  drawing.addEventListener("pointermove", (event) => event.buttons && follow(event));

  function draw() {
    const [sizes, n, method, view] = traits.map((trait) => model.get(trait));
    const dollarsAGib = model.get("price");
    const name = [...models.keys()].find((each) => same(models.get(each), sizes)) ?? OWN;
    const isMeasured = name === model.get("measured_model");
    const bills = Object.fromEntries(Object.keys(METHODS).map((each) => [each, billOf(sizes, each, n)]));
    const [now, then] = [bills[method], billOf(sizes, method, 10 * n)];
    const met = meetings(sizes, method, view);
    const crossings = met.lengths.filter((length) => length >= LEAST); // null is not

    const measured = isMeasured
      ? model.get("measured").filter((point) => point[view] && ["dense", method].includes(point.method))
      : [];

    select.value = name;
    length.show(Math.log2(n), whole(n));
    for (const [each, toggle] of views) toggle.setAttribute("aria-pressed", each === view);
    for (const [each, chip] of chips) chip.show(each === method, amount(bills[each][view], VIEWS[view]));
    for (const [size, input] of inputs) {
      input.value = sizes[size];
    }
    price.value = dollarsAGib;
    for (const input of settings.querySelectorAll("input")) input.setAttribute("aria-invalid", "false");
    problem.textContent = "";

    heading.textContent = VIEWS[view].title;
    const [width, height] = [drawing.clientWidth || 320, drawing.clientHeight || 300];
    const picture = chart({ model: sizes, method, view, n, points: measured, crossings }, width, height);
    lengthAt = picture.lengthAt;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute(
      "aria-label",
      `Curves of the ${VIEWS[view].title} against the length, for seven methods`,
    );
    drawing.replaceChildren(...picture.parts);

    const priceOf = ({ memory, kept }) => (dollarsAGib * (memory + kept)) / GIB;
    const all = ({ operations, rest }) => operations + rest;
    const row = (name, read, tell) => [
      name,
      tell(read(now)),
      tell(read(then)),
      read(now) ? times(read(then) / read(now)) : "",
    ];
    table.now.textContent = `${whole(n)} tokens`;
    table.share.show(now.share);
    [
      row("operations, whole model", all, (x) => amount(x, VIEWS.operations)),
      ["of these, the mixing", percent(now.share), percent(then.share)],
      row(
        "memory for it, one layer",
        (bill) => bill.memory,
        (x) => amount(x, VIEWS.memory),
      ),
      row(
        "cache while writing",
        (bill) => bill.kept,
        (x) => amount(x, VIEWS.kept),
      ),
      row(`dollars, at ${dollars(dollarsAGib)} a GiB`, priceOf, dollars),
    ].forEach((texts, k) => table.rows[k].show(...texts));
    result.textContent = met.text;
    points.textContent =
      !isMeasured || view === "kept"
        ? "Mixing: what lets tokens read each other. The rest: projections and networks."
        : `Diamonds: ${view === "operations" ? "time" : "memory"} of a training step, as measured. Hollow: dense attention’s; its first one sets the scale.`;
    spoken.say(
      `${name}, ${whole(n)} tokens, ${METHODS[method].name}: the mixing is ${percent(now.share)} of ${amount(now.operations + now.rest, VIEWS.operations)}. ${met.text}`,
    );
    el.dataset.bills = JSON.stringify(bills); // all digits, for whoever checks them
    el.dataset.crossings = JSON.stringify(met.lengths);
    el.dataset.measured = JSON.stringify(measured);
  }
  const stop = drawOnChange(model, traits, draw);
  const resized = new ResizeObserver(draw);
  resized.observe(drawing);
  return () => {
    stop();
    resized.disconnect();
  };
}

/** What is wrong with the sizes, or "". */
function complaint(sizes) {
  const wrong = SIZES.find(
    ([size]) => !(Number.isInteger(sizes[size]) && sizes[size] >= 1 && sizes[size] <= 1e6),
  );
  if (wrong) return `“${wrong[1]}” should be a whole number from 1 to a million.`;
  if (sizes.d_model % sizes.num_heads)
    return `${sizes.num_heads} heads do not divide a width of ${whole(sizes.d_model)}.`;
  if (sizes.num_heads % sizes.num_kv_heads)
    return `${sizes.num_kv_heads} heads of keys and values do not divide ${sizes.num_heads} heads.`;
  if (![2, 3].includes(sizes.ff_matrices)) return "The network has 2 matrices, or 3 with a gate.";
  if (![1, 2, 4].includes(sizes.bytes_a_number)) return "A number takes 4, 2 or 1 bytes.";
  return "";
}

export default { render };
