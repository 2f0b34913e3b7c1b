import { announcer, bar, body, button, change, digits, drawOnChange, html, softmax, svg } from "./kit.js";

const LARGEST = 999_999;
const LONGEST = 24; // where a translation that does not end by itself is stopped

// 1. Numbers in words, for the input and to judge the output.

const ONES = (
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " +
  "seventeen eighteen nineteen"
).split(" ");
const TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
const EINER = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split(" ");
const ZEHNER = "_ zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split(" ");

function englishGroup(number) {
  const [hundreds, rest] = [Math.floor(number / 100), number % 100];
  const words = hundreds ? [ONES[hundreds], "hundred"] : [];
  if (rest >= 20) words.push(TENS[Math.floor(rest / 10)]);
  const last = rest >= 20 ? rest % 10 : rest;
  return last ? [...words, ONES[last]] : words;
}

function germanGroup(number) {
  const [hundreds, rest, unit] = [Math.floor(number / 100), number % 100, number % 10];
  const words = hundreds ? [EINER[hundreds], "hundert"] : [];
  if (rest >= 20) return [...words, ...(unit ? [EINER[unit], "und"] : []), ZEHNER[Math.floor(rest / 10)]];
  if (rest > 12) return [...words, { 16: "sech", 17: "sieb" }[rest] ?? EINER[unit], "zehn"];
  return rest ? [...words, rest === 1 ? "eins" : EINER[rest]] : words;
}

/** The English words of a number from 1 to 999,999. */
function english(number) {
  const [thousands, rest] = [Math.floor(number / 1000), number % 1000];
  return [...(thousands ? [...englishGroup(thousands), "thousand"] : []), ...englishGroup(rest)];
}

/** Its German morphemes. */
function german(number) {
  const [thousands, rest] = [Math.floor(number / 1000), number % 1000];
  const first = thousands === 1 ? ["ein"] : germanGroup(thousands);
  return [...(thousands ? [...first, "tausend"] : []), ...germanGroup(rest)];
}

/** The number that words name, or null where they name none: "three hundred two", but not "hundred two three". */
function numberOf(words) {
  let [thousands, group] = [0, 0];
  for (const word of words) {
    if (word === "thousand") [thousands, group] = [group, 0];
    else if (word === "hundred") group *= 100;
    else group += ONES.includes(word) ? ONES.indexOf(word) : 10 * TENS.indexOf(word);
  }
  const number = 1000 * thousands + group;
  return number <= LARGEST && english(number).join() === words.join() ? number : null;
}

// 2. Arithmetic. A matrix is a list of rows: x has a row of d numbers for each of n tokens.

function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** The parameters by name, from numbers of 16 bits one behind the other: vectors, and matrices as lists of rows. */
function readWeights(tensors, base64) {
  const bytes = new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
  let at = 0;
  const take = (count) => Float64Array.from({ length: count }, () => half(bytes.getUint16(2 * at++, true)));
  return Object.fromEntries(
    tensors.map(([name, rows, columns]) => [
      name,
      columns ? Array.from({ length: rows }, () => take(columns)) : take(rows),
    ]),
  );
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const add = (x, y) => x.map((row, i) => row.map((number, j) => number + y[i][j]));
const silence = (x) => x.map((row) => row.map(() => 0));
const linear = (x, weight, bias) => x.map((row) => weight.map((column, j) => dot(column, row) + bias[j]));

function layerNorm(x, scale, shift) {
  return x.map((row) => {
    const mean = row.reduce((sum, number) => sum + number, 0) / row.length;
    const variance = row.reduce((sum, number) => sum + (number - mean) ** 2, 0) / row.length;
    return row.map((number, j) => ((number - mean) / Math.sqrt(variance + 1e-5)) * scale[j] + shift[j]);
  });
}

/** The error function, to 1.2e-7: a Chebyshev fit (Press et al., Numerical Recipes, section 6.2). */
function erf(x) {
  const t = 1 / (1 + Math.abs(x) / 2);
  const series = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
    -1.26551223,
  ];
  const rest = t * Math.exp(-x * x + series.reduce((sum, c) => sum * t + c, 0));
  return x < 0 ? rest - 1 : 1 - rest;
}

const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));

