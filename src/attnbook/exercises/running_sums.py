"""Linear attention one token after the other: two sums are all that it remembers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import elu

from attnbook.efficient.linear import elu_features
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803, N806 (the sum S is named as in the formula)


def _read_on(S: Tensor, z: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    # In the inputs' dtype, as learners compute it; the library's step keeps its sums in float32.
    return _with()(S, z, q, k, v)


def _cases(draw: Draw) -> list[Case]:
    d, d_v, b = draw.sizes(3)

    def inputs(*leading: int, past: float = 1.0) -> tuple[Tensor, ...]:
        keys = elu_features(draw.normal(*leading, 4, d)) * past
        S, z = keys.mT @ draw.normal(*leading, 4, d_v), keys.sum(dim=-2)
        return S, z, draw.normal(*leading, d), draw.normal(*leading, d), draw.normal(*leading, d_v)

    return [
        Case("", inputs()),
        Case("at the first token", inputs(past=0.0), "There is nothing before it, so it gets its own value."),
        Case("with two batch axes", inputs(b, 2), "Any number of axes may stand in front: count axes from the end."),
    ]


def _product(S: Tensor, q: Tensor) -> Tensor:
    return (q[..., None, :] @ S).squeeze(-2)


def _pair(k: Tensor, v: Tensor) -> Tensor:
    return k[..., :, None] * v[..., None, :]


def _add(S: Tensor, z: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    return S + _pair(k, v), z + k


def _read(S: Tensor, z: Tensor, q: Tensor) -> Tensor:
    return _product(S, q) / (q * z).sum(dim=-1, keepdim=True)


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _with(
    phi_q: Function = elu_features,
    phi_k: Function = elu_features,
    *,
    add: Function = _add,
    read: Function = _read,
    late: bool = False,
) -> Function:
    """The step with other features, another way to add or to read, or with the reading before the adding."""

    def step(S: Tensor, z: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        new = add(S, z, phi_k(k), v)
        return read(*((S, z) if late else new), phi_q(q)), *new

    return step


def _both(phi: Callable[[Tensor], Tensor]) -> Function:
    return _with(phi, phi)


def _old_sums(S: Tensor, z: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _read_on(S, z, q, k, v)[0], S, z


def _softmaxed(x: Tensor) -> Tensor:
    return x.softmax(dim=-1)


READ_ON = Task(
    "read_on",
    _read_on,
    _cases,
    (
        Mistake("The output is read before the new token is added: it does not see its own key and value.",
                _with(late=True)),
        Mistake("The sums that come back are the old ones: the next token will not know of this one.", _old_sums),
        Mistake("The sums hold the new token alone. What came before it is forgotten.",
                _with(add=lambda S, z, k, v: (_pair(k, v), k))),
        Mistake("The sum of the keys is the old one: the output is divided by too little.",
                _with(add=lambda S, z, k, v: (S + _pair(k, v), z))),
        Mistake("The sum of the values is the old one. The output is divided by a key whose value is missing.",
                _with(add=lambda S, z, k, v: (S, z + k))),
        Mistake("φ is missing for the query.", _with(phi_q=_as_it_is)),
        Mistake("φ is missing for the key.", _with(phi_k=_as_it_is)),
        Mistake("φ is missing, for query and key.", _both(_as_it_is)),
        Mistake("φ is applied to the key in S, and not in z.",
                _with(phi_k=_as_it_is, add=lambda S, z, k, v: (S + _pair(elu_features(k), v), z + k))),
        Mistake("φ is applied to the key in z, and not in S.",
                _with(phi_k=_as_it_is, add=lambda S, z, k, v: (S + _pair(k, v), z + elu_features(k)))),
        Mistake("This φ is elu(x) without the 1, and that can be negative.", _both(elu)),
        Mistake("This φ is max(x, 0) + 1. Below 0 it should be e to the power x.", _both(lambda x: x.relu() + 1)),
        Mistake("This φ is max(x, 0): all that is below 0 is lost.", _both(torch.relu)),
        Mistake("This φ is e to the power x everywhere. Above 0 it should be x + 1.", _both(torch.exp)),
        Mistake("Here the softmax stands in the place of φ. Linear attention has none.", _both(_softmaxed)),
        Mistake("The division is missing: weights that do not sum to 1 make no average.",
                _with(read=lambda S, z, q: _product(S, q))),
        Mistake("The output is divided by the sum of z. What do the keys weigh for *this* query?",
                _with(read=lambda S, z, q: _product(S, q) / z.sum(dim=-1, keepdim=True))),
        Mistake("The output is divided by the query's features alone. Their product with z is meant.",
                _with(read=lambda S, z, q: _product(S, q) / q.sum(dim=-1, keepdim=True))),
        Mistake("There is a √d here. Linear attention has none: φ of half a query is not half of its φ.",
                lambda S, z, q, k, v: _read_on(S, z, q / q.shape[-1] ** 0.5, k, v)),
        Mistake("Queries and keys have changed places.", lambda S, z, q, k, v: _read_on(S, z, k, q, v)),
        Mistake("S is turned around: a row should belong to a feature of the key, a column to one of the value.",
                _with(add=lambda S, z, k, v: ((S + _pair(k, v)).mT, z + k),
                      read=lambda S, z, q: _read(S.mT, z, q))),
    ),
    returns=("the output", "S", "z"),
)  # fmt: skip


def check_read_on(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a step of linear attention: read_on(S, z, q, k, v) -> output (..., d_v), S (..., d, d_v), z (..., d).

    >>> check_read_on(lambda S, z, q, k, v: (v, S, z))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: read_on: ...
    """
    READ_ON.check(answer, seed)
