"""Wrong answers to chapter 12's exercises."""

# ruff: noqa: N803 (W is named as in the formula)

import torch
from torch.nn.functional import interpolate

from wrong_answers import Bank

BANK = Bank()

BANK.value("vit_shapes", (24, 192), "no class token", "class token is missing from the sequence")
BANK.value("vit_shapes", (25, 64), "one channel", "three channels: each pixel")
BANK.value("vit_shapes", (25, 24), "a side for a square", "square it")
BANK.value("vit_shapes", (192, 25), "changed places", "changed places")
BANK.value("vit_shapes", (11, 192), "sides added", "multiply")
BANK.value("vit_shapes", (25, 64 * 3 + 1), "something else", "not right")
BANK.value("vit_shapes", (25, 48), "a token for a patch", "second number is a token")
BANK.value("vit_shapes", (73, 64), "patches of one colour", "channels were cut")
BANK.value("pixel_place", (17, 93), "no class token", "class token stands at place 0")
BANK.value("pixel_place", (18, 29), "no channel", "channels before this one are missing")
BANK.value("pixel_place", (18, 157), "blue for green", "one channel stands before it")
BANK.value("pixel_place", (18, 64 + 43), "columns before rows in the patch", "pixels were read column by column")
BANK.value("pixel_place", (1 + 6 + 4, 93), "patches by columns", "patches were counted column")
BANK.value("pixel_place", (18, 88), "colours side by side", "side by side")
BANK.value("pixel_place", (19, 93), "counted from 1", "class token is token 0")
BANK.value("front_parameters", 9_216 + 48 + 48 + 24 * 48, "no position for the class token", "One vector is missing")
BANK.value("front_parameters", 192 * 48 + 48 + 25 * 48, "no bias", "One vector is missing")
BANK.value("front_parameters", 192 * 48 + 25 * 48, "no bias, no class token", "Two vectors are missing")
BANK.value("front_parameters", 193 * 48 + 48, "no positions", "positions are missing")
BANK.value("front_parameters", 64 * 48 + 96 + 25 * 48, "grey", "channels are missing")
BANK.value("front_parameters", 193 * 48 + 48 + 25, "a position is a number", "A position is a vector")
BANK.value("front_parameters", 24 * 193 * 48 + 48 + 25 * 48, "a matrix for each patch", "share one matrix W and one")
BANK.value("front_parameters", "many", "words", "should be numbers")


# --- look_distance ---------------------------------------------------------------------------------------------------


def grid(n, columns, like):
    at = torch.arange(n, device=like.device)
    return torch.stack([at // columns, at % columns], dim=1).to(like.dtype)


def among_patches(weights):
    cut = weights[:, :, 1:, 1:]
    return cut / cut.sum(dim=-1, keepdim=True)


def distances(weights, columns):
    at = grid(weights.shape[-1] - 1, columns, weights)
    return torch.cdist(at, at)


@BANK.add("look_distance", "not brought back to 1", "not brought back to a sum of 1")
def not_renormalised(weights, columns):
    return (weights[..., 1:, 1:] * distances(weights, columns)).sum(-1).mean(-1).mean(0)


@BANK.add("look_distance", "the class token as a place", "class token was taken for a patch")
def class_token_too(weights, columns):
    at = grid(weights.shape[-1], columns, weights)
    return (weights * torch.cdist(at, at)).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "steps", "Steps along rows and columns")
def steps(weights, columns):
    at = grid(weights.shape[-1] - 1, columns, weights)
    far = (at[:, None] - at[None]).abs().sum(-1)
    return (among_patches(weights) * far).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "no root", "root is missing")
def no_root(weights, columns):
    at = grid(weights.shape[-1] - 1, columns, weights)
    far = ((at[:, None] - at[None]) ** 2).sum(-1)
    return (among_patches(weights) * far).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "the places' numbers subtracted", "one row: columns changes nothing")
