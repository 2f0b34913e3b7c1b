"""The language model of chapter 7 as one graph: characters in, the next one's logits and all heads' weights out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from attnbook.data import python_docs
from attnbook.evidence.language_model import CONTEXT, load_language_model
from attnbook.onnx_models.export import write_graph, write_manifest
from attnbook.transformer import LanguageModel

NAME = "language_model"


class Next(nn.Module):
    """Tokens (n,) -> logits (vocabulary,) of the token after the last, and weights (num_layers, num_heads, n, n)."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        logits, weights = self.model(tokens, need_weights=True)
        return logits[-1], torch.stack(weights)


def write(folder: Path) -> Path:
    """Write the graph and the manifest, and return the manifest's path."""
    model = load_language_model()
    tokens = python_docs.encode("def f(x):")
    sizes = ({0: torch.export.Dim("n", min=2, max=CONTEXT)},)
    write_graph(folder / f"{NAME}-next.onnx", Next(model), [tokens], (["tokens"], ["logits", "weights"]), sizes)
    facts = {"characters": python_docs.CHARACTERS, "longest": CONTEXT}
    return write_manifest(folder, NAME, ["next"], facts)
