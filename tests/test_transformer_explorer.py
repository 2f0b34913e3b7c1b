"""The Transformer explorer: in a real browser the model computes what the library computes, parts off included."""

import json
import random

import numpy as np
import pytest
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, contrast_of, visit  # noqa: F401

from attnbook.data import number_words
from attnbook.explorers import TransformerExplorer, write_static
from attnbook.positions import sinusoidal

CROSS = ["decoder.0.cross_attention", "decoder.1.cross_attention"]


# Without a browser


def test_translates_and_says_so():
    explorer = TransformerExplorer(45)
    assert explorer.words() == ["forty", "five"]
    assert explorer.written() == ["fünf", "und", "vierzig", "<end>"]
    logits, weights = explorer.computed()
    assert logits.shape == (4, len(explorer.target))
    assert weights["decoder.1.cross_attention"].shape == (2, 4, 2)
    assert weights["decoder.0.self_attention"].shape == (2, 4, 4)
    assert weights["encoder.1.attention"].shape == (2, 2, 2)
    assert [explorer.target[i] for i in logits.argmax(dim=-1)] == explorer.written()


def test_without_positions_the_order_of_the_words_is_lost():
    in_order = TransformerExplorer(203_045, off=["positions"])
    shuffled = TransformerExplorer(203_045, off=["positions"], order=[5, 3, 1, 0, 4, 2])
    assert shuffled.words() != in_order.words()
    assert shuffled.written() == in_order.written()
    assert TransformerExplorer(203_045).written() != in_order.written()


def test_state_html_and_picture():
    explorer = TransformerExplorer(23)
    names = {"number", "order", "off", "part", "weights", "tensors", "heads", "source", "target"}
    assert explorer.state().keys() == names
    assert explorer.html() == TransformerExplorer(23).html()
    assert len(TransformerExplorer(345_678).html()) < 120_000
    found = Figure(explorer.html()).found
    assert "while the model reads twenty three and writes drei und zwanzig <end>" in found["img"]["alt"]
    titles = [ax.get_title() for ax in explorer.draw().axes[:2]]
    assert titles == ["Cross-attention, head 1", "Cross-attention, head 2"]
    assert repr(explorer) == "TransformerExplorer(23, off=[], order=[], part='decoder.1.cross_attention')"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"number": 0}, "number should be from 1 to 999,999, got 0"),
        ({"number": 1_000_000}, "number should be from 1 to 999,999, got 1,000,000"),
        ({"part": "decoder.2.network"}, "part should be one of encoder.words, .* got 'decoder.2.network'"),
        ({"off": ["encoder.0.cross_attention"]}, "the model has no 'encoder.0.cross_attention'"),
        ({"off": ["encoder.0.attention.head.2"]}, r"attention has no 'head\.2'; expected residual, norm"),
        ({"off": ["causal mask"]}, "the causal mask cannot be switched off here"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerExplorer(**arguments)


def test_a_wrong_order_is_named():
    with pytest.raises(ValueError, match=r"order should hold each of the places 0 to 1 once, got \[0, 0\]"):
        TransformerExplorer(45, order=[0, 0]).words()


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a site with an explorer far enough down that one must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "whole", TransformerExplorer())
    return serve(folder)


def chips(page, name):
    return page.get_by_role("group", name=name).locator("button").all_inner_texts()


def ask(page, number):
    page.get_by_label("Number from 1 to 999,999").fill(str(number))
    page.get_by_role("button", name="Translate").click()


def assert_shows(page, number=345_678, off=(), order=()):
    """Words, translation, every logit and every weight are the library's."""
    explorer = TransformerExplorer(number, off, order)
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    written = json.loads(data["written"])
    assert chips(page, "English words") == explorer.words()
    assert chips(page, "German morphemes") == [m.replace("<end>", "end") for m in written]
    logits, weights = explorer.computed(written)
    assert [explorer.target[token] for token in logits.argmax(dim=-1)] == written  # greedy, step by step
    assert written.index("<end>") == len(written) - 1 if "<end>" in written else len(written) == 24
    np.testing.assert_allclose(json.loads(data["logits"]), logits.numpy(), atol=1e-4)
    heads = json.loads(data["heads"])
    assert heads.keys() == weights.keys()
    for name, each in weights.items():
        np.testing.assert_allclose(heads[name], each.numpy(), atol=1e-4)
    right = written[:-1] == number_words.translate(number)[1]
    if not order:
        assert page.locator(".verdict").inner_text().startswith("✓" if right else "✗")
    return right


