"""Wrong answers to chapter 1's exercises."""

import numpy as np
import torch
from torch.nn.functional import one_hot

from wrong_answers import Bank

BANK = Bank()

BANK.value("last_state", (-7 / 16, 2.5), "old and new swapped", "changed places")
BANK.value("last_state", [-2.75, 4.5], "starts from the first word", r"begins from \(0, 0\)")
BANK.value("last_state", np.array([0.75, 6]), "stops a word early", "One word too few")
BANK.value("last_state", None, "not given", "None")
BANK.value("last_state", -2.8125, "one number of two", "shape")
BANK.value("first_share", 9 / 64, "old and new swapped", "changed places")
BANK.value("first_share", 1 / 64, "the starting state's share", "starting state")
BANK.value("first_share", "3/64", "a string", "should be numbers")


# --- read ------------------------------------------------------------------------------------------------------------


@BANK.add("read", "keep goes to the new word", "share of the old state")
def swapped(words, keep):
    h = torch.zeros_like(words[..., 0, :])
    states = []
    for j in range(words.size(-2)):
        h = (1 - keep) * h + keep * words[..., j, :]
        states.append(h)
    return torch.stack(states, -2)


@BANK.add("read", "starts from the first word", "begins as zeros")
def from_first_word(words, keep):
    states = [words[..., 0, :]]
    for j in range(1, words.shape[-2]):
        states.append(keep * states[-1] + (1 - keep) * words[..., j, :])
    return torch.stack(states, dim=-2)


@BANK.add("read", "returns the last state only", "Only the last state")
def last_only(words, keep):
    h = 0 * words[..., 0, :]
    for j in range(words.shape[-2]):
        h = keep * h + (1 - keep) * words[..., j, :]
    return h


@BANK.add("read", "states one place late", "one place too late")
def one_late(words, keep):
    h = torch.zeros_like(words[..., 0, :])
    states = []
    for j in range(words.shape[-2]):
        states.append(h)
        h = keep * h + (1 - keep) * words[..., j, :]
    return torch.stack(states, dim=-2)


@BANK.add("read", "right only without a batch", "lie along the last axis but one")
def no_batch(words, keep):
    h = torch.zeros(words.shape[-1]).to(words)
    states = []
    for x in words:
        h = keep * h + (1 - keep) * x
        states.append(h)
    return torch.stack(states)


@BANK.add("read", "right only with one batch axis", "however many axes")
def one_batch_axis(words, keep):
    alone = words.dim() == 2
    if alone:
        words = words[None]
    h = torch.zeros_like(words[:, 0])
    states = []
    for j in range(words.shape[1]):
        h = keep * h + (1 - keep) * words[:, j]
        states.append(h)
    states = torch.stack(states, dim=1)
    return states[0] if alone else states


@BANK.add("read", "dtype lost", "dtype was lost")
def dtype_lost(words, keep):
    states = torch.zeros(words.shape)
    h = torch.zeros_like(words[..., 0, :])
    for j in range(words.shape[-2]):
        h = keep * h + (1 - keep) * words[..., j, :]
        states[..., j, :] = h
    return states


@BANK.add("read", "device lost", "would fail on a GPU")
def device_lost(words, keep):
    h = torch.zeros(words[..., 0, :].shape, dtype=words.dtype)
    states = []
    for j in range(words.shape[-2]):
        h = keep * h + (1 - keep) * words[..., j, :]
        states.append(h)
    return torch.stack(states, dim=-2)


@BANK.add("read", "writes into its input", "changes its input words")
def in_place(words, keep):
    words *= 1 - keep
    for j in range(1, words.shape[-2]):
        words[..., j, :] += keep * words[..., j - 1, :]
    return words.clone()


@BANK.add("read", "keeps a half whatever keep is", "keeps a half")
def always_half(words, keep):
    h = torch.zeros_like(words[..., 0, :])
    states = []
    for j in range(words.shape[-2]):
        h = (h + words[..., j, :]) / 2
        states.append(h)
    return torch.stack(states, dim=-2)


@BANK.add("read", "keeps the starting state", "one state too many")
def with_start(words, keep):
    states = [torch.zeros_like(words[..., 0, :])]
    for j in range(words.shape[-2]):
        states.append(keep * states[-1] + (1 - keep) * words[..., j, :])
    return torch.stack(states, dim=-2)


@BANK.add("read", "leaves out the first word", "first word was left out")
def no_first(words, keep):
    h = torch.zeros_like(words[..., 0, :])
    states = []
    for j in range(1, words.shape[-2]):
        h = keep * h + (1 - keep) * words[..., j, :]
        states.append(h)
    return torch.stack(states, dim=-2) if states else words[..., :0, :]


