"""How fast tokens can be written: bounded by the operations, or by the bytes that are fetched."""

from collections.abc import Callable
from typing import Any

from attnbook.costs import Cost
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

Speed = Callable[..., float]


def _step(m: int, n: int, parameters: float, cached: float) -> Cost:
    """One step of m conversations of n tokens: two bytes a number, two operations for each that is used."""
    operations, moved = 2 * m * (parameters + n * cached), 2 * (parameters + m * n * cached)
    return Cost(operations, 0, moved)  # type: ignore[arg-type]


def _speed(m: int, n: int, parameters: float, cached: float, calculates: float, fetches: float) -> float:
    return m / _step(m, n, parameters, cached).least_seconds(calculates, fetches)


def _of(seconds: Callable[..., float], written: bool = True) -> Speed:
    """The speed if operations and bytes were these; `seconds` is told m, n, p, c and the machine's two speeds."""
    return lambda m, *x: (m if written else 1) / seconds(m, *x)


def _bound(operations: Callable[..., float], moved: Callable[..., float]) -> Speed:
    return _of(lambda m, n, p, c, f, b: max(operations(m, n, p, c) / f, moved(m, n, p, c) / b))


def _operations(m: int, n: int, p: float, c: float) -> float:
    return _step(m, n, p, c).operations


def _moved(m: int, n: int, p: float, c: float) -> float:
    return _step(m, n, p, c).moved


def _speed_cases(draw: Draw) -> list[Case]:
    m, n, p, c = draw.sizes(4, least=3)
    parameters, cached = p * 1.3e6, c * 800.0
    many, long = 400 + m, 500 * n
    return [
        Case("", (m, long, parameters, cached, 9e12, 1e11)),
        Case("with many conversations of short texts", (many, 1, parameters, cached, 9e12, 1e11),
             "With many conversations it is no longer the bytes that hold a step up."),
        Case("with empty texts", (m, 0, parameters, cached, 9e12, 1e11), "The cache may be empty."),
        Case("with one conversation", (1, long, parameters, cached, 9e12, 1e11), "There may be one conversation."),
        Case("with long texts, and slow at calculating", (many, long, parameters, cached, 2e10, 1e11),
             "Attention's operations count, too."),
    ]  # fmt: skip


TOKENS_A_SECOND = Task(
    "tokens_a_second",
    _speed,
    _speed_cases,
    (
        Mistake("This is the number of steps a second. Each step writes a token for each of the m conversations.",
                _of(lambda m, n, p, c, f, b: _step(m, n, p, c).least_seconds(f, b), written=False)),
        Mistake("This is the time, in seconds: of one step, or of one token.",
                lambda *x: 1 / _speed(*x)),
        Mistake("This is the time, in seconds: of one step, or of one token.",
                lambda m, *x: m / _speed(m, *x)),
        Mistake("The two times were added up. Calculating and fetching go on together: the longer one counts.",
                _of(lambda m, n, p, c, f, b: _operations(m, n, p, c) / f + _moved(m, n, p, c) / b)),
        Mistake("The shorter of the two times was taken. A step is over when both are done.",
                _of(lambda m, n, p, c, f, b: min(_operations(m, n, p, c) / f, _moved(m, n, p, c) / b))),
        Mistake("The bytes alone are counted. With many conversations the operations take longer.",
                _of(lambda m, n, p, c, f, b: _moved(m, n, p, c) / b)),
        Mistake("The operations alone are counted. Parameters and caches must be fetched, too.",
                _of(lambda m, n, p, c, f, b: _operations(m, n, p, c) / f)),
        Mistake("The parameters are fetched anew for each conversation. One step fetches them once for all.",
                _bound(_operations, lambda m, n, p, c: 2 * m * (p + n * c))),
        Mistake("The cache is fetched once for all. Each conversation has its own.",
                _bound(_operations, lambda m, n, p, c: 2 * (p + n * c))),
        Mistake("The caches are missing from what is fetched.", _bound(_operations, lambda m, n, p, c: 2 * p)),
        Mistake("The cache of one token is fetched. A new token meets all n.",
                _bound(_operations, lambda m, n, p, c: 2 * (p + m * c))),
        Mistake("Numbers were taken for bytes: each has two.",
                _bound(_operations, lambda m, n, p, c: p + m * n * c)),
        Mistake("Four bytes a number are counted; here each has two.",
                _bound(_operations, lambda m, n, p, c: 4 * (p + m * n * c))),
        Mistake("Parameters have two bytes each; the numbers of the cache have two as well.",
                _bound(_operations, lambda m, n, p, c: 2 * p + m * n * c)),
        Mistake("A multiplication comes with an addition: two operations for each number that is used.",
                _bound(lambda m, n, p, c: m * (p + n * c), _moved)),
        Mistake("The operations are those of one conversation; there are m.",
                _bound(lambda m, n, p, c: 2 * (p + n * c), _moved)),
        Mistake("The operations are those of reading n tokens. A step writes one a conversation.",
                _bound(lambda m, n, p, c: 2 * m * n * (p + c), _moved)),
        Mistake("Attention's operations are missing: each number of the cache is used, too.",
                _bound(lambda m, n, p, c: 2 * m * p, _moved)),
        Mistake("The machine's two speeds have changed places.",
                lambda m, n, p, c, f, b: _speed(m, n, p, c, b, f)),
    ),
    returns=("the speed",),
)  # fmt: skip


def check_tokens_a_second(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a bound on writing: tokens_a_second(m, n, parameters, cached, calculates, fetches).

    >>> check_tokens_a_second(lambda *x: 1 / _speed(*x))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: tokens_a_second: This is the time, in seconds: of one step, or of one token....
    """
    TOKENS_A_SECOND.check(answer, seed)
