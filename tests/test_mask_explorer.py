"""The mask explorer: painted by mouse, touch and keyboard in a real browser, and compared with the library."""

import itertools
import json
import re

import numpy as np
import pytest
import torch
from explorer_pages import assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, assert_spoken, contrast_of, fills, visit  # noqa: F401

from attnbook.attention import scaled_dot_product_attention
from attnbook.explorers import MaskExplorer, static_files, write_static
from attnbook.explorers.mask_explorer import HUGE_KEY, LENGTH, PRESETS, SCORES, WAYS, WORDS, WRONG
from attnbook.masks import causal
from attnbook.reach import reach

N = len(WORDS)
FUTURE = torch.ones(N, N, dtype=torch.bool).triu(1)

# Without a browser


def test_the_right_way_is_the_librarys():
    # Queries that are the rows of a matrix, and keys whose products with them are the scores.
    scores = torch.tensor(SCORES)
    for name, (_, mask) in PRESETS.items():
        _, weights = scaled_dot_product_attention(scores * N**0.5, torch.eye(N), torch.eye(N), mask)
        torch.testing.assert_close(MaskExplorer(name).weights(), weights)


def test_presets_by_hand():
    drawn = {
        name: [("".join("x" if may else "." for may in row)) for row in mask] for name, (_, mask) in PRESETS.items()
    }
    assert drawn["Everything"] == ["xxxxxxxx"] * 8
    assert drawn["Causal"][:3] == ["x.......", "xx......", "xxx....."]
    assert drawn["Off by one"][:3] == ["xx......", "xxx.....", "xxxx...."]
    assert drawn["Past only"][:3] == ["........", "x.......", "xx......"]
    assert drawn["Padding"] == ["xxxxxx.."] * 8
    assert drawn["Both"][5:] == ["xxxxxx.."] * 3
    assert drawn["Window"][4:] == ["..xxx...", "...xxx..", "....xxx.", ".....xxx"]
    assert drawn["Prefix"][:5] == ["xxx.....", "xxx.....", "xxx.....", "xxxx....", "xxxxx..."]
    assert drawn["Packed"] == [
        "x.......",
        "xx......",
        "xxx.....",
        "...x....",
        "...xx...",
        "...xxx..",
        "........",
        "........",
    ]


def test_ways_by_hand():
    # The second query has scores 2 and 0.5 on what it may see, and e^0.5, 1, e^0.5, e^1.5, 1/e, e, e^0.5 on the rest.
    seen, rest = [np.e**2, np.e**0.5], [1, np.e**0.5, np.e**1.5, 1 / np.e, np.e, np.e**0.5]
    rows = {way: MaskExplorer("Causal", way).weights()[1].tolist() for way in WAYS}
    assert rows["−∞ before"] == pytest.approx([x / sum(seen) for x in seen] + [0] * 6)
    assert rows["−10⁹ before"] == rows["−∞ before"]
    assert rows["0 before"] == pytest.approx([x / (sum(seen) + 6) for x in seen] + [1 / (sum(seen) + 6)] * 6)
    assert rows["0 after"] == pytest.approx([x / sum(seen + rest) for x in seen] + [0] * 6)
    assert rows["0 after, ÷ sum"] == pytest.approx(rows["−∞ before"])


def test_where_the_ways_part():
    empty = {way: MaskExplorer("Past only", way).weights()[0] for way in WAYS}
    assert empty["−∞ before"].tolist() == empty["0 after"].tolist() == [0] * N
    assert empty["−10⁹ before"].tolist() == empty["0 before"].tolist() == [1 / N] * N
    assert empty["0 after, ÷ sum"].isnan().all()
    loud = {way: MaskExplorer("Causal", way, huge=True).weights()[:HUGE_KEY] for way in WAYS}
    quiet = {way: MaskExplorer("Causal", way).weights()[:HUGE_KEY] for way in WAYS}
    for way in ("−∞ before", "−10⁹ before", "0 before"):
        assert torch.equal(loud[way], quiet[way])  # what is hidden has no effect
    assert loud["0 after"].abs().max() == 0
    assert loud["0 after, ÷ sum"].isnan().all()


def test_state_html_and_picture():
    explorer = MaskExplorer("Off by one", layers=2, query=1)
    assert explorer.state().keys() == {"mask", "way", "huge", "layers", "query", "presets", "setting"}
    assert explorer.html() == MaskExplorer("Off by one", layers=2, query=1).html()
    assert len(explorer.html()) < 60_000
    alt = Figure(explorer.html()).found["img"]["alt"]
    assert "43 of 64 cells open, 5 of them on words to come" in alt
    assert "The row of 'eat': we 0.74, eat 0.16, . 0.10, you 0.00" in alt
    left, right = explorer.draw().axes
    assert [label.get_text() for label in left.get_xticklabels()] == WORDS
    assert (np.asarray(left.images[0].get_array()) == 2).sum() == 7
    np.testing.assert_allclose(np.asarray(right.images[0].get_array()), explorer.weights())
    assert repr(explorer) == "MaskExplorer('Off by one', '−∞ before', huge=False, layers=2, query=1)"
    assert repr(MaskExplorer(causal(N).mT)).startswith("MaskExplorer('a mask of its own'")
    assert f"--wrong: light-dark({WRONG}," in static_files()["explorer.css"]


