"""How the feedback does on the bank: answers, rejected, and with the mistake named, for each task.

`make scoreboard` prints the table and keeps it in scoreboard.json, which the website shows.
"""

import contextlib
import importlib
import inspect
import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from attnbook import exercises
from attnbook.exercises import WrongAnswer
from wrong_answers import Bank, Wrong

CHAPTERS = sorted(path.stem for path in Path(__file__).parent.glob("ch*.py"))
RESULTS = Path(__file__).with_suffix(".json")
VISIBLE, HIDDEN = SEEDS = 0, 1103  # the seed of the visible tests, and one that a hidden test might have


def bank(chapter: str) -> Bank:
    return importlib.import_module(f"wrong_answers.{chapter}").BANK


def feedback(task: str, answer: Any, seed: int = VISIBLE) -> str:
    """What the check says of an answer: nothing if it is right."""
    check: Callable[..., None] = getattr(exercises, f"check_{task}")
    options = {"seed": seed} if "seed" in inspect.signature(check).parameters else {}
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            check(answer, **options)
        except WrongAnswer as complaint:
            return str(complaint)
    return ""


@cache
def said(wrong: Wrong, seed: int) -> str:
    """What the check says of one of the bank's answers."""
    return feedback(wrong.task, wrong.answer, seed)


def scoreboard() -> list[dict[str, Any]]:
    """A row for each task: how many wrong answers there are, how many are rejected, and how many named rightly.

    (With the visible seed and with a hidden one: an answer that is told only once is not told.)
    """
    rows = []
    for chapter in CHAPTERS:
        for task in dict.fromkeys(wrong.task for wrong in bank(chapter)):
            wrongs = [wrong for wrong in bank(chapter) if wrong.task == task]
            rejected = [all(said(wrong, seed) for seed in SEEDS) for wrong in wrongs]
            named = [all(re.search(w.names, said(w, seed), re.DOTALL) for seed in SEEDS) for w in wrongs]
            counts = {"answers": len(wrongs), "rejected": sum(rejected), "named": sum(named)}
            rows.append({"chapter": chapter, "task": task} | counts)
    return rows


def stored(rows: list[dict[str, Any]]) -> str:
    """The text of the results file, a row on each line."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


if __name__ == "__main__":
    table = scoreboard()
    for row in table:
        print("{chapter:22} {task:22} {answers:3} answers, {rejected:3} rejected, {named:3} named".format(**row))
    print({name: sum(row[name] for row in table) for name in ("answers", "rejected", "named")})
    RESULTS.write_text(stored(table), encoding="utf-8")
