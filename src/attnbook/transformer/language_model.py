"""A language model: an encoder under a causal mask that predicts, at every token, the next one."""

import torch
from torch import Tensor, nn

from attnbook._checks import check_count, check_tokens
from attnbook.masks import causal
from attnbook.multihead import KVCache, MultiHeadAttention
from attnbook.positions import LearnedPositions
from attnbook.transformer._evaluating import evaluating
from attnbook.transformer.layers import EncoderLayer
from attnbook.transformer.stacks import Encoder


class LanguageModel(nn.Module):
    """Predict the next token from all tokens before it.

    Args:
        vocabulary: number of different tokens.
        d_model: width of a token.
        num_heads: heads of each attention.
        num_layers: number of layers.
        max_len: the longest text, for learned positions; None for rotary ones, which have no end.
        d_ff: width of the networks' hidden layers; 4 · d_model if left out.
        num_kv_heads: heads of keys and values, for a smaller cache; num_heads if left out.
        dropout: share of each part's output that training leaves out.
    Cost: for n tokens O(num_layers (n d_model² + n² d_model) + n vocabulary d_model) time.
    Source: with learned positions the shape of GPT-2 (Radford et al., 2019); rotary positions and shared keys and
        values as in Llama 2 (Touvron et al., 2023).

    >>> import torch
    >>> model = LanguageModel(vocabulary=11, d_model=8, num_heads=2, num_layers=2)
    >>> logits, _ = model(torch.randint(11, (3, 5)))
    >>> logits.shape
    torch.Size([3, 5, 11])
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        max_len: int | None = None,
        *,
        d_ff: int | None = None,
        num_kv_heads: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_count("vocabulary", vocabulary)
        check_count("num_layers", num_layers)
        self.embed = nn.Embedding(vocabulary, d_model)
        nn.init.normal_(self.embed.weight, std=0.02)  # also the output's weights: at first all tokens are as likely
        self.positions = None if max_len is None else LearnedPositions(max_len, d_model)
        self.dropout = nn.Dropout(dropout)

        def layer() -> EncoderLayer:
            attention = MultiHeadAttention(d_model, num_heads, num_kv_heads, rotary=max_len is None)
            return EncoderLayer(attention, d_ff, dropout=dropout)

        self.layers = Encoder([layer() for _ in range(num_layers)])

    def forward(
        self, tokens: Tensor, *, need_weights: bool = False, caches: list[KVCache] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict the token after each of the tokens.

        Args:
            tokens: (..., n).
            need_weights: whether to return the attention's weights.
            caches: one for each layer, of the tokens before these; from `new_caches`.
        Returns:
            logits (..., n, vocabulary), and a list of each layer's weights (..., num_heads, n, n_k), empty if not
            asked for.
        Raises:
            ValueError: a token is outside the vocabulary, or the text is longer than max_len.
            TypeError: the tokens are not whole numbers.
        """
        check_tokens("tokens", tokens, self.embed.num_embeddings)
        n, past = tokens.shape[-1], len(caches[0]) if caches else 0
        x = self.embed(tokens)
        x = self.dropout(x if self.positions is None else self.positions(x, past))
        mask = causal(n, past + n, device=tokens.device) if n > 1 else None  # a single new token sees all
        x, weights = self.layers(x, mask, need_weights=need_weights, caches=caches)
        return nn.functional.linear(x, self.embed.weight), weights

    def new_caches(self) -> list[KVCache]:
        """Empty caches, one for each layer."""
        return [KVCache() for _ in self.layers.layers]

    def generate(
        self,
        prompt: Tensor,
        num_tokens: int,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        seed: int | None = None,
        use_cache: bool = True,
    ) -> Tensor:
        """Continue a text, one token after the other. Each is read before the next is chosen.

        With the cache only the new token passes the layers. Without it all tokens pass again at each step, and the
        result is the same.

        Args:
            prompt: tokens, (..., n), at least one.
            num_tokens: how many to add.
            temperature, top_k: as in `choose`.
            seed: draws the same tokens again; None for torch's global generator.
            use_cache: whether to keep keys and values.
        Returns:
            tokens (..., n + num_tokens), the prompt first.
        Raises:
            ValueError: the prompt is empty, the text becomes longer than max_len, or an argument is out of its range.
        Cost: a token after n others takes O(d_model² + n d_model) time with the cache, O(n d_model² + n² d_model)
            without, for each layer; the cache holds 2 n d_model · num_kv_heads / num_heads numbers for each layer.
        """
        check_count("num_tokens", num_tokens, least=0)
        if prompt.shape[-1] == 0:
            raise ValueError(f"the prompt should hold at least one token, got shape {tuple(prompt.shape)}")
        generator = None if seed is None else torch.Generator(prompt.device).manual_seed(seed)
        caches = self.new_caches() if use_cache else None
        tokens = unread = prompt
        with evaluating(self):
            for _ in range(num_tokens):
                logits, _ = self(unread, caches=caches)
                token = choose(logits[..., -1, :], temperature, top_k, generator).unsqueeze(-1)
                tokens = torch.cat([tokens, token], dim=-1)
                unread = token if use_cache else tokens
        return tokens


def choose(
    logits: Tensor, temperature: float = 0.0, top_k: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Choose the next token from the logits of all.

    Args:
        logits: (..., vocabulary).
        temperature: 0 takes the likeliest; else logits are divided by it and the token is drawn from their softmax:
            1 draws as the model believes, less sharpens, more flattens.
        top_k: draw from the k likeliest alone; None for all.
        generator: draws; None for torch's global one.
    Returns:
        tokens, (...).
    Raises:
        ValueError: temperature is negative, or top_k is outside 1 to vocabulary.
    Cost: O(vocabulary) time for each token.
    Source: temperature: Ackley et al. (1985); top-k: Fan, Lewis and Dauphin (2018).

    >>> import torch
    >>> choose(torch.tensor([0.1, 2.0, 1.0]))
    tensor(1)
    """
    if temperature < 0:
        raise ValueError(f"temperature should be 0 (the likeliest token) or more, got {temperature}")
    if top_k is not None and not 1 <= top_k <= logits.shape[-1]:
        raise ValueError(f"top_k should lie between 1 and the vocabulary's {logits.shape[-1]}, got {top_k}")
    if temperature == 0:
        return logits.argmax(dim=-1)
    if top_k is not None:
        likeliest = logits.topk(top_k, dim=-1)
        logits = torch.full_like(logits, float("-inf")).scatter(-1, likeliest.indices, likeliest.values)
    probabilities = (logits / temperature).softmax(dim=-1)
    drawn = torch.multinomial(probabilities.reshape(-1, logits.shape[-1]), 1, generator=generator)  # rows only
    return drawn.view(logits.shape[:-1])
