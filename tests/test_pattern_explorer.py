"""The pattern explorer in a real browser: every control is moved, and what it shows is compared with the library."""

import itertools
import json
import re
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
import torch
from explorer_pages import assert_fits, write_page
from hypothesis import given, settings
from hypothesis import strategies as st
from test_explorers import COLORS_ON_THE_PAGE, contrast_of

from attnbook import costs, masks
from attnbook.explorers import PatternExplorer, static_files, write_static
from attnbook.explorers.pattern import MOST_RANDOM, PRESETS, SEEDS, Pattern, draws
from attnbook.explorers.pattern import settings as as_json
from attnbook.explorers.pattern_explorer import REACHED, SOURCES
from attnbook.plots import luminance
from attnbook.reach import hops, path, reach

# The strictest rules that a host could give the site: nothing inline, nothing evaluated, nothing from elsewhere.

patterns = st.builds(
    Pattern,
    n=st.integers(8, 48),
    window=st.sampled_from([0, 1, 2, 5, 30, 47]),
    dilation=st.integers(1, 4),
    global_tokens=st.lists(st.integers(0, 7), max_size=3),
    chunks=st.booleans(),
    random=st.integers(0, MOST_RANDOM),
    block=st.integers(2, 8),
    seed=st.integers(0, SEEDS - 1),
    causal=st.booleans(),
)


# Without a browser


def test_patterns_by_hand():
    def drawn(**settings):
        return ["".join("x" if may else "." for may in row[:8]) for row in Pattern(8, **settings).mask()[:3]]

    assert drawn() == ["x.......", ".x......", "..x....."]
    assert drawn(window=1, causal=True) == ["x.......", "xx......", ".xx....."]
    assert drawn(window=1, dilation=3) == ["x..x....", ".x..x...", "..x..x.."]
    assert drawn(chunks=True, block=2) == ["xx......", "xx......", "..xx...."]
    assert drawn(global_tokens=(4,)) == ["x...x...", ".x..x...", "..x.x..."]
    assert drawn(window=47) == ["xxxxxxxx"] * 3


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_librarys_masks(name):
    window = masks.sliding_window(32, 2)
    block_of = torch.arange(32) // 8
    assert torch.equal(Pattern(**PRESETS[name][1]).mask(), {
        "Dense": torch.ones(32, 32, dtype=torch.bool),
        "Chunked": block_of[:, None] == block_of,
        "Sliding window": window,
        "Dilated": masks.sliding_window(32, 2, dilation=3),
        "Longformer": window | masks.global_tokens(32, [0]),
        "BigBird": window | masks.global_tokens(32, [0, 1]) | masks.random_blocks(32, 4, 1, seed=0),
        "Mistral": masks.causal(32) & masks.sliding_window(32, 4),
    }[name])  # fmt: skip


def test_presets_do_what_their_notes_say():
    needed = {name: hops(Pattern(**settings).mask()) for name, (_, settings) in PRESETS.items()}
    assert {name: (int(layers.max()) if layers.min() >= 0 else None) for name, layers in needed.items()} == {
        "Dense": 1, "Chunked": None, "Sliding window": 16, "Dilated": None, "Longformer": 2, "BigBird": 2,
        "Mistral": None,
    }  # fmt: skip
    assert needed["Mistral"].max() == 8


