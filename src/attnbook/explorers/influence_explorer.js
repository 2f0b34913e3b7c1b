import { announcer, bar, body, button, change, digits, drawOnChange, html } from "./kit.js";

const INSIDE = ["weights", "weights × norms", "rollout"]; // read off the attention; the others off the output

/** Each word's share of a measure's magnitude. */
function shares(numbers) {
  const sizes = numbers.map(Math.abs);
  const total = Math.max(
    sizes.reduce((sum, x) => sum + x, 0),
    1e-12,
  );
  return sizes.map((x) => x / total);
}

/** Kendall's τ: pairs in the same order less pairs in opposite orders, as a share of the pairs that have an order. */
function kendall(a, b) {
  let [sum, inA, inB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++)
    for (let j = i + 1; j < a.length; j++) {
      const [one, other] = [Math.sign(a[i] - a[j]), Math.sign(b[i] - b[j])];
      sum += one * other;
      inA += Math.abs(one);
      inB += Math.abs(other);
    }
  return inA && inB ? sum / Math.sqrt(inA * inB) : 0;
}

const isGone = (gone, i) => (gone >> i) % 2 === 1;
const best = (numbers) => numbers.indexOf(Math.max(...numbers));

/** A choice from a list; `show` gives it its options and the chosen one. */
function choice(label, onChange) {
  const select = html("select", { "aria-label": label });
  select.addEventListener("change", () => onChange(select.selectedIndex));
  const show = (names, chosen) => {
    if ([...select.options].map((option) => option.text).join("\n") !== names.join("\n"))
      select.replaceChildren(...names.map((name) => html("option", {}, name)));
    select.selectedIndex = chosen;
  };
  return { element: select, show };
}

/** One word between its two bars. */
function makeRow(onTap) {
  const side = (name) => {
    const number = html("span", { class: "number" });
    const fill = bar();
    fill.element.append(number);
    fill.element.classList.add(name);
    return { element: fill.element, show: fill.show, number };
  };
  const [left, right] = [side("left"), side("right")];
  const word = button("", onTap);
  const show = ({ text, guessing, gone, values }) => {
    word.textContent = text;
    word.setAttribute("aria-pressed", gone);
    word.classList.toggle("gone", gone);
    [left, right].forEach((one, s) => {
      one.element.classList.toggle("hidden", guessing);
      one.element.classList.toggle("inside", values[s].inside);
      one.element.classList.toggle("against", values[s].signed < 0);
      one.show(guessing ? 0 : values[s].share);
      one.number.textContent = guessing ? "?" : digits(values[s].share * (values[s].signed < 0 ? -1 : 1));
    });
  };
  return { elements: [left.element, word, right.element], show };
}

