// "Keep this book on this device", on the front page: registers the service worker that stores the book (sw.js) when the
// reader asks, shows how far it is, and removes all of it again. Nothing is stored or registered before.

const root = new URL("../", import.meta.url);
const store = `book ${root.pathname}`; // as in sw.js
const box = document.querySelector(".keep-book");
const [keep, remove] = box.querySelectorAll("button");
const bar = box.querySelector("progress");
const status = box.querySelector("[role=status]");
const size = box.dataset.size;
// Not on pages opened from a folder of files, nor at an address without https.
const able = "serviceWorker" in navigator && location.protocol.startsWith("http");

const WORDS = {
  able: "",
  unable: "This needs an address that begins with https, and a browser that lets a website keep files.",
  storing: "The book is being stored. You can read on.",
  kept: "The book is kept on this device, and opens without a network. A new edition is stored by itself.",
  waiting: "The book is kept on this device. A new edition is stored too, and opens when the book's other tabs are closed.",
  network: "Not all of the book could be loaded. What has come stays stored; try again when the network is better.",
  room: `There is not enough room: the book takes ${size}.`,
  removed: "Nothing of the book is stored any more.",
};

/** Show a state by its name in WORDS, with the button that leads on from it. */
function show(state) {
  const focused = box.contains(document.activeElement);
  const storing = state === "storing";
  const started = storing || ["kept", "waiting", "network"].includes(state);
  keep.hidden = started && state !== "network";
  keep.disabled = state === "unable";
  remove.hidden = !started;
  remove.textContent = storing ? "Stop, and store nothing" : "Remove it from this device";
  bar.hidden = !storing;
  status.textContent = WORDS[state];
  if (focused) (keep.hidden ? remove : keep).focus(); // the button that was pressed may be gone
}

/** Follow a first installation to its end. */
function follow(worker) {
  bar.value = 0;
  show("storing");
  let reason = "network";
  const news = new BroadcastChannel(store);
  news.onmessage = ({ data }) => {
    if (data.stored) bar.value = data.stored;
    reason = data.failed ?? reason;
  };
  worker.addEventListener("statechange", async () => {
    if (!["activated", "redundant"].includes(worker.state)) return;
    news.close();
    if (worker.state === "activated") show("kept");
    else if (await caches.has(store)) show(reason); // else the reader has stopped it
  });
}

async function start() {
  try {
    const registration = await navigator.serviceWorker.register(new URL("sw.js", root));
    navigator.storage?.persist?.(); // asks the browser not to clear it away when room gets short
    if (registration.installing) follow(registration.installing);
    else show("kept");
  } catch {
    show("network");
  }
}

async function stop() {
  const registration = await ours();
  await caches.delete(store); // ends an installation that is under way
  await registration?.unregister();
  show("removed");
}

/** The registration of this very folder: one of a folder further up would be another book's. */
async function ours() {
  const found = await navigator.serviceWorker.getRegistration(root);
  return found?.scope === root.href ? found : undefined;
}

async function begin() {
  if (!able) return show("unable");
  const registration = await ours();
  if (registration?.active) return show(registration.waiting ? "waiting" : "kept");
  if (registration?.installing) return follow(registration.installing);
  show((await caches.has(store)) ? "network" : "able");
}

keep.addEventListener("click", start);
remove.addEventListener("click", stop);
await begin();
