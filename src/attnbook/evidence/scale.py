"""Eight scales, one small reader: what dividing by √d is worth to a model that has to learn (chapter 5)."""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from attnbook.attention import attend
from attnbook.data import needles
from attnbook.evidence import save_results
from attnbook.evidence.retrieval import loss
from attnbook.multihead import MultiHeadAttention
from attnbook.scores import dot, scaled_dot
from attnbook.training import Batch, fit
from attnbook.transformer import Encoder, EncoderLayer

WIDTH = 128  # of a token; shared among the heads, so that one head is 128 wide and each of sixteen is 8
HEADS = (16, 8, 4, 2, 1)
LENGTH, NEEDLES, BATCH_SIZE = 96, 8, 8
FIRST, STEPS, PATIENCE = 20, 200, 1000
LOW_RATE, RATES = 0.0003, (0.001, 0.003, 0.01)
RATE = 0.003
LEARNED = 1.0  # nats: who only guesses one of 16 answers has ln 16 = 2.77


class Score(nn.Module):
    """Attention by any score: a `method` for `MultiHeadAttention`.

    >>> q, k, v = torch.ones(1, 4), torch.ones(3, 4), torch.tensor([[1.0], [2.0], [6.0]])
    >>> Score(scaled_dot)(q, k, v)
    tensor([[3.]])
    """

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.score = score

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Output (..., n_q, d_v) of queries (..., n_q, d), keys (..., n_k, d) and values (..., n_k, d_v)."""
        return attend(self.score(q, k), v, mask)[0]


class Cosine(nn.Module):
    """Queries and keys of length 1, and one learned number g in front: g · cos θ.

    Source: Henry et al. (2020), with their first g, log₂(n² − n) for n tokens.

    >>> Cosine(4)(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0], [2.0, 0.0]])).tolist()
    [[0.0, 3.5849626064300537]]
    """

    def __init__(self, n: int = LENGTH) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(math.log2(n * n - n)))

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d) and keys (..., n_k, d)."""
        return self.gain * dot(nn.functional.normalize(q, dim=-1), nn.functional.normalize(k, dim=-1))


class Normed(nn.Module):
    """A layer norm for queries and one for keys, each with learned gains, and then the scaled dot product.

    Source: Dehghani et al. (2023), "ViT-22B".

    >>> Normed(2)(torch.tensor([[30.0, 10.0]]), torch.tensor([[5.0, -5.0]])).round(decimals=2).tolist()
    [[1.409999966621399]]
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.query, self.key = nn.LayerNorm(d, bias=False), nn.LayerNorm(d, bias=False)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d) and keys (..., n_k, d)."""
        return scaled_dot(self.query(q), self.key(k))


def capped(q: Tensor, k: Tensor) -> Tensor:
    """The dot product, bent so that it stays between −50 and 50: Gemma Team (2024).

    >>> capped(torch.full((1, 4), 5.0), torch.full((1, 4), 5.0)).round(decimals=1)
    tensor([[48.2000]])
    """
    return 50 * (dot(q, k) / 50).tanh()


# How each kind scores, given the width d of a head, and by what its W_q is multiplied before training.
KINDS: dict[str, tuple[Callable[[int], Callable[[Tensor, Tensor], Tensor]], Callable[[int], float]]] = {
    "no scale": (lambda d: dot, lambda d: 1.0),
    "1/√d": (lambda d: scaled_dot, lambda d: 1.0),
    "1/d": (lambda d: lambda q, k: dot(q / d, k), lambda d: 1.0),  # muP: Yang et al. (2022)
    "no scale, small W_q": (lambda d: dot, lambda d: d**-0.5),
    "1/√d, large W_q": (lambda d: scaled_dot, lambda d: d**0.5),
    "cosine": (lambda d: Cosine(), lambda d: 1.0),
    "norms": (lambda d: Normed(d), lambda d: 1.0),
    "cap": (lambda d: capped, lambda d: 1.0),
}
SCALES = ("no scale", "1/√d", "1/d")


class Reader(nn.Module):
    """One transformer layer that reads cards and answers the questions at their end.

    >>> tokens, _, _ = needles.draw(torch.Generator().manual_seed(0), size=3, n=LENGTH, needles=NEEDLES)
    >>> Reader(heads=4)(tokens).shape
    torch.Size([3, 32, 16])
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.name = nn.Embedding(needles.NUM_NAMES, WIDTH)
        self.content = nn.Embedding(needles.NUM_CONTENTS, WIDTH)
        self.attention = MultiHeadAttention(WIDTH, heads)
        self.encoder = Encoder([EncoderLayer(self.attention, d_ff=WIDTH)])
        self.answer = nn.Linear(WIDTH, needles.CONTENTS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (b, n, 2) to logits (b, QUESTIONS, CONTENTS)."""
        x, _ = self.encoder(self.name(tokens[..., 0]) + self.content(tokens[..., 1]))
        return self.answer(x[:, -needles.QUESTIONS :])


