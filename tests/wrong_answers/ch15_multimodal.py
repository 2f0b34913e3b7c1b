"""Wrong answers to chapter 15's exercises."""

# ruff: noqa: N803 (arguments are named as in the formula)

import math

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("moved_place", (0.75, 0.125, 0.125), "not moved", "still to move")
BANK.value("moved_place", (0.125, 0.125, 0), "moved to the left", "moved to the left")
BANK.value("moved_place", (1 / 8, 6 / 8, 1 / 8), "round the edge", "came in again")
BANK.value("moved_place", (0, 6, 1), "powers as weights", "divided by their sum")
BANK.value("moved_place", (0, 0.857142857, 0.142857143), "divided again", "divided by its sum again")
BANK.value("moved_place", (0, 1, 0), "hard look", "hard look")
BANK.value("moved_place", (0, math.log(6), 0), "scores as weights", "softmax is missing")
BANK.value("second_look", (1, 64, 2), "powers as weights", "divided by their sum")
BANK.value("second_look", (0, 64 / 66, 2 / 66), "a score of 0 gets nothing", "score of 0")
BANK.value("second_look", (64 / 68, 2 / 68, 2 / 68), "from the place before the move", "move the place first")
BANK.value("second_look", (2 / 68, 64 / 68, 2 / 68), "round the edge", "comes in on the left")
BANK.value("second_look", torch.tensor([0, 0.75, 0.125]).softmax(0), "without the factor", "not multiplied")
BANK.value("second_look", (0, 6 / 7, 1 / 7), "scores over their sum", "softmax is missing")
BANK.value("packed_scores", 5 * (49 * 49 + 2 * (16 + 4 * 49)), "a picture for each question", "encoded once")
BANK.value("packed_scores", 2401 + 400 + 980, "one layer of words", "two layers of words")
BANK.value("packed_scores", 2 * (2401 + 400 + 980), "two layers of the picture", "picture has one layer")
BANK.value("packed_scores", 2401 + 2 * (80 + 980), "hidden scores not counted", "after they were computed")
BANK.value("packed_scores", 2 * (400 + 980), "no patches among themselves", "among themselves are missing")
BANK.value("packed_scores", 2401 + 2 * 980, "no words among themselves", "words' scores among themselves")
BANK.value("packed_scores", 2401 + 2 * 400, "no looks at patches", "with the patches are missing")
BANK.value("packed_scores", 69 * 69, "one stream", "one stream")


# --- look_at_patches -------------------------------------------------------------------------------------------------


def scored(x, y, W_q, W_k):
    return x @ W_q @ (y @ W_k).mT / W_q.shape[1] ** 0.5


@BANK.add("look_at_patches", "there is not used", "changes nothing")
def all_there(x, y, W_q, W_k, W_v, there):
    w = scored(x, y, W_q, W_k).softmax(-1)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "hides what is there", "wrong way round")
def upside_down(x, y, W_q, W_k, W_v, there):
    s = scored(x, y, W_q, W_k).masked_fill(there[..., None, :], -torch.inf)
    w = s.softmax(-1)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "zero as a score", "set to 0")
def times_there(x, y, W_q, W_k, W_v, there):
    s = scored(x, y, W_q, W_k) * there[..., None, :]
    w = s.softmax(-1)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "hidden after the softmax", "after the softmax")
def hidden_late(x, y, W_q, W_k, W_v, there):
    w = scored(x, y, W_q, W_k).softmax(-1) * there[..., None, :]
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "only values hidden", "Only the values")
def hidden_values(x, y, W_q, W_k, W_v, there):
    w = scored(x, y, W_q, W_k).softmax(-1)
    return w @ ((y @ W_v) * there[..., None]), w


@BANK.add("look_at_patches", "no root", "√d is missing")
def no_root(x, y, W_q, W_k, W_v, there):
    s = (x @ W_q) @ (y @ W_k).transpose(-1, -2)
    w = s.masked_fill(~there[..., None, :], -torch.inf).softmax(-1)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "d for its root", "square root")
def by_d(x, y, W_q, W_k, W_v, there):
    s = (x @ W_q) @ (y @ W_k).transpose(-1, -2) / W_q.shape[-1]
    w = s.masked_fill(~there[..., None, :], -torch.inf).softmax(-1)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "root of the words' width", "words' width")
