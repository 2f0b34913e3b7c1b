"""The cost explorer: its bill equals the library's formulas, in Python and, moved by hand, in a real browser."""

import json
import math
import random
import re
from dataclasses import asdict, replace
from itertools import pairwise

import pytest
from explorer_pages import assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, WIDTHS, Figure, assert_spoken, contrast_of, fills, visit  # noqa: F401

from attnbook import costs
from attnbook.explorers import CostExplorer, cost_explorer, write_static
from attnbook.explorers.bill import LEAST_TOKENS, METHODS, MODELS, MOST_TOKENS, Model, bill, first_length
from attnbook.explorers.cost_explorer import ALL_MODELS, GIB, VIEWS
from attnbook.explorers.measured import MODEL, NAME, measured_points

PLAIN = Model(64, 4, 4, 3, 256, bytes_a_number=4, window=13, block=8, features=11)  # as the library's own layers are
LENGTHS = (1024, 2048, 4096)


def row(group, method, n, seconds, peak_bytes=1):
    return {"group": group, "method": method, "n": n, "seconds": seconds, "peak_bytes": peak_bytes}


ROWS = [
    *(row("exact", "attnbook dense", n, [(n / 1024) ** 2.2] * 3, 12 * 8 * n * n) for n in LENGTHS),
    *(row("exact", "attnbook blockwise", n, [2 * (n / 1024) ** 2], 10_000 * n) for n in LENGTHS),
    *(row("exact", "torch SDPA", n, [1.0]) for n in LENGTHS),  # not one of the explorer's methods
    *(row("window, both sides", "attnbook", n, [0.3 * n / 1024], 12_000 * n) for n in LENGTHS),
    *(row("recurrent", "torch GRU", n, [n / 256]) for n in LENGTHS),
    *(row("recurrent", "attnbook, weights stored", n, [n / 1024]) for n in LENGTHS[:2]),
    {"group": "exact", "method": "attnbook dense", "n": 8192, "left_out": "would take 26 GiB, over 12 GiB"},
]


# Without a browser


def test_bill_by_hand():
    # Llama-2-7B's 32 layers: scores and averages take 4 n² d; four projections 8 n d², three matrices 6 n d · 11008.
    cost = bill(MODELS["Llama-2-7B"], "dense", 1000)
    assert cost.operations == 32 * 4 * 1000**2 * 4096
    assert cost.rest == 32 * (8 * 1000 * 4096**2 + 6 * 1000 * 4096 * 11008)
    assert cost.memory == 2 * (32 * 1000**2 + 1000 * 4096)
    assert cost.kept == 2 * 32 * 4096 * 1000 * 2
    assert cost.share == cost.operations / (cost.operations + cost.rest)


def test_a_plain_layer_is_that_of_the_formulas():
    n, d = 47, 64
    cost = bill(PLAIN, "dense", n)
    whole = costs.projections(n, d) + costs.dense(n, d, 4) + costs.feed_forward(n, d)
    assert cost.operations + cost.rest == 3 * whole.operations
    recurrent = bill(PLAIN, "recurrent", n)
    assert recurrent.operations + recurrent.rest == 3 * (costs.recurrent(n, d) + costs.feed_forward(n, d)).operations
    assert recurrent.rest == cost.rest


def test_crossings_of_the_chapter():
    dense, recurrent = ([bill(PLAIN, method, n).operations for n in (63, 64, 65)] for method in ("dense", "recurrent"))
    assert dense[0] < recurrent[0]
    assert dense[1] == recurrent[1]  # n = d
    assert dense[2] > recurrent[2]
    assert bill(PLAIN, "dense", 6 * 64).share == 0.5  # n = 6 d


