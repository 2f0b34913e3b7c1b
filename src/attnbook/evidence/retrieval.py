"""Needles in a haystack: what chapter 11's cheaper attentions still find in 2,048 tokens, and what they lose."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from attnbook import costs, masks
from attnbook.data import needles
from attnbook.efficient.block_sparse import block_sparse_attention, block_sparse_mask
from attnbook.efficient.chunked import chunked_attention
from attnbook.efficient.linear import linear_attention
from attnbook.efficient.local import sliding_window_attention
from attnbook.efficient.performer import orthogonal_features, performer_attention
from attnbook.evidence import save_results
from attnbook.multihead import MultiHeadAttention
from attnbook.training import Batch, count_parameters, fit
from attnbook.transformer import Encoder, EncoderLayer

WIDTH, HEADS, LAYERS = 32, 2, 2
WINDOW = 64  # keys on either side
CHUNK = 128
BLOCK = 32  # as many as there are blanks and questions, so that the first block is that of the blanks
LENGTH = 2048
# Short haystacks with few needles teach to compare names; then they grow. (tokens, needles, haystacks a batch, steps)
STAGES = ((128, 8, 16, 200), (128, needles.NAMES, 16, 300), (512, needles.NAMES, 4, 60), (LENGTH, needles.NAMES, 1, 30))
LEARNING_RATES = (0.01, 0.003)  # half of it on long haystacks; each kind is judged at the better one
DISTANCES = (WINDOW, 2 * WINDOW, 256, 512, 1024, LENGTH)  # upper ends of the groups in which answers are counted

FEATURES = {f"Performer, {count} features": count for count in (32, 128, 512)}

PATIENT = "window + global blanks"  # would more steps teach it to use paths of two links?
PATIENCE = 25  # times the steps of the third stage, whose haystacks are longer than what a question sees

Method = Callable[..., Tensor]


def _asking(n: int) -> range:
    return range(n - needles.QUESTIONS, n)


def _window_and_questions(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None) -> Tensor:
    return sliding_window_attention(q, k, v, WINDOW, mask=mask, global_tokens=_asking(q.shape[-2]))


def _blocks(window: int, num_global: int, num_random: int) -> tuple[list[Method | None], list[Callable]]:
    patterns: list[dict[str, Any]] = [
        {"block": BLOCK, "window": window, "num_global": num_global, "num_random": num_random, "seed": layer}
        for layer in range(LAYERS)
    ]
    return [partial(block_sparse_attention, **p) for p in patterns], [partial(block_sparse_mask, **p) for p in patterns]


def _features(count: int) -> list[Method | None]:
    return [
        partial(performer_attention, features=orthogonal_features(count, WIDTH // HEADS, seed=layer))
        for layer in range(LAYERS)
    ]


def _window_mask(n: int) -> Tensor:
    return masks.sliding_window(n, WINDOW)


def _everything(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool)


_WINDOW = partial(sliding_window_attention, window=WINDOW)

# For each kind: the method of each layer (None is plain attention), and the mask of each layer, n -> (n, n).
KINDS: dict[str, tuple[list[Method | None], list[Callable[[int], Tensor]]]] = {
    "dense": ([None] * LAYERS, [_everything] * LAYERS),
    "chunks": (
        [partial(chunked_attention, chunk=CHUNK)] * LAYERS,
        [lambda n: (torch.arange(n) // CHUNK)[:, None] == torch.arange(n) // CHUNK] * LAYERS,
    ),
    "window": ([_WINDOW] * LAYERS, [_window_mask] * LAYERS),
    "window, then dense": ([_WINDOW, None], [_window_mask, _everything]),
    "window + global questions": (
        [_window_and_questions] * LAYERS,
        [lambda n: _window_mask(n) | masks.global_tokens(n, _asking(n))] * LAYERS,
    ),
    "window + global blanks": (
        [partial(_WINDOW, global_tokens=range(needles.BLANKS))] * LAYERS,
        [lambda n: _window_mask(n) | masks.global_tokens(n, range(needles.BLANKS))] * LAYERS,
    ),
    "BigBird": _blocks(window=1, num_global=1, num_random=3),
    "BigBird without window": _blocks(window=0, num_global=1, num_random=3),
    "BigBird without global": _blocks(window=1, num_global=0, num_random=3),
    "BigBird without random": _blocks(window=1, num_global=1, num_random=0),
    **{kind: (_features(count), [_everything] * LAYERS) for kind, count in FEATURES.items()},
    "linear": ([linear_attention] * LAYERS, [_everything] * LAYERS),
}


class Reader(nn.Module):
    """Read the cards with a small encoder, and answer each question.

    There are no positions, for the task needs none. All kinds have the same parameters.

    Args:
        methods: how each layer attends, from the first on; None is plain attention.

    >>> from attnbook.data import needles
    >>> tokens, answers, _ = needles.draw(torch.Generator().manual_seed(0), size=3, n=128)
    >>> Reader([None])(tokens).shape, answers.shape
    (torch.Size([3, 32, 16]), torch.Size([3, 32]))
    """

    def __init__(self, methods: list[Method | None]) -> None:
        super().__init__()
        self.name = nn.Embedding(needles.NUM_NAMES, WIDTH)
        self.content = nn.Embedding(needles.NUM_CONTENTS, WIDTH)
        self.encoder = Encoder([EncoderLayer(MultiHeadAttention(WIDTH, HEADS, method=method)) for method in methods])
        self.answer = nn.Linear(WIDTH, needles.CONTENTS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (b, n, 2) to logits (b, QUESTIONS, CONTENTS), one row for each question at the end."""
        x = self.name(tokens[..., 0]) + self.content(tokens[..., 1])  # (b, n, WIDTH)
        x, _ = self.encoder(x)
        return self.answer(x[:, -needles.QUESTIONS :])


