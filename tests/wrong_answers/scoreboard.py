"""How the feedback does on the bank: answers, rejected, and with the mistake named, for each task.

`python -m wrong_answers.scoreboard`, run in tests/, prints the table.
"""

import contextlib
import importlib
import inspect
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attnbook import exercises
from attnbook.exercises import WrongAnswer
from wrong_answers import Bank

CHAPTERS = sorted(path.stem for path in Path(__file__).parent.glob("ch*.py"))
VISIBLE, HIDDEN = 0, 1103  # the seed of the visible tests, and one that a hidden test might have


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


def scoreboard() -> list[dict[str, Any]]:
    """A row for each task: how many wrong answers there are, how many are rejected, and how many named rightly."""
    rows = []
    for chapter in CHAPTERS:
        for task in dict.fromkeys(wrong.task for wrong in bank(chapter)):
            said = [(w, feedback(task, w.answer, seed)) for w in bank(chapter) if w.task == task for seed in SEEDS]
            wrongs = len(said) // len(SEEDS)
            rejected = sum(bool(words) for _, words in said) // len(SEEDS)
            named = sum(bool(re.search(w.names, words, re.DOTALL)) for w, words in said) // len(SEEDS)
            rows.append({"chapter": chapter, "task": task, "answers": wrongs, "rejected": rejected, "named": named})
    return rows


SEEDS = (VISIBLE, HIDDEN)

if __name__ == "__main__":
    table = scoreboard()
    for row in table:
        print("{chapter:22} {task:22} {answers:3} answers, {rejected:3} rejected, {named:3} named".format(**row))
    print({name: sum(row[name] for row in table) for name in ("answers", "rejected", "named")})
