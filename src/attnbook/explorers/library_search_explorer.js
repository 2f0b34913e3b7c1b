import { announcer, askForm, bar, body, button, change, digits, drawOnChange, html, namedSlider } from "./kit.js";

const COLDEST = -2.5; // powers of ten: the temperature's slider is logarithmic
const WARMEST = 1;
const MOST_COPIES = 2;

// Each scene is a query, or two and how they are mixed, and a temperature.
const SCENES = {
  Hard: { first: "what puts salt into the ocean", mix: 0, temperature: 10 ** COLDEST },
  Soft: { first: "what puts salt into the ocean", mix: 0, temperature: 0.2 },
  "Several fit": { first: "old recipes", mix: 0, temperature: 0.05 },
  "Two wishes": {
    first: "robins whistling at dawn",
    second: "what a fiddle's strings do",
    mix: 0.5,
    temperature: 0.05,
  },
  "Nothing fits": { first: "repairing a diesel tractor", mix: 0, temperature: 0.05 },
};

/** Titles' scores, books' weights and the mixture of contents. A book's copies share one score, so they multiply. */
function lookUp(model) {
  const get = (name) => model.get(name);
  const [a, b, mix] = [get("scores")[get("first")], get("scores")[get("second")], get("mix")];
  const scores = a.map((score, i) => (1 - mix) * score + mix * b[i]); // scores are linear in the query
  const copies = get("copies");
  const largest = Math.max(...scores.filter((_, i) => copies[i])); // subtracted, so that no exponential overflows
  const parts = scores.map((score, i) =>
    copies[i] ? copies[i] * Math.exp((score - largest) / get("temperature")) : 0,
  );
  const total = parts.reduce((sum, x) => sum + x, 0);
  const weights = parts.map((part) => (total ? part / total : 0)); // of an empty shelf nothing comes back
  const output = get("subjects").map((_, s) =>
    get("books").reduce((sum, { shares }, i) => sum + weights[i] * shares[s], 0),
  );
  return { scores, weights, output };
}

function temperatureText(temperature) {
  const places = temperature < 0.0995 ? 3 : temperature < 0.995 ? 2 : 1;
  return digits(temperature, places);
}

/** One place on the list, from the best score down. Which book stands there changes with the query. */
function makeRow(onPress) {
  const title = html("span", { class: "title" });
  const score = html("span", { class: "number score" });
  const weight = html("span", { class: "number weight" });
  const fill = bar();
  const copies = button("", onPress);
  const text = html("div", { class: "text" }, title, score, fill.element, weight);
  const element = html("li", {}, text, copies);
  const show = (book, itsScore, itsWeight, count) => {
    title.textContent = book.title;
    score.textContent = digits(itsScore);
    weight.textContent = digits(itsWeight);
    fill.show(itsWeight);
    copies.textContent = count ? `×${count}` : "off";
    copies.setAttribute("aria-label", `${book.title} Copies on the shelf: ${count}. Press to change.`);
    element.classList.toggle("off", count === 0);
  };
  return { element, show };
}

function makeQuery(name, onChoose) {
  const select = html("select");
  select.addEventListener("change", () => onChoose(select.selectedIndex));
  const element = html("label", { class: "choose" }, html("span", {}, name), select);
  const list = (queries) => select.replaceChildren(...queries.map((query) => html("option", {}, query)));
  return { element, select, list };
}

/** What comes back: a bar for each subject. */
function makeOutput(subjects) {
  const rows = subjects.map((subject) => {
    const number = html("span", { class: "number" });
    const fill = bar();
    return { number, fill, element: html("div", { class: "subject" }, html("span", {}, subject), fill.element, number) };
  });
  const best = html("p", { class: "best" });
  const element = html(
    "div",
    { class: "output" },
    html("p", { class: "heading" }, "What comes back: the mixture of contents"),
    ...rows.map((row) => row.element),
    best,
  );
  const show = (output, sentence) => {
    rows.forEach(({ number, fill }, s) => {
      number.textContent = digits(output[s]);
      fill.show(output[s]);
    });
    best.textContent = sentence;
  };
  return { element, show };
}

