"""What the build makes of a page's HTML: heads of tables that can be read, and a policy that lets nothing else in."""

import doctest
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book/_ext"))

import book_policy  # noqa: E402 (the folder holds extensions of Sphinx, not a package)
import book_tables  # noqa: E402


@pytest.mark.parametrize("module", [book_policy, book_tables], ids=lambda module: module.__name__)
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
