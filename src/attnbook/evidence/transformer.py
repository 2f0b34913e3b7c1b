"""Number words with a small Transformer: chapter 8 races it against chapter 2's model, and takes it apart."""

import random
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attnbook.data import number_words
from attnbook.data.number_words import NumberWords
from attnbook.evidence import FOLDER, ablations, save_results, translation
from attnbook.evidence.ablations import Translator
from attnbook.training import count_parameters, fit

# As many parameters as chapter 2's model with attention has: 18,540 and 18,545.
SMALL: dict[str, Any] = {"d_model": 20, "num_heads": 2, "num_layers": 2, "d_ff": 40}
DEEP: dict[str, Any] = {"d_model": 16, "num_heads": 2, "num_layers": 6, "d_ff": 32}
LEARNING_RATES = (0.005, 0.01, 0.02, 0.04)
BEST_RATE = 0.02  # of those, for SMALL at 600 steps
LONGEST_TRAINED = 11  # morphemes, where longer ones than were trained are asked for
WITHOUT = ("residuals", "norms", "networks", "positions", "cross-attention", "causal mask")
CHECKPOINT_STEPS = 2400
CHECKPOINT = FOLDER / "transformer.safetensors"


def short(task: NumberWords, longest: int = LONGEST_TRAINED) -> NumberWords:
    """The task with only those training numbers whose German has at most `longest` morphemes; tests as before.

    >>> task = short(number_words.load(train=1000, test=10))
    >>> max(len(number_words.translate(number)[1]) for number in task.train)
    11
    """
    return replace(task, train=[n for n in task.train if len(number_words.translate(n)[1]) <= longest])


def swapped_pairs(task: NumberWords, count: int = 200, longest: int = 17, seed: int = 0) -> list[tuple[int, int]]:
    """Pairs of numbers made of the same words in another order, as 203,045 and 45,203; none was trained.

    >>> swapped_pairs(number_words.load(train=1000, test=10), count=1)
    [(865395, 395865)]
    """
    chance, seen = random.Random(seed), set(task.train)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        one, other = chance.sample(range(1, 1000), 2)
        pair = (1000 * one + other, 1000 * other + one)
        long = max(len(number_words.translate(number)[1]) for number in pair)
        if not seen & {*pair} and long <= longest:
            pairs.append(pair)
    return pairs


def train(
    model: nn.Module, task: NumberWords, seed: int, steps: int, lr: float, batch_size: int, *, warm_up: bool = True
) -> list[float]:
    """Train a translator in place, and return the loss of each step; without warm-up the rate starts at its highest."""
    batches = task.batches(batch_size)
    if warm_up:
        return fit(model, translation.loss, batches, steps, lr=lr, seed=seed)
    generator, losses = torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)  # all but the schedule as in `fit`
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (steps - step) / steps)
    for _ in range(steps):
        value = translation.loss(model, batches(generator))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    model.eval()
    return losses


def share_right(model: Any, task: NumberWords, numbers: list[int]) -> float:
    """The share of numbers whose whole translation is right."""
    said, _ = translation.translate(model, task, numbers)
    return sum(s == number_words.translate(n)[1] for s, n in zip(said, numbers, strict=True)) / len(numbers)


