"""Vision: an image as a sequence of patches, read by the same encoder that reads words."""

from typing import cast

import torch
from torch import Tensor, nn

from attnbook._checks import check_alike, check_count, shape
from attnbook.multihead import MultiHeadAttention
from attnbook.patches import patches
from attnbook.positions import LearnedPositions
from attnbook.transformer import Encoder, EncoderLayer


class VisionTransformer(nn.Module):
    """Classify an image: cut it into patches, let them read each other, and ask one more token what it has seen.

        x = [class; patch_1 W; ...; patch_n W] + positions        logits = encoder(x)_0 W_c

    Nothing here knows that images have rows and columns. The patch above is no nearer than the one in the corner,
    until the learned positions say so.

    Args:
        image_size: pixels along a side of the square images.
        patch_size: pixels along a patch's side; divides image_size.
        num_classes: how many answers there are.
        channels: 1 for grey images, 3 for colours.
        d_model, num_heads, num_layers: of the encoder.
        d_ff: width of its networks' hidden layer; 4 · d_model if left out.
        positions: False leaves them out, so that the patches are a bag.
    Raises:
        ValueError: patch_size does not divide image_size, or num_heads does not divide d_model.
    Cost: with n = (image_size / patch_size)² patches, O(n² d_model + n d_model²) time a layer.
    Source: Dosovitskiy et al. (2021), section 3.1 (pre-norm, a class token, learned positions in one row).

    >>> model = VisionTransformer(image_size=8, patch_size=2, num_classes=10)
    >>> logits, weights = model(torch.randn(3, 1, 8, 8), need_weights=True)
    >>> logits.shape, len(weights), weights[0].shape
    (torch.Size([3, 10]), 2, torch.Size([3, 4, 17, 17]))
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_classes: int,
        *,
        channels: int = 1,
        d_model: int = 32,
        num_heads: int = 4,
        num_layers: int = 2,
        d_ff: int | None = None,
        positions: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("image_size", image_size), ("patch_size", patch_size), ("num_classes", num_classes),
                            ("channels", channels), ("num_layers", num_layers)):  # fmt: skip
            check_count(name, value)
        if image_size % patch_size:
            raise ValueError(f"patch_size should divide image_size, got {patch_size} and image_size {image_size}")
        self.image_size, self.patch_size, self.channels = image_size, patch_size, channels
        self.num_patches = (image_size // patch_size) ** 2
        self.embed = nn.Linear(channels * patch_size**2, d_model)
        self.class_token = nn.Parameter(torch.randn(d_model) * 0.02)
        self.positions = LearnedPositions(self.num_patches + 1, d_model) if positions else nn.Identity()
        self.encoder = Encoder([EncoderLayer(MultiHeadAttention(d_model, num_heads), d_ff) for _ in range(num_layers)])
        self.classify = nn.Linear(d_model, num_classes)

    def tokens(self, images: Tensor) -> Tensor:
        """What the encoder reads: images (..., c, size, size) to (..., 1 + n, d_model), the class token first.

        Raises:
            ValueError: the images have another size or other channels, or lie on another device.
            TypeError: images is not a tensor, or of another dtype than the parameters.
        """
        if not isinstance(images, Tensor):
            raise TypeError(f"images should be a torch tensor, got {type(images).__name__}")
        wanted = (self.channels, self.image_size, self.image_size)
        if tuple(images.shape[-3:]) != wanted:
            raise ValueError(f"images should have shape (..., {', '.join(map(str, wanted))}), got {shape(images)}")
        check_alike("images", images, "the module's parameters", self.class_token)
        x = self.embed(patches(images, self.patch_size))  # (..., n, c size²) -> (..., n, d_model)
        first = self.class_token.to(x.dtype).expand(*x.shape[:-2], 1, -1)
        return self.positions(torch.cat([first, x], dim=-2))

    def forward(self, images: Tensor, *, need_weights: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Logits (..., num_classes), and each layer's weights (..., num_heads, 1 + n, 1 + n), if asked for.

        Args:
            images: (..., c, size, size).
            need_weights: whether to return the weights; the list is empty otherwise.
        """
        x, weights = self.encoder(self.tokens(images), need_weights=need_weights)
        return self.classify(x[..., 0, :]), weights


def position_similarity(model: VisionTransformer) -> Tensor:
    """The cosine of each patch's position vector with each other's, (n, n): does the model know its neighbours?

    The class token's position is left out, and the mean of the patches' is taken away first: what all positions
    share says nothing of where they are.

    Raises:
        ValueError: the model has no positions.
    Source: Dosovitskiy et al. (2021), figure 7, centre.

    >>> similarity = position_similarity(VisionTransformer(8, 2, 10))
    >>> similarity.shape, similarity.diagonal().round(decimals=2).unique()
    (torch.Size([16, 16]), tensor([1.]))
    """
    if not isinstance(model.positions, LearnedPositions):
        raise ValueError("the model should have learned positions, this one was built with positions=False")
    table = cast("Tensor", model.positions.table).detach()[1:]
    table = nn.functional.normalize(table - table.mean(dim=0), dim=-1)
    return table @ table.T
