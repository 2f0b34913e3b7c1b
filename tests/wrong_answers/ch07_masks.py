"""Wrong answers to chapter 7's exercises."""

import math

import torch
from torch.nn.functional import cross_entropy

from wrong_answers import Bank

BANK = Bank()

BANK.value("open_pairs", 45, "padding forgotten", "causal mask alone")
BANK.value("open_pairs", 54, "future forgotten", "padding mask alone")
BANK.value("open_pairs", 21, "rows of filling closed", "rows of filling are closed")
BANK.value("open_pairs", 33, "diagonal closed", "diagonal is closed")
BANK.value("open_pairs", 44, "diagonal one too far", "one place too far")
BANK.value("open_pairs", 42, "hidden pairs", "pairs that are hidden")
BANK.value("open_pairs", 60, "or for and", "joined by `or`")
BANK.value("open_pairs", 36, "true tokens among themselves", "two true tokens")
BANK.value("cache_bytes", 3_840_000, "keys alone", "half of it. Keys and values")
BANK.value("cache_bytes", 1_920_000, "numbers for bytes", "These are numbers")
BANK.value("cache_bytes", 1_280_000, "one layer", "one layer's")
BANK.value("cache_bytes", 1_536_000, "one head", "one head's")
BANK.value("cache_bytes", 2 * 6 * 5 * 80 * 2000 * 4, "d_model for each head", "heads are counted twice")
BANK.value("cache_bytes", 11_520_000, "queries too", "queries are counted")
BANK.value("cache_bytes", 7680 * 8 * 1000, "bits", "These are bits")
BANK.value("cache_bytes", 6 * 5 * 2000**2 * 4, "the weights", "These are the weights")
BANK.value("cache_bytes", 7500, "kilobytes", "kilobytes")
BANK.value("cache_bytes", "7.68 MB", "with a unit", "should be numbers")


# --- cache_mask ------------------------------------------------------------------------------------------------------


def true_keys(lengths, n_k):
    return torch.arange(n_k, device=lengths.device)[None, None, :] >= (n_k - lengths)[:, None, None]


@BANK.add("cache_mask", "tril of a wide matrix", "top left")
def top_left(lengths, n_q, n_k):
    mask = torch.tril(torch.ones(n_q, n_k, device=lengths.device)) == 1
    return mask & true_keys(lengths, n_k)


@BANK.add("cache_mask", "diagonal one too far", "sees one key of its future")
def one_ahead(lengths, n_q, n_k):
    mask = torch.ones(n_q, n_k, device=lengths.device).tril(n_k - n_q + 1).bool()
    return mask & true_keys(lengths, n_k)


@BANK.add("cache_mask", "strictly past", "does not see itself")
def past_only(lengths, n_q, n_k):
    query = torch.arange(n_k - n_q, n_k, device=lengths.device)
    key = torch.arange(n_k, device=lengths.device)
    return (key < query[:, None]) & true_keys(lengths, n_k)


@BANK.add("cache_mask", "filling at the end", "in front")
def filled_behind(lengths, n_q, n_k):
    key = torch.arange(n_k, device=lengths.device)
    query = torch.arange(n_k - n_q, n_k, device=lengths.device)
    return (key <= query[:, None]) & (key < lengths[:, None, None])


@BANK.add("cache_mask", "filling forgotten", "filling is not hidden")
def no_filling(lengths, n_q, n_k):
    mask = torch.ones(n_q, n_k, dtype=torch.bool, device=lengths.device).tril(n_k - n_q)
    return mask.repeat(len(lengths), 1, 1)


@BANK.add("cache_mask", "filling forgotten, and the batch", "shape of the mask is")
def no_batch(lengths, n_q, n_k):
    return torch.ones(n_q, n_k, dtype=torch.bool, device=lengths.device).tril(n_k - n_q)


@BANK.add("cache_mask", "future forgotten", "future is not hidden")
def no_future(lengths, n_q, n_k):
    return true_keys(lengths, n_k).repeat(1, n_q, 1)


@BANK.add("cache_mask", "True hides", "[Tt]urned around: True where a query may \\*not\\*")
def hides(lengths, n_q, n_k):
    ahead = torch.ones(n_q, n_k, dtype=torch.bool, device=lengths.device).triu(n_k - n_q + 1)
    return ahead | ~true_keys(lengths, n_k)


