"""Listen, attend and spell: an encoder that shortens time, and two ways to write what it heard.

The `Speller` writes token by token and looks back at the states of sound, as chapter 2's translator looks at words.
The `CTCReader` gives every state one token or none, from left to right. It needs no attention.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook._checks import check_count, check_tokens, check_width, shape
from attnbook.attention import attend
from attnbook.seq2seq import reverse_padded

SHORTENING = 4  # frames that become one state


class Listener(nn.Module):
    """Frames to states, one for every four frames: two convolutions of stride 2, then a GRU in both directions.

    Args:
        bands: width of a frame.
        d_hidden: width of a state; half of it reads forwards, half backwards, so it must be even.
    Source: Chan et al. (2016) shorten time by a pyramid of recurrent layers; convolutions that do it are those of
        Zhang, Chan and Jaitly (2017).

    >>> states, summary, mask = Listener(bands=3, d_hidden=4)(torch.randn(2, 9, 3), torch.tensor([9, 4]))
    >>> states.shape, summary.shape, mask.tolist()
    (torch.Size([2, 3, 4]), torch.Size([2, 4]), [[True, True, True], [True, False, False]])
    """

    def __init__(self, bands: int, d_hidden: int) -> None:
        super().__init__()
        if d_hidden % 2:
            raise ValueError(f"d_hidden should be even (half of it reads each way), got {d_hidden}")
        half = d_hidden // 2
        self.bands = bands
        self.shorten = nn.ModuleList(
            nn.Conv1d(width, half, kernel_size=3, stride=2, padding=1) for width in (bands, half)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(half) for _ in self.shorten)
        self.forwards = nn.GRU(half, half, batch_first=True)
        self.backwards = nn.GRU(half, half, batch_first=True)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hear a batch of frames; what lies behind an utterance's end changes nothing.

        Args:
            frames: (b, n, bands).
            lengths: frames in each utterance, (b,), each from 1 to n.
        Returns:
            states (b, ⌈n / 4⌉, d_hidden), a summary (b, d_hidden), and the states' mask (b, ⌈n / 4⌉).
        Raises:
            ValueError: frames do not have shape (b, n, bands), or lengths do not have shape (b,).
        """
        check_width("frames", frames, self.bands)
        if frames.dim() != 3 or lengths.shape != frames.shape[:1]:
            raise ValueError(
                f"frames should have shape (b, n, bands) and lengths (b,), got {shape(frames)} and {shape(lengths)}"
            )
        x = _masked(frames, lengths)
        for convolution, norm in zip(self.shorten, self.norms, strict=True):
            # (b, n, d) -> (b, d, n), as convolutions want it, -> (b, n / 2, d_hidden / 2)
            x = norm(convolution(x.transpose(1, 2)).transpose(1, 2)).relu()
            lengths = (lengths + 1) // 2
            x = _masked(x, lengths)
        right, _ = self.forwards(x)
        left, _ = self.backwards(reverse_padded(x, lengths))
        last = (lengths - 1)[:, None, None].expand(-1, 1, right.shape[-1])
        summary = torch.cat([right.gather(1, last), left.gather(1, last)], dim=-1).squeeze(1)
        return torch.cat([right, reverse_padded(left, lengths)], dim=-1), summary, _mask(x, lengths)


