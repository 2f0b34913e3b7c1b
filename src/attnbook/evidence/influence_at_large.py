"""Weights against influence in two models that were not made for it: chapter 2's translator, and MiniLM (chapter 9)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from attnbook.attribution import (
    gradient_times_input,
    integrated_gradients,
    kendall,
    leave_one_out,
    rollout,
)
from attnbook.data import number_words
from attnbook.data.number_words import NumberWords
from attnbook.evidence import sinks, translation
from attnbook.pretrained import SentenceEncoder, load_minilm
from attnbook.seq2seq import Seq2Seq

NUMBERS = 20  # of each length among the held-out numbers
PAIRS = (
    ("the cat sleeps on the warm stove", "a kitten is resting"),
    ("the river floods the valley in spring", "water covers the fields"),
    ("she plays the old violin at night", "a woman makes music"),
    ("the train to paris was late again", "the railway is not on time"),
    ("he never eats meat on fridays", "a man with a strict diet"),
    ("the small boat sank in the storm", "a ship was lost at sea"),
    ("our team won the last game", "we beat them at football"),
    ("the doctor told him to stop smoking", "medical advice about tobacco"),
    ("snow fell on the mountains all week", "winter weather in the alps"),
    ("the price of bread rose by half", "food has become expensive"),
    ("they built a bridge over the canal", "new ways across the water"),
    ("the child drew a red horse", "a picture of an animal"),
    ("my phone fell into the lake", "a telephone got wet"),
    ("the judge sent the thief to prison", "a court punished a criminal"),
    ("bees carry pollen from flower to flower", "insects help plants"),
    ("the old king gave away his crown", "a ruler steps down"),
)  # two sentences each, in whose first every word is one token


# The translator


def chances(model: Seq2Seq, source: Tensor, target: Tensor) -> Tensor:
    """The chance (b, n_q) that the model gives to each true next morpheme."""
    logits, _ = model(source, target[:, :-1])
    return logits.softmax(dim=-1).gather(2, target[:, 1:, None]).squeeze(-1)


def delete(source: Tensor, gone: Tensor) -> Tensor:
    """Sentences (b, n) from one (n,), each without the words that its row of gone (b, n) names, padded behind."""
    order = gone.to(torch.int8).argsort(dim=-1, stable=True)  # the words that stay, in their order, come first
    kept = source.expand(gone.shape).gather(1, order)
    return kept.masked_fill(gone.gather(1, order), 0)


@torch.no_grad()
def translator_facts(model: Seq2Seq, task: NumberWords) -> dict[str, Any]:
    """Where the decoder looks most, and the word without which the right morpheme loses most of its chance.

    Over all morphemes that translate one word, of NUMBERS held-out numbers of each length.

    Returns:
        links: how many morphemes these are.
        same: the share of them in which the two are one word.
        weights_right, deletion_right: the share in which each is the word that the morpheme translates.
        chance: the share that a word drawn by lot would reach.
        strongest: the mean weight of the word with the most weight.
        mean_fall: how far the chance falls, on the average, without the word with the most weight.
        mean_fall_other: and without the other words, on the average.
        fall_where_not_same: how far it falls without the word with the most weight where another makes it fall more.
    """
    same, looks, falls, chance, strongest, fall, others = [], [], [], [], [], [], []
    for number in [number for numbers in task.test.values() for number in numbers[:NUMBERS]]:
        source, target = task.encode([number])
        n = source.shape[1]
        one = torch.eye(n, dtype=torch.bool)
        _, weights = model(source, target[:, :-1])
        whole = chances(model, source, target)[0]
        drop = whole - chances(model, delete(source[0], one), target.expand(n, -1))  # (n, n_q)
        for i, link in enumerate(number_words.align(number)):
            if link is None or n < 2:
                continue
            look = int(weights[0, i].argmax())
            same.append(look == int(drop[:, i].argmax()))
            looks.append(look == link)
            falls.append(int(drop[:, i].argmax()) == link)
            chance.append(1 / n)
            strongest.append(weights[0, i, look].item())
            fall.append(drop[look, i].item())
            others.append((drop[:, i].sum() - drop[look, i]).item() / (n - 1))
    mean: Callable[[list], float] = lambda x: sum(x) / len(x)  # noqa: E731
    return {"links": len(same), "same": mean(same), "weights_right": mean(looks), "deletion_right": mean(falls),
            "chance": mean(chance), "strongest": mean(strongest), "mean_fall": mean(fall),
            "mean_fall_other": mean(others),
            "fall_where_not_same": mean([f for f, one in zip(fall, same, strict=True) if not one])}  # fmt: skip


# MiniLM


def similarity(model: SentenceEncoder, other: str) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The cosine of sentences with another one, (b,): as a function of tokens (b, n), and of their embeddings."""
    goal = model.encode([other])[0]

    def of_vectors(x: Tensor) -> Tensor:
        states, _ = model.encoder(model.norm(model.positions(x)))
        return cosine_similarity(states.mean(dim=-2), goal, dim=-1)

    return lambda tokens: of_vectors(model.embed(tokens)), of_vectors


