import { askForm, body, button, digits, drawOnChange, html, svg } from "./kit.js";

const VISIBLE = 0.02; // a thinner link could not be seen
const NAMED = 0.05; // a smaller weight is not named in the sentence,
const AT_MOST = 4; // nor are more words than these

// Words that spell no number have no right translation.
const VERDICTS = new Map([
  [true, "✓ translated correctly"],
  [false, "✗ translated wrongly"],
  [null, "not a number's spelling"],
]);

// What a kernel's model is asked for. A model in the page says what else it takes.
const NUMBERS = { label: "Any number below a million", inputmode: "numeric", maxlength: 40, placeholder: "345678" };

const grouped = (number) => number.toLocaleString("en-US");

/** "hundert", or "hundert (2nd)" where the word stands more than once. */
function nameOf(words, i) {
  if (words.filter((word) => word === words[i]).length === 1) return words[i];
  const nth = words.slice(0, i + 1).filter((word) => word === words[i]).length;
  return `${words[i]} (${nth}${["th", "st", "nd", "rd"][nth] ?? "th"})`;
}

/** What is shown, in words: of one morpheme or word, its partners from the largest weight down. */
function sentence({ source, target, weights }, active) {
  if (!active) return "The thicker a link, the larger its weight. Point at a word, tap it, or use the arrow keys.";
  const { side, index } = active;
  const [words, partners] = side === "target" ? [target, source] : [source, target];
  const shares = weightsOf({ source, target, weights }, active);
  const ranked = shares.map((weight, i) => ({ weight, i })).sort((a, b) => b.weight - a.weight);
  const named = ranked.slice(0, AT_MOST).filter(({ weight }, rank) => rank === 0 || weight >= NAMED);
  const list = named.map(({ weight, i }) => `${nameOf(partners, i)}: ${digits(weight)}`).join(", ");
  if (side === "source") return `${nameOf(words, index)} is looked at by ${list}`;
  const rest = 1 - named.reduce((sum, { weight }) => sum + weight, 0); // a morpheme's weights sum to 1
  return `${nameOf(words, index)} looks at ${list}` + (rest >= 0.005 ? `; the others: ${digits(rest)} in all` : "");
}

/** The weights between one morpheme (its row) or one word (its column) and all of the other side. */
function weightsOf({ weights }, { side, index }) {
  return side === "target" ? weights[index] : weights.map((row) => row[index]);
}