class Speller(nn.Module):
    """Listen, then write token by token; with a score each step looks back at the states, without one it can't.

    The decoder is that of `seq2seq.Seq2Seq`; what it looks at is sound.

    Args:
        bands: width of a frame.
        tokens: number of different tokens that are written.
        d_embed: width of a token's embedding.
        d_hidden: width of the states; even.
        score: maps queries (b, n_q, d_hidden) and keys (b, n_k, d_hidden) to scores (b, n_q, n_k), as all of
            `attnbook.scores` do; None for the fixed vector.
    Source: Chan, Jaitly, Le and Vinyals (2016), "Listen, attend and spell".

    >>> from attnbook.scores import scaled_dot
    >>> speller = Speller(bands=3, tokens=7, d_embed=5, d_hidden=4, score=scaled_dot)
    >>> logits, weights = speller(torch.randn(2, 9, 3), torch.tensor([9, 4]), torch.tensor([[0, 1], [0, 5]]))
    >>> logits.shape, weights.shape
    (torch.Size([2, 2, 7]), torch.Size([2, 2, 3]))
    """

    def __init__(
        self,
        bands: int,
        tokens: int,
        d_embed: int,
        d_hidden: int,
        score: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.listener = Listener(bands, d_hidden)
        self.embed = nn.Embedding(tokens, d_embed)
        self.start = nn.Linear(d_hidden, d_hidden)
        self.decoder = nn.GRU(d_embed, d_hidden, batch_first=True)
        self.score = score
        self.combine = nn.Linear(2 * d_hidden, d_embed)
        self.predict = nn.Linear(d_embed, tokens)

    def forward(self, frames: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Predict each next token from the sound and the true tokens so far (teacher forcing).

        Args:
            frames: (b, n, bands).
            lengths: frames in each utterance, (b,).
            target: tokens that the decoder reads, (b, n_q), a start token first.
        Returns:
            logits (b, n_q, tokens) for the token after each that was read, and weights (b, n_q, n_k), or None
            without a score.
        Raises:
            ValueError: as many utterances as targets are expected; or as `Listener` does.
        """
        check_tokens("target", target, self.embed.num_embeddings)
        if target.dim() != 2 or len(frames) != len(target):
            raise ValueError(
                "frames (b, n, bands) and target (b, n_q) should have as many utterances, "
                f"got {shape(frames)} and {shape(target)}"
            )
        states, summary, mask = self.listener(frames, lengths)
        logits, weights, _ = self._decode(states, summary, mask, target, self.start(summary).tanh()[None])
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
    def transcribe(
        self, frames: Tensor, lengths: Tensor, start: int, end: int, max_length: int
    ) -> tuple[list[list[int]], Tensor | None]:
        """Write greedily: the likeliest token at each step is read at the next.

        Args:
            frames: (b, n, bands).
            lengths: frames in each utterance, (b,).
            start, end: the tokens that open and close a text.
            max_length: where to stop a text that does not end by itself.
        Returns:
            the tokens before the first `end` of each utterance, and weights (b, n_q, n_k), a row for each token
            written, `end` too; None without a score.
        """
        check_count("max_length", max_length)
        states, summary, mask = self.listener(frames, lengths)
        hidden, token = self.start(summary).tanh()[None], lengths.new_full((len(frames), 1), start)
        tokens: list[Tensor] = []
        weights: list[Tensor] = []
        done = token != start  # (b, 1), all False
        while len(tokens) < max_length and not done.all():
            logits, weight, hidden = self._decode(states, summary, mask, token, hidden)
            token = logits.argmax(dim=-1).masked_fill(done, end)
            done = done | (token == end)
            tokens.append(token)
            if weight is not None:
                weights.append(weight)
        rows = torch.cat(tokens, dim=1).tolist()
        texts = [row[: row.index(end)] if end in row else row for row in rows]
        return texts, torch.cat(weights, dim=1) if weights else None


class CTCReader(nn.Module):
    """Listen, and give every state a token or a blank: connectionist temporal classification.

    A text is read off from left to right: neighbouring equal tokens are one, then blanks are dropped. So time can only
    go forwards; nothing can be skipped to, or looked at twice.

    Args:
        bands: width of a frame.
        tokens: number of different tokens; the blank is one more, number `tokens`.
        d_hidden: width of the states; even.
    Source: Graves, Fernández, Gomez and Schmidhuber (2006).

    >>> reader = CTCReader(bands=3, tokens=7, d_hidden=4)
    >>> log_probabilities, mask = reader(torch.randn(2, 9, 3), torch.tensor([9, 4]))
    >>> log_probabilities.shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, bands: int, tokens: int, d_hidden: int) -> None:
        super().__init__()
        self.listener = Listener(bands, d_hidden)
        self.predict = nn.Linear(d_hidden, tokens + 1)
        self.blank = tokens

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (b, n_k, tokens + 1) and the states' mask (b, n_k), of frames (b, n, bands)."""
        states, _, mask = self.listener(frames, lengths)
        return self.predict(states).log_softmax(dim=-1), mask

    @torch.no_grad()
    def transcribe(self, frames: Tensor, lengths: Tensor) -> list[list[int]]:
        """The likeliest token of each state, repetitions and blanks taken out."""
        log_probabilities, mask = self(frames, lengths)
        best = log_probabilities.argmax(dim=-1).masked_fill(~mask, self.blank)
        return [self.collapse(row) for row in best.tolist()]

    def collapse(self, row: list[int]) -> list[int]:
        """The text that a row of tokens and blanks stands for.

        >>> CTCReader(bands=3, tokens=7, d_hidden=4).collapse([7, 5, 5, 7, 5, 2, 7])
        [5, 5, 2]
        """
        return [x for x, before in zip(row, [self.blank, *row], strict=False) if x not in (before, self.blank)]


def _mask(x: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(x.shape[1], device=x.device) < lengths[:, None]


def _masked(x: Tensor, lengths: Tensor) -> Tensor:
    return x.masked_fill(~_mask(x, lengths)[..., None], 0)