function sinusoidal(n, width) {
  return Array.from({ length: n }, (_, place) =>
    Array.from({ length: width }, (_, j) => {
      const angle = place / 10000 ** ((j - (j % 2)) / width);
      return j % 2 ? Math.cos(angle) : Math.sin(angle);
    }),
  );
}

/** One head: scores, weights and output of its queries. With `causal` no token sees those behind it. */
function attend(q, k, v, causal) {
  const scores = q.map((query, i) =>
    k.map((key, j) => (causal && j > i ? -Infinity : dot(query, key) / Math.sqrt(query.length))),
  );
  const weights = scores.map((row) => softmax(row));
  const output = weights.map((row) => v[0].map((_, c) => row.reduce((sum, weight, j) => sum + weight * v[j][c], 0)));
  return { q, k, v, scores, weights, output };
}

// 3. The model: the same as attnbook.transformer.Transformer, so far as nothing is switched off.

/** A function (words, off) that translates, and shows all that it computed on the way. */
function makeTransformer({ tensors, weights, heads, source, target }) {
  const w = readWeights(tensors, weights);
  const width = w["embed_source.weight"][0].length;
  const layers = tensors.filter(([name]) => /^encoder.*query\.bias$/.test(name)).length;
  let off = new Set();
  let seen = {};

  function read(stack, table, tokens) {
    const embedded = tokens.map((token) => Array.from(w[table][token], (number) => number * Math.sqrt(width)));
    const places = sinusoidal(tokens.length, width);
    const output = off.has("positions") ? embedded : add(embedded, places);
    seen[`${stack}.words`] = { embedded, places, output };
    return output;
  }

  /** Pre-norm: x + part(norm(x)). */
  function framed(name, x, compute) {
    const [stack, layer, kind] = name.split(".");
    const norm = `${stack}.layers.${layer}.${kind.replace("_attention", "")}_residual.norm`;
    const normed = off.has(`${name}.norm`) ? x : layerNorm(x, w[`${norm}.weight`], w[`${norm}.bias`]);
    const { added, ...inside } = compute(normed, `${stack}.layers.${layer}.${kind}`);
    const heard = off.has(name) ? silence(added) : added;
    const output = off.has(`${name}.residual`) ? heard : add(x, heard);
    seen[name] = { input: x, normed, ...inside, added: heard, output };
    return output;
  }

  function attention(name, x, memory, causal) {
    return framed(name, x, (normed, path) => {
      const from = memory ?? normed; // cross-attention reads the encoder's output, self-attention the tokens themselves
      const project = (rows, what) => linear(rows, w[`${path}.${what}.weight`], w[`${path}.${what}.bias`]);
      const [q, k, v] = [project(normed, "query"), project(from, "key"), project(from, "value")];
      const size = width / heads;
      const results = Array.from({ length: heads }, (_, h) => {
        const own = (rows) => rows.map((row) => row.slice(h * size, (h + 1) * size));
        return attend(own(q), own(k), own(v), causal);
      });
      const outputs = results.map(({ output }, h) => (off.has(`${name}.head.${h}`) ? silence(output) : output));
      const joined = normed.map((_, i) => outputs.flatMap((output) => output[i]));
      return { heads: results, added: project(joined, "output") };
    });
  }

  function network(name, x) {
    return framed(name, x, (normed, path) => {
      const hidden = linear(normed, w[`${path}.expand.weight`], w[`${path}.expand.bias`]).map((row) => row.map(gelu));
      return { hidden, added: linear(hidden, w[`${path}.contract.weight`], w[`${path}.contract.bias`]) };
    });
  }

  function lastNorm(stack, x) {
    const name = `${stack}.norm`;
    const output = off.has(name) ? x : layerNorm(x, w[`${name}.weight`], w[`${name}.bias`]);
    seen[name] = { input: x, output };
    return output;
  }

  function encode(tokens) {
    let x = read("encoder", "embed_source.weight", tokens);
    for (let i = 0; i < layers; i++) {
      x = attention(`encoder.${i}.attention`, x);
      x = network(`encoder.${i}.network`, x);
    }
    return lastNorm("encoder", x);
  }

  function decode(memory, tokens) {
    let x = read("decoder", "embed_target.weight", tokens);
    for (let i = 0; i < layers; i++) {
      x = attention(`decoder.${i}.self_attention`, x, null, true);
      x = attention(`decoder.${i}.cross_attention`, x, memory);
      x = network(`decoder.${i}.network`, x);
    }
    x = lastNorm("decoder", x);
    const logits = x.map((row) => w["embed_target.weight"].map((embedding) => dot(embedding, row)));
    seen.logits = { input: x, logits, probabilities: logits.map((row) => softmax(row)) };
    return logits;
  }

  return {
    layers,
    translate(words, switchedOff) {
      [off, seen] = [new Set(switchedOff), {}];
      const memory = encode(words.map((word) => source.indexOf(word)));
      const [start, end] = [target.indexOf("<start>"), target.indexOf("<end>")];
      const tokens = [start];
      while (tokens.length <= LONGEST && (tokens.length === 1 || tokens.at(-1) !== end)) {
        const last = decode(memory, tokens).at(-1);
        tokens.push(last.indexOf(Math.max(...last)));
      }
      return { written: tokens.slice(1).map((token) => target[token]), seen };
    },
  };
}

