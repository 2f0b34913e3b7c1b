import { announcer, body, button, change, digits, drawOnChange, html, namedSlider, svg } from "./kit.js";

// A grid's width and height, and what its labels take from it on the left and on top, in its own units.
const [LEFT, TOP, CELL] = [48, 44, 40];
const TRAITS = ["mask", "way", "huge", "layers", "query"];
const REMARKS = {
  "−∞ before": "Hidden scores become −∞ before the softmax: e to the −∞ is 0, and the others share the whole.",
  "−10⁹ before": "As good as −∞, but for a row where all is hidden: all its scores are equal again.",
  "0 before": "A hidden score becomes 0. But e to the 0 is 1, so it still gets weight.",
  "0 after": "The softmax is done, then hidden weights are deleted. What they took is missing.",
  "0 after, ÷ sum": "Then divided by the sum: the same as −∞, unless all that is visible has rounded to 0.",
};

const range = (n) => Array.from({ length: n }, (_, i) => i);
const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** The softmax in float32, as the library computes it: what is too small for it becomes 0. */
function softmax32(scores) {
  const largest = Math.max(...scores);
  if (largest === -Infinity) return scores.map(() => NaN);
  const exponentials = scores.map((score) => Math.fround(Math.exp(score - largest)));
  const total = sum(exponentials);
  return exponentials.map((x) => x / total);
}

/** A row of weights: how the way applies the row's mask to its scores. */
function weightsOf(scores, may, way) {
  if (way.endsWith("before")) {
    const hidden = { "−∞ before": -Infinity, "−10⁹ before": -1e9, "0 before": 0 }[way];
    if (hidden === -Infinity && !may.includes(true)) return scores.map(() => 0); // nobody to share the whole
    return softmax32(scores.map((score, j) => (may[j] ? score : hidden)));
  }
  const deleted = softmax32(scores).map((weight, j) => (may[j] ? weight : 0));
  return way === "0 after" ? deleted : deleted.map((weight) => weight / sum(deleted)); // 0 / 0 is NaN
}

/** Who has heard from whom after so many layers: a product of boolean matrices. */
function heardOf(mask, layers) {
  const n = mask.length;
  let heard = range(n).map((i) => range(n).map((j) => i === j));
  for (let layer = 0; layer < layers; layer++) {
    const before = heard;
    heard = range(n).map((i) => range(n).map((j) => range(n).some((m) => (mask[i][m] || m === i) && before[m][j])));
  }
  return heard;
}

/** A square of cells under the words; `cell` gives the SVG elements of a place, whose corner is (x, y). */
function gridOf(words, query, kind, cell) {
  const n = words.length;
  const text = (x, y, anchor, own, name) => svg("text", { x, y, "text-anchor": anchor, class: own }, name);
  const lines = range(n + 1).map((i) => `M${LEFT + i * CELL} ${TOP}v${n * CELL}M${LEFT} ${TOP + i * CELL}h${n * CELL}`);
  return [
    text(LEFT + (n * CELL) / 2, 13, "middle", "side", kind),
    ...words.map((word, j) => text(LEFT + (j + 0.5) * CELL, TOP - 9, "middle", "key", word)),
    ...words.map((word, i) =>
      text(LEFT - 7, TOP + (i + 0.5) * CELL + 5, "end", i === query ? "chosen" : "query", word),
    ),
    ...range(n).flatMap((i) => range(n).flatMap((j) => cell(i, j, LEFT + j * CELL, TOP + i * CELL))),
    svg("path", { class: "lines", d: lines.join("") }),
    svg("rect", { class: "row", x: LEFT, y: TOP + query * CELL, width: n * CELL, height: CELL }),
  ];
}

