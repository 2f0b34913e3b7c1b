"""The scale explorer: the same draw in Python and in the browser, and gradients that equal autograd's."""

import json
import math

import numpy as np
import pytest
import torch
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, contrast_of, visit  # noqa: F401

from attnbook.explorers import write_static
from attnbook.explorers.scale_explorer import HEARD, SCALES, ScaleExplorer, normal
from attnbook.explorers.scale_explorer import WIDTHS as VECTOR_WIDTHS

# Without a browser


def test_the_draw_by_hand():
    # mulberry32 of seed 21, step by step in Python's own whole numbers.
    def uniform(i):
        a = (21 + (i + 1) * 0x6D2B79F5) % 2**32
        t = (a ^ a >> 15) * (a | 1) % 2**32
        t ^= (t + (t ^ t >> 7) * (t | 61)) % 2**32
        return (t ^ t >> 14) / 2**32

    expected = [
        math.sqrt(-2 * math.log(1 - uniform(2 * c))) * math.cos(math.tau * uniform(2 * c + 1)) for c in range(7)
    ]
    assert normal(21, 7) == pytest.approx(expected, abs=1e-12)


def test_the_draw_is_standard_normal():
    numbers = normal(3, 100_003)
    assert numbers.mean() == pytest.approx(0, abs=0.02)
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(numbers) < 1).mean() == pytest.approx(0.6827, abs=0.01)
    assert np.corrcoef(numbers[:-1], numbers[1:])[0, 1] == pytest.approx(0, abs=0.02)
    assert np.corrcoef(normal(3, 10_007), normal(4, 10_007))[0, 1] == pytest.approx(0, abs=0.04)


def test_a_narrow_vector_begins_a_wide_one():
    (q, k, u), (wide_q, wide_k, wide_u) = ScaleExplorer(d=8).vectors(), ScaleExplorer(d=64).vectors()
    assert torch.equal(q, wide_q[:, :8])
    assert torch.equal(k, wide_k[:, :8])
    assert torch.equal(u, wide_u)
    assert (q.shape, k.shape, u.shape) == ((16, 8), (64, 8), (16, 64))


def test_scores_by_hand():
    q, k, _ = ScaleExplorer(d=2).vectors()
    by_hand = q[4, 0] * k[7, 0] + q[4, 1] * k[7, 1]
    lengths = math.hypot(*q[4]) * math.hypot(*k[7])
    factors = {"none": 1, "1/√d": 1 / math.sqrt(2), "1/d": 0.5, "unit length": 3 / lengths}
    for scale, factor in factors.items():
        assert ScaleExplorer(d=2, scale=scale, gain=3).scores()[4, 7].item() == pytest.approx(factor * by_hand.item())


def test_predicted_and_measured_spread_agree():
    for scale in SCALES:
        for d in (16, 128, 1024):
            explorer = ScaleExplorer(d=d, scale=scale)
            measured = explorer.scores().std(dim=1, correction=0).mean().item()
            assert measured == pytest.approx(explorer.predicted(), rel=0.15)


def test_gradients_by_the_jacobian():
    explorer = ScaleExplorer(d=4, scale="1/√d", query=3)
    (q, k, u), weights = explorer.vectors(), explorer.weights()
    jacobian = torch.diag(weights[2]) - torch.outer(weights[2], weights[2])
    of_scores, of_queries = explorer.gradients()
    torch.testing.assert_close(of_scores[2], (jacobian @ u[2]).abs())
    torch.testing.assert_close(of_queries[2], (k.T @ jacobian @ u[2] / 2).norm())
    facts = explorer.facts()
    assert facts["trace"] == pytest.approx(jacobian.trace().item())
    assert facts["heard"] == (of_scores[2] > HEARD).sum()
    assert facts["gradient"] == of_queries[2]
    assert q.shape == (16, 4)