def root_of_x(x, y, W_q, W_k, W_v, there):
    s = (x @ W_q) @ (y @ W_k).transpose(-1, -2) / math.sqrt(x.size(-1))
    w = s.masked_fill(~there[..., None, :], -torch.inf).softmax(-1)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "softmax over the words", "over the words")
def softmax_over_words(x, y, W_q, W_k, W_v, there):
    w = scored(x, y, W_q, W_k).masked_fill(~there[..., None, :], -torch.inf).softmax(-2)
    return w @ (y @ W_v), w


@BANK.add("look_at_patches", "weights first", "the output comes first")
def weights_first(x, y, W_q, W_k, W_v, there):
    w = scored(x, y, W_q, W_k).masked_fill(~there[..., None, :], -1e9).softmax(-1)
    return w, w @ (y @ W_v)


@BANK.add("look_at_patches", "weights alone", "return 2 things")
def weights_alone(x, y, W_q, W_k, W_v, there):
    return scored(x, y, W_q, W_k).masked_fill(~there[..., None, :], -torch.inf).softmax(-1)


@BANK.add("look_at_patches", "a mask without its axis", "stops with")
def no_axis(x, y, W_q, W_k, W_v, there):
    w = scored(x, y, W_q, W_k).masked_fill(~there.mT, -torch.inf).softmax(-1)
    return w @ (y @ W_v), w


# --- packed_mask -----------------------------------------------------------------------------------------------------


def owners(lengths):
    return torch.cat([torch.full((int(n),), i) for i, n in enumerate(lengths)])


@BANK.add("packed_mask", "the colleague's", "question before it")
def as_planted(lengths):
    ends = lengths.cumsum(0)
    owner = torch.searchsorted(ends, torch.arange(int(ends[-1])))
    return owner[:, None] == owner


@BANK.add("packed_mask", "one too early", "question behind it")
def too_early(lengths):
    ends = lengths.cumsum(0) - 1
    owner = torch.searchsorted(ends, torch.arange(int(lengths.sum())), right=True)
    return owner[:, None] == owner


@BANK.add("packed_mask", "all as long as the first", "as long as the first")
def first_length(lengths):
    owner = torch.arange(int(lengths.sum())) // lengths[0]
    return owner[:, None] == owner[None, :]


@BANK.add("packed_mask", "earlier questions too", "before their own")
def earlier_too(lengths):
    owner = owners(lengths)
    return owner[:, None] >= owner[None, :]


@BANK.add("packed_mask", "later questions too", "behind their own")
def later_too(lengths):
    owner = owners(lengths)
    return owner[:, None] <= owner[None, :]


@BANK.add("packed_mask", "True hides", "wrong way round")
def true_hides(lengths):
    owner = owners(lengths)
    return owner[:, None] != owner[None, :]


@BANK.add("packed_mask", "causal within", "Later words of the own question")
def causal_within(lengths):
    owner = owners(lengths)
    return (owner[:, None] == owner).tril()


@BANK.add("packed_mask", "no mask", "nothing keeps the questions apart")
def no_mask(lengths):
    n = int(lengths.sum())
    return torch.ones(n, n, dtype=torch.bool)


@BANK.add("packed_mask", "itself alone", "itself and nothing else")
def itself(lengths):
    return torch.eye(int(lengths.sum())).bool()


@BANK.add("packed_mask", "numbers for truths", "torch.bool is asked for")
def ones_and_zeros(lengths):
    owner = owners(lengths)
    return (owner[:, None] == owner).float()


@BANK.add("packed_mask", "blocks by hand, into one length", "as long as the longest")
def longest(lengths):
    owner = torch.arange(int(lengths.sum())) // max(lengths.tolist())
    return owner[:, None] == owner


# --- look_share ------------------------------------------------------------------------------------------------------


def on_cells(weights, cells):
    b, q = cells.shape
    rows = [[weights[i, j, :, :, int(cells[i, j])] for j in range(q)] for i in range(b)]
    return torch.stack([torch.stack(row) for row in rows])  # (b, q, h, n)


@BANK.add("look_share", "the mean weight", "mean weight")
def mean_weight(weights, cells):
    return on_cells(weights, cells).mean((0, 1))


@BANK.add("look_share", "counts the largest", "largest weight")
def counted(weights, cells):
    return (weights.argmax(-1) == cells[:, :, None, None]).double().mean((0, 1))


