"""The heads explorer: all 72 heads of a real model on a few sentences, as small maps, and each one at full size."""

import base64
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from traitlets import Dict, Int, List, Unicode, validate

from attnbook.data.sentences import sentences as measured_sentences
from attnbook.evidence.heads_of_minilm import MOST_TOKENS, PATTERNS, Reading, name, read, shares
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import INK, QUIET, WEIGHT_MAP
from attnbook.pretrained import SentenceEncoder
from attnbook.pruning import attentions_in

BANK = (
    "The cat sat on the mat because it was tired.",
    "The woman met the monk before he left.",
    "The woman met the monk before she left.",
    "I remember the quiet old farmer.",
    "Where there is smoke, there is fire.",
    "A hot dog is not a dog.",
)
WHOLE = 65_535  # a weight of 1, as it is stored: two bytes a weight, off by 0.000008 at most
ORDERS = ("layer", *PATTERNS)


class HeadsExplorer(Explorer):
    """See every head of MiniLM as a small map, choose one, and follow its weights from token to token.

    Args:
        model: from `load_minilm`. With a running kernel it reads any sentence that the reader types.
        texts: the sentences to choose from.
        layer, head: the head that is shown first, counted from 1.
        order: how the heads are sorted: "layer", or one of `PATTERNS`, the heads with the largest share first.
    Raises:
        ValueError: there is no text, one is too long, or there is no such layer, head or order.
        TypeError: texts is not a list of strings.

    >>> from attnbook.pretrained import load_minilm
    >>> explorer = HeadsExplorer(load_minilm(), texts=["A cat sat."], layer=1, head=3)
    >>> explorer.weights().shape, explorer.sentences[0]["tokens"]
    ((6, 12, 6, 6), ['[CLS]', 'a', 'cat', 'sat', '.', '[SEP]'])
    """

    sentences = List(Dict()).tag(sync=True)
    chosen = Int(0).tag(sync=True)
    layers = Int().tag(sync=True)
    heads = Int().tag(sync=True)
    layer = Int(1).tag(sync=True)
    head = Int(1).tag(sync=True)
    order = Unicode().tag(sync=True)
    shares = Dict().tag(sync=True)

    name = "heads_explorer"
    caption = "Each small map is one head of MiniLM: a row for each token that looks, a column for each looked at."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        model: SentenceEncoder,
        texts: Sequence[str] = BANK,
        layer: int = 1,
        head: int = 1,
        order: str = "layer",
    ) -> None:
        self._model = model
        measured = shares(read(model, measured_sentences()))
        attentions = attentions_in(model)
        super().__init__(
            layers=len(attentions),
            heads=attentions[0].num_heads,
            sentences=[_stored(text, reading) for text, reading in zip(texts, read(model, texts), strict=True)],
            shares={pattern: [round(x, 3) for x in measured[pattern].flatten().tolist()] for pattern in PATTERNS},
            layer=layer,
            head=head,
            order=order,
        )
        self.on_msg(self._answer)

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("chosen")
    def _check_chosen(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.sentences):
            raise ValueError(f"chosen should be from 0 to {len(self.sentences) - 1}, got {proposal['value']}")
        return proposal["value"]

    @validate("layer", "head")
    def _check_head(self, proposal: dict) -> int:
        trait, value = proposal["trait"].name, proposal["value"]
        most = self.layers if trait == "layer" else self.heads
        if not 1 <= value <= most:
            raise ValueError(f"{trait} should be from 1 to {most}, got {value}")
        return value

    @validate("order")
    def _check_order(self, proposal: dict) -> str:
        if proposal["value"] not in ORDERS:
            raise ValueError(f"order should be one of {', '.join(map(repr, ORDERS))}, got {proposal['value']!r}")
        return proposal["value"]

    def _answer(self, _: Explorer, content: dict, buffers: list) -> None:
        """Answer a reader's request: show the sentence, or say why not."""
        try:
            self.show(str(content.get("text", "")))
        except Exception as error:  # whatever the model did, the reader should read it where they asked
            self.send({"problem": str(error) or type(error).__name__})
        else:
            self.send({"problem": ""})

    def show(self, text: str) -> None:
        """Show a sentence; the model reads it if it is not among the others yet.

        Raises:
            ValueError: it is empty, or has too many tokens.
        """
        text = " ".join(text.split())
        if not text:
            raise ValueError("Type a sentence, such as: The cat sat on the mat because it was tired.")
        known = [sentence["text"] for sentence in self.sentences]
        if text in known:
            self.chosen = known.index(text)
        else:
            self.sentences = [*self.sentences, _stored(text, *read(self._model, [text]))]
            self.chosen = len(known)

    def weights(self) -> np.ndarray:
        """The weights of all heads on the chosen sentence, as the browser has them, (layers, heads, n, n)."""
        sentence = self.sentences[self.chosen]
        n = len(sentence["tokens"])
        numbers = np.frombuffer(base64.b64decode(sentence["weights"]), dtype="<u2")
        return numbers.reshape(self.layers, self.heads, n, n) / WHOLE

    def draw(self) -> Figure:
        weights = self.weights()
        n, gap = weights.shape[-1], 3
        # All maps in one picture, with gaps between them: (layers, heads, n, n) -> (layers · cell, heads · cell)
        cells = np.pad(weights, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=np.nan)
        picture = cells.swapaxes(1, 2).reshape(self.layers * (n + gap), self.heads * (n + gap))
        figure = Figure(figsize=(7.6, 4.3), layout="constrained", facecolor="white")
        ax = figure.subplots()
        ax.imshow(picture, cmap=WEIGHT_MAP, vmin=0, vmax=1, interpolation="nearest")
        for row in range(self.layers):
            for column in range(self.heads):
                place = (column * (n + gap) - 0.5, row * (n + gap) - 0.5)
                width, color = (2.5, INK) if (row + 1, column + 1) == (self.layer, self.head) else (0.6, QUIET)
                ax.add_patch(Rectangle(place, n, n, fill=False, linewidth=width, edgecolor=color))
        middle = (n - 1) / 2
        ax.set_xticks([middle + i * (n + gap) for i in range(self.heads)], [str(i + 1) for i in range(self.heads)])
        ax.set_yticks([middle + i * (n + gap) for i in range(self.layers)], [str(i + 1) for i in range(self.layers)])
        ax.set(title=self.sentences[self.chosen]["text"], xlabel="head", ylabel="layer")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return figure

    def describe(self) -> str:
        sentence = self.sentences[self.chosen]
        tokens, rows = sentence["tokens"], self.weights()[self.layer - 1, self.head - 1]
        pairs = [
            f"{token} {tokens[int(row.argmax())]} {row.max():.2f}" for token, row in zip(tokens, rows, strict=True)
        ]
        return (
            f"{self.layers} rows of {self.heads} small maps, the weights of every head on “{sentence['text']}”. Framed "
            f"is head {name(self.layer - 1, self.head - 1)}. Its tokens, each with the one it looks at most: "
            f"{', '.join(pairs)}."
        )

    def __repr__(self) -> str:
        shown = self.sentences[self.chosen]["text"]
        return f"HeadsExplorer({len(self.sentences)} sentences, head {self.layer}.{self.head} on {shown!r})"


def _stored(text: str, reading: Reading) -> dict[str, object]:
    n = len(reading.tokens)
    if n > MOST_TOKENS:
        raise ValueError(f"a sentence should have at most {MOST_TOKENS} tokens, this one has {n}: “{text[:40]}…”")
    numbers = (reading.weights.double().numpy() * WHOLE).round().astype("<u2")
    return {"text": text, "tokens": reading.tokens, "weights": base64.b64encode(numbers.tobytes()).decode()}
