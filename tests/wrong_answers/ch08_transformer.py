"""Wrong answers to chapter 8's exercises."""

# ruff: noqa: N803 (arguments are named as in the formula)

import math

import torch
from torch.nn.functional import gelu, layer_norm

from wrong_answers import Bank

BANK = Bank()

BANK.value("pre_norm", (-2, 3, 6, -3), "post for pre", "This is post-norm")
BANK.value("pre_norm", (-1, 3, 3, -1), "residual from the norm", "norm's copy")
BANK.value("pre_norm", (3, 2, 1, -4), "no residual", "residual is missing")
BANK.value("pre_norm", (8, 12, 12, 8), "no norm", "part read x itself")
BANK.value("pre_norm", (1, 19 / 3, 19 / 3, 19 / 3), "no g, no s", "g and s are missing")
BANK.value("pre_norm", (3, 8, 7, 3), "no s", "shift s is missing")
BANK.value("pre_norm", (-4, 7, 8, 11), "not turned around", "did not turn around")
BANK.value("pre_norm", (-4, 1, 2, 3), "the norm alone", "what the part reads")
BANK.value("post_norm", (3, 8, 7, 4), "pre for post", "This is pre-norm")
BANK.value("post_norm", (8, 12, 12, 8), "the sum alone", "norm is missing")
BANK.value("post_norm", (4, 1, 2, -5), "no residual", "residual is missing")
BANK.value("post_norm", (4, 7, 8, 3), "the answer normalised", "Only the part's answer")
BANK.value("post_norm", (-1, 1, 1, -1), "no g, no s", "g and s are missing")
BANK.value("post_norm", (-0.5, 1.5, 3, -1.5), "variance for deviation", "root is meant")
BANK.value("decoder_parameters", 66_752, "encoder as wide as the decoder", "Its own width")
BANK.value("decoder_parameters", 49_984, "an encoder layer", "This is an encoder layer: the")
BANK.value("decoder_parameters", 64_320, "no norms", "norms are missing")
BANK.value("decoder_parameters", 64_576, "two norms", "three norms")
BANK.value(
    "decoder_parameters",
    6 * 64 * 64 + 2 * 48 * 64 + 2 * 64 * 256 + 384,
    "no biases",
    "The biases are missing",
)
BANK.value("decoder_parameters", 64_704 - 320, "no biases in the network", "network's biases")
BANK.value("decoder_parameters", 16_640 + 8_320 + 2 * 48 * 49 + 33_088 + 384, "keys 48 wide", "Heads compare them")
BANK.value("decoder_parameters", 64_448, "one norm", "three parts has its own")
BANK.value("decoder_parameters", None, "nothing", "it is None")


# --- rotate ----------------------------------------------------------------------------------------------------------


def angles(x, start):
    n, d = x.shape[-2:]
    p = torch.arange(start, start + n, device=x.device, dtype=x.dtype)
    omega = torch.tensor([10000 ** (-2 * i / d) for i in range(d // 2)], device=x.device, dtype=x.dtype)
    return torch.outer(p, omega)


@BANK.add("rotate", "neighbours as pairs", "Neighbours were made pairs")
def neighbours(x, start):
    a = angles(x, start)
    even, odd = x[..., ::2], x[..., 1::2]
    y = torch.empty_like(x)
    y[..., ::2] = even * a.cos() - odd * a.sin()
    y[..., 1::2] = even * a.sin() + odd * a.cos()
    return y


@BANK.add("rotate", "the other way", "Turned the other way")
def backwards(x, start):
    a = angles(x, start)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() + two * a.sin(), two * a.cos() - one * a.sin()], -1)


@BANK.add("rotate", "rotate_half without its sign", "A sign is missing")
def no_sign(x, start):
    a = angles(x, start).repeat(1, 2)
    one, two = x.chunk(2, -1)
    return x * a.cos() + torch.cat([two, one], -1) * a.sin()


@BANK.add("rotate", "start forgotten", "start changes nothing")
def no_start(x, start):
    a = angles(x, 0)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "counts from 1", "first position is 1")
def from_one(x, start):
    a = angles(x, start + 1)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "start for all tokens", "one angle")
def one_place(x, start):
    d = x.shape[-1]
    a = start * 10000.0 ** (-torch.arange(0, d, 2, device=x.device, dtype=x.dtype) / d)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "i/d for 2i/d", "turn too fast")
