"""The checker is checked: solutions pass, untouched notebooks get nothing, and each wrong answer is named."""

import contextlib
import io
import re
import warnings
from functools import cache
from pathlib import Path

import nbformat
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager
from wrong_answers import scoreboard

from attnbook import exercises
from attnbook.attention import attend
from attnbook.exercises import WrongAnswer
from attnbook.exercises._draws import Draw
from attnbook.scores import dot

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "notebooks/solutions").glob("*/*.ipynb"))
STUDENTS = ROOT / "notebooks/exercises"
CHAPTERS = [path.stem for path in SOURCES]
BANKS = {chapter: scoreboard.bank(f"ch{chapter}") for chapter in CHAPTERS}

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
every_wrong = pytest.mark.parametrize(
    "wrong", [pytest.param(w, id=f"{c[:2]}-{w.task}-{w.mistake}") for c, bank in BANKS.items() for w in bank]
)


def run(path):
    """Run a notebook's code cells in turn, going on after errors as the autograder does.

    Returns:
        points by the name of the test's cell, what the cells defined, and their errors.
    """
    points, names, errors = {}, {"__name__": "__main__"}, []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        graded = cell.metadata.get("nbgrader", {})
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(TransformerManager().transform_cell(cell.source), cell.id, "exec"), names)
            earned = graded.get("points", 0)
        except Exception as error:
            earned = 0
            errors.append((cell.id, error))
        if graded.get("grade"):
            points[cell.id] = earned
    torch.set_printoptions(profile="default")  # what a cell changed, the tests after this one must not meet
    return points, names, errors


@pytest.fixture(scope="module")
def solved():
    return {path.stem: run(path) for path in SOURCES}


# --- Notebooks -------------------------------------------------------------------------------------------------------


def test_there_are_assignments():
    names = ["fixed_vector", "looking_back", "score_functions", "queries_keys_values", "why_sqrt_d", "many_heads"]
    assert CHAPTERS[:6] == [f"{number:02}_{name}" for number, name in enumerate(names, 1)]


@every_source
def test_the_solution_gets_full_points(path, solved):
    points, _, errors = solved[path.stem]
    graded = {c.id: c.metadata.nbgrader for c in nbformat.read(path, as_version=4).cells if "nbgrader" in c.metadata}
    full = {name: g.points for name, g in graded.items() if g.grade and not g.solution}
    assert errors == []
    assert points == full
    assert sum(full.values()) >= 10


@every_source
def test_the_untouched_student_version_gets_nothing(path):
    points, _, errors = run(STUDENTS / path.parent.name / path.name)
    assert points
    assert set(points.values()) == {0}
    # What we hand out runs: only answers are missing, and what needs them.
    assert {type(error) for _, error in errors} <= {NotImplementedError, NameError, WrongAnswer}
    assert all("not written yet" in str(error) for _, error in errors if isinstance(error, WrongAnswer))


@every_source
def test_solutions_pass_with_any_seed(path, solved):
    points, names, _ = solved[path.stem]
    for task in {wrong.task for wrong in BANKS[path.stem]}:
        assert f"test-{task.replace('_', '-')}" in points
        for seed in (11, 13):
            assert scoreboard.feedback(task, names[task], seed) == ""


# --- Wrong answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_chapter_has_a_bank_that_covers_its_tasks(chapter, solved):
    bank, points = BANKS[chapter], solved[chapter][0]
    assert len({wrong.mistake for wrong in bank}) >= 8
    assert {f"test-{wrong.task.replace('_', '-')}" for wrong in bank} == points.keys()
    assert len({(wrong.task, wrong.mistake) for wrong in bank}) == len(bank)


@cache
def solution_lines():
    """The lines of code of all solutions that are long enough to give something away."""
    regions = []
    for cell in [cell for path in SOURCES for cell in nbformat.read(path, as_version=4).cells]:
        regions += re.findall(r"BEGIN SOLUTION\n(.+?)### END SOLUTION", cell.source, re.DOTALL)
    lines = [line.split("#")[0].strip() for region in regions for line in region.splitlines()]
    assert len(lines) > 50
    told = {line.removeprefix("return ") for line in lines}
    return {line for line in told if len(line) > 12}


