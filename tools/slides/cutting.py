"""What of a chapter becomes a slide. No chapter says so itself: one rule serves all of them.

A heading begins a slide. Shown are the first sentence of each section, of each paragraph that begins in bold, and of
what follows a picture; formulas, lists, tables, short code, short output, pictures and explorers. All other prose goes
into the speaker's notes. What is full continues on another slide under the same heading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

LEFT_OUT = {"Exercises", "Sources"}
FULL = 15  # lines of text that a slide takes
CODE_LINES, OUTPUT_LINES, CODE_COLUMNS, TABLE_ROWS = 14, 14, 92, 9
WIDTH = 84  # characters in a line of text
SENTENCE = re.compile(r'(?:(?<=[.?!])(?<!^\d\.)|(?<=[.?!]\*\*)|(?<=[.?!]"))\s+(?=["*$`(]*[A-ZÀ-Þ√$*`"])')
parser = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, allow_space=True)


@dataclass(frozen=True)
class Piece:
    """A thing on a slide: its kind, its Markdown (or code, or HTML), and the lines that it takes."""

    kind: str
    text: str
    lines: float
    alt: str = ""


@dataclass
class Slide:
    title: str
    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def room(self) -> float:
        return FULL - sum(piece.lines for piece in self.pieces)


def cut(notebook: NotebookNode) -> list[Slide]:
    """The slides of a chapter, in its order.

    Raises:
        ValueError: the notebook does not begin with a heading, as every chapter does.
    """
    first = notebook.cells[0].source
    if not first.startswith("# "):
        raise ValueError(f"a chapter begins with '# ' and its title, and not with {first[:40]!r}")
    slides: list[Slide] = []
    section = ""
    for kind, content in parts(notebook):
        if kind == "heading":
            section = content
            slides.append(Slide(content))
        elif section not in LEFT_OUT:
            add(slides, kind, content)
    kept = [slide for slide in slides if slide.title not in LEFT_OUT]
    return [slide for slide in kept if slide.pieces]


def parts(notebook: NotebookNode) -> Iterator[tuple[str, object]]:
    """Headings, blocks of Markdown, cells of code and their outputs, one after the other."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from blocks(cell.source)
        elif not sets_up(cell.source):
            yield "code", cell.source.rstrip()
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            yield from (("output", (output, alt)) for output in cell.outputs)


def sets_up(source: str) -> bool:
    """Whether a cell only fetches and imports, or only asserts: nobody reads that from a screen."""
    lines = [line for line in source.splitlines() if line and not line.startswith(("#", " ", ")", "]", "}"))]
    return all(line.startswith(("import ", "from ", "if importlib", "assert", "%")) for line in lines)


def blocks(markdown: str) -> Iterator[tuple[str, object]]:
    """The blocks of a cell; a choice of a quiz, which CommonMark takes for several, is one."""
    lines = markdown.splitlines()
    start = None
    for node in SyntaxTreeNode(parser.parse(markdown)).children:
        first, end = node.map
        text = "\n".join(lines[first:end])
        if node.type == "html_block" and text.startswith("<details"):
            start = first
        if start is not None:
            if "</details>" in text:
                closing = first + max(i for i, line in enumerate(lines[first:end]) if "</details>" in line)
                yield "html_block", "\n".join(lines[start : closing + 1])
                start = closing + 1 if closing + 1 < end else None  # the next choice may follow at once
        elif node.type == "heading":
            yield "heading", node.children[0].content
        elif node.type != "hr":
            yield node.type, text


def add(slides: list[Slide], kind: str, content: object) -> None:
    """Put a part onto the last slide, onto a new one, or into the notes."""
    slide = slides[-1]
    shown = {"paragraph": paragraph, "html_block": choice, "code": code, "output": output}.get(kind, plain)
    pieces, note = shown(kind, content, slide)
    for piece in pieces:
        if slide.pieces and piece.lines > slide.room():
            slide = Slide(slide.title)
            slides.append(slide)
        slide.pieces.append(piece)
    if note:
        slide.notes.append(note)


def paragraph(_: str, text: str, slide: Slide) -> tuple[list[Piece], str]:
    """A section's first sentence, one that begins in bold or says what a picture shows; all of it is in the notes."""
    text = re.sub(r"\s*\n\s*", " ", text)
    lead = text.startswith("**")
    after_picture = bool(slide.pieces) and slide.pieces[-1].kind in ("picture", "explorer")
    if not (lead or after_picture or not slide.pieces) or (after_picture and slide.room() < 2):
        return [], text
    shown, *rest = SENTENCE.split(text)
    if lead and rest and len(shown) < 60:  # "**The question.**" alone says nothing yet
        shown = f"{shown} {rest.pop(0)}"
    return [Piece("text", shown, 0.7 + len(shown) // WIDTH + 1)], text if rest else ""


def choice(_: str, text: str, slide: Slide) -> tuple[list[Piece], str]:
    """A choice of a quiz is shown, and what is said of it is for the speaker."""
    found = re.search(r"<details>\s*<summary>(.+?)</summary>(.*?)(?:</details>|$)", text, re.DOTALL)
    if not found:
        return [], ""
    return [Piece("text", f"- {found[1]}", len(found[1]) // WIDTH + 1)], f"*{found[1]}* {found[2].strip()}"


def code(_: str, source: str, slide: Slide) -> tuple[list[Piece], str]:
    lines = source.splitlines()
    if re.fullmatch(r"(?:\w+ = )?\w+Explorer\(.*\)", source, re.DOTALL):
        return [], ""  # the explorer itself comes next
    if len(lines) > CODE_LINES or max(map(len, lines), default=0) > CODE_COLUMNS or "plt." in source:
        return [], ""
    return [Piece("code", source, 0.75 * len(lines) + 1)], ""


def output(_: str, content: tuple[NotebookNode, str], slide: Slide) -> tuple[list[Piece], str]:
    found, alt = content
    data = found.get("data", {})
    if "data-explorer=" in data.get("text/html", ""):
        return [Piece("explorer", data["text/html"], FULL)], ""
    if "image/png" in data:
        return [Piece("picture", data["image/png"], FULL - 3, alt)], ""
    text = (found.get("text") or data.get("text/plain") or "").rstrip()
    lines = text.splitlines()
    if not lines or len(lines) > OUTPUT_LINES or max(map(len, lines)) > CODE_COLUMNS:
        return [], ""
    return [Piece("output", text, 0.75 * len(lines) + 1)], ""


def plain(kind: str, text: str, slide: Slide) -> tuple[list[Piece], str]:
    """Formulas, tables, lists and code within Markdown, as they are; a long list is cut between its points."""
    if kind == "math_block":
        return [Piece("text", text, 2.2 * max(1, text.count("\\\\") + 1))], ""
    if kind == "table":
        rows = text.splitlines()
        if len(rows) > TABLE_ROWS + 2:
            return [], text
        lines = [1.35 * max(1, len(row) // (WIDTH + 30) + 1) for row in rows]
        return [Piece("text", text, sum(lines))], ""
    if kind in ("bullet_list", "ordered_list"):
        points = re.split(r"\n+(?=(?:[-*]|\d+[.)]) )", text)
        shown = [SENTENCE.split(point.replace("\n", " "))[0] if len(point) > 2 * WIDTH else point for point in points]
        pieces = [Piece("text", point, 0.35 + len(point) // WIDTH + 1) for point in shown]
        return pieces, text if shown != points else ""
    if kind in ("fence", "code_block"):
        return [Piece("text", text, 0.75 * len(text.splitlines()) + 1)], ""
    return [], text
