"""Weights against influence where the truth is known: small classifiers of reviews with planted words (chapter 9)."""

from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from attnbook.attribution import (
    gradient_times_input,
    integrated_gradients,
    kendall,
    leave_one_out,
    look_inside,
    rollout,
)
from attnbook.data import planted_words
from attnbook.evidence import FOLDER, influence_at_large, save_results
from attnbook.multihead import MultiHeadAttention
from attnbook.positions import LearnedPositions
from attnbook.training import Batch, fit
from attnbook.transformer import Encoder, EncoderLayer

WIDTH, HEADS, LAYERS = 32, 8, 2
STEPS, LEARNING_RATE = 300, 0.01
SEEDS = range(5)
REVIEWS = 100  # to measure with; drawn with a seed that no training has
KINDS = ("free", "uniform", "hiding")
HIDING = 3.0  # how much a weight of 1 on a telling word costs a model that must hide, in nats
TELLING = torch.isin(
    torch.arange(len(planted_words.VOCABULARY)),
    torch.tensor([planted_words.VOCABULARY.tokens.index(word) for word in planted_words.TELLING]),
)  # (vocabulary,): whether a word is an adjective or an adverb
CHECKPOINT = FOLDER / "influence.safetensors"
MEASURES = ("weights", "weights × norms", "rollout", "gradient × input", "integrated gradients", "leave one out")


