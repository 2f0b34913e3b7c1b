"""Number words from English to German, with one fixed vector and with attention: chapters 1 and 2."""

from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from attnbook.data import number_words
from attnbook.data.number_words import NumberWords
from attnbook.evidence import FOLDER, save_results
from attnbook.scores import AdditiveScore
from attnbook.seq2seq import Seq2Seq
from attnbook.training import Batch, count_parameters, fit

# The fixed vector gets slightly wider states, so that it has no fewer parameters than the model with attention.
WIDTH = {"fixed vector": 34, "attention": 32}
STEPS = 600
BATCH_SIZE = 128
LEARNING_RATE = 0.02  # of those tried, the best for the fixed vector at this width; attention hardly cares
CHECKPOINT = FOLDER / "translator.safetensors"


def build(task: NumberWords, kind: str, seed: int = 0, d_hidden: int | None = None) -> Seq2Seq:
    """An untrained translator.

    Args:
        task: gives the vocabularies.
        kind: "fixed vector" or "attention".
        seed: of the first weights.
        d_hidden: width of the states; `WIDTH[kind]` if None.
    """
    if kind not in WIDTH:
        raise ValueError(f"expected one of {', '.join(map(repr, WIDTH))}, got {kind!r}")
    width = d_hidden or WIDTH[kind]
    torch.manual_seed(seed)
    score = AdditiveScore(width, width, width // 2) if kind == "attention" else None
    return Seq2Seq(len(task.source), len(task.target), d_embed=32, d_hidden=width, score=score)


def loss(model: torch.nn.Module, batch: Batch) -> Tensor:
    """The mean surprise, in nats, at each true next morpheme (cross-entropy, padding left out)."""
    source, target = batch
    logits, _ = model(source, target[:, :-1])
    return cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


def translate(model: Seq2Seq, task: NumberWords, numbers: list[int]) -> tuple[list[list[str]], Tensor | None]:
    """The model's German of each number, as morphemes, and its attention weights (b, n_q, n_k), if it has any."""
    source, _ = task.encode(numbers)
    device = next(model.parameters()).device
    tokens, weights = model.translate(source.to(device), task.target.start, task.target.end, max_length=24)
    return [task.target.decode(row) for row in tokens.tolist()], weights


def accuracy_by_length(model: Seq2Seq, task: NumberWords) -> dict[int, float]:
    """Length in German morphemes -> the share of held-out numbers whose whole translation is right."""
    return {
        length: sum(
            said == number_words.translate(number)[1]
            for said, number in zip(translate(model, task, numbers)[0], numbers, strict=True)
        )
        / len(numbers)
        for length, numbers in sorted(task.test.items())
    }


def alignment_facts(model: Seq2Seq, task: NumberWords) -> dict[str, float]:
    """Where the decoder looks, over all held-out numbers: each link's strongest weight beside a bilingual's link.

    Returns:
        links: how many morphemes have a word that they translate.
        right_word, one_left, one_right: the share of them that look most at that word, or at a neighbour of it.
        crossings: how many pairs of a unit and its ten there are (fünf und vierzig).
        crossed: the share of them in which the unit looks further right than the ten.
        weight_on_word: the mean weight on the right word.
    """
    offsets, on_word, crossed = [], [], []
    for numbers in task.test.values():
        # Teacher forcing: the true morphemes are read, so that each weight belongs to a known morpheme.
        source, target = (x.to(next(model.parameters()).device) for x in task.encode(numbers))
        with torch.no_grad():
            _, weights = model(source, target[:, :-1])
        for number, rows in zip(numbers, weights, strict=True):
            links = number_words.align(number)
            looks = rows[: len(links)].argmax(dim=-1).tolist()
            for i, (look, link) in enumerate(zip(looks, links, strict=True)):
                if link is None:
                    crossed.append(looks[i - 1] > looks[i + 1])
                else:
                    offsets.append(look - link)
                    on_word.append(rows[i, link].item())
    share = {offset: offsets.count(offset) / len(offsets) for offset in (0, -1, 1)}
    return {
        "links": len(offsets),
        "right_word": share[0],
        "one_left": share[-1],
        "one_right": share[1],
        "weight_on_word": sum(on_word) / len(on_word),
        "crossings": len(crossed),
        "crossed": sum(crossed) / len(crossed),
    }


def train(
    model: Seq2Seq, task: NumberWords, seed: int = 0, steps: int = STEPS, lr: float = LEARNING_RATE
) -> list[float]:
    """Train a translator in place, and return the loss of each step."""
    return fit(model, loss, task.batches(BATCH_SIZE), steps, lr=lr, seed=seed)


def run(
    task: NumberWords, kind: str, seed: int, width: int, steps: int = STEPS, lr: float = LEARNING_RATE
) -> tuple[Seq2Seq, dict[str, Any]]:
    """Train one model from scratch and measure it: the model, and its row of the results file."""
    model = build(task, kind, seed, width)
    losses = train(model, task, seed, steps, lr)
    row: dict[str, Any] = {"kind": kind, "width": width, "steps": steps, "lr": lr, "seed": seed}
    row |= {"parameters": count_parameters(model), "loss": losses[-1], "accuracy": accuracy_by_length(model, task)}
    if kind == "attention":
        row["alignment"] = alignment_facts(model, task)
    return model, row


def overall(row: dict[str, Any]) -> float:
    """The share of right translations in a row of results, every length counting alike."""
    return sum(row["accuracy"].values()) / len(row["accuracy"])


def load_translator(task: NumberWords, device: torch.device | str = "cpu") -> Seq2Seq:
    """The translator with attention of seed 0, as `make checkpoints` trained it."""
    model = build(task, "attention").to(device)
    model.load_state_dict(load_file(CHECKPOINT, device=str(device)))
    return model.eval()


def train_checkpoint() -> None:
    """Train that translator from scratch (a quarter of a minute), and write it."""
    task = number_words.load()
    model = build(task, "attention")
    train(model, task)
    save_file(model.cpu().state_dict(), CHECKPOINT)


def plan() -> list[dict[str, Any]]:
    """Every run that the chapters quote: `run`'s arguments."""
    main = [{"kind": kind, "width": WIDTH[kind], "seed": seed} for seed in range(5) for kind in WIDTH]
    # The rate that suits one width need not suit another, so each width gets two, and the chapter quotes the better.
    widths = [("fixed vector", width) for width in (34, 68, 136)] + [("attention", width) for width in (16, 32)]
    capacity = [
        {"kind": kind, "width": width, "lr": lr, "seed": seed}
        for kind, width in widths
        for lr in (0.01, LEARNING_RATE)
        for seed in range(3)
        if (width, lr) != (WIDTH[kind], LEARNING_RATE)  # those are in main
    ]
    training = [
        {"kind": kind, "width": WIDTH[kind], "steps": steps, "seed": seed}
        for kind, steps in [("fixed vector", 1200), ("fixed vector", 2400), ("attention", 150), ("attention", 300)]
        for seed in range(3)
    ]
    return main + capacity + training


def recompute() -> None:
    """Train every run of the plan (a quarter of an hour on 2 quiet cores), and write the results."""
    task = number_words.load()
    rows = []
    for arguments in plan():
        _, row = run(task, **arguments)
        print(f"{arguments}: {row['parameters']:,} parameters, {overall(row):.1%} right", flush=True)
        rows.append(row)
    save_results("translation", rows)
