"""The graph explorer: weights and answers that are the library's, whatever edges are cut or drawn."""

import json

import numpy as np
import pytest
import torch
from explorer_pages import assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, Figure, contrast_of, fills, visit  # noqa: F401

from attnbook.data.digits import digits
from attnbook.data.graphs import draw_look_ups
from attnbook.evidence.graph import EXPLORED, trained
from attnbook.explorers import GraphExplorer, write_static
from attnbook.explorers.graph_pieces import run_stored
from attnbook.graph import with_self_loops

FIRST = {"graph": "digits", "layer": "GATv2", "node": 0}


@pytest.fixture(scope="module")
def explorer():
    return GraphExplorer(**FIRST)


# Without a browser


@pytest.mark.parametrize("kind", EXPLORED)
def test_the_stored_numbers_are_the_trained_layers(explorer, kind):
    nodes, _ = draw_look_ups(torch.Generator().manual_seed(5), 1, 6)
    piece = explorer.graphs["look-up"]
    _, weights, logits = run_stored(piece, kind, piece["edges"])
    with torch.no_grad():
        expected, their_weights = trained("look-up", kind)(nodes)
    torch.testing.assert_close(logits[:6].float(), expected[0], atol=1e-3, rtol=0)
    their_weights = their_weights if kind == "GCN" else their_weights[0]
    torch.testing.assert_close(weights.float(), their_weights.reshape(weights.shape), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", EXPLORED)
def test_digits_are_the_trained_classifiers(explorer, kind):
    piece = explorer.graphs["digits"]
    pixels = torch.tensor([[min(int(p, 16), 15) for p in row] for row in piece["pictures"]])
    images = digits()[0].flatten(1)
    coarse = (16 * images).round().clamp(max=15)
    x = images[[int((coarse == row).all(dim=1).nonzero()[0]) for row in pixels]]
    edges = torch.tensor(piece["edges"]).T
    with torch.no_grad():
        expected, their_weights = trained("digits", kind)(x, with_self_loops(edges, 30))
    every, weights, logits = run_stored(piece, kind, piece["edges"])
    assert torch.equal(every, with_self_loops(edges, 30))
    torch.testing.assert_close(weights.float(), their_weights.reshape(weights.shape), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits.float(), expected, atol=1e-3, rtol=0)


def test_state_html_and_picture(explorer):
    assert explorer.state().keys() == {"graphs", "graph", "layer", "node", "head", "edges"}
    assert explorer.html() == GraphExplorer(**FIRST).html()
    assert len(explorer.html()) < 150_000
    alt = Figure(explorer.html()).found["img"]["alt"]
    assert "29 of 30 nodes right" in alt
    assert "a 3, looks at: itself 0.26, a 3 0.19" in alt
    assert repr(explorer) == 'GraphExplorer("digits", GATv2, node 0, head 0)'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"graph": "club"}, "graph should be one of 'look-up', 'digits', got 'club'"),
        ({"layer": "MLP"}, "layer should be one of 'GCN', 'GAT', 'GATv2', got 'MLP'"),
        ({"node": 30}, "node should be from 0 to 29, got 30"),
        ({"head": 5}, "head should be from 0 to 4, got 5"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphExplorer(**arguments)


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve, explorer):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "graph", explorer)
    return serve(folder)


def assert_shows(page, explorer, graph, layer, node, head=0, edges=None):
    """Weights, answers, list and lines are those of the library on these edges."""
    piece = explorer.graphs[graph]
    every, weights, logits = run_stored(piece, layer, piece["edges"] if edges is None else edges)
    seen = every[1] == node
    data = page.locator(".explorer-body")
    shown = {name: json.loads(data.get_attribute(f"data-{name}")) for name in ("sources", "weights", "logits")}
    assert shown["sources"] == every[0, seen].tolist()
    np.testing.assert_allclose(np.array(shown["weights"]).reshape(len(weights), -1), weights[:, seen], atol=1e-6)
    np.testing.assert_allclose(shown["logits"], logits, atol=1e-5)
    ours = weights[:, seen].mean(dim=0) if head == 0 else weights[head - 1, seen]
    bars = fills(page.locator(".neighbour:not(.empty) .fill"))
    assert bars == pytest.approx((100 * ours.sort(descending=True).values[:9]).tolist(), abs=0.01)
    truth = torch.tensor(piece["truth"])
    right = ((logits.argmax(dim=1) == truth) & (truth >= 0)).sum()
    assert page.locator(".score").inner_text() == f"{layer}: {right} of {(truth >= 0).sum()} right"
    assert page.locator(".looks").count() == sum(j != node for j in shown["sources"])