def build(kind: str, seed: int = 0) -> Reader:
    """An untrained reader of one of the KINDS; one seed gives all of them the same parameters to start from."""
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    torch.manual_seed(seed)
    return Reader(KINDS[kind][0])


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """The mean surprise, in nats, at the true answers (cross-entropy); ln 16 = 2.77 for one who only guesses."""
    tokens, answers = batch
    return cross_entropy(model(tokens).flatten(0, 1), answers.flatten())


def train(
    model: Reader,
    seed: int = 0,
    lr: float = LEARNING_RATES[0],
    patience: int = 1,
    stages: tuple[tuple[int, int, int, int], ...] = STAGES,
) -> list[float]:
    """Train a reader in place; `patience` multiplies the steps of the third stage. Return the loss of each step."""
    losses = []
    for stage, (n, number, size, steps) in enumerate(stages):
        batches = partial(_batch, size, n, number)
        rate = lr if n == stages[0][0] else lr / 2
        losses += fit(model, loss, batches, steps * (patience if stage == 2 else 1), lr=rate, seed=seed)
    return losses


def _batch(size: int, n: int, number: int, generator: torch.Generator) -> Batch:
    return needles.draw(generator, size, n, number)[:2]


@torch.no_grad()
def answers_right(
    model: Reader, n: int = LENGTH, count: int = 32, number: int = needles.NAMES, seed: int = 1000
) -> tuple[Tensor, Tensor]:
    """Ask about haystacks that were not trained on.

    Args:
        model: a trained reader.
        n: tokens in each haystack.
        count: how many haystacks.
        number: needles in each.
        seed: of the haystacks.
    Returns:
        right, bool, and the needles' places, both (count, QUESTIONS).
    """
    generator = torch.Generator().manual_seed(seed)
    device = model.answer.weight.device
    right, places = [], []
    for _ in range(0, count, 4):
        tokens, answers, where = needles.draw(generator, 4, n, number)
        right.append(model(tokens.to(device)).argmax(dim=-1).cpu() == answers)
        places.append(where)
    return torch.cat(right), torch.cat(places)


