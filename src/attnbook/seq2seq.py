"""Recurrent encoder-decoder: translation through one fixed vector, or by looking back with attention.

The encoder turns the source into one state a token and into one summary vector. The decoder turns the target's
tokens into states of its own. What it may know of the source beyond the summary is the *context*: the same fixed
vector at every step, or, with a score, an average of the encoder's states that each step chooses for itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook._checks import check_count, check_tokens, shape
from attnbook.attention import attend


def reverse_padded(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first `lengths[i]` rows of each sequence and leave the padding behind them where it is.

    Args:
        x: sequences, (b, n, d).
        lengths: int, (b,), each from 0 to n.
    Returns:
        (b, n, d).

    >>> import torch
    >>> reverse_padded(torch.tensor([[[1], [2], [3], [0]]]), torch.tensor([3])).flatten().tolist()
    [3, 2, 1, 0]
    """
    position = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
    mirrored = lengths[:, None] - 1 - position
    index = torch.where(mirrored >= 0, mirrored, position)
    return x.gather(1, index[..., None].expand_as(x))


class Encoder(nn.Module):
    """Read the source in both directions: one state for each token, and one summary of all of them.

    Args:
        vocabulary: number of different tokens.
        d_embed: width of an embedding.
        d_hidden: width of a state; half of it reads forwards, half backwards, so it must be even.
        pad: the token that fills up short sequences; it changes nothing.
    Source: Bahdanau, Cho and Bengio (2014), section 3.2; the recurrent cell is Cho et al.'s GRU (2014).

    >>> import torch
    >>> states, summary = Encoder(vocabulary=11, d_embed=4, d_hidden=6)(torch.tensor([[3, 5, 7], [2, 9, 0]]))
    >>> states.shape, summary.shape
    (torch.Size([2, 3, 6]), torch.Size([2, 6]))
    """

    def __init__(self, vocabulary: int, d_embed: int, d_hidden: int, pad: int = 0) -> None:
        super().__init__()
        if d_hidden % 2:
            raise ValueError(f"d_hidden should be even (half of it reads each way), got {d_hidden}")
        self.pad = pad
        self.embed = nn.Embedding(vocabulary, d_embed)
        self.forwards = nn.GRU(d_embed, d_hidden // 2, batch_first=True)
        self.backwards = nn.GRU(d_embed, d_hidden // 2, batch_first=True)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """States (b, n_k, d_hidden) and summary (b, d_hidden) of source tokens (b, n_k)."""
        check_tokens("source", source, self.embed.num_embeddings)
        if source.dim() != 2:
            raise ValueError(f"source should have shape (b, n_k), got {shape(source)}")
        lengths = (source != self.pad).sum(dim=1)
        embedded = self.embed(source)
        right, _ = self.forwards(embedded)
        left, _ = self.backwards(reverse_padded(embedded, lengths))
        # Each direction's last state, the one behind its last true token, has read the whole source.
        last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, right.shape[-1])
        summary = torch.cat([right.gather(1, last), left.gather(1, last)], dim=-1).squeeze(1)
        return torch.cat([right, reverse_padded(left, lengths)], dim=-1), summary


class Seq2Seq(nn.Module):
    """Translate token by token; with a score the decoder looks back at all encoder states, without it it can't.

    The two models are the same but for the context, one line of `forward`:

        without a score:   context_i = summary                          (the same fixed vector at every step)
        with a score:      context_i = Σ_j weights_ij · state_j         (chosen anew at every step)

    Args:
        source_vocabulary, target_vocabulary: numbers of different tokens.
        d_embed: width of an embedding.
        d_hidden: width of the encoder's and the decoder's states, and so of the fixed vector; even.
        score: maps decoder states (b, n_q, d_hidden) and encoder states (b, n_k, d_hidden) to scores (b, n_q, n_k),
            as all of `attnbook.scores` do; None for the fixed vector.
        pad: the source's padding token.
    Source: without a score Sutskever et al. (2014) and Cho et al. (2014); with one Bahdanau et al. (2014), in the
        order of Luong et al. (2015): the decoder's state asks after it has read the previous token. So no query
        waits for another query's answer, and in training all of them are computed at once.

    >>> import torch
    >>> from attnbook.scores import scaled_dot
    >>> model = Seq2Seq(source_vocabulary=11, target_vocabulary=13, d_embed=4, d_hidden=6, score=scaled_dot)
    >>> source, target = torch.randint(1, 11, (3, 5)), torch.randint(1, 13, (3, 7))
    >>> logits, weights = model(source, target)
    >>> logits.shape, weights.shape
    (torch.Size([3, 7, 13]), torch.Size([3, 7, 5]))
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        d_embed: int,
        d_hidden: int,
        score: Callable[[Tensor, Tensor], Tensor] | None = None,
        pad: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(source_vocabulary, d_embed, d_hidden, pad)
        self.embed = nn.Embedding(target_vocabulary, d_embed)
        self.start = nn.Linear(d_hidden, d_hidden)
        self.decoder = nn.GRU(d_embed, d_hidden, batch_first=True)
        self.score = score
        self.combine = nn.Linear(2 * d_hidden, d_embed)
        self.predict = nn.Linear(d_embed, target_vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Predict each next target token from the source and the true target tokens so far (teacher forcing).

        Args:
            source: tokens, (b, n_k).
            target: tokens that the decoder reads, (b, n_q), a start token first.
        Returns:
            logits (b, n_q, target_vocabulary) for the token after each that was read, and attention weights
            (b, n_q, n_k), or None without a score.
        Raises:
            ValueError: source and target are not two batches of as many sentences, or a token is not in its
                vocabulary; the message gives what it met.
            TypeError: they do not hold whole numbers.
        """
        check_tokens("target", target, self.embed.num_embeddings)
        if target.dim() != 2 or len(source) != len(target):
            raise ValueError(
                "source (b, n_k) and target (b, n_q) should have as many sentences, "
                f"got {shape(source)} and {shape(target)}"
            )
        states, summary = self.encoder(source)
        first = self.start(summary).tanh()
        logits, weights, _ = self._decode(states, summary, source != self.encoder.pad, target, first[None])
        return logits, weights

    def _decode(
        self, states: Tensor, summary: Tensor, mask: Tensor, target: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        q, hidden = self.decoder(self.embed(target), hidden)  # (b, n_q, d_hidden)
        if self.score is None:
            context, weights = summary[:, None].expand_as(q), None
        else:
            context, weights = attend(self.score(q, states), states, mask[:, None])
        logits = self.predict(self.combine(torch.cat([q, context], dim=-1)).tanh())
        return logits, weights, hidden

    @torch.no_grad()
    def translate(self, source: Tensor, start: int, end: int, max_length: int) -> tuple[Tensor, Tensor | None]:
        """Translate greedily: the likeliest token at each step is read at the next.

        Args:
            source: tokens, (b, n_k).
            start, end: the tokens that open and close a target.
            max_length: where to stop a translation that does not end by itself.
        Returns:
            tokens (b, n_q), each row filled with `end` behind its first `end`, and attention weights (b, n_q, n_k),
            or None without a score.
        """
        check_count("max_length", max_length)
        states, summary = self.encoder(source)
        mask, hidden = source != self.encoder.pad, self.start(summary).tanh()[None]
        token = source.new_full((len(source), 1), start)
        done = token != start  # (b, 1), all False
        tokens: list[Tensor] = []
        weights: list[Tensor] = []
        for _ in range(max_length):
            logits, weight, hidden = self._decode(states, summary, mask, token, hidden)
            token = logits.argmax(dim=-1).masked_fill(done, end)
            done = done | (token == end)
            tokens.append(token)
            if weight is not None:
                weights.append(weight)
            if done.all():
                break
        return torch.cat(tokens, dim=1), torch.cat(weights, dim=1) if weights else None