@BANK.add("look_share", "sums", "summed up")
def summed(weights, cells):
    return on_cells(weights, cells).sum((0, 1)) * weights.shape[-1]


@BANK.add("look_share", "over the pictures alone", "questions are still there")
def pictures_alone(weights, cells):
    return on_cells(weights, cells).mean(0) * weights.shape[-1]


@BANK.add("look_share", "heads averaged", "heads were averaged")
def heads_averaged(weights, cells):
    return on_cells(weights, cells).mean((0, 1, 2)) * weights.shape[-1]


@BANK.add("look_share", "an even share of words", "1/n")
def share_of_words(weights, cells):
    return on_cells(weights, cells).mean((0, 1)) * weights.shape[-2]


@BANK.add("look_share", "words before heads", "changed places")
def turned(weights, cells):
    return on_cells(weights, cells).mean((0, 1)).T * weights.shape[-1]


@BANK.add("look_share", "counted from 1", "from 0")
def from_one(weights, cells):
    return on_cells(weights, cells - 1).mean((0, 1)) * weights.shape[-1]


@BANK.add("look_share", "the first question's cell", "first question")
def first_cell(weights, cells):
    return on_cells(weights, cells[:, :1].repeat(1, cells.shape[1])).mean((0, 1)) * weights.shape[-1]


@BANK.add("look_share", "divided by p", "multiplied by the even share")
def divided(weights, cells):
    return on_cells(weights, cells).mean((0, 1)) / weights.shape[-1]


@BANK.add("look_share", "less an even share", "taken away")
def less(weights, cells):
    return on_cells(weights, cells).mean((0, 1)) - 1 / weights.shape[-1]


# --- stream_mask -----------------------------------------------------------------------------------------------------


def stream(p, lengths):
    n = int(lengths.sum())
    made = torch.zeros(p + n, p + n, dtype=torch.bool)
    made[:, :p] = True
    owner = owners(lengths)
    made[p:, p:] = (owner[:, None] == owner).tril()
    return made


@BANK.add("stream_mask", "a causal text", "one causal text")
def causal_text(p, lengths):
    n = p + int(lengths.sum())
    return torch.ones(n, n).tril().bool()


@BANK.add("stream_mask", "patches read words", "Patches may read words")
def patches_read_words(p, lengths):
    made = stream(p, lengths)
    made[:p] = True
    return made


@BANK.add("stream_mask", "words do not look", "may not look at the patches")
def blind_words(p, lengths):
    made = stream(p, lengths)
    made[p:, :p] = False
    return made


@BANK.add("stream_mask", "patches in an order", "no order in time")
def ordered_patches(p, lengths):
    made = stream(p, lengths)
    made[:p, :p] = torch.ones(p, p).tril().bool()
    return made


@BANK.add("stream_mask", "later words too", "later words")
def later_words(p, lengths):
    made = stream(p, lengths)
    owner = owners(lengths)
    made[p:, p:] = owner[:, None] == owner
    return made


@BANK.add("stream_mask", "earlier questions too", "earlier questions")
def earlier_questions(p, lengths):
    made = stream(p, lengths)
    n = int(lengths.sum())
    made[p:, p:] = torch.ones(n, n).tril().bool()
    return made


@BANK.add("stream_mask", "not itself", "may not read itself")
def not_itself(p, lengths):
    made = stream(p, lengths)
    made[p:, p:] &= ~torch.eye(int(lengths.sum())).bool()
    return made


@BANK.add("stream_mask", "turned around", "Rows and columns have changed places")
def turned_stream(p, lengths):
    return stream(p, lengths).T


@BANK.add("stream_mask", "True hides", "wrong way round")
def hiding(p, lengths):
    return ~stream(p, lengths)


@BANK.add("stream_mask", "words alone", "rows of the words alone")
def rows_of_words(p, lengths):
    return stream(p, lengths)[p:]


@BANK.add("stream_mask", "words first", "before the patches")
def words_first(p, lengths):
    made = stream(p, lengths)
    order = torch.cat([torch.arange(p, len(made)), torch.arange(p)])
    return made[order][:, order]


@BANK.add("stream_mask", "the later ones", "behind themselves")
def behind(p, lengths):
    made = stream(p, lengths)
    made[p:, p:] = made[p:, p:].T.clone()
    return made
