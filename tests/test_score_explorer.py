"""The score explorer: four scores that equal the library's, moved by mouse, keyboard and touch in a real browser."""

import json
import re

import numpy as np
import pytest
import torch
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, contrast_of, fills, visit  # noqa: F401

from attnbook.explorers import ScoreExplorer, write_static
from attnbook.explorers.score_explorer import MATRICES, NETWORKS, SCORES

Q, K = [2.0, 1.0], [[1.0, 1.0], [3.0, -1.0], [-1.0, 2.0]]
MORE_KEYS = [*K, [0.5, -2.5], [-3.0, -3.5]]


# Without a browser


def test_scores_by_hand():
    scores = ScoreExplorer().scores()
    assert scores["dot"] == [2 + 1, 6 - 1, -2 + 2]
    assert scores["scaled dot"] == pytest.approx([3 / 2**0.5, 5 / 2**0.5, 0])
    assert scores["multiplicative"] == [2 - 1, -2 - 3, 4 + 1]  # W k is (1, −1), (−1, −3) and (2, 1)
    tanh = [0, 0.76159, 0.96403, 0.99505, 0.99933, 0.99991]
    by_hand = [tanh[3] + tanh[1] + tanh[2] + tanh[0], tanh[5] - tanh[1] + tanh[0] + tanh[2],
               tanh[1] + tanh[3] + tanh[3] - tanh[1]]  # fmt: skip
    assert scores["additive"] == pytest.approx(by_hand, abs=1e-4)


def test_each_score_prefers_another_key():
    assert [int(np.argmax(weights)) for weights in ScoreExplorer().weights().values()] == [1, 1, 2, 0]


def test_without_tanh_the_query_has_no_say():
    weights = [
        ScoreExplorer(q=q, network="slope without tanh").weights()["additive"] for q in ([2, 1], [-4, 3], [0, 0])
    ]
    assert weights[0] == pytest.approx(weights[1], abs=1e-12)
    assert weights[0] == pytest.approx(weights[2], abs=1e-12)
    assert ScoreExplorer(network="slope").scores()["additive"] != pytest.approx(
        ScoreExplorer(network="slope without tanh").scores()["additive"], abs=1
    )


def test_state_html_and_picture():
    explorer = ScoreExplorer(k=MORE_KEYS)
    assert explorer.state().keys() == {"q", "k", "matrix", "network", "lines", "matrices", "networks"}
    assert explorer.html() == ScoreExplorer(k=MORE_KEYS).html()
    assert len(explorer.html()) < 100_000
    found = Figure(explorer.html()).found
    assert "k₅ at (−3, −3.5)" in found["img"]["alt"]
    assert "scaled dot k₁" in found["img"]["alt"]
    axes = explorer.draw().axes
    for ax, (name, weights) in zip(axes[1:], explorer.weights().items(), strict=True):
        assert ax.get_title() == name
        assert [bar.get_width() for bar in ax.patches] == weights
    assert repr(ScoreExplorer()) == (
        "ScoreExplorer(q=(2, 1), k=((1, 1), (3, −1), (−1, 2)), 'quarter turn', 'bump')"
    )  # fmt: skip


def test_a_flat_score_has_no_lines_in_the_picture():
    assert len(ScoreExplorer(q=(0, 0)).draw().axes[0].collections) == 0
    assert len(ScoreExplorer().draw().axes[0].collections) == 1


