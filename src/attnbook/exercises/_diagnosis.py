"""What can be seen of a wrong answer without knowing how it was computed: its kind, its shape, its sums, its NaNs."""

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attnbook._checks import shape
from attnbook.exercises._outcome import Case, Outcome, as_number, close, is_tensor, near


def describe(names: list[str], case: Case) -> str:
    """The input in words: "with two batch axes: scores (2, 3, 5), mask (3, 5)"."""
    if not case.inputs:
        return ""
    each = ", ".join(f"{name} {_brief(x)}" for name, x in zip(names, case.inputs, strict=True))
    return f"{case.about}: {each}" if case.about else f"on {each}"


def _brief(x: Any) -> str:
    if isinstance(x, Tensor):
        return shape(x)
    numbers = x if isinstance(x, tuple) else (x,)
    return repr(x) if all(isinstance(i, int | float) for i in numbers) else type(x).__name__


def same_for_all(got: list[Outcome], want: list[Outcome]) -> bool:
    """Whether the function gives one result for inputs with different results: it is written into it."""
    if any(o.error for o in got + want):
        return False
    first, right = (next(iter(outcomes[0].parts.values())) for outcomes in (got, want))
    others = [tuple(next(iter(o.parts.values())) for o in pair) for pair in zip(got[1:], want[1:], strict=True)]
    moved = [g for g, w in others if not close(w, right)]
    return bool(moved) and all(close(g, first) for g in moved)


def explain_error(error: BaseException, answer: Callable[..., Any]) -> str:
    """The learner's own error: what it is, where in their code, and what it says."""
    words = _words(error)
    if isinstance(error, NotImplementedError) and not words:  # torch's own say what is not implemented
        return "It is not written yet: put your code in the place of `raise NotImplementedError()`."
    if isinstance(error, SystemExit):
        return "It leaves Python by exit(). A function should return."
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f" in your line {lines[-1].lineno}, `{lines[-1].line}`" if lines and lines[-1].line else ""
    if isinstance(error, TypeError) and not lines:
        where = " when it is called, before its first line. Does it take the arguments that the task names"
        where += ", in that order?"
    said = f" Python says: {words}" if words else ""
    return f"It stops with {type(error).__name__}{where}{'' if where.endswith('?') else '.'}{said}"


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a learner's own class of errors may fail at that too
        return ""


def difference(name: str, got: Any, want: Any, *, secret: bool) -> str:
    """What differs between a part of the answer and ours, in one or two sentences."""
    if not isinstance(want, Tensor):
        return _different_numbers(name, got, want, secret)
    for look in (_type, _shape, _device, _dtype, _not_finite):
        found = look(name, got, want)
        if found:
            return found
    if name.startswith("the gradient") and not got.any():
        return f"The outputs are right, and yet {name} is zero: what leads to it was cut off from training."
    if want.dtype is torch.bool:
        return _truths(name, got, want)
    if want.dim() == 0 and not secret:  # any number is some times ours
        return _different_numbers(name, got.detach(), want.item(), secret)
    # What ours times or plus something is gives ours away.
    for sign in (_sums, _places) if secret else (_sums, _factor, _summand, _places):
        found = sign(name, got.detach().double(), want.detach().double())
        if found:
            return found
    if secret:
        return f"{_first(name)} is not right."
    at = tuple(int(i) for i in np.unravel_index(int((got - want).abs().argmax()), tuple(want.shape)))
    return f"{_first(name)} differs most at {list(at)}: {got[at].item():.4g}, where {want[at].item():.4g} is right."


def _first(name: str) -> str:
    return name[0].upper() + name[1:]


def _truths(name: str, got: Tensor, want: Tensor) -> str:
    wrong = (got ^ want).nonzero().tolist()
    at = f", first at {wrong[0]}, where {bool(want[tuple(wrong[0])])} is right" if wrong[0] else ""
    return f"{_first(name)} is wrong at {len(wrong)} of {want.numel()} places{at}."


def _different_numbers(name: str, got: Any, want: Any, secret: bool) -> str:
    number = as_number(got)
    if got is None:
        return "It returns None: is there a `return` at its end?"
    if number is None:
        return f"{_first(name)} should be one number, got {type(got).__name__}."
    return f"{_first(name)} is {number:.4g}" + (", which is not right." if secret else f", where {want:.4g} is right.")


