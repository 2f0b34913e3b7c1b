// Brings a page's explorers to life: each gets its JavaScript when it comes near the window, and takes the place of
// its still picture. Where that fails, the picture stays.

/** What anywidget's model is to a widget: the explorer's state, and a call for whoever listens to a change. */
function staticModel(state) {
  const listeners = new Map();
  return {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of [...(listeners.get(`change:${name}`) ?? [])]) listener();
    },
    on: (event, listener) => listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)),
    off: (event, listener) => listeners.get(event)?.delete(listener),
    save_changes() {},
  };
}

async function mount(figure) {
  const explorer = (await import(`./${figure.dataset.explorer}.js`)).default;
  const el = document.createElement("div");
  explorer.render({ model: staticModel(JSON.parse(figure.dataset.state)), el });
  figure.querySelector(".explorer-still").replaceWith(el);
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
