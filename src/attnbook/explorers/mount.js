// Brings a page's explorers to life: each gets its JavaScript when it comes near the window, and takes the place of
// its still picture. Where that fails, the picture stays.

const started = new WeakMap(); // figure -> { state, stop }

/** What anywidget's model is to a widget: the explorer's state, and a call for whoever listens to a change. With
 * `answer` it takes messages, as a kernel would; what `answer` throws is the problem that the reader is told. */
function staticModel(state, answer) {
  const listeners = new Map();
  const tell = (event, content) => [...(listeners.get(event) ?? [])].forEach((listener) => listener(content));
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      tell(`change:${name}`);
    },
    on: (event, listener) => listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)),
    off: (event, listener) => listeners.get(event)?.delete(listener),
    save_changes() {},
  };
  if (answer) {
    model.send = async (content) => {
      let problem = "";
      try {
        await answer(content, model);
      } catch (error) {
        problem = error.message;
      }
      tell("msg:custom", { problem });
    };
  }
  return model;
}

/** The state stands in the page, or, where it is long, in a file that is read only now. */
async function stateOf({ dataset }) {
  if (dataset.state) return JSON.parse(dataset.state);
  const answer = await fetch(dataset.stateAt);
  if (!answer.ok) throw new Error(`${dataset.stateAt}: ${answer.status}`);
  return answer.json();
}

async function mount(figure, answer, traits) {
  const before = started.get(figure);
  const [{ default: explorer }, state] = await Promise.all([
    import(`./${figure.dataset.explorer}.js`),
    before?.state ?? stateOf(figure),
  ]);
  const el = document.createElement("div");
  before?.stop?.();
  Object.assign(state, traits);
  started.set(figure, { state, stop: explorer.render({ model: staticModel(state, answer), el }) });
  figure.querySelector(":scope > :is(.explorer-still, .explorer-body)").replaceWith(el);
}

/** Start a figure's explorer anew, as it stands, with a model of the page's own in the kernel's place: `answer(content,
 * model)` gets what the explorer sends, and sets the traits that change. `traits` are set beforehand. */
export async function connect(figure, answer, traits = {}) {
  nearby.unobserve(figure);
  await mount(figure, answer, traits);
  figure.querySelector("form input")?.focus();
}

const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target: figure } of entries.filter((entry) => entry.isIntersecting)) {
      nearby.unobserve(figure);
      mount(figure).catch((error) =>
        console.error(`The explorer ${figure.dataset.explorer} does not start.`, error),
      );
    }
  },
  { rootMargin: "600px 0px" },
);
for (const figure of document.querySelectorAll("figure[data-explorer]")) nearby.observe(figure);