def test_traits_may_be_set_later_and_are_checked_then_too():
    explorer = ScoreExplorer()
    explorer.q = [0.0, 1.0]
    explorer.matrix = "identity"
    assert explorer.scores()["multiplicative"] == explorer.scores()["dot"] == [1, -1, 2]
    with pytest.raises(ValueError, match=r"q should have coordinates from -4 to 4, got \[5.0, 0.0\]"):
        explorer.q = [5.0, 0.0]
    with pytest.raises(ValueError, match="k should be 3 to 5 points, got 2"):
        explorer.k = [[0.0, 1.0], [1.0, 0.0]]
    with pytest.raises(ValueError, match=r"lines should be one of 'dot', 'scaled dot', .* got 'cosine'"):
        explorer.lines = "cosine"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"q": (1, 2, 3)}, ValueError, r"q should have shape \(2,\), got \(3,\)"),
        ({"q": (float("nan"), 0)}, ValueError, r"q should have coordinates from -4 to 4, got \[nan, 0.0\]"),
        ({"q": "up"}, TypeError, r"q should be numbers of shape \(2,\), got 'up'"),
        ({"k": torch.zeros(4, 3)}, ValueError, r"k should have shape \(n, 2\), got \(4, 3\)"),
        ({"k": torch.zeros(6, 2)}, ValueError, "k should be 3 to 5 points, got 6"),
        ({"matrix": "turn"}, ValueError, "matrix should be one of 'identity', .* got 'turn'"),
        ({"network": "hill"}, ValueError, "network should be one of 'bump', .* got 'hill'"),
        ({"lines": "tanh"}, ValueError, "lines should be one of 'dot', .* got 'tanh'"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ScoreExplorer(**arguments)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a site with an explorer of three keys and one of five, far enough down that one must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    for name, explorer in {"three": ScoreExplorer(), "five": ScoreExplorer(k=MORE_KEYS)}.items():
        write_page(folder, name, explorer)
    return serve(folder)


def point(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def center(page, name):
    box = point(page, name).locator(".hit").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def panels(page):
    return page.locator(".panel")


def assert_shows(page, **arguments):
    """The four scores and weights are the library's: in the data, in the numbers, in the bars, in the points."""
    explorer = ScoreExplorer(**arguments)
    scores, weights = list(explorer.scores().values()), list(explorer.weights().values())
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    np.testing.assert_allclose(json.loads(data["scores"]), scores, atol=1e-9)
    np.testing.assert_allclose(json.loads(data["weights"]), weights, atol=1e-9)
    for i in range(4):
        panel = panels(page).nth(i)
        texts = panel.locator(".score").all_inner_texts()
        assert [float(text.replace("−", "-")) for text in texts] == pytest.approx(scores[i], abs=0.005 + 1e-9)
        assert "-0.00" not in texts
        assert "−0.00" not in texts
        texts = panel.locator(".weight").all_inner_texts()
        assert [float(text) for text in texts] == pytest.approx(weights[i], abs=0.005 + 1e-9)
        assert fills(panel.locator(".fill")) == pytest.approx([100 * weight for weight in weights[i]], abs=1e-3)
        best = panel.locator(".key-row").evaluate_all("rows => rows.map(row => row.classList.contains('best'))")
        assert best == [weight > max(weights[i]) - 1e-9 for weight in weights[i]]
    pressed = page.locator("[aria-pressed=true]").all_inner_texts()
    assert pressed == [explorer.lines]
    names = ["query", *(f"key {label}" for label in explorer.labels)]
    for name, (x, y) in zip(names, [explorer.q, *explorer.k], strict=True):
        said = point(page, name).get_attribute("aria-valuetext").replace("−", "-")
        assert [float(number) for number in re.findall(r"-?\d+\.\d", said)] == pytest.approx([x, y])


def test_first_view(visit):  # noqa: F811
    assert_shows(visit("three"))
    assert_shows(visit("five"), k=MORE_KEYS)


def test_every_matrix_network_and_choice_of_lines(visit):  # noqa: F811
    page = visit("five")
    for matrix in MATRICES:
        page.get_by_label("multiplicative: W").select_option(matrix)
        assert_shows(page, k=MORE_KEYS, matrix=matrix)
    for network in NETWORKS:
        page.get_by_label("additive: network").select_option(network)
        assert_shows(page, k=MORE_KEYS, matrix=matrix, network=network)
    for lines in SCORES:
        page.get_by_role("button", name=lines, exact=True).click()
        assert_shows(page, k=MORE_KEYS, matrix=matrix, network=network, lines=lines)


def test_by_keyboard(visit):  # noqa: F811
    page = visit("three")
    point(page, "query").focus()
    for key, q in [("ArrowUp", [2, 1.1]), ("ArrowLeft", [1.9, 1.1]), ("Shift+ArrowDown", [1.9, 0.1]),
                   ("ArrowDown", [1.9, 0]), ("Shift+ArrowRight", [2.9, 0]), ("Shift+ArrowRight", [3.9, 0]),
                   ("Shift+ArrowRight", [4, 0]), ("ArrowRight", [4, 0])]:  # fmt: skip
        page.keyboard.press(key)
        assert_shows(page, q=q)
    page.keyboard.press("Tab")
    assert point(page, "key k₁").evaluate("e => e === document.activeElement")
    page.keyboard.press("Shift+ArrowLeft")
    assert_shows(page, q=[4, 0], k=[[0, 1], *K[1:]])
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("scrollY") == scrolled
    page.get_by_role("button", name="Reset").press("Enter")
    assert_shows(page)


def drag(page, name, right, up):
    """Move a point by so much, in units of the plane."""
    unit = page.locator(".score-explorer > .plane").bounding_box()["width"] / 8.9
    x, y = center(page, name)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right * unit, y - up * unit, steps=4)
    page.mouse.up()


def test_by_mouse(visit):  # noqa: F811
    page = visit("five")
    drag(page, "query", -3, 2)
    assert_shows(page, q=[-1, 3], k=MORE_KEYS)
    for i, key in enumerate(MORE_KEYS):
        drag(page, f"key k{'₁₂₃₄₅'[i]}", 0.5, -0.5)
        moved = [[x + 0.5, max(-4, y - 0.5)] if j <= i else [x, y] for j, (x, y) in enumerate(MORE_KEYS)]
        assert_shows(page, q=[-1, 3], k=moved)
        assert key != moved[i]
    drag(page, "query", 20, 20)  # beyond the plane's edge
    assert_shows(page, q=[4, 4], k=moved)
    x, y = center(page, "query")
    page.mouse.move(x - 100, y + 100)  # nothing is held any more
    assert_shows(page, q=[4, 4], k=moved)


def test_of_two_points_the_nearer_is_taken(visit):  # noqa: F811
    page = visit("three")
    drag(page, "query", -0.8, 0)  # close to k₁, so that their hit areas overlap
    assert_shows(page, q=[1.2, 1])
    drag(page, "key k₁", 0, 1)
    assert_shows(page, q=[1.2, 1], k=[[1, 2], *K[1:]])


def test_an_empty_place_takes_hold_of_nothing(visit):  # noqa: F811
    page = visit("three")
    box = page.locator(".score-explorer > .plane").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] - 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] - 60)
    page.mouse.up()
    assert_shows(page)


