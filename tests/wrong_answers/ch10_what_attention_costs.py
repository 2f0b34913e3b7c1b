"""Wrong answers to chapter 10's exercises."""

import math

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("crossing", 2560, "keys and values at full width", "half as many heads")
BANK.value("crossing", 3840, "6 d of the chapter", "This is 6 d")
BANK.value("crossing", 5.5 * 640, "network four times as wide", "Here it is twice as wide")
BANK.value("crossing", 10 / 4 * 640, "one matrix in the network", "two matrices")
BANK.value("crossing", 6 / 4 * 640, "projections alone", "network was left out")
BANK.value("crossing", 2 * 640, "network alone", "projections were left out")
BANK.value("crossing", 7 * 640, "scores alone", "scores and the averages")
BANK.value("crossing", 3.5, "in widths", "number of tokens is asked for")
BANK.value("crossing", "3.5 d", "in words", "should be numbers")
BANK.value("tokens", 6 * 2**30 / (2 * 24 * 16 * 64 * 2), "all heads", "All 16 heads")
BANK.value("tokens", 6 * 2**30 / (24 * 4 * 64 * 2), "keys alone", "twice as many")
BANK.value("tokens", 6 * 2**30 / (2 * 24 * 4 * 64), "numbers for bytes", "twice as many")
BANK.value("tokens", 6 * 2**30 / (2 * 4 * 64 * 2), "one layer", "one layer's")
BANK.value("tokens", 6e9 / (2 * 24 * 4 * 64 * 2), "GB for GiB", "2³⁰")
BANK.value("tokens", 24_576, "bytes a token", "bytes that one token takes")
BANK.value("tokens", 6 * 2**30 / (2 * 24 * 4 * 64 * 4), "float32", "half as many")


# --- layer_operations ------------------------------------------------------------------------------------------------


def count(n, d, heads, kv_heads, hidden, causal, projections=None, mixing=None, network=None):
    kv = d // heads * kv_heads
    seen = sum(range(1, n + 1)) if causal else n**2
    if projections is None:
        projections = 2 * n * d * (2 * d + 2 * kv)
    if mixing is None:
        mixing = 2 * seen * d * 2
    if network is None:
        network = 3 * 2 * n * d * hidden
    return projections + mixing + network


@BANK.add("layer_operations", "multiplications alone", "Multiplications alone")
def multiplications(*x):
    return count(*x) // 2


@BANK.add("layer_operations", "no shared heads", "heads share nothing")
def not_shared(n, d, heads, kv_heads, hidden, causal):
    return count(n, d, heads, kv_heads, hidden, causal, projections=8 * n * d**2)


@BANK.add("layer_operations", "plain network", "gated one has three")
def not_gated(n, d, heads, kv_heads, hidden, causal):
    return count(n, d, heads, kv_heads, hidden, causal, network=4 * n * d * hidden)


@BANK.add("layer_operations", "no network", "network is missing")
def no_network(*x):
    return count(*x, network=0)


@BANK.add("layer_operations", "no mixing", "scores and averages are missing")
def no_mixing(*x):
    return count(*x, mixing=0)


@BANK.add("layer_operations", "no output projection", "of the output is missing")
def no_output(n, d, heads, kv_heads, hidden, causal):
    kv = d * kv_heads // heads
    return count(n, d, heads, kv_heads, hidden, causal, projections=2 * n * d * (d + 2 * kv))


@BANK.add("layer_operations", "keys without values", "projection of one of the two")
def no_values(n, d, heads, kv_heads, hidden, causal):
    kv = d * kv_heads // heads
    return count(n, d, heads, kv_heads, hidden, causal, projections=2 * n * d * (2 * d + kv))


@BANK.add("layer_operations", "scores without averages", "there are scores, and there are averages")
def scores_alone(n, d, heads, kv_heads, hidden, causal):
    seen = n * (n + 1) // 2 if causal else n * n
    return count(n, d, heads, kv_heads, hidden, causal, mixing=2 * seen * d)


