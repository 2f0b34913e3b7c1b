"""What `make lighthouse` reads off a report, and the host that it serves the pages from.

Lighthouse itself is not run here: its scores rest on times, and a machine under test is busy.
"""

import gzip
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import lighthouse.__main__ as command  # noqa: E402 (the folder holds programs, not installed packages)
from lighthouse import measuring  # noqa: E402
from lighthouse.host import serving  # noqa: E402


def a_report(performance=0.97, seo=1):
    scores = {"performance": performance, "accessibility": 1, "best-practices": 1, "seo": seo}
    audits = {audit: {"numericValue": value} for audit, value in zip(
        measuring.FIGURES.values(), [1700, 130, 0, 125_000], strict=True)}  # fmt: skip
    audits |= {"meta-description": {"title": "No description", "score": seo}, "quiet": {"title": "Quiet", "score": 0},
               "dom-size-insight": {"details": {"items": [{"value": {"value": 3640}}]}}}  # fmt: skip
    refs = [{"id": "meta-description", "weight": 1}, {"id": "quiet", "weight": 0}]
    return {"audits": audits, "categories": {n: {"score": s, "auditRefs": refs} for n, s in scores.items()}}


def test_scores_are_of_a_hundred_and_a_good_page_has_no_fault():
    measured = measuring.read_report("index.html", a_report())
    assert list(measured.scores.values()) == [97, 100, 100, 100]
    assert measured.figures == {"LCP ms": 1700, "TBT ms": 130, "CLS": 0, "kB": 125, "elements": 3640}
    assert measured.below_goals() == measured.faults == []


def test_what_is_below_a_goal_is_named_with_the_audit_behind_it():
    measured = measuring.read_report("search.html", a_report(performance=0.94, seo=0))
    assert measured.below_goals() == ["performance", "seo"]
    assert measured.faults == ["No description (meta-description)"]


@pytest.mark.parametrize("broken", [{"runtimeError": {"message": "no page"}}, a_report(seo=None)])
def test_a_report_without_scores_is_an_error_and_not_a_page_that_passes(broken):
    with pytest.raises(measuring.MeasuringError, match=r"search\.html: (no page|Lighthouse gave no score for seo)"):
        measuring.read_report("search.html", broken)


def test_a_slow_page_is_measured_again_and_the_median_counts(monkeypatch, tmp_path):
    pace = iter([0.90, 0.96, 0.93, 0.97, 0.99, 0.1])
    program = measuring.Lighthouse(tmp_path, "chromium")
    monkeypatch.setattr(program, "measure", lambda _, page: measuring.read_report(page, a_report(next(pace))))
    measured = program.measure_until_sure("http://here/", "index.html", again=4)
    assert measured.scores["performance"] == 96  # of 90, 96, 93, 97 and 99: after four, 93 is the lower middle
    assert next(pace) == 0.1
    pace = iter([0.95, 0.1])
    assert program.measure_until_sure("http://here/", "index.html", again=4).scores["performance"] == 95


def test_the_command_fails_for_each_page_below_the_goals(monkeypatch, tmp_path, capsys):
    program = measuring.Lighthouse(tmp_path, "chromium")
    seo = {"good.html": 1, "bad.html": 0}
    monkeypatch.setattr(program, "measure", lambda _, page: measuring.read_report(page, a_report(seo=seo[page])))
    assert command.report(["good.html", "bad.html"], "http://here/", program, 0) == 1
    said = capsys.readouterr().out
    assert "seo below 100" in said
    assert "1 of 2 pages meet the goals." in said


def test_the_host_compresses_text_and_says_how_long_it_keeps(tmp_path):
    (tmp_path / "index.html").write_text("attention " * 100)
    (tmp_path / "font.woff2").write_bytes(b"packed already")
    with serving(tmp_path) as address:
        with urllib.request.urlopen(address) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Cache-Control"] == "max-age=600"
            assert gzip.decompress(answer.read()).startswith(b"attention")
        with urllib.request.urlopen(address + "font.woff2") as answer:
            assert "Content-Encoding" not in answer.headers
            assert answer.headers["Content-Type"] == "font/woff2"
            assert answer.read() == b"packed already"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + "robots.txt")


def test_the_version_is_pinned_with_its_hashes():
    pinned = ROOT / "tools/lighthouse"
    lock = json.loads((pinned / "package-lock.json").read_text())["packages"]
    wanted = json.loads((pinned / "package.json").read_text())["dependencies"]
    assert lock["node_modules/lighthouse"]["version"] == wanted["lighthouse"]
    assert all("integrity" in package for name, package in lock.items() if name)
