"""A page with an explorer, as strict as a host may be, and whether it fits: what all explorers' tests share."""

from pathlib import Path

from playwright.sync_api import Page

from attnbook.explorers import Explorer

# The strictest rules that a host could give the site: nothing inline, nothing evaluated, nothing from elsewhere.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:"
# Parts of the explorer that stand out of its card.
OUTSIDE = """() => [...document.querySelectorAll(".explorer-body *:not(.explorer-spoken)")].filter(element => {
    const card = document.querySelector("figure").getBoundingClientRect();
    const box = element.getBoundingClientRect();
    return !element.closest("svg") && box.width && (box.left < card.left || box.right > card.right);
}).map(element => element.outerHTML)"""
# Parts whose content does not fit into them.
OVERFULL = """() => [...document.querySelectorAll(".explorer-body *:not(.explorer-spoken)")].filter(element =>
    !element.closest("svg") && element.scrollWidth > element.clientWidth + 1
        && getComputedStyle(element).display !== "inline"
).map(element => element.outerHTML)"""


def write_page(folder: Path, name: str, explorer: Explorer) -> None:
    """Write `name`.html into a folder that has the explorers' files in explorers/. The reader must scroll to see it."""
    (folder / f"{name}.html").write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="explorers/explorer.css">'
        f'<link rel="stylesheet" href="explorers/{explorer.name}.css">'
        '<script type="module" src="explorers/mount.js"></script></head>'
        f'<body><svg width="1" height="2500"></svg>{explorer.html()}<p id="after">After it.</p>'
        '<svg width="1" height="2500"></svg></body></html>',
        encoding="utf-8",
    )


def assert_fits(page: Page, width: int) -> None:
    """The page does not scroll sideways, and nothing of the explorer leaves its card."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE) == []
