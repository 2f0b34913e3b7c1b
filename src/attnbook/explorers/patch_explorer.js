import { announcer, bar, body, button, change, digits, drawOnChange, html, softmax } from "./kit.js";

const [SIDE, PATCH, WIDTH, HEADS, LAYERS, LEVELS] = [8, 2, 32, 4, 2, 16];
const ACROSS = SIDE / PATCH; // patches in a row
const N = ACROSS * ACROSS;
const NOTHING = Array(N).fill(false);

/** Numbers of two bytes each (IEEE's binary16). */
function decode(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
    const half = view.getUint16(2 * i, true);
    const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024;
    return half >> 15 ? -size : size;
  });
}

/** Abramowitz and Stegun (1964), 7.1.26: off by less than 2e-7. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}
const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));
const add = (a, b) => a.map((x, i) => x + b[i]);

/** The library's VisionTransformer: from 64 pixels to the logits and each layer's weights, [layer][head][row][column]. */
function run(parameters, pixels) {
  const linear = (name, x) => {
    const [weight, bias] = [parameters[`${name}.weight`], parameters[`${name}.bias`]];
    return Array.from(bias, (sum, o) => {
      for (let i = 0; i < x.length; i++) sum += weight[o * x.length + i] * x[i];
      return sum;
    });
  };
  const norm = (name, x) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const [weight, bias] = [parameters[`${name}.weight`], parameters[`${name}.bias`]];
    return x.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i]);
  };
  const patch = (p) => [0, 1, 2, 3].map((i) => pixels[pixelOf(p, i)]);
  const position = (i) => parameters["positions.table"].slice(i * WIDTH, (i + 1) * WIDTH);
  let x = [Array.from(parameters.class_token)];
  for (let p = 0; p < N; p++) x.push(linear("embed", patch(p)));
  x = x.map((token, i) => add(token, position(i)));
  const weights = [];
  for (let l = 0; l < LAYERS; l++) {
    const name = `encoder.layers.${l}`;
    const read = x.map((token) => norm(`${name}.attention_residual.norm`, token));
    const [q, k, v] = ["query", "key", "value"].map((part) =>
      read.map((token) => linear(`${name}.attention.${part}`, token)),
    );
    const width = WIDTH / HEADS;
    const attended = x.map(() => []);
    weights.push(
      Array.from({ length: HEADS }, (_, h) =>
        q.map((query, row) => {
          const own = Array.from({ length: width }, (_, i) => h * width + i);
          const scores = k.map((key) => own.reduce((sum, i) => sum + query[i] * key[i], 0) / Math.sqrt(width));
          const shares = softmax(scores);
          for (const i of own) attended[row].push(shares.reduce((sum, share, j) => sum + share * v[j][i], 0));
          return shares;
        }),
      ),
    );
    x = x.map((token, i) => add(token, linear(`${name}.attention.output`, attended[i])));
    x = x.map((token) => {
      const hidden = linear(`${name}.network.expand`, norm(`${name}.network_residual.norm`, token));
      return add(token, linear(`${name}.network.contract`, hidden.map(gelu)));
    });
  }
  return { logits: linear("classify", norm("encoder.norm", x[0])), weights };
}

/** Where pixel i of patch p stands in the image. */
function pixelOf(p, i) {
  const [row, column] = [Math.floor(p / ACROSS), p % ACROSS];
  return (row * PATCH + Math.floor(i / PATCH)) * SIDE + column * PATCH + (i % PATCH);
}

const meanOf = (heads) =>
  heads[0].map((row, i) => row.map((_, j) => heads.reduce((sum, head) => sum + head[i][j], 0) / heads.length));

/** Half of each layer is attention, half the residual path: the library's rollout. */
function rollout(weights) {
  const shared = weights.map((heads) =>
    meanOf(heads).map((row, i) => row.map((weight, j) => (weight + (i === j)) / 2)),
  );
  return shared.reduce((total, layer) =>
    layer.map((row) => total[0].map((_, j) => row.reduce((sum, weight, k) => sum + weight * total[k][j], 0))),
  );
}

/** A row of buttons of which one is pressed. */
function choice(label, names, onChoose) {
  const buttons = names.map((name, i) => button(name, () => onChoose(i)));
  const element = html("div", { class: "choice", role: "group", "aria-label": label }, html("span", {}, label));
  element.append(...buttons);
  return { element, show: (chosen) => buttons.forEach((b, i) => b.setAttribute("aria-pressed", i === chosen)) };
}