def test_state_html_and_picture():
    explorer = ScaleExplorer(d=1024, query=2)
    assert explorer.state() == {"d": 1024, "scale": "none", "gain": 8.0, "query": 2, "seed": 21}
    assert len(explorer.html()) < 120_000
    found = Figure(explorer.html()).found
    assert "32.00 at d = 1024" in found["img"]["alt"]
    assert explorer.d == 1024  # drawing moved it, and brought it back
    assert repr(explorer) == "ScaleExplorer(d=1024, scale='none', query=2, seed=21)"


def test_traits_may_be_set_later_and_are_checked_then_too():
    explorer = ScaleExplorer()
    explorer.d, explorer.scale, explorer.seed = 128, "1/d", 5
    assert explorer.predicted() == pytest.approx(128**-0.5)
    with pytest.raises(ValueError, match="d should be a power of two from 2 to 1024, got 100"):
        explorer.d = 100
    with pytest.raises(ValueError, match="query should lie between 1 and 16, got 17"):
        explorer.query = 17


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"d": 3}, ValueError, "d should be a power of two from 2 to 1024, got 3"),
        ({"scale": "√d"}, ValueError, "scale should be one of 'none', '1/√d', '1/d', 'unit length', got '√d'"),
        ({"gain": 100}, ValueError, "gain should lie between 1 and 64, got 100"),
        ({"query": 0}, ValueError, "query should lie between 1 and 16, got 0"),
        ({"query": 1.5}, TypeError, "query should be a whole number, got 1.5"),
        ({"seed": -1}, ValueError, "seed should lie between 0 and"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ScaleExplorer(**arguments)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a site with the explorer far enough down that one must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "scale", ScaleExplorer())
    return serve(folder)


def number(text):
    """What a row of the table says: 1.25, 3·10⁻⁷, 5 of 64."""
    text = text.split(" of ")[0]
    if "·10⁻" not in text:
        return float(text)
    factor, power = text.split("·10⁻")
    return float(factor) * 10.0 ** -int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")))


def assert_shows(page, **arguments):
    """Scores, weights, gradients and facts are the library's: in the data, in the table, in the bars."""
    explorer = ScaleExplorer(**arguments)
    i = explorer.query - 1
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    of_scores, of_queries = explorer.gradients()
    expected = {"scores": explorer.scores()[i], "weights": explorer.weights()[i], "ofScores": of_scores[i],
                "ofQueries": of_queries}  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(json.loads(data[name]), values, atol=1e-9, rtol=1e-6, err_msg=name)
    facts = {"predicted": explorer.predicted(), **explorer.facts()}
    shown = json.loads(data["facts"])
    assert shown == {name: pytest.approx(value, rel=1e-6, abs=1e-9) for name, value in facts.items()}
    for text, value in zip(page.locator(".fact .number").all_inner_texts(), shown.values(), strict=True):
        assert number(text) == pytest.approx(value, rel=0.5 if value < 0.0095 else 0.02, abs=0.0051), text
    heights = page.locator(".columns.weights rect").evaluate_all("rects => rects.map(r => +r.getAttribute('height'))")
    np.testing.assert_allclose(heights, 74 * explorer.weights()[i], atol=1e-6)
    heights = page.locator(".of-queries rect").evaluate_all("rects => rects.map(r => +r.getAttribute('height'))")
    logarithms = (of_queries.clamp(1e-8, 10).log10() + 8) / 9
    np.testing.assert_allclose(heights, 74 * logarithms, atol=1e-4)
    pressed = page.locator("[aria-pressed=true]").all_inner_texts()
    assert pressed == [explorer.scale]


def slider(page, name):
    return page.get_by_label(name, exact=True)


def test_first_view(visit):  # noqa: F811
    page = visit("scale")
    assert_shows(page)
    assert page.locator(".of-queries .chosen").count() == 1
    assert slider(page, "gain").is_disabled()


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_at_every_width(visit, scale):  # noqa: F811
    page = visit("scale")
    page.get_by_role("button", name=scale, exact=True).click()
    slider(page, "d").press("Home")
    for d in VECTOR_WIDTHS:
        assert_shows(page, d=d, scale=scale)
        assert slider(page, "d").get_attribute("aria-valuetext") == str(d)
        slider(page, "d").press("ArrowRight")


