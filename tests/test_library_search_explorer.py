"""The library search explorer: weights and mixtures that equal the library's, in a real browser."""

import json
import re

import numpy as np
import pytest
import torch
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, contrast_of, fills, visit  # noqa: F401

from attnbook.data.catalogue import BOOKS, QUERIES, shares
from attnbook.explorers import LibrarySearchExplorer, write_static
from attnbook.explorers.library_search_explorer import COLDEST, read_query

# Like a real bank: each request fits its own title best, the others little.
SCORES = 0.2 * torch.rand(21, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SCORES[range(16), range(16)] += 0.5


def explorer(**traits):
    made = LibrarySearchExplorer(SCORES, ask=lambda query: torch.full((16,), len(query) / 10))
    for name, value in traits.items():
        setattr(made, name, value)
    return made


# Without a browser


def test_weights_by_hand():
    scores = torch.full((21, 16), -1e6)
    scores[0, :3] = torch.tensor([0.0, 0.1, 0.2])
    one = LibrarySearchExplorer(scores)
    one.first, one.temperature = 0, 0.1
    e = np.exp([0, 1, 2])
    assert one.weights()[:4] == pytest.approx([*(e / e.sum()), 0])
    earth = (0.7 * e[1] + 0.9 * e[2]) / e.sum()  # of the salty sea and of the mountains
    assert one.output()["earth"] == pytest.approx(earth)
    one.copies = [2, 1, 0, *[1] * 13]  # two books on falling, none on mountains
    assert one.weights()[:3] == pytest.approx([2 / (2 + e[1]), e[1] / (2 + e[1]), 0])


def test_limits_of_the_temperature():
    cold, warm = explorer(temperature=COLDEST), explorer(temperature=10)
    assert cold.weights()[1] == pytest.approx(1, abs=1e-9)
    assert list(cold.output().values()) == pytest.approx(shares()[1].tolist(), abs=1e-6)
    assert list(warm.output().values()) == pytest.approx(shares().mean(dim=0).tolist(), abs=0.02)


def test_a_mixed_query_has_mixed_scores():
    half = explorer(mix=0.25)
    torch.testing.assert_close(half.query_scores(), 0.75 * SCORES[1] + 0.25 * SCORES[11], atol=1e-6, rtol=0)


def test_an_empty_shelf_gives_nothing():
    empty = explorer(copies=[0] * 16)
    assert set(empty.weights()) == set(empty.output().values()) == {0.0}


def test_a_query_of_ones_own():
    made = explorer(mix=0.5)
    made.ask("  the taste of  the sea")
    assert made.queries[-1] == "the taste of the sea"
    assert (made.first, made.mix) == (21, 0)
    assert made.query_scores().tolist() == pytest.approx([2.0] * 16)
    made.ask(QUERIES[4])
    assert made.first == 4
    assert len(made.queries) == len(made.scores) == 22
    with pytest.raises(ValueError, match="“the taste of the sea” is not among the queries, and there is no model"):
        LibrarySearchExplorer(SCORES).ask("the taste of the sea")


def test_requests_from_the_browser_are_answered_once():
    made, answers = explorer(), []
    made.send = lambda content, buffers=None: answers.append(content)
    made._handle_custom_msg({"query": "shoes"}, [])
    made._handle_custom_msg({"query": " "}, [])
    made._handle_custom_msg({}, [])
    assert [answer["problem"][:16] for answer in answers] == ["", "Type a few words", "Type a few words"]
    with pytest.raises(ValueError, match="may have 100 characters, and yours has 101"):
        read_query("x" * 101)


def test_state_html_and_picture():
    made = explorer(copies=[2, *[1] * 15])
    assert made.state().keys() == {"books", "subjects", "queries", "scores", "first", "second", "mix", "temperature",
                                   "copies", "asks"}  # fmt: skip
    assert made.html() == explorer(copies=[2, *[1] * 15]).html()
    assert len(made.html()) < 80_000
    found = Figure(made.html()).found
    assert f"Why Is the Sea Salty? {made.weights()[1]:.2f}" in found["img"]["alt"]
    left, right = made.draw().axes
    assert [bar.get_width() for bar in left.patches] == sorted(made.weights(), reverse=True)[:6]
    assert [bar.get_width() for bar in right.patches] == list(made.output().values())
    assert repr(made) == "LibrarySearchExplorer('what puts salt into the ocean', temperature=0.1)"
    made.mix = 0.5
    assert repr(made).startswith("LibrarySearchExplorer('what puts salt into the ocean / meals aboard an old ship'")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(21, 13),), ValueError, r"scores should have shape \(21, 16\), got \(21, 13\)"),
        ((torch.full((21, 16), float("nan")),), ValueError, "scores should be finite numbers, got a NaN or an inf"),
        (("best",), TypeError, r"scores should be numbers of shape \(21, 16\), got 'best'"),
        ((SCORES, 5), TypeError, "ask should be a function from a query to 16 scores, got 5"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        LibrarySearchExplorer(*arguments)


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("first", 21, "first should be from 0 to 20, got 21"),
        ("second", -1, "second should be from 0 to 20, got -1"),
        ("mix", 1.5, "mix should lie between 0 and 1, got 1.5"),
        ("temperature", 0.0, r"temperature should lie between 0\.003.* and 10, got 0"),
        ("copies", [1] * 15, "copies should be 16 numbers from 0 to 2"),
        ("copies", [3] * 16, "copies should be 16 numbers from 0 to 2"),
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
    write_page(folder, "search", explorer())
    return serve(folder)


def number(text):
    return float(text.replace("−", "-"))


def assert_shows(page, **traits):
    """Scores, weights and mixture are the library's: in the data, in the numbers, in the bars."""
    made = explorer(**traits)
    scores, weights, output = made.query_scores().tolist(), made.weights(), list(made.output().values())
    data = page.locator(".explorer-body").evaluate("el => ({ ...el.dataset })")
    for name, wanted in (("scores", scores), ("weights", weights), ("output", output)):
        np.testing.assert_allclose(json.loads(data[name]), wanted, atol=1e-9)
    ranked = sorted(range(16), key=lambda i: -scores[i])
    rows = page.locator(".shelf li")
    assert rows.locator(".title").all_inner_texts() == [BOOKS[i].title for i in ranked]
    for name, row in ((".score", scores), (".weight", weights)):
        shown = [number(text) for text in rows.locator(name).all_inner_texts()]
        assert shown == pytest.approx([row[i] for i in ranked], abs=0.005 + 1e-9)
    assert fills(rows.locator(".fill")) == pytest.approx([100 * weights[i] for i in ranked], abs=1e-3)
    pressed = rows.locator("button").all_inner_texts()
    assert pressed == [f"×{made.copies[i]}" if made.copies[i] else "off" for i in ranked]
    assert fills(page.locator(".subject .fill")) == pytest.approx([100 * share for share in output], abs=1e-3)
    shown = [number(text) for text in page.locator(".subject .number").all_inner_texts()]
    assert shown == pytest.approx(output, abs=0.005 + 1e-9)
    best = int(np.argmax(weights))
    text = page.locator(".best").inner_text()
    assert (BOOKS[best].contents in text) if max(weights) else text == "The shelf is empty, so nothing comes back."


def test_first_view_and_every_query(visit):  # noqa: F811
    page = visit("search")
    assert_shows(page)
    assert page.get_by_label("query a").locator("option").all_inner_texts() == list(QUERIES)
    for index in range(0, 21, 5):
        page.get_by_label("query a").select_option(index=index)
        assert_shows(page, first=index)
    page.get_by_label("query b").select_option(index=2)
    page.get_by_label("a to b").press("End")
    assert_shows(page, first=20, second=2, mix=1.0)


def test_by_keyboard(visit):  # noqa: F811
    page = visit("search")
    mix, temperature = page.get_by_label("a to b"), page.get_by_label("temperature")
    mix.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert_shows(page, mix=0.3)
    assert mix.get_attribute("aria-valuetext") == "0.30"
    page.keyboard.press("Tab")
    for key, power, text in [("Home", -2.5, "0.003"), ("ArrowRight", -2.45, "0.004"), ("End", 1.0, "10.0"),
                             ("ArrowLeft", 0.95, "8.9")]:  # fmt: skip
        page.keyboard.press(key)
        assert_shows(page, mix=0.3, temperature=10**power)
        assert temperature.get_attribute("aria-valuetext") == text
    page.get_by_role("button", name="Reset").press("Enter")
    assert_shows(page)


def test_books_are_doubled_and_taken_off_the_shelf(visit):  # noqa: F811
    page = visit("search")
    button = page.get_by_role("button", name=re.compile("Why Is the Sea Salty"))
    copies = [1] * 16
    for count in (2, 0, 1, 2):
        button.press("Enter")
        copies[1] = count
        assert_shows(page, copies=copies)
        assert f"shelf: {count}." in button.get_attribute("aria-label")
    for i in range(16):
        name = re.compile(re.escape(BOOKS[i].title))
        while page.get_by_role("button", name=name).inner_text() != "off":
            page.get_by_role("button", name=name).click()
    assert_shows(page, copies=[0] * 16)


def test_by_touch(visit):  # noqa: F811
    page = visit("search", width=360, has_touch=True, is_mobile=True)
    slider = page.get_by_label("temperature")
    slider.tap(position={"x": slider.bounding_box()["width"] - 2, "y": 20})
    assert_shows(page, temperature=10.0)
    page.locator(".shelf li button").first.tap()
    assert_shows(page, temperature=10.0, copies=[1, 2, *[1] * 14])


@pytest.mark.parametrize(
    ("scene", "traits"),
    [
        ("Hard", {"temperature": COLDEST}),
        ("Soft", {"temperature": 0.2}),
        ("Several fit", {"first": QUERIES.index("old recipes"), "temperature": 0.05}),
        ("Two wishes", {"first": 5, "second": 14, "mix": 0.5, "temperature": 0.05}),
        ("Nothing fits", {"first": QUERIES.index("repairing a diesel tractor"), "temperature": 0.05}),
    ],
)
def test_scenes(visit, scene, traits):  # noqa: F811
    page = visit("search")
    page.locator(".shelf li button").nth(3).click()  # a scene fills the shelf again
    page.get_by_role("button", name=scene, exact=True).click()
    assert_shows(page, **traits)


def test_scenes_show_what_their_names_say():
    minilm = pytest.importorskip("attnbook.pretrained").load_minilm()
    made = LibrarySearchExplorer(minilm.encode(QUERIES) @ minilm.encode([book.title for book in BOOKS]).mT)
    made.temperature = COLDEST
    assert max(made.weights()) > 0.9999
    made.temperature, made.first = 0.05, QUERIES.index("old recipes")
    assert sorted(made.weights())[-3] > 0.25  # three books, nearly alike
    made.first, made.second, made.mix = 5, 14, 0.5
    birds, fiddle, tune = (made.weights()[i] for i in (5, 14, 15))
    assert birds > tune > fiddle > 0.2  # between the two wishes lies a third book, which neither asked for
    made.first, made.mix = QUERIES.index("repairing a diesel tractor"), 0.0
    assert max(made.query_scores()) < 0.2
    assert sum(made.weights()) == pytest.approx(1)


def test_follows_new_queries(visit):  # noqa: F811
    page = visit("search")
    made = explorer()
    made.ask("the taste of the sea")
    page.evaluate(
        """async (state) => {
            const explorer = (await import("/explorers/library_search_explorer.js")).default;
            const listeners = {}, sent = (window.sent = []);
            const model = { get: (name) => state[name], set(name, value) { state[name] = value; }, save_changes() {},
                on: (event, call) => { listeners[event] = call; }, off() {}, send: (content) => sent.push(content) };
            explorer.render({ model, el: document.querySelector(".explorer-body") });
            window.say = (problem) => listeners["msg:custom"]({ problem });
        }""",
        made.state(),
    )
    options = page.get_by_label("query a").locator("option")
    assert options.last.inner_text() == "the taste of the sea"
    assert page.get_by_label("query a").evaluate("select => select.selectedIndex") == 21
    page.get_by_label("a query of your own").fill("shoes")
    page.get_by_role("button", name="Look up").click()
    assert page.evaluate("window.sent") == [{"query": "shoes"}]
    page.evaluate("window.say('Type a few words.')")
    assert page.locator(".answer").inner_text() == "Type a few words."
    assert page.get_by_label("a query of your own").get_attribute("aria-invalid") == "true"


def test_is_spoken_once_the_hand_rests(visit):  # noqa: F811
    page = visit("search")
    page.get_by_role("button", name="Hard", exact=True).click()
    line = page.locator("[aria-live], [role=status], output")
    assert line.count() == 1
    text = "Most weight: Why Is the Sea Salty? 1.00. What comes back: " + ", ".join(
        f"{subject} {share:.2f}" for subject, share in explorer(temperature=COLDEST).output().items()
    )
    page.wait_for_function("([line, text]) => line.textContent === text", arg=[line.element_handle(), text])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/search.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/search.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    assert height() == pytest.approx(held, abs=0.5)
    for name in ("Hard", "Several fit", "Two wishes", "Nothing fits"):
        page.get_by_role("button", name=name).click()
        assert height() == pytest.approx(held, abs=0.5)
    for index in range(16):  # each book's sentence once
        page.get_by_label("query a").select_option(index=index)
        assert height() == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    assert page.evaluate(OVERFULL) == []
    context.close()


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("search", width=360)
    for control in page.locator(".explorer-body :is(button, select, input)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("search", theme=theme)
    page.locator(".shelf li button").first.click()
    page.locator(".shelf li button").first.click()  # off the shelf
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 40
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_reduced_motion_and_print(visit):  # noqa: F811
    page = visit("search", reduced_motion="reduce", theme="dark")
    durations = "els => els.map(el => getComputedStyle(el).transitionDuration).filter(d => d !== '0s').length"
    assert page.locator(".explorer-body *").evaluate_all(durations) == 0
    page.emulate_media(media="print")
    assert page.locator(".shelf").is_visible()
    assert not page.get_by_role("button", name="Reset").is_visible()


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/search.html")
    assert page.locator("figure img").is_visible()
    context.close()
