"""Four scores, one translator: chapter 3 asks which score learns best, and why the scale hurts here."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attnbook.data import number_words
from attnbook.data.number_words import NumberWords
from attnbook.evidence import save_results, translation
from attnbook.scores import AdditiveScore, MultiplicativeScore, dot, scaled_dot
from attnbook.seq2seq import Seq2Seq
from attnbook.training import count_parameters

WIDTH = 32  # of the states, and so of queries and keys
STEPS = 300  # half of chapter 1's: there the scores differ more
LEARNING_RATES = (0.01, 0.02, 0.04, 0.08)
BEST_RATE = 0.04  # of those, for every score at STEPS
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0, 16.0)  # for the scaled dot product; √32 = 5.66 would make it the dot product


class ProjectedScore(nn.Module):
    """The scaled dot product of learned projections: score(q, k) = (W_q q) · (W_k k) / √d, both W (d, d).

    A product of two matrices is a matrix, so this is a multiplicative score with W = W_qᵀ W_k / √d, in two factors.

    >>> ProjectedScore(3)(torch.ones(5, 3), torch.ones(7, 3)).shape
    torch.Size([5, 7])
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.query = nn.Linear(d, d, bias=False)
        self.key = nn.Linear(d, d, bias=False)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d) and keys (..., n_k, d)."""
        return scaled_dot(self.query(q), self.key(k))


class LearnedGain(nn.Module):
    """The scaled dot product times one learned number, which starts at 1.

    >>> LearnedGain()(torch.ones(1, 4), torch.ones(2, 4)).tolist()
    [[2.0, 2.0]]
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d) and keys (..., n_k, d)."""
        return self.gain * scaled_dot(q, k)


class NoTanh(AdditiveScore):
    """The additive score without its tanh: vᵀ (W_q q + W_k k), a number of the query plus a number of the key.

    >>> score = NoTanh(2, 2, 3)
    >>> weights = score(torch.randn(5, 2), torch.randn(7, 2)).softmax(dim=-1)
    >>> torch.allclose(weights, weights[:1].expand(5, 7))  # the queries have no say
    True
    """

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d_q) and keys (..., n_k, d_k)."""
        return self.v(self.query(q).unsqueeze(-2) + self.key(k).unsqueeze(-3)).squeeze(-1)