@BANK.add("read", "stacks along axis 0: right only without a batch", "lie along the last axis but one")
def stacked_first(words, keep):
    h = torch.zeros_like(words[..., 0, :])
    states = []
    for j in range(words.shape[-2]):
        h = keep * h + (1 - keep) * words[..., j, :]
        states.append(h)
    return torch.stack(states)


@BANK.add("read", "forgets to return", "return")
def no_return(words, keep):
    words * keep


@BANK.add("read", "returns numpy", "numpy array")
def in_numpy(words, keep):
    return from_first_word(words, keep).numpy()


@BANK.add("read", "takes one argument", "arguments")
def one_argument(words):
    return words


@BANK.add("read", "an index too far", "IndexError.*words")
def too_far(words, keep):
    states = torch.zeros_like(words)
    for j in range(words.shape[-2]):
        states[..., j + 1, :] = keep * states[..., j, :] + (1 - keep) * words[..., j, :]
    return states


@BANK.add("read", "result hard-coded to one example", "same whatever the inputs are")
def hard_coded(words, keep):
    return torch.tensor([[3.0, 0.0], [0.75, 6.0], [-2.8125, 4.5]])


@BANK.add("read", "not written", "not written yet")
def not_written(words, keep):
    raise NotImplementedError()


@BANK.add("read", "leaves Python", r"exit\(\)")
def leaves(words, keep):
    raise SystemExit(0)


# --- reverse_words ---------------------------------------------------------------------------------------------------


@BANK.add("reverse_words", "the planted bug, unchanged", "One place too far")
def planted(words, lengths):
    place = torch.arange(words.shape[1]).expand(words.shape[:2])
    mirrored = (lengths[:, None] - place) % words.shape[1]
    index = torch.where(place < lengths[:, None], mirrored, place)
    return words.gather(1, index[..., None].expand_as(words))


@BANK.add("reverse_words", "turns the padding to the front", "padding has come to the front")
def flipped(words, lengths):
    return torch.flip(words, dims=[1])


@BANK.add("reverse_words", "leaves the last word", "One place too few")
def too_few(words, lengths):
    out = words.clone()
    for i, m in enumerate(lengths.tolist()):
        if m > 1:
            out[i, : m - 1] = words[i, : m - 1].flip(0)
    return out


@BANK.add("reverse_words", "the first sentence's length for all", "length of the first")
def first_length(words, lengths):
    out = words.clone()
    m = lengths[0]
    out[:, :m] = words[:, :m].flip(1)
    return out


@BANK.add("reverse_words", "the longest sentence's length for all", "as long as the longest")
def longest(words, lengths):
    out = words.clone()
    out[:, : lengths.max()] = words[:, : lengths.max()].flip(1)
    return out


@BANK.add("reverse_words", "padding lost", "padding is lost")
def padding_lost(words, lengths):
    out = torch.zeros_like(words)
    for i, m in enumerate(lengths):
        out[i, :m] = words[i, :m].flip(0)
    return out


@BANK.add("reverse_words", "turns the numbers of a word around", "numbers inside each word")
def wrong_axis(words, lengths):
    return words.flip(-1)


@BANK.add("reverse_words", "fails on an empty sentence", "A length may be 0")
def no_empty(words, lengths):
    rows = []
    for x, m in zip(words, lengths, strict=True):
        rows.append(torch.stack([x[m - 1 - j] if j < m else x[j] for j in range(len(x))]))
        assert m > 0
    return torch.stack(rows)


@BANK.add("reverse_words", "padding turned around too", "padding is turned around too")
def rolled(words, lengths):
    return torch.stack([torch.roll(x.flip(0), int(m), 0) for x, m in zip(words, lengths, strict=True)])


@BANK.add("reverse_words", "a list of sentences", "torch tensor, got of type list")
def as_list(words, lengths):
    return [x[:m].flip(0) for x, m in zip(words, lengths, strict=True)]


@BANK.add("reverse_words", "device lost", "would fail on a GPU")
def reverse_on_cpu(words, lengths):
    place = torch.arange(words.shape[1]).expand(words.shape[:2])
    mirrored = lengths[:, None] - 1 - place
    index = torch.where(mirrored >= 0, mirrored, place)
    return words.gather(1, index[..., None].expand_as(words))


@BANK.add("reverse_words", "writes into its input", "changes its input words")
def reverse_in_place(words, lengths):
    for i, m in enumerate(lengths):
        words[i, :m] = words[i, :m].flip(0)
    return words


# --- place_weights ---------------------------------------------------------------------------------------------------


