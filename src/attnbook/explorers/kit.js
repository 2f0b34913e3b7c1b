// What the explorers share: the softmax, how numbers look, and how controls and bars are made.

/** The weights of some scores: positive, and summing to 1. A high temperature makes them more equal. */
export function softmax(scores, temperature = 1) {
  const largest = Math.max(...scores); // subtracted, so that no exponential overflows
  const exponentials = scores.map((score) => Math.exp((score - largest) / temperature));
  const total = exponentials.reduce((sum, x) => sum + x, 0);
  return exponentials.map((x) => x / total);
}

/** A number with a true minus sign, and never "−0.00". */
export function digits(x, places = 2) {
  const text = x.toFixed(places);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An HTML element: html("p", { class: "remark" }, "text", child). */
export function html(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** A slider that calls `onInput` with its new value. Browsers make it answer to arrow keys and to touch. */
export function slider({ label, min, max, step, onInput }) {
  const input = html("input", { type: "range", min, max, step, "aria-label": label });
  input.addEventListener("input", () => onInput(input.valueAsNumber));
  return input;
}

/** A slider between its name and its value. `show` moves it; the value's text is what a screen reader says too. */
export function namedSlider({ label, ...options }) {
  const input = slider({ label, ...options });
  const number = html("span", { class: "number" });
  const element = html("div", { class: "named-slider" }, html("span", {}, label), input, number);
  const show = (value, text) => {
    input.value = value;
    input.setAttribute("aria-valuetext", text);
    number.textContent = text;
  };
  return { element, input, show };
}

/** A bar on its track. `show` makes it that share of the track long. */
export function bar() {
  const fill = html("span", { class: "fill" });
  const show = (share) => (fill.style.inlineSize = `${100 * share}%`);
  return { element: html("span", { class: "track" }, fill), show };
}

/** A button that calls `onClick`. */
export function button(text, onClick) {
  const element = html("button", { type: "button" }, text);
  element.addEventListener("click", onClick);
  return element;
}

const PATIENCE = 8000; // milliseconds until a kernel that does not answer is taken to be busy

/** A form that asks the kernel, by a message `{ [what]: text }`, and says what is wrong with what was typed. What the
 * kernel finds arrives with the traits. `attributes` are the text field's. */
export function askForm(model, { what, label, action, ...attributes }) {
  const input = html("input", { type: "text", autocomplete: "off", ...attributes });
  const answer = html("p", { class: "answer", role: "status" });
  const submit = html("button", { type: "submit" }, action);
  const element = html("form", { class: "ask" }, html("label", {}, html("span", {}, label), input), submit, answer);
  let timer;
  const tell = (text, problem) => {
    clearTimeout(timer);
    answer.textContent = text;
    input.setAttribute("aria-invalid", problem);
  };
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    tell("Asking the model …", false);
    timer = setTimeout(
      () => tell("No answer yet: the kernel may be busy with another cell, or stopped.", false),
      PATIENCE,
    );
    model.send({ [what]: input.value });
  });
  const receive = (message) => tell(message.problem, message.problem !== "");
  model.on("msg:custom", receive);
  return {
    element,
    close() {
      clearTimeout(timer);
      model.off("msg:custom", receive);
    },
  };
}

/** A hidden line that screen readers speak. `say` waits until the hand rests, so that a drag is one sentence. */
export function announcer() {
  const element = html("p", { class: "explorer-spoken", "aria-live": "polite" });
  let timer;
  const say = (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (element.textContent = text), 500);
  };
  return { element, say };
}

/** Set some of the model's traits, and tell the kernel where there is one. */
export function change(model, traits) {
  for (const [trait, value] of Object.entries(traits)) model.set(trait, value);
  model.save_changes();
}

/** Draw now and whenever one of the model's traits changes; returns what a widget calls when its view is closed. */
export function drawOnChange(model, traits, draw) {
  for (const trait of traits) model.on(`change:${trait}`, draw);
  draw();
  return () => {
    for (const trait of traits) model.off(`change:${trait}`, draw);
  };
}

/** Make `el` an explorer's body, and keep the keys that move its controls from the notebook or page around it. */
export function body(el, ...children) {
  el.classList.add("explorer-body");
  el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab's own rule for this
  el.addEventListener("keydown", (event) => event.stopPropagation());
  el.replaceChildren(...children);
}
