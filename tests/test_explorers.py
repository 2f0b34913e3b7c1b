"""The explorers in a real browser: every control is moved, and what it shows is compared with the library."""

import json
import math
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from explorer_pages import assert_fits, write_page

from attnbook import explorers
from attnbook.attention import attend
from attnbook.explorers import (
    AlignmentExplorer,
    FadingMemoryExplorer,
    WeightedSumExplorer,
    static_files,
    write_static,
)
from attnbook.explorers.alignment_explorer import read_number
from attnbook.explorers.explorer import inline_kit
from attnbook.explorers.fading_memory_explorer import SENTENCE, percent
from attnbook.plots import luminance

WIDTHS = [320, 360, 660, 768, 1280]  # 660 is the widest that has one column


def translation(number, source, target, correct=True):
    """An example with weights of its own: each morpheme looks mostly at one word, and a little at each other."""
    scores = torch.randn(len(target), len(source), generator=torch.Generator().manual_seed(number), dtype=torch.float64)
    scores[range(len(target)), [j % len(source) for j in range(len(target))]] += 4
    weights = scores.softmax(dim=-1)
    return {"number": number, "source": source, "target": target, "weights": weights, "correct": correct}


LONG = translation(
    345_678,
    ["three", "hundred", "forty", "five", "thousand", "six", "hundred", "seventy", "eight", "<end>"],
    ["drei", "hundert", "fünf", "und", "vierzig", "tausend", "sechs", "hundert", "acht", "und", "siebzig", "<end>"],
)
CROSSED = {
    "number": 23,
    "source": ["twenty", "three"],
    "target": ["drei", "und", "zwanzig"],
    "weights": [[0.04, 0.96], [0.7, 0.3], [1.0, 0.0]],
    "correct": False,
}


def alignment():
    return AlignmentExplorer([LONG, CROSSED], translate=lambda number: {**CROSSED, "number": number})


MAKERS = [WeightedSumExplorer, alignment, FadingMemoryExplorer]
EACH_MAKER = pytest.mark.parametrize("make", MAKERS)


class Figure(HTMLParser):
    """The figure's attributes and the picture's, as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found[tag] = dict(attributes)


# Without a browser


@EACH_MAKER
def test_equal_explorers_give_equal_html(make):
    one, two = make(), make()
    assert one.html() == two.html()
    assert repr(one) == repr(two)
    assert "0x" not in repr(one)
    state = Figure(one.html()).found["figure"]["data-state"]
    assert state == json.dumps(json.loads(state), sort_keys=True, ensure_ascii=False)


def test_the_picture_does_not_follow_the_notebooks_style():
    plain = WeightedSumExplorer().html()
    with plt.style.context("dark_background"):
        assert WeightedSumExplorer().html() == plain


def test_state_holds_the_public_traits_and_nothing_of_the_widget_machinery():
    assert WeightedSumExplorer().state().keys() == {"scores", "values", "temperature", "labels"}
    assert alignment().state().keys() == {"examples", "chosen", "translates"}
    assert FadingMemoryExplorer().state().keys() == {"words", "keep", "both_ways", "sentence"}


def test_html_changes_with_the_state_and_with_the_code(monkeypatch):
    old = Figure(WeightedSumExplorer().html()).found
    warm = Figure(WeightedSumExplorer(temperature=2).html()).found
    assert warm["figure"]["data-state"] != old["figure"]["data-state"]
    assert warm["figure"]["data-code"] == old["figure"]["data-code"]
    assert warm["img"]["src"] != old["img"]["src"]
    monkeypatch.setattr(WeightedSumExplorer, "_css", WeightedSumExplorer._css + "\n")
    assert Figure(WeightedSumExplorer().html()).found["figure"]["data-code"] != old["figure"]["data-code"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (WeightedSumExplorer, "v₂ 0.30 context (1.00, 2.10)"),
        (alignment, "345,678 siebzig"),
        (FadingMemoryExplorer, "one way: three 12.5%, hundred 25%, five 50%. start 12.5%."),
    ],
)
def test_picture_stands_in_words_and_with_its_size(make, words):
    found = Figure(make().html()).found
    assert all(word in found["img"]["alt"] for word in words.split())
    assert found["img"]["src"].startswith("data:image/png;base64,")
    assert int(found["img"]["width"]) > int(found["img"]["height"]) / 2 > 100
    assert len(make().html()) < 100_000


@EACH_MAKER
def test_a_notebook_gets_the_widget_and_the_html(make):
    explorer = make()
    data, _ = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert data["text/html"] == explorer.html()
    assert data["text/plain"] == repr(explorer)
    # Otherwise ipywidgets 7 would display the widget by itself, without the HTML.
    assert not callable(explorer._ipython_display_)


def test_inline_kit():
    kit = "export const a = 1;\nexport function b() {}\n"
    code = 'import { a, b } from "./kit.js";\nb(a);\nexport default { b };\n'
    assert inline_kit(code, kit) == "const a = 1;\nfunction b() {}\n\nb(a);\nexport default { b };\n"
    with pytest.raises(ValueError, match=r"import the kit once.* found 0"):
        inline_kit("export default {};", kit)


@EACH_MAKER
def test_a_widget_is_one_file_and_keeps_its_kit(make):
    code = str(make()._esm)
    assert re.findall(r"^import .*", code, re.MULTILINE) == []
    assert re.findall(r"^export .*", code, re.MULTILINE) == ["export default { render };"]
    assert "function softmax(" in code


def test_write_static(tmp_path):
    paths = write_static(tmp_path / "new" / "explorers")
    names = {path.name for path in paths}
    assert {"mount.js", "kit.js", "explorer.css"} < names
    for explorer in [cls for cls in map(explorers.__dict__.get, explorers.__all__) if hasattr(cls, "name")]:
        assert {f"{explorer.name}.js", f"{explorer.name}.css"} <= names
    assert {path.name: path.read_text(encoding="utf-8") for path in paths} == static_files()
    assert write_static(tmp_path / "new" / "explorers") == paths  # a second time is no error


def test_weights_and_context_by_hand():
    weights, context = WeightedSumExplorer().weights_and_context()
    assert weights == pytest.approx([0.1, 0.3, 0.5, 0.1])
    assert context == pytest.approx([1.0, 2.1])  # 0.1 · (3, −1) + 0.3 · (3, 2) + 0.5 · (0, 3) + 0.1 · (−2, 1)


def left(words, keep, both_ways=False):
    """What the reader's state holds of each of so many one-hot words and, last, of the empty start: step by step."""
    *sentence, start = torch.eye(words + 1, dtype=torch.float64)

    def read(sentence):
        state = start
        for word in sentence:
            state = keep * state + (1 - keep) * word
        return state

    forward = read(sentence)
    return ((forward + read(reversed(sentence))) / 2 if both_ways else forward).tolist()


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("keep", [0.05, 0.3, 0.5, 0.95])
@pytest.mark.parametrize("words", [1, 2, 3, 7, 12])
def test_shares_are_what_the_recurrence_leaves(words, keep, both_ways):
    explorer = FadingMemoryExplorer(words, keep, both_ways)
    *expected, empty = left(words, keep, both_ways)
    assert explorer.shares() == pytest.approx(expected, rel=1e-12)
    assert 1 - sum(explorer.shares()) == pytest.approx(empty, abs=1e-12)
    *bars, last = explorer.draw().axes[0].patches
    assert [bar.get_width() for bar in bars] == explorer.shares()
    assert last.get_width() == pytest.approx(empty)
    assert ("both ways" if both_ways else "one way") in explorer.describe()


