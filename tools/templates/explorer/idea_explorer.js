import { announcer, bar, body, button, change, digits, drawOnChange, html, namedSlider, softmax } from "./kit.js";

const KEYS = ["this key", "that key"];

function keyRow(name) {
  const [share, number] = [bar(), html("span", { class: "number" })];
  const element = html("div", { class: "weight-row" }, html("span", {}, name), share.element, number);
  const show = (weight) => {
    share.show(weight);
    number.textContent = digits(weight);
  };
  return { element, show };
}

function render({ model, el }) {
  const start = model.get("difference");
  const difference = namedSlider({
    label: "difference",
    min: -4,
    max: 4,
    step: 0.1,
    onInput: (x) => change(model, { difference: x }),
  });
  const rows = KEYS.map(keyRow);
  const spoken = announcer();

  body(
    el,
    html(
      "div",
      { class: "idea" },
      difference.element,
      html("div", { class: "rows" }, ...rows.map((row) => row.element)),
      html("div", { class: "buttons" }, button("Reset", () => change(model, { difference: start }))),
      spoken.element,
    ),
  );

  function draw() {
    const x = model.get("difference");
    const weights = softmax([x, 0]);
    difference.show(x, digits(x, 1));
    rows.forEach((row, j) => row.show(weights[j]));
    spoken.say(`${KEYS[0]} ${digits(weights[0])}, ${KEYS[1]} ${digits(weights[1])}`);
    el.dataset.weights = JSON.stringify(weights); // all digits, for whoever checks them
  }
  return drawOnChange(model, ["difference"], draw);
}

export default { render };