def half_exponent(x, start):
    n, d = x.shape[-2:]
    omega = 10000.0 ** (-torch.arange(d // 2, device=x.device, dtype=x.dtype) / d)
    a = torch.arange(start, start + n, device=x.device)[:, None] * omega
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "exponent without its minus", "faster and faster")
def no_minus(x, start):
    n, d = x.shape[-2:]
    omega = 10000.0 ** (torch.arange(0, d, 2, device=x.device, dtype=x.dtype) / d)
    a = torch.arange(start, start + n, device=x.device)[:, None] * omega
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "minus in both halves", "reflection")
def two_signs(x, start):
    a = angles(x, start)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() - two * a.cos()], -1)


@BANK.add("rotate", "angles reshaped", "cut anew by a reshape")
def reshaped(x, start):
    a = angles(x, start)
    a = a.T.reshape(a.shape)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "one half turned", "Only the first half was turned")
def one_half(x, start):
    a = angles(x, start)
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), two], -1)


@BANK.add("rotate", "a base of 1000", "powers of 10000")
def thousand(x, start):
    n, d = x.shape[-2:]
    omega = 1000.0 ** (-torch.arange(0, d, 2, device=x.device, dtype=x.dtype) / d)
    a = torch.arange(start, start + n, device=x.device)[:, None] * omega
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "degrees", "radians")
def degrees(x, start):
    a = torch.deg2rad(angles(x, start))
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "range from start to n", "stops with RuntimeError in your line.*stands at position start")
def short_range(x, start):
    n, d = x.shape[-2:]
    omega = 10000.0 ** (-torch.arange(0, d, 2, device=x.device, dtype=x.dtype) / d)
    a = torch.arange(start, n, device=x.device)[:, None] * omega
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "one speed", "same speed")
def one_speed(x, start):
    n = x.shape[-2]
    a = torch.arange(start, start + n, device=x.device, dtype=x.dtype)[:, None]
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "sine for cosine", "Sine and cosine have changed places")
def sine_first(x, start):
    a = angles(x, start)
    sin, cos = a.cos(), a.sin()
    one, two = x.chunk(2, -1)
    return torch.cat([one * cos - two * sin, one * sin + two * cos], -1)


@BANK.add("rotate", "second half from the new first", "new\\* numbers")
def overwritten(x, start):
    a, y = angles(x, start), x.clone()
    m = x.shape[-1] // 2
    y[..., :m] = y[..., :m] * a.cos() - y[..., m:] * a.sin()
    y[..., m:] = y[..., :m] * a.sin() + y[..., m:] * a.cos()
    return y


@BANK.add("rotate", "angles repeated for neighbours", "laid out as if neighbours were")
def repeated(x, start):
    a = angles(x, start).repeat_interleave(2, -1)
    one, two = x.chunk(2, -1)
    return x * a.cos() + torch.cat([-two, one], -1) * a.sin()


