"""The patch explorer: what each patch of a digit looks at, in a vision transformer that the page runs by itself."""

import base64
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from traitlets import Bool, Dict, Int, List, validate

from attnbook._checks import shape
from attnbook.attribution import rollout
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.patches import patches, unpatch
from attnbook.plots import COLORS, INK, WEIGHT_MAP, weight_bars
from attnbook.vision import VisionTransformer

LEVELS = 16  # of ink: a pixel is a whole number from 0 to 16


class PatchExplorer(Explorer):
    """Choose a patch and see what it attends to, by layer and head; blank patches and see what the model says then.

    Args:
        model: a vision transformer for grey images of 8 × 8 pixels in patches of 2 × 2, two layers of four heads.
        images: (k, 8, 8), from 0 to 1 in sixteenths.
        labels: what they show, k whole numbers.
        chosen: which image is shown.
        layer: 1 or 2, or 3 for the rollout through both.
        head: 1 to 4, or 0 for the mean of the heads.
        token: which token looks: 0 is the class token, 1 to 16 are the patches.
        erased: 16 times True or False: which patches are blank.
    Raises:
        ValueError: images or labels have another shape, the model another make, or a number is outside its range.

    >>> from attnbook.evidence.vision import load, load_checkpoint
    >>> images, labels = load()
    >>> explorer = PatchExplorer(load_checkpoint(), images[:2, 0], labels[:2].tolist())
    >>> len(explorer.weights()), len(explorer.probabilities())
    (17, 10)
    """

    parameters = Dict().tag(sync=True)
    images = List(List(Int())).tag(sync=True)
    labels = List(Int()).tag(sync=True)
    chosen = Int(0).tag(sync=True)
    layer = Int(2).tag(sync=True)
    head = Int(0).tag(sync=True)
    token = Int(0).tag(sync=True)
    erased = List(Bool()).tag(sync=True)

    name = "patch_explorer"
    caption = "The whole model runs on this page: 18,218 numbers, learned from handwritten digits."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        model: VisionTransformer,
        images: Tensor,
        labels: Sequence[int],
        *,
        chosen: int = 0,
        layer: int = 2,
        head: int = 0,
        token: int = 0,
        erased: Sequence[bool] = (False,) * 16,
    ) -> None:
        if images.dim() != 3 or images.shape[1:] != (8, 8) or len(images) != len(labels) or not len(images):
            raise ValueError(f"images should have shape ({len(labels)}, 8, 8), one a label, got {shape(images)}")
        if (model.image_size, model.patch_size, model.channels, len(model.encoder.layers)) != (8, 2, 1, 2):
            raise ValueError("the model should read grey images of 8 × 8 in patches of 2 × 2, with two layers")
        self._model = model
        super().__init__(
            parameters={name: _stored(x) for name, x in model.state_dict().items()},
            images=(images * LEVELS).round().int().flatten(1).tolist(),
            labels=list(labels),
            chosen=chosen,
            layer=layer,
            head=head,
            token=token,
            erased=list(erased),
        )

    @validate("chosen", "layer", "head", "token")
    def _check_number(self, proposal: dict) -> int:
        trait, value = proposal["trait"].name, proposal["value"]
        least, most = {"chosen": (0, len(self.images) - 1), "layer": (1, 3), "head": (0, 4), "token": (0, 16)}[trait]
        if not least <= value <= most:
            raise ValueError(f"{trait} should be from {least} to {most}, got {value}")
        return value

    @validate("erased")
    def _check_erased(self, proposal: dict) -> list[bool]:
        if len(proposal["value"]) != 16:
            raise ValueError(f"erased should say True or False for each of 16 patches, got {len(proposal['value'])}")
        return proposal["value"]

    def image(self) -> Tensor:
        """The image as the model reads it, (1, 8, 8), blank where patches are erased."""
        whole = torch.tensor(self.images[self.chosen]).view(1, 8, 8) / LEVELS
        kept = ~torch.tensor(self.erased)
        return unpatch(patches(whole, 2) * kept[:, None], 2, 8, 8)

    def weights(self) -> list[float]:
        """The 17 weights of the token that looks, the class token's first."""
        with torch.no_grad():
            _, layers = self._model(self.image(), need_weights=True)
        if self.layer == 3:
            return rollout(layers)[self.token].tolist()
        heads = layers[self.layer - 1]
        return (heads.mean(dim=0) if self.head == 0 else heads[self.head - 1])[self.token].tolist()

    def probabilities(self) -> list[float]:
        """How likely each digit is, says the model."""
        with torch.no_grad():
            return self._model(self.image())[0].softmax(dim=-1).tolist()

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.6, 3.4), layout="constrained", facecolor="white")
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 0.8])
        left.imshow(self.image()[0].numpy(), cmap="Greys", vmin=0, vmax=1)
        weights = np.array(self.weights()[1:]).reshape(4, 4)
        middle.imshow(weights, cmap=WEIGHT_MAP, vmin=0)
        for (row, column), weight in np.ndenumerate(weights):
            dark = weight > 0.5 * weights.max()
            color = "white" if dark else INK
            middle.text(column, row, f"{weight:.2f}", ha="center", va="center", fontsize=8, color=color)
        if self.token:
            row, column = divmod(self.token - 1, 4)
            place = (2 * column - 0.5, 2 * row - 0.5)
            left.add_patch(Rectangle(place, 2, 2, fill=False, edgecolor=COLORS["query"], linewidth=3))
        left.set(title=f"A {self.labels[self.chosen]}")
        middle.set(title=f"{self._who()} looks\nwith weights")
        for ax in (left, middle):
            ax.set(xticks=[], yticks=[])
        weight_bars(self.probabilities(), [str(digit) for digit in range(10)], right)
        right.set(title="Answer", xlabel="probability", xlim=(0, 1.4))
        return figure

    def _who(self) -> str:
        return f"Patch {self.token}" if self.token else "The class token"

    def describe(self) -> str:
        weights, answer = self.weights(), self.probabilities()
        best = max(range(10), key=answer.__getitem__)
        listed = ", ".join(f"{weight:.2f}" for weight in weights[1:])
        return (
            f"A handwritten {self.labels[self.chosen]} of 8 by 8 pixels in 16 patches. {self._who()} gives the "
            f"patches, row by row, the weights {listed}, and the class token {weights[0]:.2f}. "
            f"The model says {best}, with probability {answer[best]:.2f}."
        )

    def __repr__(self) -> str:
        return f"PatchExplorer(a {self.labels[self.chosen]}, layer={self.layer}, head={self.head}, token={self.token})"


def _stored(x: Tensor) -> str:
    return base64.b64encode(x.detach().half().numpy().astype("<f2").tobytes()).decode()
