"""MiniLM of chapter 6 as one graph: a sentence's tokens in, the weights of all heads out.

The matrices are rounded to 16 bits, with a scale for each row. That they need so many was measured, in the largest
change of any weight over 56 sentences, some of them random tokens: 8 bits change a weight by up to 0.07, 12 bits by
0.004, half precision by 0.0013, and 16 bits by 0.0003.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from attnbook.evidence.heads_of_minilm import MOST_TOKENS
from attnbook.onnx_models.export import write_graph, write_manifest
from attnbook.pretrained import SentenceEncoder, load_minilm

NAME = "minilm"
LARGEST = 32_767  # of 16 bits with a sign


class Rounded(nn.Module):
    """A matrix (n, d) of 16-bit whole numbers, each to be multiplied by its row's scale."""

    numbers: Tensor
    scale: Tensor

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        scale = matrix.detach().abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(matrix.dtype).tiny) / LARGEST
        self.register_buffer("scale", scale)
        self.register_buffer("numbers", (matrix.detach() / scale).round().to(torch.int16))

    def rows(self, chosen: Tensor) -> Tensor:
        """Some rows, (..., d); the others stay as small as they are."""
        return self.numbers[chosen] * self.scale[chosen]

    @property
    def weight(self) -> Tensor:
        return self.numbers * self.scale


class RoundedLinear(Rounded):
    """In the place of `nn.Linear`."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.weight)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


class RoundedEmbedding(Rounded):
    """In the place of `nn.Embedding`."""

    def __init__(self, layer: nn.Embedding) -> None:
        super().__init__(layer.weight)
        self.num_embeddings = layer.num_embeddings

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rows(tokens)


class Heads(nn.Module):
    """Tokens (1, n) -> weights (num_layers, num_heads, n, n). What comes after the last weights is not computed."""

    def __init__(self, model: SentenceEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        _, weights = self.model(tokens, need_weights=True)
        return torch.cat(weights)


def rounded(model: SentenceEncoder) -> SentenceEncoder:
    """The model with its matrices rounded, in place; it keeps the positions that a sentence of the page can have."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            model.set_submodule(name, RoundedLinear(layer))
    model.embed = RoundedEmbedding(model.embed)  # type: ignore[assignment]
    model.positions.table = nn.Parameter(model.positions.table[:MOST_TOKENS].detach())
    return model


def write(folder: Path) -> Path:
    """Write the graph and the manifest, with the vocabulary, and return the manifest's path."""
    model = load_minilm()
    tokens, _ = model.tokenize(["The cat sat on the mat."])
    sizes = ({1: torch.export.Dim("n", min=2, max=MOST_TOKENS)},)
    write_graph(folder / f"{NAME}-read.onnx", Heads(rounded(model)), [tokens], (["tokens"], ["weights"]), sizes)
    ids = model.tokenizer.get_vocab()
    facts = {"vocabulary": sorted(ids, key=lambda token: ids[token]), "longest": MOST_TOKENS}
    return write_manifest(folder, NAME, ["read"], facts)
