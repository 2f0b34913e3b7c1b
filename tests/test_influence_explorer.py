"""The influence explorer: guesses, bars and knocked out words, compared with the library in a real browser."""

import json

import numpy as np
import pytest
import torch
from explorer_pages import write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, contrast_of, fills, visit  # noqa: F401

from attnbook.attribution import kendall, knock_outs
from attnbook.explorers import InfluenceExplorer, write_static

WORDS = ["on", "friday", "the", "waiter", "was", "so", "unfriendly", "again"]


def example(name, tokens, seed, names=("weights", "rollout", "gradient × input", "leave one out")):
    """A sentence whose output is a made-up function of its words, with measures of its own."""
    n = len(tokens)
    chance = torch.Generator().manual_seed(seed)
    factors = torch.rand(n, generator=chance, dtype=torch.float64)
    outputs = knock_outs(lambda x: (x * factors - 0.4).sum(dim=-1).sigmoid(), torch.ones(n), torch.tensor(0.0))
    measures = {key: torch.randn(n, generator=chance, dtype=torch.float64).tolist() for key in names}
    measures["leave one out"] = [float(outputs[0] - outputs[2**i]) for i in range(n)]
    return {"name": name, "tokens": tokens, "output": "chance of a thing that takes long to say",
            "measures": measures, "outputs": outputs.tolist()}  # fmt: skip


EXAMPLES = [example("eight words", WORDS, 1), example("three words", WORDS[4:7], 2),
            example("other measures", WORDS[:5], 3, ("weights", "weights × norms"))]  # fmt: skip


# Without a browser


def test_shares_agreement_and_overlap_by_hand():
    explorer = InfluenceExplorer([{"name": "a", "tokens": ["x", "y", "z"], "output": "o", "outputs": [0.5] * 8,
                                   "measures": {"weights": [1, 2, 5], "leave one out": [-3, 1, 0]}}])  # fmt: skip
    assert explorer.shares("weights") == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert explorer.shares("leave one out") == pytest.approx([3 / 4, 1 / 4, 0])
    assert explorer.agreement() == pytest.approx(-1)
    assert explorer.overlap() == pytest.approx(1 / 8 + 2 / 8)


def test_state_html_picture_and_words():
    explorer = InfluenceExplorer(EXAMPLES)
    assert explorer.state().keys() == {"examples", "chosen", "left", "right", "gone", "guess"}
    assert explorer.html() == InfluenceExplorer(EXAMPLES).html()
    found = Figure(explorer.html()).found
    assert "unfriendly" in found["img"]["alt"]
    assert len(explorer.html()) < 100_000
    for ax, side in zip(explorer.draw().axes, explorer.sides(), strict=True):
        assert ax.get_title() == side
        assert [bar.get_width() for bar in ax.patches] == pytest.approx(explorer.shares(side))
    assert repr(explorer) == "InfluenceExplorer(3 sentences, 'weights' beside 'leave one out')"
    explorer.gone = 5
    assert explorer.output() == pytest.approx(EXAMPLES[0]["outputs"][5], abs=1e-4)


def test_a_measure_that_a_sentence_lacks_gives_way():
    explorer = InfluenceExplorer(EXAMPLES, left="rollout")
    explorer.chosen = 2
    assert explorer.sides() == ("weights", "leave one out")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tokens": "one two"}, TypeError, r"examples\[0\]: tokens should be a list of strings, got 'one two'"),
        ({"tokens": ["a"]}, ValueError, r"tokens should be 2 to 8, since all choices are kept, got 1"),
        ({"outputs": [0.5] * 7}, ValueError, r"outputs should have shape \(8,\), got \(7,\)"),
        ({"outputs": [2.0] * 8}, ValueError, "outputs should lie between -1 and 1, got 2 to 2"),
        ({"measures": {"weights": [1, 2, 3]}}, ValueError, "measures should be a dict of two or more"),
        ({"measures": {"weights": [1, 2], "rollout": [1, 2, 3]}}, ValueError, r"weights should have shape \(3,\)"),
        ({"more": 1}, ValueError, "should have the fields name, tokens, output, measures, outputs, got .*more"),
    ],
)
def test_bad_examples(change, error, message):
    with pytest.raises(error, match=message):
        InfluenceExplorer([EXAMPLES[1] | change])


def test_bad_constructor_and_traits():
    with pytest.raises(ValueError, match="at least one sentence, got none"):
        InfluenceExplorer([])
    with pytest.raises(TypeError, match="a list of dicts, got dict"):
        InfluenceExplorer(EXAMPLES[0])
    explorer = InfluenceExplorer(EXAMPLES)
    with pytest.raises(Exception, match="chosen should be from 0 to 2, got 3"):
        explorer.chosen = 3


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "influence", InfluenceExplorer(EXAMPLES))
    return serve(folder)


def row(page, i):
    return page.locator(".rows button").nth(i)


