"""The translator of chapters 1 and 2 as two graphs: one reads the source, one writes a morpheme."""

from pathlib import Path

import torch
from torch import Tensor, nn

from attnbook.data import number_words
from attnbook.evidence.translation import load_translator
from attnbook.onnx_models.export import write_graph, write_manifest
from attnbook.seq2seq import Seq2Seq

NAME = "translator"
LONGEST = 32  # words of a source, which is padded to this length: an exported recurrent layer has a fixed one
MAX_LENGTH = 24  # morphemes of a translation that does not end by itself, as in chapter 2


class Encode(nn.Module):
    """Read a source (1, LONGEST), once -> states (1, LONGEST, d_hidden), the decoder's first state (1, d_hidden)."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        states, summary = self.model.encoder(source)
        return states, self.model.start(summary).tanh()


class Write(nn.Module):
    """A step of `Seq2Seq.translate`: the token before (1, 1) -> logits (1, vocabulary), weights (1, LONGEST), state."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, token: Tensor, hidden: Tensor, states: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = source != self.model.encoder.pad
        # With attention the summary is used for the first state alone, so any tensor of its shape will do here.
        logits, weights, last = self.model._decode(states, hidden, mask, token, hidden[None])
        if weights is None:
            raise ValueError("the model has no attention, and so no weights to show")
        return logits[:, 0], weights[:, 0], last[0]


def write(folder: Path) -> Path:
    """Write the two graphs and the manifest, and return the manifest's path."""
    task = number_words.load(train=1, test=1)
    model = load_translator(task)
    source = torch.zeros(1, LONGEST, dtype=torch.long)
    source[:, :2] = task.encode([45])[0]
    token = torch.tensor([[task.target.start]])
    with torch.no_grad():
        states, hidden = Encode(model)(source)
    write_graph(folder / f"{NAME}-encode.onnx", Encode(model), [source], (["source"], ["states", "hidden"]))
    inputs, outputs = ["token", "hidden", "states", "source"], ["logits", "weights", "last"]
    write_graph(folder / f"{NAME}-write.onnx", Write(model), [token, hidden, states, source], (inputs, outputs))
    facts = {
        "source": task.source.tokens,
        "target": task.target.tokens,
        "longest": LONGEST,
        "max_length": MAX_LENGTH,
        "largest": number_words.LARGEST,
    }
    return write_manifest(folder, NAME, ["encode", "write"], facts)
