// MiniLM of chapter 6 in the page: it reads the sentence that the reader typed, and the explorer shows its heads.

import { wordPiece } from "./wordpiece.js";

export async function run({ model, explorer }) {
  const { vocabulary, longest } = model.facts;
  const tokenize = wordPiece(vocabulary);
  await explorer(async ({ text: typed }, state) => {
    const text = typed.trim().replace(/\s+/g, " ");
    if (!text) throw new Error("Type a sentence, such as: The cat sat on the mat because it was tired.");
    const sentences = state.get("sentences");
    const known = sentences.findIndex((sentence) => sentence.text === text);
    if (known < 0) state.set("sentences", [...sentences, await read(text)]);
    state.set("chosen", known < 0 ? sentences.length : known);
  });
  return "The model is in the explorer above: type into its field.";

  async function read(text) {
    const tokens = tokenize(text);
    const n = tokens.length;
    if (n > longest) throw new Error(`A sentence should have at most ${longest} tokens, and this one has ${n}.`);
    const { weights } = await model.run("read", { tokens: model.ints(tokens.map(({ id }) => id), [1, n]) });
    return { text, tokens: tokens.map(({ token }) => token), weights: weights.data };
  }
}