def _uniform(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention that cannot choose: the plain mean of the values, for every query."""
    return v.mean(dim=-2, keepdim=True).expand_as(q)


class Reviewer(nn.Module):
    """Read a review and say in log-odds how likely it is to be good, from the first token's last state.

    Args:
        uniform: whether every attention is frozen to equal weights.

    >>> Reviewer()(planted_words.encode(["the soup was not cold on monday".split()])).shape
    torch.Size([1])
    """

    def __init__(self, uniform: bool = False) -> None:
        super().__init__()
        method = _uniform if uniform else None
        self.uniform = uniform
        layers = [EncoderLayer(MultiHeadAttention(WIDTH, HEADS, method=method), 2 * WIDTH) for _ in range(LAYERS)]
        self.embed = nn.Embedding(len(planted_words.VOCABULARY), WIDTH)
        self.positions = LearnedPositions(planted_words.N, WIDTH)
        self.encoder = Encoder(layers)
        self.predict = nn.Linear(WIDTH, 1)

    def read(self, x: Tensor) -> Tensor:
        """Log-odds (b,) from the tokens' embeddings (b, N, WIDTH)."""
        states, _ = self.encoder(self.positions(x))
        return self.predict(states[..., 0, :]).squeeze(-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Log-odds (b,) of token numbers (b, N)."""
        return self.read(self.embed(tokens))


def build(seed: int, kind: str = "free") -> Reviewer:
    """An untrained model of one of the KINDS."""
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    torch.manual_seed(seed)
    return Reviewer(uniform=kind == "uniform")


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """The mean surprise, in nats, at the verdicts."""
    tokens, good = batch
    return binary_cross_entropy_with_logits(model(tokens), good)


def hiding_loss(model: Any, batch: Batch) -> Tensor:
    """The same, and a price on every weight with which the first token looks at an adjective or an adverb."""
    tokens, good = batch
    states, weights = model.encoder(model.positions(model.embed(tokens)), need_weights=True)
    surprise = binary_cross_entropy_with_logits(model.predict(states[:, 0]).squeeze(-1), good)
    looks = torch.stack([layer[..., 0, :].mean(dim=1) for layer in weights])  # (layers, b, N)
    return surprise + HIDING * (looks * TELLING.to(tokens.device)[tokens]).sum(dim=-1).mean()


def train(model: Reviewer, seed: int, kind: str = "free", steps: int = STEPS) -> list[float]:
    """Train in place, and return the loss of each step."""
    chosen = hiding_loss if kind == "hiding" else loss
    return fit(model, chosen, planted_words.batches, steps, lr=LEARNING_RATE, seed=seed, device="cpu")


def held_out(size: int = REVIEWS) -> list[list[str]]:
    """Reviews that were not drawn for training (with so few words, a training may still have met the same)."""
    return planted_words.draw(torch.Generator().manual_seed(1009), size)


def outputs(model: Reviewer) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The chance that reviews are good, (b,): as a function of the words (b, 7), and of their embeddings."""
    first = planted_words.encode([["_"] * planted_words.WORDS])[:, :1]  # the classifier's token, (1, 1)

    def of_words(words: Tensor) -> Tensor:
        return model(torch.cat([first.expand(len(words), 1), words], dim=1)).sigmoid()

    def of_vectors(x: Tensor) -> Tensor:
        return model.read(torch.cat([model.embed(first).expand(len(x), 1, -1), x], dim=1)).sigmoid()

    return of_words, of_vectors


def measure(model: Reviewer, review: list[str]) -> dict[str, Tensor]:
    """Each of MEASURES for the 7 words, (7,): from inside, those of the classifier's token in the last layer.

    From a model with frozen attention, the last three.
    """
    tokens = planted_words.encode([review])
    words = tokens[0, 1:]
    of_words, of_vectors = outputs(model)
    blank = torch.tensor(planted_words.BLANK_TOKEN)
    with torch.no_grad():
        x, nothing = model.embed(words), model.embed(blank)
    found = {}
    if not model.uniform:
        with torch.no_grad():
            _, layers = look_inside(model.encoder, model.positions(model.embed(tokens))[0])
        found["weights"] = layers[-1].weights.mean(dim=0)[0, 1:]
        found["weights × norms"] = layers[-1].norms[0, 1:]
        found["rollout"] = rollout([layer.weights for layer in layers])[0, 1:]
    found["gradient × input"] = gradient_times_input(of_vectors, x, nothing)
    found["integrated gradients"] = integrated_gradients(of_vectors, x, nothing)
    found["leave one out"] = leave_one_out(of_words, words, blank)
    return found


def finds(measured: Tensor, deciding: list[bool]) -> bool:
    """Whether the largest magnitudes, as many as there are deciding words, stand at exactly those."""
    top = measured.abs().topk(sum(deciding)).indices
    return all(deciding[i] for i in top.tolist())


def chance(reviews: list[list[str]]) -> float:
    """How often a picture drawn by lot `finds` the deciding words: one of 7, or one pair of 21."""
    return sum({1: 1 / 7, 2: 1 / 21}[sum(planted_words.deciding(review))] for review in reviews) / len(reviews)


def facts(model: Reviewer, reviews: list[list[str]]) -> dict[str, Any]:
    """How good a model is, and for each measure how often it `finds` the deciding words, and how it ranks them.

    Returns:
        accuracy: the share of right verdicts.
        found: measure -> the share of reviews whose deciding words it finds.
        agreement: measure -> Kendall's τ with leaving one out, the mean over reviews.
        adverb: measure -> the share of the magnitude that lies on an adverb that turns nothing (mean).
    """
    verdicts = torch.tensor([planted_words.verdict(review) for review in reviews])
    with torch.no_grad():
        right = (model(planted_words.encode(reviews)) > 0) == (verdicts > 0.5)
    measured = [measure(model, review) for review in reviews]
    truth = [planted_words.deciding(review) for review in reviews]
    result: dict[str, Any] = {"accuracy": right.double().mean().item()}
    result["found"] = {
        name: sum(finds(m[name], decides) for m, decides in zip(measured, truth, strict=True)) / len(reviews)
        for name in measured[0]
    }
    result["agreement"] = {
        name: sum(kendall(m[name].abs(), m["leave one out"].abs()) for m in measured) / len(reviews)
        for name in measured[0]
    }
    plain = [
        (m, next(i for i, word in enumerate(review) if word in planted_words.PLAIN))
        for m, review in zip(measured, reviews, strict=True)
        if set(review) & set(planted_words.PLAIN)
    ]
    result["adverb"] = {
        name: sum((m[name][i].abs() / m[name].abs().sum()).item() for m, i in plain) / len(plain)
        for name in measured[0]
    }
    return result


def run(seed: int, kind: str = "free", steps: int = STEPS) -> tuple[Reviewer, dict[str, Any]]:
    """Train one model (or none, with steps 0) and measure it: the model, and its row of the results file."""
    model = build(seed, kind)
    row: dict[str, Any] = {"part": "reviews", "kind": kind, "steps": steps, "seed": seed}
    if steps:
        row["loss"] = train(model, seed, kind, steps)[-1]
    return model, row | facts(model.eval(), held_out())


def sanity(trained: Reviewer, untrained: Reviewer, reviews: list[list[str]]) -> dict[str, float]:
    """Measure -> Kendall's τ between a trained model's picture and an untrained one's, the mean over reviews."""
    pairs = [(measure(trained, review), measure(untrained, review)) for review in reviews]
    return {name: sum(kendall(a[name].abs(), b[name].abs()) for a, b in pairs) / len(pairs) for name in MEASURES}


def load_reviewer(kind: str = "free") -> Reviewer:
    """The trained model of seed 0: "free", or "hiding"."""
    model, prefix = build(0, kind), f"{kind}."
    state = load_file(CHECKPOINT)
    model.load_state_dict({name.removeprefix(prefix): x for name, x in state.items() if name.startswith(prefix)})
    return model.eval()


def train_checkpoint() -> None:
    """Train the models of seed 0 from scratch, and write them."""
    state: dict[str, Tensor] = {}
    for kind in ("free", "hiding"):
        model = build(0, kind)
        train(model, 0, kind)
        state |= {f"{kind}.{name}": x for name, x in model.state_dict().items()}
    save_file(state, CHECKPOINT)


def recompute() -> None:
    """Train and measure every model (some three minutes), measure the borrowed ones, and write the results."""
    rows = []
    for seed in SEEDS:
        for kind in KINDS:
            model, row = run(seed, kind)
            if kind == "free":
                row["sanity"] = sanity(model, build(seed + 100), held_out(50))
            rows.append(row)
            print(row, flush=True)
        rows.append(run(seed, steps=0)[1])
    save_results("influence", rows + influence_at_large.rows())