function render({ model, el }) {
  const live = model.get("asks") && typeof model.send === "function"; // only a kernel's model can be asked
  const traits = ["queries", "scores", "first", "second", "mix", "temperature", "copies"];
  const start = Object.fromEntries(
    ["first", "second", "mix", "temperature", "copies"].map((trait) => [trait, model.get(trait)]),
  );
  const one = model.get("books").map(() => 1);
  let listed = null; // the queries in the lists
  let ranked = []; // the books, from the best score down

  const queries = [
    makeQuery("query a", (i) => change(model, { first: i })),
    makeQuery("query b", (i) => change(model, { second: i })),
  ];
  const mix = namedSlider({
    label: "a to b",
    min: 0,
    max: 1,
    step: 0.05,
    onInput: (share) => change(model, { mix: share }),
  });
  const temperature = namedSlider({
    label: "temperature",
    min: COLDEST,
    max: WARMEST,
    step: 0.05,
    onInput: (power) => change(model, { temperature: 10 ** power }),
  });
  const scenes = Object.entries(SCENES).map(([name, scene]) =>
    button(name, () => {
      const [first, second] = [scene.first, scene.second].map((query) => model.get("queries").indexOf(query));
      change(model, {
        first,
        second: second < 0 ? model.get("second") : second,
        mix: scene.mix,
        temperature: scene.temperature,
        copies: one,
      });
    }),
  );
  const form = live
    ? askForm(model, {
        what: "query",
        label: "a query of your own",
        action: "Look up",
        maxlength: 100,
        placeholder: "the taste of the sea",
      })
    : null;
  const note = "In a running notebook you can type a query of your own here.";
  const output = makeOutput(model.get("subjects"));
  const rows = one.map((_, rank) =>
    makeRow(() => {
      const copies = [...model.get("copies")];
      copies[ranked[rank]] = (copies[ranked[rank]] + 1) % (MOST_COPIES + 1);
      change(model, { copies });
    }),
  );
  const spoken = announcer();
  const asking = [
    ...queries.map((query) => query.element),
    mix.element,
    temperature.element,
    html("div", { class: "buttons" }, ...scenes, button("Reset", () => change(model, start))),
  ];
  if (live) asking.push(form.element);
  else if (model.get("asks")) asking.push(html("p", { class: "remark" }, note));
  body(
    el,
    html(
      "div",
      { class: "library-search" },
      html("div", { class: "asking" }, ...asking),
      output.element,
      html(
        "div",
        { class: "shelf" },
        html(
          "div",
          { class: "heading shelf-heading", "aria-hidden": "true" },
          html("span", {}, "title"),
          html("span", {}, "score, and weight below"),
          html("span", {}, "copies"),
        ),
        html("ol", { "aria-label": "books, the best score first" }, ...rows.map((row) => row.element)),
      ),
      spoken.element,
    ),
  );

  function draw() {
    const [names, books, copies] = ["queries", "books", "copies"].map((trait) => model.get(trait));
    if (names !== listed) for (const query of queries) query.list(names);
    listed = names;
    queries[0].select.selectedIndex = model.get("first");
    queries[1].select.selectedIndex = model.get("second");
    const share = model.get("mix");
    mix.show(share, share === 0 ? "a" : share === 1 ? "b" : digits(share));
    temperature.show(Math.log10(model.get("temperature")), temperatureText(model.get("temperature")));

    const { scores, weights, output: shares } = lookUp(model);
    ranked = scores.map((_, i) => i).sort((i, j) => scores[j] - scores[i]); // stable: ties in the shelf's order
    rows.forEach((row, rank) => {
      const i = ranked[rank];
      row.show(books[i], scores[i], weights[i], copies[i]);
    });
    const top = weights.indexOf(Math.max(...weights));
    const empty = weights[top] === 0;
    output.show(
      shares,
      empty
        ? "The shelf is empty, so nothing comes back."
        : `Most weight, ${digits(weights[top])}: ${books[top].title} ${books[top].contents}`,
    );
    const mixture = model.get("subjects").map((subject, s) => `${subject} ${digits(shares[s])}`);
    spoken.say(
      empty
        ? "The shelf is empty, so nothing comes back."
        : `Most weight: ${books[top].title} ${digits(weights[top])}. What comes back: ${mixture.join(", ")}`,
    );
    el.dataset.scores = JSON.stringify(scores); // all digits, for whoever checks them
    el.dataset.weights = JSON.stringify(weights);
    el.dataset.output = JSON.stringify(shares);
  }
  const stop = drawOnChange(model, traits, draw);
  return () => {
    stop();
    form?.close();
  };
}

export default { render };