def test_shared_keys_and_values_save_cache_and_projections_alone():
    shared, own = bill(replace(PLAIN, num_kv_heads=1), "dense", 47), bill(PLAIN, "dense", 47)
    assert (shared.operations, shared.memory) == (own.operations, own.memory)
    assert 4 * shared.kept == own.kept
    assert own.rest - shared.rest == 3 * 2 * 2 * 47 * 64 * (64 - 16)  # two matrices (64, 64) became (64, 16)


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        ("dense", 2 * 64 * 47),
        ("exact", 2 * 64 * 47),
        ("sparse", 2 * 64 * 47),
        ("window", 2 * 64 * (13 + 1)),
        ("performer", 4 * 11 * (16 + 1)),
        ("linear", 4 * 16 * (16 + 1)),
        ("recurrent", 64),
    ],
)
def test_what_is_kept_while_writing(method, kept):
    assert bill(PLAIN, method, 47).kept == 3 * 4 * kept
    grows = bill(PLAIN, method, 1000).kept > bill(PLAIN, method, 47).kept
    assert grows == (method in ("dense", "exact", "sparse"))


def test_mistrals_cache_ends_at_half_a_gib():
    assert [bill(MODELS["Mistral-7B"], "window", n).kept / GIB for n in (2048, 4096, 131_072)] == [0.25, 0.5, 0.5]


@pytest.mark.parametrize("method", METHODS)
def test_only_dense_needs_memory_that_grows_with_the_square(method):
    growth = bill(PLAIN, method, 200_000).memory / bill(PLAIN, method, 20_000).memory
    assert growth == pytest.approx(100 if method == "dense" else 10, rel=0.01)


def test_first_length():
    assert first_length(lambda n: n >= 77) == 77
    assert first_length(lambda n: True) == 1
    assert first_length(lambda n: n >= MOST_TOKENS) == MOST_TOKENS
    assert first_length(lambda n: n > MOST_TOKENS) is None


def test_measured_points_lie_on_the_curve_at_the_anchor():
    points = {(point["method"], point["n"]): point for point in measured_points(ROWS)}
    assert {method for method, _ in points} == {"dense", "exact", "window", "recurrent"}
    anchor = bill(MODEL, "dense", 1024)
    assert points["dense", 1024]["operations"] == pytest.approx(anchor.operations)
    assert points["dense", 1024]["memory"] == pytest.approx(anchor.memory)
    # Four times the length took 4^2.2 times longer; blocks took 2 s where dense took 1 s.
    assert points["dense", 4096]["operations"] == pytest.approx(anchor.operations * 4**2.2)
    assert points["exact", 1024]["operations"] == pytest.approx(anchor.operations * 2)
    assert points["window", 4096]["memory"] == pytest.approx(anchor.memory * 12_000 * 4096 / (12 * 8 * 1024**2))


def test_the_committed_results_have_points_of_all_methods():
    points = measured_points()
    assert {point["method"] for point in points} == set(METHODS)
    assert all(point["operations"] > 0 and point.get("memory", 1) > 0 for point in points)


def test_measured_recurrent_points_are_what_it_takes_beyond_the_projections():
    points = {point["n"]: point for point in measured_points(ROWS) if point["method"] == "recurrent"}
    assert list(points) == [1024, 2048]  # where attention's layer was timed beside it
    projections = costs.projections(1024, 512).operations
    assert points[1024]["operations"] == 4 * (projections + costs.dense(1024, 512).operations) - projections
    assert "memory" not in points[1024]


def test_state_html_and_picture():
    explorer = CostExplorer()
    assert explorer.state().keys() == {"sizes", "n", "method", "view", "price", "models", "measured", "measured_model"}
    assert explorer.html() == CostExplorer().html()
    assert len(explorer.html()) < 100_000
    alt = Figure(explorer.html()).found["img"]["alt"]
    assert "Llama-2-7B with 4,096 tokens by the method Dense: 6.18e+13 operations, 14.2%" in alt
    curves = CostExplorer("GPT-2 XL", view="kept").draw().axes[0].lines[: len(METHODS)]
    for line, method in zip(curves, METHODS, strict=True):
        assert list(line.get_ydata()) == [bill(MODELS["GPT-2 XL"], method, int(n)).kept for n in line.get_xdata()]
    assert repr(explorer) == "CostExplorer('Llama-2-7B', n=4096, method='dense', view='operations')"
    assert "Your own model" in repr(CostExplorer(PLAIN))


def test_curves_that_end_together_share_a_label():
    labels = {text.get_text() for text in CostExplorer().draw().axes[0].texts}
    assert any(re.fullmatch("Dense, exact blocks|Exact blocks, dense", label) for label in labels)
    assert "Recurrent" in labels


