"""Attention sinks in MiniLM: how much weight lies on tokens that say nothing, and what the model loses without them."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from attnbook.attribution import Inside, look_inside
from attnbook.data.catalogue import BOOKS
from attnbook.pretrained import SentenceEncoder

PLACES = ("classifier", "separator", "stops", "words")


def sentences_of_many_kinds() -> list[str]:
    """Sixteen sentences with punctuation, of chapter 4's books."""
    return [book.contents for book in BOOKS]


@torch.no_grad()
def inside(model: SentenceEncoder, tokens: Tensor) -> list[Inside]:
    """Each layer's weights (h, n, n) and norms (n, n) for the tokens (n,) of one sentence."""
    return look_inside(model.encoder, model.norm(model.positions(model.embed(tokens))))[1]


def sink_facts(model: SentenceEncoder, texts: list[str]) -> dict[str, dict[str, list[float]]]:
    """Where each layer's tokens look, and what they fetch there: means over texts, heads and queries, a list by layer.

    Returns:
        weights, norms: for each of PLACES ([CLS], [SEP], punctuation, and all other tokens) its share of the weights,
            and of what `weighted_norms` says is fetched.
    """
    rows = []
    for text in texts:
        encoding = model.tokenizer.encode(text)
        stops = torch.tensor([name in {".", ",", "!", "?", ";", ":"} for name in encoding.tokens])
        first, last = torch.arange(len(stops)) == 0, torch.arange(len(stops)) == len(stops) - 1
        places = torch.stack([first, last, stops, ~(first | last | stops)]).to(torch.float32)  # (4, n)
        layers = inside(model, torch.tensor(encoding.ids))
        looks = torch.stack([layer.weights.mean(dim=(0, 1)) for layer in layers])  # (layers, n)
        fetched = torch.stack([layer.norms.mean(dim=0) for layer in layers])
        rows.append(torch.stack([looks, fetched / fetched.sum(dim=-1, keepdim=True)]) @ places.T)  # (2, layers, 4)
    weights, norms = torch.stack(rows).mean(dim=0).tolist()
    return {
        name: {place: [layer[i] for layer in table] for i, place in enumerate(PLACES)}
        for name, table in (("weights", weights), ("norms", norms))
    }


@torch.no_grad()
def hidden_facts(model: SentenceEncoder, texts: list[str]) -> dict[str, float]:
    """What a sentence's vector owes to one token: its cosine with itself after that token has been tampered with.

    The vector is here the mean over the words alone, so that only what the words have fetched counts.

    Returns:
        classifier, separator: no query may look at [CLS], or at [SEP].
        word, worst_word: none may look at one word; the mean over words, and the lowest, averaged over texts.
        borrowed: before every layer, [CLS] is replaced by the mean of what it is there in the other texts.
        other_text: the cosine with another text's vector.
    """
    tokens = [model.tokenize([text])[0] for text in texts]
    wholes = [_words_vector(model, one) for one in tokens]
    firsts = torch.stack([torch.cat(_firsts(model, one)) for one in tokens])  # (texts, layers, d_model)
    rows = []
    for i, (one, whole) in enumerate(zip(tokens, wholes, strict=True)):
        n = one.shape[1]
        may = ~torch.eye(n, dtype=torch.bool)[:, None]  # (n, 1, n): in copy i nobody looks at token i
        hidden = cosine_similarity(_words_vector(model, one.expand(n, -1), may), whole)
        others = [j for j in range(len(texts)) if j != i]
        borrowed = _words_vector(model, one, first=firsts[others].mean(dim=0))
        other = torch.stack([cosine_similarity(wholes[j], whole) for j in others]).mean()
        rows.append([hidden[0], hidden[-1], hidden[1:-1].mean(), hidden[1:-1].min(),
                     cosine_similarity(borrowed, whole)[0], other])  # fmt: skip
    names = ("classifier", "separator", "word", "worst_word", "borrowed", "other_text")
    return dict(zip(names, torch.tensor(rows).mean(dim=0).tolist(), strict=True))


def _words_vector(
    model: SentenceEncoder, tokens: Tensor, mask: Tensor | None = None, first: Tensor | None = None
) -> Tensor:
    # The mean of the words' last states, (b, d_model); `first`, (layers, d_model), stands in for [CLS] at each layer.
    x = model.norm(model.positions(model.embed(tokens)))
    for i, layer in enumerate(model.encoder.layers):
        if first is not None:
            x = torch.cat([first[i].expand(len(x), 1, -1), x[:, 1:]], dim=1)
        x, _ = layer(x, mask)
    return x[:, 1:-1].mean(dim=1)


def _firsts(model: SentenceEncoder, tokens: Tensor) -> list[Tensor]:
    # What [CLS] is before each layer, (1, d_model) each.
    x = model.norm(model.positions(model.embed(tokens)))
    found = []
    for layer in model.encoder.layers:
        found.append(x[:, 0])
        x, _ = layer(x)
    return found