def assert_shows(page, chosen=0, left="weights", right="leave one out", gone=0):
    """Bars, numbers, τ, overlap and output are the library's."""
    explorer = InfluenceExplorer(EXAMPLES, left=left, right=right)
    explorer.chosen, explorer.gone = chosen, gone
    sides = [explorer.shares(side) for side in explorer.sides()]
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    np.testing.assert_allclose(json.loads(data["shares"]), sides, atol=1e-9)
    numbers = json.loads(data["numbers"])
    assert numbers["tau"] == pytest.approx(explorer.agreement(), abs=1e-9)
    assert numbers["tau"] == pytest.approx(kendall(*torch.tensor(sides)), abs=1e-6)
    assert numbers["overlap"] == pytest.approx(explorer.overlap(), abs=1e-9)
    assert numbers["output"] == pytest.approx(EXAMPLES[chosen]["outputs"][gone], abs=1e-4)
    for side, shares in zip(("left", "right"), sides, strict=True):
        assert fills(page.locator(f".rows .{side} .fill")) == pytest.approx([100 * x for x in shares], abs=1e-3)
        texts = page.locator(f".rows .{side} .number").all_inner_texts()
        assert [abs(float(text.replace("−", "-"))) for text in texts] == pytest.approx(shares, abs=0.005 + 1e-9)
    assert f"{numbers['output']:.2f}".replace("-", "−") == page.locator(".result > .number").inner_text()
    pressed = page.locator(".rows button").evaluate_all("all => all.map(b => b.getAttribute('aria-pressed'))")
    assert pressed == [str((gone >> i) % 2 == 1).lower() for i in range(len(EXAMPLES[chosen]["tokens"]))]


def shown(page):
    page.get_by_role("button", name="Show without a guess").click()
    return page


def test_first_the_guess(visit):  # noqa: F811
    page = visit("influence")
    assert fills(page.locator(".rows .fill")) == [0] * 16
    assert "Guess first" in page.locator(".task").inner_text()
    assert page.get_by_role("button", name="All words back").is_disabled()
    row(page, 2).click()
    assert_shows(page)
    falls = np.abs(EXAMPLES[0]["measures"]["leave one out"])
    text = page.locator(".task").inner_text()
    assert f"Without “{WORDS[int(falls.argmax())]}” the output changes most, by {falls.max():.2f}" in text
    assert ("You guessed it" if falls.argmax() == 2 else "You guessed “the”") in text
    page.get_by_role("button", name="Guess again").click()
    assert "Guess first" in page.locator(".task").inner_text()


def test_words_are_taken_out_and_put_back(visit):  # noqa: F811
    page = shown(visit("influence"))
    assert_shows(page)
    for i, gone in [(0, 1), (6, 65), (0, 64), (7, 192)]:
        row(page, i).click()
        assert_shows(page, gone=gone)
    page.get_by_role("button", name="All words back").click()
    assert_shows(page)


@pytest.mark.parametrize(("side", "measure"), [("left", "weights"), ("right", "leave one out")])
def test_top_words_go_in_order(visit, side, measure):  # noqa: F811
    page = shown(visit("influence"))
    gone = 0
    for i in np.argsort(-np.abs(EXAMPLES[0]["measures"][measure])):
        page.get_by_role("button", name=f"Take out the {side} measure's top word").click()
        gone |= 1 << int(i)
        assert_shows(page, gone=gone)
    page.get_by_role("button", name=f"Take out the {side} measure's top word").click()
    assert_shows(page, gone=255)


def test_every_sentence_and_measure(visit):  # noqa: F811
    page = visit("influence")
    for chosen, one in enumerate(EXAMPLES):
        page.get_by_label("Sentence", exact=True).select_option(index=chosen)
        shown(page)
        for name in one["measures"]:
            page.get_by_label("left measure", exact=True).select_option(name)
            assert_shows(page, chosen, left=name)
            page.get_by_label("right measure", exact=True).select_option(name)
            assert_shows(page, chosen, left=name, right=name)
            page.get_by_label("right measure", exact=True).select_option("leave one out")
        page.get_by_label("left measure", exact=True).select_option("weights")


def test_by_keyboard_and_touch(visit):  # noqa: F811
    page = visit("influence")
    row(page, 0).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert_shows(page, gone=2)
    page = visit("influence", width=360, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Show without a guess").tap()
    row(page, 3).tap()
    assert_shows(page, gone=8)


def test_is_spoken(visit):  # noqa: F811
    page = shown(visit("influence"))
    row(page, 5).click()
    page.wait_for_function(
        "() => document.querySelector('.explorer-spoken').textContent.startsWith('Taken out: so. Tap')"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/influence.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/influence.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    heights = [height()]
    for chosen in range(len(EXAMPLES)):
        page.get_by_label("Sentence", exact=True).select_option(index=chosen)
        heights.append(height())
        shown(page)
        heights.append(height())
        for i in range(3):
            row(page, i).click()
            heights.append(height())
    assert heights == pytest.approx([held] * len(heights), abs=0.5)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("influence", width=360)
    for control in page.locator(".explorer-body :is(button, select)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = shown(visit("influence", theme=theme))
    row(page, 0).click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 12
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/influence.html")
    assert page.locator("figure img").is_visible()
    context.close()