def test_many_numbers(visit):  # noqa: F811
    page = visit("whole")
    assert assert_shows(page)
    chance = random.Random(0)
    for number in (1, 17, 1_000, 101_001, 999_999, *(chance.randrange(1, 1_000_000) for _ in range(3))):
        ask(page, number)
        assert_shows(page, number)


def test_the_words_of_every_number_are_the_librarys(visit):  # noqa: F811
    page = visit("whole")
    # The page shows the words of one number and the true German of a wrong translation, so all is made wrong.
    page.get_by_label("decoder, norm").click()
    page.get_by_label("this norm").uncheck()
    for number in [*range(1, 22), 99, 116, 217, 680, 1_100, 16_017, 70_600, 101_000, 201_301]:
        ask(page, number)
        english, german = number_words.translate(number)
        assert chips(page, "English words") == english
        verdict = page.locator(".verdict").inner_text()
        assert verdict in ("✓ right", f"✗ wrong. Right: {' '.join(german)}")


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_every_part_and_every_switch(visit, stack):  # noqa: F811
    page = visit("whole")
    for part in TransformerExplorer(1).parts():
        if not label(part).startswith(stack):
            continue
        page.locator(f".column.{stack}").get_by_label(label(part), exact=True).click()
        assert page.locator(".title").inner_text() == label(part)
        names = switches(part)
        boxes = page.locator(".switches input")
        assert boxes.count() == len(names)
        for i, name in enumerate(names):
            boxes.nth(i).uncheck()
            assert_shows(page, off=[name])
            boxes.nth(i).check()
    assert_shows(page)


def label(part):
    kinds = {"words": "words + places", "attention": "self-attention", "self_attention": "self-attention"}
    kinds |= {"cross_attention": "cross-attention", "network": "feed-forward", "logits": "next morpheme"}
    stack, *layer, kind = ["decoder", "logits"] if part == "logits" else part.split(".")
    return f"{stack}{' ' + str(int(layer[0]) + 1) if layer else ''}, {kinds.get(kind, kind)}"


def switches(part):
    kind = part.split(".")[-1]
    if kind in ("words", "norm", "logits"):
        return {"words": ["positions"], "norm": [part], "logits": []}[kind]
    heads = [] if kind == "network" else [f"{part}.head.{h}" for h in range(2)]
    return [part, *heads, f"{part}.norm", f"{part}.residual"]


def test_scenes_break_the_translation_and_reset_mends_it(visit):  # noqa: F811
    page = visit("whole")
    scenes = {"No positions": ["positions"], "No cross-attention": CROSS, "No residual": ["encoder.0.network.residual"]}
    for name, off in scenes.items():
        page.get_by_role("button", name=name, exact=True).click()
        assert not assert_shows(page, off=off)
        assert page.locator(".column .changed").count() == (1 if name == "No residual" else 2)
        page.get_by_role("button", name="All parts on").click()
        assert assert_shows(page)
    page.get_by_role("button", name="Any number").click()
    page.get_by_role("button", name="No positions").click()
    page.get_by_role("button", name="Reset").click()
    assert assert_shows(page)


def test_shuffled_words(visit):  # noqa: F811
    page = visit("whole")
    page.get_by_role("button", name="No positions").click()
    before = page.locator(".explorer-body").evaluate("el => el.dataset.written")
    page.get_by_role("button", name="Shuffle words").click()
    words = chips(page, "English words")
    assert sorted(words) == sorted(number_words.translate(345_678)[0])
    assert words != number_words.translate(345_678)[0]
    assert page.locator(".explorer-body").evaluate("el => el.dataset.written") == before
    ask(page, 203)
    page.get_by_role("button", name="All parts on").click()
    while chips(page, "English words") != ["three", "hundred", "two"]:
        page.get_by_role("button", name="Shuffle words").click()
    assert_shows(page, 203, order=[2, 1, 0])
    # Shuffled so, the words name another number, and that is what counts as right.
    assert chips(page, "German morphemes") == ["drei", "hundert", "zwei", "end"]
    assert page.locator(".verdict").inner_text() == "✓ right"