@every_wrong
@pytest.mark.parametrize("seed", scoreboard.SEEDS)
def test_a_wrong_answer_is_rejected_and_its_mistake_is_named_without_the_solution(wrong, seed):
    said = scoreboard.said(wrong, seed)
    assert said, "not rejected"
    assert re.search(wrong.names, said, re.DOTALL), said
    ours = re.sub("`.+`", "", said)  # a line of the learner's own is quoted so
    assert not [line for line in solution_lines() if line in ours]


def test_feedback_on_numbers_does_not_give_ours_away():
    for answer, check in [((1.25, 3), exercises.check_last_state), (0.3, exercises.check_first_share)]:
        with pytest.raises(WrongAnswer) as caught:
            check(answer)
        assert not re.search(r"2\.8125|4\.5|0\.0469|0\.046875|3/64", str(caught.value))
    # Nor by how many times ours it is, or how much more.
    for answer, check in [
        (0.3, exercises.check_first_share),
        ((9, 11), exercises.check_two_heads),
        (5, exercises.check_divisor),
    ]:
        with pytest.raises(WrongAnswer, match=r"is not right\.$"):
            check(answer)


def test_a_missing_scale_is_found_whatever_the_seed():
    # A check whose inputs saturate the softmax, or whose width is 1, would let it pass.
    for seed in range(40):
        said = scoreboard.feedback("scaled_dot_score", lambda q, k: q @ k.mT, seed)
        assert "√d were missing" in said


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("even_attention", lambda q, k, v: attend(dot(q, k), v)),
        ("top_look_up", lambda q, k, v, m: _best(q @ k.T, v, m)),
        ("grouped_attention", lambda q, k, v: attend(dot(q, _shared(q, k)), _shared(q, v))[0]),
    ],
)
def test_a_missing_scale_is_found_behind_a_softmax_too(task, answer):
    for seed in range(20):
        assert "√d" in scoreboard.feedback(task, answer, seed)


def _best(scores, values, m):
    best, where = scores.topk(m, dim=-1)
    return (best.softmax(dim=-1).unsqueeze(-1) * values[where]).sum(dim=-2)


def _shared(q, x):
    return x.repeat_interleave(q.shape[-3] // x.shape[-3], dim=-3)


def test_the_table_counts_what_is_rejected_and_named(monkeypatch):
    bank = scoreboard.bank("ch01_fixed_vector")
    bank = [wrong for wrong in bank if wrong.task == "first_share"]
    accepted = type(bank[0])("first_share", "none", "x", 3 / 64)
    misnamed = type(bank[0])("first_share", "another", "something else", 9 / 64)
    monkeypatch.setattr(scoreboard, "CHAPTERS", ["ch01_fixed_vector"])
    monkeypatch.setattr(scoreboard, "bank", lambda chapter: [*bank, accepted, misnamed])
    n = len(bank)
    row = {"task": "first_share", "answers": n + 2, "rejected": n + 1, "named": n}
    assert scoreboard.scoreboard() == [{"chapter": "ch01_fixed_vector"} | row]


def test_the_published_table_is_that_of_this_bank():
    assert scoreboard.RESULTS.read_text(encoding="utf-8") == scoreboard.stored(scoreboard.scoreboard()), (
        "run make scoreboard"
    )


# --- The engine ------------------------------------------------------------------------------------------------------


def test_another_seed_draws_other_sizes_and_numbers_and_the_same_one_the_same():
    one, other, again = (Draw(seed) for seed in (0, 1, 0))
    sizes = one.sizes(4)
    assert len(set(sizes)) == 4
    assert sizes == again.sizes(4) != other.sizes(4)
    numbers = one.normal(3)
    assert torch.equal(numbers, again.normal(3))
    assert not torch.equal(numbers, other.normal(3))
    assert numbers.dtype == torch.float64
    mask = one.mask(5, 3, 7)
    assert mask.any(dim=-1).all()
    assert not mask.all(dim=-1).any()


def test_a_right_answer_says_so_and_returns_nothing_that_could_count_as_points(capfd):
    def warns(q, k):
        warnings.warn("as torch does", stacklevel=1)
        return q @ k.mT / q.shape[-1] ** 0.5

    assert exercises.check_scaled_dot_score(warns) is None
    out, error = capfd.readouterr()
    assert out == "Right: scaled_dot_score.\n"
    assert error == ""  # nbgrader would take anything there for a failure


def test_answers_that_look_at_their_numbers_or_carry_gradients_are_right_too():
    def loops(q, k):
        rows = [[sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)) for b in k] for a in q]
        return q.new_tensor(rows) / q.shape[-1] ** 0.5

    def looks(q, k):
        if q.dim() == 2 and q.device.type == "cpu" and q.dtype == torch.float64:
            return loops(q, k)
        return q @ k.mT / q.shape[-1] ** 0.5 if q.sum() < 1e9 else q  # which `meta` cannot say

    gain = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
    assert scoreboard.feedback("scaled_dot_score", looks) == ""
    assert scoreboard.feedback("scaled_dot_score", lambda q, k: gain.to(q) * (q @ k.mT) / q.shape[-1] ** 0.5) == ""


