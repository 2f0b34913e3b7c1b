"""Training: one loop for every model of the book, the same on a CPU and a GPU."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

Batch = tuple[Tensor, ...]


class DivergedError(ArithmeticError):
    """The loss became infinite or NaN, so that no further step can mend the model.

    >>> import torch
    >>> from torch import nn
    >>> from attnbook.training import fit
    >>> def batches(generator):
    ...     return (torch.ones(3, 1),)
    >>> def loss(model, batch):
    ...     return model(*batch).mean() / 0
    >>> try:
    ...     fit(nn.Linear(1, 1), loss, batches, steps=5, device="cpu")
    ... except DivergedError as error:
    ...     print("step 1" in str(error))
    True
    """


def best_device() -> torch.device:
    """The fastest device of this machine: a CUDA GPU, Apple's, or the CPU.

    >>> best_device().type in {"cuda", "mps", "cpu"}
    True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_everything(seed: int) -> torch.Generator:
    """Seed torch on every device, and return a generator of its own on the CPU, for data, with the same seed.

    >>> seed_everything(3).initial_seed()
    3
    """
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def count_parameters(model: nn.Module) -> int:
    """How many numbers of the model are learned.

    >>> from torch import nn
    >>> count_parameters(nn.Linear(3, 5))
    20
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, Batch], Tensor],
    batches: Callable[[torch.Generator], Batch],
    steps: int,
    *,
    lr: float = 3e-3,
    seed: int = 0,
    device: torch.device | str | None = None,
    precision: torch.dtype | None = None,
    checkpoint: str | Path | None = None,
) -> list[float]:
    """Train the model in place: AdamW, gradients clipped to norm 1, the rate rising for a tenth of the steps, then
    falling to 0 in a straight line.

    Args:
        model: moved to the device, trained, and left there in evaluation mode.
        loss: (model, batch) -> a tensor of one number.
        batches: (generator) -> a batch, a tuple of tensors; all its chance comes from the generator, which lives on
            the CPU, so that the data are the same on every device.
        steps: number of batches.
        lr: the highest learning rate.
        seed: of the batches and of the model's dropout. (Seed the model's first weights where you build it.)
        device: `best_device()` if None.
        precision: torch.bfloat16 or torch.float16 for mixed precision on a GPU; None computes in the weights' own.
        checkpoint: a file to go on from, if it exists. It is written at an interrupt and at the end, all or nothing;
            a run that was interrupted and resumed ends with the losses of one that was not.
    Returns:
        the loss of each step, a list of `steps` floats.
    Raises:
        DivergedError: the loss is no longer finite; the message names the step and the last good loss.
        KeyboardInterrupt: at an interrupt, after the step under way is done and the checkpoint is written.
        ValueError: steps or lr is not positive, or the checkpoint was made with other steps, lr or seed.

    >>> import torch
    >>> from torch import nn
    >>> def batches(generator):  # the task: double a number
    ...     x = torch.randn(8, 1, generator=generator)
    ...     return x, 2 * x
    >>> def loss(model, batch):
    ...     x, y = batch
    ...     return (model(x) - y).square().mean()
    >>> model = nn.Linear(1, 1)
    >>> losses = fit(model, loss, batches, steps=200, lr=0.1, device="cpu")
    >>> len(losses), round(model.weight.item(), 1)
    (200, 2.0)
    """
    if steps < 1 or not lr > 0:
        raise ValueError(f"expected steps of at least 1 and a positive lr, got steps={steps} and lr={lr}")
    device = torch.device(device) if device is not None else best_device()
    run = _Run(model.to(device), steps, lr, seed, precision, device)
    if checkpoint is not None and Path(checkpoint).exists():
        run.load(Path(checkpoint))
    model.train()
    with _interrupts() as interrupted, _progress_bar(steps, len(run.losses)) as bar:
        while len(run.losses) < steps and not interrupted.is_set():
            run.step(loss, batches)
            bar.set_postfix_str(f"loss {run.losses[-1]:.3f}", refresh=False)
            bar.update()
    model.eval()
    if checkpoint is not None:
        run.save(Path(checkpoint))
    if interrupted.is_set():
        advice = f"call again to go on from {checkpoint}" if checkpoint else "nothing was saved: give checkpoint=FILE"
        raise KeyboardInterrupt(f"stopped after {len(run.losses)} of {steps} steps; {advice}")
    return run.losses


class _Run:
    """All that a training run consists of besides its data: what a checkpoint must hold."""

    def __init__(
        self, model: nn.Module, steps: int, lr: float, seed: int, precision: torch.dtype | None, device: torch.device
    ) -> None:
        self.settings = {"steps": steps, "lr": lr, "seed": seed}
        self.model, self.device, self.precision = model, device, precision
        self.generator = seed_everything(seed)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        warm = max(1, steps // 10)
        rate = lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))  # noqa: E731
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rate)
        # float16 has so few exponents that small gradients would vanish: the scaler lifts them. bfloat16 needs none.
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
        self.losses: list[float] = []

    def step(self, loss: Callable[[nn.Module, Batch], Tensor], batches: Callable[[torch.Generator], Batch]) -> None:
        batch = tuple(x.to(self.device) for x in batches(self.generator))
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None):
            value = loss(self.model, batch)
        number = value.item()
        if not torch.isfinite(value):
            last = f"the loss before was {self.losses[-1]:.3g}" if self.losses else "it was the first"
            raise DivergedError(
                f"the loss is {number} at step {len(self.losses) + 1} ({last}). "
                f"Try a smaller lr than {self.settings['lr']:g}, or look for log(0), 0/0 or a fully masked row."
            )
        self.optimizer.zero_grad()
        self.scaler.scale(value).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self.losses.append(number)

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "scaler": self.scaler}

    def save(self, path: Path) -> None:
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"settings": self.settings, "losses": self.losses, "data": self.generator.get_state()}
        state["random"] = torch.get_rng_state()
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.device)
        unfinished = path.with_name(path.name + ".unfinished")
        torch.save(state, unfinished)
        os.replace(unfinished, path)  # the old file or the new one, never half of one

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["settings"] != self.settings:
            raise ValueError(
                f"{path} was made with {state['settings']}, this run has {self.settings}: "
                "use the same settings to go on, or another file to start anew"
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.losses = state["losses"]
        self.generator.set_state(state["data"].cpu())
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or the notebook's stop button) into an event, so that no step is left half done."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)  # a second one stops at once

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _progress_bar(steps: int, done: int) -> tqdm:
    """A bar in a terminal or a notebook, nothing where output goes to a file (or TQDM_DISABLE is set)."""
    screen = sys.stderr.isatty() or "ipykernel" in sys.modules
    quiet = not screen or os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    return tqdm(total=steps, initial=done, unit="step", leave=False, disable=quiet)
