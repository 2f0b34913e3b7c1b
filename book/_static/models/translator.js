// The translator of chapter 2 in the page: it answers what the reader types into the alignment explorer.

import { german, inWords } from "./number_words.js";

const START = "<start>";
const END = "<end>";

/** Give the explorer above a model that it can ask, and say so here. */
export async function run({ model, el, explorer }) {
  const { source, target, longest, max_length: maxLength, largest } = model.facts;
  await explorer(async ({ number: text }, state) => {
    const { words, number } = read(text, { source, longest, largest });
    const { morphemes, weights } = await translate(model, words);
    if (!morphemes.length) throw new Error("The model ends at once: it writes nothing for this.");
    const example = {
      number: number ?? words.join(" "),
      source: words,
      target: morphemes,
      weights,
      correct: number === null ? null : german(number).join(" ") === morphemes.join(" "),
    };
    state.set("examples", [...state.get("examples"), example]);
    state.set("chosen", state.get("examples").length - 1);
  }, { ask: { label: "A number, in digits or in English words", maxlength: 400, placeholder: "five hundred" } });
  return "The model is in the explorer above: type into its field.";

  async function translate(model, words) {
    const places = Array.from({ length: longest }, (_, i) => (i < words.length ? source.indexOf(words[i]) : 0));
    const tokens = model.ints(places, [1, longest]);
    const { states, hidden } = await model.run("encode", { source: tokens });
    const [morphemes, weights] = [[], []];
    let [token, state] = [target.indexOf(START), hidden];
    // Greedily, as `Seq2Seq.translate`: the likeliest token at each step is read at the next.
    for (let i = 0; i < maxLength; i += 1) {
      const step = await model.run("write", { token: model.ints([token], [1, 1]), hidden: state, states, source: tokens });
      token = likeliest(step.logits.data);
      if (target[token] === END) break;
      morphemes.push(target[token]);
      weights.push([...step.weights.data.slice(0, words.length)]);
      state = step.last;
    }
    return { morphemes, weights };
  }
}

const likeliest = (logits) => logits.indexOf(Math.max(...logits));

/** What the reader typed as English words that the model knows, and as a number if it is one. */
function read(text, { source, longest, largest }) {
  const known = source.filter((word) => !word.startsWith("<"));
  const trimmed = text.trim().toLowerCase();
  if (!trimmed) throw new Error("Type a number, such as 345,678, or words, such as three hundred forty five.");
  if (/^[-−+]?[0-9]*[.]?[0-9]+$/.test(trimmed) && !/^[0-9]+$/.test(trimmed))
    throw new Error(`Type a whole number from 0 to ${largest.toLocaleString("en-US")}.`);
  if (/^[0-9][0-9,_' ]*$/.test(trimmed)) {
    const number = Number(trimmed.replace(/[^0-9]/g, ""));
    if (number > largest)
      throw new Error(`The model knows numbers up to ${largest.toLocaleString("en-US")}, and this one is larger.`);
    return { words: inWords(number), number };
  }
  const words = trimmed.split(/[^\p{L}\p{N}'.]+/u).filter((word) => word && word !== "and");
  const unknown = [...new Set(words.filter((word) => !known.includes(word)))];
  if (unknown.length || !words.length) {
    const which = unknown.map((word) => `“${word.slice(0, 20)}”`).slice(0, 5).join(", ");
    throw new Error(`The model does not know ${which || "that"}. It has read numbers alone. Its words are ${known.join(", ")}.`);
  }
  if (words.length > longest) throw new Error(`Type at most ${longest} words; these are ${words.length}.`);
  return { words, number: numberOf(words, largest) };
}

/** The number that is spelled so, or null: "five hundred hundred" is none. */
function numberOf(words, largest) {
  const values = Object.fromEntries([...Array(20).keys(), 20, 30, 40, 50, 60, 70, 80, 90].map((n) => [inWords(n)[0], n]));
  let [sum, group] = [0, 0];
  for (const word of words) {
    const scale = { thousand: 1e3, million: 1e6 }[word];
    if (scale) [sum, group] = [sum + group * scale, 0];
    else if (word === "hundred") group *= 100;
    else group += values[word];
  }
  const number = sum + group;
  return number <= largest && inWords(number).join(" ") === words.join(" ") ? number : null;
}