def test_shares_by_hand():
    assert FadingMemoryExplorer().shares() == [1 / 8, 1 / 4, 1 / 2]
    # The other reader leaves 1/2, 1/4, 1/8; the means are:
    assert FadingMemoryExplorer(both_ways=True).shares() == [5 / 16, 4 / 16, 5 / 16]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.5, "50%"), (0.125, "12.5%"), (0.03125, "3.13%"), (2**-12, "0.02%"), (0.00005, "0.01%"), (4e-5, "< 0.01%")],
)
def test_percent(share, text):
    assert percent(share) == text


def test_traits_may_be_set_later_and_are_checked_then_too():
    explorer = WeightedSumExplorer(torch.zeros(4), values=np.eye(4, 2))
    explorer.scores = [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"scores should have shape \(4,\), got \(2,\)"):
        explorer.scores = [1.0, 2.0]
    assert explorer.scores == [1, 2, 3, 4]
    explorer = alignment()
    with pytest.raises(ValueError, match="chosen should be from 0 to 1, got 2"):
        explorer.chosen = 2
    with pytest.raises(ValueError, match="at least one translation"):
        explorer.examples = []
    explorer = FadingMemoryExplorer()
    explorer.words = 12
    with pytest.raises(ValueError, match=r"keep should lie between 0.05 and 0.95, got 1"):
        explorer.keep = 1
    with pytest.raises(ValueError, match="words should lie between 1 and 3, got 12"):
        explorer.sentence = ["one", "thousand", "two"]
    assert repr(explorer) == "FadingMemoryExplorer(words=12, keep=0.5, both_ways=False)"