@BANK.add("place_weights", "transposed", "Rows and columns have changed places")
def upper(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    return ((1 - keep) * keep ** (j - j[:, None]).clamp(min=0)).triu()


@BANK.add("place_weights", "new share missing", "share of a new word is missing")
def no_share(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    return (keep ** (j[:, None] - j).clamp(min=0)).tril()


@BANK.add("place_weights", "exponent one too large", "once too often")
def exponent(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    return ((1 - keep) * keep ** (j[:, None] - j + 1).clamp(min=0)).tril()


@BANK.add("place_weights", "diagonal missing", "newest word is missing")
def diagonal(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    return torch.where(j[:, None] > j, (1 - keep) * keep ** (j[:, None] - j), 0.0)


@BANK.add("place_weights", "sees the future", "words that come after it")
def future(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    return (1 - keep) * keep ** (j[:, None] - j).abs()


@BANK.add("place_weights", "rows normalised", "The rows sum to 1")
def normalised(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    weights = (keep ** (j[:, None] - j).clamp(min=0)).tril()
    return weights / weights.sum(dim=1, keepdim=True)


@BANK.add("place_weights", "all words alike", "same weight")
def all_alike(n, keep):
    return torch.tril(torch.ones(n, n, dtype=torch.float64)) * (1 - keep)


@BANK.add("place_weights", "one row for all", r"shape of what is returned is \(\d+,\)")
def one_row(n, keep):
    return (1 - keep) * keep ** torch.arange(n).double()


@BANK.add("place_weights", "float32", "dtype")
def single(n, keep):
    j = torch.arange(n)
    return ((1 - keep) * keep ** (j[:, None] - j).clamp(min=0).float()).tril()


@BANK.add("place_weights", "0 to a negative power where nothing is kept", "keeps nothing has the newest word alone")
def nan_at_zero(n, keep):
    j = torch.arange(n, dtype=torch.float64)
    below = (j[:, None] >= j).double()
    return (1 - keep) * keep ** (j[:, None] - j) * below


# --- probe_accuracy --------------------------------------------------------------------------------------------------


def probe(states, labels, fit, test, bias=True):
    if bias:
        states = torch.cat([states, torch.ones(len(states), 1)], dim=1)
    solution = torch.linalg.lstsq(states[fit], one_hot(labels).float()[fit]).solution
    return ((states[test] @ solution).argmax(dim=1) == labels[test]).float().mean().item()


@BANK.add("probe_accuracy", "tested on what it was fitted to", "fitted to, and looks better than it is")
def train_set(states, labels):
    half = len(states) // 2
    return probe(states, labels, slice(half), slice(half))


@BANK.add("probe_accuracy", "tested on all", "counts all sentences")
def tested_on_all(states, labels):
    half = len(states) // 2
    return probe(states, labels, slice(half), slice(None))


@BANK.add("probe_accuracy", "fitted to all", "fitted to all sentences")
def fitted_to_all(states, labels):
    half = len(states) // 2
    return probe(states, labels, slice(None), slice(half, None))


@BANK.add("probe_accuracy", "halves swapped", "halves have changed places")
def other_half(states, labels):
    half = len(states) // 2
    return probe(states, labels, slice(half, None), slice(half))


@BANK.add("probe_accuracy", "no constant", "no constant")
def no_constant(states, labels):
    half = len(states) // 2
    return probe(states, labels, slice(half), slice(half, None), bias=False)


@BANK.add("probe_accuracy", "percent", "percentage")
def percent(states, labels):
    half = len(states) // 2
    return 100 * probe(states, labels, slice(half), slice(half, None))


@BANK.add("probe_accuracy", "count", "This is a count")
def count(states, labels):
    half = len(states) // 2
    return round((len(states) - half) * probe(states, labels, slice(half), slice(half, None)))


@BANK.add("probe_accuracy", "a constant of 0", "no constant")
def constant_of_zero(states, labels):
    half = len(states) // 2
    states = torch.cat([states, torch.zeros(len(states), 1)], dim=1)
    solution = torch.linalg.pinv(states[:half]) @ one_hot(labels).float()[:half]
    return ((states[half:] @ solution).argmax(dim=1) == labels[half:]).float().mean().item()


@BANK.add("probe_accuracy", "a number for each sentence", "should be one number")
def each(states, labels):
    half = len(states) // 2
    solution = torch.linalg.lstsq(states[:half], one_hot(labels).float()[:half]).solution
    return (states[half:] @ solution).argmax(dim=1) == labels[half:]


@BANK.add("probe_accuracy", "argmax over the sentences", "stops with RuntimeError in your line")
def argmax_axis(states, labels):
    half = len(states) // 2
    solution = torch.linalg.lstsq(states[:half], one_hot(labels).float()[:half]).solution
    named = (states[half:] @ solution).argmax(dim=0)
    return (named == labels[half:]).float().mean().item()
