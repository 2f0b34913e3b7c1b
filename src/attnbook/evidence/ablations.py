"""Transformers with a part switched off or exchanged: what chapter 8 breaks, to see what each part is for."""

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from attnbook.data.number_words import NumberWords
from attnbook.multihead import MultiHeadAttention
from attnbook.positions import LearnedPositions
from attnbook.transformer import Decoder, Transformer
from attnbook.transformer.layers import Residual

POSITIONS = ("sinusoidal", "learned", "rotary", "none")
LONGEST = 32  # learned positions: more than any number needs, so that the last ones are never trained
# part of a layer -> its frame
ENCODER_PARTS = {"attention": "attention_residual", "network": "network_residual"}
DECODER_PARTS = {
    "self_attention": "self_residual",
    "cross_attention": "cross_residual",
    "network": "network_residual",
}


class Translator(Transformer):
    """`Transformer` with a choice of positions; with sinusoidal ones it is the same to the letter.

    Args:
        positions: one of POSITIONS.
        arguments: of `Transformer`.

    >>> model = Translator("none", 11, 13, d_model=8, num_heads=2, num_layers=1).eval()
    >>> one, other = (model.encode(torch.tensor([words]))[0] for words in ([3, 4, 5], [5, 4, 3]))
    >>> torch.allclose(one.flip(1), other, atol=1e-6)  # shuffled words give the same states, shuffled
    True
    """

    def __init__(self, positions: str, *arguments: Any, **options: Any) -> None:
        if positions not in POSITIONS:
            raise ValueError(f"positions should be one of {', '.join(map(repr, POSITIONS))}, got {positions!r}")
        super().__init__(*arguments, **options)
        self.positions = positions
        attentions = {name: part for name, part in self.named_modules() if isinstance(part, MultiHeadAttention)}
        self.num_heads = attentions["encoder.layers.0.attention"].num_heads
        width = self.embed_source.embedding_dim
        if positions == "learned":
            self.source_positions, self.target_positions = (LearnedPositions(LONGEST, width) for _ in range(2))
        for name, part in attentions.items():  # cross-attention joins two texts, whose places do not compare
            part.rotary = positions == "rotary" and not name.endswith("cross_attention")

    def _read(self, embed: nn.Embedding, tokens: Tensor, start: int = 0) -> Tensor:
        if self.positions == "sinusoidal":
            return super()._read(embed, tokens, start)
        x = embed(tokens) * math.sqrt(embed.embedding_dim)
        if self.positions == "learned":
            x = (self.source_positions if embed is self.embed_source else self.target_positions)(x, start)
        return self.dropout(x)


class Frame(Residual):
    """A `Residual` whose norm, whose sum and whose part can each be switched off.

    Attributes:
        keeps: whether the input is kept beside what the part adds (the residual connection).
        adds: whether the part is heard at all.

    >>> frame = Frame(Residual(4, 0.0, norm_first=True, eps=1e-5))
    >>> frame.keeps = False
    >>> frame.after(torch.ones(1, 4), torch.zeros(1, 4))
    tensor([[0., 0., 0., 0.]])
    """

    def __init__(self, of: Residual) -> None:
        nn.Module.__init__(self)
        self.norm, self.dropout, self.norm_first = of.norm, of.dropout, of.norm_first
        self.keeps = self.adds = True

    def before(self, x: Tensor) -> Tensor:
        """What the part reads."""
        return self.norm(x) if self.norm_first else x

    def after(self, x: Tensor, addition: Tensor) -> Tensor:
        """The input with what the part adds to it, so far as both are on."""
        heard = self.dropout(addition) if self.adds else torch.zeros_like(addition)
        x = x + heard if self.keeps else heard
        return x if self.norm_first else self.norm(x)


class SeesAhead(Decoder):
    """A decoder without its causal mask.

    >>> model = Translator("none", 11, 13, d_model=8, num_heads=2, num_layers=1)
    >>> len(SeesAhead(model.decoder).layers)
    1
    """

    def __init__(self, of: Decoder) -> None:
        nn.Module.__init__(self)
        self.norm, self.layers = of.norm, of.layers

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None = None, *more: Any, **options: Any) -> Any:
        """As `Decoder.forward`, but each target token sees those after it too."""
        return super().forward(x, source, None, *more, **options)