@pytest.mark.parametrize(
    ("explorer", "arguments", "error", "message"),
    [
        (WeightedSumExplorer, {"scores": [1, 2, 3]}, ValueError, r"scores should have shape \(4,\), got \(3,\)"),
        (WeightedSumExplorer, {"scores": "high"}, TypeError, r"scores should be numbers of shape \(4,\), got 'high'"),
        (WeightedSumExplorer, {"scores": [0, 0, 0, math.inf]}, ValueError, r"finite numbers, .*\[0.0, 0.0, 0.0, inf\]"),
        (WeightedSumExplorer, {"values": torch.zeros(4, 3)}, ValueError, r"values .* shape \(4, 2\), got \(4, 3\)"),
        (WeightedSumExplorer, {"temperature": 0}, ValueError, r"temperature should lie between 0.1 and 10, got 0"),
        (WeightedSumExplorer, {"temperature": "hot"}, TypeError, r"temperature should be a number, got 'hot'"),
        (WeightedSumExplorer, {"labels": ("a", "b")}, ValueError, r"each of the four values, got 2: \['a', 'b'\]"),
        (WeightedSumExplorer, {"labels": "abcd"}, TypeError, r"four strings, got 'abcd'"),
        (FadingMemoryExplorer, {"words": 0}, ValueError, "words should lie between 1 and 12, got 0"),
        (FadingMemoryExplorer, {"words": 13}, ValueError, "words should lie between 1 and 12, got 13"),
        (FadingMemoryExplorer, {"words": 2.5}, TypeError, "words should be a whole number, got 2.5"),
        (FadingMemoryExplorer, {"words": True}, TypeError, "words should be a number, got True"),
        (FadingMemoryExplorer, {"keep": 0.96}, ValueError, "keep should lie between 0.05 and 0.95, got 0.96"),
        (FadingMemoryExplorer, {"keep": math.nan}, ValueError, "keep should lie between 0.05 and 0.95, got nan"),
        (FadingMemoryExplorer, {"keep": "half"}, TypeError, "keep should be a number, got 'half'"),
        (FadingMemoryExplorer, {"both_ways": "yes"}, TypeError, "both_ways should be True or False, got 'yes'"),
        (FadingMemoryExplorer, {"sentence": "one two"}, TypeError, "a tuple or list of words, got 'one two'"),
        (FadingMemoryExplorer, {"sentence": ["one"]}, ValueError, r"2 to 12 words, got 1: \['one'\]"),
        (FadingMemoryExplorer, {"sentence": ["six"] * 13}, ValueError, "2 to 12 words, got 13"),
    ],
)
def test_bad_arguments(explorer, arguments, error, message):
    with pytest.raises(error, match=message):
        explorer(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weights": [[1.0, 0.0]]}, ValueError, r"\[0\]: .* each of the 3 target .* 2 source words, got \(1, 2\)"),
        ({"weights": [[1.0, 0.5]] * 3}, ValueError, r"\[0\]: each row of weights should be .* sum to 1, got \[\[1.0"),
        ({"weights": [[1.5, -0.5]] * 3}, ValueError, r"from 0 to 1"),
        ({"weights": [[math.nan, 1.0]] * 3}, ValueError, r"from 0 to 1"),
        ({"weights": "even"}, TypeError, r"weights should be numbers of shape \(n_q, n_k\), got 'even'"),
        ({"source": "twenty three"}, TypeError, r"source should be of type list, got 'twenty three'"),
        ({"source": []}, ValueError, r"source should be a list of one or more strings, got \[\]"),
        ({"target": [1, 2, 3]}, ValueError, r"target should be a list of one or more strings"),
        ({"number": "23"}, TypeError, r"number should be of type int, got '23'"),
        ({"correct": 1}, TypeError, r"correct should be of type bool, got 1"),
        ({"extra": 1}, ValueError, r"fields number, source, target, weights, correct, got .*extra"),
    ],
)
def test_alignment_bad_arguments(change, error, message):
    with pytest.raises(error, match=message):
        AlignmentExplorer([{**CROSSED, **change}])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"examples": []}, ValueError, "at least one translation, got none"),
        ({"examples": CROSSED}, TypeError, "a list of dicts, got dict"),
        ({"examples": [23]}, TypeError, r"examples\[0\] should be a dict .* got int"),
        ({"examples": [CROSSED], "translate": "model"}, TypeError, "a function .* got 'model'"),
    ],
)
def test_alignment_bad_constructor(arguments, error, message):
    with pytest.raises(error, match=message):
        AlignmentExplorer(**arguments)


# What a reader types, on Python's side


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), (" 42 ", 42), ("999999", 999_999), ("345,678", 345_678), ("1 000", 1000), ("007", 7)]
)
def test_read_number(text, number):
    assert read_number(text) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^Type a whole number from 0 to 999,999, such as 345,678.$"),
        ("three", "^“three” is not a whole number: type a whole number from 0 to 999,999"),
        ("1.5", "^“1.5” is not a whole number"),
        ("1,5", "^“1,5” is not a whole number"),
        ("²", "is not a whole number"),
        ("-3", "^-3 is below zero"),
        ("−3", "^-3 is below zero"),
        ("1000000", "^1000000 is too large for this model: type a whole number from 0 to 999,999"),
        ("10,000,000", "^10,000,000 is too large"),
        ("9" * 5000, "^9{20}… is too large"),
    ],
)
def test_read_number_says_what_to_type(text, message):
    with pytest.raises(ValueError, match=message):
        read_number(text)


def ask(explorer, number):
    """Send the message that the browser sends; returns what Python sends back."""
    answers = []
    explorer.send = lambda content, buffers=None: answers.append(content)
    explorer._handle_msg({"content": {"data": {"method": "custom", "content": {"number": number}}}, "buffers": []})
    return answers


def test_a_request_is_answered_by_the_model_once():
    asked = []
    explorer = AlignmentExplorer([LONG], lambda number: asked.append(number) or {**CROSSED, "number": number})
    assert ask(explorer, "17") == [{"problem": ""}]
    assert [example["number"] for example in explorer.examples] == [345_678, 17]
    assert explorer.chosen == 1
    assert ask(explorer, "345678") == [{"problem": ""}]
    assert explorer.chosen == 0
    ask(explorer, "17")
    assert explorer.chosen == 1
    assert asked == [17]


def test_a_bad_request_changes_nothing():
    explorer = alignment()
    before = explorer.state()
    assert "is not a whole number" in ask(explorer, "many")[0]["problem"]
    assert explorer.state() == before


