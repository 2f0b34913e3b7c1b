"""The scene explorer: in a real browser the model answers, and looks, as it does in the library."""

import json

import numpy as np
import pytest
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, contrast_of, visit  # noqa: F401

from attnbook.data.scenes import PLACES, WORDS
from attnbook.evidence.multimodal import build
from attnbook.explorers import SceneExplorer, write_static

QUESTION = ("what", "left of", "7")


def explorer(question=QUESTION, **traits):
    made = SceneExplorer(question)
    for name, value in traits.items():
        setattr(made, name, value)
    return made


# Without a browser


def test_computes_what_the_model_computes():
    made = explorer()
    assert made.image().shape == (24, 24)
    assert made.answers().sum().item() == pytest.approx(1)
    assert made.looks().shape == (2, 2, 3, 9)
    np.testing.assert_allclose(made.looks().sum(dim=-1), np.ones((2, 2, 3)))
    other = SceneExplorer(QUESTION, model=build("cross", seed=3))
    assert (other.answers() - made.answers()).abs().max() > 0.01


def test_state_html_and_picture():
    made = explorer()
    assert made.state().keys() == {"names", "hands", "question", "word", "layer", "head", "weights", "tensors", "heads",
                                   "bank", "words", "choices"}  # fmt: skip
    assert len(json.dumps(made.state())) < 200_000
    assert made.html() == explorer().html()
    found = Figure(made.html()).found
    assert f"Asked “what left of 7”, the model answers {made.answer()}." in found["img"]["alt"]
    assert len(made.draw().axes) == 3
    assert repr(made) == f"SceneExplorer('what left of 7', answer={made.answer()!r})"
    assert explorer(names=[-1] * 9).image().max() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (("what", "beside", "7"),),
            r"question should be 3 words of data\.scenes\.WORDS, got \['what', 'beside', '7'\]",
        ),
        ((("what", "7"),), "question should be 3 words"),
        ((QUESTION, [1] * 8), "names should be 9 numbers from -1 to 9"),
        ((QUESTION, [10] * 9), "names should be 9 numbers from -1 to 9"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SceneExplorer(*arguments)


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("hands", [5] * 9, "hands should be 9 numbers from 0 to 4"),
        ("question", [0, 1], "question should be 3 numbers from 0 to 26"),
        ("word", 3, "word should be from 0 to 2, got 3"),
        ("layer", 2, "layer should be from 0 to 1, got 2"),
        ("head", -1, "head should be from 0 to 1, got -1"),
    ],
)
def test_bad_traits(trait, value, message):
    with pytest.raises(ValueError, match=message):
        setattr(explorer(), trait, value)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a site with an explorer, far enough down that one must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "scene", explorer())
    return serve(folder)


def assert_shows(page, question=QUESTION, **traits):
    """Every probability and every weight is the library's, in the data and in the picture."""
    made = explorer(question, **traits)
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    answers, looks = made.answers().numpy(), made.looks().numpy()
    np.testing.assert_allclose(json.loads(data["answers"]), answers, atol=1e-4)
    np.testing.assert_allclose(json.loads(data["looks"]), looks, atol=1e-4)
    assert page.locator(".words button").all_inner_texts() == list(question)
    row = looks[made.layer, made.head, made.word]
    shown = [float(text) for text in page.locator(".scene .number").all_inner_texts()]
    assert shown == pytest.approx(row, abs=0.0051)
    assert page.locator(".answer-row span:first-child").first.inner_text() == made.answer()
    assert f"looks most at {PLACES[int(row.argmax())]}" in page.locator(".looks").inner_text()


def test_first_view_and_every_kind_of_question(visit):  # noqa: F811
    page = visit("scene")
    assert_shows(page)
    page.get_by_label("question", exact=True).select_option("above")
    assert_shows(page, ("what", "above", "7"))
    page.get_by_label("of which digit or place").select_option("4")
    assert_shows(page, ("what", "above", "4"))
    page.get_by_label("question", exact=True).select_option("is")
    assert_shows(page, ("where", "is", "4"))
    page.get_by_label("question", exact=True).select_option("at")
    page.get_by_label("of which digit or place").select_option("bottom left")
    assert_shows(page, ("what", "at", "bottom left"))
    page.get_by_role("button", name="Reset").click()
    assert_shows(page)


