"""An image as a sequence by hand: how long it is, where a pixel goes, and what is learned before the encoder."""

import random
from typing import Any

from attnbook.exercises._varied import Sheet, Varied

# --- 48 rows and 32 columns in patches of 8, tokens of 48 numbers, the pixel in row 35 and column 13 -----------------


def _image(draw: random.Random) -> tuple[int, ...]:
    size, (down, right) = draw.choice([4, 5, 6, 8]), draw.sample(range(3, 8), 2)
    above, left = draw.randint(1, down - 1), draw.randint(1, right - 1)
    row, column = draw.sample(range(1, size), 2)
    return down * size, right * size, size, draw.choice([32, 48, 64, 96]), above * size + row, left * size + column


IMAGE = Sheet(
    (48, 32, 8, 48, 35, 13),
    _image,
    lambda height, width, p, d, row, column: [
        f"A ViT reads images in three colours, of {height} rows and {width} columns of pixels, cut into patches of "
        f"${p} \\times {p}$. Its tokens have {d} numbers. Keep an eye on the green value (green is the second of the "
        f"three channels) of the pixel in row {row} and column {column}."
    ],
)


def _count(height: int, width: int, p: int) -> int:
    return (height // p) * (width // p)


VIT_SHAPES = Varied(
    "vit_shapes",
    IMAGE,
    lambda h, w, p, d, r, c: (_count(h, w, p) + 1, 3 * p * p),
    ("The class token is missing from the sequence.", lambda h, w, p, d, r, c: (_count(h, w, p), 3 * p * p)),
    ("A patch has three channels: each pixel counts three times.",
     lambda h, w, p, d, r, c: (_count(h, w, p) + 1, p * p)),
    ("The class token is missing, and the three channels of a pixel.",
     lambda h, w, p, d, r, c: (_count(h, w, p), p * p)),
    ("The two have changed places: first the length of the sequence.",
     lambda h, w, p, d, r, c: (3 * p * p, _count(h, w, p) + 1)),
    ("The second number is a token's. Asked is how many numbers a patch has before W makes a token of it.",
     lambda h, w, p, d, r, c: (_count(h, w, p) + 1, d)),
    ("The channels were cut into patches of their own. One patch holds all three.",
     lambda h, w, p, d, r, c: (3 * _count(h, w, p) + 1, p * p)),
    ("A patch has a side of p pixels in both directions: square it.",
     lambda h, w, p, d, r, c: (_count(h, w, p) + 1, 3 * p)),
    ("Here each pixel is a token. Each patch should be one.", lambda h, w, p, d, r, c: (h * w + 1, 3)),
    ("Patches along the two sides were added. They make a rectangle: multiply.",
     lambda h, w, p, d, r, c: (h // p + w // p + 1, 3 * p * p)),
)  # fmt: skip


def _place(h: int, w: int, p: int, d: int, r: int, c: int, **other: int) -> tuple[int, int]:
    """The token and the place in its patch, with some of the parts replaced."""
    parts = {"token": 1, "across": w // p, "up": r // p, "left": c // p}
    parts |= {"channel": 1, "row": r % p, "column": c % p} | other
    token = parts["token"] + parts["up"] * parts["across"] + parts["left"]
    return token, parts["channel"] * p * p + parts["row"] * p + parts["column"]


PIXEL_PLACE = Varied(
    "pixel_place",
    IMAGE,
    _place,
    ("The class token stands at place 0: all patches move on by one.", lambda *n: _place(*n, token=0)),
    ("The sequence is counted from 0, and the class token is token 0.", lambda *n: _place(*n, token=2)),
    ("The channels before this one are missing: a patch holds all its pixels in red before the first in green.",
     lambda *n: _place(*n, channel=0)),
    ("Green is the second channel, so one channel stands before it and not two.", lambda *n: _place(*n, channel=2)),
    ("The class token was forgotten, and the channel before this one.", lambda *n: _place(*n, token=0, channel=0)),
    ("The patches were counted column by column. They stand row by row.",
     lambda h, w, p, d, r, c: (1 + c // p * (h // p) + r // p, _place(h, w, p, d, r, c)[1])),
    ("A row of patches is as long as the image is wide. You took its height.",
     lambda h, w, p, d, r, c: _place(h, w, p, d, r, c, across=h // p)),
    ("The patch's pixels were read column by column. They stand row by row.",
     lambda h, w, p, d, r, c: _place(h, w, p, d, r, c, row=c % p, column=r % p)),
    ("The patch's row and column have changed places.",
     lambda h, w, p, d, r, c: _place(h, w, p, d, r, c, up=c // p, left=r // p)),
    ("A pixel's three channels do not stand side by side: first comes the whole patch in red.",
     lambda h, w, p, d, r, c: (_place(h, w, p, d, r, c)[0], 3 * (r % p * p + c % p) + 1)),
    ("The places in the patch are counted from 0.",
     lambda *n: (_place(*n)[0], _place(*n)[1] + 1)),
    ("The second number is a place in the whole image. Asked is the place in the patch's vector.",
     lambda h, w, p, d, r, c: (_place(h, w, p, d, r, c)[0], h * w + r * w + c)),
    ("The second number is a place in the whole image, in one colour. Asked is the place in the patch's vector.",
     lambda h, w, p, d, r, c: (_place(h, w, p, d, r, c)[0], r * w + c)),
    ("The two have changed places: first the token.", lambda *n: _place(*n)[::-1]),
)  # fmt: skip


def _front(h: int, w: int, p: int, d: int, **other: int) -> int:
    """The sum, with some of its summands replaced."""
    parts = {"matrix": 3 * p * p * d, "bias": d, "class": d, "positions": (_count(h, w, p) + 1) * d}
    return sum((parts | other).values())


FRONT_PARAMETERS = Varied(
    "front_parameters",
    IMAGE,
    lambda h, w, p, d, r, c: _front(h, w, p, d),
    ("One vector is missing: W's bias, the class token or the class token's position. All three are learned.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, bias=0)),
    ("Two vectors are missing, of W's bias, the class token and the class token's position.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, bias=0, **{"class": 0})),
    ("The positions are missing.", lambda h, w, p, d, r, c: _front(h, w, p, d, positions=0)),
    ("The three channels are missing: a patch is wider.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, matrix=p * p * d)),
    ("All patches share one matrix W.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, matrix=_count(h, w, p) * 3 * p * p * d)),
    ("All patches share one matrix W and one bias.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, matrix=_count(h, w, p) * 3 * p * p * d, bias=_count(h, w, p) * d)),
    ("A position is a vector, as wide as a token, and not one number.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, positions=_count(h, w, p) + 1)),
    ("Each pixel got a position. Patches have them, one each.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, positions=(h * w + 1) * d)),
    ("Each pixel of a patch got a position. A patch has one.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, positions=(p * p + 1) * d)),
    ("W and its bias are missing.", lambda h, w, p, d, r, c: _front(h, w, p, d, matrix=0, bias=0)),
    ("Each channel got a bias of its own. One W makes a token of the patch's three channels, with one bias.",
     lambda h, w, p, d, r, c: _front(h, w, p, d, bias=3 * d)),
    ("These are the parameters of W and its bias alone.",
     lambda h, w, p, d, r, c: 3 * p * p * d + d),
)  # fmt: skip


def check_vit_shapes(answer: Any, variant: int = 0) -> None:
    """Check the length of a ViT's sequence, and the numbers in a patch.

    >>> check_vit_shapes((24, 192))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: vit_shapes: The class token is missing from the sequence.
    """
    VIT_SHAPES.check(answer, variant)


def check_pixel_place(answer: Any, variant: int = 0) -> None:
    """Check in which token a pixel's value stands, and where in its patch.

    >>> check_pixel_place((17, 93))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: pixel_place: The class token stands at place 0: all patches move on by one.
    """
    PIXEL_PLACE.check(answer, variant)


def check_front_parameters(answer: Any, variant: int = 0) -> None:
    """Check how many numbers a ViT learns before its encoder.

    >>> check_front_parameters(192 * 48 + 48 + 48)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: front_parameters: The positions are missing.
    """
    FRONT_PARAMETERS.check(answer, variant)
