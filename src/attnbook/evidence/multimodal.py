"""Questions about scenes, with cross-attention and without: chapter 15."""

from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from attnbook.data import scenes
from attnbook.data.scenes import ANSWERS, CELL, CELLS, LENGTH, WORDS, Scenes, draw
from attnbook.evidence import FOLDER, save_results
from attnbook.multimodal import PictureReader, place_weight
from attnbook.training import Batch, count_parameters, fit

# "pooled" shows the words the mean of the patches, one token. "blank" shows a blank sheet: the question alone.
# "apart" has cross-attention, but no patch may look at another one. "hasty" is "cross", and practises little but
# relations.
VARIANTS = ("cross", "pooled", "blank", "apart", "hasty")
STEPS = 1600
SEEDS = {"cross": 1, "pooled": 3, "blank": 3, "hasty": 3}  # how many
EVERY = 200  # steps from one point of the learning curve to the next
RATE = 3e-3
LONGER = 2400  # steps
# "cross" was trained longer, and faster, too. Not every seed learns relations, in whatever way.
OTHERWISE: tuple[dict[str, Any], ...] = (
    {"variant": "cross", "seed": 0, "steps": LONGER},
    {"variant": "cross", "seed": 1, "steps": LONGER},
    {"variant": "cross", "seed": 0, "steps": LONGER, "lr": 5e-3},
    {"variant": "cross", "seed": 1, "steps": LONGER, "lr": 5e-3},
    {"variant": "cross", "seed": 2, "steps": LONGER, "lr": 5e-3},
    {"variant": "apart", "seed": 0, "steps": LONGER},
    {"variant": "apart", "seed": 1, "steps": LONGER},
    {"variant": "apart", "seed": 2, "steps": LONGER},
)
STORED: dict[str, Any] = {"seed": 1, "steps": LONGER}  # the run of "cross" whose model is kept
BATCH_SIZE = 32  # scenes
TRAINED_ON = ("where", "what", "relation") * 4  # the questions about each
HASTY = ("where", "what", "relation", "relation", "relation", "relation") * 2
TESTED = 400  # scenes, with as many questions of each kind
CHECKPOINT = FOLDER / "multimodal.safetensors"


def build(variant: str, seed: int = 0) -> PictureReader:
    """An untrained reader; all variants start from the same numbers."""
    if variant not in VARIANTS:
        raise ValueError(f"expected one of {', '.join(VARIANTS)}, got {variant!r}")
    torch.manual_seed(seed)
    return PictureReader(len(WORDS), LENGTH, len(ANSWERS), CELLS, CELL, pooled=variant == "pooled")


def answer(
    model: torch.nn.Module, variant: str, images: Tensor, questions: Tensor, *, need_weights: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """The model's logits and cross-attention, as its variant lets it see the images."""
    images = torch.zeros_like(images) if variant == "blank" else images
    alone = torch.eye(CELLS, dtype=torch.bool, device=images.device) if variant == "apart" else None
    return model(images, questions, alone, need_weights=need_weights)


def train(
    model: PictureReader,
    variant: str,
    seed: int = 0,
    steps: int = STEPS,
    lr: float = RATE,
    curve: list[dict[str, float]] | None = None,
) -> list[float]:
    """Train a reader in place, and return the loss of each step.

    To a curve, if one is given, `rights` at every EVERY-th step is added.
    """
    done, kinds = 0, HASTY if variant == "hasty" else TRAINED_ON

    def batches(generator: torch.Generator) -> Batch:
        drawn = draw(generator, BATCH_SIZE, kinds)
        return drawn.images, drawn.questions, drawn.answers

    def loss(model: torch.nn.Module, batch: Batch) -> Tensor:
        nonlocal done
        if curve is not None and done and done % EVERY == 0:
            curve.append(rights(model, variant))
        done += 1
        images, questions, answers = batch
        logits, _ = answer(model, variant, images, questions)
        return cross_entropy(logits.flatten(0, 1), answers.flatten())

    return fit(model, loss, batches, steps, lr=lr, seed=seed)


def exam() -> Scenes:
    """The scenes on which all readers are tested, with a question of each kind: digits that no training scene has."""
    return draw(torch.Generator().manual_seed(12345), TESTED, scenes.KINDS, test=True)


@torch.no_grad()
def rights(model: torch.nn.Module, variant: str) -> dict[str, float]:
    """The share of the exam's questions that the reader answers rightly, by kind."""
    drawn = exam()
    logits, _ = answer(model, variant, drawn.images, drawn.questions)
    right = (logits.argmax(dim=-1) == drawn.answers).double().mean(dim=0).tolist()
    return dict(zip(scenes.KINDS, right, strict=True))


@torch.no_grad()
def facts(model: PictureReader, variant: str) -> dict[str, Any]:
    """How often the reader is right, by kind of question; and where its words look.

    Returns:
        right: the share of right answers, by kind.
        present: the share of answers to "relation" that name a digit which the scene has; chance is 9 in 10.
        asked, found: mean weight on the cell that the question names, and on the answer's, for questions of the kind
            "relation": [layer][head][word]. Uniform is 1 in 9. Only where there are patches to look at.
    """
    drawn = exam()
    logits, weights = answer(model, variant, drawn.images, drawn.questions, need_weights=True)
    said = logits[:, 0, : scenes.DIGITS].argmax(dim=-1)
    row: dict[str, Any] = {"right": rights(model, variant)}
    row["present"] = (drawn.names == said[:, None]).any(dim=1).double().mean().item()
    if variant != "pooled":
        for name, cells in (("asked", drawn.asked), ("found", drawn.found)):
            looks = [place_weight(layer, cells)[:, 0].mean(dim=0) for layer in weights]  # (h, n) each
            row[name] = [[[round(x, 4) for x in head] for head in layer.tolist()] for layer in looks]
    return row


def run(variant: str, seed: int, steps: int = STEPS, lr: float = RATE) -> tuple[PictureReader, dict[str, Any]]:
    """Train one reader from scratch and measure it: the model, and its row of the results file."""
    model = build(variant, seed)
    curve: list[dict[str, float]] = []
    losses = train(model, variant, seed, steps, lr, curve)
    row: dict[str, Any] = {"variant": variant, "seed": seed, "steps": steps, "lr": lr}
    row["parameters"] = count_parameters(model)
    row["loss"] = sum(losses[-20:]) / len(losses[-20:])
    row = row | facts(model.eval(), variant)
    return model, row | {"curve": [*curve, row["right"]]}


def load_reader() -> PictureReader:
    """The reader of the run STORED, its parameters rounded to float16."""
    model = build("cross")
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(CHECKPOINT).items()})
    return model.eval()


def train_checkpoint() -> None:
    """Train that reader from scratch (a minute), and write it."""
    model = build("cross", STORED["seed"])
    train(model, "cross", **STORED)
    save_file({name: tensor.half() for name, tensor in model.state_dict().items()}, CHECKPOINT)


def plan() -> list[dict[str, Any]]:
    """Every run that the chapter quotes: `run`'s arguments."""
    usual = [{"variant": variant, "seed": seed} for variant, seeds in SEEDS.items() for seed in range(seeds)]
    return [*usual, *OTHERWISE]


def recompute() -> None:
    """Train every run of the plan (a quarter of an hour of one core), and write the results."""
    rows = []
    for arguments in plan():
        _, row = run(**arguments)
        print(f"{arguments}: {row['right']}", flush=True)
        rows.append(row)
    save_results("multimodal", rows)
