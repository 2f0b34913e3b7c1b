"""A vision transformer against a convolution and a plain network, by the number of images that they learn from.

All train for as many steps, on batches drawn from the same images in the same order. Each has the rate that was the
best of RATES for it with 400 images, judged on images of the training part that it did not learn from.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from attnbook.data.digits import digits, split
from attnbook.evidence import FOLDER, save_results
from attnbook.training import count_parameters, fit
from attnbook.vision import VisionTransformer

SIZES = (50, 100, 400, 1438)  # training images; the last is all
FEW_AND_ALL = (100, 1438)
SEEDS = range(3)
STEPS = 400
LONGER = 1600  # steps, at a smaller rate: what the transformer gains by patience
LONGER_RATE = 0.003
BATCH_SIZE = 64
RATES = (0.001, 0.003, 0.01, 0.03)
RATE = {"transformer": 0.01, "convolution": 0.03, "plain network": 0.03}
HELD_BACK = 438  # images of the training part on which rates are judged
PATCH_SIZES = (2, 4, 8)
FILE = FOLDER / "vision.safetensors"


class Answers(nn.Module):
    """A network as a vision transformer is called: its logits, and no weights.

    >>> logits, weights = Answers(nn.Flatten())(torch.zeros(3, 1, 2, 2))
    >>> logits.shape, weights
    (torch.Size([3, 4]), [])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (b, classes) of images (b, 1, 8, 8)."""
        return self.network(images), []


def convolution() -> nn.Module:
    """Three convolutions of 3 × 3, and the largest of each 2 × 2 twice.

    >>> count_parameters(convolution())
    15338
    """
    return Answers(nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    ))  # fmt: skip


def plain_network() -> nn.Module:
    """Two hidden layers that read the 64 pixels in a row.

    >>> count_parameters(plain_network())
    17226
    """
    return Answers(nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    ))  # fmt: skip


def transformer(patch_size: int = 2, *, positions: bool = True) -> VisionTransformer:
    """Two layers of four heads, width 32.

    >>> count_parameters(transformer())
    18218
    """
    return VisionTransformer(8, patch_size, 10, d_model=32, num_heads=4, num_layers=2, d_ff=64, positions=positions)


KINDS: dict[str, Callable[[], nn.Module]] = {
    "transformer": transformer,
    "convolution": convolution,
    "plain network": plain_network,
    "no positions": lambda: transformer(positions=False),
    **{f"patches of {size}": (lambda size=size: transformer(size)) for size in PATCH_SIZES if size != 2},  # type: ignore[misc]
}


def load() -> tuple[Tensor, Tensor]:
    """The digits with a channel, (1797, 1, 8, 8), and their labels.

    >>> load()[0].shape
    torch.Size([1797, 1, 8, 8])
    """
    images, labels = digits()
    return images.unsqueeze(1), labels


def shuffle_pixels(images: Tensor) -> Tensor:
    """All images with their pixels in another order, the same for each image.

    >>> shuffle_pixels(torch.arange(4.0).view(1, 1, 2, 2)).sum()
    tensor(6.)
    """
    order = torch.randperm(images[0].numel(), generator=torch.Generator().manual_seed(0)).to(images.device)
    return images.flatten(1)[:, order].view_as(images)


def shift(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move each image (b, c, h, w) by −1, 0 or 1 pixel, down (b,) and right (b,); paper comes in at the edge.

    >>> shift(torch.eye(3).view(1, 1, 3, 3), torch.tensor([1]), torch.tensor([0]))[0, 0]
    tensor([[0., 0., 0.],
            [1., 0., 0.],
            [0., 1., 0.]])
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) + 1 - down[:, None]  # (b, h), in the padded image
    columns = torch.arange(width, device=images.device) + 1 - right[:, None]
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return pad(images, (1, 1, 1, 1))[each, :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def train(
    model: nn.Module, images: Tensor, labels: Tensor, seed: int, *, lr: float, steps: int = STEPS, shifted: bool = False
) -> None:
    """Fit a model to images (n, 1, 8, 8); with shifts, each is moved by up to a pixel, afresh each time."""

    def batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(images), (BATCH_SIZE,), generator=generator)
        down, right = torch.randint(-1, 2, (2, BATCH_SIZE), generator=generator)
        batch = images[chosen]
        return shift(batch, down, right) if shifted else batch, labels[chosen]

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        return cross_entropy(model(batch[0])[0], batch[1])

    fit(model, loss, batches, steps, lr=lr, seed=seed, device="cpu")


@torch.no_grad()
def share_right(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How many of the images the model names rightly, from 0 to 1."""
    return (model(images)[0].argmax(dim=-1) == labels).double().mean().item()