@pytest.mark.parametrize("block", range(2, 9))
def test_the_baked_draws_are_those_of_random_blocks(block):
    for n, seed, count in itertools.product(range(8, 49), range(SEEDS), range(MOST_RANDOM + 1)):
        blocks = -(-n // block)
        digits, each = draws()[seed][blocks], min(MOST_RANDOM, blocks)
        rows = [digits[row * each :][: min(count, each)] for row in range(blocks)]
        drawn = [{int(digit, 36) for digit in row} for row in rows]
        expected = masks.random_blocks(n, block, min(count, blocks), seed=seed)
        assert expected.tolist() == [[j // block in drawn[i // block] for j in range(n)] for i in range(n)]


@given(pattern=patterns)
@settings(max_examples=40, deadline=None)
def test_links_per_token_is_a_bound_for_longer_sequences(pattern):
    """The same settings on a sequence of 509 tokens: put together from the library's masks, and counted."""
    length = 509
    block_of = torch.arange(length) // pattern.block
    window = length if pattern.window >= pattern.n - 1 else pattern.window
    parts = [
        masks.sliding_window(length, window, pattern.dilation),
        (block_of[:, None] == block_of) & pattern.chunks,
        masks.global_tokens(length, pattern.global_tokens),
        masks.random_blocks(length, pattern.block, pattern.random, seed=pattern.seed),
    ]
    mask = torch.stack(parts).any(dim=0)
    if pattern.causal:
        mask &= masks.causal(length)
    assert mask.sum() <= length * pattern.links_per_token(length)


def test_links_per_token_by_hand():
    assert Pattern(window=2).links_per_token(4096) == 5
    assert Pattern(window=2, dilation=3, causal=True).links_per_token(4096) == 3
    assert Pattern(window=31).links_per_token(4096) == 4096
    assert Pattern(window=31, causal=True).links_per_token(4096) == 2048.5
    assert Pattern(window=31, dilation=4).links_per_token(4096) == 1024
    assert Pattern(chunks=True, block=8).links_per_token(4096) == 8
    assert Pattern(chunks=True, block=8, causal=True).links_per_token(4096) == 4.5
    assert Pattern(window=2, global_tokens=(0, 9), random=3, block=4).links_per_token(4096) == 5 + 4 + 12


def test_picture_and_words():
    explorer = PatternExplorer("Longformer", layers=2)
    assert explorer.path() == [3, 0, 29]
    words = explorer.describe()
    mask = explorer.mask()
    assert f"32 queries by 32 keys with {mask.sum()} links, those of window, global" in words
    assert "token 29 has heard from 32 of 32 tokens. Information goes 3 → 0 → 29." in words
    left, right = explorer.draw().axes
    assert sum(len(line.get_xdata()) for line in left.lines) == mask.sum()
    assert right.images[0].get_array().sum() == reach(mask, 2).sum()
    assert "never comes from token 3 to 29" in PatternExplorer("Chunked").describe()
    assert "the future is hidden" in PatternExplorer("Mistral").describe()
    assert len(explorer.html()) < 100_000
    assert repr(PatternExplorer(Pattern(window=2, causal=True), query=7)) == (
        "PatternExplorer(Pattern(window=2, causal=True), layers=1, key=3, query=7)"
    )


def test_colors_are_those_of_the_style_sheet_and_differ_in_lightness():
    css = static_files()["pattern_explorer.css"]
    expected = {**{name: color for name, (color, _) in SOURCES.items()}, "reached": REACHED}
    assert {name: re.search(rf"--{name}: light-dark\((#\w+),", css)[1] for name in expected} == expected
    assert len({marker for _, marker in SOURCES.values()}) == len(SOURCES)  # each has a shape of its own
    for color, _ in SOURCES.values():
        assert (1.05) / (luminance(color) + 0.05) >= 3  # stands out from the white card
        assert (luminance(REACHED) + 0.05) / (luminance(color) + 0.05) >= 2.5


def test_traits_may_be_set_later_and_are_checked_then_too():
    explorer = PatternExplorer("BigBird", layers=2)
    assert explorer.state().keys() == {"pattern", "layers", "key", "query", "presets", "draws"}
    explorer.pattern = {"n": 30, "window": 5}
    assert torch.equal(explorer.mask(), masks.sliding_window(30, 5))
    with pytest.raises(ValueError, match="query should lie between 0 and 9, got 29"):
        explorer.pattern = {"n": 10}
    with pytest.raises(ValueError, match="layers should lie between 1 and 6, got 7"):
        explorer.layers = 7
    with pytest.raises(ValueError, match="key should lie between 0 and 29, got 30"):
        explorer.key = 30
    with pytest.raises(TypeError, match=r"the settings of a Pattern, got .*'width'"):
        explorer.pattern = {"width": 3}
    with explorer.hold_trait_notifications():  # as a browser's changes come: all at once
        explorer.pattern = {"n": 10}
        explorer.query = 9
    assert explorer.mask().shape == (10, 10)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Pattern(7), ValueError, "n should lie between 8 and 48, got 7"),
        (lambda: Pattern(49), ValueError, "n should lie between 8 and 48, got 49"),
        (lambda: Pattern(12.5), TypeError, r"n should be a whole number, got 12\.5"),
        (lambda: Pattern(window=-1), ValueError, "window should lie between 0 and 47, got -1"),
        (lambda: Pattern(dilation=0), ValueError, "dilation should lie between 1 and 4, got 0"),
        (lambda: Pattern(random=4), ValueError, "random should lie between 0 and 3, got 4"),
        (lambda: Pattern(block=1), ValueError, "block should lie between 2 and 8, got 1"),
        (lambda: Pattern(seed=6), ValueError, "seed should lie between 0 and 5, got 6"),
        (lambda: Pattern(global_tokens=(0, 48)), ValueError, "global_tokens should lie between 0 and 47, got 48"),
        (lambda: Pattern(causal=1), TypeError, "causal should be True or False, got 1"),
        (lambda: PatternExplorer("Reformer"), ValueError, "one of Dense, .*, Mistral, got 'Reformer'"),
        (lambda: PatternExplorer(3), TypeError, "a Pattern or the name of a preset, got 3"),
        (lambda: PatternExplorer(layers=0), ValueError, "layers should lie between 1 and 6, got 0"),
        (lambda: PatternExplorer(key=32), ValueError, "key should lie between 0 and 31, got 32"),
        (lambda: PatternExplorer(query=True), TypeError, "query should be a number, got True"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "index", PatternExplorer())
    return serve(folder)


@pytest.fixture
def visit(browser, site):
    """Open the page, scroll to the explorer and wait until it stands. In the end there must be no console error."""
    contexts, errors = [], []

    def start(width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(site)
        page.locator("figure").scroll_into_view_if_needed()
        page.locator(".explorer-body").wait_for()
        return page

    yield start
    for context in contexts:
        context.close()
    assert errors == []


FIRST = Pattern(window=2, global_tokens=(0,))  # what the explorer begins with


# All that the reader sees, and what the explorer has computed, in one question to the browser.
SEEN = r"""
() => {
  const body = document.querySelector(".explorer-body");
  const all = (selector) => [...body.querySelectorAll(selector)];
  const texts = (selector) => all(selector).map((element) => element.textContent);
  const cells = (kind) => body.querySelector(`.board path.${kind}`).getAttribute("d").split("M").length - 1;
  return {
    ...body.dataset,
    cells: Object.fromEntries(["window", "chunk", "global", "random", "reached"].map((kind) => [kind, cells(kind)])),
    heard: all(".strip circle").map((dot) => dot.classList.contains("heard")),
    arcs: all(".strip .arc").length,
    framed: all(".hop").length,
    names: [...texts(".strip text.of-key"), ...texts(".strip text.of-query"), ...texts(".board text.of-key"),
            ...texts(".board text.of-query")],
    sentences: texts(".sentences p"),
    cost: texts(".cost p"),
    numbers: texts(".named-slider .number"),
    values: all("input").map((input) => input.valueAsNumber),
    idle: all("input").filter((input) => input.disabled).map((input) => input.ariaLabel),
    tokens: texts(".tokens button"),
    pressed: texts("[aria-pressed=true]"),
    note: texts(".note"),
  };
}
"""


def assert_shows(page, pattern=FIRST, layers=1, key=3, query=29):
    """The links with their sources, the layers between all pairs, the way and the words are the library's."""
    seen, mask, n = page.evaluate(SEEN), pattern.mask(), pattern.n
    expected = [["."] * n for _ in range(n)]
    free = torch.ones_like(mask)
    for name, source in pattern.sources().items():
        assert seen["cells"][name] == (source & free).sum()
        for i, j in (source & free).nonzero().tolist():
            expected[i][j] = name[0]
        free &= ~source
    assert seen["links"].split("\n") == ["".join(row) for row in expected]
    assert json.loads(seen["hops"]) == hops(mask).tolist()
    heard, way = reach(mask, layers), path(mask, key, query)
    assert seen["cells"]["reached"] == heard.sum()
    assert seen["heard"] == heard[query].tolist()
    assert json.loads(seen["way"]) == way
    assert seen["arcs"] == seen["framed"] == len(way or [0]) - 1
    assert seen["names"] == [str(token) for token in ([key] if key == query else [key, query]) + [key, query]]
    assert_sentences(seen["sentences"], pattern, layers, key, query)
    assert_cost(seen["cost"], pattern)
    assert_controls(seen, pattern, layers, key, query)


def plural(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def one_decimal(x):
    return Decimal(x).quantize(Decimal("0.1"), ROUND_HALF_UP)


def assert_sentences(sentences, pattern, layers, key, query):
    mask, causal = pattern.mask(), pattern.causal
    needed, way = hops(mask), path(mask, key, query)
    route, heard, everyone = sentences
    if key == query:
        assert route.startswith("A token keeps what it has")
    elif way is None:
        assert route.startswith(f"No way from token {key} to token {query}")
        assert route.endswith("it lies in the future.") == (causal and key > query)
    else:
        shown = way if len(way) <= 9 else [*way[:4], "…", *way[-3:]]
        assert route == f"{' → '.join(map(str, shown))}: {plural(len(way) - 1, 'layer')}."
    count = f"{reach(mask, layers)[query].sum()} of {plural(query + 1 if causal else pattern.n, 'token')}"
    assert heard.startswith(f"After {plural(layers, 'layer')}, token {query} has heard from {count}")
    possible = torch.ones_like(mask).tril() if causal else torch.ones_like(mask)
    if needed[possible].min() < 0:
        assert everyone.startswith("Some tokens never hear from ")
    else:
        assert re.fullmatch(rf"Every token has heard from .* after {plural(int(needed.max()), 'layer')}\.", everyone)


def assert_cost(cost, pattern):
    links, longer = cost
    n, count = pattern.n, int(pattern.mask().sum())
    dense = n * (n + 1) // 2 if pattern.causal else n * n
    share = f"({one_decimal(100 * count / dense)}%), {one_decimal(count / n)} a query."
    assert links == f"{plural(count, 'link')} of {dense:,} {share}"
    bound = pattern.links_per_token(4096)
    at_most = re.search(r"at most (.*) links\.", longer)[1]
    assert float(re.findall(r"[\d.,]*\d", at_most)[-1].replace(",", "")) == bound
    sizes = [(float(number), 1e6 if name == "million" else 1e9)
             for number, name in re.findall(r"([\d.]+) (million|billion) operations", longer)]  # fmt: skip
    full = costs.dense(4096, 64).operations * ((4096 + 1) / 2 / 4096 if pattern.causal else 1)
    for (number, size), operations in zip(sizes, [4096 * bound * 4 * 64, full], strict=True):
        assert number == pytest.approx(operations / size, abs=0.05 + 1e-9)


def assert_controls(seen, pattern, layers, key, query):
    numbers = [pattern.n, min(pattern.window, pattern.n - 1), pattern.dilation, pattern.random, pattern.block,
               pattern.seed, layers, key, query]  # fmt: skip
    assert seen["values"] == numbers
    if pattern.window >= pattern.n - 1:
        numbers[1] = "all"
    assert seen["numbers"] == [str(number) for number in numbers]
    idle = {"block size": not (pattern.chunks or pattern.random), "seed": not pattern.random}
    assert seen["idle"] == [name for name, is_idle in idle.items() if is_idle]
    assert seen["tokens"] == [str(token) for token in range(pattern.n)]
    known = [name for name, (_, settings) in PRESETS.items() if replace(pattern, n=32) == Pattern(**settings)]
    tokens = [str(token) for token in pattern.global_tokens if token < pattern.n]
    assert seen["pressed"] == [*known, *["Chunks"] * pattern.chunks, *["Causal"] * pattern.causal, *tokens]
    assert seen["note"] == [PRESETS[known[0]][0] if known else "A pattern of your own."]


def spoken(page, text):
    page.locator(".explorer-spoken").filter(has_text=text).wait_for(state="attached")


def test_first_view(visit):
    page = visit()
    assert_shows(page)
    assert page.locator(".sentences p").all_inner_texts() == [
        "3 → 0 → 29: 2 layers.",
        "After 1 layer, token 29 has heard from 6 of 32 tokens (filled).",
        "Every token has heard from every other after 2 layers.",
    ]


def test_the_browser_computes_what_the_library_does(visit):
    page = visit()
    page.evaluate(
        """async () => {
            const explorer = (await import("/explorers/pattern_explorer.js")).default;
            const state = JSON.parse(document.querySelector("figure").dataset.state);
            window.show = (changes) => {
                Object.assign(state, changes);
                const model = { get: (name) => state[name], on() {}, off() {} };
                explorer.render({ model, el: document.querySelector(".explorer-body") });
            };
        }"""
    )

    @given(pattern=patterns, layers=st.integers(1, 6), pair=st.tuples(st.integers(0, 7), st.integers(0, 47)))
    @settings(max_examples=60, deadline=None)
    def check(pattern, layers, pair):
        key, query = pair[0], min(pair[1], pattern.n - 1)
        page.evaluate("show", {"pattern": as_json(pattern), "layers": layers, "key": key, "query": query})
        assert_shows(page, pattern, layers, key, query)

    check()


@pytest.mark.parametrize("name", PRESETS)
def test_presets(visit, name):
    page = visit()
    page.get_by_role("button", name=name).click()
    pattern = Pattern(**PRESETS[name][1])
    for layers, key in ((1, "Home"), (2, "ArrowRight"), (6, "End")):
        page.get_by_label("layers", exact=True).press(key)
        assert_shows(page, pattern, layers)
    tokens = page.get_by_label("tokens", exact=True)
    for key, n in (("Home", 8), ("ArrowRight", 9), ("End", 48)):  # the reader's length stays the reader's
        tokens.press(key)
        assert_shows(page, replace(pattern, n=n), 6, 3, 7)
    spoken(page, "After 6 layers, token 7 has heard from ")


def test_every_slider_and_button_by_keyboard(visit):
    page = visit()
    pattern, layers, key, query = FIRST, 1, 3, 29
    page.get_by_label("random blocks").press("ArrowRight")  # so that none is idle
    pattern = replace(pattern, random=1)
    moves = [("tokens", "n", "ArrowRight", 33), ("window", "window", "ArrowRight", 3), ("window", "window", "End", 47),
             ("window", "window", "Home", 0), ("dilation", "dilation", "End", 4), ("dilation", "dilation", "Home", 1),
             ("window", "window", "ArrowRight", 1), ("dilation", "dilation", "ArrowRight", 2),
             ("random blocks", "random", "End", 3), ("random blocks", "random", "ArrowLeft", 2),
             ("block size", "block", "End", 8), ("block size", "block", "Home", 2), ("seed", "seed", "End", 5),
             ("seed", "seed", "ArrowLeft", 4)]  # fmt: skip
    for label, name, press, value in moves:
        page.get_by_label(label, exact=True).press(press)
        pattern = replace(pattern, **{name: value})
        assert_shows(page, pattern, layers, key, query)
    for label, press in [("layers", "End"), ("from key", "End"), ("to query", "Home"), ("layers", "ArrowLeft")]:
        page.get_by_label(label, exact=True).press(press)
    assert_shows(page, pattern, 5, 32, 0)
    for name in ("Chunks", "Causal", "Chunks"):
        page.get_by_role("button", name=name).press("Space")
        pattern = replace(pattern, **{name.lower(): not getattr(pattern, name.lower())})
        assert_shows(page, pattern, 5, 32, 0)
    page.get_by_role("button", name="Reset").press("Enter")
    assert_shows(page)


def test_tokens_are_one_stop_of_the_tab_key(visit):
    page = visit()
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # token 0 is global no more
    assert_shows(page, replace(FIRST, global_tokens=()))
    for press in ("ArrowLeft", "End", "ArrowRight", "Space", "Home", "ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(press)
    assert_shows(page, replace(FIRST, global_tokens=(1, 31)))
    page.keyboard.press("Tab")
    assert page.locator(".board").evaluate("board => board === document.activeElement")
    page.keyboard.press("Shift+Tab")  # back to the token that was left
    page.keyboard.press("Space")
    assert_shows(page, replace(FIRST, global_tokens=(31,)))


def test_the_grid_by_keyboard(visit):
    page = visit()
    board = page.locator(".board")
    page.get_by_role("button", name="Sliding window").click()
    board.focus()
    top = page.evaluate("scrollY")
    for press in ("ArrowLeft", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft"):
        board.press(press)
    assert_shows(page, Pattern(window=2), 1, 2, 31)
    for press in ("ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowUp"):  # it ends at the edges
        board.press(press)
    assert_shows(page, Pattern(window=2), 1, 0, 30)
    assert page.evaluate("scrollY") == top
    assert "at key 0 and query 30" in board.get_attribute("aria-label")
    spoken(page, "0 → 2 → 4 → 6 → … → 26 → 28 → 30: 15 layers.")


def at(page, query, key, n=32):
    """The middle of a cell, measured on the frame around the grid."""
    box = page.locator(".board .frame").bounding_box()
    side = box["width"] / n
    return box["x"] + (key + 0.5) * side, box["y"] + (query + 0.5) * side


def test_the_grid_by_mouse(visit):
    page = visit()
    page.locator(".board").scroll_into_view_if_needed()
    for query, key in [(0, 0), (31, 31), (17, 5), (5, 17)]:
        page.mouse.click(*at(page, query, key))
        assert_shows(page, FIRST, 1, key, query)
    page.mouse.move(*at(page, 8, 9))
    assert_shows(page, FIRST, 1, 17, 5)  # nothing while no button is pressed
    page.mouse.down()
    page.mouse.move(*at(page, 20, 11), steps=4)
    assert_shows(page, FIRST, 1, 11, 20)
    page.mouse.up()


def test_by_touch_on_a_phone(visit):
    page = visit(width=360, has_touch=True, is_mobile=True)
    page.locator(".board").scroll_into_view_if_needed()
    page.touchscreen.tap(*at(page, 24, 6))
    assert_shows(page, FIRST, 1, 6, 24)
    page.locator(".tokens button").nth(12).tap()
    assert_shows(page, replace(FIRST, global_tokens=(0, 12)), 1, 6, 24)
    page.get_by_role("button", name="Causal").tap()
    pattern = replace(FIRST, global_tokens=(0, 12), causal=True)
    assert_shows(page, pattern, 1, 6, 24)
    layers = page.get_by_label("layers", exact=True)
    layers.tap(position={"x": layers.bounding_box()["width"] - 2, "y": 20})
    assert_shows(page, pattern, 6, 6, 24)
    page.get_by_role("button", name="Dense").tap()
    assert_shows(page, Pattern(window=47), 6, 6, 24)


def test_farthest_pair(visit):
    page = visit()
    for name, key, query in [("Sliding window", 31, 0), ("Mistral", 0, 31), ("Longformer", 31, 1), ("Chunked", 31, 0)]:
        page.get_by_role("button", name=name).click()
        page.get_by_role("button", name="Farthest pair").click()
        pattern = Pattern(**PRESETS[name][1])
        assert_shows(page, pattern, 1, key, query)
        needed = hops(pattern.mask())
        assert needed[query, key] == (-1 if name == "Chunked" else needed.max())


def test_a_short_sequence_brings_the_pair_along(visit):
    page = visit()
    page.locator(".tokens button").nth(20).click()
    page.get_by_label("tokens", exact=True).press("Home")
    assert_shows(page, Pattern(8, window=2, global_tokens=(0, 20)), 1, 3, 7)
    page.get_by_role("button", name="Reset").click()
    assert_shows(page)


@pytest.mark.parametrize("width", [320, 360, 660, 768, 1280])
def test_nothing_moves_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/*_explorer.js", lambda route: route.abort())
    page.goto(site)
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(site)
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    moved = page.evaluate(
        """([labels, names]) => {
            const heights = () => [document.querySelector("figure"), ...document.querySelectorAll(".pattern > *")]
                .map((part) => part.getBoundingClientRect().height).join();
            const move = (label, value) => {
                const slider = document.querySelector(`input[aria-label="${label}"]`);
                slider.value = slider[value];
                slider.dispatchEvent(new Event("input"));
            };
            const press = (name) =>
                [...document.querySelectorAll("button")].find((button) => button.textContent === name).click();
            const [before, moved] = [heights(), []];
            const check = (what) => heights() === before || moved.push(`${what}: ${heights()}, before ${before}`);
            for (const label of labels) { move(label, "max"); check(label); }
            for (const end of ["max", "min"])
                for (const name of names) { move("tokens", end); press(name); check(`${name}, ${end}`); }
            return moved;
        }""",
        [
            ["random blocks", "seed", "layers"],
            [*PRESETS, "Chunks", "Causal", "Farthest pair", "Causal", "Farthest pair", "Chunks", "0", "1", "7"],
        ],
    )
    assert moved == []
    assert page.locator("figure").bounding_box()["height"] == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    context.close()


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_targets_are_large_enough_for_a_finger(visit, width):
    page = visit(width=width)
    page.get_by_label("tokens", exact=True).press("End")
    smallest = """elements => elements.map(element => element.getBoundingClientRect())
        .reduce((least, box) => Math.min(least, box.width, box.height), Infinity)"""
    assert page.locator(".tokens button").evaluate_all(smallest) >= 24
    assert page.locator(".explorer-body :is(button:not(.tokens *), input)").evaluate_all(smallest) >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(visit, scheme):
    page = visit(color_scheme=scheme)
    page.get_by_role("button", name="BigBird").click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 60
    for text, color, background, needed in pairs:
        if text not in ("1", "2") or color != background:  # the steps' numbers stand on ink
            assert contrast_of(color, background) >= needed, (text, color, background)
    colors = page.locator(".board svg").evaluate(
        """svg => { const card = getComputedStyle(svg.closest(".explorer")).backgroundColor;
        const fill = (kind) => getComputedStyle(svg.querySelector(kind)).fill;
        return { card, reached: fill(".reached"), window: fill(".window"), global: fill(".global"),
                 random: fill(".random"), ink: fill(".hop circle"), number: fill(".hop text") }; }"""
    )
    for source in ("window", "global", "random"):
        assert contrast_of(colors[source], colors["card"]) >= 3
        assert contrast_of(colors[source], colors["reached"]) >= 2.5
    assert contrast_of(colors["ink"], colors["number"]) >= 4.5


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    assert page.locator("figure img").is_visible()
    assert "token 29 has heard from 6 of 32 tokens" in page.locator("figure img").get_attribute("alt")
    context.close()