def test_traits_may_be_set_later_and_are_checked_then_too():
    explorer = MaskExplorer()
    explorer.mask = ["10000000"] * N
    assert explorer.weights()[:, 0].tolist() == [1] * N
    assert torch.equal(explorer.heard(), reach(torch.eye(N, dtype=torch.bool)[:1].expand(N, N), 1))
    with pytest.raises(ValueError, match=r"mask should be 8 rows of 8 digits 0 or 1, got \['1'\]"):
        explorer.mask = ["1"]
    with pytest.raises(ValueError, match="layers should lie between 1 and 4, got 5"):
        explorer.layers = 5
    with pytest.raises(ValueError, match="query should lie between 0 and 7, got 8"):
        explorer.query = 8
    with pytest.raises(ValueError, match=r"way should be one of '−∞ before', .* got 'after'"):
        explorer.way = "after"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mask": "Futuristic"}, ValueError, "mask should be one of 'Everything', .* got 'Futuristic'"),
        ({"mask": causal(5)}, ValueError, r"shape \(8, 8\), one row a word, got \(5, 5\)"),
        ({"mask": torch.ones(N, N)}, TypeError, "boolean tensor, True = may see, .* got torch.float32"),
        ({"mask": 3}, TypeError, "got int"),
        ({"way": "0"}, ValueError, "way should be one of"),
        ({"huge": 1}, TypeError, "huge should be True or False, got 1"),
        ({"layers": 0}, ValueError, "layers should lie between 1 and 4, got 0"),
        ({"query": 1.5}, TypeError, r"query should be a whole number, got 1\.5"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        MaskExplorer(**arguments)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "mask", MaskExplorer())
    return serve(folder)


SEEN = r"""
() => {
  const body = document.querySelector(".explorer-body");
  const texts = (selector) => [...body.querySelectorAll(selector)].map((element) => element.textContent);
  const number = (selector) => body.querySelectorAll(selector).length;
  const rows = [...body.querySelectorAll(".key-row")];
  return {
    ...body.dataset,
    may: number(".board .may"), future: number(".board .may.future"), filling: number(".board .may.filling"),
    dots: number(".board circle"), cells: texts(".what svg text.weight, .what svg text.nan"),
    verdict: texts(".verdict p"), row: texts(".numbers > p")[0], note: texts(".note")[0],
    rows: rows.map((row) => [...row.querySelectorAll(".number")].map((number) => number.textContent)),
    hidden: rows.map((row) => row.classList.contains("hidden")),
    pressed: texts("[aria-pressed=true]"), chosen: texts(".board .chosen"),
  };
}
"""


