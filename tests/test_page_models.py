"""The models in the pages: the browser computes what the library computes, and nothing is fetched unasked."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from attnbook.data import number_words, python_docs
from attnbook.evidence.language_model import load_language_model
from attnbook.evidence.translation import load_translator

ROOT = Path(__file__).parent.parent
SITE = ROOT / "_build/html"
CLOSE = 1e-3  # what the book claims
CHAPTERS = {"translator": "notebooks/02_looking_back.html", "language_model": "notebooks/07_masks.html"}
WIDTHS = {"desk": 1280, "phone": 360}
PATIENCE = 60_000  # milliseconds until a busy machine has compiled 14 MB; a quiet one needs one second
NUMBERS = [0, 1, 7, 16, 17, 21, 45, 101, 1_000, 1_001, 70_017, 345_678, 1_000_000, 2_000_000, 101_000_000, 999_999_999]

ASKED = "[data-explorer] form input:focus, [data-page-model] textarea:focus"  # where the reader goes on

each_model = pytest.mark.parametrize("name", CHAPTERS)


@pytest.fixture(scope="module")
def site(serve: Callable[[Path], str]) -> str:
    build = subprocess.run([sys.executable, ROOT / "tools/build_book.py"], capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stdout + build.stderr
    assert (SITE / "_static/models/runtime.json").is_file(), f"the site has no models:\n{build.stderr}"
    return f"{serve(SITE.parent)}/{SITE.name}/"


@pytest.fixture
def complaints() -> list[str]:
    """What the page has complained of; a test that means to provoke it clears the list."""
    return []


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest, complaints: list[str]) -> Iterator[Page]:
    """A page of a new reader, which complains of nothing while the test runs."""
    context = browser.new_context(viewport={"width": getattr(request, "param", 1280), "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not complaints


def place(page: Page, name: str) -> Locator:
    return page.locator(f"[data-page-model={name}]")


def load(page: Page, site: str, name: str) -> Locator:
    page.goto(site + CHAPTERS[name])
    figure = place(page, name)
    figure.get_by_role("button", name=re.compile("^Load the model")).click()
    return figure


# --- The numbers -----------------------------------------------------------------------------------------------------

# Runs a graph as the page does, and brings every output back as shape and numbers.
RUN = """async ([name, rounds]) => {
    const { load } = await import(new URL("../_static/models/runtime.js", location.href));
    const model = await load(name);
    const answers = [];
    let kept = {};
    for (const [graph, ints, keep] of rounds) {
        const feeds = {};
        for (const [key, given] of Object.entries(ints)) feeds[key] = model.ints(...given);
        for (const [key, output] of Object.entries(keep)) feeds[key] = kept[output];
        const found = await model.run(graph, feeds);
        kept = { ...kept, ...found, hidden: found.last ?? found.hidden };
        const plain = Object.entries(found).map(([key, { dims, data }]) => [key, [dims, [...data]]]);
        answers.push(Object.fromEntries(plain));
    }
    return answers;
}"""


def run(page: Page, name: str, rounds: list) -> list[dict[str, torch.Tensor]]:
    answers = page.evaluate(RUN, [name, rounds])
    return [
        {key: torch.tensor(data, dtype=torch.float32).reshape(dims) for key, (dims, data) in answer.items()}
        for answer in answers
    ]


def facts(name: str) -> dict:
    return json.loads((SITE / f"_static/models/{name}.json").read_text(encoding="utf-8"))["facts"]


@pytest.mark.parametrize("number", [7, 345_678, 999_999_999])
def test_the_translators_logits_and_weights_are_the_librarys(number: int, page: Page, site: str) -> None:
    task = number_words.load(train=1, test=1)
    source, target = task.encode([number])
    with torch.no_grad():
        logits, weights = load_translator(task)(source, target[:, :-1])
    words, longest = source.shape[1], facts("translator")["longest"]
    padded = [source[0].tolist() + [0] * (longest - words), [1, longest]]
    # The true morphemes are read, so that each step is compared, whatever the model would have said.
    steps = [
        ["write", {"token": [[token], [1, 1]], "source": padded}, {"states": "states", "hidden": "hidden"}]
        for token in target[0, :-1].tolist()
    ]
    page.goto(site + CHAPTERS["translator"])
    _, *written = run(page, "translator", [["encode", {"source": padded}, {}], *steps])
    assert len(written) == logits.shape[1]
    torch.testing.assert_close(torch.cat([step["logits"] for step in written]), logits[0], atol=CLOSE, rtol=0)
    found = torch.cat([step["weights"] for step in written])
    torch.testing.assert_close(found[:, :words], weights[0], atol=CLOSE, rtol=0)
    assert found[:, words:].abs().max() == 0  # nobody looks at padding


@pytest.mark.parametrize(
    "text", ["T", "def f(x):", "naïve…", "\n\n  ", "The with statement " * 6 + "is over.\n\n\n\nEnd"]
)
def test_the_language_models_logits_and_weights_are_the_librarys(text: str, page: Page, site: str) -> None:
    tokens = python_docs.encode(text)
    with torch.no_grad():
        logits, weights = load_language_model()(tokens, need_weights=True)
    page.goto(site + CHAPTERS["language_model"])
    (answer,) = run(page, "language_model", [["next", {"tokens": [tokens.tolist(), [len(tokens)]]}, {}]])
    torch.testing.assert_close(answer["logits"], logits[-1], atol=CLOSE, rtol=0)
    torch.testing.assert_close(answer["weights"], torch.stack(weights), atol=CLOSE, rtol=0)


def test_numbers_are_spelled_as_the_library_spells_them(page: Page, site: str) -> None:
    numbers = [*range(1000), *NUMBERS, *(number * 7_919 % 10**9 for number in range(1000, 3000))]
    page.goto(site + CHAPTERS["translator"])
    spelled = page.evaluate(
        """async (numbers) => {
            const { inWords, german } = await import(new URL("../_static/models/number_words.js", location.href));
            return numbers.map((number) => [inWords(number), german(number)]);
        }""",
        numbers,
    )
    assert [tuple(both) for both in spelled] == [number_words.translate(number) for number in numbers]


# --- What the reader does --------------------------------------------------------------------------------------------


def ask(page: Page, text: str) -> Locator:
    """Type into the explorer that the translator answers in, and wait until it has."""
    explorer = page.locator("[data-explorer=alignment_explorer]").last
    field = explorer.get_by_label("A number, in digits or in English words")
    field.fill(text)
    field.press("Enter")
    expect(explorer.locator(".answer")).not_to_have_text("Asking the model …")
    return explorer


def shown_weights(explorer: Locator, rows: int, columns: int) -> torch.Tensor:
    """The weights of the links that are drawn; those too small to be seen are 0."""
    weights = torch.zeros(rows, columns)
    for row, column, weight in explorer.locator(".links path").evaluate_all(
        "paths => paths.map(p => [p.dataset.target, p.dataset.source, p.style.strokeOpacity].map(Number))"
    ):
        weights[int(row), int(column)] = weight
    return weights


def test_the_translator_writes_what_the_library_writes_and_shows_where_it_looks(page: Page, site: str) -> None:
    figure = load(page, site, "translator")
    expect(figure.get_by_role("status")).to_contain_text("in the explorer above", timeout=PATIENCE)
    task = number_words.load(train=1, test=1)
    model = load_translator(task)
    typed = {
        f"{number:,}": (number_words.translate(number)[0], True) for number in (0, 21, 27_182, 345_678, 999_999_999)
    }
    typed |= {
        " Five hundred AND seven ": (["five", "hundred", "seven"], True),
        "twenty-one": (["twenty", "one"], True),
        "thousand hundred five five": (["thousand", "hundred", "five", "five"], False),  # no number is spelled so
    }
    for text, (words, is_number) in typed.items():
        explorer = ask(page, text)
        expect(explorer.locator(".answer")).to_have_text("")
        tokens, weights = model.translate(task.source.encode([words]), task.target.start, task.target.end, 24)
        morphemes = task.target.decode(tokens[0].tolist())
        assert explorer.get_by_role("group", name="input words").locator(".text").all_inner_texts() == words
        assert explorer.get_by_role("group", name="output morphemes").locator(".text").all_inner_texts() == morphemes
        ours = weights[0, : len(morphemes)]
        drawn = shown_weights(explorer, len(morphemes), len(words))
        assert ((drawn - ours).abs() < CLOSE).logical_or((drawn == 0) & (ours < 0.02 + CLOSE)).all()
        verdict = explorer.locator(".verdict").inner_text()
        assert ("translated" in verdict) == is_number


def test_what_the_translator_cannot_read_is_told_and_nothing_is_lost(page: Page, site: str) -> None:
    figure = load(page, site, "translator")
    expect(figure.get_by_role("status")).to_contain_text("in the explorer above", timeout=PATIENCE)
    kept = ask(page, "forty five").get_by_role("group", name="input words").inner_text()
    for text, told in {
        "": "Type a number",
        "  ": "Type a number",
        "hello forty world": "does not know “hello”, “world”",
        "-5": "Type a whole number",
        "3.5": "Type a whole number",
        "<pad>": "does not know “pad”",
        "drei": "Its words are eight, eighteen",
        "1000000000": "up to 999,999,999",
        "one " * 33: "at most 32 words; these are 33",
        "!?": "does not know that",
    }.items():
        explorer = ask(page, text)
        expect(explorer.locator(".answer")).to_contain_text(told)
        assert explorer.get_by_role("group", name="input words").inner_text() == kept
        assert explorer.get_by_role("textbox").input_value() == text


def test_the_language_model_goes_on_as_the_library_does(page: Page, site: str) -> None:
    figure = load(page, site, "language_model")
    beginning, told = figure.get_by_label("Begin a text"), figure.get_by_role("status")
    model = load_language_model()
    for text in ("def __init__(self, ", "naïve"):
        beginning.fill(text)
        figure.get_by_role("button", name="Write 60 characters").click()
        expect(figure.locator(".written .new")).to_have_count(60)
        expect(figure.get_by_role("button", name="Write on")).to_be_enabled()
        tokens = model.generate(python_docs.encode(text), 60)
        written = python_docs.decode(tokens)[len(text) :]
        assert figure.locator(".written").text_content() == text + written
        assert told.inner_text().startswith("It has never read “ï”" if "ï" in text else "It has written 60")
    for head, character in ((0, 0), (6, 41)):
        figure.get_by_label("layer and head").select_option(index=head)
        figure.get_by_label("Character").fill(str(len(text) + character))
        with torch.no_grad():
            _, weights = model(tokens[: len(text) + character], need_weights=True)
        row = torch.cat(weights)[head, -1]
        shares = re.findall(r"(\d+) back: (\d\.\d\d)", figure.locator(".sentence").inner_text())
        assert len(shares) == 4
        for back, share in shares:
            assert abs(row[-int(back)].item() - float(share)) <= 0.005 + CLOSE
        assert int(shares[0][0]) == len(row) - row.argmax().item()


def test_the_language_model_reads_no_more_than_it_was_trained_on_and_draws(page: Page, site: str) -> None:
    figure = load(page, site, "language_model")
    figure.get_by_label("Begin a text").fill("")
    figure.get_by_role("button", name="Write 60 characters").click()
    expect(figure.get_by_role("status")).to_have_text("Begin with at least one character.")
    text = "The with statement is used to wrap the execution of a block with methods. " * 3
    figure.get_by_label("Begin a text").fill(text)
    figure.get_by_label("Temperature").fill("1")
    figure.get_by_role("button", name="Write 60 characters").click()
    expect(figure.get_by_role("button", name="Write on")).to_be_enabled()
    drawn = figure.locator(".written").text_content()
    assert drawn.startswith(text)
    assert set(drawn[len(text) :]) <= set(python_docs.CHARACTERS)
    figure.get_by_role("button", name="Write on").click()
    expect(figure.locator(".written .new")).to_have_count(120)
    assert figure.locator(".written").text_content().startswith(drawn)


# --- Only on request, only from here ---------------------------------------------------------------------------------


@each_model
def test_nothing_of_a_model_is_fetched_before_its_button_and_nothing_from_elsewhere(
    name: str, page: Page, site: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site + CHAPTERS[name], wait_until="networkidle")
    heavy = re.compile(r"\.(onnx|wasm)$|runtime\.json|ort\.")
    figure = place(page, name)
    figure.scroll_into_view_if_needed()
    assert not [url for url in asked if heavy.search(url)]
    folder = SITE / "_static/models"
    size = sum(path.stat().st_size for path in [*folder.glob(f"{name}-*.onnx"), *folder.glob("onnxruntime-web-*/*")])
    button = figure.get_by_role("button")
    assert button.inner_text() == f"Load the model: {size / 1e6:.1f} MB"
    seen = figure.evaluate_handle(
        """(figure) => {
            const progress = figure.querySelector("[role=progressbar]"), seen = [];
            new MutationObserver(() => seen.push(Number(progress.getAttribute("aria-valuenow"))))
                .observe(progress, { attributes: true, attributeFilter: ["aria-valuenow"] });
            return seen;
        }"""
    )
    button.focus()
    page.keyboard.press("Enter")
    expect(figure.get_by_role("button", name=re.compile("^Load the model"))).to_have_count(0)
    expect(page.locator(ASKED)).to_have_count(1)
    shares = seen.json_value()
    assert shares == sorted(shares)
    assert len(set(shares)) > 3
    assert shares[-1] == 100
    assert [url for url in asked if heavy.search(url)]
    assert all(url.startswith((site, "data:")) for url in asked), asked


@each_model
@pytest.mark.parametrize("broken", ["**/*.wasm", "**/*.onnx", "**/runtime.json", "**/ort.wasm.*.mjs*"])
def test_a_load_that_fails_is_told_and_can_be_tried_again(
    broken: str, name: str, page: Page, site: str, complaints: list[str]
) -> None:
    page.route(broken, lambda route: route.abort())
    figure = load(page, site, name)
    expect(figure.get_by_role("status")).to_contain_text("The model was not loaded")
    again = figure.get_by_role("button", name=re.compile("^Try again"))
    expect(again).to_be_focused()
    page.unroute(broken)
    again.click()
    expect(page.locator(ASKED)).to_have_count(1)
    assert complaints  # the browser's own, of what did not arrive
    complaints.clear()


@each_model
def test_only_pages_with_a_model_may_compile_it(name: str) -> None:
    rule = re.compile(r"script-src 'self'( 'wasm-unsafe-eval')?")
    for path in SITE.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found = rule.search(text)
        assert found, path
        assert bool(found[1]) == ("data-page-model=" in text), path
    assert f'data-page-model="{name}"' in (SITE / CHAPTERS[name]).read_text(encoding="utf-8")


@each_model
def test_without_javascript_a_sentence_says_what_it_would_do(name: str, browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site + CHAPTERS[name])
    assert re.search(r"can run here, in your browser: .+ needs JavaScript", place(page, name).inner_text())
    assert not place(page, name).get_by_role("button").count()
    context.close()


@each_model
@pytest.mark.parametrize("page", WIDTHS.values(), ids=WIDTHS, indirect=True)
def test_it_fits(name: str, page: Page, site: str) -> None:
    figure = load(page, site, name)
    expect(page.locator(ASKED)).to_have_count(1)
    if name == "translator":
        ask(page, "nine hundred ninety nine thousand nine hundred ninety nine thousand five five")
    else:
        figure.get_by_role("button", name="Write 60 characters").click()
        expect(figure.locator(".looks")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    wide = page.evaluate("""() => [...document.querySelectorAll("figure.explorer")].flatMap((figure) => {
        const card = figure.getBoundingClientRect();
        return [...figure.querySelectorAll(".explorer-body *:not(.explorer-spoken, svg *)")].filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width && (box.left < card.left - 1 || box.right > card.right + 1);
        }).map((element) => element.outerHTML);
    })""")
    assert wide == []