def test_gain_query_and_new_draw_by_keyboard(visit):  # noqa: F811
    page = visit("scale")
    page.get_by_role("button", name="unit length").press("Enter")
    for key, gain in [("ArrowRight", 2**3.5), ("End", 64), ("Home", 1), ("ArrowRight", 2**0.5)]:
        slider(page, "gain").press(key)
        assert_shows(page, scale="unit length", gain=gain)
    for key, query in [("ArrowRight", 2), ("End", 16)]:
        slider(page, "query").press(key)
        assert_shows(page, scale="unit length", gain=2**0.5, query=query)
    for seed in (22, 23):
        page.get_by_role("button", name="New draw").press("Space")
        assert_shows(page, scale="unit length", gain=2**0.5, query=16, seed=seed)
    page.get_by_role("button", name="Reset").press("Enter")
    assert_shows(page)


def test_by_touch(visit):  # noqa: F811
    page = visit("scale", width=360, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="1/√d").tap()
    slider(page, "d").tap(position={"x": slider(page, "d").bounding_box()["width"] - 2, "y": 20})
    assert_shows(page, d=1024, scale="1/√d")


def test_the_fan_is_the_scores_of_each_width(visit):  # noqa: F811
    page = visit("scale")
    slider(page, "d").press("End")
    for scale, reach in (("none", 80 / 0.75), ("1/√d", 4)):
        page.get_by_role("button", name=scale, exact=True).click()
        paths = page.locator(".fan .lines path").evaluate_all("paths => paths.map(p => p.getAttribute('d'))")
        assert len(paths) == 64
        points = np.array([[pair.split(",") for pair in path[1:].split("L")] for path in paths], dtype=float)
        ends = sorted((118 - points[:, -1, 1]) / 110 * reach)
        scores = ScaleExplorer(d=1024, scale=scale).scores()[0].clamp(-reach, reach)
        assert ends == pytest.approx(sorted(scores.tolist()), abs=0.06 * reach / 110)
        band = page.locator(".fan .band path").first.get_attribute("d")
        _, y = band.rsplit("L", 1)[1].split(",")
        assert (118 - float(y)) / 110 * reach == pytest.approx(32 if scale == "none" else 1, abs=0.06 * reach / 110)


def test_what_the_chapter_says_of_it(visit):  # noqa: F811
    page = visit("scale")
    heard = []
    for key in ("Home", *["ArrowRight"] * 9):
        slider(page, "d").press(key)
        heard.append(json.loads(page.locator(".explorer-body").get_attribute("data-facts"))["heard"])
    assert heard[0] > 40
    assert heard[-1] <= 2
    page.get_by_role("button", name="1/√d").click()
    assert json.loads(page.locator(".explorer-body").get_attribute("data-facts"))["heard"] > 40


def test_is_spoken_once_the_hand_rests(visit):  # noqa: F811
    page = visit("scale")
    slider(page, "d").press("ArrowRight")
    line = page.locator("[aria-live]")
    assert line.count() == 1
    facts = ScaleExplorer(d=8).facts()
    text = (
        f"d 8, scale none: spread {facts['spread']:.2f}, predicted 2.83. "
        f"Largest weight {facts['largest']:.2f}. {facts['heard']} of 64 scores have a gradient."
    )
    page.wait_for_function("([line, text]) => line.textContent === text", arg=[line.element_handle(), text])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/scale.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/scale.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    for scale in SCALES:
        page.get_by_role("button", name=scale, exact=True).click()
        for key in ("Home", "End"):
            slider(page, "d").press(key)
            assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    assert page.evaluate(OVERFULL) == []
    context.close()


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("scale", width=320)
    for control in page.locator(".explorer-body :is(button, input)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("scale", theme=theme)
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 40
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/scale.html")
    assert page.locator("figure img").is_visible()
    context.close()