def test_a_failing_model_is_reported_to_the_reader():
    explorer = AlignmentExplorer([LONG], lambda number: 1 / 0)
    assert ask(explorer, "5") == [{"problem": "division by zero"}]
    explorer = AlignmentExplorer([LONG], lambda number: {})
    assert "should have the fields" in ask(explorer, "5")[0]["problem"]
    assert len(explorer.examples) == 1
    assert "no model" in ask(AlignmentExplorer([LONG]), "5")[0]["problem"]


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a site whose pages hold an explorer each, far enough down that the reader must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    for explorer in [make() for make in MAKERS]:
        write_page(folder, explorer.name, explorer)
    widget = f"{alignment()._esm}"
    (folder / "widget.js").write_text(widget, encoding="utf-8")
    (folder / "live.js").write_text(LIVE, encoding="utf-8")
    (folder / "live.html").write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>live</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="explorers/explorer.css">'
        '<link rel="stylesheet" href="explorers/alignment_explorer.css">'
        '<script type="module" src="live.js"></script></head>'
        '<body><div id="output"></div></body></html>',
        encoding="utf-8",
    )
    return serve(folder)


# A notebook's model as anywidget hands it to the widget, with Python's own explorer behind `window.python`.
LIVE = """
import explorer from "./widget.js";
const state = JSON.parse(await python("{}"));
const listeners = {};
const call = (event, content) => (listeners[event] ?? []).forEach((listener) => listener(content));
explorer.render({
  el: document.querySelector("#output"),
  model: {
    get: (name) => state[name],
    set(name, value) { state[name] = value; call(`change:${name}`); },
    on(event, listener) { (listeners[event] ??= []).push(listener); },
    off() {},
    save_changes() {},
    async send(content) {
      const { problem, ...changed } = JSON.parse(await python(JSON.stringify(content)));
      Object.assign(state, changed);
      for (const name of Object.keys(changed)) call(`change:${name}`);
      call("msg:custom", { problem });
    },
  },
});
"""


@pytest.fixture
def visit(browser, site):
    """Open a page, scroll to its explorer and wait until it stands. In the end there must be no console error."""
    contexts, errors = [], []

    def start(page_name, width=1280, theme=None, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{site}/{page_name}.html")
        if theme:
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.locator("figure").scroll_into_view_if_needed()
        page.locator(".explorer-body").wait_for()
        return page

    yield start
    for context in contexts:
        context.close()
    assert errors == []


EACH = pytest.mark.parametrize("name", ["weighted_sum_explorer", "alignment_explorer", "fading_memory_explorer"])


def fills(locator):
    """How long the bars are, in percent of their tracks."""
    return locator.evaluate_all("fills => fills.map(fill => parseFloat(fill.style.inlineSize))")


def shown(page):
    """All digits of what the weighted sum shows."""
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    return json.loads(data["weights"]), json.loads(data["context"])


def assert_shows(page, scores, temperature):
    values = torch.tensor(WeightedSumExplorer().values, dtype=torch.float64)
    context, weights = attend(torch.tensor([scores], dtype=torch.float64) / temperature, values)
    weights, context = weights[0].tolist(), context[0].tolist()
    assert shown(page)[0] == pytest.approx(weights, abs=1e-6)
    assert shown(page)[1] == pytest.approx(context, abs=1e-6)
    # The same is what the reader sees: the numbers, the bars, the arrows.
    minus = lambda number: f"{number:.2f}".replace("-", "−")  # noqa: E731
    assert page.locator(".score-row .weight").all_inner_texts() == [f"{weight:.2f}" for weight in weights]
    assert page.locator(".score-row .number:not(.weight)").all_inner_texts() == [minus(score) for score in scores]
    assert page.locator(".named-slider .number").inner_text() == f"{temperature:.2f}"
    assert fills(page.locator(".track .fill")) == pytest.approx([100 * weight for weight in weights], abs=1e-3)
    x, y = context
    assert page.locator(".sum b").inner_text().replace("−0.00", "0.00") == f"= context ({minus(x)}, {minus(y)})"


def sliders(page):
    return [page.get_by_label(f"score of v{i}") for i in "₁₂₃₄"], page.get_by_label("temperature", exact=True)


def test_softmax_in_the_browser_equals_torch(visit, site):
    page = visit("weighted_sum_explorer")
    generator = torch.Generator().manual_seed(0)
    for scale in (1.0, 30.0, 1e4):
        scores = torch.randn(7, generator=generator, dtype=torch.float64) * scale
        for temperature in (0.1, 1.0, 10.0):
            got = page.evaluate(
                "async ([scores, t]) => (await import('/explorers/kit.js')).softmax(scores, t)",
                [scores.tolist(), temperature],
            )
            assert got == pytest.approx((scores / temperature).softmax(0).tolist(), abs=1e-12)


def test_weighted_sum_first_view(visit):
    page = visit("weighted_sum_explorer")
    scores = [math.log(weight) for weight in (0.1, 0.3, 0.5, 0.1)]
    assert_shows(page, scores, 1.0)
    assert shown(page)[0] == pytest.approx([0.1, 0.3, 0.5, 0.1], abs=1e-12)


def test_weighted_sum_by_keyboard(visit):
    page = visit("weighted_sum_explorer")
    scores, temperature = sliders(page)
    expected = [math.log(weight) for weight in (0.1, 0.3, 0.5, 0.1)]
    for i, slider in enumerate(scores):
        slider.focus()
        page.keyboard.press("ArrowRight" if i % 2 else "ArrowLeft")
        expected[i] = float(slider.input_value())
        assert_shows(page, expected, 1.0)
    page.keyboard.press("End")
    assert_shows(page, [*expected[:3], 4.0], 1.0)
    page.keyboard.press("Tab")
    assert temperature.evaluate("slider => slider === document.activeElement")
    page.keyboard.press("Home")
    assert_shows(page, [*expected[:3], 4.0], 0.1)
    page.keyboard.press("End")
    assert_shows(page, [*expected[:3], 4.0], 10.0)
    page.keyboard.press("ArrowLeft")
    assert_shows(page, [*expected[:3], 4.0], 10**0.95)


def test_weighted_sum_by_mouse(visit):
    page = visit("weighted_sum_explorer")
    start = [math.log(weight) for weight in (0.1, 0.3, 0.5, 0.1)]
    scores, temperature = sliders(page)
    for i, slider in enumerate(scores):
        box = slider.bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.3, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.1 * i), middle, steps=5)
        page.mouse.up()
        start[i] = float(slider.input_value())
        assert -0.2 < start[i] - 0.8 * i < 0.5
        assert_shows(page, start, 1.0)
    temperature.click(position={"x": 2, "y": 20})
    assert_shows(page, start, 0.1)


