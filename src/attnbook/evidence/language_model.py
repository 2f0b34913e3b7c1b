"""A small language model on Python's own documentation, beside what counting and compressing reach: chapter 7."""

import math
from functools import partial
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from attnbook.data import python_docs
from attnbook.data.python_docs import CHARACTERS, PythonDocs
from attnbook.evidence import FOLDER, save_results
from attnbook.evidence.n_grams import COMPRESSORS, NGrams, compressed_bits
from attnbook.training import count_parameters, fit
from attnbook.transformer import LanguageModel

SHAPE = {"d_model": 96, "num_heads": 4, "num_layers": 2}
CONTEXT = 128  # characters that a training example shows
BATCH_SIZE = 8
LEARNING_RATE = 0.006
LIVE_STEPS = 400  # what the chapter trains
STEPS = (100, 200, 400, 800)  # of the learning curve, each a run of its own from start to end
CHECKPOINT_STEPS = 3200
MASKLESS_STEPS = 200
ORDERS = (1, 2, 3, 4, 5, 6, 8, 10)  # of the n-grams
CHECKPOINT = FOLDER / "language_model.safetensors"


class Maskless(LanguageModel):
    """The language model with its mask forgotten: every character sees those that it should predict.

    >>> model = Maskless(11, d_model=8, num_heads=2, num_layers=1)
    >>> model(torch.arange(3), need_weights=True)[1][0].count_nonzero().item()  # 2 heads, 3 by 3
    18
    """

    def forward(self, tokens: Tensor, *, need_weights: bool = False, caches: Any = None) -> tuple[Tensor, list[Tensor]]:
        """Logits (..., n, vocabulary) and each layer's weights, as `LanguageModel` returns them."""
        x, weights = self.layers(self.embed(tokens), None, need_weights=need_weights, caches=caches)
        return nn.functional.linear(x, self.embed.weight), weights


def build(seed: int = 0, kind: type[LanguageModel] = LanguageModel, **shape: int) -> LanguageModel:
    """An untrained language model of SHAPE, or with some of its numbers changed, with rotary positions."""
    torch.manual_seed(seed)
    model = kind(len(CHARACTERS), **{**SHAPE, **shape})
    # The embeddings are the output's weights too. From this spread the loss falls sooner than from the usual 0.02.
    nn.init.normal_(model.embed.weight, std=model.embed.embedding_dim**-0.5)
    return model


def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """The mean surprise, in nats, at each next character (cross-entropy): all n of an example in one pass."""
    (tokens,) = batch
    logits, _ = model(tokens[:, :-1])  # at each character, the logits of the next
    return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def train(
    model: LanguageModel, docs: PythonDocs, seed: int = 0, steps: int = LIVE_STEPS, lr: float = LEARNING_RATE
) -> list[float]:
    """Train a model in place, and return the loss of each step, in nats."""
    draw = partial(python_docs.windows, python_docs.encode(docs.train), CONTEXT + 1, size=BATCH_SIZE)
    return fit(model, loss, lambda generator: (draw(generator=generator),), steps, lr=lr, seed=seed)


@torch.no_grad()
def surprises(model: nn.Module, text: str, context: int = CONTEXT) -> Tensor:
    """The surprise at each character of a text, in bits: -log2 of its probability after those before it.

    The text is read in pieces of `context` characters that overlap by half, and of each piece only the second half
    counts. So every character but the first ones is predicted from at least context / 2 others.

    Returns:
        (len(text) - 1,), on the CPU: the first character is not predicted.
    """
    tokens = python_docs.encode(text).to(next(model.parameters()).device)
    half, size = context // 2, min(context + 1, len(tokens))
    pieces = tokens.unfold(0, size, half)  # (number, size)
    bits = torch.cat([_bits(model, some) for some in pieces.split(64)])  # (number, size - 1)
    rest = len(tokens) - size - half * (len(pieces) - 1)  # too few for a piece: read with those before
    end = _bits(model, tokens[None, -size:])[0]
    return torch.cat([bits[0, :half], bits[:, half:].flatten(), end[len(end) - rest :]]).cpu()


def _bits(model: nn.Module, pieces: Tensor) -> Tensor:
    logits, _ = model(pieces[:, :-1])
    return -logits.log_softmax(dim=-1).gather(-1, pieces[:, 1:, None])[..., 0] / math.log(2)


def bits_per_character(model: nn.Module, text: str, context: int = CONTEXT) -> float:
    """The mean of `surprises`."""
    return surprises(model, text, context).mean().item()


def run(
    docs: PythonDocs, seed: int, steps: int, kind: type[LanguageModel] = LanguageModel
) -> tuple[LanguageModel, dict]:
    """Train one model from scratch and measure it: the model, and its row of the results file."""
    model = build(seed, kind)
    losses = train(model, docs, seed, steps)
    row: dict[str, Any] = {"name": kind.__name__, "seed": seed, "steps": steps, "parameters": count_parameters(model)}
    row["loss"] = sum(losses[-20:]) / 20 / math.log(2)
    row["bits"] = bits_per_character(model, docs.test)
    return model, row


def yardsticks(docs: PythonDocs) -> list[dict[str, Any]]:
    """Bits per held-out character of n-grams, and of compressors that have read the training text before."""
    train, test = (python_docs.decode(python_docs.encode(text)) for text in (docs.train, docs.test))
    counted = [
        {"name": "n-gram", "n": n, "bits": NGrams(train, n, CHARACTERS).bits_per_character(test)} for n in ORDERS
    ]
    return counted + [{"name": name, "bits": compressed_bits(train, test, c)} for name, c in COMPRESSORS.items()]


def load_language_model(device: torch.device | str = "cpu") -> LanguageModel:
    """The model that the chapter explores, its weights rounded to float16 and back."""
    model = build().to(device)
    weights = load_file(CHECKPOINT, device=str(device))
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return model.eval()


def train_checkpoint() -> None:
    """Train the model that the chapter explores (some three minutes), and write it as float16."""
    model, row = run(python_docs.load(), seed=0, steps=CHECKPOINT_STEPS)
    print(row, flush=True)
    save_file({name: weight.half().cpu() for name, weight in model.state_dict().items()}, CHECKPOINT)


def plan() -> list[dict[str, Any]]:
    """Every run that the chapter quotes: `run`'s arguments. The checkpoint it measures itself."""
    curve = [{"seed": seed, "steps": steps} for steps in STEPS for seed in range(3 if steps == LIVE_STEPS else 1)]
    return curve + [{"seed": seed, "steps": MASKLESS_STEPS, "kind": Maskless} for seed in range(3)]


def recompute() -> None:
    """Train every run of the plan (some three minutes on a quiet core), count, and write the results."""
    docs = python_docs.load()
    rows = yardsticks(docs)
    for arguments in plan():
        _, row = run(docs, **arguments)
        print(row, flush=True)
        rows.append(row)
    save_results("language_model", rows)