def one_row(weights, columns):
    at = torch.arange(weights.shape[-1] - 1, dtype=weights.dtype)
    return (among_patches(weights) * (at[:, None] - at).abs()).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "rows for columns", "taken for the number of rows")
def rows_for_columns(weights, columns):
    rows = (weights.shape[-1] - 1) // columns
    return (among_patches(weights) * distances(weights, rows)).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "the last left out", "last patch was left out")
def last_left_out(weights, columns):
    cut = weights[..., :-1, :-1]
    cut = cut / cut.sum(-1, keepdim=True)
    return (cut * distances(weights, columns)).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "the largest weight", "largest weight alone")
def largest(weights, columns):
    looked = weights[..., 1:, 1:].argmax(-1)
    far = distances(weights, columns)
    return far[torch.arange(far.shape[0]), looked].mean(dim=(0, 2))


@BANK.add("look_distance", "mean of all the products", "times ours")
def mean_of_products(weights, columns):
    return (among_patches(weights) * distances(weights, columns)).mean(dim=(0, 2, 3))


@BANK.add("look_distance", "one number", "One number for all heads")
def one_number(weights, columns):
    return (among_patches(weights) * distances(weights, columns)).sum(-1).mean()


@BANK.add("look_distance", "for each image", "mean over images is missing")
def each_image(weights, columns):
    return (among_patches(weights) * distances(weights, columns)).sum(-1).mean(-1)


@BANK.add("look_distance", "columns of weights", "changed places: a row holds")
def columns_of_weights(weights, columns):
    cut = weights[..., 1:, 1:]
    cut = cut / cut.sum(-2, keepdim=True)
    return (cut * distances(weights, columns)).sum(-2).mean(dim=(0, 2))


@BANK.add("look_distance", "four columns written in", "columns")
def four(weights, columns):
    return (among_patches(weights) * distances(weights, 4)).sum(-1).mean(dim=(0, 2))


@BANK.add("look_distance", "divided in place", "in place")
def in_place(weights, columns):
    cut = weights[..., 1:, 1:]
    cut /= cut.sum(-1, keepdim=True)
    return (cut * distances(weights, columns)).sum(-1).mean(dim=(0, 2))


# --- mend ------------------------------------------------------------------------------------------------------------


@BANK.add("mend", "untouched", "W is as it was")
def untouched(W, c, size):
    return W


@BANK.add("mend", "the other way", "goes the other way")
def other_way(W, c, size):
    return W.view(len(W), size, size, c).permute(0, 3, 2, 1).reshape(len(W), -1)


@BANK.add("mend", "rows and columns only", "channels are still outermost")
def rows_and_columns(W, c, size):
    return W.view(len(W), c, size, size).transpose(-1, -2).reshape(len(W), -1)


@BANK.add("mend", "channels only", "rows still come before columns")
def channels_only(W, c, size):
    return W.view(len(W), c, size, size).movedim(1, -1).reshape(len(W), -1)


@BANK.add("mend", "viewed and not moved", "W is as it was")
def viewed(W, c, size):
    return W.view(-1, c, size, size).reshape(-1, size, size, c).reshape(W.shape)


@BANK.add("mend", "transposed where channels stand last", "as if the channels stood innermost")
def read_innermost(W, c, size):
    return W.view(-1, size, size, c).transpose(1, 2).reshape(W.shape)


@BANK.add("mend", "reversed", "turned around, last before first")
def reversed_order(W, c, size):
    return W.flip(1)


@BANK.add("mend", "four axes", "not flattened")
def four_axes(W, c, size):
    return W.view(-1, c, size, size).permute(0, 3, 2, 1)


@BANK.add("mend", "transposed at the end", "result is turned around")
def transposed(W, c, size):
    return W.view(-1, c, size, size).permute(3, 2, 1, 0).reshape(c * size * size, -1)


@BANK.add("mend", "grey only", "stops with RuntimeError")
def grey_only(W, c, size):
    return W.view(len(W), size, size).mT.reshape(len(W), -1)


# --- stretch ---------------------------------------------------------------------------------------------------------


