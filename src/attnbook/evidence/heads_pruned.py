"""What is lost without some heads: in MiniLM, and in a translator of our own. Chapter 6."""

import random
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from attnbook.data import number_words
from attnbook.data.expressions import expressions
from attnbook.evidence import heads, save_results
from attnbook.pretrained import SentenceEncoder, load_minilm
from attnbook.pruning import Head, all_heads, attentions_in, without_heads

STEP = 6  # how many heads more are silent from one point of a curve to the next
ORDERS = ("least moved first", "most moved first")  # and random ones
RANDOM_ORDERS = 5
TRANSLATOR_HEADS = 8
TRANSLATOR_ATTENTIONS = ("encoder", "decoder", "decoder to encoder")  # in the order of `attentions_in`


def vectors(model: SentenceEncoder, silent: Iterable[Head] = ()) -> Tensor:
    """The vectors of the 48 expressions and, behind them, of their 48 meanings, (96, d_model)."""
    rows = expressions()
    with without_heads(attentions_in(model), silent):
        return model.encode([expression for expression, _, _ in rows] + [meaning for _, meaning, _ in rows])


def reciprocal_ranks(vectors: Tensor) -> Tensor:
    """For each expression, 1 / the place of its meaning among all meanings, the most like one first.

    >>> reciprocal_ranks(torch.tensor([[1.0, 0.0], [0.8, 0.6], [1.0, 0.0], [0.9, 0.4]]))
    tensor([1., 1.])
    """
    expressions, meanings = vectors.chunk(2)
    likeness = expressions @ meanings.mT  # (n, n)
    return 1 / (likeness >= likeness.diagonal()[:, None]).sum(dim=1)


def moved(before: Tensor, after: Tensor) -> float:
    """How far vectors have turned: 1 minus the cosine, on average."""
    return 1 - torch.cosine_similarity(before, after).mean().item()


def _minilm_facts(model: SentenceEncoder, silent: list[Head], full: Tensor) -> dict[str, Any]:
    now = vectors(model, silent)
    ranks = reciprocal_ranks(now)
    return {
        "model": "MiniLM",
        "silent": len(silent),
        "mrr": ranks.mean().item(),
        "first": (ranks == 1).double().mean().item(),
        "moved": moved(full, now),
    }


def prune_minilm(model: SentenceEncoder) -> list[dict[str, Any]]:
    """Rows for single heads, for whole layers, and for more and more heads in several orders."""
    every, full = all_heads(attentions_in(model)), vectors(model)
    ones = [{"order": "one", "head": list(head)} | _minilm_facts(model, [head], full) for head in every]
    layers = [
        {"order": "layer", "layer": layer} | _minilm_facts(model, [h for h in every if h[0] == layer], full)
        for layer in range(len(model.encoder.layers))
    ]
    by_move = [every[i] for i in sorted(range(len(every)), key=lambda i: ones[i]["moved"])]
    orders = dict(zip(ORDERS, (by_move, by_move[::-1]), strict=True))
    orders |= {f"random {seed}": random.Random(seed).sample(every, len(every)) for seed in range(RANDOM_ORDERS)}
    curves = [
        {"order": name} | _minilm_facts(model, order[:count], full)
        for name, order in orders.items()
        for count in range(0, len(every) + 1, STEP)
    ]
    return ones + layers + curves


def prune_translator(seed: int) -> list[dict[str, Any]]:
    """Train a translator of eight heads, and measure it whole, without each head, and without each attention."""
    task = number_words.load()
    model = heads.train_translator(task, TRANSLATOR_HEADS, seed)
    attentions = attentions_in(model)
    every = all_heads(attentions)
    cases: list[tuple[str, list[Head]]] = [("none", []), *(("one", [head]) for head in every)]
    cases += [("attention", [h for h in every if h[0] == part]) for part in range(len(attentions))]
    rows = []
    for order, silent in cases:
        with without_heads(attentions, silent):
            right = heads.translated_right(model, task)
        part = TRANSLATOR_ATTENTIONS[silent[0][0]] if silent else ""
        rows.append({"model": "translator", "seed": seed, "order": order, "attention": part, "right": right})
    return rows


def recompute() -> None:
    """Measure MiniLM without heads, train three translators and do the same to them, and write the results."""
    rows = prune_minilm(load_minilm())
    for seed in range(3):
        rows += prune_translator(seed)
    save_results("heads_pruned", rows)
