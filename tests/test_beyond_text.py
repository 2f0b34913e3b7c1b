"""The page "Beyond text": its code runs and prints what stands there, and its findings are those of the chapters."""

import contextlib
import io
import re
from pathlib import Path
from statistics import mean

import pytest

from attnbook.evidence import load_results, speech, vision

PAGE = (Path(__file__).parent.parent / "book" / "beyond_text.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
CASES = ("Text", "Images", "Speech", "Graphs", "Words and pictures")


def test_every_block_runs_and_prints_what_the_page_says():
    blocks = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1 + len(CASES)
    names = {}
    for source, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(source, names)
        assert printed.getvalue() == shown


@pytest.mark.parametrize("case", CASES)
def test_each_case_is_the_same_call(case):
    assert "= scaled_dot_product_attention(" in SECTIONS[case]


def said(section, *findings):
    text = " ".join(SECTIONS[section].split())
    for finding in findings:
        assert finding in text, f"{finding!r} is not what {section} says"


def percent(share, digits=0):
    return f"{100 * share:.{digits}f}%"


def test_what_is_said_of_images():
    runs = load_results("vision")["runs"]

    def right(kind, size=1438):
        wanted = {"kind": kind, "size": size, "steps": vision.STEPS, "judged_on": "test"}
        wanted |= {"shifted": False, "shuffled": False}
        return mean(run["right"] for run in runs if wanted.items() <= run.items())

    here, there = "transformer", "convolution"
    said("Images", f"{percent(right('no positions'))} of the digits in place of {percent(right(here))}")
    said("Images", f"{percent(right(here, 50))} against {percent(right(there, 50))} with 50 images")
    said("Images", f"{percent(right(here), 1)} against {percent(right(there), 1)} with 1,438")


def test_what_is_said_of_speech():
    runs = load_results("speech")["runs"]

    def right(kind, lengths=range(1, 7)):
        return mean(run["held out"][str(n)] for run in runs if run["kind"] == kind for n in lengths)

    longer = [n for n in speech.LENGTHS if n > speech.LONGEST]
    forwards = mean(run["alignment"]["forwards_steps"] for run in runs if run["kind"] == "attention")
    attention, fixed, ctc = (percent(right(kind)) for kind in speech.KINDS)
    said("Speech", f"in {percent(forwards)} of the steps", f"attention has {attention} exactly right")
    said("Speech", f"a fixed vector {fixed}", f"has {ctc}, and")
    said("Speech", f"{percent(right('CTC', longer))} against {percent(right('attention', longer))}")


def test_what_is_said_of_graphs():
    runs = load_results("graph")["runs"]

    def right(kind):
        wanted = {"task": "digits", "kind": kind, "strangers": 10, "skip": False}
        return percent(mean(run["right"] for run in runs if wanted.items() <= run.items()))

    said("Graphs", f"GATv2 has {right('GATv2')}, the fixed mean {right('GCN')}")
    said("Graphs", f"doesn't see the graph at all {right('MLP')}")


def test_what_is_said_of_words_and_pictures():
    runs = load_results("multimodal")["runs"]

    def spread(variant, kind, least=0.0):
        rights = [r["right"] for r in runs if r["variant"] == variant and r["right"]["relation"] > least]
        low, high = (f"{100 * end([right[kind] for right in rights]):.0f}" for end in (min, max))
        return f"{low}%" if low == high else f"{low} to {high}%"

    relations = sorted(r["right"]["relation"] for r in runs if r["variant"] == "cross")
    assert (len(relations), sum(right > 0.9 for right in relations)) == (6, 4)
    said("Words and pictures", f"right in {spread('cross', 'relation', least=0.9)} of the questions about neighbours")
    said("Words and pictures", f"the other two in {100 * relations[0]:.0f} and {100 * relations[1]:.0f}%")
    said("Words and pictures", f"one vector for the whole picture it is {spread('pooled', 'relation')}.")
    said("Words and pictures", f"are right in {spread('cross', 'unseen', least=0.95)} of the pairs that training never")
    hasty = sorted((r["right"] for r in runs if r["variant"] == "hasty"), key=lambda right: right["unseen"])
    for kind, finding in (("relation", "two have {} to {}% of the pairs"), ("unseen", "and {} to {}% of the others")):
        said("Words and pictures", finding.format(*sorted(f"{100 * right[kind]:.0f}" for right in hasty[:2])))
    said("Words and pictures", f"has {100 * hasty[2]['relation']:.0f} and {100 * hasty[2]['unseen']:.0f}%")