def links_needed(kind: str, places: Tensor, n: int = LENGTH) -> Tensor:
    """How many links lie between each question and its needle: 1, 2, or 3 for more than the two layers have."""
    first, second = (pattern(n) for pattern in KINDS[kind][1])
    first_asks, second_asks = first[-needles.QUESTIONS :], second[-needles.QUESTIONS :]
    direct = first_asks | second_asks  # the residual connection lets one layer's link wait for the other's
    by_two = second_asks.float() @ first.float() > 0
    links = torch.where(direct, 1, torch.where(by_two, 2, 3))  # (QUESTIONS, n)
    return links.expand(len(places), -1, -1).gather(2, places.unsqueeze(-1)).squeeze(-1)


def run(kind: str, seed: int, lr: float = LEARNING_RATES[0], patience: int = 1) -> tuple[Reader, dict[str, Any]]:
    """Train one reader from scratch and measure it: the model, and its row of the results file."""
    model = build(kind, seed)
    losses = train(model, seed, lr, patience)
    right, places = answers_right(model)
    distance, links = needles.distances(places, LENGTH), links_needed(kind, places)
    share = lambda among: right[among].float().mean().item() if among.any() else None  # noqa: E731
    groups = zip((0, *DISTANCES), DISTANCES, strict=False)
    row: dict[str, Any] = {"kind": kind, "lr": lr, "patience": patience, "seed": seed}
    row["parameters"] = count_parameters(model)
    row["loss"] = sum(losses[-10:]) / 10
    row["accuracy"] = right.float().mean().item()
    row["by_distance"] = {str(end): share((distance > start) & (distance <= end)) for start, end in groups}
    row["by_links"] = {str(number): share(links == number) for number in (1, 2, 3)}
    row["share_of_links"] = {str(number): (links == number).float().mean().item() for number in (1, 2, 3)}
    row["by_needles"] = {
        str(number): answers_right(model, count=8, number=number)[0].float().mean().item() for number in (8, 16)
    }
    return model, row


def best_rate(runs: list[dict[str, Any]], kind: str) -> float:
    """The learning rate at which a kind is right more often, with seed 0: the first, unless it is clearly behind."""
    tried = {r["lr"]: r["accuracy"] for r in runs if (r["kind"], r["seed"], r["patience"]) == (kind, 0, 1)}
    first, second = (tried[lr] for lr in LEARNING_RATES)
    return LEARNING_RATES[second > first + 0.02]  # of 1,024 questions, two in a hundred are chance


def operations(kind: str, n: int = LENGTH) -> int:
    """Multiplications and additions of all layers' attention, forward, by the formulas of `attnbook.costs`."""
    if kind == "linear":
        return LAYERS * costs.linear(n, WIDTH, HEADS).operations
    if kind in FEATURES:
        return LAYERS * costs.performer(n, WIDTH, HEADS, FEATURES[kind]).operations
    return sum(4 * WIDTH * int(pattern(n).sum()) for pattern in KINDS[kind][1])


def plan() -> list[dict[str, Any]]:
    """Every run that the chapter quotes: `run`'s arguments. (With seed 0, the second rate was better for none.)"""
    rates = [{"kind": kind, "seed": 0, "lr": lr} for lr in LEARNING_RATES for kind in KINDS]
    seeds = [{"kind": kind, "seed": seed, "lr": LEARNING_RATES[0]} for seed in (1, 2) for kind in KINDS]
    patient = [{"kind": PATIENT, "seed": 0, "lr": LEARNING_RATES[0], "patience": PATIENCE}]
    return rates + seeds + patient


def recompute() -> None:
    """Train every run of the plan (some 40 minutes on a quiet core), and write the results."""
    rows = []
    for arguments in plan():
        _, row = run(**arguments)
        print(f"{arguments}: {row['accuracy']:.1%} right", flush=True)
        rows.append(row)
    save_results("retrieval", rows)
