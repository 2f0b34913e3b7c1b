"""The idea explorer: its numbers equal the library's, in Python and, moved by hand, in a real browser."""

import json
import math

import pytest
from explorer_pages import assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, contrast_of, visit  # noqa: F401

from attnbook.explorers import IdeaExplorer, write_static

# Without a browser


def test_weights_by_hand():
    explorer = IdeaExplorer(difference=math.log(3))
    assert explorer.weights() == pytest.approx([0.75, 0.25])
    assert explorer.describe().endswith("this key 0.75, that key 0.25.")
    assert explorer.state() == {"difference": math.log(3)}
    assert repr(explorer) == "IdeaExplorer(difference=1.09861)"


def test_a_trait_may_be_set_later_and_is_checked_then_too():
    explorer = IdeaExplorer()
    explorer.difference = -2
    assert explorer.weights()[0] == pytest.approx(1 / (1 + math.exp(2)))
    with pytest.raises(ValueError, match="difference should lie between -4 and 4, got 5"):
        explorer.difference = 5
    with pytest.raises(TypeError, match="difference should be a number, got 'two'"):
        IdeaExplorer(difference="two")


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a site with the explorer far enough down that one must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "idea", IdeaExplorer())
    return serve(folder)


def assert_shows(page, difference):
    weights = json.loads(page.locator(".explorer-body").get_attribute("data-weights"))
    assert weights == pytest.approx(IdeaExplorer(difference=difference).weights(), abs=1e-12)
    assert page.locator(".weight-row .number").all_inner_texts() == [f"{weight:.2f}" for weight in weights]
    assert page.get_by_role("slider").input_value() == f"{difference:g}"


def test_by_keyboard_and_back(visit):  # noqa: F811
    page = visit("idea")
    assert_shows(page, 1)
    page.get_by_role("slider", name="difference").focus()
    for key, difference in [("ArrowRight", 1.1), ("Home", -4), ("End", 4)]:
        page.keyboard.press(key)
        assert_shows(page, difference)
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_holds_its_place(visit, browser, site, width):  # noqa: F811
    context = browser.new_context(viewport={"width": width, "height": 800})
    still = context.new_page()
    still.route("**/*_explorer.js", lambda route: route.abort())
    still.goto(f"{site}/idea.html")
    held = still.locator("figure").bounding_box()["height"]
    context.close()
    page = visit("idea", width=width)
    assert_fits(page, width)
    assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(visit, theme):  # noqa: F811
    pairs = visit("idea", theme=theme).evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) >= 6
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)