def assert_shows(page, mask="Causal", way=WAYS[0], huge=False, layers=1, query=4):
    """The weights, in the data, the cells and the list; the cells of the mask; and the sentences."""
    explorer = MaskExplorer(mask, way, huge=huge, layers=layers, query=query)
    mask, weights, seen = explorer_mask(explorer), explorer.weights().double(), page.evaluate(SEEN)
    shown = torch.tensor([[np.nan if x is None else x for x in row] for row in json.loads(seen["weights"])])
    np.testing.assert_allclose(shown, weights, atol=1e-6, equal_nan=True)
    assert json.loads(seen["heard"]) == explorer.heard().tolist()
    for text, weight in zip(seen["cells"], weights.flatten().tolist(), strict=True):
        if np.isnan(weight):
            assert text == "NaN"
        else:
            assert (0 if text in ("0", "~0") else float(text)) == pytest.approx(weight, abs=0.00501)
            assert (text == "0") == (weight == 0)
    true_pairs = torch.zeros(N, N, dtype=torch.bool)
    true_pairs[:LENGTH, :LENGTH] = True
    to_filling = torch.zeros(N, N, dtype=torch.bool)
    to_filling[:LENGTH, LENGTH:] = True
    future, filling = int((mask & FUTURE & true_pairs).sum()), int((mask & to_filling).sum())
    assert [seen["may"], seen["future"], seen["filling"]] == [int(mask.sum()), future, filling]
    heard = explorer.heard()
    assert seen["dots"] == int((heard & ~mask & ~torch.eye(N, dtype=torch.bool)).sum())
    leaks, empty, far = seen["verdict"]
    assert (f"the future leaks, in {future} cell" in leaks) == (future > 0)
    assert (f"the filling leaks, in {filling} cell" in leaks) == (filling > 0)
    assert leaks.startswith("Nothing leaks") == (future + filling == 0)
    nobody = [i for i in range(N) if not mask[i].any()]
    assert ("may see nothing" in empty) == bool(nobody)
    assert len(re.findall("“", empty)) == len(nobody)
    numbers = [int((heard & FUTURE & true_pairs).sum()), int((heard & to_filling).sum())]
    assert [int(x) for x in re.findall(r"(\d+) pair", far)] == numbers
    row = weights[query]
    if row.isnan().any():
        assert "is NaN: 0 divided by 0." in seen["row"]
    else:
        total, hidden = map(float, re.findall(r"\d\.\d\d", seen["row"]))
        assert total == pytest.approx(row.sum().item(), abs=0.00501)
        assert hidden == pytest.approx(row[~mask[query]].sum().item(), abs=0.00501)
    for (score, weight), s, w in zip(seen["rows"], explorer.scores()[query].tolist(), row.tolist(), strict=True):
        assert float(score.replace("−", "-")) == pytest.approx(s, abs=0.0501)
        assert weight == "NaN" if np.isnan(w) else float(weight) == pytest.approx(w, abs=0.000501)
    assert seen["hidden"] == (~mask[query]).tolist()
    assert seen["chosen"] == [WORDS[query]]
    if not row.isnan().any():
        assert fills(page.locator(".key-row .fill")) == pytest.approx((100 * row).tolist(), abs=1e-3)
    names = [name for name, (_, preset) in PRESETS.items() if torch.equal(preset, mask)]
    assert seen["pressed"] == [*names, way, *(["A huge score for “sleep”"] if huge else [])]
    assert seen["note"] == (PRESETS[names[0]][0] if names else "A mask of your own.")


def explorer_mask(explorer):
    return torch.tensor([[digit == "1" for digit in row] for row in explorer.mask])


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def at(page, query, key, board=".board svg"):
    """The middle of a cell, in the window's coordinates."""
    box = page.locator(board).bounding_box()
    unit = box["width"] / 370
    return box["x"] + (48 + 40 * (key + 0.5)) * unit, box["y"] + (44 + 40 * (query + 0.5)) * unit


def test_every_mask_and_every_way(visit):  # noqa: F811
    page = visit("mask")
    assert_shows(page)
    for name in PRESETS:
        press(page, name)
        for way in WAYS:
            press(page, way)
            assert_shows(page, name, way)


def test_a_huge_score(visit):  # noqa: F811
    page = visit("mask")
    press(page, "A huge score for “sleep”")
    for name, way in itertools.product(("Causal", "Past only", "Off by one"), WAYS):
        press(page, name)
        press(page, way)
        assert_shows(page, name, way, huge=True)
    press(page, "Reset")
    assert_shows(page)


def test_layers_carry_a_leak_further(visit):  # noqa: F811
    page = visit("mask")
    press(page, "Off by one")
    slider = page.get_by_label("layers", exact=True)
    slider.focus()
    for layers in (2, 3, 4):
        page.keyboard.press("ArrowRight")
        assert_shows(page, "Off by one", layers=layers)
        assert slider.get_attribute("aria-valuetext") == str(layers)
    for name in PRESETS:
        press(page, name)
        assert_shows(page, name, layers=4)


def test_by_keyboard(visit):  # noqa: F811
    page = visit("mask")
    board = page.locator(".board")
    board.focus()
    scrolled = page.evaluate("scrollY")
    mask = causal(N)
    for key, query in [("ArrowDown", 5), ("ArrowUp", 4), ("ArrowUp", 3)]:
        page.keyboard.press(key)
        assert_shows(page, mask, query=query)
    page.keyboard.press("Space")
    mask[3, 0] = False
    assert_shows(page, mask, query=3)
    for _ in range(9):  # beyond the edge
        page.keyboard.press("ArrowRight")
    assert "“you” may not see the 2nd “pad”" in board.get_attribute("aria-label")
    page.keyboard.press("Enter")
    mask[3, 7] = True
    assert_shows(page, mask, query=3)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    mask[3, 6] = True
    assert_shows(page, mask, query=3)
    assert page.evaluate("scrollY") == scrolled
    assert "“you” may see the 1st “pad”" in board.get_attribute("aria-label")
    said = [page.locator(line).inner_text() for line in (".leaks", ".verdict p >> nth=1", ".numbers > p")]
    assert_spoken(page, " ".join(said))