def share_right_when_moved(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The same for images moved by a pixel: the mean over down, up, right and left."""
    steps = ((1, 0), (-1, 0), (0, 1), (0, -1))
    moved = [shift(images, *(torch.full((len(images),), by) for by in step)) for step in steps]
    return sum(share_right(model, x, labels) for x in moved) / len(moved)


def run(
    kind: str,
    seed: int,
    size: int = SIZES[-1],
    *,
    lr: float | None = None,
    steps: int = STEPS,
    shifted: bool = False,
    shuffled: bool = False,
    judged_on: str = "test",
) -> tuple[nn.Module, dict[str, Any]]:
    """Train one model from scratch and measure it: the model, and its row of the results file.

    Raises:
        ValueError: kind is not one of KINDS.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    images, labels = load()
    images = shuffle_pixels(images) if shuffled else images
    training, test = split(labels, seed)
    if judged_on == "held back":
        training, test = training[:-HELD_BACK], training[-HELD_BACK:]
    training = training[:size]
    lr = RATE.get(kind, RATE["transformer"]) if lr is None else lr
    torch.manual_seed(seed)
    model = KINDS[kind]()
    train(model, images[training], labels[training], seed, lr=lr, steps=steps, shifted=shifted)
    row: dict[str, Any] = {
        "kind": kind, "size": size, "seed": seed, "lr": lr, "steps": steps, "shifted": shifted, "shuffled": shuffled,
        "judged_on": judged_on, "parameters": count_parameters(model),
        "right": round(share_right(model, images[test], labels[test]), 4),
    }  # fmt: skip
    if judged_on == "test":
        row["right_when_moved"] = round(share_right_when_moved(model, images[test], labels[test]), 4)
    return model, row


def plan() -> Iterator[dict[str, Any]]:
    """Every run that chapter 12 quotes: `run`'s arguments."""
    for kind in RATE:
        for seed in SEEDS:
            for lr in RATES:
                yield {"kind": kind, "seed": seed, "size": 400, "lr": lr, "judged_on": "held back"}
            for size in SIZES:
                yield {"kind": kind, "seed": seed, "size": size}
            for size in FEW_AND_ALL:
                yield {"kind": kind, "seed": seed, "size": size, "shifted": True}
            yield {"kind": kind, "seed": seed, "shuffled": True}
    yield {"kind": "transformer", "seed": 0, "lr": LONGER_RATE, "steps": LONGER}  # the checkpoint
    for kind in sorted(KINDS.keys() - RATE.keys()):
        for seed in SEEDS:
            yield {"kind": kind, "seed": seed}


def recompute() -> None:
    """Train every run of the plan (some ten minutes on a quiet core), and write the results."""
    rows = []
    for arguments in plan():
        _, row = run(**arguments)
        print(f"{arguments}: {row['right']:.1%} right", flush=True)
        rows.append(row)
    save_results("vision", rows)


def train_checkpoint() -> None:
    """Train the model that chapter 12 and its explorer open (seed 0, all images, LONGER steps), and write its file."""
    model, _ = run("transformer", seed=0, lr=LONGER_RATE, steps=LONGER)
    save_file({name: x.half() for name, x in model.state_dict().items()}, FILE)


def load_checkpoint() -> VisionTransformer:
    """The trained transformer of chapter 12, from the file.

    >>> load_checkpoint().num_patches
    16
    """
    model = transformer()
    model.load_state_dict({name: x.float() for name, x in load_file(FILE).items()})
    return model.eval()
