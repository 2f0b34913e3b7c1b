"""Explorers in JupyterLab: each is drawn by a real front end, answers the hand, and its state reaches the kernel.

`make browser` runs this with our JupyterLab 4 and ipywidgets 8. `make old-jupyterlab` runs it with JupyterLab 3, the
ipywidgets 7 and the anywidget that Colab has.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from in_jupyterlab import Lab, learner, serve_jupyterlab, write_notebook
from playwright.sync_api import Browser, Locator, expect

from attnbook import explorers
from attnbook.explorers.explorer import widget_style

pytestmark = pytest.mark.xdist_group("jupyterlab")  # one server and one notebook for all

SETUP = """
import json
import torch
from attnbook.explorers import *
made = {}
number = {"number": 45, "source": ["forty", "five"], "target": ["fünf", "und", "vierzig"],
          "weights": [[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]], "correct": True}
sentence = {"name": "by hand", "tokens": ["not", "cold"], "output": "chance of praise", "outputs": [1.0, 0.0, 0.5, 0.5],
            "measures": {"weights": [0.25, 0.75], "leave one out": [1.0, 0.5]}}
def shelves(query):
    return torch.arange(16.0).roll(len(query))
def minilm():
    from attnbook.pretrained import load_minilm
    return load_minilm()
def patches():
    from attnbook.evidence import vision
    images, labels = vision.load()
    return vision.load_checkpoint(), images[:2, 0], labels[:2].tolist()
def speech():
    from attnbook.data.spoken_digits import speak
    from attnbook.evidence.speech import build
    said = {name: speak(digits, "en-us+f3", torch.Generator().manual_seed(0))
            for name, digits in (("four, two", (4, 2)), ("one", (1,)))}
    return build("attention").eval(), said