def test_by_touch(visit):  # noqa: F811
    page = visit("three", width=360, has_touch=True, is_mobile=True)
    point(page, "query").scroll_into_view_if_needed()
    unit = page.locator(".score-explorer > .plane").bounding_box()["width"] / 8.9
    x, y = center(page, "key k₂")
    client, scrolled = page.context.new_cdp_session(page), page.evaluate("scrollY")
    touch = lambda kind, points: client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})  # noqa: E731
    touch("touchStart", [{"x": x, "y": y}])
    for step in (0.25, 0.5, 0.75, 1.0):
        touch("touchMove", [{"x": x - step * unit, "y": y - 2 * step * unit}])
    touch("touchEnd", [])
    assert page.evaluate("scrollY") == scrolled
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")  # moves come by frame
    assert_shows(page, k=[K[0], [2, 1], K[2]])
    page.get_by_role("button", name="In a line").tap()
    assert_shows(page, q=[1.2, 1.2], k=[[-2.4, 0], [0, 0], [2.4, 0]])


def test_a_finger_beside_the_points_scrolls_the_page(visit):  # noqa: F811
    page = visit("three", width=360, has_touch=True, is_mobile=True)
    box = page.locator(".score-explorer > .plane").bounding_box()
    scrolled = page.evaluate("scrollY")
    client = page.context.new_cdp_session(page)
    x, y = box["x"] + 20, box["y"] + box["height"] - 20
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 20 * step}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("scrolled => scrollY > scrolled + 50", arg=scrolled)
    assert_shows(page)


def test_scenes_show_what_the_chapter_says_of_them(visit):  # noqa: F811
    page = visit("three")
    page.get_by_role("button", name="Long key").click()
    scene = {"q": [2, 1.4], "k": [[1, 0.7], [3.5, -1], [-1, 1.5]]}
    assert_shows(page, **scene)
    assert np.argmax(ScoreExplorer(**scene).weights()["dot"]) == 1  # though the first key points the query's way
    page.get_by_role("button", name="In a line").click()
    scene = {"q": [1.2, 1.2], "k": [[-2.4, 0], [0, 0], [2.4, 0]]}
    assert_shows(page, **scene)
    assert np.argmax(ScoreExplorer(**scene).weights()["additive"]) == 1
    page.get_by_label("additive: network").select_option("slope without tanh")
    before = page.locator(".explorer-body").evaluate("el => JSON.parse(el.dataset.weights)[3]")
    drag(page, "query", -3, -2)
    after = page.locator(".explorer-body").evaluate("el => JSON.parse(el.dataset.weights)[3]")
    assert after == pytest.approx(before, abs=1e-12)
    page.get_by_role("button", name="additive", exact=True).click()
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, lines="additive")
    page = visit("five")
    page.get_by_role("button", name="In a line").click()
    assert_shows(page, q=[1.2, 1.2], k=[*scene["k"], *MORE_KEYS[3:]])


