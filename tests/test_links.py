"""Addresses of other hosts: well formed, in the one form in which each is cited. (make links asks if they answer.)"""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
# The students' notebooks repeat their sources; benchmarks and tests speak of nothing to click on.
PAGES = sorted(
    path
    for pattern in ("*.md", "book/**/*.md", "notebooks/*.ipynb", "notebooks/solutions/*/*.ipynb", "src/**/*.py")
    for path in ROOT.glob(pattern)
)
ADDRESS = re.compile(r"https?:[^\s<>\"'`|{}\\^\[\]]+")
FORMS = {
    "arxiv.org": r"/abs/(\d{4}\.\d{4,5}|[a-z-]+/\d{7})",  # the page with all versions, not one of its files
    "doi.org": r"/10\.\d{4,9}/\S+",
    "github.com": r"/[\w.-]+/[\w.-]+(/\S*)?",
}


def addresses(text):
    """The addresses in a text, without the punctuation behind them; a bracket counts if it was opened inside."""
    for found in ADDRESS.findall(text):
        while found[-1] in ".,;:*_!?" or (found[-1] == ")" and found.count("(") < found.count(")")):
            found = found[:-1]
        yield found


def text_of(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return "\n".join(
            "".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"
        )
    return text


def fault(address):
    """What is wrong with an address, or nothing."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return "https is meant"
    if not re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", host):
        return "no host"
    if re.search(r"utm_|sessionid|fbclid", parts.query):
        return "it names a visit, not a page"
    if host in ("www.arxiv.org", "dx.doi.org", "www.doi.org", "www.github.com"):
        return f"its form is {host.split('.', 1)[1]}"
    if host in FORMS and not re.fullmatch(FORMS[host], parts.path):
        return f"its form is https://{host} and {FORMS[host]}"
    return ""


def test_addresses_are_found_in_markdown():
    text = "See [a](https://a.org/b_(c)), <https://d.org/e>, https://f.org/g. And `https://h.org`; (http://i.org/)."
    found = ["https://a.org/b_(c)", "https://d.org/e", "https://f.org/g", "https://h.org", "http://i.org/"]
    assert list(addresses(text)) == found


@pytest.mark.parametrize(
    "address",
    ["http://a.org", "https://a", "https://a.org?utm_source=b", "https://arxiv.org/pdf/1706.03762", "https://dx.doi.org/1",
     "https://www.arxiv.org/abs/1706.03762", "https://arxiv.org/abs/170603762", "https://doi.org/", "https://github.com/a"],
)  # fmt: skip
def test_a_malformed_address_is_told(address):
    assert fault(address)


def test_addresses_are_well_formed():
    found = {(path.relative_to(ROOT).as_posix(), address) for path in PAGES for address in addresses(text_of(path))}
    assert len(found) > 100
    wrong = {row: fault(row[1]) for row in found}
    # Colab's and the fork's own addresses are made of capitals that a reader fills in.
    assert not {row: why for row, why in wrong.items() if why and "ORG/NAME" not in row[1]}