def measure(model: SentenceEncoder, sentence: str, other: str) -> dict[str, Tensor]:
    """The six measures for the words of a sentence, (n − 2,), its output being the similarity with another sentence.

    What is pooled is the mean over all tokens. So weights, norms and rollout are means over all queries.
    """
    tokens, _ = model.tokenize([sentence])
    of_tokens, of_vectors = similarity(model, other)
    mask = torch.tensor(model.tokenizer.token_to_id("[MASK]"))
    layers = sinks.inside(model, tokens[0])
    with torch.no_grad():
        x, nothing = model.embed(tokens[0]), model.embed(mask)
    found = {
        "weights": layers[-1].weights.mean(dim=(0, 1)),
        "weights × norms": layers[-1].norms.mean(dim=0),
        "rollout": rollout([layer.weights for layer in layers]).mean(dim=0),
        "gradient × input": gradient_times_input(of_vectors, x, nothing),
        "integrated gradients": integrated_gradients(of_vectors, x, nothing, steps=32),
        "leave one out": leave_one_out(of_tokens, tokens[0], mask),
    }
    return {name: measured[1:-1] for name, measured in found.items()}


def shuffled(model: SentenceEncoder, seed: int) -> SentenceEncoder:
    """A MiniLM whose encoder's matrices have had their numbers shuffled: as large as before, and without sense."""
    chance = torch.Generator().manual_seed(seed)
    other = load_minilm()
    with torch.no_grad():
        for weight in other.encoder.parameters():
            if weight.dim() == 2:
                weight.copy_(weight.flatten()[torch.randperm(weight.numel(), generator=chance)].view_as(weight))
    return other


def minilm_facts(model: SentenceEncoder) -> dict[str, Any]:
    """How the six measures rank the words of PAIRS beside leaving out, and what is left of them without training."""
    senseless = shuffled(model, seed=0)
    agreement, same, sanity = [], [], []
    for sentence, other in PAIRS:
        measured = measure(model, sentence, other)
        without = measure(senseless, sentence, other)
        truth = measured["leave one out"].abs()
        agreement.append({name: kendall(m.abs(), truth) for name, m in measured.items()})
        same.append({name: float(m.abs().argmax() == truth.argmax()) for name, m in measured.items()})
        sanity.append({name: kendall(m.abs(), without[name].abs()) for name, m in measured.items()})
    mean = lambda rows: {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}  # noqa: E731
    texts = sinks.sentences_of_many_kinds()
    return {"agreement": mean(agreement), "spread": {name: [row[name] for row in agreement] for name in agreement[0]},
            "same": mean(same), "sanity": mean(sanity), "sinks": sinks.sink_facts(model, texts),
            "hidden": sinks.hidden_facts(model, texts)}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """The rows of the results file that the borrowed models give (nothing is trained)."""
    task = number_words.load()
    translator = translation.load_translator(task)
    return [{"part": "translator", **translator_facts(translator, task)},
            {"part": "MiniLM", **minilm_facts(load_minilm())}]  # fmt: skip
