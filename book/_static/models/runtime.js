// Runs the book's models in the browser. Nothing is fetched until `load` is called, and then only the site's own files.

const here = new URL("./", import.meta.url);
let attempts = 0;
let runtime = null; // onnxruntime-web, once it is there: all models of a page share it

/** What a script's address ends in when it is asked for again: a browser remembers one that did not arrive. */
export const again = (attempts) => (attempts ? `?${attempts}` : "");

/** Fetch a model, and at the first time what runs it.
 *
 * `onProgress` is called with the share that has arrived, from 0 to 1. The promise gives
 *   facts             what the model's manifest says of it (its vocabulary, say)
 *   run(graph, feeds) runs one of its graphs: from { input name: tensor } to a promise of { output name: tensor },
 *                     where tensor.data is a typed array and tensor.dims its shape
 *   ints(values, dims) makes a tensor of token numbers; without dims it has one axis
 * It is rejected with an Error whose message a reader can read; `load` may then be called again. */
export async function load(name, onProgress = () => {}) {
  const manifest = await json(`${name}.json`);
  const parts = await json("runtime.json");
  const graphs = Object.entries(manifest.graphs);
  const total = [...Object.values(parts), ...Object.values(manifest.graphs)].reduce((sum, x) => sum + x.bytes, 0);
  let arrived = 0;
  const note = (bytes) => onProgress((arrived += bytes) / total);
  const files = await Promise.all(graphs.map(([, entry]) => fetchBytes(entry, note)));
  if (runtime === null) runtime = await start(parts, note);
  const { Tensor, InferenceSession } = runtime;
  const sessions = {};
  for (const [i, [graph]] of graphs.entries()) sessions[graph] = await InferenceSession.create(files[i]);
  onProgress(1);
  return {
    facts: manifest.facts,
    run: (graph, feeds) => sessions[graph].run(feeds),
    ints: (values, dims = [values.length]) => new Tensor("int64", BigInt64Array.from(values, BigInt), dims),
  };
}

async function start({ script, wasm }, note) {
  const binary = await fetchBytes(wasm, note);
  const ort = await import(new URL(script.file + again(attempts++), here)).catch(() => {
    throw new Error(`${script.file} did not arrive`);
  });
  note(script.bytes);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.numThreads = 1; // more would need headers that a plain host of files does not send
  return ort;
}

async function request(file) {
  const response = await fetch(new URL(file, here)).catch(() => {
    throw new Error(`${file} cannot be reached`);
  });
  if (!response.ok) throw new Error(`${file} is not there (${response.status})`);
  return response;
}

async function json(file) {
  return (await request(file)).json();
}

async function fetchBytes({ file, bytes }, note) {
  const reader = (await request(file)).body.getReader();
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Error(`${file} broke off`);
    });
    if (done) break;
    if (at + value.length > bytes) throw new Error(`${file} is larger than it should be`);
    whole.set(value, at);
    at += value.length;
    note(value.length);
  }
  if (at < bytes) throw new Error(`${file} broke off`);
  return whole;
}
