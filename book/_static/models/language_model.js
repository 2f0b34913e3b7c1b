// The language model of chapter 7 in the page: it goes on writing what the reader began, and shows where its heads looked.

import { button, digits, html, namedSlider, softmax } from "../explorers/kit.js";

const BEGINNING = "The with statement is used to ";
const AT_ONCE = 60; // characters that one press of the button writes
const NAMED = 4; // of the characters looked at, in words
const VISIBLE_AS = { "\n": "⏎", " ": "␣" };

const quoted = (character) => `“${VISIBLE_AS[character] ?? character}”`;

export function run({ model, el }) {
  const { characters, longest } = model.facts;
  const known = [...characters];
  let text = []; // what stands there: { character, looks }, looks being all heads' weights, for what the model wrote
  let shown = null; // the place in `text` whose weights are shown

  const beginning = html("textarea", { rows: 3, maxlength: 2000, spellcheck: "false" });
  beginning.value = BEGINNING;
  const temperature = namedSlider({
    label: "Temperature",
    min: 0,
    max: 1.5,
    step: 0.1,
    onInput: (value) => temperature.show(value, digits(value, 1)),
  });
  temperature.show(0, "0.0");
  const start = button(`Write ${AT_ONCE} characters`, () => write([...beginning.value].map((character) => ({ character }))));
  const onward = button("Write on", () => write(text));
  const told = html("p", { class: "answer", role: "status" });
  const page = html("p", { class: "written" });
  const place = namedSlider({ label: "Character", min: 0, max: 0, step: 1, onInput: show });
  const head = html("select", { "aria-label": "layer and head" });
  head.addEventListener("change", () => show(shown));
  const sentence = html("p", { class: "sentence", "aria-live": "polite" });
  const looks = html("div", { class: "looks" }, place.element, head, sentence);
  looks.hidden = true;
  onward.hidden = true;
  el.replaceChildren(
    html("label", { class: "beginning" }, html("span", {}, "Begin a text"), beginning),
    temperature.element,
    html("div", { class: "buttons" }, start, onward),
    told,
    page,
    looks,
  );
  beginning.focus();

  async function write(before) {
    if (!before.length) {
      told.textContent = "Begin with at least one character.";
      beginning.focus();
      return;
    }
    start.disabled = onward.disabled = true;
    text = [...before];
    const first = text.length;
    const strange = [...new Set(before.map(({ character }) => character))].filter((c) => !known.includes(c));
    told.textContent = strange.length
      ? `It has never read ${strange.slice(0, 5).map(quoted).join(", ")}, and reads ${quoted(known[0])} there: it knows ` +
        "the letters without accents, digits and signs of an English keyboard."
      : "Writing …";
    try {
      for (let i = 0; i < AT_ONCE; i += 1) {
        text.push(await next(text));
        draw();
      }
      if (!strange.length) told.textContent = `It has written ${AT_ONCE} characters.`;
    } catch (error) {
      told.textContent = `The model stopped: ${error.message}`;
    }
    start.disabled = onward.disabled = false;
    onward.hidden = looks.hidden = text.length === first;
    if (text.length > first) show(first);
  }

  /** The next character, chosen as in the chapter, with the weights by which each head looked for it. */
  async function next(before) {
    const read = before.slice(-longest); // it was trained on pieces no longer than this
    const tokens = read.map(({ character }) => Math.max(known.indexOf(character), 0));
    const { logits, weights } = await model.run("next", { tokens: model.ints(tokens) });
    const [layers, heads, n] = weights.dims;
    if (!head.options.length) listHeads(layers, heads);
    const looks = Array.from({ length: layers * heads }, (_, i) => [...weights.data.slice((i * n + n - 1) * n, (i + 1) * n * n)]);
    return { character: known[choose([...logits.data], temperature.input.valueAsNumber)], looks };
  }

  function listHeads(layers, heads) {
    for (let i = 0; i < layers * heads; i += 1)
      head.append(html("option", {}, `layer ${Math.floor(i / heads) + 1}, head ${(i % heads) + 1}`));
  }

  function draw() {
    const spans = text.map(({ character, looks: written }) => html("span", written ? { class: "new" } : {}, character));
    page.replaceChildren(...spans);
  }

  /** Shade what the chosen head looked at while the model wrote that character. */
  function show(i) {
    shown = i;
    const first = text.findIndex((entry) => entry.looks);
    Object.assign(place.input, { min: first, max: text.length - 1 });
    const { character, looks: all } = text[i];
    const row = all[head.selectedIndex];
    const from = i - row.length;
    [...page.children].forEach((span, j) => {
      const weight = j >= from && j < i ? row[j - from] : 0;
      span.style.setProperty("--share", `${Math.round(100 * weight)}%`);
      span.classList.toggle("looks-from", j === i);
    });
    place.show(i, quoted(character));
    const ranked = row.map((weight, j) => ({ weight, back: row.length - j })).sort((a, b) => b.weight - a.weight);
    const list = ranked.slice(0, NAMED).map(({ weight, back }) => `${quoted(text[i - back].character)}, ${back} back: ${digits(weight)}`);
    sentence.textContent = `To write ${quoted(character)} this head looked at ${list.join("; ")}.`;
  }
}

/** At temperature 0 the likeliest, else drawn from the softmax. */
function choose(logits, temperature) {
  if (temperature === 0) return logits.indexOf(Math.max(...logits));
  let left = Math.random();
  const drawn = softmax(logits, temperature).findIndex((share) => (left -= share) < 0);
  return drawn < 0 ? logits.length - 1 : drawn;
}
