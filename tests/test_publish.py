"""Releases and the published website: one version in all files, one folder for each version, and none overwritten."""

import datetime
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import publish  # noqa: E402 (the folder holds scripts, not packages)
import release  # noqa: E402

DAY = datetime.date(2027, 2, 3)


@pytest.fixture
def site(tmp_path):
    (tmp_path / "html/_static").mkdir(parents=True)
    (tmp_path / "html/index.html").write_text("the book")
    (tmp_path / "html/_static/custom.css").write_text("")
    (tmp_path / "html/404.html").write_text("no such page")
    (tmp_path / "pages").mkdir()
    return tmp_path / "html"


def leads_to(pages):
    return re.search(r'content="0; url=(.+?)/"', (pages / "index.html").read_text())[1]


def test_each_version_has_a_folder_and_the_newest_release_is_shown_first(site):
    pages = site.parent / "pages"
    for version, shown in [("dev", "dev"), ("1.9.0", "1.9.0"), ("1.10.0", "1.10.0"), ("1.9.1", "1.10.0")]:
        publish.publish(site, version, pages)
        assert leads_to(pages) == shown
    assert publish.versions(pages) == ["1.10.0", "1.9.1", "1.9.0", "dev"]
    assert (pages / "1.9.0/_static/custom.css").exists()
    assert (pages / ".nojekyll").exists()
    assert (pages / "404.html").read_text() == "no such page"
    assert (pages / "index.html").read_text().count("<li>") == 4


def test_dev_is_replaced_whole_and_a_release_never(site):
    pages = site.parent / "pages"
    publish.publish(site, "dev", pages)
    publish.publish(site, "1.0.0", pages)
    (site / "_static/custom.css").unlink()
    (site / "index.html").write_text("a new book")
    publish.publish(site, "dev", pages)
    assert not (pages / "dev/_static/custom.css").exists()
    with pytest.raises(publish.PublishError, match=r"version 1\.0\.0 is published"):
        publish.publish(site, "1.0.0", pages)
    assert (pages / "1.0.0/index.html").read_text() == "the book"
    assert (pages / "dev/index.html").read_text() == "a new book"


@pytest.mark.parametrize("version", ["", "main", "1.0", "v1.0.0", "../1.0.0", "1.0.0rc1", "1.0.0/"])
def test_other_names_are_no_versions(site, version):
    with pytest.raises(publish.PublishError, match="a version is dev or three numbers"):
        publish.publish(site, version, site.parent / "pages")


def test_what_is_missing_is_said(site, capsys):
    (site / "index.html").unlink()
    with pytest.raises(publish.PublishError, match="run make book"):
        publish.publish(site, "dev", site.parent / "pages")
    assert publish.main(["dev"]) == 1
    assert "make publish VERSION=dev TO=FOLDER" in capsys.readouterr().err


# --- Releases --------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    for name in release.PLACES:
        shutil.copy(ROOT / name, tmp_path)
    changes = (tmp_path / "CHANGELOG.md").read_text()
    (tmp_path / "CHANGELOG.md").write_text(
        changes.replace("## 0.1.0", "## 0.1.1 (unreleased)\n### Fixed\n- x\n\n## 0.1.0")
    )
    return tmp_path


def test_all_files_of_the_book_name_one_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", release.check(ROOT))


def test_a_release_changes_the_version_and_the_day_and_nothing_else(book):
    before = {name: (book / name).read_text().splitlines() for name in release.PLACES}
    release.release(book, "0.2.0", DAY)
    assert release.check(book, "0.2.0") == "0.2.0"
    changed = {}
    for name, old in before.items():
        new = (book / name).read_text().splitlines()
        changed[name] = [b for a, b in zip(old, new, strict=True) if a != b]
    assert changed == {
        "pyproject.toml": ['version = "0.2.0"'],
        "CITATION.cff": ["version: 0.2.0", "date-released: 2027-02-03"],
        "CHANGELOG.md": ["## 0.2.0 (2027-02-03)"],
    }
    with pytest.raises(release.ReleaseError, match="nothing new is told"):
        release.release(book, "0.3.0", DAY)


@pytest.mark.parametrize(
    ("version", "message"), [("v0.2.0", "three numbers"), ("0.0.9", r"lower than 0\.1\.0"), ("", "as")]
)
def test_a_bad_version_changes_nothing(book, version, message):
    before = {name: (book / name).read_text() for name in release.PLACES}
    with pytest.raises(release.ReleaseError, match=message):
        release.release(book, version, DAY)
    assert before == {name: (book / name).read_text() for name in release.PLACES}


def test_files_that_differ_are_named(book):
    with pytest.raises(release.ReleaseError, match=r"CHANGELOG\.md has 0\.1\.1"):
        release.check(book)
    release.release(book, "0.2.0", DAY)
    with pytest.raises(release.ReleaseError, match=r"0\.3\.0 was to be released"):
        release.check(book, "0.3.0")