def test_the_pictures_numbers_are_those_of_the_chosen_token(visit):  # noqa: F811
    page = visit("whole")
    page.get_by_label("encoder, words + places").click()
    page.get_by_role("group", name="English words").locator("button").nth(4).click()
    places = page.locator(".numbers").nth(1)
    assert places.locator(".map-title").inner_text() == "waves for the place (9, 20)"
    shown = [float(text.replace("−", "-")) for text in places.locator(".digits").inner_text().split()]
    np.testing.assert_allclose(shown, sinusoidal(9, 20)[4], atol=0.005 + 1e-6)
    page.get_by_label("decoder, next morpheme").click()
    page.locator(".map .row").nth(4).click()  # "vierzig"
    logits, _ = TransformerExplorer().computed()
    best = logits[4].softmax(dim=-1).max().item()
    first = page.locator(".guess").first.inner_text()
    assert first.startswith("vierzig")
    assert float(first.split("→")[1]) == pytest.approx(best, abs=0.0006)


def test_views_of_an_attention(visit):  # noqa: F811
    page = visit("whole")
    assert page.locator(".head").count() == 2
    looks = page.locator(".looks").first.inner_text()
    _, weights = TransformerExplorer().computed()
    assert "fünf looks at five: q · k ÷ √10 = " in looks
    assert f"weight {weights['decoder.1.cross_attention'][0, 2, 3]:.2f}" in looks
    page.get_by_role("button", name="q, k and v").click()
    titles = page.locator(".map-title").all_inner_texts()
    assert titles[:3] == ["q of head 1 (12, 10)", "k of head 1 (9, 10)", "v of head 1 (9, 10)"]
    page.get_by_role("button", name="vectors").click()
    assert page.locator(".map-title").last.inner_text() == "x afterwards (12, 20)"


def test_bad_numbers_are_refused_in_words(visit):  # noqa: F811
    page = visit("whole")
    for text in ("0", "1000000", "-5", "many", ""):
        ask(page, text)
        assert page.locator(".problem").inner_text() == "Type a whole number from 1 to 999,999, such as 345,678."
    assert_shows(page)
    ask(page, "45")
    assert page.locator(".problem").inner_text() == ""


def test_by_keyboard(visit):  # noqa: F811
    page = visit("whole")
    page.get_by_label("Number from 1 to 999,999").fill("45")
    page.keyboard.press("Enter")
    assert assert_shows(page, 45)
    page.get_by_label("decoder 1, cross-attention").press("Enter")
    box = page.locator(".switches input").first
    box.press("Space")
    assert_shows(page, 45, off=CROSS[:1])
    assert box.evaluate("e => e === document.activeElement")
    page.get_by_role("button", name="vectors").press("Enter")
    page.get_by_role("group", name="German morphemes").locator("button").nth(1).press("Enter")
    assert page.locator(".map .chosen").count() == 4


def test_by_touch(visit):  # noqa: F811
    page = visit("whole", width=360, has_touch=True, is_mobile=True)
    page.get_by_label("encoder 1, self-attention").tap()
    page.get_by_label("head 2", exact=True).tap()
    assert_shows(page, off=["encoder.0.attention.head.1"])


def test_is_spoken_once_the_hand_rests(visit):  # noqa: F811
    page = visit("whole")
    ask(page, 45)
    text = "forty five becomes fünf und vierzig <end>, right. All parts are on."
    line = page.locator(".explorer-spoken")
    page.wait_for_function("([line, text]) => line.textContent === text", arg=[line.element_handle(), text])


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_and_the_page_holds_still_at_first(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/whole.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/whole.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    ask(page, 777_777)
    for part in ("encoder 1, feed-forward", "decoder, next morpheme", "decoder 1, cross-attention"):
        page.get_by_label(part).click()
        assert_fits(page, width)
        assert page.evaluate(OVERFULL) == []
    context.close()


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("whole", width=360)
    for control in page.locator(".explorer-body :is(button, .tick, input[type=text])").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("whole", theme=theme)
    page.get_by_role("button", name="No cross-attention").click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 12
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/whole.html")
    assert page.locator("figure img").is_visible()
    context.close()
