"""The training loop: seeds, interrupts, checkpoints, divergence, precision."""

import os
import signal

import pytest
import torch
from torch import nn

from attnbook.training import DivergedError, best_device, count_parameters, fit, seed_everything

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


def interrupt_at(step):
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
