"""The heads explorer: every map and every line is the library's, reached by mouse, keyboard and touch."""

import json

import numpy as np
import pytest
import torch
from explorer_pages import assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, Figure, contrast_of, fills, visit  # noqa: F401

from attnbook.evidence.heads_of_minilm import PATTERNS
from attnbook.explorers import HeadsExplorer, write_static
from attnbook.explorers.heads_explorer import BANK
from attnbook.pretrained import load_minilm

WIDTHS = [320, 360, 660, 1280]


@pytest.fixture(scope="module")
def model():
    return load_minilm()


@pytest.fixture(scope="module")
def explorer(model):
    return HeadsExplorer(model, layer=2, head=4)


def of_the_model(model, text):
    with torch.no_grad():
        _, layers = model(*model.tokenize([text]), need_weights=True)
    return torch.cat(layers).numpy()  # (6, 12, n, n)


# Without a browser


def test_stored_weights_are_the_models_to_a_hundred_thousandth(model, explorer):
    for explorer.chosen, text in enumerate(BANK):
        # Stored in steps of 1/65535; the rest is what processors round differently.
        np.testing.assert_allclose(explorer.weights(), of_the_model(model, text), atol=1e-5)
        assert explorer.sentences[explorer.chosen]["tokens"][::10][0] == "[CLS]"
    explorer.chosen = 0


def test_state_html_and_picture(model, explorer):
    state = {"sentences", "chosen", "layers", "heads", "layer", "head", "order", "shares"}
    assert explorer.state().keys() == state
    assert explorer.html() == HeadsExplorer(model, layer=2, head=4).html()
    assert len(json.dumps(explorer.state())) < 150_000
    assert len(explorer.html()) < 220_000
    alt = Figure(explorer.html()).found["img"]["alt"]
    assert "6 rows of 12 small maps" in alt
    assert "Framed is head 2.4" in alt
    assert repr(explorer) == f"HeadsExplorer(6 sentences, head 2.4 on {BANK[0]!r})"
    picture = explorer.draw().axes[0].images[0].get_array()
    n = len(explorer.sentences[0]["tokens"])
    np.testing.assert_array_equal(picture[n + 3 : 2 * n + 3, 3 * n + 9 : 4 * n + 9], explorer.weights()[1, 3])


def test_shares_are_means_of_weights(explorer):
    assert explorer.shares.keys() == set(PATTERNS)
    assert all(len(row) == 72 for row in explorer.shares.values())
    assert explorer.shares["previous"][2] > 0.99  # head 1.3
    assert explorer.shares["next"][12 + 8] > 0.6  # head 2.9


def test_a_sentence_of_the_readers_own(model):
    explorer = HeadsExplorer(model, texts=["One.", "Two cats."])
    explorer.show("  Three  dogs ran. ")
    assert (explorer.chosen, explorer.sentences[2]["text"]) == (2, "Three dogs ran.")
    np.testing.assert_allclose(explorer.weights(), of_the_model(model, "Three dogs ran."), atol=8e-6)
    explorer.show("One.")
    assert (explorer.chosen, len(explorer.sentences)) == (0, 3)
    answers = []
    explorer.send = answers.append
    explorer._answer(explorer, {"text": "Two cats."}, [])
    explorer._answer(explorer, {"text": "  "}, [])
    explorer._answer(explorer, {"text": "word " * 50}, [])
    assert explorer.chosen == 1
    assert [answer["problem"][:30] for answer in answers] == [
        "", "Type a sentence, such as: The ", "a sentence should have at most"]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"texts": "A cat."}, TypeError, "texts should be a list of strings"),
        ({"texts": []}, ValueError, "texts should hold at least one string"),
        ({"texts": ["cat " * 60]}, ValueError, "at most 40 tokens, this one has 62"),
        ({"layer": 7}, ValueError, "layer should be from 1 to 6, got 7"),
        ({"head": 0}, ValueError, "head should be from 1 to 12, got 0"),
        ({"order": "size"}, ValueError, "order should be one of 'layer', 'previous', .* got 'size'"),
    ],
)
def test_bad_arguments(model, arguments, error, message):
    with pytest.raises(error, match=message):
        HeadsExplorer(model, **arguments)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve, explorer):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "heads", explorer)
    return serve(folder)


def cell(page, name):
    return page.get_by_role("button", name=f"head {name}", exact=False).filter(has_text=name).first


def assert_shows(page, model, text, layer, head):
    """The chosen head's weights, the pressed map, the measures and the small maps are the model's."""
    weights = of_the_model(model, text)
    shown = json.loads(page.locator(".explorer-body").get_attribute("data-weights"))
    np.testing.assert_allclose(shown, weights[layer - 1, head - 1], atol=1e-4)
    pressed = page.locator(".grid [aria-pressed=true]")
    assert pressed.count() == 1
    assert pressed.inner_text().startswith(f"{layer}.{head}")
    assert page.get_by_label("sentence", exact=True).evaluate("s => s.selectedOptions[0].text") == text
    lines = page.locator(".lines path")
    assert lines.count() == (np.array(shown) >= 0.02).sum()
    pixels = page.locator("canvas").evaluate_all(
        """canvases => canvases.map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [...data].filter((_, i) => i % 4 === 3);
        })"""
    )
    order = [label.split(".") for label in page.locator(".label").all_inner_texts()]
    for (layer_, head_), alphas in zip(order, pixels, strict=True):
        np.testing.assert_allclose(np.array(alphas) / 255, weights[int(layer_) - 1, int(head_) - 1].ravel(), atol=0.004)


