"""What the build makes of a page's HTML: heads of tables that can be read, and a policy that lets nothing else in."""

import doctest
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book/_ext"))

import book_map  # noqa: E402 (the folder holds extensions of Sphinx, not a package)
import book_policy  # noqa: E402
import book_tables  # noqa: E402
from book_teaching import chapters  # noqa: E402


@pytest.mark.parametrize("module", [book_map, book_policy, book_tables], ids=lambda module: module.__name__)
def test_the_examples_are_right(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_heads_of_tables_are_named_or_are_no_heads():
    math = '<math alttext="n_k"><mi>n</mi></math>'
    named = '<math alttext="n_k" aria-label="n_k"><mi>n</mi></math>'
    rest = f'<th class="head"><p>a {math}</p></th>'
    table = f'<th class="head">\n<p></p></th><th class="head text-left"><p>{math}</p></th>{rest}'
    assert book_tables.with_readable_heads(table) == f'<td></td><th class="head text-left"><p>{named}</p></th>{rest}'
    assert book_tables.with_readable_heads(f"<td>{math}</td>") == f"<td>{math}</td>"


def test_the_policy_knows_each_script_and_style_that_stands_in_a_page():
    rules = book_policy.policy(
        ["<script>a()</script><style>b{}</style>", '<script src="x.js"></script><script>a()</script>']
    )
    parts = dict(rule.split(" ", 1) for rule in rules.split("; "))
    assert parts["script-src"].count("sha256-") == parts["style-src"].count("sha256-") == 1
    assert parts["default-src"] == "'none'"
    assert "unsafe" not in parts["script-src"] + parts["style-src"]


def test_the_map_leads_from_each_chapter_to_what_it_needs():
    found = chapters(ROOT)
    page = book_map.chapter_map(found, "{}.html")
    lines = re.findall(r"<li>(.+?)</li>", page)
    assert len(lines) == len(found) == 15
    assert [line.count("<path") for line in lines[:5]] == [0, 1, 2, 2, 3]
    assert all("<path" in line for line in lines[1:]), "a chapter whose opening names none that it needs"
    assert '<a href="12_vision.html">12. Vision</a><span class="spoken"> (needs 6, 8, 9)</span>' in lines[11]
    with pytest.raises(ValueError, match=r"01_fixed_vector needs \[2\]: a chapter needs chapters that stand before it"):
        book_map.chapter_map({1: replace(found[1], needs="chapter 2"), 2: found[2]}, "{}.html")
