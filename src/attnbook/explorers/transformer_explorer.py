"""The Transformer, whole: a small translator that runs in the page, with every part to look into and to switch off."""

import base64
import copy
from collections.abc import Iterable
from functools import cache

import torch
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Int, List, Unicode, validate

from attnbook.data import number_words
from attnbook.data.number_words import NumberWords
from attnbook.evidence import ablations
from attnbook.evidence.ablations import Translator
from attnbook.evidence.transformer import load_transformer
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import attention_map

LARGEST = 999_999
LONGEST = 24  # where a translation that does not end by itself is stopped


class TransformerExplorer(Explorer):
    """Type a number, look into each part of the Transformer that translates it, and switch parts off.

    Args:
        number: from 1 to 999,999.
        off: what is switched off, names as in `evidence.ablations.switch_off` (all but the causal mask).
        order: the words' places in the order in which they are read; empty: as they come.
        part: which part is looked into: "encoder.words", "encoder.0.attention", "decoder.norm", "logits" …
        model: a translator of `number_words` with sinusoidal positions; the chapter's own if left out.
    Raises:
        ValueError: the number, a name or the order is none of these.

    >>> TransformerExplorer(45).written()
    ['fünf', 'und', 'vierzig', '<end>']
    """

    number = Int().tag(sync=True)
    order = List(Int()).tag(sync=True)
    off = List(Unicode()).tag(sync=True)
    part = Unicode().tag(sync=True)
    # What the browser computes with: parameters in float16, one behind the other, with their names and shapes.
    weights = Unicode().tag(sync=True)
    tensors = List(List()).tag(sync=True)
    heads = Int().tag(sync=True)
    source = List(Unicode()).tag(sync=True)
    target = List(Unicode()).tag(sync=True)

    name = "transformer_explorer"
    caption = "A whole Transformer, computed in this page: choose a part, look into it, switch something off."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        number: int = 345_678,
        off: Iterable[str] = (),
        order: Iterable[int] = (),
        part: str = "decoder.1.cross_attention",
        *,
        model: Translator | None = None,
    ) -> None:
        task = _task()
        self.model = copy.deepcopy(model or load_transformer(task)).double().cpu()
        state = self.model.state_dict()
        packed = b"".join(tensor.half().cpu().numpy().astype("<f2").tobytes() for tensor in state.values())
        super().__init__(
            weights=base64.b64encode(packed).decode(),
            tensors=[[name, *tensor.shape] for name, tensor in state.items()],
            heads=self.model.num_heads,
            source=task.source.tokens,
            target=task.target.tokens,
        )
        self.number, self.off, self.part, self.order = number, list(off), part, list(order)

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("number")
    def _check_number(self, proposal: dict) -> int:
        if not 1 <= proposal["value"] <= LARGEST:
            raise ValueError(f"number should be from 1 to {LARGEST:,}, got {proposal['value']:,}")
        return proposal["value"]

    @validate("part")
    def _check_part(self, proposal: dict) -> str:
        if proposal["value"] not in self.parts():
            raise ValueError(f"part should be one of {', '.join(self.parts())}, got {proposal['value']!r}")
        return proposal["value"]

    @validate("off")
    def _check_off(self, proposal: dict) -> list[str]:
        if "causal mask" in proposal["value"]:
            raise ValueError("the causal mask cannot be switched off here: it matters in training alone")
        ablations.switch_off(self.model, proposal["value"])
        return proposal["value"]

    def parts(self) -> list[str]:
        """The names of all parts that can be looked into."""
        ends = [f"{stack}.{end}" for stack in ("encoder", "decoder") for end in ("words", "norm")]
        return [*ends, *ablations.parts(self.model), "logits"]

    def words(self) -> list[str]:
        """The English words, in the order in which they are read."""
        english, _ = number_words.translate(self.number)
        order = self.order or list(range(len(english)))
        if sorted(order) != list(range(len(english))):
            raise ValueError(f"order should hold each of the places 0 to {len(english) - 1} once, got {order}")
        return [english[place] for place in order]

    def written(self) -> list[str]:
        """What the model writes, with its end."""
        model, source = self._running()
        tokens, _ = model.translate(source, self.target.index("<start>"), self.target.index("<end>"), LONGEST)
        return [self.target[token] for token in tokens[0].tolist()]

    def computed(self, written: list[str] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (n_q, vocabulary) while it writes, and each attention's weights (num_heads, n_q, n_k) by name.

        Args:
            written: what is written, with its end; `written()` if left out.
        """
        model, source = self._running()
        written = self.written() if written is None else written
        read = torch.tensor([[self.target.index(token) for token in ["<start>", *written[:-1]]]])
        with torch.no_grad():
            logits, decoder = model(source, read, need_weights=True)
            x = model._read(model.embed_source, source)
            _, encoder = model.encoder(x, need_weights=True)
        weights = {f"encoder.{i}.attention": layer[0] for i, layer in enumerate(encoder)}
        for i, (own, cross) in enumerate(decoder):
            weights |= {f"decoder.{i}.self_attention": own[0], f"decoder.{i}.cross_attention": cross[0]}
        return logits[0], weights

    def _running(self) -> tuple[Translator, Tensor]:
        model = ablations.switch_off(self.model, self.off)
        return model, torch.tensor([[self.source.index(word) for word in self.words()]])

    def draw(self) -> Figure:
        words, written = self.words(), self.written()
        last = list(self.computed(written)[1].values())[-1]  # (num_heads, n_q, n_k)
        figure = Figure(figsize=(8, 1.2 + 0.25 * len(written)), layout="constrained", facecolor="white")
        for head, ax in enumerate(figure.subplots(1, self.heads, squeeze=False)[0]):
            attention_map(last[head].numpy(), written, words, ax, title=f"Cross-attention, head {head + 1}")
            ax.set(xlabel="", ylabel="")
            for text in ax.texts:
                text.set_visible(False)
        return figure

    def describe(self) -> str:
        words, written = self.words(), self.written()
        last = list(self.computed(written)[1].values())[-1].mean(dim=0)  # (n_q, n_k)
        looks = [f"{morpheme} {words[int(row.argmax())]}" for morpheme, row in zip(written, last, strict=True)]
        return (
            f"Heat maps of the last layer's cross-attention, one for each head, while the model reads "
            f"{' '.join(words)} and writes {' '.join(written)}. Averaged over the heads each morpheme looks most at: "
            f"{', '.join(looks)}."
        )

    def __repr__(self) -> str:
        return f"TransformerExplorer({self.number}, off={self.off}, order={self.order}, part={self.part!r})"


@cache
def _task() -> NumberWords:
    return number_words.load(train=1, test=1)  # for its vocabularies, which do not depend on the draw