def test_words_heads_cells_and_hands(visit):  # noqa: F811
    page = visit("scene")
    page.locator(".words button").nth(0).press("Enter")
    assert_shows(page, word=0)
    for i, (layer, head) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        page.locator(".maps button").nth(i).press("Enter")
        assert_shows(page, word=0, layer=layer, head=head)
    page.get_by_role("button", name="Other hands").click()
    assert_shows(page, word=0, layer=1, head=1, hands=[1] * 9)
    page.locator(".scene button").nth(6).press("Enter")  # 9 -> empty
    names = [5, 0, 8, 2, 7, 4, -1, 1, 3]
    assert_shows(page, word=0, layer=1, head=1, hands=[1] * 9, names=names)
    assert "bottom left: empty" in page.locator(".scene button").nth(6).get_attribute("aria-label")


@pytest.mark.parametrize(
    ("preset", "names", "right"),
    [
        ("Left of the 7", [5, 0, 8, 2, 7, 4, 9, 1, 3], "2"),
        ("Two 7s", [5, 7, 8, 2, 0, 4, 9, 1, 7], "5 or 1"),
        ("No 7 there", [5, 0, 8, 2, 6, 4, 9, 1, 3], None),
        ("Nothing left of it", [7, 0, 8, 2, 5, 4, 9, 1, 3], None),
    ],
)
def test_presets_and_what_is_true(visit, preset, names, right):  # noqa: F811
    page = visit("scene")
    page.get_by_role("button", name=preset, exact=True).click()
    assert_shows(page, names=names)
    said = explorer(names=names).answer()
    verdict = page.locator(".verdict").inner_text()
    if right is None:
        assert verdict == f"There is no right answer, and the model says {said}."
    elif said in right.split(" or "):
        assert verdict == f"✓ {said} is right."
    else:
        assert verdict == f"✗ {said} is wrong: it is {right}."


def test_pointing_with_a_mouse_and_with_a_finger(visit):  # noqa: F811
    page = visit("scene")
    page.locator(".words button").nth(1).hover()
    assert_shows(page, word=1)
    page.locator(".looks").hover()
    assert_shows(page)  # a word that is only passed over is not kept
    page.locator(".words button").nth(1).click()
    page.locator(".looks").hover()
    assert_shows(page, word=1)
    phone = visit("scene", width=360, has_touch=True, is_mobile=True)
    phone.locator(".words button").nth(0).tap()
    assert_shows(phone, word=0)


@pytest.mark.parametrize("width", WIDTHS)
def test_fits(visit, width):  # noqa: F811
    page = visit("scene", width=width)
    assert_fits(page, width)
    assert page.evaluate(OVERFULL) == []
    for control in page.locator(".explorer-body :is(button, select)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/scene.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/scene.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    assert height() == pytest.approx(held, abs=0.5)
    for kind in ("above", "at", "is"):
        page.get_by_label("question", exact=True).select_option(kind)
        objects = page.get_by_label("of which digit or place")
        for named in objects.locator("option").all():
            objects.select_option(named.get_attribute("value"))
            assert height() == pytest.approx(held, abs=0.5)
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("scene", theme=theme)
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 20
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_is_spoken_once_the_hand_rests(visit):  # noqa: F811
    page = visit("scene")
    page.get_by_role("button", name="No 7 there").click()
    line = page.locator("[aria-live]")
    page.wait_for_function("line => line.textContent.includes('There is no right answer')", arg=line.element_handle())


def test_the_words_are_those_of_the_data(visit):  # noqa: F811
    page = visit("scene")
    options = page.get_by_label("of which digit or place").locator("option").all_inner_texts()
    assert options == [word for word in WORDS if word.isdigit()]