@BANK.add("cache_mask", "or for and", "one of the two masks allows")
def either(lengths, n_q, n_k):
    mask = torch.ones(n_q, n_k, dtype=torch.bool, device=lengths.device).tril(n_k - n_q)
    return mask | true_keys(lengths, n_k)


@BANK.add("cache_mask", "queries hidden in place of keys", "hidden as queries")
def hides_queries(lengths, n_q, n_k):
    place = torch.arange(n_k, device=lengths.device)
    query = place[-n_q:]
    return (place <= query[:, None]) & (query[None, :, None] >= (n_k - lengths)[:, None, None])


@BANK.add("cache_mask", "lengths as the amount of filling", "amount of filling")
def lengths_of_filling(lengths, n_q, n_k):
    key = torch.arange(n_k, device=lengths.device)
    query = torch.arange(n_k - n_q, n_k, device=lengths.device)
    return (key <= query[:, None]) & (key >= lengths[:, None, None])


@BANK.add("cache_mask", "> for >= at the filling", "first true token is hidden")
def first_hidden(lengths, n_q, n_k):
    key = torch.arange(n_k, device=lengths.device)
    query = torch.arange(n_k - n_q, n_k, device=lengths.device)
    return (key <= query[:, None]) & (key > (n_k - lengths)[:, None, None])


@BANK.add("cache_mask", "one filling seen", "One key of filling is left open")
def one_filling(lengths, n_q, n_k):
    key = torch.arange(n_k, device=lengths.device)
    query = torch.arange(n_k - n_q, n_k, device=lengths.device)
    return (key <= query[:, None]) & (key >= (n_k - lengths - 1)[:, None, None])


@BANK.add("cache_mask", "one length for all", "length of the first text")
def first_length(lengths, n_q, n_k):
    rows = []
    for _ in lengths:
        mask = torch.ones(n_q, n_k, dtype=torch.bool).tril(n_k - n_q)
        mask[:, : n_k - lengths[0]] = False
        rows.append(mask)
    return torch.stack(rows)


@BANK.add("cache_mask", "triu for tril", "Queries see themselves and their future")
def upper(lengths, n_q, n_k):
    mask = torch.ones(n_q, n_k, dtype=torch.bool, device=lengths.device).triu(n_k - n_q)
    return mask & true_keys(lengths, n_k)


@BANK.add("cache_mask", "zeros and ones", "torch.float32, and torch.bool is asked for")
def floats(lengths, n_q, n_k):
    mask = torch.ones(n_q, n_k, device=lengths.device).tril(n_k - n_q)
    return mask * true_keys(lengths, n_k)


@BANK.add("cache_mask", "square, then the first rows", "top left")
def first_rows(lengths, n_q, n_k):
    square = torch.ones(n_k, n_k, device=lengths.device).tril().bool() & true_keys(lengths, n_k)
    return square[:, :n_q]


@BANK.add("cache_mask", "filling counted among the queries", r"wrong at \d+ of \d+ places")
def among_queries(lengths, n_q, n_k):
    mask = torch.zeros(len(lengths), n_q, n_k, dtype=torch.bool)
    for text, length in enumerate(lengths.tolist()):
        for i in range(n_q):
            for j in range(n_k):
                mask[text, i, j] = n_q - length <= j <= i + n_k - n_q
    return mask


@BANK.add("cache_mask", "filling hidden in the cache alone", "in the cache alone")
def cache_alone(lengths, n_q, n_k):
    past = n_k - n_q
    place = torch.arange(n_k)
    seen = (place >= (n_k - lengths)[:, None, None]) | (place >= past)
    return (place <= place[past:, None]) & seen


@BANK.add("cache_mask", "a place left behind on the CPU", "would fail on a GPU")
def on_the_cpu(lengths, n_q, n_k):
    key = torch.arange(n_k)
    query = torch.arange(n_k - n_q, n_k)
    return (key <= query[:, None]) & (key >= (n_k - lengths)[:, None, None])


# --- cut_examples ----------------------------------------------------------------------------------------------------