def test_weighted_sum_buttons(visit):
    page = visit("weighted_sum_explorer")
    page.get_by_role("button", name="One winner").click()
    assert_shows(page, [-4, -4, 4, -4], 1.0)
    page.get_by_label("temperature", exact=True).focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="Equal").click()
    assert_shows(page, [0, 0, 0, 0], 1.0)
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, [math.log(weight) for weight in (0.1, 0.3, 0.5, 0.1)], 1.0)


def test_weighted_sum_by_touch(visit):
    page = visit("weighted_sum_explorer", width=360, has_touch=True, is_mobile=True)
    slider = sliders(page)[0][1]
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    expected = [math.log(weight) for weight in (0.1, 0.3, 0.5, 0.1)]
    expected[1] = float(slider.input_value())
    assert 1.5 < expected[1] < 2.5
    assert_shows(page, expected, 1.0)
    page.get_by_role("button", name="Equal").tap()
    assert_shows(page, [0, 0, 0, 0], 1.0)


def test_weighted_sum_arrows_end_where_the_numbers_say(visit):
    page = visit("weighted_sum_explorer")
    tips = page.locator(".weighted-sum > .plane .scaled polygon, .weighted-sum > .plane .context polygon").evaluate_all(
        "tips => tips.map(tip => tip.getAttribute('points').split(' ')[0].split(',').map(Number))"
    )
    dots = page.locator(".weighted-sum > .plane .whole circle").evaluate_all(
        "dots => dots.map(dot => [dot.cx.baseVal.value, dot.cy.baseVal.value])"
    )
    # The drawing is a scaled and mirrored copy of the plane: the four values' dots tell how, the arrows must follow.
    values = np.array(WeightedSumExplorer().values)
    design = np.column_stack([values, np.ones(4)])
    to_drawing, *_ = np.linalg.lstsq(design, np.array(dots), rcond=None)
    sums = np.cumsum(np.array([0.1, 0.3, 0.5, 0.1])[:, None] * values, axis=0)
    ends = np.vstack([sums, sums[-1]])
    np.testing.assert_allclose(np.column_stack([ends, np.ones(5)]) @ to_drawing, tips, atol=1e-6)
    np.testing.assert_allclose(np.column_stack([values, np.ones(4)]) @ to_drawing, dots, atol=1e-6)


def assert_spoken(page, text):
    # The one live line: an <output> for each number would speak at each step of a drag.
    line = page.locator("[aria-live], [role=status], output")
    assert line.count() == 1
    page.wait_for_function("([line, text]) => line.textContent === text", arg=[line.element_handle(), text])


def test_weighted_sum_is_spoken_once_the_hand_rests(visit):
    page = visit("weighted_sum_explorer")
    page.get_by_role("button", name="Equal").click()
    assert_spoken(page, "Weights 0.25, 0.25, 0.25, 0.25; context (1.00, 1.25)")
    assert sliders(page)[0][0].get_attribute("aria-valuetext") == "0.00, weight 0.25"


def words(page, side):
    return page.get_by_role("group", name={"source": "input", "target": "output"}[side]).get_by_role("button")


def assert_lit(page, example, side, index):
    """Python's weights of that word stand beside the other side's words, in the fills and in the links."""
    weights = np.array(example["weights"])
    expected = weights[index] if side == "target" else weights[:, index]
    other = "source" if side == "target" else "target"
    buttons = words(page, other)
    assert buttons.locator(".number").all_inner_texts() == [f"{weight:.2f}" for weight in expected]
    assert fills(buttons.locator(".fill")) == pytest.approx(list(100 * expected), abs=1e-2)
    pressed = page.locator("[aria-pressed=true]")
    assert pressed.locator(".text").all_inner_texts() == [example[side][index]]
    lit = page.locator("path.lit").evaluate_all(
        "(paths, other) => paths.map(path => [+path.dataset[other], +path.style.strokeOpacity])", other
    )
    assert [i for i, _ in lit] == [i for i, weight in enumerate(expected) if weight >= 0.02]
    assert [weight for _, weight in lit] == pytest.approx([weight for weight in expected if weight >= 0.02], abs=1e-4)
    sentence = page.locator(".sentence").inner_text()
    assert sentence.startswith(example[side][index])
    best = int(np.argmax(expected))
    assert f"{example[other][best]}" in sentence
    assert f": {expected[best]:.2f}" in sentence