class OneHead(nn.Module):
    """A model that returns the weights of one cross-attention head, as if it had no other: for `alignment_facts`.

    >>> task = number_words.load(train=1000, test=10)
    >>> source, target = task.encode([345])
    >>> OneHead(ablations.build(task, **SMALL), layer=1, head=0)(source, target)[1].shape
    torch.Size([1, 7, 4])
    """

    def __init__(self, model: Translator, layer: int, head: int) -> None:
        super().__init__()
        self.model, self.layer, self.head = model, layer, head

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the weights (b, n_q, n_k) of the head."""
        logits, weights = self.model(source, target, need_weights=True)
        return logits, weights[self.layer][1][:, self.head]


def alignment_by_head(model: Translator, task: NumberWords) -> list[list[dict[str, float]]]:
    """`translation.alignment_facts` of each cross-attention head, by layer and head."""
    heads, layers = range(model.num_heads), range(len(model.decoder.layers))
    one: Any = OneHead  # it has all of a `Seq2Seq` that the facts ask for
    return [[translation.alignment_facts(one(model, layer, head), task) for head in heads] for layer in layers]


def run(
    task: NumberWords,
    name: str,
    seed: int,
    *,
    shape: dict[str, Any] = SMALL,
    steps: int = 600,
    lr: float = BEST_RATE,
    batch_size: int = 64,
    warm_up: bool = True,
    longest: int = 17,
    pairs: int = 0,
    **options: Any,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train one model from scratch and measure it: the model, and its row of the results file.

    Args:
        task: of all lengths.
        name: of the experiment; in "recurrent" the model is chapter 2's, else a Transformer.
        seed: of the weights and the batches.
        shape, options: as in `ablations.build`.
        steps, lr, batch_size, warm_up: of the training.
        longest: in morphemes, of the training numbers.
        pairs: how many pairs of `swapped_pairs` to ask for.
    """
    if name == "recurrent":
        model: Any = translation.build(task, "attention", seed)
    else:
        model = ablations.build(task, seed, **{**shape, **options})
    seen = task if longest == 17 else short(task, longest)
    losses = train(model, seen, seed, steps, lr, batch_size, warm_up=warm_up)
    row: dict[str, Any] = {"name": name, "seed": seed, "steps": steps, "lr": lr, "batch_size": batch_size}
    row |= {"warm_up": warm_up, "longest": longest, **options, "parameters": count_parameters(model)}
    row |= {"loss": sum(losses[-20:]) / len(losses[-20:]), "accuracy": translation.accuracy_by_length(model, task)}
    if name == "race":
        row["alignment"] = alignment_by_head(model, task)
    if pairs:
        both = swapped_pairs(task, pairs, longest)
        row["pairs"] = share_right(model, task, [number for pair in both for number in pair])
    return model, row


def load_transformer(task: NumberWords, device: torch.device | str = "cpu") -> Translator:
    """The translator that the chapter explores, its weights rounded to float16 and back."""
    model = ablations.build(task, **SMALL).to(device)
    weights = load_file(CHECKPOINT, device=str(device))
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return model.eval()


def train_checkpoint() -> None:
    """Train the translator that the chapter explores (two minutes), round it to float16 and write it."""
    task = number_words.load()
    model = ablations.build(task, **SMALL)
    train(model, task, seed=0, steps=CHECKPOINT_STEPS, lr=BEST_RATE, batch_size=64)
    save_file({name: weight.half().cpu() for name, weight in model.state_dict().items()}, CHECKPOINT)


def plan() -> list[dict[str, Any]]:
    """Every run that the chapter quotes: `run`'s arguments."""
    race = [{"name": "race", "seed": 0, "lr": lr, "batch_size": 128} for lr in LEARNING_RATES if lr != BEST_RATE]
    race += [
        {"name": "race", "seed": seed, "steps": steps, "batch_size": 128} for steps in (600, 300) for seed in range(3)
    ]
    whole: list[dict[str, Any]] = [{"name": "parts"}, {"name": "parts", "num_heads": 1}]
    parts = [
        {**part, "seed": seed, "batch_size": 32, "pairs": 100}
        for seed in range(2)
        for part in whole + [{"name": "parts", "off": [part]} for part in WITHOUT]
    ]
    kinds: list[dict[str, Any]] = [
        {"name": "recurrent"},
        *({"name": "positions", "positions": kind} for kind in ablations.POSITIONS),
    ]
    longer = [{**kind, "seed": seed, "longest": LONGEST_TRAINED, "pairs": 100} for seed in range(3) for kind in kinds]
    depth = [
        {"name": "depth", "seed": seed, "shape": DEEP, "steps": 120, "batch_size": 32, "lr": lr, "warm_up": warm_up,
         "norm_first": norm_first}
        for lr, seed in [(BEST_RATE, 0), (BEST_RATE, 1), (BEST_RATE, 2), (0.005, 0)]
        for warm_up in (True, False)
        for norm_first in (True, False)
    ]  # fmt: skip
    return race + parts + longer + depth


def recompute() -> None:
    """Train every run of the plan (half an hour on a busy core), and write the results."""
    task = number_words.load()
    rows = []
    for arguments in plan():
        _, row = run(task, **arguments)
        print(f"{arguments}: {translation.overall(row):.1%} right", flush=True)
        rows.append(row)
    save_results("transformer", rows)
