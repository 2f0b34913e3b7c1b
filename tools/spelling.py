"""Check the spelling of all that readers see: pages, notebooks' prose, docstrings, messages, explorers' texts.

    python tools/spelling.py

The dictionary is Hunspell's American one. The book writes British English: where the two differ, codespell's table of
such pairs decides. What neither knows, and is right, stands in `tools/words.txt`.
"""

import ast
import json
import re
import sys
from functools import cache
from importlib.resources import files as files_of
from pathlib import Path

import codespell_lib
from hunspell import Hunspell
from markdown_it import MarkdownIt
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from pygments.lexers import JavascriptLexer
from pygments.token import String

ROOT = Path(__file__).resolve().parent.parent
WORDS = ROOT / "tools/words.txt"
# Made from the sources, or names and titles in the words of others.
LEFT_OUT = ("notebooks/exercises/", "book/references.md", "book/_static/", "tools/templates/")
KINDS = (
    "book/**/*.md",
    "*.md",
    "notebooks/**/*.ipynb",
    "src/attnbook/**/*.py",
    "src/attnbook/**/*.js",
    "tools/**/*.py",
)

WORD = re.compile(r"[A-Za-zÀ-ÖØ-öø-ſ]+(?:['’][A-Za-zÀ-ÖØ-öø-ſ]+)*")
# What a sentence holds beside words: addresses, names in code, symbols with an index, parts of a formula.
NOT_PROSE = re.compile(
    r"`[^`]*`(?:\.\w+)?|\([\w-]+: \w+\)|\$[^$\n]+\$|https?://\S+|\S*[_/\\=@{}<>|^*+~#]\S*|[\w.]+\(|\w+(?:\.\w+)+|\S*\d\S*|<[^>]+>|\[[^\]\s]*\]"
)
MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).use(deflist_plugin).use(myst_role_plugin)
EXAMPLE = re.compile(r"^ *>>>.*?(?=\n *\n|\Z)", re.MULTILINE | re.DOTALL)


def main() -> int:
    dictionary = Dictionary()
    found = [f"{path.relative_to(ROOT)}: {word}: {wrong}"
             for path in files() for word, wrong in dictionary.complaints(prose(path)).items()]  # fmt: skip
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    if found:
        print(f"If one of these {len(found)} is right, add it to {WORDS.relative_to(ROOT)}.", file=sys.stderr)
    return 1 if found else 0


def files(root: Path = ROOT) -> list[Path]:
    """All files with texts that readers see."""
    paths = {path for kind in KINDS for path in root.glob(kind)}
    return sorted(p for p in paths if not p.relative_to(root).as_posix().startswith(LEFT_OUT) and "/." not in str(p))


class Dictionary:
    """What is spelled right: English as it is written in Britain, and the book's own words."""

    def __init__(self, own: Path = WORDS) -> None:
        self._english = Hunspell("en_US")
        lines = own.read_text(encoding="utf-8").splitlines()
        self._own = {line for line in lines if line and not line.startswith("#")}
        table = files_of(codespell_lib) / "data/dictionary_en-GB_to_en-US.txt"
        pairs = [line.split("->") for line in table.read_text(encoding="utf-8").splitlines()]
        self._british = {british for british, _ in pairs}
        self._american = {american.strip(" ,"): british for british, american in pairs}

    @cache  # noqa: B019 (there is one dictionary, and it lives as long as the program)
    def complaint(self, word: str) -> str:
        """What is wrong with a word, or nothing. Where a sentence begins, a capital is right.

        >>> [Dictionary().complaint(word) for word in ("attention", "Attention's", "softmax", "neighbour", "Color")]
        ['', '', '', '', 'colour in British English']
        """
        bare = word.replace("’", "'").removesuffix("'s")
        forms = {bare, bare.lower()} if bare[0].isupper() else {bare}
        if len(bare) < 3 or forms & (self._own | self._british):
            return ""
        if bare.lower() in self._american:
            return f"{self._american[bare.lower()]} in British English"
        return "" if any(map(self._spelled, forms)) else "unknown"

    def _spelled(self, word: str) -> bool:
        try:
            return self._english.spell(word)
        except UnicodeEncodeError:  # a letter that no English word has
            return False

    def complaints(self, text: str) -> dict[str, str]:
        """The words of a text that are not right, and what is wrong with each.

        >>> Dictionary().complaints("Sofmax of `qk`, d_k and torch.nn, not $x_j$: a wieght for each key.")
        {'Sofmax': 'unknown', 'wieght': 'unknown'}
        """
        words = dict.fromkeys(WORD.findall(NOT_PROSE.sub(" ", text)))
        return {word: wrong for word in words if (wrong := self.complaint(word))}


def prose(path: Path) -> str:
    """The texts of a file, without its code and formulas."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        alts = [cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "") for cell in cells]
        pages = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        return "\n".join([*map(markdown_prose, pages), *alts])
    return {".md": markdown_prose, ".py": python_prose, ".js": javascript_prose}[path.suffix](text)


def markdown_prose(source: str) -> str:
    """The words of a page, up to its list of sources, which is names.

    >>> markdown_prose("# Why\\n`code` and $x$ and [a link](there.md)\\n\\n```\\ncode\\n```\\n## Sources\\nNames")
    'Why\\n and  and a link'
    """
    tokens = MARKDOWN.parse(re.split(r"^## Sources", source, flags=re.MULTILINE)[0])
    lines = []
    for token in tokens:
        if token.type == "html_block":
            lines.append(re.sub(r"<[^>]*>", " ", token.content))
        elif token.type == "inline":
            parts = (t for t in token.children or [] if t.type in ("text", "softbreak"))
            lines.append("".join(part.content or "\n" for part in parts))
    return "\n".join(lines)


def python_prose(source: str) -> str:
    """Docstrings and messages of a module, without the examples and without what the module itself names.

    >>> python_prose('def kept(share):\\n    "The share is kept, not lost.\\\\n\\\\n>>> kept(1)"')
    'The   is  , not lost.\\n\\n'
    """
    tree = ast.parse(source)
    places = {n.value for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg == "loc"}  # "lower center"
    strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
               and n not in places]  # fmt: skip
    text = "\n".join(EXAMPLE.sub("", s) for s in strings if " " in s.strip())
    names = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return re.sub(rf"\b({'|'.join(map(re.escape, names))})\b", " ", text) if names else text


def javascript_prose(source: str) -> str:
    """The texts of a script that are sentences, not names: those that hold a space.

    >>> javascript_prose('const name = "softmx"; show(`part of ${name} is left`, "one word");')
    'part of \\n is left\\none word'
    """
    texts = (text.strip("\"'`") for kind, text in JavascriptLexer().get_tokens(source) if kind in String)
    return "\n".join(text for text in texts if " " in text.strip())


if __name__ == "__main__":
    sys.exit(main())
