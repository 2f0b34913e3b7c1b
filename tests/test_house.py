"""The house's rules that a check can say: floors, sizes, and nothing of one machine."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "src/attnbook"
MODULES = sorted(LIBRARY.rglob("*.py"))

# A module imports from lower floors and from its own package; nothing below imports floor 5. Packages count as one.
FLOORS = {
    0: {
        "_checks",
        "scores",
        "masks",
        "positions",
        "data",
        "training",
        "costs",
        "measuring",
        "reach",
        "leaks",
        "patches",
    },
    1: {"attention"},
    2: {"multihead", "efficient"},
    3: {"seq2seq", "transformer"},
    4: {"vision", "speech", "graph", "multimodal", "pretrained", "pruning", "attribution"},
    5: {"palette", "plots", "explorers", "evidence", "exercises", "onnx_models"},
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
# Floor 0 has one step inside it: everything asks the same questions of its inputs.
EVERYWHERE = {"_checks"}

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))


def part(path):
    """The module or package of the library to which a file belongs."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported_parts(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "attnbook":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("attnbook."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("attnbook."))


def test_every_module_has_a_floor():
    assert {part(path) for path in MODULES} - FLOOR.keys() == {"__init__"}


@every_module
def test_a_module_imports_only_from_lower_floors(path):
    here = part(path)
    for other in set(imported_parts(path)) - {here} - EVERYWHERE:
        if FLOOR[here] == 5:
            continue  # pictures, explorers and evidence may use each other
        assert FLOOR[other] < FLOOR[here], f"{here} (floor {FLOOR[here]}) imports {other} (floor {FLOOR[other]})"


@every_module
def test_a_module_fits_on_a_few_screens(path):
    assert len(path.read_text().splitlines()) <= 250


@every_module
def test_a_function_fits_on_one_screen(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            words = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno + 1 - len(words.splitlines())
            assert lines <= 40, f"{node.name} has {lines} lines of code"


def test_no_file_names_a_machine_or_loads_from_another_host():
    # Written in pieces, so that this file does not find itself.
    forbidden = ["/" + "home/", "/" + "root/", "/" + "tmp/", "/" + "Users/", "cdn" + ".jsdelivr", "unpkg" + ".com"]
    folders = [ROOT / name for name in ("book", "notebooks", "src", "tests", "tools")]
    paths = [path for folder in folders for path in folder.rglob("*")] + list(ROOT.iterdir())
    kinds = {".py", ".js", ".css", ".html", ".md", ".ipynb", ".json", ".toml", ".yml", ".txt", ".cfg"}
    found = []
    for path in paths:
        if path.is_file() and path.suffix in kinds and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(ROOT)}: {word}" for word in forbidden if word in text]
    assert not [row for row in found if not row.startswith("tests/test_notebooks.py")]  # it looks for the same words


def test_nothing_is_left_to_write():
    # Written in pieces, so that this file does not find itself. The templates are made of such marks.
    mark = re.compile("TO " + r"WRITE: [^\n\\|\"]+")
    kinds = {".py", ".js", ".css", ".md", ".ipynb", ".yml"}
    folders = [ROOT / name for name in ("book", "notebooks", "src", "tests")]
    paths = [path for folder in folders for path in folder.rglob("*")] + list(ROOT.iterdir())
    left = [f"{path.relative_to(ROOT)}: {words}" for path in sorted(paths)
            if path.suffix in kinds and path.is_file() and path.name not in ("CONTRIBUTING.md", "test_begin.py")
            for words in mark.findall(path.read_text(encoding="utf-8"))]  # fmt: skip
    assert not left, "\n" + "\n".join(left)