# --- Kinds -----------------------------------------------------------------------------------------------------------


def _type(name: str, got: Any, want: Tensor) -> str:
    if got is None:
        return "It returns None: is there a `return` at its end?"
    if is_tensor(got):
        return ""
    article = "a numpy array" if isinstance(got, np.ndarray) else f"of type {type(got).__name__}"
    if type(got) is Tensor:
        article = "a sparse one"
    return f"{_first(name)} should be a torch tensor, got {article}: stay in torch from end to end."


def _shape(name: str, got: Tensor, want: Tensor) -> str:
    if got.shape == want.shape:
        return ""
    said = f"The shape of {name} is {shape(got)}, and {shape(want)} is asked for."
    if got.dim() >= 2 and got.mT.shape == want.shape:
        turned = " Turned around they would be right:" if near(got.mT, want) else ""
        return f"{said}{turned} rows and columns have changed places."
    return said


def _device(name: str, got: Tensor, want: Tensor) -> str:
    if got.device == want.device:
        return ""
    return f"The device of {name} is {got.device}, and {want.device} is asked for, where the inputs are."


def _dtype(name: str, got: Tensor, want: Tensor) -> str:
    if got.dtype == want.dtype:
        return ""
    if want.dtype is torch.bool:
        return f"The dtype of {name} is {got.dtype}, and torch.bool is asked for: True and False, no numbers."
    return f"The dtype of {name} is {got.dtype}, and {want.dtype} is asked for: the dtype was lost."


def _not_finite(name: str, got: Tensor, want: Tensor) -> str:
    bad = ~got.isfinite() & want.isfinite()
    if not bad.any():
        return ""
    which = "NaN" if got[bad].isnan().any() else "infinity"
    if got.dim() < 2:
        return f"There is {which} in {name}."
    rows = sorted({int(index[-2]) for index in bad.nonzero()})
    listed = ", ".join(map(str, rows[:3])) + (" and others" if len(rows) > 3 else "")
    where = f"in row{'s' * (len(rows) > 1)} {listed} of {name}"
    return f"{which} {where}: something like 0/0, ∞/∞ or 0 · ∞ was computed there."


# --- Signs -----------------------------------------------------------------------------------------------------------


def _sums(name: str, got: Tensor, want: Tensor) -> str:
    """Weights whose rows should sum to 1."""
    if got.dim() < 2 or name != "weights":
        return ""
    rows, columns, one = got.sum(dim=-1), got.sum(dim=-2), torch.ones((), dtype=torch.float64)
    if near(rows, want.sum(dim=-1)):
        return ""
    if near(columns, one.expand_as(columns)):
        return "Each column sums to 1, each row should: the softmax runs over the keys, dim=-1."
    if near(got.sum(), one):
        return "All weights together sum to 1, each row should: the softmax runs over the keys alone, dim=-1."
    worst = int((rows - want.sum(dim=-1)).abs().flatten().argmax())
    return f"Each row of weights should sum to 1, and one of yours sums to {rows.flatten()[worst].item():.4g}."


def _factor(name: str, got: Tensor, want: Tensor) -> str:
    size = (want * want).sum()
    ratio = ((got * want).sum() / size).item() if size else 0.0
    if abs(ratio) < 1e-9 or not near(got / ratio, want):
        return ""
    if abs(ratio + 1) < 1e-6:
        return f"The sign of {name} is wrong everywhere."
    return f"Every number in {name} is {ratio:.3g} times ours."


def _summand(name: str, got: Tensor, want: Tensor) -> str:
    more = (got - want).mean()
    return f"Every number in {name} is ours plus {more.item():.3g}." if near(got, want + more) else ""


def _places(name: str, got: Tensor, want: Tensor) -> str:
    if want.numel() > 1 and near(got.flatten().sort().values, want.flatten().sort().values):
        return f"{_first(name)} holds the right numbers in the wrong places."
    if not got.any():
        return f"{_first(name)} is zero everywhere."
    return ""
