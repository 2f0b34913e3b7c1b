"""The table of all claims about what was trained and measured, made of the results files while the book is built.

    ```{claims}
    ```

has a section for each chapter and a row for each claim of `book/claims/`: what is claimed, what was measured, what a
paper reported, each with a link. Claims that prose, cell or results file contradict are errors. `{machine}` tells with
what the results were made. Each code cell of a chapter gets its own name as an address, so that it can be linked to.
"""

import json
import statistics
from collections import defaultdict
from pathlib import Path

from book_claims import CLAIMS, RESULTS, Claim, claims, disagreements, measured, notebook, results
from book_exercises import as_table
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

UNBROKEN = "\u00a0"  # keeps a mean and its spread on one line
CHAPTERS = "notebooks/[0-9]*.ipynb"


def digits_of(claim: Claim, values: list[float]) -> int:
    """How many digits behind the point tell the runs apart, and no more."""
    if claim.digits is not None:
        return claim.digits
    size = statistics.mean(map(abs, values)) * (100 if claim.unit == "%" else 1)
    return 0 if size >= 100 else 1 if size >= 10 or claim.unit == "%" else 2 if size >= 0.05 else 4


def summary(claim: Claim, values: list[float]) -> str:
    """Mean, standard deviation, range and number of runs.

    >>> claim = Claim("01", "", "", "", "", "", "", unit="%")
    >>> summary(claim, [0.5, 0.6, 0.7])
    '**60.0%\\xa0±\\xa010.0**<br>3 seeds, 50.0 to 70.0'
    >>> summary(claim, [0.5])
    '**50.0%**<br>one run'
    """
    percent = claim.unit == "%"
    scale, digits = 100 if percent else 1, digits_of(claim, values)

    def shown(value: float) -> str:
        text = f"{scale * value:,.{digits}f}" if abs(scale * value) >= 10**-digits / 2 else f"{scale * value:.1g}"
        return text.replace("-", "−") if value else "0"

    mean = shown(statistics.mean(values)) + ("%" if percent else "")
    unit = "" if percent or not claim.unit else f" {claim.unit}"
    if len(values) == 1:
        return f"**{mean}**{unit}<br>{'one run' if claim.of == 'seeds' else claim.of}"
    spread = shown(statistics.stdev(values))
    between = f"{shown(min(values))} to {shown(max(values))}"
    return f"**{mean}{UNBROKEN}±{UNBROKEN}{spread}**{unit}<br>{len(values)} {claim.of}, {between}"


def reported(claim: Claim) -> str:
    """What a paper says, with its source, and how ours compares."""
    if not claim.source:
        return "–"
    key = claim.source.lower().translate(str.maketrans("", "", "().,")).replace(" ", "-")
    text = f"[{claim.source}](references.md#{key}): {claim.paper}"
    return f"{text}<br>*Ours:* {claim.verdict}"


def all_claims(root: Path) -> str:
    """A table for each chapter.

    Raises:
        ValueError: prose, cell and results of some claim differ; the message says which and how.
    """
    text, wrong = [], []
    for chapter, of_chapter in claims(root).items():
        title = notebook(root, chapter).cells[0].source.splitlines()[0].removeprefix("# ")
        rows = []
        for claim in of_chapter:
            wrong += disagreements(root, claim)
            link = f"{{ref}}`{claim.says} <{chapter}-{claim.cell}>`"
            rows.append([link, summary(claim, measured(root, claim)), reported(claim)])
        text.append(f"**[{title}](../notebooks/{chapter}.ipynb)**\n\n")
        text.append(as_table(["what, and its cell", "what we measure", "what a paper reported"], rows) + "\n\n")
    if wrong:
        raise ValueError("\n".join(wrong))
    return "".join(text)


def machine(root: Path) -> str:
    """A row for each way in which results files were made, with the files."""
    made = defaultdict(list)
    for path in sorted((root / RESULTS).glob("*.json")):
        by = results(root, path.stem)["made_with"]
        made[by["machine"], by["threads"], by["python"], by["torch"], by["numpy"]].append(f"`{path.name}`")
    rows = [[*by, ", ".join(files)] for by, files in made.items()]
    return as_table(["machine", "threads", "Python", "torch", "numpy", "results files"], rows)


def name_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Give each code cell of a chapter its own name as an address, and tell `{ref}` of it."""
    root, name = Path(app.srcdir), app.env.docname
    if name not in {path.relative_to(root).with_suffix("").as_posix() for path in root.glob(CHAPTERS)}:
        return
    cells = json.loads((root / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    domain = app.env.domains["std"]
    for node in doctree.findall(nodes.container):
        if node.get("nb_element") == "cell_code":
            cell = cells[node["cell_index"]]["id"]
            node["ids"].append(cell)
            label = f"{name.rpartition('/')[2]}-{cell}"
            domain.anonlabels[label] = name, cell
            domain.labels[label] = name, cell, cell


class Table(SphinxDirective):
    """Puts the table of a function in its place."""

    write = staticmethod(all_claims)

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for pattern in (f"{CLAIMS}/*.toml", f"{RESULTS}/*.json", CHAPTERS):
            for path in root.glob(pattern):
                self.env.note_dependency(str(path))
        try:
            return self.parse_text_to_nodes(self.write(root))
        except ValueError as error:
            raise self.error(str(error)) from error


class Machine(Table):
    write = staticmethod(machine)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("claims", Table)
    app.add_directive("machine", Machine)
    app.connect("doctree-read", name_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
