"""The evidence page: every claim is what its chapter says, what its cell shows and what its results file holds."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "book/_ext"))

import book_claims  # noqa: E402 (a folder of extensions, not a package)
import book_evidence  # noqa: E402

CLAIMS = book_claims.claims(ROOT)
EACH = [claim for of_chapter in CLAIMS.values() for claim in of_chapter]
REFERENCES = re.findall(r"^### (.+)$", (ROOT / "book/references.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("claim", EACH, ids=lambda claim: claim.label())
def test_prose_cell_and_results_agree(claim):
    assert book_claims.disagreements(ROOT, claim) == []


def test_every_chapter_has_claims():
    assert list(CLAIMS) == sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


def test_every_results_file_is_cited():
    files = {path.stem for path in (ROOT / book_claims.RESULTS).glob("*.json")}
    assert files <= {claim.data.partition(":")[0] for claim in EACH}


@pytest.mark.parametrize("chapter", CLAIMS)
def test_every_percentage_is_claimed_or_left_out(chapter):
    assert book_claims.unclaimed(ROOT, chapter, CLAIMS[chapter]) == []


def test_every_percentage_of_the_summary_is_claimed():
    assert book_claims.unclaimed_in_summary(ROOT) == []


@pytest.mark.parametrize("chapter", CLAIMS)
def test_what_is_left_out_is_still_said(chapter):
    prose = book_claims.prose_of(ROOT, chapter)
    assert [text for text in book_claims.left_out(ROOT, chapter) if text not in prose] == []


@pytest.mark.parametrize("claim", [claim for claim in EACH if claim.source], ids=lambda claim: claim.label())
def test_papers_are_in_the_references_and_compared(claim):
    assert claim.source in REFERENCES
    assert claim.paper
    assert claim.verdict


def test_cells_are_quoted_by_more_than_a_word():
    texts = [text for claim in EACH for text in ([claim.shows] if isinstance(claim.shows, str) else claim.shows)]
    assert [text for text in texts if len(text) < 8] == []


# --- The checker is checked ------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A copy of all that the claims of chapter 1 rest on."""
    for part in ("book/claims/01_fixed_vector.toml", "notebooks/01_fixed_vector.ipynb", book_claims.SUMMARY):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    (tmp_path / book_claims.RESULTS).mkdir(parents=True)
    shutil.copy(ROOT / book_claims.RESULTS / "translation.json", tmp_path / book_claims.RESULTS)
    return tmp_path


def wrong_in(root):
    return [
        text for claim in book_claims.claims(root)["01_fixed_vector"] for text in book_claims.disagreements(root, claim)
    ]


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_unchanged_copy_is_right(copy):
    assert wrong_in(copy) == []
    assert "59.9%\u00a0±\u00a01.9" in book_evidence.all_claims(copy)


def test_edited_prose_is_found(copy):
    edit(copy / "notebooks/01_fixed_vector.ipynb", "lifts the fixed vector from 60% to 86%", "lifts it from 60% to 87%")
    assert any("prose: the chapter does not say" in text for text in wrong_in(copy))


def test_a_new_percentage_is_found(copy):
    edit(copy / "notebooks/01_fixed_vector.ipynb", "One run proves little", "One run of 42.3% proves little")
    (found,) = book_claims.unclaimed(copy, "01_fixed_vector", book_claims.claims(copy)["01_fixed_vector"])
    assert found.endswith("One run of 42.3%")


def test_an_edited_summary_is_found(tmp_path):
    for part in ("book/claims/12_vision.toml", "notebooks/12_vision.ipynb", "book/beyond_text.md"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    (tmp_path / book_claims.RESULTS).mkdir(parents=True)
    shutil.copy(ROOT / book_claims.RESULTS / "vision.json", tmp_path / book_claims.RESULTS)
    claim = next(claim for claim in EACH if claim.says == "Transformer without positions")
    assert book_claims.disagreements(tmp_path, claim) == []
    edit(tmp_path / "book/beyond_text.md", "names 69% of the digits", "names 70% of the digits")
    (wrong,) = book_claims.disagreements(tmp_path, claim)
    assert "summary: the page does not say" in wrong
    both_edited = replace(claim, summary="the model names «70%» of the digits")
    assert "summary: «70%» is not what was measured" in book_claims.disagreements(tmp_path, both_edited)[0]
    assert any(text.endswith("names 70%") for text in book_claims.unclaimed_in_summary(tmp_path))


def test_an_edited_cell_is_found(copy):
    edit(copy / "notebooks/01_fixed_vector.ipynb", "assert 0.1 < fixed[-2:].mean() < 0.2", "assert True")
    assert any("shows: the chapter does not say" in text for text in wrong_in(copy))


def test_edited_results_are_found(copy):
    path = copy / book_claims.RESULTS / "translation.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for run in results["runs"]:
        run["accuracy"] = {length: share - 0.05 for length, share in run["accuracy"].items()}
    path.write_text(json.dumps(results), encoding="utf-8")
    wrong = wrong_in(copy)
    assert any("prose: «86%» is not what was measured" in text for text in wrong)
    assert any("shows: «85.8%» is not what was measured" in text for text in wrong)
    with pytest.raises(ValueError, match="is not what was measured"):
        book_evidence.all_claims(copy)


def test_edited_claims_are_found():
    claim = next(claim for claim in EACH if claim.says == "Fixed vector, twice the width")
    both_edited = replace(claim, prose="from 60% to «87%»")
    assert len(book_claims.disagreements(ROOT, both_edited)) == 2  # neither said nor measured
    with pytest.raises(ValueError, match="no cell of code 'cell-999'"):
        book_claims.disagreements(ROOT, replace(claim, cell="cell-999"))
    with pytest.raises(ValueError, match="nothing was measured"):
        book_claims.disagreements(ROOT, replace(claim, when="kind == 'no such'"))
    with pytest.raises(ValueError, match="is no plain number"):
        book_claims.disagreements(ROOT, replace(claim, prose="«Twice the width» lifts the fixed vector"))
    assert "quotes nothing" in book_claims.disagreements(ROOT, replace(claim, prose="Twice the width lifts"))[0]


def test_a_claim_with_an_unknown_field_is_refused(copy):
    edit(copy / "book/claims/01_fixed_vector.toml", 'cell = "cell-33"', 'sell = "cell-33"')
    with pytest.raises(ValueError, match="sell"):
        book_claims.claims(copy)
