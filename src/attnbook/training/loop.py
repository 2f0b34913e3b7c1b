"""The loop that trains every model of the book."""

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from attnbook.training._processes import Batch, Loss, Processes
from attnbook.training.basics import seed_everything


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


def fit(
    model: nn.Module,
    loss: Loss,
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

    `torchrun --nproc-per-node 4 script.py` trains the same model in four processes, with no changed line: on a GPU
    each, or all on the CPU. Each takes its share of the rows (axis 0) of every batch, and DistributedDataParallel
    averages their gradients. Losses and weights are those of one process with whole batches, up to rounding, if no row
    depends on another. So losses that compare rows, and batch normalisation, see a share only. A mean over tokens must
    be given as (total, count), since shares hold different numbers of them. Each process drops out by a seed of its
    own. An interrupt or a diverged loss in one stops all after the same step. The first shows the bar and writes the
    checkpoint, which all must be able to read.

    Args:
        model: moved to the device, trained, and left there in evaluation mode.
        loss: (model, batch) -> a tensor of one number, the mean over the batch; or a pair (total, count), whose
            quotient is the mean over something else, as over the tokens that are no filling. In several processes it
            must call `model(...)`, and use the same parameters in each step.
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
        ValueError: steps or lr is not positive, the checkpoint was made with other steps, lr or seed, or a batch
            cannot be shared between the processes.
        RuntimeError: in several processes the loss did not call `model(...)`.

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
    processes = Processes.join(device)
    run = _Run(model.to(processes.device), steps, lr, seed, precision, processes)
    if checkpoint is not None and processes.gather(Path(checkpoint).exists())[0]:
        run.load(Path(checkpoint))
    run.shared.train()
    with _interrupts() as interrupted, _progress_bar(steps, len(run.losses), show=processes.first) as bar:
        stopped = processes.any(interrupted.is_set())
        while len(run.losses) < steps and not stopped:
            run.step(loss, batches)
            bar.set_postfix_str(f"loss {run.losses[-1]:.3f}", refresh=False)
            bar.update()
            stopped = processes.any(interrupted.is_set())
    run.finish()
    if checkpoint is not None:
        run.save(Path(checkpoint))
    if stopped:
        advice = f"call again to go on from {checkpoint}" if checkpoint else "nothing was saved: give checkpoint=FILE"
        raise KeyboardInterrupt(f"stopped after {len(run.losses)} of {steps} steps; {advice}")
    return run.losses


class _Run:
    """All that a training run consists of besides its data: what a checkpoint must hold."""

    def __init__(
        self, model: nn.Module, steps: int, lr: float, seed: int, precision: torch.dtype | None, processes: Processes
    ) -> None:
        self.settings = {"steps": steps, "lr": lr, "seed": seed}
        self.model, self.precision, self.processes, self.device = model, precision, processes, processes.device
        self.shared = processes.wrap(model)
        self.generator = seed_everything(seed)  # the same batches in all processes
        torch.manual_seed(seed + 1_000_003 * processes.rank)  # and a dropout of its own in each
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        warm = max(1, steps // 10)
        rate = lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))  # noqa: E731
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rate)
        # float16 has so few exponents that small gradients would vanish: the scaler lifts them. bfloat16 needs none.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == torch.float16)
        self.losses: list[float] = []

    def step(self, loss: Loss, batches: Callable[[torch.Generator], Batch]) -> None:
        batch = batches(self.generator)
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None):
            value, number = self.processes.joined_loss(loss, self.shared, batch)
        if not math.isfinite(number):
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

    def finish(self) -> None:
        self.model.eval()
        self.processes.level(self.model)

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "scaler": self.scaler}

    def save(self, path: Path) -> None:
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"settings": self.settings, "losses": self.losses, "data": self.generator.get_state()}
        state["random"] = self.processes.gather(torch.get_rng_state())
        if self.device.type == "cuda":
            state["random_cuda"] = self.processes.gather(torch.cuda.get_rng_state(self.device))
        if self.processes.first:
            unfinished = path.with_name(path.name + ".unfinished")
            torch.save(state, unfinished)
            os.replace(unfinished, path)  # the old file or the new one, never half of one
        self.processes.any(False)  # the others wait until it is there

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
        rank = self.processes.rank
        if rank < len(state["random"]):  # a process that joined later keeps the seed of its own
            torch.set_rng_state(state["random"][rank].cpu())
        if self.device.type == "cuda" and rank < len(state.get("random_cuda", [])):
            torch.cuda.set_rng_state(state["random_cuda"][rank].cpu(), self.device)


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


def _progress_bar(steps: int, done: int, *, show: bool) -> tqdm:
    """A bar in a terminal or a notebook, nothing where output goes to a file (or TQDM_DISABLE is set)."""
    screen = sys.stderr.isatty() or "ipykernel" in sys.modules
    quiet = not show or not screen or os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    return tqdm(total=steps, initial=done, unit="step", leave=False, disable=quiet)
