"""Multi-head attention: several small attentions side by side, each free to look for something else."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnbook import positions
from attnbook._checks import check_count, check_input, check_leading, check_mask_fits, shape
from attnbook.attention import mend, scaled_dot_product_attention


class KVCache:
    """Keep the keys and values of earlier tokens, so that a new token need not compute them again.

    Its length is the number of tokens that it holds. It is empty at first, and each call of `MultiHeadAttention` that
    is given it adds to it. So each attention of a model needs a cache of its own.

    >>> import torch
    >>> from attnbook.multihead import MultiHeadAttention
    >>> cache = KVCache()
    >>> for token in torch.randn(3, 1, 8):
    ...     output, _ = MultiHeadAttention(8, 2)(token, cache=cache)
    >>> len(cache), cache.k.shape
    (3, torch.Size([2, 3, 4]))
    """

    def __init__(self) -> None:
        self.k: Tensor | None = None  # (..., num_kv_heads, n, d_head)
        self.v: Tensor | None = None

    def __len__(self) -> int:
        return 0 if self.k is None else self.k.shape[-2]

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new tokens, and return those of all tokens.

        Raises:
            ValueError: their leading axes or widths are not those of the tokens before.
        """
        if self.k is not None and self.v is not None:
            if k.shape[:-2] != self.k.shape[:-2] or k.shape[-1] != self.k.shape[-1]:
                raise ValueError(f"the cache holds keys {shape(self.k)}, and keys {shape(k)} do not continue them")
            k, v = torch.cat([self.k, k], dim=-2), torch.cat([self.v, v], dim=-2)
        self.k, self.v = k, v
        return k, v


