"""The book's claims about what was trained and measured, and whether prose, cells and results files agree on them.

The claims of a chapter stand in `book/claims/NN_topic.toml`, one `[[claim]]` each:

    says = "fixed vector, 16 and 17 morphemes"     # the row of the table
    data = "translation"                           # the results file; "cell": what the cell has printed
    when = "kind == 'fixed vector' and lr == 0.02" # which runs; the names are the keys of a run
    value = "mean(accuracy['16'], accuracy['17'])" # the number of a run; of "cell": a pattern with one group
    unit = "%"                                     # numbers that are quoted are hundredths then
    prose = "the fixed vector gets «one in six»"   # a sentence of the chapter, what it quotes between « and »
    holds = [0.12, 0.21]                           # where what is quoted is true, if it is no plain number
    cell = "cell-33"                               # the cell beside it
    shows = "0.1 < fixed[-2:].mean() < 0.2"        # what stands in that cell or in its stored output
    source = "Bahdanau et al. (2015)"              # a heading of book/references.md
    paper = "falls beyond some twenty words"       # what was reported there
    verdict = "the same shape"                     # how ours compares with it
    summary = "names «59%» of the digits"          # a sentence of book/beyond_text.md that says it again

What most claims of a chapter share stands once, under `[defaults]`. `«min:97%»` and `«max:7%»` quote the worst and the
best run; without a word the mean is meant. `prose`, `shows` and `summary` may be lists. A quoted number must be the
measured one, rounded to the digits that it is given with.

Every percentage in a chapter's prose, and in the summary's, stands in a sentence that some claim quotes, or under
`left_out`, a list of places where it is a setting, chance, arithmetic, a repetition, or a detail beside a claim.
"""

import json
import math
import re
import statistics
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import nbformat
from nbformat import NotebookNode

CLAIMS, RESULTS, SUMMARY = "book/claims", "src/attnbook/evidence", "book/beyond_text.md"
QUOTED = re.compile(r"«(?:(?P<of>min|max):)?(?P<text>[^»]+)»")
PERCENT = re.compile(r"\d+(?:\.\d+)?%")
NUMBER = re.compile(r"[-−+]?[\d,]*\.?\d+%?")
FUNCTIONS = {
    "mean": lambda *numbers: statistics.mean(numbers[0] if len(numbers) == 1 else numbers),
    "geometric_mean": lambda numbers: math.exp(statistics.mean(map(math.log, numbers))),
    **{function.__name__: function for function in (abs, len, max, min, range, set, sorted, str, sum)},
}


@dataclass(frozen=True)
class Claim:
    """A claim as its file tells it; the comment at the top of this module explains the fields."""

    chapter: str
    says: str
    cell: str
    value: str
    data: str
    prose: str | list[str]
    shows: str | list[str]
    when: str = "True"
    unit: str = ""
    holds: list[float] = field(default_factory=list)
    of: str = "seeds"
    digits: int | None = None
    source: str = ""
    paper: str = ""
    verdict: str = ""
    summary: str | list[str] = field(default_factory=list)

    def label(self) -> str:
        return f"chapter {self.chapter[:2]}, {self.says!r}"


# --- Reading ---------------------------------------------------------------------------------------------------------


def claims(root: Path) -> dict[str, list[Claim]]:
    """The claims of each chapter.

    Raises:
        ValueError: a claim has a field too many or too few.
    """
    found = {}
    for path in sorted((root / CLAIMS).glob("*.toml")):
        found[path.stem] = []
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in told["claim"]:
            try:
                found[path.stem].append(Claim(**{"chapter": path.stem, **told.get("defaults", {}), **entry}))
            except TypeError as error:
                raise ValueError(f"{path.name}, {entry.get('says')!r}: {error}") from error
    return found


def left_out(root: Path, chapter: str) -> list[str]:
    """The places in a chapter's prose whose percentages belong to no claim."""
    return tomllib.loads((root / CLAIMS / f"{chapter}.toml").read_text(encoding="utf-8")).get("left_out", [])


@cache
def notebook(root: Path, chapter: str) -> NotebookNode:
    return nbformat.read(root / f"notebooks/{chapter}.ipynb", as_version=4)


