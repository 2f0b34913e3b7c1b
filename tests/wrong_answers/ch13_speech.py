"""Wrong answers to chapter 13's exercises."""

import math

import torch
from torch.nn.functional import ctc_loss

from wrong_answers import Bank

BANK = Bank()

BANK.value("mel_middle", 2800, "the mean of the hertz", "halfway in hertz")
BANK.value("mel_middle", 2595 * math.log10(3), "mels given", "These are mels")
BANK.value("mel_middle", 2100, "1 not subtracted", "1 of 1 \\+ f")
BANK.value("mel_middle", 700 * (4.5 - 1), "9 halved in place of its logarithm", "halved is the logarithm")
BANK.value("mel_middle", 700 * 8**0.5, "no 1 in the logarithm", "and not of f / 700")
BANK.value("state_time", 600, "where the window begins", "begins")
BANK.value("state_time", 4900, "samples", "These are samples")
BANK.value("state_time", 162.5, "a state taken for a frame", "frame 12")
BANK.value("state_time", 312.5, "halved once", "halved twice")
BANK.value("state_time", 1212.5, "windows side by side", "windows overlap")
BANK.value("state_time", 631.25, "the middle of four frames", "frames 48 to 51")
BANK.value("state_time", 562.5, "counted from 1", "counted from 0")
BANK.value("ctc_ways", (15, 15), "no blank between equal digits", "must be a blank")
BANK.value("ctc_ways", (5, 5), "a blank between different digits", "different")
BANK.value("ctc_ways", (5, 15), "changed places", "changed places")
BANK.value("ctc_ways", (6, 3), "each digit once", "given once")
BANK.value("ctc_ways", (3, 0), "no blanks", "no blanks")


# --- cut -------------------------------------------------------------------------------------------------------------


def windows_of(sound, window, hop):
    count = (sound.shape[1] - window) // hop + 1
    at = torch.arange(count)[:, None] * hop + torch.arange(window)
    return sound[:, at.to(sound.device)]


def up_to(count, frames):
    return torch.arange(frames.shape[1], device=frames.device)[None] < count[:, None]


