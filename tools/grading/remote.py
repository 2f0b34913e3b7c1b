"""A student's function as the examiner sees it: called here, computed in the sandbox, gradients included."""

import builtins
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbook.exercises._outcome import MixedDevicesError
from grading.sandbox import DiedError, Session


class Remote:
    """A function in the sandbox.

    What comes back is plain numbers and new tensors; what it was given is changed here as it was changed there. It
    behaves as a function does under automatic differentiation, on the meta device, and under `peak_bytes`.
    """

    def __init__(self, session: Session, number: int) -> None:
        self.session, self.number = session, number
        self.error: BaseException | None = None  # once out of time, always: each check calls a function many times

    def __call__(self, *args: Any) -> Any:
        if self.error:
            raise self.error
        wants = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
        if torch.autograd._profiler_enabled():
            value = self._taking_as_much(args)
            if not wants:
                return value
        if not wants:
            return self.call(args, [])["value"]
        sent: list[Any] = [None, False]
        results = _Bridge.apply(self, args, wants, sent, *(args[i] for i in wants))
        return _put_together(sent[0], iter(results))

    def call(self, args: tuple, wants: list[int], measure: bool = False) -> dict:
        """The worker's reply, after what it says of the inputs is done to them."""
        plain = [x.detach() if isinstance(x, Tensor) else x for x in args]
        reply = self.ask(do="call", function=self.number, args=plain, measure=measure, wants=wants)
        for mine, theirs in zip(args, reply.get("args") or [], strict=False):
            changed = isinstance(mine, Tensor) and isinstance(theirs, Tensor) and not mine.is_meta
            if changed and not (mine.shape == theirs.shape and torch.equal(mine.nan_to_num(), theirs.nan_to_num())):
                mine.data = theirs.to(mine.dtype)
        return reply

    def ask(self, **request: Any) -> dict:
        """The worker's reply; the student's error is raised here."""
        try:
            reply = self.session.ask(self._function, **request)
        except DiedError as died:
            self.error = died
            raise
        if "error" in reply:
            error = as_error(reply["error"], self.session.limits.call)
            self.error = error if isinstance(error, TimeoutError) else None
            raise error
        return reply

    def _function(self, number: int) -> "Remote":
        return Remote(self.session, number)

    def _taking_as_much(self, args: tuple) -> Any:
        """The value, and for a moment as much memory as the call took in the sandbox, for `peak_bytes` to see.

        The inputs do not come back, as they do from other calls: here they would count.
        """
        reply = self.call(args, [], measure=True)
        peak = reply.get("peak")
        if isinstance(peak, int):
            torch.empty(max(0, min(peak, 2**32)), dtype=torch.uint8)
        return reply.get("value")


class _Bridge(torch.autograd.Function):
    """Forward and backward pass of a call, both in the sandbox."""

    @staticmethod
    def forward(ctx: Any, remote: Remote, args: tuple, wants: list[int], sent: list, *learned: Tensor) -> Any:
        reply = remote.call(args, wants)
        sent[0] = reply.get("value")
        parts = _parts(sent[0])
        learns = [*(reply.get("learns") or []), *[False] * len(parts)]
        ctx.remote = remote
        ctx.places = [i for i, x in enumerate(parts) if isinstance(x, Tensor)]
        ctx.count = len(parts)
        tensors = [parts[i] for i in ctx.places]
        constant = [x for x, i in zip(tensors, ctx.places, strict=True) if learns[i] is not True]
        ctx.mark_non_differentiable(*(x for x in constant))
        ctx.shapes = [x.shape for x in learned]
        return tuple(tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        full: list[Any] = [None] * ctx.count
        for place, gradient in zip(ctx.places, gradients, strict=True):
            full[place] = gradient
        found = ctx.remote.ask(do="backward", gradients=full).get("gradients")
        if not isinstance(found, list) or [getattr(x, "shape", s) for x, s in zip(found, ctx.shapes)] != ctx.shapes:  # noqa: B905 (of unequal length they are unequal)
            raise RuntimeError("the gradients do not have the shapes of the inputs")
        return None, None, None, None, *(x if isinstance(x, Tensor) else None for x in found)


def _parts(value: Any) -> list:
    return list(value) if isinstance(value, tuple | list) else [value]


def _put_together(value: Any, tensors: Any) -> Any:
    """The value with its tensors replaced in turn by those that carry gradients."""
    parts = [next(tensors) if isinstance(x, Tensor) else x for x in _parts(value)]
    return type(value)(parts) if isinstance(value, tuple | list) else parts[0]


def as_error(told: Any, seconds: float) -> BaseException:
    """The student's error, made anew from its description, as `attnbook.exercises` expects errors."""
    kind, words, where = (str(told.get(key, ""))[:2000] for key in ("type", "words", "where"))
    if kind == "MixedDevicesError":
        return MixedDevicesError()
    if kind == "OutOfTimeError":
        return TimeoutError(f"it took longer than {seconds:g} seconds" + (f" ({where})" if where else ""))
    if where and (words or kind != "NotImplementedError"):
        words = f"{words} ({where})"
    known = getattr(builtins, kind, None)
    usual = isinstance(known, type) and issubclass(known, Exception | SystemExit)
    if not usual or (kind == "TypeError" and where):  # a TypeError with no line of theirs is one of the call itself
        known = type(kind if kind.isidentifier() else "Error", (Exception,), {})
    try:
        return known(words) if words else known()
    except TypeError:  # one that wants more than words
        return RuntimeError(f"{kind}: {words}")