def test_alignment_first_view_shows_all_links(visit):
    page = visit("alignment_explorer")
    example = alignment().examples[0]
    assert words(page, "source").locator(".text").all_inner_texts() == example["source"]
    assert words(page, "target").locator(".text").all_inner_texts() == example["target"]
    weights = page.locator(".links path").evaluate_all(
        "paths => paths.map(path => [+path.dataset.target, +path.dataset.source, +path.style.strokeOpacity])"
    )
    expected = {(j, i): w for j, row in enumerate(example["weights"]) for i, w in enumerate(row) if w >= 0.02}
    assert {(j, i): w for j, i, w in weights} == pytest.approx(expected, abs=1e-4)
    assert page.locator("[aria-pressed=true]").count() == 0
    assert page.locator(".verdict").inner_text() == "✓ translated correctly"
    assert not page.get_by_text("All links").is_visible()  # a control that could do nothing


def test_alignment_by_mouse(visit):
    page = visit("alignment_explorer")
    example = alignment().examples[0]
    for side in ("target", "source"):
        for index in range(len(example[side])):
            words(page, side).nth(index).hover()
            assert_lit(page, example, side, index)
    words(page, "target").nth(2).click()
    words(page, "target").nth(5).hover()
    assert_lit(page, example, "target", 5)
    page.mouse.move(0, 0)
    assert_lit(page, example, "target", 2)  # what was clicked stays
    page.get_by_role("button", name="All links").click()
    assert page.locator("[aria-pressed=true]").count() == 0


def test_alignment_by_keyboard(visit):
    page = visit("alignment_explorer")
    example = alignment().examples[0]
    words(page, "target").first.focus()
    assert_lit(page, example, "target", 0)
    for index in range(1, len(example["target"])):
        page.keyboard.press("ArrowDown")
        assert_lit(page, example, "target", index)
    page.keyboard.press("Home")
    assert_lit(page, example, "target", 0)
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    last = len(example["target"]) - 2
    assert_lit(page, example, "target", last)
    page.keyboard.press("ArrowLeft")
    assert_lit(page, example, "source", int(np.argmax(example["weights"][last])))
    page.keyboard.press("ArrowRight")
    column = np.array(example["weights"])[:, int(np.argmax(example["weights"][last]))]
    assert_lit(page, example, "target", int(np.argmax(column)))
    page.keyboard.press("Escape")
    assert page.locator("[aria-pressed=true]").count() == 0
    # One stop for the tab key in each column.
    assert page.locator(".words button[tabindex='0']").count() == 2


def test_alignment_by_touch(visit):
    page = visit("alignment_explorer", width=360, has_touch=True, is_mobile=True)
    example = alignment().examples[0]
    words(page, "target").nth(3).tap()
    assert_lit(page, example, "target", 3)
    words(page, "source").nth(1).tap()
    assert_lit(page, example, "source", 1)


def test_alignment_choose_another_example(visit):
    page = visit("alignment_explorer")
    select = page.get_by_label("Number")
    assert select.locator("option").all_inner_texts() == ["345,678", "23 (wrong)"]
    words(page, "target").first.click()
    page.mouse.move(0, 0)
    select.select_option("23 (wrong)")
    assert words(page, "target").locator(".text").all_inner_texts() == CROSSED["target"]
    assert page.locator(".verdict").inner_text() == "✗ translated wrongly"
    assert page.locator("[aria-pressed=true]").count() == 0
    words(page, "target").first.click()
    assert page.locator(".sentence").inner_text() == "drei looks at three: 0.96; the others: 0.04 in all"
    assert_lit(page, CROSSED, "target", 0)
    words(page, "source").first.click()
    assert page.locator(".sentence").inner_text() == "twenty is looked at by zwanzig: 1.00, und: 0.70"
    select.select_option("345,678")
    assert words(page, "target").count() == len(LONG["target"])


def test_alignment_names_repeated_words(visit):
    page = visit("alignment_explorer")
    words(page, "target").nth(7).click()
    assert page.locator(".sentence").inner_text().startswith("hundert (2nd) looks at ")


def test_no_dead_control_without_a_kernel(visit):
    page = visit("alignment_explorer")
    assert page.locator("input").count() == 0
    assert "In a running notebook you can type any number" in page.locator(".remark").inner_text()


def test_typing_a_number_reaches_python_and_comes_back(browser, site):
    explorer = alignment()

    def python(content):
        content = json.loads(content)
        answer = ask(explorer, content["number"])[0] if content else {}
        return json.dumps({**answer, **explorer.state()})

    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.expose_function("python", python)
    page.goto(f"{site}/live.html")
    box = page.get_by_label("Any number below a million")
    for text, problem in [("many", "“many” is not a whole number"), ("1.5", "“1.5” is not"), ("-3", "below zero"),
                          ("10000000", "too large"), ("", "Type a whole number")]:  # fmt: skip
        box.fill(text)
        page.get_by_role("button", name="Translate").click()
        page.get_by_role("status").filter(has_text=problem).wait_for()
        assert box.input_value() == text
        assert box.get_attribute("aria-invalid") == "true"
        assert words(page, "target").count() == len(LONG["target"])  # nothing is lost
    box.fill("47")
    box.press("Enter")
    page.wait_for_function("document.querySelector('select').selectedOptions[0].text === '47 (wrong)'")
    assert words(page, "target").locator(".text").all_inner_texts() == CROSSED["target"]
    assert box.get_attribute("aria-invalid") == "false"
    assert page.get_by_role("status").inner_text() == ""
    assert errors == []
    page.context.close()