def test_traits_may_be_set_later_and_are_checked_then_too():
    explorer = CostExplorer()
    explorer.sizes = asdict(PLAIN)
    explorer.n = 100
    assert explorer.bill("linear") == bill(PLAIN, "linear", 100)
    with pytest.raises(ValueError, match="num_heads should divide d_model, got 5 and d_model 64"):
        explorer.sizes = {**asdict(PLAIN), "num_heads": 5}
    with pytest.raises(ValueError, match=r"n should lie between 64 and 1.04858e\+06, got 63"):
        explorer.n = 63
    with pytest.raises(ValueError, match="view should be one of operations, memory, kept, got 'time'"):
        explorer.view = "time"
    assert explorer.sizes == asdict(PLAIN)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "GPT-9"}, ValueError, "model should be one of GPT-2 small, .* got 'GPT-9'"),
        ({"model": 7}, TypeError, "model should be a name or a Model, got 7"),
        ({"n": 2**21}, ValueError, "n should lie between 64 and .* got 2097152"),
        ({"n": 100.5}, TypeError, "n should be a whole number, got 100.5"),
        ({"method": "magic"}, ValueError, "method should be one of dense, exact, .* got 'magic'"),
        ({"method": None}, TypeError, "method should be one of dense, exact, .* got None"),
        ({"price": -1}, ValueError, "price should lie between 0 and 1e\\+06, got -1"),
        ({"price": math.nan}, ValueError, "price should lie between 0 and 1e\\+06, got nan"),
        ({"price": "cheap"}, TypeError, "price should be a number, got 'cheap'"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        CostExplorer(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"d_model": 0}, ValueError, "d_model should be at least 1, got 0"),
        ({"num_layers": 2.0}, TypeError, "num_layers should be a whole number, got 2.0"),
        ({"num_kv_heads": 3}, ValueError, "num_kv_heads should divide num_heads, got 3 and num_heads 4"),
        ({"ff_matrices": 4}, ValueError, "ff_matrices should be 2, or 3 with a gate, got 4"),
        ({"bytes_a_number": 3}, ValueError, "bytes_a_number should be 4, 2 or 1, got 3"),
    ],
)
def test_bad_models(change, error, message):
    with pytest.raises(error, match=message):
        replace(PLAIN, **change)


def test_bad_bills():
    with pytest.raises(ValueError, match=r"method should be one of dense, .* got 'fast'"):
        bill(PLAIN, "fast", 10)
    with pytest.raises(ValueError, match="n should be at least 1, got 0"):
        bill(PLAIN, "dense", 0)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """The address of a page with the explorer, far enough down that the reader must scroll."""
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost_explorer, "measured_points", lambda: measured_points(ROWS))
        explorer = CostExplorer()
    write_page(folder, "cost", explorer)
    return serve(folder)


def data(page, name):
    return json.loads(page.locator(".explorer-body").get_attribute(f"data-{name}"))


UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21,
         "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}  # fmt: skip


def number(text):
    """What the reader sees, as a number: 61.8 TFLOP, 1.00 GiB, 256 B."""
    value, prefix, _ = re.fullmatch(r"([\d.]+)\s(\w*?)(FLOP|B)", text).groups()
    return float(value) * UNITS.get(prefix, 1)