def build(
    task: NumberWords,
    seed: int = 0,
    *,
    d_model: int,
    num_heads: int,
    num_layers: int,
    d_ff: int,
    positions: str = "sinusoidal",
    norm_first: bool = True,
    off: Iterable[str] = (),
) -> Translator:
    """An untrained translator of number words; `off` as in `switch_off`, the other arguments as in `Transformer`."""
    torch.manual_seed(seed)
    model = Translator(positions, len(task.source), len(task.target), d_model, num_heads, num_layers, d_ff)
    if not norm_first:
        for frame in (module for module in model.modules() if isinstance(module, Residual)):
            frame.norm_first = False
        model.encoder.norm = model.decoder.norm = nn.Identity()  # the last layer has normalised what it wrote
    return switch_off(model, off)


def parts(model: Transformer) -> list[str]:
    """The parts of all layers by name, as "encoder.0.attention".

    >>> parts(Translator("none", 11, 13, d_model=8, num_heads=2, num_layers=1))[:3]
    ['encoder.0.attention', 'encoder.0.network', 'decoder.0.self_attention']
    """
    return [f"encoder.{i}.{part}" for i in range(len(model.encoder.layers)) for part in ENCODER_PARTS] + [
        f"decoder.{i}.{part}" for i in range(len(model.decoder.layers)) for part in DECODER_PARTS
    ]


def switch_off(model: Translator, names: Iterable[str]) -> Translator:
    """A copy of a model in which some things are switched off.

    Args:
        model: stays as it is.
        names: each one of
            "positions" — nothing is added for a token's place;
            "causal mask" — the decoder sees the tokens that it should predict;
            "encoder.norm", "decoder.norm" — the norm at a stack's end;
            a part, as "decoder.0.cross_attention" — it adds nothing;
            "PART.residual" — the part's input is not kept beside its output;
            "PART.norm" — its norm;
            "PART.head.1" — one of its heads;
            or "residuals", "norms", "networks", "cross-attention" — those of all layers.
    Raises:
        ValueError: there is no such thing in the model.

    >>> model = Translator("sinusoidal", 11, 13, d_model=8, num_heads=2, num_layers=1)
    >>> switch_off(model, ["positions", "decoder.0.network.residual"]).positions
    'none'
    """
    model = copy.deepcopy(model)
    for name in names:
        for each in _members(model, name):
            _switch_off(model, each)
    return model


def _members(model: Transformer, name: str) -> list[str]:
    all_parts = parts(model)
    groups = {
        "residuals": [f"{part}.residual" for part in all_parts],
        "norms": [*(f"{part}.norm" for part in all_parts), "encoder.norm", "decoder.norm"],
        "networks": [part for part in all_parts if part.endswith("network")],
        "cross-attention": [part for part in all_parts if part.endswith("cross_attention")],
    }
    return groups.get(name, [name])


def _switch_off(model: Translator, name: str) -> None:
    if name == "positions":
        model.positions = "none"
    elif name == "causal mask":
        model.decoder = SeesAhead(model.decoder)
    elif name in ("encoder.norm", "decoder.norm"):
        getattr(model, name.split(".")[0]).norm = nn.Identity()
    else:
        stack, layer, part, *what = name.split(".")
        if ".".join((stack, layer, part)) not in parts(model):
            raise ValueError(f"the model has no {name!r}; its parts are {', '.join(parts(model))}")
        _switch_off_in(getattr(model, stack).layers[int(layer)], part, what)


def _switch_off_in(layer: nn.Module, part: str, what: list[str]) -> None:
    place = {**ENCODER_PARTS, **DECODER_PARTS}[part]
    frame = getattr(layer, place)
    frame = frame if isinstance(frame, Frame) else Frame(frame)
    setattr(layer, place, frame)
    if not what:
        frame.adds = False
    elif what == ["residual"]:
        frame.keeps = False
    elif what == ["norm"]:
        frame.norm = nn.Identity()  # type: ignore[assignment]
    else:
        attention = getattr(layer, part)
        kind, number = what
        if kind != "head" or not hasattr(attention, "d_head") or not 0 <= int(number) < attention.num_heads:
            raise ValueError(f"{part} has no {'.'.join(what)!r}; expected residual, norm, or one of its heads")
        # A head reaches the output through its own columns of W_o alone.
        start = int(number) * attention.d_head
        with torch.no_grad():
            attention.output.weight[:, start : start + attention.d_head] = 0