class MultiHeadAttention(nn.Module):
    """Attend with several heads, each in its own d_head = d_model / num_heads dimensions, and mix their outputs.

        head_i = attention(x W_q^i, s W_k^i, s W_v^i)        output = [head_1; ...; head_h] W_o

    Queries come from x. Keys and values come from s: x itself (self-attention) or another sequence (cross-attention).

    Args:
        d_model: width of the inputs and of the output.
        num_heads: number of heads; divides d_model.
        num_kv_heads: number of heads of keys and values; divides num_heads, whose groups then share keys and values.
            Left out, each head has its own.
        method: how a head attends, if not by plain attention: method(q, k, v, mask=mask) -> output, all
            (..., num_heads, n, d_head); one of `attnbook.efficient`, its own arguments bound by `functools.partial`.
        rotary: turn queries and keys by their positions (`positions.rotary`); for self-attention.
        bias: whether the four linear layers add a bias.
    Raises:
        ValueError: num_heads does not divide d_model, num_kv_heads does not divide num_heads, or d_head is odd though
            rotary positions turn pairs.
    Cost: O((n_q + n_k) d_model² + n_q n_k d_model) time; O((n_q + n_k) d_model) memory and what the mask takes, with
        weights num_heads · n_q · n_k more; 4 d_model (d_model + 1) parameters.
    Source: Vaswani et al. (2017), section 3.2.2; shared keys and values: Ainslie et al. (2023), "GQA".

    >>> import torch
    >>> attention = MultiHeadAttention(d_model=8, num_heads=2)
    >>> x, source = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
    >>> output, weights = attention(x, source, need_weights=True)
    >>> output.shape, weights.shape
    (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 7]))
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        *,
        method: Callable[..., Tensor] | None = None,
        rotary: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_count("d_model", d_model)
        check_count("num_heads", num_heads)
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        check_count("num_kv_heads", num_kv_heads)
        if d_model % num_heads:
            raise ValueError(f"num_heads should divide d_model, got d_model {d_model} and num_heads {num_heads}")
        if num_heads % num_kv_heads:
            raise ValueError(f"num_kv_heads should divide num_heads, got {num_kv_heads} and num_heads {num_heads}")
        self.num_heads, self.num_kv_heads, self.d_head = num_heads, num_kv_heads, d_model // num_heads
        if rotary and self.d_head % 2:
            raise ValueError(f"rotary positions turn pairs, so d_model / num_heads should be even, got {self.d_head}")
        self.rotary, self.method = rotary, method
        self.query = nn.Linear(d_model, d_model, bias=bias)
        self.key = nn.Linear(d_model, num_kv_heads * self.d_head, bias=bias)
        self.value = nn.Linear(d_model, num_kv_heads * self.d_head, bias=bias)
        self.output = nn.Linear(d_model, d_model, bias=bias)

    def forward(
        self,
        x: Tensor,
        source: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        need_weights: bool = False,
        cache: KVCache | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Let each token of x attend to the source, or to x itself.

        Args:
            x: (..., n_q, d_model).
            source: (..., n_k, d_model), for cross-attention; left out, x attends to itself.
            mask: bool, broadcasts to (..., n_q, n_k), no axis for heads; True = may attend.
            need_weights: whether to return the weights, which takes the slower path that stores them.
            cache: keys and values of earlier calls. Self-attention adds those of x, and n_k counts them all.
                Cross-attention computes those of the source at the first call alone.
        Returns:
            output (..., n_q, d_model), and weights (..., num_heads, n_q, n_k) or None.
        Raises:
            ValueError: a width is not d_model, leading axes do not broadcast, the mask does not fit, there is a source
                though positions are rotary, or weights are asked of a method that has none.
            TypeError: x or the source is not of the parameters' dtype, or the mask is not boolean.
        """
        check_input("x", x, self.query.weight)
        q = self._split(self.query(x), self.num_heads)
        if source is None:
            q, k, v = self._of_itself(x, q, cache)
        else:
            k, v = self._of_source(x, source, cache)
        mask = None if mask is None else _for_heads(mask, q, k)
        group = self.num_heads // self.num_kv_heads
        if group > 1:  # (..., num_kv_heads, n_k, d_head) -> (..., num_heads, n_k, d_head), each `group` times in a row
            k, v = k.repeat_interleave(group, dim=-3), v.repeat_interleave(group, dim=-3)
        if self.method is not None:
            if need_weights:
                raise ValueError("a method of attention returns no weights: leave need_weights out, or method")
            output, weights = self.method(q, k, v, mask=mask), None
        elif need_weights:
            output, weights = scaled_dot_product_attention(q, k, v, mask)
        else:
            output, weights = _fused(q, k, v, mask), None
        # (..., h, n_q, d_head) -> (..., n_q, h, d_head) -> (..., n_q, d_model)
        return self.output(output.transpose(-3, -2).flatten(-2)), weights

    def _split(self, x: Tensor, num_heads: int) -> Tensor:
        # (..., n, h * d_head) -> (..., n, h, d_head) -> (..., h, n, d_head)
        return x.unflatten(-1, (num_heads, self.d_head)).transpose(-3, -2)

    def _keys_and_values(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return self._split(self.key(source), self.num_kv_heads), self._split(self.value(source), self.num_kv_heads)

    def _of_itself(self, x: Tensor, q: Tensor, cache: KVCache | None) -> tuple[Tensor, Tensor, Tensor]:
        k, v = self._keys_and_values(x)
        if self.rotary:
            start = 0 if cache is None else len(cache)
            q, k = positions.rotary(q, start), positions.rotary(k, start)
        return (q, k, v) if cache is None else (q, *cache.append(k, v))

    def _of_source(self, x: Tensor, source: Tensor, cache: KVCache | None) -> tuple[Tensor, Tensor]:
        if self.rotary:
            raise ValueError("rotary positions are those of one sequence: cross-attention needs rotary=False")
        check_input("source", source, self.key.weight)
        check_leading("x", x, "source", source)
        if cache is None:
            return self._keys_and_values(source)
        if cache.k is None or cache.v is None:
            return cache.append(*self._keys_and_values(source))
        return cache.k, cache.v

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> "MultiHeadAttention":
        """Copy the weights of torch's module, whose output is then the same (its dropout is left out).

        Raises:
            ValueError: the module has other widths for keys or values, or extra key and value tokens.
        """
        if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
            raise ValueError(f"only a module without kdim, vdim, add_bias_kv and add_zero_attn fits, got {module}")
        mine = cls(module.embed_dim, module.num_heads, bias=module.in_proj_bias is not None)
        mine = mine.to(module.in_proj_weight.device, module.in_proj_weight.dtype)
        layers = (mine.query, mine.key, mine.value)
        with torch.no_grad():
            for layer, weight in zip(layers, module.in_proj_weight.chunk(3), strict=True):
                layer.weight.copy_(weight)
            if module.in_proj_bias is not None:
                for layer, bias in zip(layers, module.in_proj_bias.chunk(3), strict=True):
                    layer.bias.copy_(bias)
            mine.output.load_state_dict(module.out_proj.state_dict())
        return mine.train(module.training)


def _for_heads(mask: Tensor, q: Tensor, k: Tensor) -> Tensor:
    leading = torch.broadcast_shapes(q.shape[:-3], k.shape[:-3])
    check_mask_fits(mask, (*leading, q.shape[-2], k.shape[-2]), q.device)
    mask = torch.atleast_2d(mask)
    return mask.unsqueeze(-3) if mask.dim() > 2 else mask  # (..., n_q, n_k) -> (..., 1, n_q, n_k)


def _fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    # The output of `scaled_dot_product_attention` by torch's kernel. It goes through the keys block by block (Dao et
    # al., 2022) and never stores the weights. What kernels and versions do differently is settled here: a row without
    # a key sees all of them and is then set to zero, and NaN under the mask is taken out.
    if mask is None:
        return nn.functional.scaled_dot_product_attention(q, k, v)
    (k, broken_k), (v, broken_v) = mend(k), mend(v)
    # A NaN in one head would reach all numbers of the output when the heads are mixed, so heads need not be told apart.
    broken = (broken_k | broken_v).any(dim=-3, keepdim=True).mT  # (..., 1, 1, n_k)
    reached = (mask & broken).any(dim=-1, keepdim=True)
    nobody = ~mask.any(dim=-1, keepdim=True)
    output = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask | nobody)
    return torch.where(reached, float("nan"), torch.where(nobody, 0.0, output))