def assert_shows(page, model="Llama-2-7B", n=4096, method="dense", view="operations", price=100.0):
    """The bill is Python's: all digits in the data, and as the reader sees it in chips, table and controls."""
    sizes = ALL_MODELS[model] if isinstance(model, str) else model
    bills = {each: bill(sizes, each, n) for each in METHODS}
    shown = data(page, "bills")
    for each, cost in bills.items():
        expected = {**asdict(cost), "share": cost.share}
        assert shown[each] == pytest.approx(expected, rel=1e-12)
        chip = page.get_by_role("button", name=METHODS[each])
        assert number(chip.locator(".number").inner_text()) == pytest.approx(getattr(cost, view), rel=5e-3)
    now, then = bills[method], bill(sizes, method, 10 * n)
    rows = [[cell.inner_text() for cell in row.locator("td").all()] for row in page.locator("tbody tr").all()]
    for read, (first, last) in zip(
        [lambda cost: cost.operations + cost.rest, lambda cost: cost.memory, lambda cost: cost.kept],
        [rows[0], rows[2], rows[3]],
        strict=True,
    ):
        last, factor = last.split("×")
        assert [number(first), number(last.strip())] == pytest.approx([read(now), read(then)], rel=5e-3)
        assert float(factor) == pytest.approx(read(then) / read(now), rel=0.05)
    assert fills(page.locator("table .fill")) == pytest.approx([100 * now.share], abs=1e-3)
    if now.share >= 0.001:
        assert rows[1][0] == f"{now.share:.1%}"
    dollars = price * (now.memory + now.kept) / GIB
    if dollars >= 0.01:
        assert float(re.sub(r",|\smillion", "", rows[4][0])) * (1e6 if "million" in rows[4][0] else 1) == pytest.approx(
            dollars, rel=5e-3, abs=0.005
        )
    assert page.get_by_label("model", exact=True).input_value() == (model if isinstance(model, str) else "Your own")
    assert page.locator(".named-slider .number").inner_text() == f"{n:,}"
    pressed = [text.split("\n")[-2] for text in page.locator(".chips [aria-pressed=true]").all_inner_texts()]
    assert pressed == [METHODS[method]]
    names = {"operations": "Operations", "memory": "Memory", "kept": "Cache"}
    assert page.locator(".choice [aria-pressed=true]").all_inner_texts() == [names[view]]


def test_first_view(visit):  # noqa: F811
    page = visit("cost")
    assert_shows(page)
    assert page.locator(".result").inner_text() == "The mixing is half of all work from 24,704 tokens on."
    assert data(page, "crossings") == [24_704]


def test_every_model_method_and_view(visit):  # noqa: F811
    page = visit("cost")
    options = page.get_by_label("model", exact=True).locator("option")
    assert options.all_inner_texts() == [*ALL_MODELS, "Your own"]
    for model in ALL_MODELS:
        page.get_by_label("model", exact=True).select_option(model)
        assert_shows(page, model)
    for view, text in [("operations", "Operations"), ("memory", "Memory"), ("kept", "Cache")]:
        page.get_by_role("button", name=text, exact=True).click()
        for method, name in METHODS.items():
            page.get_by_role("button", name=name).click()
            assert_shows(page, NAME, method=method, view=view)


def test_many_settings_equal_python(visit):  # noqa: F811
    page = visit("cost")
    draw = random.Random(0)
    settings = []
    for _ in range(60):
        d_head, kv = draw.choice([1, 7, 64, 128]), draw.choice([1, 3, 8])
        heads = kv * draw.choice([1, 2, 5])
        sizes = [d_head * heads, heads, kv, draw.randint(1, 96), draw.randint(1, 30_000), draw.choice([2, 3])]
        model = Model(*sizes, draw.choice([1, 2, 4]), draw.randint(1, 5000), draw.randint(1, 300), draw.randint(1, 600))
        n = round(2 ** draw.uniform(6, 20))
        settings.append((model, n, draw.choice(list(METHODS)), draw.choice(list(VIEWS))))
    shown = page.evaluate(
        """async ([state, settings]) => {
            const explorer = (await import("/explorers/cost_explorer.js")).default;
            const el = document.createElement("div");
            document.body.append(el);
            let draw;
            const model = { get: (name) => state[name], on: (event, listener) => { draw = listener; }, off() {} };
            explorer.render({ model, el });
            return settings.map((setting) => {
                Object.assign(state, setting);
                draw();
                return [JSON.parse(el.dataset.bills), JSON.parse(el.dataset.crossings)];
            });
        }""",
        [CostExplorer().state(), [{"sizes": asdict(model), "n": n, "method": method, "view": view}
                                  for model, n, method, view in settings]],
    )  # fmt: skip
    for (model, n, method, view), (bills, crossings) in zip(settings, shown, strict=True):
        for each in METHODS:
            cost = bill(model, each, n)
            assert bills[each] == pytest.approx({**asdict(cost), "share": cost.share}, rel=1e-9), (model, n, each)
        assert crossings == expected_crossings(model, method, view)


