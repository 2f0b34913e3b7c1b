"""Wrong answers to chapter NUMBER's exercises.

TO WRITE: what learners write, as they write it and not out of the table of mistakes; at least eight mistakes, and some
for each task.
"""

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("topic_by_hand", (4 + 8 + 10) / 3, "the plain mean", "plain mean")
BANK.value("topic_by_hand", 4 + 8 + 10, "the plain sum", "plain sum")
BANK.value("topic_by_hand", None, "not given", "None")
BANK.value("topic_by_hand", "six", "a word", "should be numbers")


@BANK.add("topic_average", "without the weights", "weights are not used")
def plain_mean(weights, values):
    return torch.stack([values.mean(0) for _ in weights])


@BANK.add("topic_average", "a sum without the weights", "without their weights")
def plain_sum(weights, values):
    return torch.stack([sum(values) for _ in weights])


@BANK.add("topic_average", "divided by the number of keys", "sum to 1 already")
def divided_again(weights, values):
    n_k = values.shape[0]
    return torch.einsum("qk,kd->qd", weights, values) / n_k


@BANK.add("topic_repaired", "as it was handed out", "softmax once more")
def as_planted(weights, values):
    grown = weights.exp()
    return (grown / grown.sum(1, keepdim=True)) @ values


@BANK.add("topic_repaired", "the softmax and the weights taken away", "weights are not used")
def all_alike(weights, values):
    return values.mean(dim=0).repeat(len(weights), 1)
