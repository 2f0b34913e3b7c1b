"""The sentences of chapter 9's explorer: what each measure says, and the output for every choice of words."""

from typing import Any

import torch

from attnbook.attribution import choices, knock_outs
from attnbook.data import number_words, planted_words
from attnbook.evidence import influence, influence_at_large, translation
from attnbook.pretrained import SentenceEncoder
from attnbook.seq2seq import Seq2Seq

REVIEWS = (
    "the soup was not cold on monday",
    "on friday the waiter was so rude",
    "my sunday bread was hardly fresh again",
)
HIDDEN = ("the soup was not cold on monday", "on friday the waiter was so rude")
PAIRS = (0, 5, 10)  # of influence_at_large.PAIRS: a kitten, a ship, new ways across the water
MORPHEMES = ((45_678, "fünf"), (45_678, "siebzig"), (2_013, "zwei"))  # a number, and which of its morphemes is written


def examples(reviewer: Any, hiding: Any, translator: Seq2Seq, minilm: SentenceEncoder) -> list[dict[str, Any]]:
    """What `InfluenceExplorer` takes, from the four models of the chapter."""
    task = number_words.load()
    return [
        *(_review("reviewer", reviewer, text.split()) for text in REVIEWS),
        *(_review("another reviewer", hiding, text.split()) for text in HIDDEN),
        *(_pair(minilm, *influence_at_large.PAIRS[i]) for i in PAIRS),
        *(_morpheme(translator, task, number, morpheme) for number, morpheme in MORPHEMES),
    ]


def _review(name: str, model: influence.Reviewer, words: list[str]) -> dict[str, Any]:
    tokens = planted_words.encode([words])[0, 1:]
    of_words, _ = influence.outputs(model)
    measures = influence.measure(model, words)
    return {
        "name": f"{name}: {' '.join(words)}",
        "tokens": words,
        "output": "chance that the review is good",
        "measures": {key: row.tolist() for key, row in measures.items()},
        "outputs": knock_outs(of_words, tokens, torch.tensor(planted_words.BLANK_TOKEN)).tolist(),
    }


def _pair(model: SentenceEncoder, sentence: str, other: str) -> dict[str, Any]:
    tokens, _ = model.tokenize([sentence])
    of_tokens, _ = influence_at_large.similarity(model, other)
    mask = torch.tensor(model.tokenizer.token_to_id("[MASK]"))
    first, last = tokens[0, :1], tokens[0, -1:]

    def of_words(words: torch.Tensor) -> torch.Tensor:
        framed = [first.expand(len(words), 1), words, last.expand(len(words), 1)]
        return of_tokens(torch.cat(framed, dim=1))

    measures = influence_at_large.measure(model, sentence, other)
    return {
        "name": f"MiniLM: {sentence}",
        "tokens": sentence.split(),
        "output": f"likeness to “{other}”",
        "measures": {key: row.tolist() for key, row in measures.items()},
        "outputs": knock_outs(of_words, tokens[0, 1:-1], mask).tolist(),
    }


@torch.no_grad()
def _morpheme(model: Seq2Seq, task: number_words.NumberWords, number: int, morpheme: str) -> dict[str, Any]:
    english, german = number_words.translate(number)
    step = german.index(morpheme)
    source, target = task.encode([number])
    states, _ = model.encoder(source)
    _, weights = model(source, target[:, :-1])
    gone = choices(len(english))[:-1]  # a sentence without any word cannot be read
    shorter = influence_at_large.delete(source[0], gone)
    outputs = influence_at_large.chances(model, shorter, target.expand(len(gone), -1))[:, step]
    singles = outputs[2 ** torch.arange(len(english))]
    return {
        "name": f"translator: {' '.join(english)}, at {morpheme}",
        "tokens": english,
        "output": f"chance of {morpheme}",
        "measures": {
            "weights": weights[0, step].tolist(),
            "weights × norms": (weights[0, step] * states[0].norm(dim=-1)).tolist(),
            "leave one out": (outputs[0] - singles).tolist(),
        },
        "outputs": [*outputs.tolist(), 0.0],
    }


def load_examples() -> list[dict[str, Any]]:
    """The examples of the committed models."""
    translator = translation.load_translator(number_words.load())
    reviewer, hiding = influence.load_reviewer(), influence.load_reviewer("hiding")
    return examples(reviewer, hiding, translator, influence_at_large.load_minilm())