def expected_crossings(model, method, view):
    if view != "operations":
        return [first_length(lambda n, size=size: getattr(bill(model, method, max(n, 1)), view) >= size * GIB)
                for size in (16, 24, 80)]  # fmt: skip
    lengths = [first_length(lambda n: bill(model, method, max(n, 1)).share >= 0.5)]
    if method not in ("dense", "exact"):
        lengths.append(
            first_length(
                lambda n: bill(model, method, max(n, 1)).operations < bill(model, "dense", max(n, 1)).operations
            )
        )
    return lengths


@pytest.mark.parametrize(
    ("model", "method", "view", "text"),
    [
        ("Llama-2-7B", "exact", "Operations", "24,704 tokens on. It takes as many operations as dense attention."),
        ("Llama-2-7B", "recurrent", "Operations", "never half of the work. It takes fewer operations than dense "
         "attention from 4,097 tokens on."),
        ("Llama-2-7B", "performer", "Operations", "It takes fewer operations than dense attention from 513 tokens on."),
        ("Llama-2-7B", "dense", "Cache", "a card of 16 GiB at 32,768 tokens, 24 GiB at 49,152 and 80 GiB at 163,840."),
        ("GPT-2 small", "dense", "Cache", "fills a card of 16 GiB at 466,034 tokens and 24 GiB at 699,051."),
        ("GPT-2 small", "exact", "Memory", "One layer’s memory fills no card of 16 GiB below a million tokens."),
        ("Mistral-7B", "window", "Cache", "What is kept while writing never takes more than 512 MiB."),
    ],
)  # fmt: skip
def test_what_is_said_of_the_crossings(visit, model, method, view, text):  # noqa: F811
    page = visit("cost")
    page.get_by_label("model", exact=True).select_option(model)
    page.get_by_role("button", name=METHODS[method]).click()
    page.get_by_role("button", name=view, exact=True).click()
    assert page.locator(".result").inner_text().replace("\xa0", " ").endswith(text)
    visible = [n for n in data(page, "crossings") if n is not None and n >= LEAST_TOKENS]
    assert page.locator(".crossing").count() == len(visible)
    assert_spoken(
        page,
        f"{model}, 4,096 tokens, {METHODS[method]}: "
        + page.evaluate("""() => {
        const rows = [...document.querySelectorAll("tbody tr")].map((row) => row.querySelector("td").innerText.trim());
        return `the mixing is ${rows[1]} of ${rows[0]}. ${document.querySelector(".result").textContent}`; }"""),
    )


def chart_to_length(page, px):
    """The length at a place of the chart, told by its own tick marks."""
    ticks = page.locator(".chart text.tick.middle").evaluate_all(
        "texts => texts.map(text => [text.textContent, +text.getAttribute('x')])"
    )
    places = {"100": 2, "1k": 3, "10k": 4, "100k": 5, "1M": 6}
    (x0, e0), *_, (x1, e1) = sorted((x, places[text]) for text, x in ticks if text in places)
    return 10 ** (e0 + (e1 - e0) * (px - x0) / (x1 - x0))


def test_by_mouse_on_the_chart(visit):  # noqa: F811
    page = visit("cost")
    box = page.locator(".chart").bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 100, steps=4)
    page.mouse.up()
    n = int(page.locator(".named-slider .number").inner_text().replace(",", ""))
    assert math.log2(n) == pytest.approx(math.log2(chart_to_length(page, 300)), abs=0.13)
    assert_shows(page, n=n)
    page.mouse.move(box["x"] + 100, box["y"] + 100)  # nothing is held any more
    assert_shows(page, n=n)


