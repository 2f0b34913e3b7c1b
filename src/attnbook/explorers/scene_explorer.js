import { announcer, bar, body, button, change, digits, drawOnChange, html, softmax } from "./kit.js";

const SIDE = 3;
const CELL = 8; // pixels along a cell's side
const HANDS = 5; // handwritings of each digit
const SHOWN = 3; // answers

// Each preset is a scene, a question, and what is pointed at. −1 is an empty cell.
const PRESETS = {
  "Left of the 7": { names: [5, 0, 8, 2, 7, 4, 9, 1, 3], question: ["what", "left of", "7"] },
  "A pair never trained": { names: [5, 0, 8, 2, 7, 4, 9, 1, 3], question: ["what", "left of", "8"] },
  "No 7 there": { names: [5, 0, 8, 2, 6, 4, 9, 1, 3], question: ["what", "left of", "7"] },
  "Two 7s": { names: [5, 7, 8, 2, 0, 4, 9, 1, 7], question: ["what", "left of", "7"] },
  "Nothing left of it": { names: [7, 0, 8, 2, 5, 4, 9, 1, 3], question: ["what", "left of", "7"] },
};

// 1. Arithmetic, as in the library. A matrix is a list of rows.

function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** The parameters by name, from numbers of 16 bits one behind the other: vectors, and matrices as lists of rows. */
function readWeights(tensors, base64) {
  const bytes = new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
  let at = 0;
  const take = (count) => Array.from({ length: count }, () => half(bytes.getUint16(2 * at++, true)));
  return Object.fromEntries(
    tensors.map(([name, rows, columns]) => [
      name,
      columns ? Array.from({ length: rows }, () => take(columns)) : take(rows),
    ]),
  );
}

const dot = (a, b) => a.reduce((sum, number, i) => sum + number * b[i], 0);
const add = (x, y) => x.map((row, i) => row.map((number, j) => number + y[i][j]));

function erf(x) {
  // To 1.2e-7: a Chebyshev fit (Press et al., Numerical Recipes, section 6.2).
  const t = 1 / (1 + Math.abs(x) / 2);
  const series = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
    -1.26551223,
  ];
  const rest = t * Math.exp(-x * x + series.reduce((sum, c) => sum * t + c, 0));
  return x < 0 ? rest - 1 : 1 - rest;
}

const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));

// 2. The model: attnbook.multimodal.PictureReader with one question.

/** A function (pixels of each patch, question) -> probabilities of the answers, and weights [layer][head][word][patch]. */
function makeReader(tensors, weights, heads) {
  const w = readWeights(tensors, weights);
  const layersOf = (stack) => tensors.filter(([name]) => new RegExp(`^${stack}.*network\\.expand\\.bias$`).test(name)).length;

  const linear = (x, name) => x.map((row) => w[`${name}.weight`].map((column, j) => dot(column, row) + w[`${name}.bias`][j]));

  function norm(x, name) {
    return x.map((row) => {
      const mean = row.reduce((sum, number) => sum + number, 0) / row.length;
      const variance = row.reduce((sum, number) => sum + (number - mean) ** 2, 0) / row.length;
      return row.map((number, j) => ((number - mean) / Math.sqrt(variance + 1e-5)) * w[`${name}.weight`][j] + w[`${name}.bias`][j]);
    });
  }

  function attention(x, source, name) {
    const [q, k, v] = [linear(x, `${name}.query`), linear(source, `${name}.key`), linear(source, `${name}.value`)];
    const size = q[0].length / heads;
    const all = Array.from({ length: heads }, (_, h) => {
      const part = (row) => row.slice(h * size, (h + 1) * size);
      return q.map((query) => softmax(k.map((key) => dot(part(query), part(key)) / Math.sqrt(size))));
    });
    const merged = q.map((row, i) =>
      row.map((_, c) => dot(all[Math.floor(c / size)][i], v.map((value) => value[c]))),
    );
    return { output: linear(merged, `${name}.output`), weights: all };
  }

  function network(x, layer) {
    const read = linear(norm(x, `${layer}.network_residual.norm`), `${layer}.network.expand`);
    return add(x, linear(read.map((row) => row.map(gelu)), `${layer}.network.contract`));
  }

  return (pixels, question) => {
    let image = add(linear(pixels, "patch"), w["patch_places.table"]);
    for (let i = 0; i < layersOf("image"); i++) {
      const read = norm(image, `image.layers.${i}.attention_residual.norm`);
      image = network(add(image, attention(read, read, `image.layers.${i}.attention`).output), `image.layers.${i}`);
    }
    image = norm(image, "image.norm");
    let x = add(question.map((word) => w["word.weight"][word]), w["word_places.table"]);
    const looks = [];
    for (let i = 0; i < layersOf("text"); i++) {
      const layer = `text.layers.${i}`;
      const own = norm(x, `${layer}.self_residual.norm`);
      x = add(x, attention(own, own, `${layer}.self_attention`).output);
      const cross = attention(norm(x, `${layer}.cross_residual.norm`), image, `${layer}.cross_attention`);
      looks.push(cross.weights);
      x = network(add(x, cross.output), layer);
    }
    const logits = linear(norm(x, "text.norm").slice(0, 1), "answer")[0];
    return { answers: softmax(logits), looks };
  };
}