@cache
def results(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def one_line(text: str) -> str:
    return " ".join(text.split())


def prose_of(root: Path, chapter: str, quiz: bool = True) -> str:
    cells = [cell.source for cell in notebook(root, chapter).cells if cell.cell_type == "markdown"]
    return one_line("\n".join(source for source in cells if quiz or "<details>" not in source))


def summary(root: Path) -> str:
    """The prose of the summary page."""
    text = (root / SUMMARY).read_text(encoding="utf-8")
    return one_line(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def cell_of(root: Path, claim: Claim) -> NotebookNode:
    """The cell that a claim names.

    Raises:
        ValueError: the chapter has no such cell of code.
    """
    for cell in notebook(root, claim.chapter).cells:
        if cell.id == claim.cell and cell.cell_type == "code":
            return cell
    raise ValueError(f"{claim.label()}: there is no cell of code {claim.cell!r}")


def printed(cell: NotebookNode) -> str:
    return one_line(" ".join(output.get("text", "") for output in cell.outputs))


# --- What was measured -----------------------------------------------------------------------------------------------


@cache
def compiled(expression: str) -> CodeType:
    return compile(expression, expression, "eval")


def number(text: str, unit: str) -> float:
    """The number that a text gives; with the unit % it counts hundredths, unless it is a fraction.

    >>> number("−1,024.5", ""), number("7%", ""), number("7", "%"), number("0.07", "%")
    (-1024.5, 0.07, 0.07, 0.07)
    """
    return hundredths(text, unit) * float(text.replace("−", "-").replace(",", "").rstrip("%"))


def hundredths(text: str, unit: str) -> float:
    """0.01 for a number in percent, else 1."""
    return 0.01 if text.endswith("%") or (unit == "%" and not text.startswith("0.")) else 1


def measured(root: Path, claim: Claim) -> list[float]:
    """The claim's number in each run that it speaks of.

    Raises:
        ValueError: no run is of that kind, or the cell has not printed what the pattern asks for.
    """
    if claim.data == "cell":
        found = re.search(claim.value, printed(cell_of(root, claim)))
        values = [number(text, claim.unit) for text in NUMBER.findall(found[1])] if found else []
    else:
        file, _, table = claim.data.partition(":")
        rows = results(root, file)[table or "runs"]
        keys = {key: None for row in rows for key in row}
        spaces = [{"__builtins__": {}, **FUNCTIONS, **keys, **row, "run": row, "runs": rows} for row in rows]
        chosen = [space for space in spaces if eval(compiled(claim.when), space)]
        values = [eval(compiled(claim.value), space) for space in chosen]
    if not values:
        raise ValueError(f"{claim.label()}: nothing was measured, {claim.data} has no run for {claim.when!r}")
    return [float(value) for value in values]


# --- Whether prose, cell and results agree ---------------------------------------------------------------------------


def agrees(claim: Claim, quoted: re.Match, values: list[float]) -> bool:
    """Whether what is quoted is what was measured, to the digits that are given."""
    value = {"min": min, "max": max, None: statistics.mean}[quoted["of"]](values)
    text = quoted["text"]
    if not NUMBER.fullmatch(text):
        if len(claim.holds) != 2:
            raise ValueError(f"{claim.label()}: {text!r} is no plain number, and `holds` does not say when it is true")
        low, high = claim.holds
        return low <= value <= high
    last_digit = hundredths(text, claim.unit) * 10 ** -len(text.rstrip("%").partition(".")[2])
    return abs(number(text, claim.unit) - value) <= 0.5 * last_digit + 1e-9


def disagreements(root: Path, claim: Claim) -> list[str]:
    """What is wrong with a claim: nothing, if prose, cell and results say the same."""
    values = measured(root, claim)
    cell = cell_of(root, claim)
    places = {
        "prose": (claim.prose, prose_of(root, claim.chapter)),
        "shows": (claim.shows, one_line(cell.source) + " " + printed(cell)),
        "summary": (claim.summary, summary(root)),
    }
    wrong = []
    for place, (texts, where) in places.items():
        who = "page" if place == "summary" else "chapter"
        for text in each(texts):
            if one_line(QUOTED.sub(r"\g<text>", text)) not in where:
                wrong.append(f"{claim.label()}, {place}: the {who} does not say {text!r}")
            wrong += [
                f"{claim.label()}, {place}: {quoted[0]} is not what was measured, {values}"
                for quoted in QUOTED.finditer(text)
                if not agrees(claim, quoted, values)
            ]
    if not QUOTED.search(str(claim.prose)):
        wrong.append(f"{claim.label()}: the prose quotes nothing between « and »")
    return wrong


def each(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def unclaimed(root: Path, chapter: str, of_chapter: list[Claim]) -> list[str]:
    """The percentages of a chapter's prose, but for the quiz, that neither a claim's sentence nor `left_out` holds."""
    known = [text for claim in of_chapter for text in each(claim.prose)] + left_out(root, chapter)
    return uncovered(prose_of(root, chapter, quiz=False), known)


def unclaimed_in_summary(root: Path) -> list[str]:
    """The percentages of the summary page that no claim's `summary` holds."""
    every = [claim for of_chapter in claims(root).values() for claim in of_chapter]
    return uncovered(summary(root), [text for claim in every for text in each(claim.summary)])


def uncovered(prose: str, known: list[str]) -> list[str]:
    """The percentages, each with what stands before it, that lie in none of the known texts."""
    known = [one_line(QUOTED.sub(r"\g<text>", text)) for text in known]
    covered = {at for text in known for found in re.finditer(re.escape(text), prose) for at in range(*found.span())}
    return [prose[max(0, m.start() - 40) : m.end()] for m in PERCENT.finditer(prose) if m.start() not in covered]