def test_every_graph_layer_head_and_node(visit, explorer):  # noqa: F811
    page = visit("graph")
    assert_shows(page, explorer, **FIRST)
    for label, graph in (("Look-up table", "look-up"), ("Digits", "digits")):
        page.get_by_role("button", name=label).click()
        for layer in EXPLORED:
            page.get_by_role("button", name=layer, exact=True).click()
            assert_shows(page, explorer, graph, layer, 0)
    for head in range(1, 5):
        page.get_by_role("button", name=str(head), exact=True).click()
        assert_shows(page, explorer, "digits", "GATv2", 0, head)
    nodes = page.locator(".field button")
    for node in range(30):
        nodes.nth(node).click()
        assert_shows(page, explorer, "digits", "GATv2", node, 4)
    page.get_by_role("button", name="GCN", exact=True).click()  # it has one head
    assert_shows(page, explorer, "digits", "GCN", 29)


def test_scenes_cuts_and_new_edges(visit, explorer):  # noqa: F811
    page = visit("graph")
    for scene, setting in {
        "All want one key": ("look-up", "GAT", 0),
        "Each its own": ("look-up", "GATv2", 0),
        "All alike": ("digits", "GCN", 0),
        "Friends first": ("digits", "GATv2", 0),
    }.items():
        page.get_by_role("button", name=scene).click()
        assert_shows(page, explorer, *setting)
    edges = explorer.graphs["digits"]["edges"]
    source = next(j for j, i in edges if i == 0)
    stranger = next(j for j in range(1, 30) if [j, 0] not in edges)
    page.get_by_role("button", name="Cut or draw edges").click()
    nodes = page.locator(".field button")
    nodes.nth(source).click()
    nodes.nth(stranger).click()
    changed = [edge for edge in edges if edge != [source, 0]] + [[stranger, 0]]
    assert_shows(page, explorer, "digits", "GATv2", 0, edges=changed)
    nodes.nth(0).click()  # no edge to itself is cut or drawn
    assert_shows(page, explorer, "digits", "GATv2", 0, edges=changed)
    page.get_by_role("button", name="Cut all").click()
    assert_shows(page, explorer, "digits", "GATv2", 0, edges=[edge for edge in edges if edge[1] != 0])
    page.get_by_role("button", name="Each its own").click()
    page.get_by_role("button", name="Cut all").click()
    left = [edge for edge in explorer.graphs["look-up"]["edges"] if edge[1] != 0]
    assert_shows(page, explorer, "look-up", "GATv2", 0, edges=left)
    assert page.locator(".result").inner_text().startswith("It looks at nobody")
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, explorer, **FIRST)


def test_by_keyboard(visit, explorer):  # noqa: F811
    page = visit("graph")
    page.locator(".field [aria-pressed=true]").focus()
    for key, node in [("ArrowRight", 1), ("ArrowDown", 7), ("ArrowLeft", 6), ("ArrowUp", 0), ("ArrowUp", 0)]:
        page.keyboard.press(key)
        assert_shows(page, explorer, "digits", "GATv2", node)
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.get_by_role("button", name="Cut or draw edges").press("Enter")
    page.locator(".field [aria-pressed=true]").focus()
    page.keyboard.press("ArrowDown")  # moves, and does not choose
    page.keyboard.press("Enter")
    edges = explorer.graphs["digits"]["edges"]
    assert [6, 0] not in edges
    assert_shows(page, explorer, "digits", "GATv2", 0, edges=[*edges, [6, 0]])


def test_is_spoken(visit):  # noqa: F811
    page = visit("graph")
    page.get_by_role("button", name="Each its own").click()
    line = page.locator("[aria-live]")
    page.wait_for_function(
        "line => line.textContent.startsWith('A? looks at A=5 most: 0.92.')", arg=line.element_handle()
    )


@pytest.mark.parametrize("width", [320, 360, 660, 1280])
def test_the_page_holds_still_and_nothing_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{site}/graph.html")
    page.locator("figure").scroll_into_view_if_needed()
    page.locator(".explorer-body").wait_for()
    height = lambda: page.locator("figure").bounding_box()["height"]  # noqa: E731
    held = height()
    assert page.locator(".explorer-body").evaluate(
        "body => body.firstElementChild.offsetHeight <= parseFloat(getComputedStyle(body).minBlockSize)"
    ), "needs more than the place that the style holds before it starts"
    for name in ("All want one key", "Each its own", "All alike", "Cut or draw edges", "Cut all"):
        page.get_by_role("button", name=name).tap()
        assert height() == pytest.approx(held, abs=0.5)
    assert_fits(page, width)
    for control in page.locator(".explorer-body button").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44, control.inner_text()
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("graph", theme=theme)
    page.get_by_role("button", name="All want one key").click()
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 40
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/graph.html")
    assert page.locator("figure img").is_visible()
    context.close()