@BANK.add("cut_examples", "the planted bug, unchanged", "the one \\*before\\* it")
def laughs(tokens, n):
    pieces = (len(tokens) - 1) // n
    first = tokens[: pieces * n].view(pieces, n)
    second = tokens[1 : pieces * n + 1].view(pieces, n)
    return second, first


@BANK.add("cut_examples", "no shift", "Not shifted")
def no_shift(tokens, n):
    pieces = (len(tokens) - 1) // n
    read = tokens[: pieces * n].view(pieces, n)
    return read, read.clone()


@BANK.add("cut_examples", "shift by two", "Shifted by two")
def two_ahead(tokens, n):
    pieces = (len(tokens) - 2) // n
    return tokens[: pieces * n].view(pieces, n), tokens[2 : pieces * n + 2].view(pieces, n)


@BANK.add("cut_examples", "rolled within a piece", "rolled around")
def rolls(tokens, n):
    pieces = tokens[: len(tokens) // n * n].view(-1, n)
    return pieces, torch.cat([pieces[:, 1:], pieces[:, :1]], dim=1)


@BANK.add("cut_examples", "zero for the last target", "last target of each piece is 0")
def zero_last(tokens, n):
    m = (len(tokens) - 1) // n
    inputs = tokens[: m * n].view(m, n)
    targets = torch.zeros_like(inputs)
    targets[:, :-1] = inputs[:, 1:]
    return inputs, targets


@BANK.add("cut_examples", "pieces lose their last", "one token too short")
def too_short(tokens, n):
    pieces = tokens[: len(tokens) // n * n].view(-1, n)
    return pieces[:, :-1], pieces[:, 1:]


@BANK.add("cut_examples", "pieces of n + 1 side by side", "never read")
def side_by_side(tokens, n):
    m = len(tokens) // (n + 1)
    pieces = tokens[: m * (n + 1)].reshape(m, n + 1)
    return pieces[:, :n], pieces[:, 1:]


@BANK.add("cut_examples", "a piece at every place", "overlap")
def every_place(tokens, n):
    inputs = torch.stack([tokens[i : i + n] for i in range(len(tokens) - n)])
    targets = torch.stack([tokens[i + 1 : i + 1 + n] for i in range(len(tokens) - n)])
    return inputs, targets


@BANK.add("cut_examples", "down the columns", "down the columns")
def down(tokens, n):
    m = (len(tokens) - 1) // n
    return tokens[: m * n].view(n, m).t(), tokens[1 : m * n + 1].view(n, m).t()


@BANK.add("cut_examples", "one target a piece", "One target for each piece")
def one_target(tokens, n):
    m = (len(tokens) - 1) // n
    return tokens[: m * n].view(m, n), torch.stack([tokens[(i + 1) * n] for i in range(m)])


@BANK.add("cut_examples", "the next piece", "n tokens ahead")
def next_piece(tokens, n):
    pieces = tokens[: len(tokens) // n * n].view(-1, n)
    return pieces[:-1], pieces[1:]


@BANK.add("cut_examples", "the last token has a target", "stops with RuntimeError in your line.*nothing behind it")
def last_target(tokens, n):
    m = len(tokens) // n
    return tokens[: m * n].view(m, n), tokens[1 : m * n + 1].view(m, n)


@BANK.add("cut_examples", "one piece given away", "last piece is missing")
def given_away(tokens, n):
    m = len(tokens) // n - 1
    return tokens[: m * n].view(m, n), tokens[1 : m * n + 1].view(m, n)


@BANK.add("cut_examples", "from the second token on", "first token is never read")
def from_second(tokens, n):
    m = (len(tokens) - 2) // n
    return tokens[1 : 1 + m * n].view(m, n), tokens[2 : 2 + m * n].view(m, n)


@BANK.add("cut_examples", "a piece without its targets", "shape of the input is.*nothing behind it")
def unfolded(tokens, n):
    return tokens.unfold(0, n, n), tokens[1:].unfold(0, n, n)


@BANK.add("cut_examples", "stacked in one tensor", "should return 2 things")
def stacked(tokens, n):
    m = (len(tokens) - 1) // n
    return torch.stack([tokens[: m * n].view(m, n), tokens[1 : m * n + 1].view(m, n)])


# --- token_loss ------------------------------------------------------------------------------------------------------


def is_true(targets, lengths):
    return torch.arange(targets.shape[1], device=targets.device)[None] < lengths[:, None]


def surprise(logits, targets):
    return cross_entropy(logits.transpose(1, 2), targets, reduction="none")


@BANK.add("token_loss", "filling counts", "Filling counts too")
def all_places(logits, targets, lengths):
    return cross_entropy(logits.flatten(0, 1), targets.flatten())


@BANK.add("token_loss", "mean of means", "Each text counts the same")
def mean_of_means(logits, targets, lengths):
    losses = [cross_entropy(x[:m], y[:m]) for x, y, m in zip(logits, targets, lengths.tolist(), strict=True)]
    return torch.stack(losses).mean()


@BANK.add("token_loss", "means added up", "means of the texts were added up")
def sum_of_means(logits, targets, lengths):
    return ((surprise(logits, targets) * is_true(targets, lengths)).sum(dim=1) / lengths).sum()


@BANK.add("token_loss", "targets of filling ignored in place", "changes its input targets in place")
def ignores_in_place(logits, targets, lengths):
    targets[~is_true(targets, lengths)] = -100
    return cross_entropy(logits.transpose(1, 2), targets)


@BANK.add("token_loss", "masked sum over all places", "divided by all places")
def masked_mean(logits, targets, lengths):
    return (surprise(logits, targets) * is_true(targets, lengths)).mean()


@BANK.add("token_loss", "sum", "sum over the true tokens")
def total(logits, targets, lengths):
    true = is_true(targets, lengths)
    return surprise(logits, targets)[true].sum()


@BANK.add("token_loss", "divided by the batch", "number of texts")
def by_batch(logits, targets, lengths):
    true = is_true(targets, lengths)
    return surprise(logits, targets)[true].sum() / logits.shape[0]


@BANK.add("token_loss", "logits zeroed", "logits\\* of filling were set to 0")
def zero_logits(logits, targets, lengths):
    logits = logits.masked_fill(~is_true(targets, lengths)[..., None], 0.0)
    return surprise(logits, targets).mean()


@BANK.add("token_loss", "mask turned around", "Only filling counts")
def filling_alone(logits, targets, lengths):
    hidden = torch.arange(targets.shape[1], device=targets.device) >= lengths[:, None]
    return surprise(logits, targets)[hidden].mean()


@BANK.add("token_loss", "<= for <", "first filling of each text counts")
def one_more(logits, targets, lengths):
    true = torch.arange(targets.shape[1], device=targets.device) <= lengths[:, None]
    return surprise(logits, targets)[true].mean()


@BANK.add("token_loss", "one too few", "last token of each text does not count")
def one_less(logits, targets, lengths):
    true = torch.arange(targets.shape[1], device=targets.device) < lengths[:, None] - 1
    return surprise(logits, targets)[true].mean()


@BANK.add("token_loss", "ignore_index=0", "targets of 0 were taken for filling")
def ignores_zero(logits, targets, lengths):
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)


@BANK.add("token_loss", "multiplied by the mask: NaN", "NaN is NaN.*true places alone")
def times_mask(logits, targets, lengths):
    true = is_true(targets, lengths)
    return (surprise(logits, targets.clamp(min=0)) * true).sum() / true.sum()


@BANK.add("token_loss", "the target -1", "stops with (IndexError|RuntimeError) in your line.*no token is −1")
def minus_one(logits, targets, lengths):
    true = is_true(targets, lengths)
    return -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0][true].mean()


@BANK.add("token_loss", "softmax twice", "Softmax was taken twice")
def twice(logits, targets, lengths):
    true = is_true(targets, lengths)
    return cross_entropy(logits.softmax(dim=-1)[true], targets[true])


@BANK.add("token_loss", "no logarithm", "their logarithm is missing")
def no_log(logits, targets, lengths):
    true = is_true(targets, lengths)
    likely = logits[true].softmax(dim=-1)
    return likely.gather(-1, targets[true][:, None]).mean()


@BANK.add("token_loss", "sign lost", "sign is turned around")
def plus(logits, targets, lengths):
    true = is_true(targets, lengths)
    return logits[true].log_softmax(dim=-1).gather(-1, targets[true][:, None]).mean()


@BANK.add("token_loss", "bits", "Measured in bits")
def in_bits(logits, targets, lengths):
    true = is_true(targets, lengths)
    return cross_entropy(logits[true], targets[true]) / math.log(2)


@BANK.add("token_loss", "detached", "cut off from training")
def detached(logits, targets, lengths):
    true = is_true(targets, lengths)
    return torch.tensor(cross_entropy(logits[true], targets[true]).item(), dtype=logits.dtype, device=logits.device)


@BANK.add("token_loss", "a loss for each text", "mean for each text")
def each_text(logits, targets, lengths):
    true = is_true(targets, lengths)
    return (surprise(logits, targets) * true).sum(dim=1) / lengths


@BANK.add("token_loss", "first length for all", "length of the first text")
def first_for_all(logits, targets, lengths):
    m = int(lengths[0])
    return cross_entropy(logits[:, :m].flatten(0, 1), targets[:, :m].flatten())


@BANK.add("token_loss", "logits transposed for cross_entropy by a reshape", "by a reshape")
def reshaped(logits, targets, lengths):
    b, n, vocabulary = logits.shape
    true = is_true(targets, lengths)
    return cross_entropy(logits.reshape(b, vocabulary, n), targets, reduction="none")[true].mean()


# --- nucleus ---------------------------------------------------------------------------------------------------------


@BANK.add("nucleus", "the crossing token dropped", "A token too few")
def crossing(logits, p, temperature):
    values, order = (logits / temperature).sort(dim=-1, descending=True)
    hide = values.softmax(dim=-1).cumsum(dim=-1) > p
    values = values.masked_fill(hide, float("-inf"))
    return torch.empty_like(logits).scatter(-1, order, values).softmax(dim=-1)


@BANK.add("nucleus", "one token too many", "A token too many")
def one_more_token(logits, p, temperature):
    values, order = (logits / temperature).sort(dim=-1, descending=True)
    hide = values.softmax(dim=-1).cumsum(dim=-1) >= p
    hide = torch.nn.functional.pad(hide, (2, 0))[..., :-2]
    values = values.masked_fill(hide, float("-inf"))
    return torch.empty_like(logits).scatter(-1, order, values).softmax(dim=-1)


@BANK.add("nucleus", "the crossing token dropped, the first kept", "A token too few")
def first_always(logits, p, temperature):
    values, order = (logits / temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    keep = values.cumsum(dim=-1) <= p
    keep[..., 0] = True
    values = values * keep
    values = values / values.sum(dim=-1, keepdim=True)
    return torch.zeros_like(logits).scatter(-1, order, values)


@BANK.add("nucleus", "gather for scatter", "brought back the wrong way")
def gathered(logits, p, temperature):
    values, order = (logits / temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    keep = (values.cumsum(dim=-1) - values < p).gather(-1, order)
    likely = (logits / temperature).softmax(dim=-1) * keep
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "summed down the rows", "summed over the rows")
def down_the_rows(logits, p, temperature):
    values, order = (logits / temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    values = values * (values.cumsum(dim=0) - values < p)
    values = values / values.sum(dim=-1, keepdim=True)
    return torch.zeros_like(logits).scatter(-1, order, values)


def inside(likely, p):
    order = likely.argsort(dim=-1, descending=True)
    sums = likely.gather(-1, order).cumsum(dim=-1)
    keep = sums - likely.gather(-1, order) < p
    return torch.zeros_like(keep).scatter(-1, order, keep)


@BANK.add("nucleus", "not divided by the sum", "do not sum to 1")
def not_divided(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    return likely * inside(likely, p)


@BANK.add("nucleus", "hidden logits 0", "logit of 0 is still a chance")
def zero_for_hidden(logits, p, temperature):
    x = logits / temperature
    return torch.where(inside(x.softmax(dim=-1), p), x, 0.0).softmax(dim=-1)


@BANK.add("nucleus", "softmax of probabilities", "of what are probabilities already")
def softmax_twice(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    return likely.masked_fill(~inside(likely, p), -math.inf).softmax(dim=-1)


@BANK.add("nucleus", "left in the order of likelihood", "lost their places")
def left_sorted(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1).sort(dim=-1, descending=True).values
    likely = likely * (likely.cumsum(dim=-1) - likely < p)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "mask not brought back", "laid on the tokens as they stand")
def not_back(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    in_order = likely.sort(dim=-1, descending=True).values
    likely = likely * (in_order.cumsum(dim=-1) - in_order < p)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "not sorted", "as they stand in the vocabulary: begin")
def not_sorted(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    likely = likely * (likely.cumsum(dim=-1) - likely < p)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "sorted upwards", "least likely tokens")
def upwards(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    in_order, order = likely.sort(dim=-1)
    keep = in_order.cumsum(dim=-1) - in_order < p
    likely = likely * torch.zeros_like(keep).scatter(-1, order, keep)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "logits summed", "Logits were summed")
def sums_logits(logits, p, temperature):
    x = logits / temperature
    return x.masked_fill(~inside(x, p), -math.inf).softmax(dim=-1)


@BANK.add("nucleus", "divided by p", "divided by p")
def by_p(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    return likely * inside(likely, p) / p


@BANK.add("nucleus", "temperature twice", "temperature twice")
def temperature_twice(logits, p, temperature):
    logits = logits / temperature
    likely = (logits / temperature).softmax(dim=-1)
    return (logits / temperature).masked_fill(~inside(likely, p), -math.inf).softmax(dim=-1)


@BANK.add("nucleus", "p as a threshold", "least probability of one token|threshold below the likeliest")
def threshold(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    likely = likely * (likely > p * likely.max(dim=-1, keepdim=True).values)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "multiplied by the temperature", "multiplied by the temperature")
def multiplied(logits, p, temperature):
    likely = (logits * temperature).softmax(dim=-1)
    likely = likely * inside(likely, p)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "temperature forgotten", "temperature changes nothing")
def no_temperature(logits, p, temperature):
    likely = logits.softmax(dim=-1)
    likely = likely * inside(likely, p)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "nucleus before the temperature", "chosen at temperature 1")
def before_temperature(logits, p, temperature):
    keep = inside(logits.softmax(dim=-1), p)
    return (logits / temperature).masked_fill(~keep, -math.inf).softmax(dim=-1)


@BANK.add("nucleus", "one nucleus for all rows", "All rows share one sum")
def all_rows(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    keep = inside(likely.flatten(), p).view_as(likely)
    return (logits / temperature).masked_fill(~keep, -math.inf).softmax(dim=-1)


@BANK.add("nucleus", "as many as in the first row", "top-k")
def first_row(logits, p, temperature):
    likely = (logits / temperature).softmax(dim=-1)
    if likely.dim() == 1:
        many = int(inside(likely, p).sum())
    else:
        many = int(inside(likely, p).reshape(-1, likely.shape[-1])[0].sum())
    least = likely.topk(many, dim=-1).values[..., -1:]
    likely = torch.where(likely >= least, likely, 0.0)
    return likely / likely.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "p ignored", "p changes nothing")
def p_ignored(logits, p, temperature):
    return torch.softmax(logits / temperature, dim=-1)


@BANK.add("nucleus", "greedy", "greedy choice")
def greedy(logits, p, temperature):
    return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits)


@BANK.add("nucleus", "even among the kept", "equally likely")
def even(logits, p, temperature):
    keep = inside((logits / temperature).softmax(dim=-1), p).to(logits.dtype)
    return keep / keep.sum(dim=-1, keepdim=True)


@BANK.add("nucleus", "logits returned", "These are logits")
def returns_logits(logits, p, temperature):
    x = logits / temperature
    return x.masked_fill(~inside(x.softmax(dim=-1), p), -math.inf)


@BANK.add("nucleus", "written over the input", "changes its input")
def in_place(logits, p, temperature):
    logits /= temperature
    keep = inside(logits.softmax(dim=-1), p)
    return logits.masked_fill(~keep, -math.inf).softmax(dim=-1)


@BANK.add("nucleus", "axis 1: right for matrices alone", "no axis before the vocabulary's")
def two_axes(logits, p, temperature):
    likely = torch.softmax(logits / temperature, dim=1)
    in_order, order = likely.sort(dim=1, descending=True)
    hide = in_order.cumsum(dim=1) - in_order >= p
    likely = likely * ~torch.zeros_like(hide).scatter(1, order, hide)
    return likely / likely.sum(dim=1, keepdim=True)