def test_a_tensor_that_claims_to_be_close_to_everything_is_no_answer():
    class Close(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return True if func is torch.allclose else super().__torch_function__(func, types, args, kwargs or {})

    said = scoreboard.feedback("scaled_dot_score", lambda q, k: (q @ k.mT).as_subclass(Close))
    assert "should be a torch tensor, got of type Close" in said


def test_a_learners_error_is_explained_with_the_input_and_their_line():
    def fails(q, k):
        return q.view(-1, 1000)

    said = scoreboard.feedback("scaled_dot_score", fails)
    assert re.search(r"stops with RuntimeError in your line \d+, `return q.view\(-1, 1000\)`", said)
    assert re.search(r"Tried on q \(\d+, \d+\), k \(\d+, \d+\)", said)
    assert "is invalid for input" in said  # what torch says


def test_what_torch_has_not_implemented_is_not_taken_for_an_answer_that_is_not_written():
    def unsupported(q, k):
        raise NotImplementedError("no such kernel")

    assert "Python says: no such kernel" in scoreboard.feedback("scaled_dot_score", unsupported)


def test_what_a_notebook_shows_has_no_traceback_through_our_code():
    shown = WrongAnswer("It is None.\nTried on q.")._render_traceback_()
    assert shown == ["Not right yet.", "It is None.", "Tried on q."]


def test_an_interrupted_answer_stops():
    def interrupted(q, k):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.check_scaled_dot_score(interrupted)


class OddError(Exception):
    def __str__(self):
        raise ValueError


def resizes(x, *others):
    x.resize_(1)
    return x


def raises_odd(*inputs):
    raise OddError


def calls_itself(*inputs):
    return calls_itself(*inputs)


ODD = {
    "text": lambda *inputs: "right",
    "a generator": lambda *inputs: (x for x in inputs),
    "an empty tuple": lambda *inputs: (),
    "a function": lambda *inputs: print,
    "whole numbers": lambda *inputs: torch.ones(3, 5, dtype=torch.int64),
    "truth values": lambda *inputs: torch.ones(3, 5) > 0,
    "complex numbers": lambda x, *others: x.to(torch.complex128) if isinstance(x, torch.Tensor) else 1j,
    "no numbers": lambda *inputs: torch.zeros(0),
    "one number": lambda *inputs: torch.tensor(1.0),
    "on another device": lambda *inputs: torch.ones(3, 5, device="meta"),
    "sparse": lambda *inputs: torch.eye(3).to_sparse(),
    "its input": lambda x, *others: x,
    "NaN": lambda *inputs: float("nan"),
    "a class": dict,
    "resizes its input": resizes,
    "an error that cannot be shown": raises_odd,
    "endless recursion": calls_itself,
    "twice NaN": lambda x, *others: (x * float("nan"), x * float("nan")),
}


@pytest.mark.parametrize("task", ["read", "masked_softmax", "look_back", "probe_accuracy", "place_weights"])
@pytest.mark.parametrize("name", ODD)
def test_whatever_an_answer_does_the_feedback_is_words(task, name):
    said = scoreboard.feedback(task, ODD[name])  # anything but a WrongAnswer would come through
    assert said.startswith(task)
    assert len(said) < 800


@pytest.mark.parametrize("answer", [{}, "x", [[1], [2, 3]], [None], object(), torch.tensor([1 + 1j]), print, b"1"])
def test_whatever_is_given_for_numbers_the_feedback_is_words(answer):
    assert scoreboard.feedback("last_state", answer).startswith("last_state")
