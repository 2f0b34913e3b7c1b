"""Write a deck of slides for each chapter into _build/slides.

    PYTHONPATH=tools python -m slides [notebooks/05_why_sqrt_d.ipynb ...]

Reveal.js is taken from the installed package sphinx-revealjs, which carries it; the formulas' font is cut down to what
the decks use. A deck asks no other host for anything.
"""

import html
import importlib.util
import shutil
import sys
from pathlib import Path

import nbformat
from pygments.formatters import HtmlFormatter

from attnbook import explorers
from slides.cutting import cut
from slides.rendering import page

from book_bundle import MATH_FONT, characters_in_formulas, write_subset  # isort: skip (rendering names its folder)

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides · Paying Attention</title><link rel="icon" href="favicon.svg"><link rel="stylesheet" href="slides.css">
<script src="theme.js"></script></head>
<body class="index"><main><h1>Slides</h1><ul>
{decks}
</ul><p>Keys: arrows to move, S for the speaker's notes, O for an overview, D for dark or light, ? for all keys.</p>
</main></body></html>
"""


def write(root: Path, folder: Path, notebooks: list[Path]) -> dict[str, int]:
    """The decks of these chapters, in a folder that is made anew; the number of slides of each.

    Raises:
        FileNotFoundError: there is no such notebook, or reveal.js is not installed.
    """
    if missing := [str(path) for path in notebooks if not path.is_file()]:
        raise FileNotFoundError(f"There is no {', '.join(missing)}. Chapters are notebooks/NN_topic.ipynb.")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "fonts").mkdir(parents=True)
    decks = {path.stem: cut(nbformat.read(path, as_version=4)) for path in notebooks}
    pages = {name: page(deck) for name, deck in decks.items()}
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    links = [
        f'<li><a href="{name}.html">{html.escape(deck[0].title)}</a> ({len(deck)} slides)</li>'
        for name, deck in decks.items()
    ]
    (folder / "index.html").write_text(INDEX.format(decks="\n".join(links)), encoding="utf-8")
    write_assets(root, folder, list(pages.values()))
    return {name: len(deck) for name, deck in decks.items()}


def write_assets(root: Path, folder: Path, pages: list[str]) -> None:
    reveal = find_reveal()
    shutil.copytree(
        reveal / "dist", folder / "reveal/dist", ignore=shutil.ignore_patterns("*.map", "theme", "*.esm.js")
    )
    shutil.copytree(reveal / "plugin/notes", folder / "reveal/plugin/notes")
    shutil.copy(reveal / "LICENSE", folder / "reveal/LICENSE")
    explorers.write_static(folder / "explorers")
    write_subset(MATH_FONT, folder / "fonts/math.woff2", characters_in_formulas(pages))
    shutil.copy(root / "book/_static/favicon.svg", folder)
    for name in ("slides.js", "theme.js"):
        shutil.copy(HERE / name, folder)
    light = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".code")
    dark = HtmlFormatter(style="a11y-high-contrast-dark").get_style_defs('html[data-theme="dark"] .code')
    style = (HERE / "slides.css").read_text(encoding="utf-8")
    (folder / "slides.css").write_text(f"{light}\n{dark}\n{style}", encoding="utf-8")


def find_reveal() -> Path:
    """The folder of reveal.js within the package that carries it."""
    package = importlib.util.find_spec("sphinx_revealjs")
    folder = Path(package.origin).parent / "_static/revealjs" if package and package.origin else None
    if folder is None or not (folder / "dist/reveal.js").is_file():
        raise FileNotFoundError(
            "reveal.js is missing: the package sphinx-revealjs carries it (pip install '.[slides]')."
        )
    return folder


def main(names: list[str]) -> int:
    notebooks = [Path(name) for name in names] or sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    try:
        counts = write(ROOT, ROOT / "_build/slides", notebooks)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, count in counts.items():
        print(f"{name:28} {count:3} slides")
    print("The decks are in _build/slides; index.html lists them.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