// 3. What is true of a scene: the answers that a person could give. An empty list means that there is none.

const STEPS = { "left of": [0, -1], "right of": [0, 1], above: [-1, 0], below: [1, 0] };

function truth(names, [first, middle, last], places) {
  if (first === "what" && middle === "at") return places.includes(last) ? [names[places.indexOf(last)]] : [];
  const cells = names.flatMap((name, cell) => (String(name) === last ? [cell] : []));
  if (first === "where") return cells.map((cell) => places[cell]);
  const step = STEPS[middle] ?? [0, 0];
  const found = cells.flatMap((cell) => {
    const [row, column] = [Math.floor(cell / SIDE) + step[0], (cell % SIDE) + step[1]];
    const inside = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
    return inside ? [names[row * SIDE + column]] : [];
  });
  return found;
}

function render({ model, el }) {
  const words = model.get("words");
  const choices = model.get("choices");
  const places = choices.slice(10);
  const bank = model.get("bank");
  const heads = model.get("heads");
  const read = makeReader(model.get("tensors"), model.get("weights"), heads);
  const pixelsOf = (name, hand) =>
    Array.from({ length: CELL * CELL }, (_, i) => (name < 0 ? 0 : (bank[name * HANDS + hand].charCodeAt(i) - 97) / 16));
  const traits = ["names", "hands", "question", "word", "layer", "head"];
  const start = Object.fromEntries(traits.map((trait) => [trait, model.get(trait)]));
  const layers = read(start.names.map(() => pixelsOf(-1, 0)), start.question).looks.length;

  // The question: what is asked, and of whom.
  const kinds = ["left of", "right of", "above", "below", "is", "at"];
  const titles = { is: "where is", at: "what is at" };
  const kind = html("select", { "aria-label": "question" }, ...kinds.map((k) => html("option", { value: k }, titles[k] ?? `what is ${k}`)));
  const object = html("select", { "aria-label": "of which digit or place" });
  const ask = (middle, last) =>
    change(model, { question: [middle === "is" ? "where" : "what", middle, last].map((word) => words.indexOf(word)) });
  kind.addEventListener("change", () => {
    const last = words[model.get("question")[2]];
    if (kind.value === "at") ask("at", places.includes(last) ? last : places[4]);
    else ask(kind.value, places.includes(last) ? "7" : last);
  });
  object.addEventListener("change", () => ask(kind.value, object.value));

  // A press keeps a word; a mouse that passes over another one shows it for as long.
  let pointed = null;
  const point = (i) => {
    pointed = i;
    draw();
  };
  const wordButtons = [0, 1, 2].map((i) => {
    const made = button("", () => change(model, { word: i }));
    // A finger's touch is a tap, never a passing over.
    made.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && point(i));
    made.addEventListener("pointerleave", () => point(null));
    return made;
  });
  const wordRow = html("div", { class: "words", role: "group", "aria-label": "words of the question" }, ...wordButtons);

  // The scene: each cell is a button that changes its digit, with the handwriting drawn on a canvas.
  const cells = start.names.map((_, cell) => {
    const canvas = html("canvas", { width: CELL, height: CELL, "aria-hidden": "true" });
    const share = html("span", { class: "number", "aria-hidden": "true" });
    const element = button("", () => {
      const names = [...model.get("names")];
      names[cell] = names[cell] === 9 ? -1 : names[cell] + 1;
      change(model, { names });
    });
    element.append(canvas, share);
    return { element, canvas, share };
  });
  const scene = html("div", { class: "scene", role: "group", "aria-label": "scene" }, ...cells.map((c) => c.element));

  // All heads, small: the chosen one is laid over the scene.
  const maps = [];
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const dots = start.names.map(() => html("span", { class: "dot" }));
      const element = button("", () => change(model, { layer, head }));
      element.append(html("span", { class: "map" }, ...dots), `layer ${layer + 1}, head ${head + 1}`);
      maps.push({ element, dots, layer, head });
    }
  }
  const mapRow = html("div", { class: "maps", role: "group", "aria-label": "layer and head" }, ...maps.map((m) => m.element));

  const rows = Array.from({ length: SHOWN }, () => {
    const [name, number, fill] = [html("span"), html("span", { class: "number" }), bar()];
    return { name, number, fill, element: html("div", { class: "answer-row" }, name, fill.element, number) };
  });
  const verdict = html("p", { class: "verdict" });
  const looks = html("p", { class: "looks" });
  const spoken = announcer();
  const presets = Object.entries(PRESETS).map(([name, { names, question }]) =>
    button(name, () => change(model, { names, hands: start.hands, question: question.map((word) => words.indexOf(word)) })),
  );
  const again = button("Other hands", () => change(model, { hands: model.get("hands").map((hand) => (hand + 1) % HANDS) }));
  body(
    el,
    html(
      "div",
      { class: "scene-explorer" },
      html("div", { class: "buttons" }, ...presets, again, button("Reset", () => change(model, start))),
      html("div", { class: "asking" }, kind, object),
      html("p", { class: "heading" }, "Point at a word of the question"),
      wordRow,
      html(
        "div",
        { class: "both" },
        html("div", {}, scene, html("p", { class: "remark" }, "Press a cell to change its digit.")),
        html("div", { class: "told" }, mapRow, looks, html("p", { class: "heading" }, "The answer"), ...rows.map((r) => r.element), verdict),
      ),
      spoken.element,
    ),
  );

  function draw() {
    const [names, hands, question, kept, layer, head] = traits.map((trait) => model.get(trait));
    const word = pointed ?? kept;
    const pixels = names.map((name, i) => pixelsOf(name, hands[i]));
    const { answers, looks: all } = read(pixels, question);
    const spelled = question.map((i) => words[i]);
    kind.value = spelled[1];
    const objects = spelled[1] === "at" ? places : choices.slice(0, 10);
    if (object.options.length !== objects.length) object.replaceChildren(...objects.map((o) => html("option", { value: o }, o)));
    object.value = spelled[2];
    wordButtons.forEach((each, i) => {
      each.textContent = spelled[i];
      each.setAttribute("aria-pressed", i === kept);
      each.classList.toggle("pointed", i === pointed);
    });
    const row = all[layer][head][word];
    cells.forEach(({ element, canvas, share }, cell) => {
      const context = canvas.getContext("2d");
      const image = context.createImageData(CELL, CELL);
      pixels[cell].forEach((ink, i) => image.data.set([0, 0, 0, Math.round(255 * ink)], 4 * i));
      context.putImageData(image, 0, 0);
      share.textContent = digits(row[cell]);
      element.style.setProperty("--share", `${100 * row[cell]}%`);
      const name = names[cell] < 0 ? "empty" : names[cell];
      element.setAttribute("aria-label", `${places[cell]}: ${name}, weight ${digits(row[cell])}. Press to change the digit.`);
    });
    for (const map of maps) {
      map.element.setAttribute("aria-pressed", map.layer === layer && map.head === head);
      map.dots.forEach((dotElement, cell) =>
        dotElement.style.setProperty("--share", `${100 * all[map.layer][map.head][word][cell]}%`),
      );
    }
    const ranked = choices.map((_, i) => i).sort((a, b) => answers[b] - answers[a]);
    rows.forEach(({ name, number, fill }, i) => {
      name.textContent = choices[ranked[i]];
      number.textContent = digits(answers[ranked[i]]);
      fill.show(answers[ranked[i]]);
    });
    const right = truth(names, spelled, places).filter((x) => x !== -1).map(String);
    const said = choices[ranked[0]];
    const correct = right.includes(said);
    if (!right.length) verdict.textContent = `There is no right answer, and the model says ${said}.`;
    else verdict.textContent = correct ? `✓ ${said} is right.` : `✗ ${said} is wrong: it is ${right.join(" or ")}.`;
    verdict.classList.toggle("wrong", !correct);
    const best = row.indexOf(Math.max(...row));
    looks.textContent = `“${spelled[word]}” looks most at ${places[best]}: ${digits(row[best])}.`;
    spoken.say(`${looks.textContent} ${verdict.textContent}`);
    // All digits, for whoever checks them.
    el.dataset.answers = JSON.stringify(answers);
    el.dataset.looks = JSON.stringify(all);
  }
  return drawOnChange(model, traits, draw);
}

export default { render };