def assert_left(page, words, keep, both_ways=False, sentence=SENTENCE):
    """What the step-by-step reader leaves of each word is in the data, in the bars and in the text beside them."""
    shares = left(words, keep, both_ways)
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    assert [*json.loads(data["shares"]), json.loads(data["empty"])] == pytest.approx(shares, rel=1e-9)
    rows = page.locator(".share-row:visible")
    texts = [row.split("\n") for row in rows.all_inner_texts()]
    assert [name for name, _ in texts] == [*sentence[:words], "empty start"]
    for (_, text), share in zip(texts, shares, strict=True):
        if share < 0.00005:
            assert text == "< 0.01%"
        else:
            assert re.fullmatch(r"(0|[1-9]\d*)(\.\d?[1-9])?%", text)
            assert float(text[:-1]) == pytest.approx(100 * share, abs=0.005 + 1e-9)
    assert fills(rows.locator(".fill")) == pytest.approx([100 * share for share in shares], abs=1e-3)
    smallest = re.escape(percent(min(shares[:-1])).replace("<", "less than"))
    assert re.search(rf" {smallest} (each )?is left\.$", page.locator(".result").inner_text())
    assert page.locator(".named-slider .number").all_inner_texts() == [str(words), f"{keep:.2f}"]
    pressed = page.locator("[aria-pressed=true]").all_inner_texts()
    assert pressed == ["Both ways" if both_ways else "One way"]


def test_fading_memory_first_view(visit):
    page = visit("fading_memory_explorer")
    assert_left(page, 3, 0.5)
    assert page.locator(".share-row:visible .number").all_inner_texts() == ["12.5%", "25%", "50%", "12.5%"]
    assert page.locator(".result").inner_text() == "Of “three” 12.5% is left."


@pytest.mark.parametrize("both_ways", [False, True])
def test_fading_memory_by_keyboard(visit, both_ways):
    page = visit("fading_memory_explorer")
    if both_ways:
        page.get_by_role("button", name="Both ways").focus()
        page.keyboard.press("Space")
    page.get_by_label("words", exact=True).focus()
    page.keyboard.press("Home")
    for words in range(1, 13):
        assert_left(page, words, 0.5, both_ways)
        page.keyboard.press("ArrowRight")
    assert_left(page, 12, 0.5, both_ways)
    page.keyboard.press("Tab")
    for key, keep in [("ArrowRight", 0.55), ("Home", 0.05), ("ArrowRight", 0.1), ("End", 0.95), ("ArrowLeft", 0.9)]:
        page.keyboard.press(key)
        assert_left(page, 12, keep, both_ways)


def test_fading_memory_by_touch(visit):
    page = visit("fading_memory_explorer", width=360, has_touch=True, is_mobile=True)
    for label, words, keep in [("words", 12, 0.5), ("keep", 12, 0.95)]:
        slider = page.get_by_label(label, exact=True)
        slider.tap(position={"x": slider.bounding_box()["width"] - 2, "y": 20})
        assert_left(page, words, keep)
    page.get_by_role("button", name="Both ways").tap()
    assert_left(page, 12, 0.95, both_ways=True)
    page.get_by_role("button", name="One way").tap()
    assert_left(page, 12, 0.95)
    page.get_by_role("button", name="Both ways").tap()
    page.get_by_role("button", name="Reset").tap()
    assert_left(page, 3, 0.5)


def test_fading_memory_names_the_word_that_has_least(visit):
    page = visit("fading_memory_explorer")
    words = page.get_by_label("words", exact=True)
    words.focus()
    page.keyboard.press("End")
    assert page.locator(".result").inner_text() == "Of “three” 0.02% is left."
    page.get_by_role("button", name="Both ways").click()
    for key, text in [
        ("Home", "Of “three” 50% is left."),
        ("ArrowRight", "Of each word 37.5% is left."),
        ("ArrowRight", "Of “hundred”, the word in the middle, 25% is left."),
        ("ArrowRight", "Of “hundred” and “five”, the words in the middle, 18.75% each is left."),
    ]:
        words.press(key)
        assert page.locator(".result").inner_text() == text
        assert_spoken(page, text)


def test_fading_memory_follows_its_traits(visit):
    page = visit("fading_memory_explorer")
    page.evaluate(
        """async (state) => {
            const explorer = (await import("/explorers/fading_memory_explorer.js")).default;
            const listeners = {};
            const model = { get: (name) => state[name], on: (event, draw) => { listeners[event] = draw; }, off() {} };
            explorer.render({ model, el: document.querySelector(".explorer-body") });
            Object.assign(state, { sentence: ["one", "thousand", "two"], words: 3, keep: 0.33, both_ways: true });
            listeners["change:sentence"]();
        }""",
        FadingMemoryExplorer(words=12).state(),
    )
    assert_left(page, 3, 0.33, both_ways=True, sentence=["one", "thousand", "two"])
    assert page.get_by_label("words", exact=True).get_attribute("max") == "3"