function render({ model, el }) {
  const live = model.get("translates") && typeof model.send === "function"; // only a kernel's model can be asked
  let pinned = null; // what the reader tapped or moved to: { side, index }
  let pointed = null; // what a mouse passes over; it goes back to the pinned one
  let shown = null; // the example on the screen
  let listed = null; // the examples in the list
  let words = { source: [], target: [] }; // its buttons

  const select = html("select");
  select.addEventListener("change", () => {
    model.set("chosen", select.selectedIndex);
    model.save_changes();
  });
  const verdict = html("p", { class: "verdict" });
  const status = html("p", { class: "sentence", "aria-live": "polite" });
  const showAll = button("All links", () => pin(null));
  const columns = {
    source: html("div", { class: "words", role: "group", "aria-label": "input words" }),
    target: html("div", { class: "words", role: "group", "aria-label": "output morphemes" }),
  };
  const links = svg("svg", { class: "links", preserveAspectRatio: "none", "aria-hidden": "true" });

  function pin(active) {
    pinned = active;
    pointed = null;
    light();
  }

  function point(active) {
    pointed = active;
    light();
  }

  /** Light up what is pointed at or pinned, with its numbers; without either, show all links. */
  function light() {
    const active = pointed ?? pinned;
    const shares = active ? weightsOf(shown, active) : [];
    for (const [side, buttons] of Object.entries(words)) {
      buttons.forEach((word, i) => {
        const self = active?.side === side && active.index === i;
        const share = active && active.side !== side ? shares[i] : null;
        word.element.setAttribute("aria-pressed", self);
        word.number.textContent = share === null ? "" : digits(share);
        word.fill.style.inlineSize = `${100 * (share ?? 0)}%`;
        // One stop for the tab key in each column; the arrow keys walk on from there.
        word.element.tabIndex = i === (pinned?.side === side ? pinned.index : 0) ? 0 : -1;
      });
    }
    links.classList.toggle("some", active !== null);
    for (const link of links.children)
      link.classList.toggle("lit", link.dataset[active?.side] === String(active?.index));
    status.textContent = sentence(shown, active);
    showAll.style.visibility = pinned ? "visible" : "hidden"; // its room stays
  }

  /** Arrow keys: up and down along a column, left and right to the partner with the largest weight. */
  function walk(event, side, index) {
    const last = words[side].length - 1;
    const other = side === "source" ? "target" : "source";
    const to = { ArrowUp: Math.max(index - 1, 0), ArrowDown: Math.min(index + 1, last), Home: 0, End: last }[
      event.key
    ];
    if (to !== undefined) words[side][to].element.focus();
    else if (event.key === (side === "source" ? "ArrowRight" : "ArrowLeft")) {
      const shares = weightsOf(shown, { side, index });
      words[other][shares.indexOf(Math.max(...shares))].element.focus();
    } else if (event.key === "Escape") pin(null);
    else return;
    event.preventDefault();
  }

  function makeWord(text, side, index) {
    const word = { fill: html("span", { class: "fill" }), number: html("span", { class: "number" }) };
    word.element = button("", () => pin({ side, index }));
    word.element.append(word.fill, html("span", { class: "text" }, text), word.number);
    word.element.addEventListener("focus", () => pin({ side, index }));
    word.element.addEventListener("keydown", (event) => walk(event, side, index));
    // A finger's touch is a tap, never a passing over.
    word.element.addEventListener(
      "pointerenter",
      (event) => event.pointerType === "mouse" && point({ side, index }),
    );
    word.element.addEventListener("pointerleave", () => point(null));
    return word;
  }

  function makeLinks({ source, target, weights }) {
    const height = Math.max(source.length, target.length);
    const y = (count, i) => (height - count) / 2 + i + 0.5; // the shorter column stands in the middle
    links.setAttribute("viewBox", `0 0 100 ${height}`);
    links.style.blockSize = `${2.75 * height}rem`; // as high as that many words
    const paths = weights.flatMap((row, j) =>
      row.map((weight, i) => {
        const [from, to] = [y(source.length, i), y(target.length, j)];
        const path = svg("path", {
          d: `M0,${from} C50,${from} 50,${to} 100,${to}`,
          "data-source": i,
          "data-target": j,
        });
        path.style.strokeWidth = `${1 + 5 * weight}px`;
        path.style.strokeOpacity = weight;
        return weight < VISIBLE ? null : path;
      }),
    );
    links.replaceChildren(...paths.filter(Boolean));
  }

  const form = live
    ? askForm(model, {
        what: "number",
        action: "Translate",
        ...(model.get("ask") ?? NUMBERS),
      })
    : null;
  const note = "In a running notebook you can type any number below a million here, and the model translates it.";
  const side = [
    html("label", { class: "choose" }, html("span", {}, "Number"), select),
    html("div", { class: "verdict-row" }, verdict, showAll),
    status,
  ];
  if (live) side.push(form.element);
  else if (model.get("translates")) side.push(html("p", { class: "remark" }, note));
  const headings = html("div", { class: "headings", "aria-hidden": "true" });
  headings.append(html("span", {}, "input"), html("span"), html("span", {}, "output"));
  body(
    el,
    html(
      "div",
      { class: "alignment" },
      html("div", { class: "panel" }, ...side),
      html(
        "div",
        { class: "diagram" },
        headings,
        html("div", { class: "pairs" }, columns.source, links, columns.target),
      ),
    ),
  );

  function draw() {
    const examples = model.get("examples");
    const chosen = Math.min(model.get("chosen"), examples.length - 1);
    if (examples !== listed) {
      const names = examples.map(({ number, correct }) => grouped(number) + (correct === false ? " (wrong)" : ""));
      select.replaceChildren(...names.map((name) => html("option", {}, name)));
      listed = examples;
    }
    select.selectedIndex = chosen;
    if (examples[chosen] === shown) return;
    shown = examples[chosen];
    verdict.textContent = VERDICTS.get(shown.correct);
    verdict.classList.toggle("wrong", shown.correct === false);
    for (const [name, column] of Object.entries(columns)) {
      words[name] = shown[name].map((text, i) => makeWord(text, name, i));
      column.replaceChildren(...words[name].map((word) => word.element));
    }
    makeLinks(shown);
    pin(null);
  }
  const stop = drawOnChange(model, ["examples", "chosen"], draw);
  return () => {
    stop();
    form?.close();
  };
}

export default { render };
