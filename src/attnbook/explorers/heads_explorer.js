import { askForm, bar, body, button, change, digits, drawOnChange, html, svg } from "./kit.js";

const WHOLE = 65535; // a weight of 1, as the state holds it
const VISIBLE = 0.02; // a fainter line could not be seen
const NAMED = 0.05; // a smaller weight is not named in the sentence,
const AT_MOST = 4; // nor are more tokens than these

// What a pattern is called where heads are sorted by it, and in the chosen head's list.
const PATTERNS = {
  previous: "the previous token",
  next: "the next token",
  self: "itself",
  "same word": "the same word elsewhere",
  "[CLS]": "[CLS]",
  "[SEP] and stops": "[SEP], full stops, commas",
};

// Sentence, layer, head, and the token whose row is shown: what the chapter tells of, ready to be looked at.
const SCENES = {
  "The anecdote": [0, 6, 12, 8],
  "Who is he?": [1, 2, 4, 7],
  "Who is she?": [2, 2, 4, 7],
  "Next token": [3, 2, 9, 3],
  "Its noun": [3, 4, 2, 3],
  "Token before": [4, 1, 3, 6],
};

/** The weights of all heads, in the order layer, head, query, key, from 0 to 1; a model in the page gives numbers. */
function decode(text) {
  if (typeof text !== "string") return text;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true) / WHOLE);
}

/** "the", or "the (2nd)" where the token stands more than once. */
function nameOf(tokens, i) {
  if (tokens.filter((token) => token === tokens[i]).length === 1) return tokens[i];
  const nth = tokens.slice(0, i + 1).filter((token) => token === tokens[i]).length;
  return `${tokens[i]} (${nth}${["th", "st", "nd", "rd"][nth] ?? "th"})`;
}

/** What is shown, in words: of one token its partners, from the largest weight down. */
function sentence(tokens, rows, active) {
  if (!active)
    return `${tokens.length} tokens. The stronger a line, the larger its weight. Choose a token to see its own weights.`;
  const { side, index } = active;
  const shares = side === "query" ? rows[index] : rows.map((row) => row[index]);
  const ranked = shares.map((weight, i) => ({ weight, i })).sort((a, b) => b.weight - a.weight);
  const named = ranked.slice(0, AT_MOST).filter(({ weight }, rank) => rank === 0 || weight >= NAMED);
  const list = named.map(({ weight, i }) => `${nameOf(tokens, i)}: ${digits(weight)}`).join(", ");
  if (side === "key") return `${nameOf(tokens, index)} is looked at by ${list}`;
  const rest = 1 - named.reduce((sum, { weight }) => sum + weight, 0);
  return `${nameOf(tokens, index)} looks at ${list}` + (rest >= 0.005 ? `; the others: ${digits(rest)} in all` : "");
}