"""


def press(name: str, exact: bool = True) -> Callable[[Locator], None]:
    return lambda explorer: explorer.get_by_role("button", name=name, exact=exact).first.click()


def choose(label: str, option: str) -> Callable[[Locator], None]:
    return lambda explorer: explorer.get_by_label(label).select_option(option)


def ask(label: str, text: str) -> Callable[[Locator], None]:
    """Type with single keys, as a hand does: in JupyterLab many of them are commands when no field has them."""

    def act(explorer: Locator) -> None:
        explorer.get_by_label(label).press_sequentially(text)
        explorer.get_by_label(label).press("Enter")

    return act


def keys(slider: str, *pressed: str) -> Callable[[Locator], None]:
    def act(explorer: Locator) -> None:
        for key in pressed:
            explorer.get_by_role("slider", name=slider, exact=True).press(key)

    return act


def drag_to_the_end(slider: str) -> Callable[[Locator], None]:
    def act(explorer: Locator) -> None:
        handle = explorer.get_by_role("slider", name=slider)
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        mouse, y = explorer.page.mouse, box["y"] + box["height"] / 2
        mouse.move(box["x"] + box["width"] / 2, y)
        mouse.down()
        mouse.move(box["x"] + box["width"] * 0.8, y, steps=4)
        mouse.move(box["x"] + box["width"] + 20, y, steps=4)
        mouse.up()

    return act


@dataclass
class Use:
    """An explorer in a cell, what a hand does to it, and the traits that then have other values in the kernel."""

    arguments: str
    act: Callable[[Locator], None]
    changes: dict[str, object]


USES = {
    "AlignmentExplorer": Use("[number], lambda n: number | {'number': n}", ask("Any number below a million", "23"),
                             {"chosen": 1}),
    "CostExplorer": Use("", press("Sliding window", exact=False), {"method": "window"}),
    "FadingMemoryExplorer": Use("", press("Both ways"), {"both_ways": True}),
    "GraphExplorer": Use("'look-up', layer='GAT'", press("GATv2"), {"layer": "GATv2"}),
    "HeadsExplorer": Use("minilm(), texts=['A cat sat.']", press("head 2.5", exact=False), {"layer": 2, "head": 5}),
    "InfluenceExplorer": Use("[sentence]", press("cold", exact=False), {"guess": 1}),
    "LibrarySearchExplorer": Use("torch.zeros(21, 16), shelves", ask("a query of your own", "dd aa xx 00"),
                                 {"first": 21}),
    "MaskExplorer": Use("", press("0 after"), {"way": "0 after"}),
    "PatchExplorer": Use("*patches()", press("rollout"), {"layer": 3}),
    "PatternExplorer": Use("", keys("layers", "ArrowRight", "ArrowRight"), {"layers": 3}),
    "ScaleExplorer": Use("", keys("d", "ArrowRight"), {"d": 8}),
    "SceneExplorer": Use("", press("Other hands"), {"hands": [1] * 9}),
    "ScoreExplorer": Use("", keys("query", "ArrowUp"), {"q": [2, 1.1]}),
    "SpeechExplorer": Use("*speech()", press("one"), {"chosen": 1}),
    "TransformerExplorer": Use("45", press("No positions"), {"off": ["positions"]}),
    "WeightedSumExplorer": Use("[0, 0, 0, 0]", drag_to_the_end("score of v₁"), {"scores": [4, 0, 0, 0]}),
}  # fmt: skip
NAMES = list(USES)
FIRST = 1  # the cell of the first explorer


# What the parts of an explorer look like; not where they are moved by the hand.
LOOKS = """explorer => [...explorer.querySelectorAll("*")].map((part) => {
    const style = getComputedStyle(part);
    const names = ["color", "border-top-color", "border-top-width", "padding", "margin", "display", "font-size"];
    return [part.tagName, part.matches(":hover, .fill") || style.backgroundColor, ...names.map((name) => style[name])];
})"""


def notebook_cells() -> list[str]:
    """The setup, a cell for each explorer, and one that tells what the kernel knows of them."""
    shown = [f"made['{name}'] = {name}({use.arguments})\nmade['{name}']" for name, use in USES.items()]
    traits = {name: list(use.changes) for name, use in USES.items()}
    tell = f"traits = {traits}\nprint(json.dumps({{n: {{t: getattr(made[n], t) for t in traits[n]}} for n in made}}))"
    return [SETUP, *shown, tell, "made['FadingMemoryExplorer'].words += 2\nprint(made['FadingMemoryExplorer'].words)"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("jupyterlab")
    write_notebook(folder / "notebooks/explorers.ipynb", notebook_cells())
    with serve_jupyterlab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def lab(server: tuple[str, str], browser: Browser) -> Iterator[Lab]:
    """The notebook, opened and run."""
    with learner(browser, server) as lab:
        lab.open("explorers.ipynb")
        lab.outputs = lab.run_all()
        yield lab


def explorer_of(lab: Lab, name: str) -> Locator:
    return lab.cell(FIRST + NAMES.index(name)).locator(".explorer-body")


def in_kernel(lab: Lab) -> dict[str, dict[str, object]]:
    return json.loads(lab.run(FIRST + len(NAMES)))


def test_every_explorer_is_used() -> None:
    assert set(NAMES) == {name for name in explorers.__all__ if name.endswith("Explorer")} - {"Explorer"}


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_and_the_kernel_knows(lab: Lab, name: str) -> None:
    (output,) = lab.outputs[FIRST + NAMES.index(name)]
    assert {"application/vnd.jupyter.widget-view+json", "text/html"} <= output["data"].keys()
    explorer = explorer_of(lab, name)
    expect(explorer).to_be_visible()
    before = explorer.inner_html()
    use = USES[name]
    assert in_kernel(lab)[name] != use.changes
    use.act(explorer_of(lab, name))
    lab.settle(lambda: in_kernel(lab)[name], use.changes)
    assert explorer_of(lab, name).inner_html() != before


def test_what_the_kernel_sets_is_drawn(lab: Lab) -> None:
    words = int(lab.run(FIRST + len(NAMES) + 1))
    slider = explorer_of(lab, "FadingMemoryExplorer").get_by_role("slider", name="words")
    expect(slider).to_have_value(str(words))


def test_among_others_each_looks_as_if_it_were_alone(lab: Lab) -> None:
    """Those that are opened later, in this notebook or another tab, bring the shared style sheet after one's own."""
    changed = []
    for name in NAMES:
        among_others = explorer_of(lab, name).evaluate(LOOKS)
        own_last = lab.page.add_style_tag(content=widget_style(getattr(explorers, name).name))
        if explorer_of(lab, name).evaluate(LOOKS) != among_others:
            changed.append(name)
        own_last.evaluate("style => style.remove()")
    assert not changed


def test_all_are_dark_in_the_dark(lab: Lab) -> None:
    lab.command("apputils:change-theme", theme="JupyterLab Dark")
    lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    for name in NAMES:
        card = explorer_of(lab, name)
        expect(card).to_have_css("background-color", "rgb(27, 32, 39)")
        expect(card).to_have_css("color", "rgb(230, 233, 238)")


def test_no_error_and_no_other_host(lab: Lab) -> None:
    assert lab.complaints == []