@BANK.add("layer_operations", "each head at full width", "at the full width d")
def full_width(n, d, heads, kv_heads, hidden, causal):
    seen = n * (n + 1) // 2 if causal else n * n
    return count(n, d, heads, kv_heads, hidden, causal, mixing=4 * seen * d * heads)


@BANK.add("layer_operations", "one head's width", "width of one head")
def one_head(n, d, heads, kv_heads, hidden, causal):
    seen = n * (n + 1) // 2 if causal else n * n
    return count(n, d, heads, kv_heads, hidden, causal, mixing=4 * seen * d // heads)


@BANK.add("layer_operations", "mixing with kv_heads", "still meets every key")
def mixing_shared(n, d, heads, kv_heads, hidden, causal):
    seen = n * (n + 1) // 2 if causal else n * n
    return count(n, d, heads, kv_heads, hidden, causal, mixing=4 * seen * d // heads * kv_heads)


@BANK.add("layer_operations", "causal ignored", "All pairs are counted")
def not_causal(n, d, heads, kv_heads, hidden, causal):
    return count(n, d, heads, kv_heads, hidden, False)


@BANK.add("layer_operations", "n²/2", "diagonal belongs to them")
def exactly_half(n, d, heads, kv_heads, hidden, causal):
    seen = n * n / 2 if causal else n * n
    return count(n, d, heads, kv_heads, hidden, causal, mixing=4 * seen * d)


@BANK.add("layer_operations", "strictly causal", "may meet itself")
def strictly(n, d, heads, kv_heads, hidden, causal):
    seen = math.comb(n, 2) if causal else n * n
    return count(n, d, heads, kv_heads, hidden, causal, mixing=4 * seen * d)


@BANK.add("layer_operations", "everything halved", "half was taken of the whole layer")
def all_halved(n, d, heads, kv_heads, hidden, causal):
    whole = count(n, d, heads, kv_heads, hidden, False)
    return whole / 2 if causal else whole


@BANK.add("layer_operations", "the chapter's formula", "This is the chapter's layer")
def by_the_book(n, d, heads, kv_heads, hidden, causal):
    return 24 * n * d**2 + (2 * n * (n + 1) if causal else 4 * n**2) * d


# --- exponent --------------------------------------------------------------------------------------------------------


@BANK.add("exponent", "through the origin", "through the origin")
def through_origin(ns, values):
    x, y = torch.log2(ns), torch.log2(values)
    return ((x * y).sum() / (x**2).sum() * math.log(2) / math.log(2)).item()


@BANK.add("exponent", "no logarithms", "through the numbers themselves")
def no_logs(ns, values):
    x, y = ns - ns.mean(), values - values.mean()
    return ((x * y).sum() / (x**2).sum()).item()


@BANK.add("exponent", "log of values only", "logarithm of the lengths is missing")
def log_of_values(ns, values):
    y = values.log()
    return ((ns - ns.mean()) * (y - y.mean())).sum().item() / ((ns - ns.mean()) ** 2).sum().item()


@BANK.add("exponent", "axes swapped", "axes have changed places")
def axes_swapped(ns, values):
    x, y = values.log(), ns.log()
    return ((x - x.mean()) * (y - y.mean())).sum().item() / ((x - x.mean()) ** 2).sum().item()


@BANK.add("exponent", "first and last", "from the first to the last")
def first_and_last(ns, values):
    return math.log(values[-1] / values[0]) / math.log(ns[-1] / ns[0])


@BANK.add("exponent", "mean of local slopes", "slopes between neighbours")
def local_slopes(ns, values):
    return (values.log().diff() / ns.log().diff()).mean().item()


@BANK.add("exponent", "last two", "last two points")
def last_two(ns, values):
    return (math.log(values[-1]) - math.log(values[-2])) / (math.log(ns[-1]) - math.log(ns[-2]))


@BANK.add("exponent", "log by log", "point by point")
def log_by_log(ns, values):
    return sum((values.log() / ns.log()).tolist()) / len(ns)


@BANK.add("exponent", "correlation", "correlation of the logarithms")
def correlation(ns, values):
    x, y = ns.log() - ns.log().mean(), values.log() - values.log().mean()
    return ((x * y).sum() / (x.norm() * y.norm())).item()


@BANK.add("exponent", "the height", "height of the line")
def height(ns, values):
    design = torch.stack([ns.log(), torch.ones_like(ns)], dim=1)
    return torch.linalg.lstsq(design, values.log()[:, None]).solution[1].item()


@BANK.add("exponent", "two bases", "different bases")
def two_bases(ns, values):
    x, y = ns.log10(), values.log()
    return ((x - x.mean()) * (y - y.mean())).sum().item() / ((x - x.mean()) ** 2).sum().item()


# --- tokens_a_second -------------------------------------------------------------------------------------------------


def work(m, n, parameters, cached):
    return 2 * m * parameters + 2 * m * n * cached


def traffic(m, n, parameters, cached):
    return 2 * parameters + 2 * m * n * cached


@BANK.add("tokens_a_second", "steps a second", "number of steps a second")
def steps(m, n, p, c, calculates, fetches):
    return 1 / max(work(m, n, p, c) / calculates, traffic(m, n, p, c) / fetches)


@BANK.add("tokens_a_second", "seconds", "This is the time")
def seconds(m, n, p, c, calculates, fetches):
    return max(work(m, n, p, c) / calculates, traffic(m, n, p, c) / fetches)


@BANK.add("tokens_a_second", "sum of times", "added up")
def summed(m, n, p, c, calculates, fetches):
    return m / (work(m, n, p, c) / calculates + traffic(m, n, p, c) / fetches)


@BANK.add("tokens_a_second", "min for max", "shorter of the two")
def shorter(m, n, p, c, calculates, fetches):
    return m / min(work(m, n, p, c) / calculates, traffic(m, n, p, c) / fetches)


@BANK.add("tokens_a_second", "bytes alone", "bytes alone are counted")
def bytes_alone(m, n, p, c, calculates, fetches):
    return m * fetches / traffic(m, n, p, c)


@BANK.add("tokens_a_second", "operations alone", "operations alone are counted")
def operations_alone(m, n, p, c, calculates, fetches):
    return m * calculates / work(m, n, p, c)


@BANK.add("tokens_a_second", "parameters for each conversation", "anew for each conversation")
def parameters_again(m, n, p, c, calculates, fetches):
    return m / max(work(m, n, p, c) / calculates, m * traffic(1, n, p, c) / fetches)


@BANK.add("tokens_a_second", "one cache for all", "Each conversation has its own")
def one_cache(m, n, p, c, calculates, fetches):
    return m / max(work(m, n, p, c) / calculates, traffic(1, n, p, c) / fetches)


@BANK.add("tokens_a_second", "no caches", "caches are missing")
def no_caches(m, n, p, c, calculates, fetches):
    return m / max(work(m, n, p, c) / calculates, 2 * p / fetches)


@BANK.add("tokens_a_second", "numbers for bytes", "Numbers were taken for bytes")
def numbers(m, n, p, c, calculates, fetches):
    return m / max(work(m, n, p, c) / calculates, traffic(m, n, p, c) / 2 / fetches)


@BANK.add("tokens_a_second", "no operations of attention", "Attention's operations are missing")
def no_attention(m, n, p, c, calculates, fetches):
    return m / max(2 * m * p / calculates, traffic(m, n, p, c) / fetches)


@BANK.add("tokens_a_second", "one operation a number", "comes with an addition")
def one_operation(m, n, p, c, calculates, fetches):
    return m / max(m * (p + n * c) / calculates, traffic(m, n, p, c) / fetches)


@BANK.add("tokens_a_second", "speeds swapped", "two speeds have changed places")
def speeds_swapped(m, n, p, c, calculates, fetches):
    return m / max(work(m, n, p, c) / fetches, traffic(m, n, p, c) / calculates)


# --- longest ---------------------------------------------------------------------------------------------------------


def needed(n, full, windowed, window, heads, kv_heads, d_head):
    cache = full * n * 2 * kv_heads * d_head + windowed * min(window, n) * 2 * kv_heads * d_head
    return 2 * (cache + heads * n**2)


def search(fits):
    low, high = 0, 1 << 20
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


@BANK.add("longest", "first that does not fit", "does \\*not\\* fit")
def one_more(memory, *model):
    n = 0
    while needed(n, *model) <= memory:
        n += 1
    return n


@BANK.add("longest", "< for <=", "needs as much as there is fits")
def smaller_than(memory, *model):
    return search(lambda n: needed(n, *model) < memory)


@BANK.add("longest", "no windows", "windows change nothing")
def no_windows(memory, full, windowed, window, *heads):
    return search(lambda n: needed(n, full + windowed, 0, window, *heads) <= memory)


@BANK.add("longest", "windowed layers free", "keep something, too")
def windows_free(memory, full, windowed, window, *heads):
    return search(lambda n: needed(n, full, 0, window, *heads) <= memory)


@BANK.add("longest", "windows always full", "counted in full")
def windows_full(memory, full, windowed, window, heads, kv_heads, d_head):
    rest = memory - 4 * windowed * window * kv_heads * d_head
    return search(lambda n: needed(n, full, 0, window, heads, kv_heads, d_head) <= rest)


@BANK.add("longest", "no matrix of weights", "matrix of weights is missing")
def no_weights(memory, full, windowed, window, heads, kv_heads, d_head):
    return search(lambda n: needed(n, full, windowed, window, 0, kv_heads, d_head) <= memory)


@BANK.add("longest", "square root alone", "caches are missing")
def square_root(memory, full, windowed, window, heads, kv_heads, d_head):
    return math.isqrt(memory // (2 * heads))


@BANK.add("longest", "weights of all layers", "for every layer")
def all_layers(memory, full, windowed, window, heads, kv_heads, d_head):
    every = heads * (full + windowed)
    return search(lambda n: needed(n, full, windowed, window, every, kv_heads, d_head) <= memory)


@BANK.add("longest", "weights of one head", "One head's matrix")
def one_matrix(memory, full, windowed, window, heads, kv_heads, d_head):
    return search(lambda n: needed(n, full, windowed, window, 1, kv_heads, d_head) <= memory)


@BANK.add("longest", "caches of all heads", "as there are of keys, not of queries")
def all_heads(memory, full, windowed, window, heads, kv_heads, d_head):
    return search(lambda n: needed(n, full, windowed, window, heads, heads, d_head) <= memory)


@BANK.add("longest", "keys alone", "Keys alone")
def keys_alone(memory, full, windowed, window, heads, kv_heads, d_head):
    return search(lambda n: needed(n, full, windowed, window, heads, kv_heads / 2, d_head) <= memory)


@BANK.add("longest", "numbers for bytes", "Numbers were taken for bytes")
def not_bytes(memory, *model):
    return search(lambda n: needed(n, *model) // 2 <= memory)


@BANK.add("longest", "doubling only", "powers of two")
def doubling(memory, *model):
    n = 1
    while needed(2 * n, *model) <= memory:
        n = 2 * n
    return n


@BANK.add("longest", "matrix within the window", "ends at the window")
def window_matrix(memory, full, windowed, window, heads, kv_heads, d_head):
    def fits(n):
        weights = 2 * heads * n * min(n, window)
        return needed(n, full, windowed, window, 0, kv_heads, d_head) + weights <= memory

    return search(fits)


@BANK.add("exponent", "median of local slopes", "median of the slopes")
def median_slope(ns, values):
    return torch.quantile(values.log().diff() / ns.log().diff(), 0.5, interpolation="lower").item()


@BANK.add("layer_operations", "keys one head wide", "at the width of one head")
def one_wide(n, d, heads, kv_heads, hidden, causal):
    return count(n, d, heads, kv_heads, hidden, causal, projections=4 * n * d * (d + d // heads))