function render({ model, el }) {
  const live = typeof model.send === "function"; // only a kernel's model can be asked
  const [layers, heads] = [model.get("layers"), model.get("heads")];
  const names = Array.from({ length: layers * heads }, (_, i) => [Math.floor(i / heads) + 1, (i % heads) + 1]);
  let weights; // of the chosen sentence, all heads
  let tokens = [];
  let rows = []; // of the chosen head
  let drawn = null; // the sentence on the small maps
  let active = null; // the token that is chosen: { side, index }

  // The model view: a button for each head, its map a canvas with one pixel a weight.
  const grid = html("div", { class: "grid", role: "group", "aria-label": "all heads" });
  const cells = names.map(([layer, head]) => {
    const canvas = html("canvas", { "aria-hidden": "true" });
    const share = html("span", { class: "share" });
    const label = html("span", { class: "label" }, `${layer}.${head}`);
    const element = html("button", { type: "button" }, canvas, label, share);
    element.addEventListener("click", () => change(model, { layer, head }));
    element.addEventListener("keydown", walkGrid);
    return { element, canvas, share };
  });
  const select = html("select", { "aria-label": "sentence" });
  select.addEventListener("change", () => change(model, { chosen: select.selectedIndex }));
  const sort = html("select", { "aria-label": "sort heads" });
  sort.append(
    html("option", { value: "layer" }, "layer and head"),
    ...Object.entries(PATTERNS).map(([value, text]) => html("option", { value }, `weight on ${text}`)),
  );
  sort.addEventListener("change", () => change(model, { order: sort.value }));

  // The head view: who looks on the left, who is looked at on the right, lines between.
  const title = html("p", { class: "title" });
  const measured = Object.entries(PATTERNS).map(([pattern, text]) => {
    const share = bar();
    const number = html("span", { class: "number" });
    const row = html("div", { class: "measure" }, html("span", {}, text), share.element, number);
    return { pattern, share, number, row };
  });
  const columns = {
    query: html("div", { class: "words", role: "group", "aria-label": "tokens that look" }),
    key: html("div", { class: "words", role: "group", "aria-label": "tokens looked at" }),
  };
  const lines = svg("svg", { class: "lines", preserveAspectRatio: "none", "aria-hidden": "true" });
  const status = html("p", { class: "sentence", "aria-live": "polite" });
  let words = { query: [], key: [] };

  /** Arrow keys move from map to map, in the order in which they stand. */
  function walkGrid(event) {
    const shown = [...grid.children];
    const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    const to = shown[shown.indexOf(event.currentTarget) + step];
    if (step === undefined) return;
    event.preventDefault();
    to?.focus();
    to?.click();
  }

  /** Arrow keys move up and down a column of tokens, and across to the other column. */
  function walkWords(event, side, index) {
    const last = tokens.length - 1;
    const other = side === "query" ? "key" : "query";
    const to = { ArrowUp: Math.max(index - 1, 0), ArrowDown: Math.min(index + 1, last), Home: 0, End: last }[
      event.key
    ];
    if (to !== undefined) words[side][to].element.focus();
    else if (event.key === (side === "query" ? "ArrowRight" : "ArrowLeft")) words[other][index].element.focus();
    else if (event.key === "Escape") pin(null);
    else return;
    event.preventDefault();
  }

  function pin(token) {
    active = token;
    light();
  }

  function makeWord(text, side, index) {
    const word = { fill: html("span", { class: "fill" }), number: html("span", { class: "number" }) };
    word.element = button("", () => pin({ side, index }));
    word.element.append(word.fill, html("span", { class: "text" }, text), word.number);
    word.element.addEventListener("focus", () => pin({ side, index }));
    word.element.addEventListener("keydown", (event) => walkWords(event, side, index));
    return word;
  }

  function drawSentence(shown) {
    drawn = shown;
    active = null; // a token of the sentence before
    tokens = shown.tokens;
    weights = decode(shown.weights);
    for (const [side, column] of Object.entries(columns)) {
      words[side] = tokens.map((text, i) => makeWord(text, side, i));
      column.replaceChildren(...words[side].map((word) => word.element));
    }
    lines.setAttribute("viewBox", `0 0 100 ${tokens.length}`);
    lines.style.blockSize = `${2.75 * tokens.length}rem`; // as high as that many words
    drawMaps();
  }

  /** Every weight is a pixel: the colour of weights, as dense as the weight is large. */
  function drawMaps() {
    const n = tokens.length;
    const color = getComputedStyle(lines).color.match(/[\d.]+/g)?.map(Number);
    if (!color) return; // not on the page yet: whoever watches will call again
    cells.forEach(({ canvas }, i) => {
      canvas.width = canvas.height = n;
      const image = new ImageData(n, n);
      for (let pixel = 0; pixel < n * n; pixel += 1) {
        image.data.set([...color.slice(0, 3), Math.round(255 * weights[i * n * n + pixel])], 4 * pixel);
      }
      // So few pixels are no work for a graphics card: 72 small canvases stay in plain memory.
      canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    });
  }

  function drawHead(layer, head) {
    const n = tokens.length;
    const start = ((layer - 1) * heads + head - 1) * n * n;
    rows = tokens.map((_, i) => [...weights.slice(start + i * n, start + (i + 1) * n)]);
    const paths = rows.flatMap((row, i) =>
      row.map((weight, j) => {
        if (weight < VISIBLE) return null;
        const path = svg("path", {
          d: `M0,${i + 0.5} C50,${i + 0.5} 50,${j + 0.5} 100,${j + 0.5}`,
          "data-query": i,
          "data-key": j,
        });
        path.style.strokeWidth = `${1 + 3 * weight}px`;
        path.style.strokeOpacity = weight;
        return path;
      }),
    );
    lines.replaceChildren(...paths.filter(Boolean));
    title.textContent = `Layer ${layer}, head ${head}: over 60 sentences, its weight goes to`;
    const measures = model.get("shares");
    for (const { pattern, share, number } of measured) {
      const value = measures[pattern][(layer - 1) * heads + head - 1];
      share.show(value);
      number.textContent = digits(value);
    }
    el.dataset.weights = JSON.stringify(rows);
  }

  /** The heads in their order; the chosen one is pressed, and the only stop for the tab key. */
  function drawGrid(layer, head, order) {
    const chosen = (layer - 1) * heads + head - 1;
    const measure = model.get("shares")[order];
    const ranked = names.map((_, i) => i);
    if (measure) ranked.sort((a, b) => measure[b] - measure[a]);
    if ([...grid.children].some((element, i) => element !== cells[ranked[i]].element) || !grid.children.length) {
      const focused = grid.contains(document.activeElement) ? document.activeElement : null;
      grid.replaceChildren(...ranked.map((i) => cells[i].element));
      focused?.focus();
    }
    cells.forEach(({ element, share }, i) => {
      const name = names[i].join(".");
      element.setAttribute("aria-pressed", i === chosen);
      element.tabIndex = i === chosen ? 0 : -1;
      element.setAttribute("aria-label", `head ${name}` + (measure ? `, ${digits(measure[i])}` : ""));
      share.textContent = measure ? digits(measure[i]) : "";
    });
  }

  /** Light up the chosen token with its numbers; without one, show all lines. */
  function light() {
    const shares = active && (active.side === "query" ? rows[active.index] : rows.map((row) => row[active.index]));
    for (const [side, buttons] of Object.entries(words)) {
      buttons.forEach((word, i) => {
        const self = active?.side === side && active.index === i;
        const share = active && active.side !== side ? shares[i] : null;
        word.element.setAttribute("aria-pressed", self);
        word.number.textContent = share === null ? "" : digits(share);
        word.fill.style.inlineSize = `${100 * (share ?? 0)}%`;
        word.element.tabIndex = i === (active?.side === side ? active.index : 0) ? 0 : -1;
      });
    }
    lines.classList.toggle("some", active !== null);
    for (const line of lines.children)
      line.classList.toggle("lit", line.dataset[active?.side] === String(active?.index));
    status.textContent = sentence(tokens, rows, active);
  }

  function draw() {
    const sentences = model.get("sentences");
    const shown = sentences[Math.min(model.get("chosen"), sentences.length - 1)];
    if (select.options.length !== sentences.length)
      select.replaceChildren(...sentences.map(({ text }) => html("option", {}, text)));
    select.selectedIndex = sentences.indexOf(shown);
    sort.value = model.get("order");
    const [layer, head] = [model.get("layer"), model.get("head")];
    if (shown !== drawn) drawSentence(shown);
    drawGrid(layer, head, model.get("order"));
    drawHead(layer, head);
    light();
  }

  const first = { chosen: model.get("chosen"), layer: model.get("layer"), head: model.get("head"), order: model.get("order") };
  const scenes = Object.entries(SCENES)
    .filter(([, [chosen, layer, head]]) => chosen < model.get("sentences").length && layer <= layers && head <= heads)
    .map(([text, [chosen, layer, head, index]]) =>
      button(text, () => {
        change(model, { chosen, layer, head });
        pin({ side: "query", index });
      }),
    );
  const reset = button("Reset", () => {
    active = null;
    change(model, first);
  });
  const form = live ? askForm(model, { what: "text", label: "Any sentence", action: "Read", maxlength: 200 }) : null;
  const note = "In a running notebook you can type any sentence here, and the model reads it.";
  body(
    el,
    html(
      "div",
      { class: "heads-explorer" },
      html(
        "div",
        { class: "settings" },
        html("label", { class: "choose" }, html("span", {}, "Sentence"), select),
        html("label", { class: "choose" }, html("span", {}, "Sort by"), sort),
      ),
      html("div", { class: "buttons" }, ...scenes, reset),
      grid,
      html(
        "div",
        { class: "panel" },
        title,
        ...measured.map(({ row }) => row),
        status,
        button("All lines", () => pin(null)),
        form?.element ?? html("p", { class: "remark" }, note),
      ),
      html(
        "div",
        { class: "diagram" },
        html("div", { class: "headings", "aria-hidden": "true" }, html("span", {}, "looks"), html("span"), html("span", {}, "is looked at")),
        html("div", { class: "pairs" }, columns.query, lines, columns.key),
      ),
    ),
  );
  const stop = drawOnChange(model, ["sentences", "chosen", "layer", "head", "order"], draw);
  const stopWatching = onColors(grid, drawMaps);
  return () => {
    stop();
    stopWatching();
    form?.close();
  };
}

/** Call when the element comes onto the page, and whenever light turns to dark or back: a canvas keeps its colours. */
function onColors(element, call) {
  const sizes = new ResizeObserver(call);
  sizes.observe(element);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", call);
  const themes = new MutationObserver(call);
  const attributeFilter = ["data-theme", "theme", "data-jp-theme-light"];
  for (const root of [document.documentElement, document.body]) themes.observe(root, { attributeFilter });
  return () => {
    sizes.disconnect();
    system.removeEventListener("change", call);
    themes.disconnect();
  };
}

export default { render };