def test_the_present_point_and_the_curve_lie_where_the_numbers_say(visit):  # noqa: F811
    page = visit("cost")
    for view in ("Operations", "Memory", "Cache"):
        page.get_by_role("button", name=view, exact=True).click()
        key = {"Operations": "operations", "Memory": "memory", "Cache": "kept"}[view]
        point = page.locator(".chart .present").evaluate("c => [c.cx.baseVal.value, c.cy.baseVal.value]")
        assert chart_to_length(page, point[0]) == pytest.approx(4096, rel=0.01)
        ends = page.locator(".chart .curve.chosen").evaluate(
            "curve => [curve.points[0], curve.points[curve.points.length - 1]].map(({ x, y }) => [x, y])"
        )
        first, last = (
            math.log(getattr(bill(MODELS["Llama-2-7B"], "dense", n), key)) for n in (LEAST_TOKENS, MOST_TOKENS)
        )
        now = math.log(getattr(bill(MODELS["Llama-2-7B"], "dense", 4096), key))
        height = ends[0][1] + (ends[1][1] - ends[0][1]) * (now - first) / (last - first)
        assert point[1] == pytest.approx(height, abs=0.3)


def test_measured_points_belong_to_the_measured_model(visit):  # noqa: F811
    page = visit("cost")
    assert page.locator(".measured").count() == 0
    page.get_by_label("model", exact=True).select_option(NAME)
    assert page.locator(".measured").count() == len(LENGTHS)
    assert "time of a training step" in page.locator(".words .remark").inner_text()
    page.get_by_role("button", name=METHODS["window"]).click()
    assert page.locator(".measured.chosen").count() == page.locator(".measured.other").count() == len(LENGTHS)
    expected = [point for point in measured_points(ROWS) if point["method"] in ("dense", "window")]
    for shown, point in zip(data(page, "measured"), expected, strict=True):
        assert shown == pytest.approx(point)
    page.get_by_role("button", name="Memory", exact=True).click()
    assert "memory of a training step" in page.locator(".words .remark").inner_text()
    page.get_by_role("button", name="Cache", exact=True).click()
    assert page.locator(".measured").count() == 0


def test_by_keyboard(visit):  # noqa: F811
    page = visit("cost")
    page.get_by_label("tokens", exact=True).focus()
    for key, n in [("ArrowRight", 4871), ("Home", 64), ("End", 2**20), ("ArrowLeft", 881_744)]:
        page.keyboard.press(key)
        assert_shows(page, n=n)
    page.get_by_role("button", name="Linear").press("Enter")
    assert_shows(page, n=n, method="linear")
    page.get_by_role("button", name="Cache", exact=True).press("Space")
    assert_shows(page, n=n, method="linear", view="kept")
    page.get_by_label("model", exact=True).focus()
    page.keyboard.press("ArrowUp")
    assert_shows(page, "GPT-2 XL", n=n, method="linear", view="kept")
    page.get_by_role("button", name="Reset").press("Enter")
    assert_shows(page)


def test_by_touch(visit):  # noqa: F811
    page = visit("cost", width=360, has_touch=True, is_mobile=True)
    chart = page.locator(".chart")
    chart.scroll_into_view_if_needed()
    chart.tap(position={"x": 200, "y": 100})
    n = int(page.locator(".named-slider .number").inner_text().replace(",", ""))
    assert math.log2(n) == pytest.approx(math.log2(chart_to_length(page, 200)), abs=0.13)
    page.get_by_role("button", name="Block-sparse").tap()
    page.get_by_role("button", name="Memory", exact=True).tap()
    assert_shows(page, n=n, method="sparse", view="memory")
    page.get_by_role("button", name="Reset").tap()
    assert_shows(page)


def test_own_sizes_and_price(visit):  # noqa: F811
    page = visit("cost")
    page.get_by_text("Other sizes and price").click()
    sizes = MODELS["Llama-2-7B"]
    for label, size, value in [
        ("heads of keys and values", "num_kv_heads", 4),
        ("layers", "num_layers", 7),
        ("bytes a number: 4, 2 or 1", "bytes_a_number", 1),
        ("window, keys on either side", "window", 1000),
    ]:
        field = page.get_by_label(label, exact=True)
        field.fill(str(value))
        field.press("Enter")
        sizes = replace(sizes, **{size: value})
        assert_shows(page, sizes)
    price = page.get_by_label("dollars for a GiB of memory")
    price.fill("2.5")
    price.press("Enter")
    assert_shows(page, sizes, price=2.5)
    assert page.locator("tbody th").last.inner_text() == "dollars, at 2.50 a GiB"
    page.get_by_role("button", name="Reset").click()
    assert_shows(page)


