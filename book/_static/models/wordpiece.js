// Splits a text into the tokens of MiniLM, as the library's tokenizer does: it makes the text plain, splits it into words
// and signs, and each word into the longest pieces that the vocabulary holds (Schuster and Nakajima, 2012; Devlin et al.,
// 2018). Signs that are younger than Unicode 8 the library may read in another way than a browser does.

const SPECIAL = /(\[(?:PAD|UNK|CLS|SEP|MASK)\])/; // stand in a text as themselves
const LONGEST_WORD = 100; // characters; a longer word is unknown
const NOTHING = /[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu;
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
const SIGN = /([\p{P}!-/:-@[-`{-~])/gu; // punctuation, and all that ASCII has beside letters and digits

/** From the vocabulary, a list of strings, the function that gives a text's tokens: [{ id, token }, …]. */
export function wordPiece(vocabulary) {
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  const piece = (token) => ({ id: ids.get(token), token });

  /** The longest piece that begins here, and so on to the word's end; where none fits, the whole word is unknown. */
  function split(word) {
    const characters = [...word];
    if (characters.length > LONGEST_WORD) return [piece("[UNK]")];
    const pieces = [];
    for (let start = 0; start < characters.length; ) {
      let end = characters.length;
      const from = (end) => (start ? "##" : "") + characters.slice(start, end).join("");
      while (end > start && !ids.has(from(end))) end -= 1;
      if (end === start) return [piece("[UNK]")];
      pieces.push(piece(from(end)));
      start = end;
    }
    return pieces;
  }

  const read = (text) => words(text).flatMap(split);
  const tokens = (text) => text.split(SPECIAL).flatMap((part, i) => (i % 2 ? [piece(part)] : read(part)));
  return (text) => [piece("[CLS]"), ...tokens(text), piece("[SEP]")];
}

/** Small letters without accents, signs and Chinese characters apart. */
function words(text) {
  const clean = text.replace(/[\t\n\r]/g, " ").replace(NOTHING, "").replace(CHINESE, " $& ");
  const bare = clean.normalize("NFD").replace(/\p{Mn}/gu, "");
  // Letter by letter, since a browser would make the sigma that ends a word another than the others.
  const small = Array.from(bare, (character) => character.toLowerCase()).join("");
  return small.replace(SIGN, " $1 ").split(/\p{White_Space}+/u).filter(Boolean);
}