// 4. What the parts are, in words.

const RESIDUAL = "the residual: keep what came in";
const PARTS = {
  words: {
    says: "Each token becomes a vector from a table, and waves that tell its place are added.",
    formula: ["x = √d · E[token] + PE[place]"],
  },
  attention: {
    says: "Each word looks at all words, takes an average of their values, and adds it to its own vector.",
    formula: ["x + W", "o", " [head 1; head 2],   head = softmax(q kᵀ ÷ √d", "head", ") v"],
  },
  self_attention: {
    says: "Each morpheme looks at what is written so far, never ahead, and adds what it reads to its own vector.",
    formula: ["x + W", "o", " [head 1; head 2],   head = softmax(q kᵀ ÷ √d", "head", " under the causal mask) v"],
  },
  cross_attention: {
    says: "The German asks, the English answers: queries from the morphemes, keys and values from the encoder.",
    formula: ["x + W", "o", " [head 1; head 2],   head = softmax(q kᵀ ÷ √d", "head", ") v"],
  },
  network: {
    says: "Each token, alone, passes a small network with one hidden layer, and adds what comes out.",
    formula: ["x + W", "2", " gelu(W", "1", " norm(x) + b", "1", ") + b", "2"],
  },
  norm: {
    says: "The finished vectors get mean 0 and variance 1, then a learned scale and shift.",
    formula: ["(x − mean) ÷ √(variance + ε) · scale + shift"],
  },
  logits: {
    says: "Each vector is compared with the embeddings of all German morphemes. The likeliest is written.",
    formula: ["probabilities = softmax(x Eᵀ)"],
  },
};
const LABELS = {
  words: "words + places",
  attention: "self-attention",
  self_attention: "self-attention",
  cross_attention: "cross-attention",
  network: "feed-forward",
  norm: "norm",
  logits: "next morpheme",
};

const kindOf = (part) => part.split(".").at(-1);

/** "encoder 1, self-attention" */
function titleOf(part) {
  const [stack, layer] = part.split(".");
  if (part === "logits") return "decoder, next morpheme";
  return /^\d$/.test(layer) ? `${stack} ${+layer + 1}, ${LABELS[kindOf(part)]}` : `${stack}, ${LABELS[kindOf(part)]}`;
}

/** A name that is switched off, for people. */
function offTitle(name) {
  if (name === "positions") return "positions";
  const [, part, what, head] = name.match(/^(.*?)(?:\.(residual|head|norm)(?:\.(\d))?)?$/);
  if (what === "norm" && !part.includes(".")) return titleOf(name);
  return titleOf(part) + { residual: ": residual", norm: ": norm", head: `: head ${+head + 1}` }[what] || titleOf(part);
}

/** Formulas are lists of texts, every second of which stands below the line. */
const formula = (pieces) => pieces.map((piece, i) => (i % 2 ? html("sub", {}, piece) : piece));

/** What can be switched off at a part: names and words for them. */
function switchesOf(part, heads) {
  const kind = kindOf(part);
  if (kind === "words") return [["positions", "the waves for the place, in encoder and decoder"]];
  if (kind === "norm") return [[part, "this norm"]];
  if (kind === "logits") return [];
  const each = kind === "network" ? [] : Array.from({ length: heads }, (_, h) => [`${part}.head.${h}`, `head ${h + 1}`]);
  return [[part, "what this part adds"], ...each, [`${part}.norm`, "its norm"], [`${part}.residual`, RESIDUAL]];
}

