"""Take out of a page what a reader who has just opened it does not need yet, and what nobody can see.

A browser draws nothing before it has read a page's HTML, so only what stands on the first screens should be in it. The
state of an explorer and its still picture, more than half of some chapters' bytes, go into files of their own, which
are fetched when the explorer comes near the screen. Of code, only what has a colour of its own is an element, and it
says how many lines it has, so that a browser can leave it aside until it is near and yet know its height.
"""

import base64
import hashlib
import html
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

STATES, PICTURES = "_static/explorers/states", "_images"
SMALL = 1_000  # characters: below that, a request costs more than it saves
STATE = re.compile(r'data-explorer="(?P<name>\w+)" data-state="(?P<state>[^"]*)"')
INLINE_PICTURE = re.compile(r'<img src="data:image/png;base64,(?P<data>[^"]*)"')
FILED_PICTURE = re.compile(r'<img (?P<rest>[^>]*src="[^"]*_images/(?P<name>[^"]+)"[^>]*>)')
CODE = re.compile(r'(?<=<div class="highlight">)<pre.*?</pre>', re.DOTALL)
# Names, punctuation, white space, operators: written in the colour of the text. Nothing is nested in code's spans.
PLAIN = re.compile(r'<span(?: class="(?:n|nn|p|pm|w|o)")?>([^<]*)</span>')
STRINGS_PART = re.compile(r'<span class="s[12adei]">')  # all have the colour of strings
WORD = re.compile(r'<span class="pre">([^<]*)</span>')  # within a line of text, where code may be broken anyhow
SPLIT = re.compile(r'(<span class="(\w+)">)([^<]*)</span>\1')


def lighten_page(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    def put(folder: str, name: str, content: bytes) -> str:
        """Write a file beside the pages, and return its address from this page."""
        stem, suffix = name.rsplit(".", 1)
        path = f"{folder}/{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
        target = Path(app.outdir, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return context["pathto"](path, 1)

    sources = {name: Path(app.srcdir, path) for path, name in app.builder.images.items()}
    body = with_picture_sizes(context.get("body", ""), sources)
    body = CODE.sub(lambda code: with_fewer_spans(code[0]), WORD.sub(r"\1", body))
    context["body"] = without_explorers_load(body, put)


def with_picture_sizes(body: str, sources: dict[str, Path]) -> str:
    """Give each picture its width and height, so that the text below does not jump, and load it when it comes near."""

    def sized(match: re.Match) -> str:
        source = sources.get(match["name"])
        if source is None or source.suffix == ".svg" or "width=" in match[0]:
            return match[0]
        width, height = Image.open(source).size
        return f'<img width="{width}" height="{height}" loading="lazy" decoding="async" {match["rest"]}'

    return FILED_PICTURE.sub(sized, body)


def with_fewer_spans(code: str) -> str:
    """Highlighted code in which a span says something: no colour of the text itself, no neighbours of one colour.

    >>> with_fewer_spans('<span class="n">a</span><span class="sa">f</span><span class="s2">"b"</span>')
    'a<span class="s">f"b"</span>'
    """
    code = STRINGS_PART.sub('<span class="s">', PLAIN.sub(r"\1", code))
    joined = SPLIT.sub(r"\1\3", code)
    while joined != code:
        code, joined = joined, SPLIT.sub(r"\1\3", joined)
    lines = code.count("\n")
    return code.replace("<pre>", f'<pre style="--lines: {lines}">', 1)


def without_explorers_load(body: str, put: Callable[[str, str, bytes], str]) -> str:
    """Put the explorers' states and pictures into files; `mount.js` reads a state from `data-state-at`."""

    def state_apart(match: re.Match) -> str:
        if len(match["state"]) < SMALL:
            return match[0]
        address = put(STATES, f"{match['name']}.json", html.unescape(match["state"]).encode())
        return f'data-explorer="{match["name"]}" data-state-at="{address}"'

    def picture_apart(match: re.Match) -> str:
        address = put(PICTURES, "explorer.png", base64.b64decode(match["data"]))
        return f'<img loading="lazy" decoding="async" src="{address}"'

    return INLINE_PICTURE.sub(picture_apart, STATE.sub(state_apart, body))


def setup(app: Sphinx) -> dict[str, bool]:
    # Late, so that the body is whole.
    app.connect("html-page-context", lighten_page, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
