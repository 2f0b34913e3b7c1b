"""The training loop: seeds, interrupts, checkpoints, divergence, precision, and several processes."""

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from test_distributed import in_processes
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from attnbook.training import DivergedError, best_device, count_parameters, fit, loop, seed_everything

STEPS = 23


def line(width: int = 3) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(width, 7), nn.Dropout(0.2), nn.Tanh(), nn.Linear(7, 1))


def squared_error(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def draw(generator):
    x = torch.randn(11, 3, generator=generator)
    return x, x.sum(dim=-1, keepdim=True)


def test_learns_and_returns_a_loss_for_each_step():
    model = nn.Linear(3, 1)
    losses = fit(model, squared_error, draw, 200, lr=0.05, device="cpu")
    assert len(losses) == 200
    assert losses[-1] < 0.01 * losses[0]
    assert torch.allclose(model.weight, torch.ones(1, 3), atol=0.1)
    assert not model.training


def test_the_same_seed_gives_the_same_losses_and_another_does_not():
    runs = [fit(line(), squared_error, draw, STEPS, seed=seed, device="cpu") for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_first_step_is_the_one_computed_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    # AdamW's first step moves by the rate itself, against the gradient's sign, after shrinking the weight by
    # rate × 0.01. With one step in all the rate is lr: 2 · (1 - 0.1 · 0.01) - 0.1 = 1.898.
    fit(model, lambda m, b: m(b[0]).square().mean(), lambda g: (torch.ones(1, 1),), 1, lr=0.1, device="cpu")
    assert model.weight.item() == pytest.approx(1.898, abs=1e-6)


def interrupt_at(step, draw=draw):
    """Batches that send this process the signal of Ctrl-C while one step is under way."""
    count = 0

    def batches(generator):
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGINT)
        return draw(generator)

    return batches


def test_an_interrupted_run_resumes_to_the_same_losses(tmp_path):
    file = tmp_path / "run.pt"
    whole = fit(line(), squared_error, draw, STEPS, device="cpu")
    with pytest.raises(KeyboardInterrupt, match=f"stopped after 7 of {STEPS} steps"):
        fit(line(), squared_error, interrupt_at(7), STEPS, device="cpu", checkpoint=file)
    model = line()
    assert fit(model, squared_error, draw, STEPS, device="cpu", checkpoint=file) == whole
    reference = line()
    fit(reference, squared_error, draw, STEPS, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), reference.parameters(), strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_an_interrupt_without_checkpoint_says_that_nothing_was_saved_and_restores_the_handler():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
        fit(line(), squared_error, interrupt_at(2), STEPS, device="cpu")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_checkpoint_is_not_trained_again(tmp_path):
    file = tmp_path / "run.pt"
    first = fit(line(), squared_error, draw, STEPS, device="cpu", checkpoint=file)

    def never(generator):
        raise AssertionError("a batch was drawn")

    assert fit(line(), squared_error, never, STEPS, device="cpu", checkpoint=file) == first


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    file = tmp_path / "run.pt"
    fit(line(), squared_error, draw, STEPS, device="cpu", checkpoint=file)
    with pytest.raises(ValueError, match=r"'steps': 23.*'steps': 29"):
        fit(line(), squared_error, draw, 29, device="cpu", checkpoint=file)


def squared_error_then(bad_step):
    calls = 0

    def loss(model, batch):
        nonlocal calls
        calls += 1
        return squared_error(model, batch) * (float("inf") if calls == bad_step else 1.0)

    return loss


def test_a_diverged_loss_is_reported_as_such():
    with pytest.raises(DivergedError, match=r"loss is inf at step 5 \(the loss before was .*smaller lr than 0.003"):
        fit(line(), squared_error_then(5), draw, STEPS, device="cpu")


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": -3}, {"lr": 0.0}, {"lr": float("nan")}])
def test_bad_arguments_say_what_was_expected(wrong):
    arguments = {"steps": STEPS, "lr": 0.1} | wrong
    steps = arguments.pop("steps")
    with pytest.raises(ValueError, match="expected steps of at least 1 and a positive lr, got"):
        fit(line(), squared_error, draw, steps, **arguments)


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights():
    seen = []

    def loss(model, batch):
        out = model(batch[0])
        seen.append(out.dtype)
        return (out.float() - batch[1]).square().mean()

    model = line()
    losses = fit(model, loss, draw, STEPS, device="cpu", precision=torch.bfloat16)
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert losses[-1] < losses[0]


def test_seed_everything_seeds_torch_and_a_generator_of_its_own():
    generator = seed_everything(31)
    a, b = torch.rand(5), torch.rand(5, generator=generator)
    seed_everything(31)
    assert torch.equal(a, torch.rand(5))
    assert torch.equal(a, b)


def test_best_device_can_hold_a_tensor_and_parameters_are_counted():
    assert torch.ones(2, device=best_device()).sum().item() == 2
    model = nn.Linear(3, 5)
    model.bias.requires_grad_(False)
    assert count_parameters(model) == 15


def test_a_pair_of_total_and_count_is_their_quotient():
    def pair(model, batch):
        x, y = batch
        return (model(x) - y).square().sum(), len(x)

    runs = [fit(line(), loss, draw, STEPS, device="cpu") for loss in (squared_error, pair)]
    assert runs[0] == pytest.approx(runs[1], rel=1e-5)


# --- Several processes -----------------------------------------------------------------------------------------------
#
# torchrun starts two real processes, each of which goes through all of `scenarios` and stores what it got. The tests
# compare that with what one process gets from the whole batch.

TOGETHER = {"lr": 0.05, "device": "cpu"}


class Tagger(nn.Module):
    """Classes for the tokens of sequences of several lengths; a part that no loss uses; and no dropout."""

    width = 3

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.embed, self.out = nn.Embedding(7, 5, dtype=torch.float64), nn.Linear(5, 7, dtype=torch.float64)
        self.spare = nn.Linear(2, 3, dtype=torch.float64)

    def forward(self, tokens):
        return self.out(self.embed(tokens).tanh())

    def squares(self, tokens):
        return self(tokens).square().mean()


def tokens(generator):
    """Eleven sequences, so that two processes have 5 and 6 of them, with tokens 1 to 6 and fillings of 0."""
    drawn = torch.randint(1, 7, (11, 13), generator=generator)
    lengths = torch.randint(1, 14, (11, 1), generator=generator)
    return drawn * (torch.arange(13) < lengths), drawn[:, 0]


def mean_over_rows(model, batch):
    return cross_entropy(model(batch[0]).mean(dim=1), batch[1])


def mean_over_tokens(model, batch):
    """What is to be told is the token itself, fillings aside."""
    total = cross_entropy(model(batch[0]).flatten(0, 1), batch[0].flatten(), ignore_index=0, reduction="sum")
    return total, (batch[0] != 0).sum()


def uses_an_attribute(model, batch):
    return mean_over_rows(model, batch) * model.width


def two_runs_of_one_model():
    model = Tagger()
    run_of(mean_over_rows, model)
    mean_over_tokens(model, tokens(torch.Generator().manual_seed(3)))[0].backward()  # the model is the caller's again
    return run_of(mean_over_tokens, model)


def message_of(error, call):
    try:
        call()
    except error as raised:
        return f"{type(raised).__name__}: {raised}"
    return "nothing was raised"


def run_of(loss, model=None, batches=tokens, steps=STEPS, **options):
    model = model or Tagger()
    losses = fit(model, loss, batches, steps, **TOGETHER | options)
    assert not model.training
    return {"losses": losses, "weights": [p.detach() for p in model.parameters()], "type": type(model).__name__}


def with_batch_norm(rank):
    model = nn.Sequential(nn.Linear(3, 7), nn.BatchNorm1d(7), nn.Linear(7, 1))
    fit(model, squared_error, draw, STEPS, **TOGETHER)
    return [x.clone() for x in model.state_dict().values()]


def dropped_out():
    """What dropout leaves of a vector of ones in the first step: which numbers, in this process?"""
    seen = []

    def loss(model, batch):
        seen.append(model(batch[0]).detach())
        return squared_error(model, batch)

    fit(nn.Sequential(nn.Linear(3, 31), nn.Dropout(), nn.Linear(31, 1)), loss, draw, 1, **TOGETHER)
    kept = nn.functional.dropout(torch.ones(31))  # the next draw of the same random numbers
    return kept, seen[0]


def bars_shown():
    shown, tqdm = [], loop.tqdm
    loop.tqdm = lambda **options: shown.append(not options["disable"]) or tqdm(**options | {"disable": True})
    sys.stderr.isatty = lambda: True
    os.environ.pop("TQDM_DISABLE", None)
    fit(Tagger(), mean_over_rows, tokens, 1, **TOGETHER)
    loop.tqdm = tqdm
    return shown


def scenarios(folder):
    """All that each of the two processes goes through. None of it says that there are two."""
    rank, folder = int(os.environ["RANK"]), Path(folder)
    interrupted = partial(fit, line(), squared_error, interrupt_at(7) if rank else draw, STEPS, device="cpu")
    noticed = partial(fit, Tagger(), mean_over_rows, interrupt_at(7, tokens) if rank else tokens, STEPS, **TOGETHER)
    found = {
        "rows": run_of(mean_over_rows),
        "tokens": run_of(mean_over_tokens),
        "attribute": run_of(uses_an_attribute),
        "twice": two_runs_of_one_model(),
        "whole": fit(line(), squared_error, draw, STEPS, device="cpu"),
        "interrupt": message_of(KeyboardInterrupt, partial(interrupted, checkpoint=folder / "line.pt")),
        "resumed": fit(line(), squared_error, draw, STEPS, device="cpu", checkpoint=folder / "line.pt"),
        "for one": message_of(KeyboardInterrupt, partial(noticed, checkpoint=folder / "tagger.pt")),
        "diverged": message_of(DivergedError, partial(
            fit, line(), squared_error_then(5 if rank else -1), draw, STEPS, device="cpu")),
        "method": message_of(RuntimeError, partial(run_of, lambda model, batch: model.squares(batch[0]))),
        "small": message_of(ValueError, partial(run_of, mean_over_rows, batches=lambda g: (torch.ones(1, 3),))),
        "uneven": message_of(ValueError, partial(
            run_of, mean_over_rows, batches=lambda g: (torch.ones(5, 3), torch.ones(2)))),
        "batch norm": with_batch_norm(rank),
        "dropout": dropped_out(),
        "bars": bars_shown(),
    }  # fmt: skip
    torch.save(found, folder / f"{rank}.pt")


def torchrun(function, folder, seconds=400):
    """Call a function of this file in two processes, as a user starts a script; return the exit code and output."""
    script = folder / "script.py"
    script.write_text(f"import sys\nsys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
                      f"import test_training\ntest_training.{function.__name__}({str(folder)!r})\n")  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
               "--master-port", str(port), str(script)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its processes first
        output, _ = process.communicate()
        pytest.fail(f"torchrun has not ended after {seconds} s:\n{output}")
    return process.returncode, output


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What the two processes got, and the folder of their files."""
    folder = tmp_path_factory.mktemp("torchrun")
    code, output = torchrun(scenarios, folder)
    assert code == 0, output
    assert "Warning" not in output
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)], folder


def assert_same_run(mine, expected):
    assert mine["type"] == expected["type"]
    assert mine["losses"] == pytest.approx(expected["losses"], rel=1e-12)
    assert_close(mine["weights"], expected["weights"], rtol=1e-10, atol=1e-10)


RUNS = {
    "rows": partial(run_of, mean_over_rows),
    "tokens": partial(run_of, mean_over_tokens),
    "attribute": partial(run_of, uses_an_attribute),
    "twice": two_runs_of_one_model,
}


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_as_one_does(name, two):
    one = RUNS[name]()
    for found in two[0]:
        assert_same_run(found[name], one)
    for a, b in zip(two[0][0][name]["weights"], two[0][1][name]["weights"], strict=True):
        assert torch.equal(a, b)


def test_an_interrupt_of_one_process_stops_both_and_they_resume_to_the_same_losses(two):
    found, folder = two
    for rank in (0, 1):
        assert found[rank]["interrupt"].startswith(f"KeyboardInterrupt: stopped after 7 of {STEPS} steps; call again")
        assert found[rank]["resumed"] == found[rank]["whole"] == found[0]["whole"]
    assert not list(folder.glob("*.unfinished"))


def test_one_process_goes_on_where_two_stopped(two):
    assert "stopped after 7" in two[0][0]["for one"]
    assert_same_run(run_of(mean_over_rows, checkpoint=two[1] / "tagger.pt"), two[0][0]["rows"])


def test_a_loss_that_diverges_in_one_process_is_reported_by_both(two):
    for found in two[0]:
        assert found["diverged"].startswith("DivergedError: the loss is inf at step 5")


def test_what_cannot_be_shared_is_refused(two):
    for found in two[0]:
        assert "RuntimeError: the loss should call model(...)" in found["method"]
        assert found["small"].startswith("ValueError: a batch of 1 cannot be shared between 2 processes")
        assert "one length on axis 0, got (5, 3), (2,)" in found["uneven"]


def test_all_processes_end_with_the_same_statistics_of_batch_norm(two):
    for a, b in zip(two[0][0]["batch norm"], two[0][1]["batch norm"], strict=True):
        assert torch.equal(a, b)


def test_each_process_drops_out_by_itself(two):
    (kept, first), (other_kept, second) = (found["dropout"] for found in two[0])
    assert not torch.equal(kept, other_kept)
    assert first.shape == (5, 1)
    assert second.shape == (6, 1)


def test_only_the_first_process_shows_a_bar(two):
    assert [found["bars"] for found in two[0]] == [[True], [False]]


def one_fails(folder):
    def batches(generator):
        if os.environ["RANK"] == "1":
            raise ArithmeticError("a planted failure")
        return tokens(generator)

    fit(Tagger(), mean_over_rows, batches, STEPS, **TOGETHER)


def test_a_process_that_fails_ends_the_run_with_its_message(tmp_path):
    code, output = torchrun(one_fails, tmp_path, seconds=200)
    assert code != 0
    assert "a planted failure" in output


def in_a_group_of_the_callers(rank, world, folder):
    torch.save(run_of(mean_over_rows), folder / f"{rank}.pt")
    assert dist.get_world_size() == world  # the caller's group is left to the caller


def test_a_process_group_of_the_callers_is_used(tmp_path):
    in_processes(3, partial(in_a_group_of_the_callers, folder=tmp_path), tmp_path)
    for rank in range(3):
        assert_same_run(torch.load(tmp_path / f"{rank}.pt"), run_of(mean_over_rows))