@BANK.add("cut", "window and hop swapped", "window and the hop have changed places")
def swapped(sound, lengths, window, hop):
    frames = sound.unfold(1, hop, window)
    return frames, up_to((lengths - hop) // window + 1, frames)


@BANK.add("cut", "windows side by side", "side by side")
def side_by_side(sound, lengths, window, hop):
    whole = sound.shape[1] // window
    frames = sound[:, : whole * window].reshape(len(sound), whole, window)
    return frames, up_to(lengths // window, frames)


@BANK.add("cut", "last window missing", "last whole window is missing")
def range_too_short(sound, lengths, window, hop):
    count = (sound.shape[1] - window) // hop
    frames = torch.stack([sound[:, i * hop : i * hop + window] for i in range(count)], dim=1)
    return frames, up_to((lengths - window) // hop + 1, frames)


@BANK.add("cut", "last window filled up", "filled up with zeros")
def filled_up(sound, lengths, window, hop):
    count = math.ceil((sound.shape[1] - window) / hop) + 1
    sound = torch.nn.functional.pad(sound, (0, (count - 1) * hop + window - sound.shape[1]))
    frames = windows_of(sound, window, hop)
    return frames, up_to((lengths - window) // hop + 1, frames)


@BANK.add("cut", "mask turned around", "mask is turned around")
def hidden_for_true(sound, lengths, window, hop):
    frames = windows_of(sound, window, hop)
    return frames, ~up_to((lengths - window) // hop + 1, frames)


@BANK.add("cut", "a window that begins in the sound counts", "only begins in the sound")
def begins_inside(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    starts = hop * torch.arange(frames.shape[1], device=sound.device)
    return frames, starts < lengths[:, None]


@BANK.add("cut", "lengths by hop", "counts the hops")
def lengths_by_hop(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    return frames, up_to(lengths // hop, frames)


@BANK.add("cut", "no + 1 in the mask", "one frame too few: the first window takes no hop")
def no_plus_one(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    return frames, up_to(torch.div(lengths - window, hop, rounding_mode="floor"), frames)


@BANK.add("cut", "< for <=", "one frame too few where a window ends just with the sound")
def strictly(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    ends = torch.arange(frames.shape[1], device=sound.device) * hop + window
    return frames, ends < lengths[:, None]


@BANK.add("cut", "samples for frames", "takes lengths, which are samples")
def samples_for_frames(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    return frames, up_to(lengths, frames)


@BANK.add("cut", "the middle counts", "when its middle lies")
def middles(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    middle = torch.arange(frames.shape[1], device=sound.device) * hop + window // 2
    return frames, middle < lengths[:, None]


@BANK.add("cut", "filling set to zero", "filling should be left as they are|frames should be left as they are")
def zeroed(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    mask = up_to((lengths - window) // hop + 1, frames)
    return frames.masked_fill(~mask[..., None], 0), mask


@BANK.add("cut", "the samples behind the end set to zero", "filling was silenced")
def silenced(sound, lengths, window, hop):
    sound = sound.masked_fill(torch.arange(sound.shape[1], device=sound.device) >= lengths[:, None], 0)
    frames = sound.unfold(1, window, hop)
    return frames, up_to((lengths - window) // hop + 1, frames)


@BANK.add("cut", "window before frame", "rows and columns have changed places")
def turned(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    return frames.mT, up_to((lengths - window) // hop + 1, frames)


@BANK.add("cut", "no mask", "should return 2 things, the batch of frames and the mask")
def no_mask(sound, lengths, window, hop):
    return windows_of(sound, window, hop)


@BANK.add("cut", "200 and 100 written in", "stops with RuntimeError|shape of the batch of frames")
def written_in(sound, lengths, window, hop):
    frames = sound.unfold(1, 200, 100)
    return frames, up_to((lengths - 200) // 100 + 1, frames)


@BANK.add("cut", "the mask holds numbers", "dtype of the mask")
def numbers(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    return frames, up_to((lengths - window) // hop + 1, frames).float()


@BANK.add("cut", "device lost", "GPU")
def device_lost(sound, lengths, window, hop):
    frames = sound.unfold(1, window, hop)
    count = (lengths - window) // hop + 1
    return frames, torch.arange(frames.shape[1])[None] < count[:, None]


# --- state_mask ------------------------------------------------------------------------------------------------------


@BANK.add("state_mask", "untouched, for any number of layers", "hangs on the rest of the batch")
def as_planted(lengths, n, layers):
    states = -(-n // 2**layers)
    return torch.arange(states) < (lengths / n * states).ceil()[:, None]


@BANK.add("state_mask", "rounded in place of rounded up", "hangs on the rest of the batch")
def rounded(lengths, n, layers):
    states = math.ceil(n / 2**layers)
    return torch.arange(states) < torch.round(lengths / n * states)[:, None]


@BANK.add("state_mask", "lengths rounded down", "rounded down")
def rounded_down(lengths, n, layers):
    for _ in range(layers):
        n, lengths = (n + 1) // 2, lengths // 2
    return torch.arange(n) < lengths[:, None]


@BANK.add("state_mask", "n rounded down too", "shape of the mask")
def both_down(lengths, n, layers):
    return torch.arange(n // 2**layers) < (lengths // 2**layers)[:, None]


@BANK.add("state_mask", "plus one behind the division", "add before you divide")
def plus_one_behind(lengths, n, layers):
    return torch.arange(-(-n // 2**layers)) < (lengths // 2**layers + 1)[:, None]


@BANK.add("state_mask", "the convolution's reach", "touches a true frame")
def reach(lengths, n, layers):
    true = (torch.arange(n) < lengths[:, None]).float()[:, None]
    for _ in range(layers):
        true = torch.nn.functional.max_pool1d(true, 3, stride=2, padding=1)
    return true[:, 0] > 0


@BANK.add("state_mask", "always two layers", "`layers` changes nothing")
def always_two(lengths, n, layers):
    for _ in range(layers):
        n = (n + 1) // 2
    return torch.arange(n) < ((lengths + 3) // 4)[:, None]


@BANK.add("state_mask", "lengths halved once", "halved once")
def halved_once(lengths, n, layers):
    lengths = -(-lengths // 2)
    for _ in range(layers):
        n = -(-n // 2)
    return torch.arange(n) < lengths[:, None]


@BANK.add("state_mask", "lengths of frames", "were not halved")
def not_halved(lengths, n, layers):
    for _ in range(layers):
        n = -(-n // 2)
    return torch.arange(n) < lengths[:, None]


@BANK.add("state_mask", "turned around", "Turned around")
def filling_true(lengths, n, layers):
    for _ in range(layers):
        n, lengths = -(-n // 2), -(-lengths // 2)
    return torch.arange(n) >= lengths[:, None]


@BANK.add("state_mask", "every other frame of the mask, from the second", "shape of the mask|rounded down")
def from_the_second(lengths, n, layers):
    mask = torch.arange(n) < lengths[:, None]
    for _ in range(layers):
        mask = mask[:, 1::2]
    return mask


@BANK.add("state_mask", "filling in front", "stands behind")
def in_front(lengths, n, layers):
    for _ in range(layers):
        n, lengths = -(-n // 2), -(-lengths // 2)
    return torch.arange(n) >= n - lengths[:, None]


@BANK.add("state_mask", "the longest for all", "[Ll]engths changes nothing|All states are open|longest")
def longest(lengths, n, layers):
    for _ in range(layers):
        n, lengths = -(-n // 2), -(-lengths // 2)
    return torch.arange(n).expand(len(lengths), n) < lengths.max()


@BANK.add("state_mask", "lengths (b,) against places (n,)", "stops with RuntimeError")
def no_axis(lengths, n, layers):
    for _ in range(layers):
        n, lengths = -(-n // 2), -(-lengths // 2)
    return torch.arange(n) < lengths


# --- forward_share ---------------------------------------------------------------------------------------------------


def steps_of(weights):
    looks = weights.argmax(dim=-1)
    return looks[:, 1:] - looks[:, :-1]


def true_steps(weights, lengths):
    return torch.arange(weights.shape[1] - 1) < (lengths - 1)[:, None]


@BANK.add("forward_share", "staying counts", "stay where one is")
def not_backwards(weights, lengths):
    return (steps_of(weights) >= 0)[true_steps(weights, lengths)].float().mean()


@BANK.add("forward_share", "filling counts", "lengths changes nothing")
def filling_counts(weights, lengths):
    return (steps_of(weights) > 0).float().mean()


@BANK.add("forward_share", "a step too many", "One step too many")
def step_too_many(weights, lengths):
    true = torch.arange(weights.shape[1] - 1) < lengths[:, None]
    return (steps_of(weights) > 0)[true].float().mean()


@BANK.add("forward_share", "a step too few", "One step too few")
def step_too_few(weights, lengths):
    true = torch.arange(weights.shape[1] - 1) < lengths[:, None] - 2
    return (steps_of(weights) > 0)[true].float().mean()


@BANK.add("forward_share", "whole texts", "forwards at every step")
def whole_texts(weights, lengths):
    every = []
    for row, m in zip(weights.argmax(dim=-1).tolist(), lengths.tolist(), strict=True):
        if m > 1:
            every.append(all(row[i] < row[i + 1] for i in range(m - 1)))
    return sum(every) / len(every)


@BANK.add("forward_share", "mean of means", "mean of each text's share")
def mean_of_means(weights, lengths):
    shares = []
    for steps, m in zip(steps_of(weights), lengths.tolist(), strict=True):
        if m > 1:
            shares.append((steps[: m - 1] > 0).float().mean().item())
    return sum(shares) / len(shares)


@BANK.add("forward_share", "divided by tokens", "number of tokens")
def by_tokens(weights, lengths):
    forwards = (steps_of(weights) > 0) & true_steps(weights, lengths)
    return forwards.sum() / lengths.sum()


@BANK.add("forward_share", "mean place", "mean place")
def mean_place(weights, lengths):
    place = (weights * torch.arange(weights.shape[-1])).sum(dim=-1)
    return (place.diff(dim=-1) > 0)[true_steps(weights, lengths)].float().mean()


@BANK.add("forward_share", "the wrong axis", "wrong axis")
def wrong_axis(weights, lengths):
    looks = weights.argmax(dim=1)
    return (looks[:, 1:] > looks[:, :-1]).float().mean()


@BANK.add("forward_share", "next state only", "very next state")
def next_only(weights, lengths):
    return (steps_of(weights) == 1)[true_steps(weights, lengths)].float().mean()


@BANK.add("forward_share", "steps in place of their share", "how many steps")
def how_many(weights, lengths):
    return ((steps_of(weights) > 0) & true_steps(weights, lengths)).sum()


@BANK.add("forward_share", "which steps, in place of their share", "should be one number")
def which(weights, lengths):
    return steps_of(weights) > 0


@BANK.add("forward_share", "a text of one token divides by zero", "nan|NaN")
def divides_by_zero(weights, lengths):
    forwards = ((steps_of(weights) > 0) & true_steps(weights, lengths)).sum(dim=1)
    shares = forwards / (lengths - 1)
    return (shares * (lengths - 1)).sum() / (lengths - 1).sum()


# --- ctc -------------------------------------------------------------------------------------------------------------


def run_through(log_p, string, may_skip, first=2, last=2, plus=torch.logaddexp):
    """Place by place, as one writes it without tensors of places."""
    blank = log_p.shape[1] - 1
    path = [blank]
    for token in string.tolist():
        path += [token, blank]
    none = torch.tensor(-math.inf, dtype=log_p.dtype)
    ways = [log_p[0, token] if i < first else none for i, token in enumerate(path)]
    for row in log_p[1:]:
        new = []
        for i, token in enumerate(path):
            total = ways[i]
            if i > 0:
                total = plus(total, ways[i - 1])
            if i > 1 and may_skip(token, path[i - 2], blank):
                total = plus(total, ways[i - 2])
            new.append(total + row[token])
        ways = new
    total = none
    for way in ways[-last:]:
        total = plus(total, way)
    return total


def rightly(token, before, blank):
    return token not in (blank, before)


@BANK.add("ctc", "blanks can't be skipped", "demanded between all")
def no_skip(log_p, string):
    return run_through(log_p, string, lambda token, before, blank: False)


@BANK.add("ctc", "equal tokens without a blank", "Between two equal tokens")
def equal_neighbours(log_p, string):
    return run_through(log_p, string, lambda token, before, blank: token != blank)


@BANK.add("ctc", "begins with a blank only", "must begin with a blank")
def begins_blank(log_p, string):
    return run_through(log_p, string, rightly, first=1)


@BANK.add("ctc", "ends with a blank only", "must end with a blank")
def ends_blank(log_p, string):
    return run_through(log_p, string, rightly, last=1)


@BANK.add("ctc", "all places count at the end", "not come to the string's end")
def ends_anywhere(log_p, string):
    return run_through(log_p, string, rightly, last=10_000)


@BANK.add("ctc", "the likeliest path", "likeliest path alone")
def best_path(log_p, string):
    return run_through(log_p, string, rightly, plus=torch.maximum)


@BANK.add("ctc", "the probability", "Its logarithm is asked for")
def probability(log_p, string):
    return run_through(log_p, string, rightly).exp()


@BANK.add("ctc", "the loss", "sign is turned")
def loss(log_p, string):
    return -run_through(log_p, string, rightly)


@BANK.add("ctc", "the first column as the blank", "first column")
def first_column(log_p, string):
    moved = torch.cat([log_p[:, 1:], log_p[:, :1]], dim=1)  # 0 behind all others
    return run_through(moved, (string - 1) % log_p.shape[1], rightly)


@BANK.add("ctc", "probabilities, which underflow", "logarithms from end to end")
def underflows(log_p, string):
    def plus(a, b):
        return (a.exp() + b.exp()).log()

    return run_through(log_p, string, rightly, plus=plus)


@BANK.add("ctc", "by torch", "torch's own ctc_loss")
def by_torch(log_p, string):
    n, m = torch.tensor([len(log_p)]), torch.tensor([len(string)])
    return -ctc_loss(log_p[:, None], string[None], n, m, blank=log_p.shape[1] - 1, reduction="sum")


@BANK.add("ctc", "torch's mean", "divided by the string's length")
def torch_mean(log_p, string):
    n, m = torch.tensor([len(log_p)]), torch.tensor([len(string)])
    return -ctc_loss(log_p[:, None], string[None], n, m, blank=log_p.shape[1] - 1)


@BANK.add("ctc", "no blanks", "no blanks")
def without_blanks(log_p, string):
    ways = [log_p[0, token] if i == 0 else torch.tensor(-math.inf) for i, token in enumerate(string)]
    for row in log_p[1:]:
        ways = [
            torch.logaddexp(ways[i], ways[i - 1] if i else torch.tensor(-math.inf)) + row[token]
            for i, token in enumerate(string)
        ]
    return ways[-1] if ways else torch.tensor(-math.inf)


@BANK.add("ctc", "the empty string forgotten", "empty string|IndexError")
def no_empty(log_p, string):
    assert string[0] >= 0
    return run_through(log_p, string, rightly)


@BANK.add("ctc", "what the likeliest tokens read", "should be one number")
def greedy(log_p, string):
    tokens = log_p.argmax(dim=1).unique_consecutive()
    return tokens[tokens < log_p.shape[1] - 1]