function render({ model, el }) {
  const { words, length, scores, huge, huge_key, ways, layers: mostLayers } = model.get("setting");
  const n = words.length;
  const side = n * CELL;
  const start = Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
  const mask = () => model.get("mask").map((row) => [...row].map((digit) => digit === "1"));
  // "." and "pad" stand twice, so they are told apart.
  const named = words.map((word, i) => {
    const twins = range(n).filter((j) => words[j] === word);
    return twins.length === 1 ? `“${word}”` : `the ${["1st", "2nd"][twins.indexOf(i)]} “${word}”`;
  });

  const presets = model.get("presets").map((preset) => ({
    ...preset,
    element: button(preset.name, () => change(model, { mask: preset.mask })),
  }));
  const choices = ways.map((way) => ({ way, element: button(way, () => change(model, { way })) }));
  const note = html("p", { class: "note" });
  const [leaks, empty, far, remark, row] = range(5).map(() => html("p"));
  const view = { viewBox: `0 0 ${LEFT + side + 2} ${TOP + side + 2}`, "aria-hidden": "true" };
  const [painting, heat] = [svg("svg", view), svg("svg", view)];
  const board = html("div", { class: "board", tabindex: 0, role: "application" }, painting);
  const layers = namedSlider({ label: "layers", min: 1, max: mostLayers, step: 1, onInput: (x) => change(model, { layers: x }) });
  const loud = button(`A huge score for “${words[huge_key]}”`, () => change(model, { huge: !model.get("huge") }));
  const list = html("div", { class: "list" });
  const spoken = announcer();
  let cursor = 0; // the key at which the keyboard's cursor stands; its query is the chosen one
  let brush = null; // what the finger or mouse that is down paints

  function paint(i, j, may) {
    const rows = model.get("mask").map((digits, r) => (r === i ? digits.slice(0, j) + Number(may) + digits.slice(j + 1) : digits));
    change(model, { mask: rows, query: i });
  }
  function placeOf(event) {
    const area = painting.getBoundingClientRect();
    const unit = area.width / (LEFT + side + 2);
    const at = (pixels, margin) => Math.floor((pixels / unit - margin) / CELL);
    return [at(event.clientY - area.top, TOP), at(event.clientX - area.left, LEFT)];
  }
  const inside = (...places) => places.every((place) => place >= 0 && place < n);
  painting.addEventListener("pointerdown", (event) => {
    const [i, j] = placeOf(event);
    if (!inside(i)) return;
    if (!inside(j)) return change(model, { query: i }); // the word before the row
    painting.setPointerCapture?.(event.pointerId);
    brush = !mask()[i][j];
    cursor = j;
    paint(i, j, brush);
  });
  painting.addEventListener("pointermove", (event) => {
    const [i, j] = placeOf(event);
    if (brush === null || !inside(i, j) || mask()[i][j] === brush) return;
    cursor = j;
    paint(i, j, brush);
  });
  for (const end of ["pointerup", "pointercancel"]) painting.addEventListener(end, () => (brush = null));
  heat.addEventListener("click", (event) => {
    const area = heat.getBoundingClientRect();
    const i = Math.floor(((event.clientY - area.top) / area.width) * ((LEFT + side + 2) / CELL) - TOP / CELL);
    if (inside(i)) change(model, { query: i });
  });
  board.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const query = model.get("query");
    if (step) {
      const clamp = (x) => Math.max(0, Math.min(n - 1, x));
      cursor = clamp(cursor + step[1]);
      change(model, { query: clamp(query + step[0]) });
      if (step[1]) draw(); // the query is what it was, so nobody else would
    } else if (event.key === " " || event.key === "Enter") paint(query, cursor, !mask()[query][cursor]);
    else return;
    event.preventDefault(); // the page would scroll
  });

  body(
    el,
    html(
      "div",
      { class: "mask-explorer" },
      html("div", { class: "buttons presets", role: "group", "aria-label": "masks" }, ...presets.map(({ element }) => element)),
      note,
      html("div", { class: "who" }, html("p", { class: "heading" }, "The mask: tap or drag to paint."), board, layers.element),
      html("div", { class: "what" }, html("p", { class: "heading" }, "The weights that follow: tap a row."), heat),
      html("div", { class: "verdict" }, leaks, empty, far),
      html("div", { class: "ways" }, html("p", { class: "heading" }, "How is the mask applied to the scores?"),
        html("div", { class: "buttons", role: "group", "aria-label": "ways" }, ...choices.map(({ element }) => element)), remark),
      html("div", { class: "numbers" }, row, list),
      html("div", { class: "buttons last" }, loud, button("Reset", () => { cursor = 0; change(model, start); })),
      spoken.element,
    ),
  );

  const rows = words.map((word) => {
    const [score, weight, fill] = [html("span", { class: "number" }), html("span", { class: "number" }), html("span", { class: "fill" })];
    list.append(html("div", { class: "key-row" }, html("span", { class: "word" }, word), score, html("span", { class: "track" }, fill), weight));
    return { score, weight, fill, element: list.lastChild };
  });

  /** What is wrong with a cell that is open: it shows a true word the future, or filling. */
  const wrong = (i, j) => (i >= length ? "" : j >= length ? "filling" : j > i ? "future" : "");

  function drawMask(now, heard, query) {
    painting.replaceChildren(
      ...gridOf(words, query, "key: is seen", (i, j, x, y) => {
        if (now[i][j]) return svg("rect", { class: `may ${wrong(i, j)}`, x: x + 3, y: y + 3, width: CELL - 6, height: CELL - 6 });
        const middle = { cx: x + CELL / 2, cy: y + CELL / 2, r: 4.5 };
        return heard[i][j] && i !== j ? svg("circle", { class: `heard ${wrong(i, j)}`, ...middle }) : [];
      }),
      svg("rect", { class: "cursor", x: LEFT + cursor * CELL, y: TOP + query * CELL, width: CELL, height: CELL }),
    );
    const state = now[query][cursor] ? "may see" : "may not see";
    board.setAttribute("aria-label", `Mask. ${named[query]} ${state} ${named[cursor]}. Arrow keys move, Space changes.`);
  }

  function drawWeights(weights, query) {
    heat.replaceChildren(
      ...gridOf(words, query, "key: gets weight", (i, j, x, y) => {
        const weight = weights[i][j];
        const broken = Number.isNaN(weight);
        const number = broken ? "NaN" : weight === 0 ? "0" : weight < 0.005 ? "~0" : weight > 0.995 ? "1" : digits(weight).slice(1);
        const shade = broken ? { class: "broken" } : { class: "weight", "fill-opacity": 0.4 * weight }; // so that ink can be read on it
        return [
          svg("rect", { ...shade, x, y, width: CELL, height: CELL }),
          svg("text", { class: broken ? "nan" : "weight", x: x + CELL / 2, y: y + CELL / 2 + 5, "text-anchor": "middle" }, number),
        ];
      }),
    );
  }

  function drawVerdict(now, heard, heardLayers) {
    const seen = (table, kind) => range(n).flatMap((i) => range(n).filter((j) => table[i][j] && wrong(i, j) === kind).map((j) => [i, j]));
    const example = ([[i, j]], verb) => `${named[i]} ${verb} ${named[j]}`;
    const [future, filling] = ["future", "filling"].map((kind) => seen(now, kind));
    const capital = (text) => text[0].toUpperCase() + text.slice(1);
    const parts = [
      future.length && `${example(future, "sees")}: the future leaks, in ${count(future.length, "cell")}.`,
      filling.length && `${example(filling, "sees")}: the filling leaks, in ${count(filling.length, "cell")}.`,
    ].filter(Boolean);
    leaks.textContent = parts.length ? parts.map(capital).join(" ") : "Nothing leaks: no word sees what comes after it, or filling.";
    leaks.className = parts.length ? "leaks bad" : "leaks";
    const nobody = range(n).filter((i) => !now[i].includes(true));
    empty.textContent = nobody.length
      ? capital(`${nobody.map((i) => named[i]).join(", ")} may see nothing.`)
      : "Every word may see at least one.";
    const [more, ahead] = [seen(heard, "future"), seen(heard, "filling")].map((pairs) => pairs.length);
    far.textContent =
      `After ${count(heardLayers, "layer")}: ${count(more, "pair")} in which a word has heard from its future, ` +
      `${count(ahead, "pair")} in which it has heard from filling.`;
  }

  function drawRow(now, weights, all, way, query) {
    const total = sum(weights[query]);
    const hidden = sum(weights[query].filter((_, j) => !now[query][j]));
    const broken = Number.isNaN(total);
    row.replaceChildren(
      `The row of ${named[query]} `,
      html("b", {}, broken ? "is NaN: 0 divided by 0." : `sums to ${digits(total)}`),
      broken ? "" : `, ${digits(hidden)} of it on hidden words.`,
    );
    remark.textContent = REMARKS[way];
    rows.forEach(({ score, weight, fill, element }, j) => {
      score.textContent = digits(all[query][j], 1);
      weight.textContent = Number.isNaN(weights[query][j]) ? "NaN" : digits(weights[query][j], 3);
      fill.style.inlineSize = `${Number.isNaN(weights[query][j]) ? 0 : 100 * weights[query][j]}%`;
      element.classList.toggle("hidden", !now[query][j]);
    });
  }

  function draw() {
    const now = mask();
    const [way, isHuge, heardLayers, query] = ["way", "huge", "layers", "query"].map((trait) => model.get(trait));
    const all = scores.map((row) => row.map((score, j) => (isHuge && j === huge_key ? huge : score)));
    const weights = range(n).map((i) => weightsOf(all[i], now[i], way));
    const heard = heardOf(now, heardLayers);
    const rowsNow = model.get("mask");
    const preset = presets.find(({ mask }) => String(mask) === String(rowsNow));
    for (const one of presets) one.element.setAttribute("aria-pressed", one === preset);
    for (const choice of choices) choice.element.setAttribute("aria-pressed", choice.way === way);
    loud.setAttribute("aria-pressed", isHuge);
    layers.show(heardLayers, String(heardLayers));
    note.textContent = preset?.note ?? "A mask of your own.";
    drawMask(now, heard, query);
    drawWeights(weights, query);
    drawVerdict(now, heard, heardLayers);
    drawRow(now, weights, all, way, query);
    spoken.say([leaks, empty, row].map((line) => line.textContent).join(" "));
    el.dataset.weights = JSON.stringify(weights); // for whoever checks them; NaN becomes null
    el.dataset.heard = JSON.stringify(heard);
  }
  return drawOnChange(model, TRAITS, draw);
}

export default { render };