@pytest.mark.parametrize(
    ("label", "text", "problem"),
    [
        ("heads", "5", "5 heads do not divide a width of 4,096."),
        ("heads of keys and values", "3", "3 heads of keys and values do not divide 32 heads."),
        ("layers", "0", "“layers” should be a whole number from 1 to a million."),
        ("layers", "2.5", "“layers” should be a whole number from 1 to a million."),
        ("layers", "", "“layers” should be a whole number from 1 to a million."),
        ("its matrices, 2 or 3", "4", "The network has 2 matrices, or 3 with a gate."),
        ("bytes a number: 4, 2 or 1", "3", "A number takes 4, 2 or 1 bytes."),
        ("dollars for a GiB of memory", "-1", "The price should be from 0 to a million dollars."),
    ],
)
def test_a_size_that_cannot_be_says_why_and_changes_nothing(visit, label, text, problem):  # noqa: F811
    page = visit("cost")
    page.get_by_text("Other sizes and price").click()
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")
    assert page.locator(".problem").inner_text() == problem
    assert_spoken(page, problem)
    assert field.get_attribute("aria-invalid") == "true"
    assert_shows(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.route("**/cost_explorer.js", lambda route: route.abort())
    page.goto(f"{site}/cost.html")
    held = page.locator("figure").bounding_box()["height"]
    page.unroute_all()
    page.goto(f"{site}/cost.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    assert height() == pytest.approx(held, abs=0.5)
    for model in ("GPT-2 small", "Llama-2-70B", NAME):
        page.get_by_label("model", exact=True).select_option(model)
        for view in ("Operations", "Memory", "Cache"):
            page.get_by_role("button", name=view, exact=True).click()
            for name in METHODS.values():
                page.get_by_role("button", name=name).click()
                assert height() == pytest.approx(held, abs=0.5), (model, view, name)
    page.get_by_label("tokens", exact=True).press("End")
    assert height() == pytest.approx(held, abs=0.5)
    page.get_by_text("Other sizes and price").click()
    assert_fits(page, width)
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_badges_cover_neither_each_other_nor_the_edge(visit, width):  # noqa: F811
    page = visit("cost", width=width)
    for view in ("Operations", "Memory", "Cache"):
        page.get_by_role("button", name=view, exact=True).click()
        heights = page.locator(".chart .initial").evaluate_all("badges => badges.map(b => b.cy.baseVal.value)")
        heights.sort()
        assert all(later - earlier >= 16.9 for earlier, later in pairwise(heights))
        assert heights[0] >= 8
        assert heights[-1] <= page.locator(".chart").bounding_box()["height"] - 36


def test_targets_are_large_enough_for_a_finger(visit):  # noqa: F811
    page = visit("cost", width=320)
    page.get_by_text("Other sizes and price").click()
    for control in page.locator(".explorer-body :is(button, select, input, summary)").all():
        box = control.bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("cost", theme=theme)
    page.get_by_text("Other sizes and price").click()
    for view in ("Operations", "Memory"):
        page.get_by_role("button", name=view, exact=True).click()
        pairs = page.evaluate(COLORS_ON_THE_PAGE)
        assert len(pairs) > 60
        for text, color, background, needed in pairs:
            if text not in set("DEWBPLR"):  # their badges are circles of the drawing, looked at below
                assert contrast_of(color, background) >= needed, (text, color, background)
    letters = page.locator(".chart .letter").evaluate_all("all => all.map(each => getComputedStyle(each).fill)")
    badges = page.locator(".chart .initial").evaluate_all("all => all.map(each => getComputedStyle(each).fill)")
    assert len(letters) == len(METHODS)
    for letter, badge in zip(letters, badges, strict=True):
        assert contrast_of(letter, badge) >= 4.5


def test_print_shows_the_drawing_and_the_bill_without_controls(visit):  # noqa: F811
    page = visit("cost", theme="dark")
    page.emulate_media(media="print")
    assert page.locator(".chart").is_visible()
    assert page.locator("table").is_visible()
    assert page.get_by_role("button", name="Linear").is_visible()  # the legend
    assert not page.get_by_role("button", name="Reset").is_visible()