function render({ model, el }) {
  const current = () => {
    const example = model.get("examples")[model.get("chosen")];
    const names = Object.keys(example.measures);
    const index = (name, other) => (names.includes(name) ? names.indexOf(name) : other);
    const sides = [index(model.get("left"), 0), index(model.get("right"), names.length - 1)];
    const n = example.tokens.length;
    return { example, names, sides, n, gone: model.get("gone") % 2 ** n, guess: model.get("guess") };
  };
  const sentence = choice("Sentence", (i) => change(model, { gone: 0, guess: -1, chosen: i }));
  const measures = ["left", "right"].map((side) =>
    choice(`${side} measure`, (i) => change(model, { [side]: current().names[i] })),
  );
  const tap = (i) => {
    const { guess, gone } = current();
    change(model, guess < 0 ? { guess: i } : { gone: gone ^ (1 << i) });
  };
  const topOf = (s) => () => {
    const { example, names, sides, n, gone } = current();
    const sizes = shares(example.measures[names[sides[s]]]).map((x, i) => (isGone(gone, i) ? -1 : x));
    if (gone !== 2 ** n - 1) change(model, { gone: gone | (1 << best(sizes)) });
  };
  const rows = Array.from({ length: 8 }, (_, i) => makeRow(() => tap(i)));
  const grid = html("div", { class: "rows", role: "group", "aria-label": "words" });
  const task = html("p", { class: "task" });
  const verdict = html("p", { class: "remark" });
  const outputName = html("span", {});
  const outputNumber = html("span", { class: "number" });
  const outputBar = bar();
  const top = [button("Take out its top word", topOf(0)), button("Take out its top word", topOf(1))];
  top.forEach((one, s) => one.setAttribute("aria-label", `Take out the ${["left", "right"][s]} measure's top word`));
  const skip = button("Show without a guess", () => change(model, { guess: current().n }));
  const back = button("All words back", () => change(model, { gone: 0 }));
  const again = button("Guess again", () => change(model, { gone: 0, guess: -1 }));
  const spoken = announcer();
  body(
    el,
    html(
      "div",
      { class: "influence" },
      html("label", { class: "choose" }, html("span", {}, "Sentence"), sentence.element),
      task,
      html("div", { class: "heads" }, measures[0].element, html("span", {}), measures[1].element),
      grid,
      html("div", { class: "heads" }, top[0], html("span", {}), top[1]),
      html("div", { class: "result" }, outputName, outputNumber, outputBar.element),
      verdict,
      html("div", { class: "buttons" }, skip, back, again),
      spoken.element,
    ),
  );

  function say({ example, n, gone, guess, names, sides }) {
    if (guess < 0) return "Guess first: which word changes the output most when it is taken out? Tap it.";
    const single = example.tokens.map((_, i) => Math.abs(example.outputs[0] - example.outputs[1 << i]));
    const word = (i) => `“${example.tokens[i]}”`;
    if (gone) {
      const out = example.tokens.filter((_, i) => isGone(gone, i)).join(", ");
      return `Taken out: ${out}. Tap a word to take it out or to put it back.`;
    }
    const truth = `Without ${word(best(single))} the output changes most, by ${digits(single[best(single)])}.`;
    const yours = guess === n ? "" : guess === best(single) ? " You guessed it." : ` You guessed ${word(guess)}.`;
    const tops = sides.map((s) => word(best(shares(example.measures[names[s]]))));
    return `${truth}${yours} Largest bar on the left: ${tops[0]}; on the right: ${tops[1]}.`;
  }

  function draw() {
    const now = current();
    const { example, names, sides, n, gone, guess } = now;
    const guessing = guess < 0;
    sentence.show(
      model.get("examples").map(({ name }) => name),
      model.get("chosen"),
    );
    measures.forEach((one, s) => one.show(names, sides[s]));
    const parts = sides.map((s) => shares(example.measures[names[s]]));
    if (grid.childElementCount !== 3 * n)
      grid.replaceChildren(...rows.slice(0, n).flatMap((row) => row.elements));
    example.tokens.forEach((text, i) =>
      rows[i].show({
        text,
        guessing,
        gone: isGone(gone, i),
        values: sides.map((s, side) => ({
          share: parts[side][i],
          signed: example.measures[names[s]][i],
          inside: INSIDE.includes(names[s]),
        })),
      }),
    );
    const tau = kendall(...parts);
    const overlap = parts[0].reduce((sum, x, i) => sum + Math.min(x, parts[1][i]), 0);
    const output = example.outputs[gone];
    outputName.textContent = example.output;
    outputNumber.textContent = digits(output);
    outputBar.show(Math.max(0, output));
    verdict.textContent = guessing
      ? "The bars come after your guess."
      : `Order of the two: τ = ${digits(tau)} (1 the same, 0 unrelated). Their bars overlap by ${Math.round(100 * overlap)}%.`;
    task.textContent = say(now);
    for (const one of [...top, back, again]) one.disabled = guessing;
    skip.disabled = !guessing;
    spoken.say(`${task.textContent} ${example.output}: ${digits(output)}. ${verdict.textContent}`);
    el.dataset.shares = JSON.stringify(parts); // all digits, for whoever checks them
    el.dataset.numbers = JSON.stringify({ tau, overlap, output });
  }
  return drawOnChange(model, ["examples", "chosen", "left", "right", "gone", "guess"], draw);
}

export default { render };