@EACH
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, name, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/{name}.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/{name}.html")
    page.evaluate(
        """() => { window.shift = 0;
        new PerformanceObserver(list => list.getEntries().forEach(entry => { window.shift += entry.value; }))
            .observe({ type: "layout-shift", buffered: true }); }"""
    )
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    assert page.evaluate("window.shift") == 0
    # A move may not change the height either.
    if name == "alignment_explorer":
        for index in range(len(LONG["target"])):
            words(page, "target").nth(index).click()
            assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
        page.get_by_label("Number").select_option(index=1)
    elif name == "fading_memory_explorer":
        page.get_by_role("button", name="Both ways").click()
        for label, key in [("words", "End"), ("keep", "Home")]:  # most rows and, with twelve words, the longest text
            page.get_by_label(label, exact=True).press(key)
    else:
        page.get_by_role("button", name="One winner").click()
    assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    context.close()


@EACH
def test_targets_are_large_enough_for_a_finger(visit, name):
    page = visit(name, width=320)
    for control in page.locator(".explorer-body :is(button, select, input)").all():
        box = control.bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 44


# Every text with its colour and the colour behind it; and the marks that carry meaning, against the card.
COLORS_ON_THE_PAGE = """
() => {
  const behind = (element) => {
    for (let node = element; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if (!color.endsWith(", 0)")) return color;
    }
  };
  const texts = [...document.querySelectorAll("figure, figure *")].filter((element) =>
    element.getClientRects().length &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  const pairs = texts.map((element) => [
    element.textContent,
    element.closest("svg") ? getComputedStyle(element).fill : getComputedStyle(element).color,
    behind(element), 4.5]);
  const probe = document.createElement("i");
  document.querySelector(".explorer-body").append(probe);
  const named = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
  for (const name of ["weight", "query", "key", "value", "edge"]) pairs.push([name, named(name), named("card"), 3]);
  pairs.push(["ink on tint", named("ink"), named("tint"), 4.5]);
  probe.remove();
  return pairs;
}
"""


def contrast_of(one, other):
    dark, light = sorted(luminance([int(c) / 255 for c in re.findall(r"\d+", color)[:3]]) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


@EACH
@pytest.mark.parametrize(
    ("theme", "options", "dark"),
    [
        ("light", {"color_scheme": "dark"}, False),  # the host's word counts, not the system's
        ("dark", {"color_scheme": "light"}, True),
        (None, {"color_scheme": "light"}, False),
        (None, {"color_scheme": "dark"}, True),
    ],
)
def test_contrast(visit, name, theme, options, dark):
    page = visit(name, theme=theme, **options)
    if name == "alignment_explorer":
        page.get_by_label("Number").select_option(index=1)
        words(page, "target").first.click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 12
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)
    card = next(background for text, _, background, _ in pairs if text == "weight")
    assert (contrast_of(card, "rgb(255, 255, 255)") > 10) is dark


@EACH
@pytest.mark.parametrize(
    "mark", ["document.body.dataset.jpThemeLight = 'false'", "document.documentElement.setAttribute('theme', 'dark')"]
)
def test_dark_in_jupyterlab_and_colab(visit, name, mark):
    page = visit(name, color_scheme="light")
    background = "el => getComputedStyle(el).backgroundColor"
    assert page.locator(".explorer-body").evaluate(background) == "rgb(255, 255, 255)"
    page.evaluate(mark)
    assert contrast_of(page.locator(".explorer-body").evaluate(background), "rgb(255, 255, 255)") > 10


@EACH
def test_reduced_motion(visit, name):
    durations = "els => els.map(el => getComputedStyle(el).transitionDuration).filter(d => d !== '0s').length"
    assert visit(name).locator(".explorer-body *").evaluate_all(durations) > 0
    assert visit(name, reduced_motion="reduce").locator(".explorer-body *").evaluate_all(durations) == 0


@EACH
def test_print_shows_the_present_drawing_without_controls(visit, name):
    page = visit(name, theme="dark")
    page.emulate_media(media="print")
    assert page.locator(".explorer-body").evaluate("el => getComputedStyle(el).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".links, .weighted-sum > .plane, .rows").is_visible()
    for text in ("Reset", "All links"):
        assert not page.get_by_role("button", name=text).is_visible()


@EACH
def test_without_javascript_the_picture_stands(browser, site, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{name}.html")
    picture = page.locator("figure img")
    assert picture.is_visible()
    assert len(picture.get_attribute("alt")) > 50
    assert picture.bounding_box()["width"] > 300
    assert "A still picture" in page.locator("figure").inner_text()
    context.close()


@EACH
@pytest.mark.parametrize("broken", ["*_explorer.js", "kit.js"])
def test_where_the_code_does_not_arrive_the_picture_stays(browser, site, name, broken):
    page = browser.new_page()
    page.route(f"**/{broken}", lambda route: route.abort())
    page.goto(f"{site}/{name}.html")
    with page.expect_console_message(lambda message: "does not start" in message.text):
        page.locator("figure").scroll_into_view_if_needed()
    assert page.locator("figure img").is_visible()
    page.context.close()


@EACH
def test_an_explorer_is_fetched_only_when_it_comes_near(browser, site, name):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    requests = []
    page.on("request", lambda request: requests.append(request.url.rpartition("/")[2]))
    page.goto(f"{site}/{name}.html", wait_until="networkidle")
    assert "mount.js" in requests
    assert f"{name}.js" not in requests
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    assert {f"{name}.js", "kit.js"} <= set(requests)
    page.context.close()