// 5. Pictures of numbers.

const WIDE = 320; // a picture's width, in its own units
const MARGIN = 74; // of which for the rows' names
const ROW = 15;

function rowNames(rows, chosen, top, onChoose) {
  return rows.map((name, i) => {
    const row = svg(
      "g",
      { class: i === chosen ? "row chosen" : "row" },
      svg("rect", { class: "hit", x: 0, y: top + i * ROW, width: WIDE, height: ROW }),
      svg("text", { x: MARGIN - 5, y: top + i * ROW + 11, "text-anchor": "end" }, name),
    );
    row.addEventListener("click", () => onChoose(i));
    return row;
  });
}

const picture = (height, label, ...children) =>
  svg("svg", { class: "map", viewBox: `0 0 ${WIDE} ${height}`, role: "img", "aria-label": label }, ...children);

/** Numbers as cells: the larger, the stronger; one below zero fills only the lower half of its cell. */
function numberMap(title, kind, x, rows, chosen, onChoose) {
  const largest = Math.max(...x.flatMap((row) => Array.from(row, Math.abs)), 1e-9);
  const wide = (WIDE - MARGIN) / x[0].length;
  const cells = x.flatMap((row, i) =>
    Array.from(row, (number, j) =>
      svg("rect", {
        x: (MARGIN + j * wide).toFixed(1),
        y: i * ROW + (number < 0 ? ROW / 2 : 1),
        width: (wide - 0.7).toFixed(1),
        height: number < 0 ? ROW / 2 - 1 : ROW - 2,
        "fill-opacity": (Math.abs(number) / largest).toFixed(2),
      }),
    ),
  );
  const label = `${title}: ${x.length} rows of ${x[0].length} numbers`;
  return html(
    "div",
    { class: `numbers ${kind}` },
    html("p", { class: "map-title" }, `${title} `, html("span", { class: "shape" }, `(${x.length}, ${x[0].length})`)),
    picture(x.length * ROW, label, ...rowNames(rows, chosen, 0, onChoose), svg("g", { class: "cells" }, ...cells)),
    html("p", { class: "digits" }, Array.from(x[chosen], (number) => digits(number)).join("  ")),
  );
}

/** A head's weights: a row for each token that looks, a column for each that is looked at. */
function weightMap(title, weights, rows, columns, chosen, onChoose) {
  const [wide, top] = [(WIDE - MARGIN - 20) / columns.length, 56]; // the last name leans over the last column
  const cells = weights.flatMap((row, i) =>
    row.map((weight, j) =>
      svg("rect", {
        x: MARGIN + j * wide + 0.5,
        y: top + i * ROW + 0.5,
        width: wide - 1,
        height: ROW - 1,
        "fill-opacity": weight.toFixed(3),
      }),
    ),
  );
  const names = columns.map((name, j) => {
    const [x, y] = [MARGIN + (j + 0.5) * wide + 3, top - 4];
    return svg("text", { x, y, transform: `rotate(-50 ${x} ${y})` }, name);
  });
  return picture(
    top + rows.length * ROW,
    title,
    ...names,
    ...rowNames(rows, chosen, top, onChoose),
    svg("g", { class: "cells" }, ...cells),
  );
}

// 6. The explorer.

/** A checkbox with its name. `show` ticks it. */
function tick(label, onInput) {
  const input = html("input", { type: "checkbox" });
  input.addEventListener("change", () => onInput(input.checked));
  return { element: html("label", { class: "tick" }, input, label), show: (on) => (input.checked = on) };
}