KINDS: dict[str, Callable[[int], Callable[[Tensor, Tensor], Tensor]]] = {
    "dot": lambda d: dot,
    "scaled dot": lambda d: scaled_dot,
    "multiplicative": lambda d: MultiplicativeScore(d, d),
    "additive": lambda d: AdditiveScore(d, d, d // 2),
    "projected": lambda d: ProjectedScore(d),
    "learned gain": lambda d: LearnedGain(),
    "no tanh": lambda d: NoTanh(d, d, d // 2),
}
RIVALS = ("dot", "scaled dot", "multiplicative", "additive", "projected")


class Scaled(nn.Module):
    """A score whose results are multiplied by a fixed factor: a temperature of 1 / factor.

    >>> Scaled(dot, 3.0)(torch.ones(1, 2), torch.ones(2, 2)).tolist()
    [[6.0, 6.0]]
    """

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor], factor: float) -> None:
        super().__init__()
        self.score, self.factor = score, factor

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d_q) and keys (..., n_k, d_k)."""
        return self.factor * self.score(q, k)


def build(task: NumberWords, kind: str, seed: int = 0, factor: float = 1.0) -> Seq2Seq:
    """An untrained translator that scores in one of the ways of KINDS, its scores multiplied by a factor."""
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    torch.manual_seed(seed)
    model = Seq2Seq(len(task.source), len(task.target), d_embed=32, d_hidden=WIDTH)
    # The score is made last, so that one seed gives all kinds the same encoder and decoder to start from.
    model.score = KINDS[kind](WIDTH) if factor == 1 else Scaled(KINDS[kind](WIDTH), factor)
    return model


def score_facts(model: Seq2Seq, task: NumberWords) -> dict[str, float]:
    """How large the scores are and how sharp the weights, over all queries of the longest held-out numbers.

    Returns:
        spread: the standard deviation of a query's scores over the true keys, averaged over queries.
        gap: the largest score minus the mean of the others, averaged over queries.
        largest: the largest |score|.
        entropy: of the weights, in nats, averaged over queries; ln n_k where all are equal.
        sharpest: the largest weight of a query, averaged over queries.
        state: the root mean square of a number in a query or a key.
    Raises:
        ValueError: the model has a fixed vector, and no score.
    """
    if model.score is None:
        raise ValueError("the model should look back with a score, this one has a fixed vector")
    source, target = (x.to(next(model.parameters()).device) for x in task.encode(task.test[max(task.test)]))
    with torch.no_grad():
        k, summary = model.encoder(source)
        q, _ = model.decoder(model.embed(target[:, :-1]), model.start(summary).tanh()[None])
        scores = model.score(q, k)  # (b, n_q, n_k)
        _, weights = model(source, target[:, :-1])
    # Only true pairs of a query and its keys count, none with padding.
    keys = (source != 0)[:, None]  # (b, 1, n_k)
    queries = target[:, :-1] != 0  # (b, n_q)
    n = keys.sum(dim=-1)  # (b, 1)
    mean = (scores * keys).sum(dim=-1) / n
    variance = ((scores - mean[..., None]).square() * keys).sum(dim=-1) / n
    top = scores.masked_fill(~keys, -math.inf).amax(dim=-1)
    entropy = -torch.xlogy(weights, weights).sum(dim=-1)
    states = torch.cat([q[queries], k[keys[:, 0]]])
    return {
        "spread": variance.sqrt()[queries].mean().item(),
        "gap": (top - (mean * n - top) / (n - 1))[queries].mean().item(),
        "largest": scores.abs().masked_fill(~keys, 0)[queries].max().item(),
        "entropy": entropy[queries].mean().item(),
        "sharpest": weights.amax(dim=-1)[queries].mean().item(),
        "state": states.square().mean().sqrt().item(),
    }


def run(
    task: NumberWords, kind: str, seed: int, steps: int = STEPS, lr: float = BEST_RATE, factor: float = 1.0
) -> tuple[Seq2Seq, dict[str, Any]]:
    """Train one translator from scratch and measure it: the model, and its row of the results file."""
    model = build(task, kind, seed, factor)
    row: dict[str, Any] = {"kind": kind, "factor": factor, "steps": steps, "lr": lr, "seed": seed}
    row["parameters"] = count_parameters(model)
    row["before"] = score_facts(model, task)
    row["loss"] = translation.train(model, task, seed, steps, lr)[-1]
    row["after"] = score_facts(model, task)
    row["accuracy"] = translation.accuracy_by_length(model, task)
    row["alignment"] = translation.alignment_facts(model, task)
    if isinstance(model.score, LearnedGain):
        row["gain"] = model.score.gain.item()
    return model, row


def plan() -> list[dict[str, Any]]:
    """Every run that chapter 3 quotes: `run`'s arguments."""
    rivals = [
        {"kind": kind, "steps": STEPS, "lr": lr, "seed": seed}
        for lr in LEARNING_RATES
        for seed in range(5 if lr == BEST_RATE else 3)
        for kind in RIVALS
    ]
    longer = [
        {"kind": kind, "steps": 2 * STEPS, "lr": BEST_RATE, "seed": seed}
        for seed in range(3)
        for kind in ("dot", "scaled dot")
    ]
    lr = translation.LEARNING_RATE
    factors = [
        {"kind": "scaled dot", "factor": factor, "lr": lr, "seed": seed}
        for factor in FACTORS
        for seed in range(3)
        if factor != 1  # those are among the rivals
    ]
    gain = [{"kind": "learned gain", "lr": lr, "seed": seed} for seed in range(5)]
    no_tanh = [{"kind": "no tanh", "steps": translation.STEPS, "lr": lr, "seed": seed} for seed in range(5)]
    return rivals + factors + gain + no_tanh + longer


def recompute() -> None:
    """Train every run of the plan (some 20 minutes on 2 quiet cores), and write the results."""
    task = number_words.load()
    rows = []
    for arguments in plan():
        _, row = run(task, **arguments)
        print(f"{arguments}: {translation.overall(row):.1%} right", flush=True)
        rows.append(row)
    save_results("score_functions", rows)
