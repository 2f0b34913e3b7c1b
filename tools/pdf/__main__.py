"""Print the book as a PDF, _build/pdf/paying-attention.pdf, out of the website's pages.

    PYTHONPATH=tools python -m pdf [--version 1.2.0] [--to file.pdf] [notebooks/05_why_sqrt_d ...]

The PDF is looked through before it takes its place: a link that leads nowhere, a picture that is missing, a line that
is cut and the like are errors, and the PDF that stood before still stands.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

import yaml
from bs4 import BeautifulSoup

from pdf.checking import complaints
from pdf.composing import document
from pdf.gathering import GatheringError, gather
from pdf.printing import PrintingError, finished, print_book
from pdf.secrecy import secret_lines
from pdf.tags import headings

ROOT = Path(__file__).resolve().parents[2]


def site_address(config: dict, version: str) -> str:
    """Where the website lies: what `_config.yml` says, or else GitHub Pages, in the version's folder.

    >>> site_address({"repository": {"url": "https://github.com/ORG/NAME"}}, "dev")
    'https://ORG.github.io/NAME/dev/'
    """
    if stated := config.get("html", {}).get("baseurl"):
        return f"{stated.rstrip('/')}/"
    owner, name = config["repository"]["url"].rstrip("/").split("/")[-2:]
    return f"https://{owner}.github.io/{name}/{version}/"


def about(root: Path, version: str) -> dict[str, str]:
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    title, subtitle = citation["title"].split(": ", 1)
    subtitle = re.sub(r"^an interactive textbook", "a textbook", subtitle)
    return {
        "title": title, "subtitle": subtitle[0].upper() + subtitle[1:], "authors": config["author"],
        "version": str(citation["version"]) if version == "dev" else version,
        "address": site_address(config, version),
        "licence": "Text and pictures: CC BY 4.0. Code: BSD 3-Clause.",
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pdf", description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="the pages to print; without any, all of _toc.yml")
    parser.add_argument("--version", default="dev", help="dev or that of a release: the website's folder")
    parser.add_argument("--to", type=Path, default=ROOT / "_build/pdf/paying-attention.pdf")
    asked = parser.parse_args(arguments)
    start = time.perf_counter()
    said = about(ROOT, asked.version)
    folder = asked.to.parent
    try:
        chapters = gather(ROOT, said["address"], asked.pages or None)
        folder.mkdir(parents=True, exist_ok=True)
        source = ROOT / "_build/pdf" / f"{asked.to.stem}.html"  # pictures are named from here
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(document(chapters, said), encoding="utf-8")
        printed = print_book(source)
        book = BeautifulSoup(source.read_text(encoding="utf-8"), "html.parser")
        printed = finished(printed, headings(book), said)
        if broken := complaints(printed, book, secret_lines(ROOT)):
            raise PrintingError("\n".join(["it is broken:", *broken]))
    except (GatheringError, PrintingError) as error:
        print(f"The book was not printed: {error}", file=sys.stderr)
        return 1
    draft = asked.to.with_suffix(".draft")
    draft.write_bytes(printed)
    os.replace(draft, asked.to)
    print(f"{asked.to}: {len(printed) / 1e6:.1f} MB in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
