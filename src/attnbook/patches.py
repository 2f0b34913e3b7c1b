"""Patches: an image cut into squares, each read as one long vector, so that attention can take it for a sequence.

A patch's place in the sequence is all that is left of its place in the image: rows first, from the top left.
"""

from torch import Tensor

from attnbook._checks import check_count, shape


def patches(images: Tensor, size: int) -> Tensor:
    """Cut images into squares of size × size pixels.

        (..., c, height, width)  ->  (..., n, c · size²),        n = (height / size) · (width / size)

    Args:
        images: (..., c, height, width), of any dtype; a grey image has c = 1 channel.
        size: pixels along a patch's side; divides height and width.
    Returns:
        (..., n, c · size²): the patches row by row from the top left. In each stand the channels one after the other,
        and in each channel the pixels row by row, in the order of `torch.nn.functional.unfold`.
    Raises:
        TypeError: images is not a tensor, or size not a whole number.
        ValueError: images has fewer than three axes, or size does not divide height and width.
    Cost: no arithmetic; one copy of the pixels.
    Source: Dosovitskiy et al. (2021), section 3.1.

    >>> import torch
    >>> image = torch.arange(16).view(1, 4, 4)  # one channel
    >>> patches(image, 2)
    tensor([[ 0,  1,  4,  5],
            [ 2,  3,  6,  7],
            [ 8,  9, 12, 13],
            [10, 11, 14, 15]])
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images should be a torch tensor, got {type(images).__name__}")
    if images.dim() < 3:
        raise ValueError(
            f"images should have shape (..., c, height, width), got {shape(images)}: "
            "give grey images a channel with images.unsqueeze(-3)"
        )
    check_count("size", size)
    height, width = images.shape[-2:]
    _check_divides(size, height, width)
    cut = images.unflatten(-1, (width // size, size)).unflatten(-3, (height // size, size))
    # (..., c, rows, size, columns, size) -> (..., rows, columns, c, size, size): a patch's own pixels come last
    cut = cut.movedim((-4, -2), (-5, -4))
    return cut.flatten(-3).flatten(-3, -2)


def unpatch(x: Tensor, size: int, height: int, width: int) -> Tensor:
    """Put patches together to images again: the inverse of `patches`.

    Args:
        x: (..., n, c · size²), in the order in which `patches` cuts.
        size: pixels along a patch's side.
        height, width: of the images.
    Returns:
        (..., c, height, width).
    Raises:
        TypeError: x is not a tensor, or one of the numbers is not whole.
        ValueError: size does not divide height and width, or x has not as many patches, or not whole channels.

    >>> import torch
    >>> unpatch(torch.tensor([[0, 1, 4, 5], [2, 3, 6, 7]]), size=2, height=2, width=4)
    tensor([[[0, 1, 2, 3],
             [4, 5, 6, 7]]])
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"x should be a torch tensor, got {type(x).__name__}")
    for name, value in (("size", size), ("height", height), ("width", width)):
        check_count(name, value)
    _check_divides(size, height, width)
    rows, columns = height // size, width // size
    if x.dim() < 2 or x.shape[-2] != rows * columns or x.shape[-1] % size**2 or not x.shape[-1]:
        raise ValueError(
            f"x should have shape (..., {rows * columns}, c · {size**2}) for patches of {size} × {size} "
            f"in images of {height} × {width}, got {shape(x)}"
        )
    cut = x.unflatten(-1, (-1, size, size)).unflatten(-4, (rows, columns))
    # (..., rows, columns, c, size, size) -> (..., c, rows, size, columns, size)
    cut = cut.movedim((-5, -4), (-4, -2))
    return cut.flatten(-2).flatten(-3, -2)


def _check_divides(size: int, height: int, width: int) -> None:
    if height % size or width % size:
        raise ValueError(f"size should divide the image's height and width, got size {size} for {height} × {width}")