def test_by_mouse(visit):  # noqa: F811
    page = visit("mask")
    page.locator(".board").scroll_into_view_if_needed()
    mask = causal(N)
    page.mouse.move(*at(page, 1, 2))
    page.mouse.down()
    page.mouse.move(*at(page, 1, 5), steps=12)
    page.mouse.up()
    mask[1, 2:6] = True
    assert_shows(page, mask, query=1)
    page.mouse.move(*at(page, 0, 5), steps=4)  # nothing is painted any more
    assert_shows(page, mask, query=1)
    page.mouse.move(*at(page, 6, 0))
    page.mouse.down()
    page.mouse.move(*at(page, 6, 7), steps=16)  # it erases, and leaves what is closed closed
    page.mouse.up()
    mask[6] = False
    assert_shows(page, mask, query=6)
    page.mouse.click(*at(page, 2, 3, ".what svg"))  # a row of the weights is chosen, and nothing painted
    assert_shows(page, mask, query=2)
    x, y = at(page, 5, -0.9)
    page.mouse.click(x, y)  # a word before its row
    assert_shows(page, mask, query=5)


def test_by_touch(visit):  # noqa: F811
    page = visit("mask", width=360, has_touch=True, is_mobile=True)
    page.locator(".board").scroll_into_view_if_needed()
    client, scrolled = page.context.new_cdp_session(page), page.evaluate("scrollY")
    places = [at(page, query, query + 1) for query in range(3)]
    touch = lambda kind, points: client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})  # noqa: E731
    touch("touchStart", [{"x": places[0][0], "y": places[0][1]}])
    for x, y in places[1:]:
        touch("touchMove", [{"x": x, "y": y}])
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    touch("touchEnd", [])
    assert page.evaluate("scrollY") == scrolled
    mask = causal(N)
    mask[[0, 1, 2], [1, 2, 3]] = True
    assert_shows(page, mask, query=2)
    page.get_by_role("button", name="Packed").tap()
    page.get_by_role("button", name="0 after", exact=True).tap()
    assert_shows(page, "Packed", "0 after", query=2)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/mask.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/mask.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    moved = page.evaluate(
        """(names) => {
            const heights = () => [document.querySelector("figure"), ...document.querySelectorAll(".mask-explorer > *")]
                .map((part) => part.getBoundingClientRect().height).join();
            const buttons = [...document.querySelectorAll("button")];
            const [before, moved] = [heights(), []];
            const layers = document.querySelector("input");
            layers.value = 4;
            layers.dispatchEvent(new Event("input"));
            for (const name of names) {
                buttons.find((button) => button.textContent === name).click();
                if (heights() !== before) moved.push(`${name}: ${heights()}, before ${before}`);
            }
            return moved;
        }""",
        [*PRESETS, *WAYS, "A huge score for “sleep”", *PRESETS],
    )
    assert moved == []
    assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_targets_are_large_enough_for_a_finger(visit, width):  # noqa: F811
    page = visit("mask", width=width)
    smallest = """elements => elements.map(element => element.getBoundingClientRect())
        .reduce((least, box) => Math.min(least, box.width, box.height), Infinity)"""
    assert page.locator(".explorer-body :is(button, input)").evaluate_all(smallest) >= 44
    assert page.locator(".board .may").evaluate_all(smallest) >= 20  # the cells: there are 64, and a keyboard too


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(visit, scheme):  # noqa: F811
    page = visit("mask", color_scheme=scheme)
    press(page, "Off by one")
    page.get_by_label("layers", exact=True).press("End")
    for text, color, background, needed in page.evaluate(COLORS_ON_THE_PAGE):
        assert contrast_of(color, background) >= needed, (text, color, background)
    # The numbers stand on their cells, mixed with at most 0.4 of the weights' colour; marks stand out from the card.
    colors = page.locator(".mask-explorer").evaluate(
        """(top) => { const fill = (of, what = "fill") => getComputedStyle(top.querySelector(of))[what];
        return { weight: fill("rect.weight"), ink: fill("text.weight"), card: getComputedStyle(top.closest(".explorer"))
            .backgroundColor, may: fill(".may"), future: fill(".may.future"), heard: fill("circle", "stroke") }; }"""
    )
    rgb = {name: [int(c) for c in re.findall(r"\d+", color)[:3]] for name, color in colors.items()}
    darkest = [round(0.4 * a + 0.6 * b) for a, b in zip(rgb["weight"], rgb["card"], strict=True)]
    assert contrast_of(colors["ink"], f"rgb({darkest[0]}, {darkest[1]}, {darkest[2]})") >= 4.5
    for name in ("may", "future", "heard"):
        assert contrast_of(colors[name], colors["card"]) >= 3


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/mask.html")
    assert page.locator("figure img").is_visible()
    assert "36 of 64 cells open" in page.locator("figure img").get_attribute("alt")
    context.close()