def test_first_view(visit, model, explorer):  # noqa: F811
    page = visit("heads")
    assert_shows(page, model, BANK[0], 2, 4)
    assert page.locator(".label").all_inner_texts() == [f"{i}.{j}" for i in range(1, 7) for j in range(1, 13)]
    shares = [explorer.shares[pattern][12 + 3] for pattern in PATTERNS]
    assert fills(page.locator(".measure .fill")) == pytest.approx([100 * share for share in shares])


def test_every_sentence_and_every_head_can_be_chosen(visit, model):  # noqa: F811
    page = visit("heads")
    for text in BANK:
        page.get_by_label("sentence", exact=True).select_option(text)
        assert_shows(page, model, text, 2, 4)
    last = of_the_model(model, BANK[-1])
    cells = page.locator(".grid button")
    for i in range(72):
        cells.nth(i).click()
        shown = json.loads(page.locator(".explorer-body").get_attribute("data-weights"))
        np.testing.assert_allclose(shown, last[i // 12, i % 12], atol=1e-4)


def test_heads_are_sorted_by_what_they_look_at(visit, model, explorer):  # noqa: F811
    page = visit("heads")
    sort = page.get_by_label("sort heads")
    for pattern in PATTERNS:
        sort.select_option(pattern)
        labels, values = (page.locator(name).all_inner_texts() for name in (".label", ".share"))
        values = [float(value) for value in values]
        assert values == sorted(values, reverse=True)
        for label, value in zip(labels, values, strict=True):
            layer, head = map(int, label.split("."))
            assert value == pytest.approx(explorer.shares[pattern][12 * (layer - 1) + head - 1], abs=0.0051)
    sort.select_option("previous")
    assert page.locator(".grid button").first.get_attribute("aria-label") == "head 1.3, 1.00"
    assert_shows(page, model, BANK[0], 2, 4)


def test_scenes_show_what_the_chapter_says_of_them(visit, model):  # noqa: F811
    page = visit("heads")
    said = page.locator(".sentence")
    for scene, text, layer, head, words in [
        ("The anecdote", BANK[0], 6, 12, "it looks at cat: 0.71"),
        ("Who is he?", BANK[1], 2, 4, "he looks at monk:"),
        ("Who is she?", BANK[2], 2, 4, "she looks at woman:"),
        ("Next token", BANK[3], 2, 9, "the looks at quiet:"),
        ("Its noun", BANK[3], 4, 2, "the looks at farmer:"),
        ("Token before", BANK[4], 1, 3, "there (2nd) looks at ,: 1.00"),
    ]:
        page.get_by_role("button", name=scene).click()
        assert_shows(page, model, text, layer, head)
        assert said.inner_text().startswith(words), said.inner_text()
    page.get_by_role("button", name="All lines").click()
    assert "The stronger a line" in said.inner_text()
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, model, BANK[0], 2, 4)


def test_by_keyboard(visit, model):  # noqa: F811
    page = visit("heads")
    page.locator(".grid [aria-pressed=true]").focus()
    for key, layer, head in [("ArrowRight", 2, 5), ("ArrowDown", 3, 5), ("ArrowLeft", 3, 4), ("ArrowUp", 2, 4)]:
        page.keyboard.press(key)
        assert_shows(page, model, BANK[0], layer, head)
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    row = of_the_model(model, BANK[0])[1, 3]
    queries = page.get_by_role("group", name="tokens that look").get_by_role("button")
    queries.first.focus()
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    assert queries.nth(8).get_attribute("aria-pressed") == "true"
    numbers = page.get_by_role("group", name="tokens looked at").locator(".number").all_inner_texts()
    assert [float(number) for number in numbers] == pytest.approx(row[8].tolist(), abs=0.0051)
    page.keyboard.press("ArrowRight")  # to the token in the same place on the other side: its column
    numbers = page.get_by_role("group", name="tokens that look").locator(".number").all_inner_texts()
    assert [float(number) for number in numbers] == pytest.approx(row[:, 8].tolist(), abs=0.0051)
    assert page.locator(".sentence").inner_text().startswith("it is looked at by")
    page.keyboard.press("Escape")
    assert page.locator(".words [aria-pressed=true]").count() == 0


def test_by_touch_with_targets_large_enough(visit, model):  # noqa: F811
    page = visit("heads", width=360, has_touch=True, is_mobile=True)
    for control in page.locator(".explorer-body :is(button, select)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44, control.inner_text()
    page.locator(".grid button").nth(2).tap()
    assert_shows(page, model, BANK[0], 1, 3)
    page.get_by_role("group", name="tokens that look").get_by_role("button").nth(3).tap()
    assert page.locator(".sentence").inner_text().startswith("sat looks at cat: 1.00")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/heads.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/heads.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    assert height() == pytest.approx(held, abs=0.5)
    page.get_by_label("sort heads").select_option("[SEP] and stops")
    for scene in ("The anecdote", "Its noun", "Token before"):
        page.get_by_role("button", name=scene).click()
        assert height() == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_and_the_maps_follow_the_theme(visit, theme):  # noqa: F811
    page = visit("heads", theme=theme)
    page.get_by_role("button", name="Who is he?").click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 90
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)
    strong = "c => [...c.getContext('2d').getImageData(0, 1, 1, 1).data]"  # of head 1.3: the first word looks at [CLS]
    pixel = page.locator("canvas").nth(2).evaluate(strong)
    assert pixel[:3] == {"light": [0x6B, 0x2A, 0x5B], "dark": [0xFA, 0xBE, 0xEC]}[theme]


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/heads.html")
    assert page.locator("figure img").is_visible()
    context.close()