/** The field for a number: calls `onNumber`, or says what is wrong with what was typed. */
function numberField(onNumber) {
  const input = html("input", { type: "text", inputmode: "numeric", autocomplete: "off", maxlength: 12 });
  const problem = html("p", { class: "problem", role: "status" });
  const submit = html("button", { type: "submit" }, "Translate");
  const form = html("form", {}, html("label", {}, "Number from 1 to 999,999 ", input), submit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.replace(/[\s,.'_]/g, "");
    const good = /^\d+$/.test(text) && +text >= 1 && +text <= LARGEST;
    input.setAttribute("aria-invalid", !good);
    problem.textContent = good ? "" : "Type a whole number from 1 to 999,999, such as 345,678.";
    if (good) onNumber(+text);
  });
  const show = (number) => {
    input.value = number.toLocaleString("en-US");
    input.setAttribute("aria-invalid", false);
    problem.textContent = "";
  };
  return { form, problem, show };
}

/** Words as buttons, of which one is chosen. */
function chips(label, onChoose) {
  const element = html("div", { class: "chips", role: "group", "aria-label": label });
  let texts = "";
  const show = (words, chosen, wrong) => {
    const now = JSON.stringify([words, wrong]);
    if (now !== texts)
      element.replaceChildren(
        ...words.map((word, i) => {
          const chip = button(word, () => onChoose(i));
          chip.classList.toggle("wrong", wrong[i]);
          if (wrong[i]) chip.setAttribute("aria-label", `${word}, wrong`);
          return chip;
        }),
      );
    texts = now;
    [...element.children].forEach((chip, i) => chip.setAttribute("aria-pressed", i === chosen));
  };
  return { element, show };
}

/** The block diagram: two columns of parts, each of them a button. */
function diagram(layers, onChoose) {
  const buttons = new Map();
  const part = (name) => {
    const element = button(LABELS[kindOf(name)], () => onChoose(name));
    element.setAttribute("aria-label", titleOf(name));
    buttons.set(name, element);
    return element;
  };
  const column = (stack, kinds, ...last) =>
    html(
      "div",
      { class: `column ${stack}`, role: "group", "aria-label": stack },
      html("p", { class: "heading" }, stack),
      part(`${stack}.words`),
      ...Array.from({ length: layers }, (_, i) =>
        html(
          "div",
          { class: "layer" },
          html("p", { class: "heading" }, `layer ${i + 1}`),
          ...kinds.map((kind) => part(`${stack}.${i}.${kind}`)),
        ),
      ),
      part(`${stack}.norm`),
      ...last,
    );
  const element = html(
    "div",
    { class: "diagram" },
    column("encoder", ["attention", "network"], html("p", { class: "heading" }, "→ keys and values of cross-attention")),
    column("decoder", ["self_attention", "cross_attention", "network"], part("logits")),
  );
  const show = (chosen, off) => {
    for (const [name, element] of buttons) {
      element.setAttribute("aria-pressed", name === chosen);
      const own = off.filter((each) => each === name || each.startsWith(`${name}.`) && kindOf(name) !== "words");
      if (off.includes("positions") && kindOf(name) === "words") own.push("positions");
      element.classList.toggle("changed", own.length > 0);
      element.classList.toggle("silent", own.includes(name));
      element.classList.toggle("cut", own.includes(`${name}.residual`));
      element.setAttribute("aria-label", titleOf(name) + (own.length ? ", something is off" : ""));
    }
  };
  return { element, show };
}

/** "looks most at forty: q · k ÷ √10 = 3.12, weight 0.83; then at …" */
function looks({ q, scores, weights }, row, rows, columns) {
  const ranked = weights[row].map((weight, j) => ({ weight, j })).sort((a, b) => b.weight - a.weight);
  const said = ranked
    .slice(0, 2)
    .filter(({ weight }) => weight >= 0.005)
    .map(({ weight, j }) => `${columns[j]}: q · k ÷ √${q[0].length} = ${digits(scores[row][j])}, weight ${digits(weight)}`);
  return `${rows[row]} looks at ${said.join("; ")}`;
}

const VIEWS = ["weights", "q, k and v", "vectors"]; // what of an attention is shown

/** The pictures of a part's numbers. */
function picturesOf(part, view, seen, names, chosen, onChoose) {
  const kind = kindOf(part);
  const side = part.startsWith("encoder") ? "source" : "target";
  const numbers = seen[part];
  const map = (title, x, what = "stream", on = side) =>
    numberMap(title, what, x, names[on], chosen[on], (i) => onChoose(on, i));
  if (kind === "words")
    return [map("√d · E[token]", numbers.embedded), map("waves for the place", numbers.places), map("x", numbers.output)];
  if (kind === "norm") return [map("x before", numbers.input), map("x after", numbers.output)];
  if (kind === "logits") return [likeliest(numbers, names, chosen.target), map("x, normalised", numbers.input)];
  const [before, read] = [map("x before", numbers.input), map("norm(x), what it reads", numbers.normed)];
  const end = [map("what it adds", numbers.added), map("x afterwards", numbers.output)];
  if (kind === "network") return [before, read, map("hidden layer, after gelu", numbers.hidden), ...end];
  if (view === VIEWS[2]) return [before, read, ...end];
  const other = kind === "cross_attention" ? "source" : side;
  const columns = kind === "self_attention" ? names.read : names[other];
  if (view === VIEWS[1])
    return numbers.heads.flatMap((head, h) => [
      map(`q of head ${h + 1}`, head.q, "query"),
      map(`k of head ${h + 1}`, head.k, "key", other),
      map(`v of head ${h + 1}`, head.v, "value", other),
    ]);
  return numbers.heads.map((head, h) =>
    html(
      "div",
      { class: "head" },
      html("p", { class: "map-title" }, `head ${h + 1}: weights `,
        html("span", { class: "shape" }, `(${names[side].length}, ${columns.length})`)),
      weightMap(`weights of head ${h + 1}`, head.weights, names[side], columns, chosen[side], (i) => onChoose(side, i)),
      html("p", { class: "looks" }, looks(head, chosen[side], names[side], columns)),
    ),
  );
}

/** The five likeliest next morphemes, with bars. */
function likeliest({ logits, probabilities }, names, row) {
  const ranked = probabilities[row].map((p, i) => ({ p, i })).sort((a, b) => b.p - a.p).slice(0, 5);
  const lines = ranked.map(({ p, i }) => {
    const { element, show } = bar();
    show(p);
    const numbers = html("span", { class: "number" }, `${digits(logits[row][i], 1)} → ${digits(p, 3)}`);
    return html("div", { class: "guess" }, html("span", {}, names.vocabulary[i]), element, numbers);
  });
  const title = html("p", { class: "map-title" }, `after “${names.read[row]}”: logit → probability`);
  return html("div", { class: "guesses" }, title, ...lines);
}

function render({ model, el }) {
  const transformer = makeTransformer(Object.fromEntries(
    ["tensors", "weights", "heads", "source", "target"].map((trait) => [trait, model.get(trait)])));
  const traits = ["number", "order", "off", "part"];
  const start = Object.fromEntries(traits.map((trait) => [trait, model.get(trait)]));
  const chosen = { source: 2, target: 2 }; // where a unit is written before its ten
  let view = VIEWS[0];
  let shown = null; // the part whose switches stand there
  let ticks = [];

  const choose = (side, i) => {
    chosen[side] = i;
    draw();
  };
  const setOff = (name, on) =>
    change(model, { off: on ? model.get("off").filter((each) => each !== name) : [...model.get("off"), name] });
  const field = numberField((number) => change(model, { order: [], number }));
  const [read, written] = [chips("English words", (i) => choose("source", i)),
    chips("German morphemes", (i) => choose("target", i))];
  const blocks = diagram(transformer.layers, (part) => change(model, { part }));
  const verdict = html("p", { class: "verdict" });
  const offLine = html("p", { class: "off-line" });
  const [title, says, rule] = [html("p", { class: "title" }), html("p"), html("p", { class: "formula" })];
  const switches = html("div", { class: "switches" });
  const maps = html("div", { class: "maps" });
  const views = VIEWS.map((name) =>
    button(name, () => {
      view = name;
      draw();
    }),
  );
  const legend = html(
    "p",
    { class: "remark" },
    "The stronger a cell, the larger its number; where only the lower half is filled, the number is negative. " +
      "The framed row's numbers stand below: press a word above, or a row, to choose another.",
  );
  const viewRow = html("div", { class: "buttons views", role: "group", "aria-label": "show" }, ...views);
  const spoken = announcer();

  const wordsOf = (number, order) => (order.length ? order.map((i) => english(number)[i]) : english(number));
  const shuffle = () => {
    const number = model.get("number");
    const before = wordsOf(number, model.get("order")).join();
    const order = english(number).map((_, i) => i);
    // As long as the words have another order, find one.
    for (let tries = 0; tries < 50 && (!tries || wordsOf(number, order).join() === before); tries++)
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
    change(model, { order });
  };
  const everyLayer = (what) => Array.from({ length: transformer.layers }, (_, i) => `decoder.${i}.${what}`);
  const scenes = html(
    "div",
    { class: "buttons" },
    button("Any number", () => {
      const number = 1 + Math.floor(Math.random() ** 2 * LARGEST);
      change(model, { order: [], number });
    }),
    button("Shuffle words", shuffle),
    button("No positions", () => change(model, { off: ["positions"], part: "encoder.words" })),
    button("No cross-attention", () =>
      change(model, { off: everyLayer("cross_attention"), part: "decoder.0.cross_attention" })),
    button("No residual", () => change(model, { off: ["encoder.0.network.residual"], part: "encoder.0.network" })),
    button("All parts on", () => change(model, { off: [] })),
    button("Reset", () => change(model, start)),
  );

  body(
    el,
    html(
      "div",
      { class: "transformer-explorer" },
      html(
        "div",
        { class: "top" },
        field.form,
        field.problem,
        html("p", { class: "heading" }, "reads"),
        read.element,
        html("p", { class: "heading" }, "writes"),
        written.element,
        verdict,
        scenes,
        offLine,
      ),
      blocks.element,
      html("div", { class: "detail" }, title, says, rule, switches, viewRow, maps, legend),
      spoken.element,
    ),
  );

  function showSwitches(part, off) {
    if (part !== shown) {
      ticks = switchesOf(part, model.get("heads")).map(([name, label]) => [name, tick(label, (on) => setOff(name, on))]);
      switches.replaceChildren(...ticks.map(([, { element }]) => element));
      shown = part;
    }
    for (const [name, { show }] of ticks) show(!off.includes(name));
  }

  function showTranslation(words, output) {
    const number = numberOf(words); // of shuffled words it may be another, or none
    const right = [...german(number ?? model.get("number")), "<end>"];
    const wrong = output.map((morpheme, i) => morpheme !== right[i]);
    const correct = number !== null && !wrong.includes(true) && output.length === right.length;
    read.show(words, chosen.source, words.map(() => false));
    written.show(output.map((morpheme) => (morpheme === "<end>" ? "end" : morpheme)), chosen.target, wrong);
    const answer = right.slice(0, -1).join(" ");
    const order = `These words name no number. In the right order: ${answer}`;
    verdict.textContent = number === null ? order : correct ? "✓ right" : `✗ wrong. Right: ${answer}`;
    verdict.classList.toggle("wrong", !correct);
    return correct;
  }

  function draw() {
    const [number, order, off, part] = traits.map((trait) => model.get(trait));
    const words = wordsOf(number, order);
    const { written: output, seen } = transformer.translate(words, off);
    chosen.source = Math.min(chosen.source, words.length - 1);
    chosen.target = Math.min(chosen.target, output.length - 1);
    field.show(number);
    const correct = showTranslation(words, output);
    blocks.show(part, off);
    offLine.textContent = off.length ? `Off: ${off.map(offTitle).join("; ")}` : "All parts are on.";
    title.textContent = titleOf(part);
    says.textContent = PARTS[kindOf(part)].says;
    rule.replaceChildren(...formula(PARTS[kindOf(part)].formula));
    showSwitches(part, off);
    const end = (morpheme) => morpheme.replace("<end>", "end").replace("<start>", "start");
    const names = {
      source: words,
      target: output.map(end),
      read: ["start", ...output.slice(0, -1).map(end)],
      vocabulary: model.get("target").map(end),
    };
    viewRow.hidden = !seen[part].heads;
    for (const each of views) each.setAttribute("aria-pressed", each.textContent === view);
    maps.replaceChildren(...picturesOf(part, view, seen, names, chosen, choose));
    spoken.say(`${words.join(" ")} becomes ${output.join(" ")}, ${correct ? "right" : "wrong"}. ${offLine.textContent}`);
    // All digits, for whoever checks them.
    el.dataset.written = JSON.stringify(output);
    el.dataset.logits = JSON.stringify(seen.logits.logits);
    const heads = Object.entries(seen).filter(([, { heads }]) => heads);
    el.dataset.heads = JSON.stringify(
      Object.fromEntries(heads.map(([name, { heads }]) => [name, heads.map(({ weights }) => weights)])));
  }
  return drawOnChange(model, traits, draw);
}

export default { render };