def build(kind: str, heads: int, seed: int = 0) -> Reader:
    """An untrained reader; one seed gives all KINDS the same parameters to start from, but for the factor of W_q.

    W_q and W_k start as Glorot and Bengio (2010) have it, so that the entries of queries and keys have variance 1.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    torch.manual_seed(seed)
    model = Reader(heads)
    score, factor = KINDS[kind]
    attention, d = model.attention, model.attention.d_head
    for layer in (attention.query, attention.key):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        attention.query.weight.mul_(factor(d))
    attention.method = Score(score(d))
    return model


def draw(generator: torch.Generator) -> Batch:
    """A batch of haystacks and their answers."""
    return needles.draw(generator, BATCH_SIZE, LENGTH, NEEDLES)[:2]


def facts(model: Reader) -> dict[str, float]:
    """What the questions' attention does, on 32 haystacks that training never sees.

    Returns:
        right: the share of right answers; one in 16 is chance.
        spread: the standard deviation of a question's scores; like the next three a mean over questions and heads.
        entropy, sharpest, trace: of its weights w: −Σ w ln w, the largest w, and 1 − Σ w² (the trace of the softmax's
            Jacobian).
        gradient: the length of the gradient of the question's loss with respect to its query, a median.
        on_needle: the size of the gradient with respect to the score of its needle's key, a median.
        cosine: of a question's query and its needle's key, a mean.
    """
    tokens, answers, places = needles.draw(torch.Generator().manual_seed(1000), 32, LENGTH, NEEDLES)
    tokens, answers, places = (x.to(model.answer.weight.device) for x in (tokens, answers, places[:, None, :, None]))
    method, seen = cast(Score, model.attention.method), []

    def note(q: Tensor, k: Tensor) -> Tensor:
        seen.extend([q, k, method.score(q, k)])  # (b, h, n, d) twice, and (b, h, n, n)
        for x in seen:
            x.retain_grad()
        return seen[2]

    model.attention.method = Score(note)
    logits = model(tokens)
    nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="sum").backward()
    model.attention.method = method
    model.zero_grad()
    with torch.no_grad():
        asked = slice(-needles.QUESTIONS, None)
        (q, scores), k = (x[:, :, asked] for x in (seen[0], seen[2])), seen[1]
        q_grad, score_grad = (cast(Tensor, x.grad)[:, :, asked] for x in (seen[0], seen[2]))
        weights = scores.softmax(dim=-1)
        keys = k.gather(2, places.expand(q.shape))  # of the needles, (b, h, QUESTIONS, d)
        on_needle = score_grad.gather(3, places.expand(*q.shape[:3], 1))
        return {
            "right": (logits.argmax(dim=-1) == answers).float().mean().item(),
            "spread": scores.std(dim=-1, correction=0).mean().item(),
            "entropy": -torch.xlogy(weights, weights).sum(dim=-1).mean().item(),
            "sharpest": weights.amax(dim=-1).mean().item(),
            "trace": (1 - weights.square().sum(dim=-1)).mean().item(),
            "gradient": q_grad.norm(dim=-1).median().item(),
            "on_needle": on_needle.abs().median().item(),
            "cosine": torch.cosine_similarity(q, keys, dim=-1).mean().item(),
        }


def learned_after(losses: list[float]) -> int | None:
    """The step at which the mean of the last ten losses first lies below LEARNED, or None.

    >>> learned_after([3.0] * 10 + [0.5] * 10), learned_after([3.0] * 20)
    (19, None)
    """
    ends = range(10, len(losses) + 1)
    return next((end for end in ends if sum(losses[end - 10 : end]) / 10 < LEARNED), None)


def run(kind: str, heads: int, seed: int, lr: float = RATE, steps: int = STEPS) -> tuple[Reader, dict[str, Any]]:
    """Train one reader from scratch and measure it: the model, and its row of the results file."""
    model = build(kind, heads, seed)
    row: dict[str, Any] = {"kind": kind, "heads": heads, "lr": lr, "steps": steps, "seed": seed}
    row["before"] = facts(model)
    losses = fit(model, loss, draw, steps, lr=lr, seed=seed)
    row["learned_after"] = learned_after(losses)
    row["losses"] = [round(sum(losses[i : i + 10]) / 10, 3) for i in range(0, steps, 10)]
    row["after"] = facts(model)
    return model, row


def plan() -> list[dict[str, Any]]:
    """Every run that chapter 5 quotes: `run`'s arguments."""
    widths = [
        {"kind": kind, "heads": heads, "seed": seed}
        for heads in HEADS
        for kind in SCALES
        for seed in range(5 if heads in (1, 16) else 3)
    ]
    others = [{"kind": kind, "heads": 1, "seed": seed} for kind in KINDS if kind not in SCALES for seed in range(3)]
    ends = [(kind, heads) for kind in SCALES for heads in (1, 16)]
    ends += [("no scale, small W_q", 1), ("1/√d, large W_q", 1)]
    changes: list[dict[str, Any]] = [{"lr": RATES[0]}, {"lr": RATES[2]}, {"steps": FIRST}]
    changed = [
        {"kind": kind, "heads": heads, "seed": seed, **change}
        for kind, heads in ends
        for change in changes
        for seed in range(3)
    ]
    # The kind that fails gets a smaller rate too, and five times the steps.
    chances: list[dict[str, Any]] = [{"lr": LOW_RATE}, {"lr": RATES[0], "steps": PATIENCE}]
    last = [{"kind": "no scale", "heads": 1, "seed": seed, **chance} for chance in chances for seed in range(3)]
    return widths + others + changed + last


def recompute() -> None:
    """Train every run of the plan (some ten minutes on a quiet core), and write the results."""
    rows = []
    for arguments in plan():
        _, row = run(**arguments)
        print(f"{arguments}: {row['after']['right']:.1%} right, learned after {row['learned_after']}", flush=True)
        rows.append(row)
    save_results("scale", rows)
