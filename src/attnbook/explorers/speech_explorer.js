import { announcer, body, button, change, digits, drawOnChange, html, svg } from "./kit.js";

const MU = 255;

const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Samples from −1 to 1 of bytes in mu-law. */
function samplesOf(text) {
  return Float32Array.from(bytesOf(text), (byte) => {
    const level = (byte - 128) / 127;
    return (Math.sign(level) * Math.expm1(Math.abs(level) * Math.log1p(MU))) / MU;
  });
}

/** The first and last of the fewest neighbouring weights that sum to `held` or more. */
function shortestRun(weights, held) {
  let best = [0, weights.length - 1];
  for (let first = weights.length - 1; first >= 0; first -= 1) {
    let sum = 0;
    for (let last = first; last < weights.length && last - first <= best[1] - best[0]; last += 1) {
      sum += weights[last];
      if (sum >= held) {
        best = [first, last];
        break;
      }
    }
  }
  return best;
}

const seconds = (samples, rate) => digits(samples / rate);

/** "5 5 5" */
const listed = (digits_) => digits_.join(" ");

function render({ model, el }) {
  const times = model.get("times");
  const AudioContext = globalThis.AudioContext ?? globalThis.webkitAudioContext; // some readers' browsers have none
  let shown = null; // the utterance on the screen
  let sound = null; // its samples
  let chips = [];
  let pinned = null; // the digit that the reader chose; null for all of them
  let pointed = null; // the one that a mouse passes over
  let context = null; // of the sound: made when the reader first asks for it
  let playing = null; // { source, timer, control }

  const spoken = announcer();
  const verdict = html("p", { class: "verdict" });
  const status = html("p", { class: "sentence" });
  const canvas = html("canvas", { "aria-hidden": "true" });
  const bars = svg("svg", { class: "bars", preserveAspectRatio: "none", "aria-hidden": "true" });
  const playhead = html("span", { class: "playhead", "aria-hidden": "true" });
  const spans = html("div", { class: "spans", "aria-hidden": "true" });
  const picture = html("div", { class: "picture" }, canvas, bars, playhead);
  const row = html("div", { class: "chips", role: "group", "aria-label": "digits written" });
  const playAll = button("Play all", () => play(0, sound.length, playAll));
  const playOne = button("Play what it heard", () => play(...stretch(pinned), playOne));
  const showAll = button("All digits", () => pin(null));
  const choices = model.get("utterances").map(({ name }, i) => button(name, () => change(model, { chosen: i })));

  const middle = (state) => state * times.state + times.window / 2;

  /** The samples that are played for a digit. */
  function stretch(index) {
    const [first, last] = shortestRun(shown.weights[index], times.held);
    const [start, stop] = [middle(first) - times.state / 2, middle(last) + times.state / 2];
    return [Math.max(start - times.around, 0), Math.min(stop + times.around, sound.length)];
  }

  /** Play some samples. A second click on the same control stops them. */
  function play(start, stop, control) {
    const again = playing?.control === control;
    silence();
    if (again || !AudioContext) return;
    context ??= new AudioContext();
    context.resume();
    const buffer = context.createBuffer(1, sound.length, times.rate);
    buffer.copyToChannel(sound, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    const duration = (stop - start) / times.rate;
    source.start(0, start / times.rate, duration);
    control.classList.add("playing");
    playing = { source, control, timer: setTimeout(silence, 1000 * duration + 200) };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const at = (sample) => ({ insetInlineStart: `${(100 * sample) / sound.length}%`, visibility: "visible" });
    playing.motion = playhead.animate([at(start), at(stop)], { duration: 1000 * duration });
  }

  function silence() {
    if (!playing) return;
    clearTimeout(playing.timer);
    playing.control.classList.remove("playing");
    playing.motion?.cancel();
    playing.source.stop();
    playing = null;
  }

  function pin(index) {
    pinned = index;
    pointed = null;
    light();
  }

  const nameOf = (index) => (index < shown.written.length ? String(shown.written[index]) : "end");

  /** What is shown, in words. */
  function sentence(index) {
    if (index === null) return "The bars: the moments that were looked at, for all digits together. Choose a digit.";
    const weights = shown.weights[index];
    const largest = Math.max(...weights);
    const time = middle(weights.indexOf(largest));
    const [from, to] = stretch(index).map((sample) => seconds(sample, times.rate));
    const under = shown.spans.findIndex(([start, stop]) => start <= time && time < stop);
    const place = under < 0 ? "between the digits" : `where the ${shown.said[under]} is said`;
    const who = index < shown.written.length ? `${nameOf(index)}, number ${index + 1}` : "The end";
    return (
      `${who}: largest weight ${digits(largest)} at ${seconds(time, times.rate)} s, ${place}. ` +
      `Played is ${from} to ${to} s, with four fifths of its weight.`
    );
  }

  /** Show the weights of one digit, or of all together. */
  function light() {
    const index = pointed ?? pinned;
    const rows = index === null ? shown.weights : [shown.weights[index]];
    const weights = rows[0].map((_, state) => Math.min(1, rows.reduce((sum, x) => sum + x[state], 0)));
    bars.replaceChildren(
      ...weights.map((weight, state) =>
        svg("rect", {
          x: middle(state) - times.state / 2,
          y: 100 * (1 - weight),
          width: times.state,
          height: 100 * weight,
        }),
      ),
    );
    chips.forEach((chip, i) => {
      chip.setAttribute("aria-pressed", i === pinned);
      chip.classList.toggle("pointed", i === pointed);
      chip.tabIndex = i === (pinned ?? 0) ? 0 : -1;
    });
    el.dataset.weights = JSON.stringify(weights);
    el.dataset.stretch = index === null ? "" : JSON.stringify(stretch(index));
    showAll.disabled = pinned === null;
    playOne.disabled = pinned === null || !AudioContext;
    status.textContent = sentence(index);
    if (pointed === null) spoken.say(sentence(index));
  }

  function makeChip(index) {
    const chip = button(nameOf(index), () => {
      pin(index);
      play(...stretch(index), chip);
    });
    const name = index < shown.written.length ? `${nameOf(index)}, number ${index + 1}` : "end";
    chip.setAttribute("aria-label", name);
    chip.addEventListener("keydown", (event) => {
      const last = chips.length - 1;
      const to = { ArrowLeft: Math.max(index - 1, 0), ArrowRight: Math.min(index + 1, last), Home: 0, End: last }[
        event.key
      ];
      if (event.key === "Escape") pin(null);
      else if (to === undefined) return;
      else {
        chips[to].focus();
        pin(to);
      }
      event.preventDefault();
    });
    chip.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "mouse") return; // a finger's touch is a tap, never a passing over
      pointed = index;
      light();
    });
    chip.addEventListener("pointerleave", () => {
      pointed = null;
      light();
    });
    return chip;
  }

  /** A pixel for each frame and band: ink, as dense as the band is loud. */
  function drawSpectrogram() {
    const color = getComputedStyle(canvas).color.match(/[\d.]+/g)?.map(Number);
    if (!color) return; // not on the page yet: whoever watches will call again
    const frames = bytesOf(shown.frames);
    const { bands } = shown;
    const count = frames.length / bands;
    [canvas.width, canvas.height] = [count, bands];
    const image = new ImageData(count, bands);
    for (let frame = 0; frame < count; frame += 1) {
      for (let band = 0; band < bands; band += 1) {
        const pixel = (bands - 1 - band) * count + frame; // low bands below
        image.data.set([...color.slice(0, 3), frames[frame * bands + band]], 4 * pixel);
      }
    }
    canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    // The first frame's middle is half a window into the sound, and so on to the last.
    canvas.style.insetInlineStart = `${(50 * (times.window - times.hop)) / sound.length}%`;
    canvas.style.inlineSize = `${(100 * count * times.hop) / sound.length}%`;
  }

  function drawSpans() {
    const percent = (samples) => `${(100 * samples) / sound.length}%`;
    const labels = shown.said.map((digit, i) => {
      const [start, stop] = shown.spans[i];
      const label = html("span", { class: "span" }, String(digit));
      label.style.insetInlineStart = percent(start);
      label.style.inlineSize = percent(stop - start);
      return label;
    });
    const ticks = Array.from({ length: Math.floor(sound.length / times.rate) + 1 }, (_, i) => {
      const tick = html("span", { class: "tick" }, i ? `${i} s` : "0");
      tick.style.insetInlineStart = percent(i * times.rate);
      return tick;
    });
    spans.replaceChildren(...labels, ...ticks.filter((_, i) => i * times.rate < 0.95 * sound.length));
  }

  function draw() {
    const utterances = model.get("utterances");
    const chosen = Math.min(model.get("chosen"), utterances.length - 1);
    choices.forEach((choice, i) => choice.setAttribute("aria-pressed", i === chosen));
    if (utterances[chosen] === shown) return;
    silence();
    shown = utterances[chosen];
    sound = samplesOf(shown.sound);
    const same = listed(shown.said) === listed(shown.written);
    verdict.textContent = same
      ? `Said and written: ${listed(shown.said)}`
      : `Said: ${listed(shown.said)}. Written: ${listed(shown.written)}`;
    verdict.classList.toggle("wrong", !same);
    bars.setAttribute("viewBox", `0 0 ${sound.length} 100`);
    chips = shown.weights.map((_, i) => makeChip(i));
    row.replaceChildren(...chips);
    drawSpectrogram();
    drawSpans();
    pin(null);
  }

  const reset = button("Reset", () => {
    silence();
    change(model, { chosen: first });
    pin(null);
  });
  const first = model.get("chosen");
  const mute = html("p", { class: "remark" }, "This browser can't play sound; the picture works without it.");
  const controls = AudioContext ? [playAll, playOne, showAll, reset] : [showAll, reset];
  body(
    el,
    html(
      "div",
      { class: "speech" },
      html("div", { class: "buttons", role: "group", "aria-label": "utterances" }, ...choices),
      verdict,
      picture,
      spans,
      html("p", { class: "heading" }, "Written; a click plays what the digit was read from"),
      row,
      status,
      html("div", { class: "buttons" }, ...controls),
      ...(AudioContext ? [] : [mute]),
      spoken.element,
    ),
  );
  const stop = drawOnChange(model, ["utterances", "chosen"], draw);
  const stopWatching = onColors(picture, drawSpectrogram);
  return () => {
    silence();
    context?.close();
    stop();
    stopWatching();
  };
}

/** Call when the element comes onto the page, and whenever light turns to dark or back: a canvas keeps its colours. */
function onColors(element, call) {
  const sizes = new ResizeObserver(call);
  sizes.observe(element);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", call);
  const themes = new MutationObserver(call);
  const attributeFilter = ["data-theme", "theme", "data-jp-theme-light"];
  for (const root of [document.documentElement, document.body]) themes.observe(root, { attributeFilter });
  return () => {
    sizes.disconnect();
    system.removeEventListener("change", call);
    themes.disconnect();
  };
}

export default { render };
