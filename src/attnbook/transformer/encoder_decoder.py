"""The encoder-decoder of "Attention is all you need": translation without recurrence."""

import math

import torch
from torch import Tensor, nn

from attnbook._checks import check_count, check_tokens
from attnbook.masks import causal
from attnbook.multihead import KVCache, MultiHeadAttention
from attnbook.positions import sinusoidal
from attnbook.transformer._evaluating import evaluating
from attnbook.transformer.layers import DecoderCache, DecoderLayer, EncoderLayer
from attnbook.transformer.stacks import Decoder, Encoder


class Transformer(nn.Module):
    """Translate: the encoder reads the whole source, the decoder writes the target from left to right.

    It has the interface of `seq2seq.Seq2Seq`, so either can stand where the other does.

    Args:
        source_vocabulary, target_vocabulary: numbers of different tokens.
        d_model: width of a token.
        num_heads: heads of each attention.
        num_layers: layers of the encoder, and of the decoder.
        d_ff: width of the networks' hidden layers; 4 · d_model if left out.
        dropout: share of each part's output that training leaves out.
        pad: the source's padding token.
    Cost: for sequences of n tokens O(num_layers (n d_model² + n² d_model)) time.
    Source: Vaswani et al. (2017); with pre-norm layers (Xiong et al., 2020), which need no warm-up.

    >>> import torch
    >>> model = Transformer(source_vocabulary=11, target_vocabulary=13, d_model=8, num_heads=2, num_layers=2)
    >>> source, target = torch.randint(1, 11, (3, 5)), torch.randint(1, 13, (3, 7))
    >>> logits, _ = model(source, target)
    >>> logits.shape
    torch.Size([3, 7, 13])
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        d_ff: int | None = None,
        *,
        dropout: float = 0.0,
        pad: int = 0,
    ) -> None:
        super().__init__()
        check_count("num_layers", num_layers)
        self.pad = pad
        self.embed_source = _embedding("source_vocabulary", source_vocabulary, d_model)
        self.embed_target = _embedding("target_vocabulary", target_vocabulary, d_model)
        self.dropout = nn.Dropout(dropout)

        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(d_model, num_heads)

        self.encoder = Encoder([EncoderLayer(attention(), d_ff, dropout=dropout) for _ in range(num_layers)])
        self.decoder = Decoder(
            [DecoderLayer(attention(), attention(), d_ff, dropout=dropout) for _ in range(num_layers)]
        )

    def forward(
        self, source: Tensor, target: Tensor, *, need_weights: bool = False
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Predict each next target token from the source and the true target tokens so far (teacher forcing).

        Args:
            source: tokens, (b, n_k).
            target: tokens that the decoder reads, (b, n_q), a start token first.
            need_weights: whether to return the decoder's weights.
        Returns:
            logits (b, n_q, target_vocabulary) for the token after each that was read, and a list of each layer's
            weights, to the target (b, num_heads, n_q, n_q) and to the source (b, num_heads, n_q, n_k); empty
            if not asked for.
        """
        states, mask = self.encode(source)
        return self._decode(states, mask, target, need_weights=need_weights)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """States (b, n_k, d_model) of source tokens (b, n_k), and the mask (b, 1, n_k) that hides their padding."""
        check_tokens("source", source, self.embed_source.num_embeddings)
        mask = (source != self.pad).unsqueeze(-2)
        states, _ = self.encoder(self._read(self.embed_source, source), mask)
        return states, mask

    def _read(self, embed: nn.Embedding, tokens: Tensor, start: int = 0) -> Tensor:
        # The embeddings also serve as the output's weights, where small numbers are right; √d_model brings them up to
        # the size of the positions (Vaswani et al., section 3.4).
        x = embed(tokens) * math.sqrt(embed.embedding_dim)
        return self.dropout(x + sinusoidal(x.shape[-2], x.shape[-1], start, dtype=x.dtype, device=x.device))

    def _decode(
        self,
        states: Tensor,
        source_mask: Tensor,
        target: Tensor,
        *,
        need_weights: bool = False,
        caches: list[DecoderCache] | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        check_tokens("target", target, self.embed_target.num_embeddings)
        start, n = len(caches[0][0]) if caches else 0, target.shape[-1]
        x, mask = self._read(self.embed_target, target, start), causal(n, start + n, device=target.device)
        x, weights = self.decoder(x, states, mask, source_mask, need_weights=need_weights, caches=caches)
        return nn.functional.linear(x, self.embed_target.weight), weights

    def translate(self, source: Tensor, start: int, end: int, max_length: int) -> tuple[Tensor, Tensor]:
        """Translate greedily: the likeliest token at each step is read at the next.

        Args:
            source: tokens, (b, n_k).
            start, end: the tokens that open and close a target.
            max_length: where to stop a translation that does not end by itself.
        Returns:
            tokens (b, n_q), each row filled with `end` behind its first `end`, and the weights to the source
            (b, n_q, n_k), averaged over the heads of the last layer.
        """
        check_count("max_length", max_length)
        caches = [(KVCache(), KVCache()) for _ in self.decoder.layers]
        token = source.new_full((len(source), 1), start)
        done = token != start  # (b, 1), all False
        tokens, steps = [], []
        with evaluating(self):
            states, mask = self.encode(source)
            for _ in range(max_length):
                logits, weights = self._decode(states, mask, token, need_weights=True, caches=caches)
                token = logits.argmax(dim=-1).masked_fill(done, end)
                done = done | (token == end)
                tokens.append(token)
                steps.append(weights[-1][1].mean(dim=-3))  # (b, num_heads, 1, n_k) -> (b, 1, n_k)
                if done.all():
                    break
        return torch.cat(tokens, dim=1), torch.cat(steps, dim=1)


def _embedding(name: str, vocabulary: int, d_model: int) -> nn.Embedding:
    check_count(name, vocabulary)
    embed = nn.Embedding(vocabulary, d_model)
    nn.init.normal_(embed.weight, std=d_model**-0.5)
    return embed
