"""Measure the website's pages with Lighthouse, as on a phone, and fail where one is under the goals.

    PYTHONPATH=tools python -m lighthouse [--again N] [page.html ...]

A page's performance rests on times, which a busy machine lengthens: a page under the goal is measured again, up to N
times, and the median counts. Lighthouse's own reports lie in `_build/lighthouse/`.
"""

import argparse
import sys

import build_book
import chromium

from lighthouse.host import serving
from lighthouse.measuring import FIGURES, GOALS, Lighthouse, Measured, MeasuringError

SITE = build_book.ROOT / "_build/html"
REPORTS = build_book.ROOT / "_build/lighthouse"
NOT_READ = {"404.html"}  # what a host shows in place of others
TITLES = {"performance": "perf", "accessibility": "access", "best-practices": "best", "seo": "SEO"}


def heading(width: int) -> str:
    return " " * width + "".join(f"{title:>9}" for title in [*TITLES.values(), *FIGURES, "elements"])


def row(measured: Measured, width: int) -> str:
    """
    >>> scores = {"performance": 98, "accessibility": 100, "best-practices": 100, "seo": 100}
    >>> figures = {"LCP ms": 1513.4, "TBT ms": 66, "CLS": 0, "kB": 97.2, "elements": 644}
    >>> row(Measured("index.html", scores, figures, []), 12)
    'index.html         98      100      100      100    1,513       66    0.000       97      644'
    """
    figures = {name: f"{value:.3f}" if name == "CLS" else f"{value:,.0f}" for name, value in measured.figures.items()}
    cells = [*measured.scores.values(), *figures.values()]
    return f"{measured.page:<{width}}" + "".join(f"{cell:>9}" for cell in cells)


def report(pages: list[str], address: str, lighthouse: Lighthouse, again: int) -> int:
    """Measure the pages one by one, print a row for each, and return how many are under the goals."""
    width = max(map(len, pages))
    print(heading(width), flush=True)
    failed = 0
    for page in pages:
        measured = lighthouse.measure_until_sure(address, page, again)
        print(row(measured, width), flush=True)
        for complaint in [f"{name} below {GOALS[name]}" for name in measured.below_goals()] + measured.faults:
            print(f"    {complaint}", flush=True)
        failed += bool(measured.below_goals())
    print(f"{len(pages) - failed} of {len(pages)} pages meet the goals.")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the website's pages with Lighthouse, as on a phone.")
    parser.add_argument("pages", nargs="*", metavar="page.html", help="below _build/html; default: all")
    parser.add_argument("--again", type=int, default=4, metavar="N", help="runs more for a slow page (default 4)")
    arguments = parser.parse_args()
    browser = chromium.find()
    if browser is None:
        raise SystemExit(f"Lighthouse needs Chromium, which is not installed.\n{chromium.INSTALL}")
    if status := build_book.main():
        return status
    pages = sorted({path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")} - NOT_READ)
    if unknown := set(arguments.pages) - set(pages):
        raise SystemExit(f"No page of the website: {', '.join(sorted(unknown))}. Pages are named like {pages[-1]}.")
    try:
        lighthouse = Lighthouse(REPORTS, browser)
        lighthouse.fetch()
        with serving(SITE) as address:
            return 1 if report(arguments.pages or pages, address, lighthouse, arguments.again) else 0
    except MeasuringError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