@pytest.mark.parametrize("lines", SCORES)
def test_lines_are_of_equal_score_and_rise_with_their_strength(visit, lines):  # noqa: F811
    page = visit("three")
    page.get_by_role("button", name=lines, exact=True).click()
    paths = page.locator(".contours path").evaluate_all(
        "paths => paths.map(path => [path.getAttribute('d'), +path.getAttribute('stroke-opacity')])"
    )
    assert len(paths) == 8
    score = ScoreExplorer().functions()[lines]
    means = []
    for path, _ in paths:
        points = np.array([pair.split(",") for pair in re.findall(r"[\d.]+,[\d.]+", path)], dtype=float)
        plane = (points - 160) * [1, -1] * 8.9 / 320
        heights = score(torch.tensor([Q], dtype=torch.float64), torch.tensor(plane))[0].detach().numpy()
        means.append(heights.mean())
        assert heights.std() < (0.05 if lines == "additive" else 0.01) * 8
    assert means == sorted(means)
    assert [opacity for _, opacity in paths] == sorted({opacity for _, opacity in paths})
    spread = np.diff(means)
    assert spread == pytest.approx(spread.mean(), rel=0.1)


def test_a_flat_score_has_no_lines_in_the_browser(visit):  # noqa: F811
    page = visit("three")
    for key in ("ArrowLeft", "ArrowLeft"):
        point(page, "query").press(f"Shift+{key}")
    point(page, "query").press("Shift+ArrowDown")
    assert_shows(page, q=[0, 0])
    assert page.locator(".contours path").count() == 0


def test_is_spoken_once_the_hand_rests(visit):  # noqa: F811
    page = visit("three")
    point(page, "query").press("ArrowUp")
    line = page.locator("[aria-live], [role=status], output")
    assert line.count() == 1
    best = [max(row) for row in ScoreExplorer(q=(2, 1.1)).weights().values()]
    text = (
        "Query (2.0, 1.1), keys (1.0, 1.0), (3.0, −1.0), (−1.0, 2.0). Most weight: "
        "dot k₂ {:.2f}, scaled dot k₂ {:.2f}, multiplicative k₃ {:.2f}, additive k₁ {:.2f}".format(*best)
    )
    page.wait_for_function("([line, text]) => line.textContent === text", arg=[line.element_handle(), text])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/three.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/three.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    assert height() == pytest.approx(held, abs=0.5)
    for name in ("Long key", "In a line"):
        page.get_by_role("button", name=name).click()
        assert height() == pytest.approx(held, abs=0.5)
    for network in NETWORKS:
        page.get_by_label("additive: network").select_option(network)
        assert height() == pytest.approx(held, abs=0.5)
    for matrix in MATRICES:
        page.get_by_label("multiplicative: W").select_option(matrix)
        assert height() == pytest.approx(held, abs=0.5)
    drag(page, "query", 9, 9)  # the longest numbers
    drag(page, "key k₁", -9, -9)
    assert_fits(page, width)
    assert page.evaluate(OVERFULL) == []
    context.close()


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("three", width=360)
    for control in page.locator(".explorer-body :is(button, select, .hit)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("three", theme=theme)
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 12
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_reduced_motion_and_print(visit):  # noqa: F811
    page = visit("three", reduced_motion="reduce", theme="dark")
    durations = "els => els.map(el => getComputedStyle(el).transitionDuration).filter(d => d !== '0s').length"
    assert page.locator(".explorer-body *").evaluate_all(durations) == 0
    page.emulate_media(media="print")
    assert page.locator(".score-explorer > .plane").is_visible()
    assert not page.get_by_role("button", name="Reset").is_visible()


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/three.html")
    assert page.locator("figure img").is_visible()
    context.close()
