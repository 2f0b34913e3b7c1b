// Keeps the book on a reader's device. Only "Keep this book" on the front page (keep.js) registers this service worker.
//
// The build writes BOOK in front of this file: `files`, all that is stored, and `onUse`, the large files that are stored
// once the reader has used them. Both are { path: [SHA-256, bytes] }, counted from the site's own folder.
//
// Old and new files never mix:
// - A file is stored under its path and the hash of its content, and only if its content has that hash. If a host is
//   just exchanging one build for the next, storing fails, and the browser tries again at the next visit.
// - Another build has another BOOK, so another sw.js. The browser asks for sw.js at each visit, and installs it beside
//   the one at work, which goes on to answer with the files that its own BOOK names. Only missing files are fetched.
// - The new one takes over when no page of the old build is open, or when the only one is being left. Then it deletes
//   what its BOOK does not name.

const SCOPE = self.registration.scope; // the site's own folder: other versions of the book have others
const STORE = `book ${new URL(SCOPE).pathname}`; // other sites may share this origin
const AT_ONCE = 6;
const news = new BroadcastChannel(STORE);

const shelf = (path, hash) => new URL(`${path}?${encodeURIComponent(hash)}`, SCOPE).href;

async function storeFile(store, path, hash, cache) {
  const response = await fetch(new URL(path, SCOPE), { cache, integrity: `sha256-${hash}` });
  // A host that redirects page.html to page leaves a mark that forbids the answer for a page. A copy has none.
  const { headers } = response;
  await store.put(shelf(path, hash), response.redirected ? new Response(await response.blob(), { headers }) : response);
}

async function storeBook() {
  const store = await caches.open(STORE);
  const there = new Set((await store.keys()).map((request) => request.url));
  const files = Object.entries(BOOK.files);
  const missing = files.filter(([path, [hash]]) => !there.has(shelf(path, hash)));
  const left = missing.reduce((sum, [, [, bytes]]) => sum + bytes, 0);
  let stored = files.reduce((sum, [, [, bytes]]) => sum + bytes, -left);
  const storeNext = async () => {
    for (let file; (file = missing.pop()); ) {
      const [path, [hash, bytes]] = file;
      if (!(await caches.has(STORE))) throw new Error("stopped by the reader");
      await storeFile(store, path, hash, "no-cache");
      news.postMessage({ stored: (stored += bytes) });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, storeNext));
  } catch (error) {
    missing.length = 0; // nobody goes on alone
    news.postMessage({ failed: error.name === "QuotaExceededError" ? "room" : "network" });
    throw error;
  }
}

async function tidy() {
  const store = await caches.open(STORE);
  const named = Object.entries({ ...BOOK.files, ...BOOK.onUse }).map(([path, [hash]]) => shelf(path, hash));
  const old = (await store.keys()).filter((request) => !named.includes(request.url));
  await Promise.all(old.map((request) => store.delete(request)));
  await self.clients.claim(); // so that the page on which the reader asked needs no network either
}

/** The path of a stored file that an address means: hosts may show page.html as page, and a folder's index.html. */
function pathOf(address) {
  const path = new URL(address).pathname.slice(new URL(SCOPE).pathname.length);
  return [path, `${path}.html`, `${path}index.html`].find((name) => name in BOOK.files || name in BOOK.onUse);
}

const kept = (path) => caches.match(shelf(path, (BOOK.files[path] ?? BOOK.onUse[path])[0]), { cacheName: STORE });

async function answer(event) {
  const { request } = event;
  if (request.mode === "navigate" && (await isReplaced())) {
    return new Response("<!doctype html><title>…</title><script>location.reload()</script>", {
      headers: { "Content-Type": "text/html; charset=utf-8" },
    });
  }
  const path = pathOf(request.url);
  const stored = path && (await kept(path));
  if (stored) return stored;
  try {
    const response = await fetch(request);
    if (path in BOOK.onUse && response.ok) event.waitUntil(keepUsed(path));
    return response;
  } catch (error) {
    const page = request.mode === "navigate" && (await kept("404.html"));
    if (!page) throw error;
    return new Response(page.body, { status: 404, headers: page.headers });
  }
}

/** Whether a new build is stored, and nobody but the page that is being left still reads the old one. */
async function isReplaced() {
  const { waiting } = self.registration;
  if (!waiting || (await self.clients.matchAll({ type: "window" })).length > 1) return false;
  waiting.postMessage("take over");
  return true;
}

/** Store a large file that was just loaded, out of the browser's own cache where it still lies there. */
async function keepUsed(path) {
  if (!(await caches.has(STORE))) return; // the reader has had the book removed
  await storeFile(await caches.open(STORE), path, BOOK.onUse[path][0], "force-cache").catch(() => {}); // next time
}

self.addEventListener("install", (event) => event.waitUntil(storeBook()));
self.addEventListener("activate", (event) => event.waitUntil(tidy()));
self.addEventListener("message", (event) => event.data === "take over" && self.skipWaiting());
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(SCOPE)) event.respondWith(answer(event));
});
