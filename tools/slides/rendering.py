"""Slides as a page of reveal.js: Markdown by markdown-it, formulas as MathML, code by Pygments."""

import html
import re
import sys
from itertools import groupby
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from slides.cutting import Piece, Slide, parser

sys.path.append(str(Path(__file__).resolve().parents[2] / "book/_ext"))
from book_formulas import converter

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Paying Attention</title>
<link rel="icon" href="favicon.svg">
<link rel="stylesheet" href="reveal/dist/reset.css">
<link rel="stylesheet" href="reveal/dist/reveal.css">
<link rel="stylesheet" href="slides.css">
{styles}
<script src="theme.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/plugin/notes/notes.js"></script>
<script src="slides.js"></script>
{scripts}
</body>
</html>
"""


def formula(tex: str, options: dict) -> str:
    made = converter.convert_with_local_state(tex.strip(), displaystyle=options["display_mode"])
    return made.replace("<math", f'<math alttext="{html.escape(tex.strip())}"', 1)


def colour(source: str, language: str = "python", *_: str) -> str:
    return highlight(source, get_lexer_by_name(language or "text"), HtmlFormatter(nowrap=True))


parser.options["highlight"] = colour
parser.add_render_rule("math_inline", lambda self, tokens, i, *_: formula(tokens[i].content, {"display_mode": False}))
parser.add_render_rule(
    "math_block",
    lambda self, tokens, i, *_: f'<div class="formula">{formula(tokens[i].content, {"display_mode": True})}</div>',
)


def page(slides: list[Slide]) -> str:
    """A whole deck, which loads nothing but what lies beside it."""
    body = "\n".join(section(slide, number == 0) for number, slide in enumerate(slides))
    explorers = sorted(set(re.findall(r'data-explorer="(\w+)"', body)))
    sheets = ["explorer", *explorers] if explorers else []
    return PAGE.format(
        title=html.escape(slides[0].title),
        slides=body,
        styles="\n".join(f'<link rel="stylesheet" href="explorers/{name}.css">' for name in sheets),
        scripts='<script type="module" src="explorers/mount.js"></script>' if explorers else "",
    )


def section(slide: Slide, first: bool) -> str:
    level = "h1" if first else "h2"
    title = parser.renderInline(slide.title)
    # Points of one list were cut apart to be counted, and are one list again where they stand together.
    grouped = groupby(slide.pieces, key=lambda piece: piece.kind)
    shown = "\n".join(show(kind, list(pieces)) for kind, pieces in grouped)
    notes = parser.render("\n\n".join(slide.notes))
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    opening = " class=opening" if first else ""
    heading = f"<{level}>{title}</{level}>"
    return f'<section{opening}>{heading}\n<div class="content">{shown}</div>{aside}</section>'


def show(kind: str, pieces: list[Piece]) -> str:
    if kind == "text":
        return parser.render(joined([piece.text for piece in pieces]))
    if kind == "picture":
        return "".join(
            f'<img src="data:image/png;base64,{"".join(p.text.split())}" alt="{html.escape(p.alt)}">' for p in pieces
        )
    if kind == "explorer":
        return "".join(f'<div class="explorer-slide" data-prevent-swipe>{piece.text}</div>' for piece in pieces)
    if kind == "code":
        return "".join(f'<pre class="code"><code>{colour(piece.text)}</code></pre>' for piece in pieces)
    return "".join(f'<pre class="output"><code>{html.escape(piece.text)}</code></pre>' for piece in pieces)


def joined(texts: list[str]) -> str:
    point = re.compile(r"(?:[-*]|\d+[.)]) ")
    whole = ""
    for text in texts:
        whole += ("\n" if point.match(text) and point.match(whole.rpartition("\n")[2]) else "\n\n") + text
    return whole.strip()
