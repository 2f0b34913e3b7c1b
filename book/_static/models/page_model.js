// Offers a page's models: each stays away until its button is pressed, then its own script of the same name takes over.

import { bar, body, button, html } from "../explorers/kit.js";
import { connect } from "../explorers/mount.js";
import { again, load } from "./runtime.js";

/** "14.4 MB". */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function offer(figure) {
  let attempts = 0;
  const { pageModel: name, bytes } = figure.dataset;
  const status = html("p", { class: "answer", role: "status" });
  const arrived = bar();
  const progress = html("div", {
    role: "progressbar",
    "aria-label": "Loading the model",
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": 0,
  });
  progress.append(arrived.element);
  progress.hidden = true;

  function show(share) {
    arrived.show(share);
    progress.setAttribute("aria-valuenow", Math.floor(100 * share));
  }

  const start = button(`Load the model: ${megabytes(bytes)}`, async () => {
    start.hidden = true;
    progress.hidden = false;
    show(0);
    status.textContent = "Loading …";
    try {
      const [{ run }, model] = await Promise.all([import(`./${name}.js${again(attempts++)}`), load(name, show)]);
      status.textContent = (await run({ model, el, explorer: (...given) => connect(figureBefore(figure), ...given) })) ?? "";
      progress.hidden = true;
    } catch (error) {
      status.textContent = `The model was not loaded: ${error.message}. Nothing else on this page needs it.`;
      start.textContent = `Try again: ${megabytes(bytes)}`;
      start.hidden = false;
      progress.hidden = true;
      start.focus();
    }
  });
  const el = html("div");
  const still = figure.querySelector(".explorer-still");
  body(el, html("p", {}, figure.dataset.offer), start, progress, status);
  still.replaceWith(el);
}

/** The explorer that stands before a model on its page. */
function figureBefore(figure) {
  const all = [...document.querySelectorAll("figure[data-explorer]")];
  return all.findLast((other) => other.compareDocumentPosition(figure) & Node.DOCUMENT_POSITION_FOLLOWING);
}

for (const figure of document.querySelectorAll("figure[data-page-model]")) offer(figure);
