"""The patch explorer: a whole transformer in the browser, whose numbers equal the library's."""

import re

import pytest
import torch
from explorer_pages import OVERFULL, assert_fits, write_page
from test_explorers import COLORS_ON_THE_PAGE, Figure, contrast_of, visit  # noqa: F401

from attnbook.attribution import rollout
from attnbook.evidence.vision import load, transformer
from attnbook.explorers import PatchExplorer, write_static

IMAGES, LABELS = (x[:3] for x in load())


def explorer(**traits):
    torch.manual_seed(0)
    model = transformer()
    with torch.no_grad():
        for x in model.parameters():
            x.copy_((2 * x + 0.1 * torch.randn(x.shape)).half())  # as exact as the page has them, and not too tame
    return PatchExplorer(model, IMAGES[:, 0], LABELS.tolist(), **traits)


# Without a browser


def test_weights_are_the_models():
    made = explorer(chosen=1, token=3)
    _, layers = made._model(IMAGES[1], need_weights=True)
    assert made.weights() == pytest.approx(layers[1].mean(dim=0)[3].tolist())
    made.head, made.layer = 2, 1
    assert made.weights() == pytest.approx(layers[0][1, 3].tolist())
    made.layer = 3
    assert made.weights() == pytest.approx(rollout(layers)[3].tolist())


def test_an_erased_patch_is_blank():
    made = explorer(erased=[p == 5 for p in range(16)])
    assert made.image()[0, 2:4, 2:4].sum() == 0
    rest = torch.ones(8, 8, dtype=torch.bool)
    rest[2:4, 2:4] = False
    assert torch.equal(made.image()[0][rest], IMAGES[0, 0][rest])
    assert made.probabilities() != explorer().probabilities()


def test_state_html_and_picture():
    made = explorer()
    assert made.html() == explorer().html()
    assert len(made.html()) < 150_000
    found = Figure(made.html()).found
    assert f"the class token {made.weights()[0]:.2f}" in found["img"]["alt"]
    assert repr(made) == "PatchExplorer(a 0, layer=2, head=0, token=0)"


BAD = {
    "shape": (lambda: PatchExplorer(transformer(), IMAGES, [0, 1, 2]), r"\(3, 8, 8\), one a label, got \(3, 1, 8, 8\)"),
    "labels": (lambda: PatchExplorer(transformer(), IMAGES[:, 0], [0]), r"\(1, 8, 8\), one a label, got \(3, 8, 8\)"),
    "model": (lambda: PatchExplorer(transformer(4), IMAGES[:, 0], [0, 1, 2]), "in patches of 2 × 2, with two layers"),
    "chosen": (lambda: explorer(chosen=3), "chosen should be from 0 to 2, got 3"),
    "layer": (lambda: explorer(layer=0), "layer should be from 1 to 3, got 0"),
    "head": (lambda: explorer(head=5), "head should be from 0 to 4, got 5"),
    "token": (lambda: explorer(token=17), "token should be from 0 to 16, got 17"),
    "erased": (lambda: explorer(erased=[True]), "for each of 16 patches, got 1"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    folder = tmp_path_factory.mktemp("site")
    write_static(folder / "explorers")
    write_page(folder, "patch", explorer())
    return serve(folder)


def press(page, group, name):
    page.get_by_role("group", name=group).get_by_role("button", name=name, exact=True).click()


def assert_shows(page, made):
    """The page's numbers are the library's: as printed, and to 1e-4 where the style holds them in full."""
    shown = [text.replace("−", "-") for text in page.locator(".tile .number").all_inner_texts()]
    weights = made.weights()
    assert [float(text) for text in shown] == pytest.approx(weights[1:], abs=0.00501)
    tints = page.locator(".tint").evaluate_all("els => els.map(el => Number(el.style.opacity))")
    assert tints == pytest.approx([w / max(weights[1:]) for w in weights[1:]], abs=1e-4)
    widths = page.locator(".answer .fill").evaluate_all("els => els.map(el => parseFloat(el.style.inlineSize) / 100)")
    assert widths == pytest.approx(made.probabilities(), abs=1e-4)


def test_every_control_and_the_numbers(visit):  # noqa: F811
    page = visit("patch")
    assert_shows(page, explorer())
    page.get_by_label("digit").select_option(index=2)
    page.get_by_role("button", name=re.compile("^patch 7,")).click()
    assert_shows(page, explorer(chosen=2, token=7))
    for layer, name in ((1, "1"), (3, "rollout"), (2, "2")):
        press(page, "Layer", name)
        assert_shows(page, explorer(chosen=2, token=7, layer=layer))
    for head in (1, 2, 3, 4, 0):
        press(page, "Head", str(head) if head else "mean")
        assert_shows(page, explorer(chosen=2, token=7, head=head))
    press(page, "A touch", "erases a patch")
    for patch in (6, 7):
        page.get_by_role("button", name=re.compile(f"^patch {patch},")).click()
    erased = [p + 1 in (6, 7) for p in range(16)]
    assert_shows(page, explorer(chosen=2, token=7, erased=erased))
    page.get_by_role("button", name=re.compile("^patch 6,")).click()  # and back
    erased[5] = False
    page.get_by_role("button", name="The class token looks").click()
    assert_shows(page, explorer(chosen=2, token=0, erased=erased))
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, explorer())


def test_keyboard_and_what_is_spoken(visit):  # noqa: F811
    page = visit("patch")
    page.get_by_role("button", name=re.compile("^patch 1,")).focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    made = explorer(token=6)
    assert_shows(page, made)
    best = max(range(17), key=made.weights().__getitem__)
    name = f"patch {best}" if best else "the class token"
    page.wait_for_function(
        "text => document.querySelector('[aria-live]').textContent.startsWith(text)",
        arg=f"Patch 6 looks most at {name}, {made.weights()[best]:.2f}.",
    )


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_fits_and_targets_are_large_enough(visit, width):  # noqa: F811
    page = visit("patch", width=width)
    assert_fits(page, width)
    assert page.evaluate(OVERFULL) == []
    for control in page.locator(".explorer-body :is(button, select)").all():
        box = control.bounding_box()
        assert min(box["height"], box["width"]) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(visit, theme):  # noqa: F811
    page = visit("patch", theme=theme)
    pairs = page.evaluate(COLORS_ON_THE_PAGE)
    assert len(pairs) > 30
    for text, color, background, needed in pairs:
        assert contrast_of(color, background) >= needed, (text, color, background)


def test_without_javascript_the_picture_stands(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/patch.html")
    assert page.locator("figure img").is_visible()
    context.close()