@BANK.add("rotate", "pairs left side by side", "side by side in the result")
def stacked(x, start):
    a = angles(x, start)
    one, two = x.chunk(2, -1)
    return torch.stack([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1).flatten(-2)


@BANK.add("rotate", "waves added", "Waves were added")
def added(x, start):
    a = angles(x, start)
    return x + torch.stack([a.sin(), a.cos()], -1).flatten(-2)


@BANK.add(
    "rotate",
    "positions from axis 0: right without a batch",
    "stops with .* in your line.*count axes from",
)
def axis_zero(x, start):
    n, d = x.shape[0], x.shape[-1]
    omega = 10000.0 ** (-torch.arange(0, d, 2, device=x.device, dtype=x.dtype) / d)
    a = torch.arange(start, start + n, device=x.device)[:, None] * omega
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


@BANK.add("rotate", "written over the input", "changes its input x in place")
def in_place(x, start):
    a, m = angles(x, start), x.shape[-1] // 2
    one, two = x[..., :m].clone(), x[..., m:].clone()
    x[..., :m] = one * a.cos() - two * a.sin()
    x[..., m:] = one * a.sin() + two * a.cos()
    return x


@BANK.add("rotate", "places on the CPU", "would fail on a GPU")
def on_cpu(x, start):
    n, d = x.shape[-2:]
    omega = 10000.0 ** (-torch.arange(0, d, 2) / d)
    a = torch.arange(start, start + n)[:, None] * omega
    cos, sin = a.cos().to(x.dtype), a.sin().to(x.dtype)
    one, two = x.chunk(2, -1)
    return torch.cat([one * cos - two * sin, one * sin + two * cos], -1)


@BANK.add("rotate", "dtype lost", "dtype was lost")
def doubles(x, start):
    n, d = x.shape[-2:]
    omega = 10000.0 ** (-torch.arange(0, d, 2, device=x.device).double() / d)
    a = torch.arange(start, start + n, device=x.device)[:, None] * omega
    one, two = x.chunk(2, -1)
    return torch.cat([one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()], -1)


# --- block -----------------------------------------------------------------------------------------------------------


def normed(x, g, s):
    mean = x.mean(-1, keepdim=True)
    return g * (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-5) + s


@BANK.add("block", "the planted bug, unchanged", "x itself is lost")
def planted(x, g, s, W_1, W_2):
    def norm(x):
        x -= x.mean(dim=-1, keepdim=True)
        x /= (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return g * x + s

    return x + gelu(norm(x) @ W_1) @ W_2


@BANK.add("block", "the planted bug on a copy made too early", "x itself is lost")
def copied_early(x, g, s, W_1, W_2):
    x = x.clone()
    x -= x.mean(dim=-1, keepdim=True)
    x /= (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return x + gelu((g * x + s) @ W_1) @ W_2


@BANK.add("block", "x overwritten by its norm", "added to what it read")
def overwrites(x, g, s, W_1, W_2):
    x = normed(x, g, s)
    return x + gelu(x @ W_1) @ W_2


@BANK.add("block", "right, but x is changed in the end", "changes its input x in place")
def plus_equals(x, g, s, W_1, W_2):
    x += gelu(normed(x, g, s) @ W_1) @ W_2
    return x


@BANK.add("block", "no residual", "residual is missing")
def no_residual(x, g, s, W_1, W_2):
    return gelu(layer_norm(x, x.shape[-1:], g, s) @ W_1) @ W_2


@BANK.add("block", "post-norm", "This is post-norm")
def post(x, g, s, W_1, W_2):
    return normed(x + gelu(x @ W_1) @ W_2, g, s)


@BANK.add("block", "norm before and after", "Pre-norm has the first alone")
def both(x, g, s, W_1, W_2):
    return normed(x + gelu(normed(x, g, s) @ W_1) @ W_2, g, s)


@BANK.add("block", "no norm", "There is no norm")
def no_norm(x, g, s, W_1, W_2):
    return x + gelu(x @ W_1) @ W_2


@BANK.add("block", "no g, no s", "g and s are missing")
def plain(x, g, s, W_1, W_2):
    return x + gelu(layer_norm(x, (x.shape[-1],)) @ W_1) @ W_2


@BANK.add("block", "no s", "s is missing")
def no_shift(x, g, s, W_1, W_2):
    return x + gelu((normed(x, g, s) - s) @ W_1) @ W_2


@BANK.add("block", "torch.std", "n − 1")
def unbiased(x, g, s, W_1, W_2):
    read = g * (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt() + s
    return x + gelu(read @ W_1) @ W_2


@BANK.add("block", "variance for its root", "Divided by the variance")
def by_variance(x, g, s, W_1, W_2):
    centred = x - x.mean(-1, keepdim=True)
    read = g * centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5) + s
    return x + gelu(read @ W_1) @ W_2


@BANK.add("block", "root of the mean square of x", "RMS norm")
def rms(x, g, s, W_1, W_2):
    read = g * x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() + s
    return x + gelu(read @ W_1) @ W_2


@BANK.add("block", "no ε", "NaN in rows.*For these ε")
def no_epsilon(x, g, s, W_1, W_2):
    read = g * (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0) + s
    return x + gelu(read @ W_1) @ W_2


@BANK.add("block", "unit length", "divided by its length")
def unit_length(x, g, s, W_1, W_2):
    centred = x - x.mean(-1, keepdim=True)
    return x + gelu((g * torch.nn.functional.normalize(centred, dim=-1) + s) @ W_1) @ W_2


@BANK.add("block", "norm over the tokens", "over the tokens")
def over_tokens(x, g, s, W_1, W_2):
    centred = x - x.mean(-2, keepdim=True)
    read = g * centred / (centred.pow(2).mean(-2, keepdim=True) + 1e-5).sqrt() + s
    return x + gelu(read @ W_1) @ W_2


@BANK.add("block", "one mean for all tokens", "One mean and one variance")
def one_mean(x, g, s, W_1, W_2):
    centred = x - x.mean()
    return x + gelu((g * centred / (centred.pow(2).mean() + 1e-5).sqrt() + s) @ W_1) @ W_2


@BANK.add("block", "ReLU", r"max\(0, h\)")
def relu(x, g, s, W_1, W_2):
    return x + torch.relu(normed(x, g, s) @ W_1) @ W_2


@BANK.add("block", "sigmoid for GELU", "approximation of the GELU by a sigmoid")
def by_sigmoid(x, g, s, W_1, W_2):
    h = normed(x, g, s) @ W_1
    return x + (h * torch.sigmoid(1.702 * h)) @ W_2


@BANK.add("block", "no bend", "GELU is missing")
def straight(x, g, s, W_1, W_2):
    return x + normed(x, g, s) @ W_1 @ W_2


@BANK.add("block", "GELU at the end", "GELU too many")
def at_the_end(x, g, s, W_1, W_2):
    return x + gelu(gelu(normed(x, g, s) @ W_1) @ W_2)


@BANK.add("block", "rows and columns of W_1", "stops with RuntimeError in your line")
def transposed(x, g, s, W_1, W_2):
    return x + gelu(normed(x, g, s) @ W_1.T) @ W_2.T


# --- read_early ------------------------------------------------------------------------------------------------------


@BANK.add("read_early", "no norm", "norm is missing")
def raw(streams, g, s, E):
    return torch.einsum("...d,vd->...v", streams, E).argmax(-1)


@BANK.add("read_early", "no g, no s", "g and s are missing")
def standard(streams, g, s, E):
    return (layer_norm(streams, g.shape) @ E.T).argmax(-1)


@BANK.add("read_early", "no s", "s is missing")
def without_shift(streams, g, s, E):
    return (layer_norm(streams, g.shape, g) @ E.T).argmax(-1)


@BANK.add("read_early", "g and s swapped", "changed places")
def swapped(streams, g, s, E):
    return (layer_norm(streams, g.shape, s, g) @ E.T).argmax(-1)


@BANK.add("read_early", "what each layer adds", "each layer \\*adds\\*")
def differences(streams, g, s, E):
    added = [streams[0]] + [streams[i] - streams[i - 1] for i in range(1, len(streams))]
    return (normed(torch.stack(added), g, s) @ E.T).argmax(-1)


@BANK.add("read_early", "torch.std", "n − 1")
def early_std(streams, g, s, E):
    x = (streams - streams.mean(-1, keepdim=True)) / streams.std(-1, keepdim=True)
    return ((g * x + s) @ E.T).argmax(-1)


@BANK.add("read_early", "the last alone", "Only the last layer")
def last(streams, g, s, E):
    return (normed(streams[-1], g, s) @ E.T).argmax(-1)


@BANK.add("read_early", "logits", "These are the logits")
def logits(streams, g, s, E):
    return normed(streams, g, s) @ E.T


@BANK.add("read_early", "probabilities", "These are probabilities")
def probabilities(streams, g, s, E):
    return (normed(streams, g, s) @ E.T).softmax(-1)


@BANK.add("read_early", "the nearest embedding", "lies nearest")
def nearest(streams, g, s, E):
    return torch.cdist(normed(streams, g, s).flatten(0, -2), E).argmin(-1).view(streams.shape[:-1])


@BANK.add("read_early", "values of max", "largest logits")
def values(streams, g, s, E):
    return (normed(streams, g, s) @ E.T).max(-1).values


@BANK.add("read_early", "argmax over the places", "place was chosen")
def over_places(streams, g, s, E):
    return (normed(streams, g, s) @ E.T).argmax(-2)


@BANK.add("read_early", "argmax over everything", "shape of the result")
def over_all(streams, g, s, E):
    return (normed(streams, g, s) @ E.T).argmax()


@BANK.add("read_early", "E not turned", "stops with RuntimeError in your line")
def not_turned(streams, g, s, E):
    return (normed(streams, g, s) @ E).argmax(-1)


@BANK.add("read_early", "cosine for product", "brought to one length")
def cosine(streams, g, s, E):
    x = normed(streams, g, s)
    return torch.nn.functional.cosine_similarity(x[..., None, :], E, dim=-1).argmax(-1)


@BANK.add("read_early", "norm over the tokens", "over the tokens")
def early_over_tokens(streams, g, s, E):
    centred = streams - streams.mean(-2, keepdim=True)
    x = g * centred / (centred.pow(2).mean(-2, keepdim=True) + 1e-5).sqrt() + s
    return (x @ E.T).argmax(-1)


# --- written_by ------------------------------------------------------------------------------------------------------


def sigma(x):
    return torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)


@BANK.add("written_by", "each part normalised by itself", "normalised by itself")
def by_itself(parts, g, e):
    return (layer_norm(parts, g.shape, g) * e).sum(-1)


@BANK.add("written_by", "no mean", "means are missing")
def no_mean(parts, g, e):
    return (parts / sigma(parts.sum(0)) * g * e).sum(-1)


@BANK.add("written_by", "the mean of the sum", "lost the mean of the whole sum")
def mean_of_sum(parts, g, e):
    whole = parts.sum(0)
    return ((parts - whole.mean(-1, keepdim=True)) / sigma(whole) * g * e).sum(-1)


@BANK.add("written_by", "no division", "division is missing")
def no_division(parts, g, e):
    return ((parts - parts.mean(-1, keepdim=True)) * g * e).sum(-1)


@BANK.add("written_by", "variance for its root", "Divided by the variance")
def variance(parts, g, e):
    return ((parts - parts.mean(-1, keepdim=True)) / sigma(parts.sum(0)) ** 2 * g * e).sum(-1)


@BANK.add("written_by", "torch.std", "n − 1")
def with_std(parts, g, e):
    whole = parts.sum(0)
    return ((parts - parts.mean(-1, keepdim=True)) / (whole.var(-1, keepdim=True) + 1e-5).sqrt() * g * e).sum(-1)


@BANK.add("written_by", "no g", "g is missing")
def no_g(parts, g, e):
    return ((parts - parts.mean(-1, keepdim=True)) / sigma(parts.sum(0)) * e).sum(-1)


@BANK.add("written_by", "no norm at all", "no norm at all")
def products(parts, g, e):
    return torch.einsum("m...d,...d->m...", parts, e)


@BANK.add("written_by", "leave one out", "taken out and σ changes")
def one_out(parts, g, e):
    whole = parts.sum(0)
    logit = (layer_norm(whole, g.shape, g) * e).sum(-1)
    return torch.stack([logit - (layer_norm(whole - part, g.shape, g) * e).sum(-1) for part in parts])


@BANK.add("written_by", "early logits", "all parts up to each")
def early(parts, g, e):
    return torch.stack([(layer_norm(parts[: i + 1].sum(0), g.shape, g) * e).sum(-1) for i in range(len(parts))])


@BANK.add("written_by", "steps of early logits", "each with another σ")
def steps(parts, g, e):
    so_far = early(parts, g, e)
    return torch.cat([so_far[:1], so_far[1:] - so_far[:-1]])


@BANK.add("written_by", "as shares of 1", "divided by their sum")
def percent(parts, g, e):
    shares = ((parts - parts.mean(-1, keepdim=True)) / sigma(parts.sum(0)) * g * e).sum(-1)
    return shares / shares.sum(0, keepdim=True)


@BANK.add("written_by", "absolute values", "signs are lost")
def absolute(parts, g, e):
    return ((parts - parts.mean(-1, keepdim=True)) / sigma(parts.sum(0)) * g * e).sum(-1).abs()


@BANK.add("written_by", "the logit", "this is the logit")
def the_logit(parts, g, e):
    return (layer_norm(parts.sum(0), g.shape, g) * e).sum(-1)


@BANK.add("written_by", "features not summed", "sum over the features is missing")
def not_summed(parts, g, e):
    return (parts - parts.mean(-1, keepdim=True)) / sigma(parts.sum(0)) * g * e


@BANK.add("written_by", "one σ for all tokens", "One σ for all tokens")
def one_sigma(parts, g, e):
    whole = parts.sum(0)
    deviation = math.sqrt(whole.var(unbiased=False) + 1e-5)
    return ((parts - parts.mean(-1, keepdim=True)) / deviation * g * e).sum(-1)


@BANK.add("written_by", "length for deviation", "length of the whole stream")
def by_length(parts, g, e):
    whole = parts.sum(0)
    return ((parts - parts.mean(-1, keepdim=True)) / whole.norm(dim=-1, keepdim=True) * g * e).sum(-1)


@BANK.add("written_by", "all others", "all \\*other\\* parts")
def all_others(parts, g, e):
    shares = ((parts - parts.mean(-1, keepdim=True)) / sigma(parts.sum(0)) * g * e).sum(-1)
    return shares.sum(0) - shares


@BANK.add("written_by", "variances added", "variances were added up")
def added_variances(parts, g, e):
    deviation = parts.var(-1, unbiased=False, keepdim=True).sum(0).sqrt()
    return ((parts - parts.mean(-1, keepdim=True)) / deviation * g * e).sum(-1)


@BANK.add("written_by", "σ of all parts", "all numbers of all parts")
def sigma_of_all(parts, g, e):
    centred = parts - parts.mean(-1, keepdim=True)
    return (centred / parts.std(dim=(0, -1), keepdim=True, unbiased=False) * g * e).sum(-1)


@BANK.add("written_by", "parts in the last axis but one: wrong with a batch", "stops with .* in your line")
def wrong_axis(parts, g, e):
    whole = parts.sum(-3)
    return ((parts - parts.mean(-1, keepdim=True)) / sigma(whole) * g * e).sum(-1)