function render({ model, el }) {
  const parameters = Object.fromEntries(
    Object.entries(model.get("parameters")).map(([name, text]) => [name, decode(text)]),
  );
  const start = Object.fromEntries(["chosen", "layer", "head", "token"].map((name) => [name, model.get(name)]));
  let erasing = false;

  const select = html("select", { "aria-label": "digit" });
  model.get("labels").forEach((label, i) => select.append(html("option", {}, `No. ${i + 1}: a ${label}`)));
  select.addEventListener("change", () => change(model, { chosen: select.selectedIndex, erased: NOTHING }));
  const modes = choice("A touch", ["chooses who looks", "erases a patch"], (i) => {
    erasing = i === 1;
    draw();
  });
  const layers = choice("Layer", ["1", "2", "rollout"], (i) => change(model, { layer: i + 1 }));
  const heads = choice("Head", ["mean", "1", "2", "3", "4"], (i) => change(model, { head: i }));
  const reset = button("Reset", () => {
    erasing = false;
    change(model, { ...start, erased: NOTHING });
  });

  // The image: sixteen buttons of four pixels each, and beside it the same places tinted by weight.
  const image = html("div", { class: "image", role: "group", "aria-label": "patches" });
  const cells = Array.from({ length: N }, (_, p) => {
    const pixels = Array.from({ length: PATCH * PATCH }, () => html("span", { class: "pixel" }));
    const element = button("", () => touch(p));
    element.append(...pixels);
    element.addEventListener("keydown", (event) => walk(event, p));
    image.append(element);
    return { element, pixels };
  });
  const map = html("div", { class: "map", role: "img" });
  const tiles = Array.from({ length: N }, () => {
    const tint = html("span", { class: "tint" });
    const number = html("span", { class: "number" });
    map.append(html("span", { class: "tile" }, tint, number));
    return { tint, number };
  });
  const classButton = button("", () => change(model, { token: 0 }));
  const classWeight = html("p", { class: "remark" });
  const answers = html("div", { class: "answers" });
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const share = bar();
    const number = html("span", { class: "number" });
    const row = html("div", { class: "answer" }, html("span", {}, String(digit)), share.element, number);
    answers.append(row);
    return { row, share, number };
  });
  const verdict = html("p", { class: "verdict" });
  const { element: spoken, say } = announcer();

  function touch(p) {
    if (!erasing) return change(model, { token: p + 1 });
    change(model, { erased: model.get("erased").map((gone, i) => (i === p ? !gone : gone)) });
  }

  /** Arrow keys move from patch to patch. */
  function walk(event, p) {
    const column = p % ACROSS;
    const to = {
      ArrowRight: column < ACROSS - 1 ? p + 1 : p,
      ArrowLeft: column > 0 ? p - 1 : p,
      ArrowDown: p + ACROSS < N ? p + ACROSS : p,
      ArrowUp: p >= ACROSS ? p - ACROSS : p,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    cells[to].element.focus();
  }

  function draw() {
    const [chosen, layer, head, token, erased] = ["chosen", "layer", "head", "token", "erased"].map((name) =>
      model.get(name),
    );
    const whole = model.get("images")[chosen];
    const pixels = whole.map((ink) => ink / LEVELS);
    for (let p = 0; p < N; p++) if (erased[p]) for (let i = 0; i < 4; i++) pixels[pixelOf(p, i)] = 0;
    const { logits, weights } = run(parameters, pixels);
    const table = layer === 3 ? rollout(weights) : head ? weights[layer - 1][head - 1] : meanOf(weights[layer - 1]);
    const row = table[token];
    const largest = Math.max(...row.slice(1));
    cells.forEach(({ element, pixels: spots }, p) => {
      spots.forEach((spot, i) => spot.style.setProperty("--ink-share", pixels[pixelOf(p, i)]));
      element.setAttribute("aria-pressed", erasing ? erased[p] : token === p + 1);
      element.classList.toggle("looks", token === p + 1);
      element.classList.toggle("erased", erased[p]);
      const where = `patch ${p + 1}, row ${Math.floor(p / ACROSS) + 1}, column ${(p % ACROSS) + 1}`;
      element.setAttribute("aria-label", where + (erased[p] ? ", erased" : ""));
      tiles[p].tint.style.opacity = largest ? row[p + 1] / largest : 0;
      tiles[p].number.textContent = digits(row[p + 1]);
    });
    const who = token ? `Patch ${token}` : "The class token";
    const how = layer === 3 ? "through both layers" : `in layer ${layer}, ${head ? `head ${head}` : "mean of heads"}`;
    map.setAttribute("aria-label", `${who} ${how}: weights ${row.slice(1).map((w) => digits(w)).join(", ")}`);
    classButton.textContent = "The class token looks";
    classButton.setAttribute("aria-pressed", token === 0);
    classWeight.textContent = `${who}, ${how}. Weight on the class token: ${digits(row[0])}`;
    const shares = softmax(logits);
    const best = shares.indexOf(Math.max(...shares));
    rows.forEach(({ row: line, share, number }, digit) => {
      share.show(shares[digit]);
      number.textContent = digits(shares[digit]);
      line.classList.toggle("best", digit === best);
    });
    const label = model.get("labels")[chosen];
    verdict.textContent = `It is a ${label}. The model says ${best}, ${best === label ? "rightly" : "wrongly"}.`;
    select.selectedIndex = chosen;
    modes.show(erasing ? 1 : 0);
    layers.show(layer - 1);
    heads.show(layer === 3 ? 0 : head);
    heads.element.classList.toggle("idle", layer === 3);
    const top = row.indexOf(Math.max(...row));
    say(`${who} looks most at ${top ? `patch ${top}` : "the class token"}, ${digits(row[top])}. ${verdict.textContent}`);
  }

  const controls = html("div", { class: "controls" }, select, reset, modes.element, layers.element, heads.element);
  const left = html("div", {}, html("p", { class: "heading" }, "the digit"), image, classButton);
  const right = html("div", {}, html("p", { class: "heading" }, "where it looks"), map, classWeight);
  const last = html("div", {}, html("p", { class: "heading" }, "what the model says"), answers, verdict);
  body(el, html("div", { class: "patch-explorer" }, controls, left, right, last), spoken);
  return drawOnChange(model, ["chosen", "layer", "head", "token", "erased"], draw);
}

export default { render };