def resized(places, old, new, **how):
    how = how or {"mode": "bilinear"}
    x = places.reshape(old[0], old[1], -1).permute(2, 0, 1).unsqueeze(0)
    x = interpolate(x, size=new, **how)
    return x.squeeze(0).permute(1, 2, 0).reshape(new[0] * new[1], -1)


@BANK.add("stretch", "no class token", "class token's position is missing")
def no_class(table, old, new):
    return resized(table[1:], old, new)


@BANK.add("stretch", "class token behind", "stands last")
def class_behind(table, old, new):
    return torch.cat([resized(table[1:], old, new), table[:1]])


@BANK.add("stretch", "the last row is the class token's", "last row was taken")
def last_row(table, old, new):
    return torch.cat([resized(table[:-1], old, new), table[-1:]])


@BANK.add("stretch", "corners on corners", "align_corners=True")
def corners(table, old, new):
    return torch.cat([table[:1], resized(table[1:], old, new, mode="bilinear", align_corners=True)])


@BANK.add("stretch", "the default mode", "position of one old one")
def nearest(table, old, new):
    return torch.cat([table[:1], resized(table[1:], old, new, mode="nearest")])


@BANK.add("stretch", "bicubic", "bicubic")
def bicubic(table, old, new):
    return torch.cat([table[:1], resized(table[1:], old, new, mode="bicubic")])


@BANK.add("stretch", "antialias", "antialias")
def antialias(table, old, new):
    return torch.cat([table[:1], resized(table[1:], old, new, mode="bilinear", antialias=True)])


@BANK.add("stretch", "old grid turned", "old grid have changed places")
def old_turned(table, old, new):
    return torch.cat([table[:1], resized(table[1:], (old[1], old[0]), new)])


@BANK.add("stretch", "new grid turned", "new grid have changed places")
def new_turned(table, old, new):
    return torch.cat([table[:1], resized(table[1:], old, (new[1], new[0]))])


@BANK.add("stretch", "columns first on the way back", "column by column")
def back_by_columns(table, old, new):
    x = table[1:].reshape(*old, -1).permute(2, 0, 1)[None]
    x = interpolate(x, size=new, mode="bilinear")[0]
    return torch.cat([table[:1], x.permute(2, 1, 0).reshape(-1, table.shape[1])])


@BANK.add("stretch", "reshaped to pictures", "torn apart: reshape does not move axes. A table")
def torn(table, old, new):
    x = table[1:].reshape(1, table.shape[1], *old)
    x = interpolate(x, size=new, mode="bilinear")[0]
    return torch.cat([table[:1], x.flatten(1).T])


@BANK.add("stretch", "reshaped back", "on the way back")
def torn_back(table, old, new):
    x = table[1:].reshape(*old, -1).permute(2, 0, 1)[None]
    x = interpolate(x, size=new, mode="bilinear")[0]
    return torch.cat([table[:1], x.reshape(-1, table.shape[1])])


@BANK.add("stretch", "one row", "stretched in one row\\. A patch")
def in_one_row(table, old, new):
    x = interpolate(table[1:].T[None], size=new[0] * new[1], mode="linear")
    return torch.cat([table[:1], x[0].T])


@BANK.add("stretch", "one row with the class token", "with the class token's position")
def all_in_one_row(table, old, new):
    return interpolate(table.T[None], size=new[0] * new[1] + 1, mode="linear")[0].T


@BANK.add("stretch", "scale factor of the rows for both", "shape of the new table")
def one_factor(table, old, new):
    x = table[1:].reshape(*old, -1).permute(2, 0, 1)[None]
    x = interpolate(x, scale_factor=new[0] / old[0], mode="bilinear")[0]
    return torch.cat([table[:1], x.flatten(1).T])


@BANK.add("stretch", "a class token of zeros", "set to zero")
def zero_class(table, old, new):
    return torch.cat([torch.zeros(1, table.shape[1]).to(table), resized(table[1:], old, new)])
