import { announcer, bar, body, button, change, digits, drawOnChange, html, namedSlider } from "./kit.js";

const MOST_WORDS = 12;

/** What the last state holds of each of n words. To the second reader, from the end, the last word comes first. */
function sharesOf(n, keep, bothWays) {
  const shares = Array.from({ length: n }, (_, j) => (1 - keep) * keep ** (n - 1 - j));
  return bothWays ? shares.map((share, j) => (share + shares[n - 1 - j]) / 2) : shares;
}

/** 50%, 12.5%, 3.13%, < 0.01%: two decimals at most. A tie is rounded up, whatever its last bit. */
function percent(share) {
  return share < 0.00005 ? "< 0.01%" : `${Number((100 * share + 1e-9).toFixed(2))}%`;
}

/** What is left of the word that has least: the first one, or both ways those in the middle. */
function leastLeft(words, shares, bothWays) {
  const quoted = (word) => `“${word}”`;
  const middle = Math.floor((words.length - 1) / 2);
  const left = percent(shares[bothWays ? middle : 0]).replace("<", "less than");
  if (!bothWays || words.length === 1) return `Of ${quoted(words[0])} ${left} is left.`;
  if (words.length === 2) return `Of each word ${left} is left.`;
  if (words.length % 2) return `Of ${quoted(words[middle])}, the word in the middle, ${left} is left.`;
  const pair = words.slice(middle, middle + 2).map(quoted).join(" and ");
  return `Of ${pair}, the words in the middle, ${left} each is left.`;
}

/** One row a word: its name, a bar, its share. */
function makeRow(kind) {
  const [name, share, number] = [html("span"), bar(), html("span", { class: "number" })];
  const element = html("div", { class: kind }, name, share.element, number);
  const show = (text, part) => {
    name.textContent = text;
    share.show(part);
    number.textContent = percent(part);
  };
  return { element, show };
}

function render({ model, el }) {
  const start = Object.fromEntries(["words", "keep", "both_ways"].map((trait) => [trait, model.get(trait)]));
  const words = namedSlider({
    label: "words",
    min: 1,
    max: MOST_WORDS,
    step: 1,
    onInput: (x) => change(model, { words: x }),
  });
  const keep = namedSlider({
    label: "keep",
    min: 0.05,
    max: 0.95,
    step: 0.05,
    onInput: (x) => change(model, { keep: x }),
  });
  const oneWay = button("One way", () => change(model, { both_ways: false }));
  const bothWays = button("Both ways", () => change(model, { both_ways: true }));
  const rows = Array.from({ length: MOST_WORDS }, () => makeRow("share-row"));
  const empty = makeRow("share-row empty");
  const result = html("p", { class: "result" });
  const spoken = announcer();

  body(
    el,
    html(
      "div",
      { class: "fading-memory" },
      html(
        "div",
        { class: "controls" },
        words.element,
        keep.element,
        html(
          "p",
          { class: "remark" },
          "At each word: state = keep · state + (1\u00a0−\u00a0keep)\u00a0·\u00a0word. Both ways: a second reader " +
            "comes from the end, and each has half of the state.",
        ),
        html("div", { class: "buttons" }, button("Reset", () => change(model, start))),
        result,
      ),
      html(
        "div",
        { class: "memory" },
        html(
          "div",
          { class: "heading" },
          html("span", {}, "share of the state"),
          html("div", { class: "choice", role: "group", "aria-label": "direction" }, oneWay, bothWays),
        ),
        html("div", { class: "rows" }, ...rows.map((row) => row.element), empty.element),
      ),
      spoken.element,
    ),
  );

  function draw() {
    const [n, kept, both] = ["words", "keep", "both_ways"].map((trait) => model.get(trait));
    const sentence = model.get("sentence");
    const read = sentence.slice(0, n);
    const shares = sharesOf(n, kept, both);
    words.input.max = sentence.length;
    words.show(n, String(n));
    keep.show(kept, digits(kept));
    oneWay.setAttribute("aria-pressed", !both);
    bothWays.setAttribute("aria-pressed", both);
    rows.forEach((row, j) => {
      row.element.hidden = j >= n; // not taken away: a bar that stays moves smoothly
      if (j < n) row.show(read[j], shares[j]);
    });
    empty.show("empty start", kept ** n);
    result.textContent = leastLeft(read, shares, both);
    spoken.say(result.textContent);
    el.dataset.shares = JSON.stringify(shares); // all digits, for whoever checks them
    el.dataset.empty = JSON.stringify(kept ** n);
  }
  return drawOnChange(model, ["words", "keep", "both_ways", "sentence"], draw);
}

export default { render };
