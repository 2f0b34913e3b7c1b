// Numbers below a billion in English words, as the translator reads them, and in German morphemes, as it should write
// them. The library asks num2words (attnbook.data.number_words); a test compares the two.

const ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(" ");
const TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
const EINER = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split(" ");
const ZEHNER = "- zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split(" ");
const STEMS = { 6: "sech", 7: "sieb" }; // of sechzehn and siebzehn

/** The three groups of three digits: millions, thousands, ones. */
const groups = (number) => [Math.floor(number / 1e6), Math.floor(number / 1e3) % 1e3, number % 1e3];

/** English words, without "and". */
export function inWords(number) {
  if (number === 0) return [ONES[0]];
  const scales = ["million", "thousand"];
  return groups(number).flatMap((group, i) => (group ? [...englishGroup(group), ...scales.slice(i, i + 1)] : []));
}

function englishGroup(group) {
  const [hundreds, rest] = [Math.floor(group / 100), group % 100];
  const words = hundreds ? [ONES[hundreds], "hundred"] : [];
  if (rest >= 20) words.push(TENS[Math.floor(rest / 10)], ...(rest % 10 ? [ONES[rest % 10]] : []));
  else if (rest) words.push(ONES[rest]);
  return words;
}

/** German morphemes. */
export function german(number) {
  if (number === 0) return [EINER[0]];
  const [millions, thousands, ones] = groups(number);
  return [
    ...(millions === 1 ? ["eine", "million"] : millions ? [...germanGroup(millions, true), "millionen"] : []),
    ...(thousands ? [...germanGroup(thousands, thousands > 1), "tausend"] : []),
    ...(ones ? germanGroup(ones, true) : []),
  ];
}

/** A one at the end is "eins", and "ein" before "tausend". */
function germanGroup(group, alone) {
  const [hundreds, rest] = [Math.floor(group / 100), group % 100];
  const [ten, one] = [Math.floor(rest / 10), rest % 10];
  const words = hundreds ? [EINER[hundreds], "hundert"] : [];
  if (rest === 1) words.push(alone ? "eins" : "ein");
  else if (rest && rest <= 12) words.push(EINER[rest]);
  else if (rest && rest < 20) words.push(STEMS[one] ?? EINER[one], "zehn");
  else if (rest) words.push(...(one ? [EINER[one], "und"] : []), ZEHNER[ten]);
  return words;
}
