"""Point at a word: the picture shows where it looks. A reader of scenes that runs in the page."""

import base64
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Int, List, Unicode, validate

from attnbook.data import scenes
from attnbook.data.digits import digits, split
from attnbook.data.scenes import ANSWERS, CELL, CELLS, DIGITS, LENGTH, SIDE, WORDS
from attnbook.evidence.multimodal import load_reader
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.multimodal import PictureReader

HANDS = 5  # handwritings of each digit
BLANK = -1  # a cell in which nothing is written
SCENE = (5, 0, 8, 2, 7, 4, 9, 1, 3)


class SceneExplorer(Explorer):
    """Ask about a scene of handwritten digits; point at a word of the question, and see which patches it looks at.

    Args:
        question: three words of `data.scenes.WORDS`, such as "what", "left of" and "7".
        names: the digit in each of the nine cells, by rows from the top left; −1 leaves a cell empty.
        model: a reader of nine patches of 8 × 8 pixels; the chapter's own if left out.
    Raises:
        ValueError: the question is not three known words, or names are not nine numbers from −1 to 9.

    >>> explorer = SceneExplorer(["where", "is", "7"])
    >>> explorer.answers().shape, explorer.looks().shape  # layers, heads, words, patches
    (torch.Size([19]), torch.Size([2, 2, 3, 9]))
    """

    names = List(Int()).tag(sync=True)
    hands = List(Int(), [0] * CELLS).tag(sync=True)  # which handwriting each cell has
    question = List(Int()).tag(sync=True)
    word = Int(2).tag(sync=True)  # the word that is pointed at
    layer = Int(0).tag(sync=True)
    head = Int(0).tag(sync=True)
    # What the browser computes with: parameters in float16, one behind the other, with their names and shapes.
    weights = Unicode().tag(sync=True)
    tensors = List(List()).tag(sync=True)
    heads = Int().tag(sync=True)
    bank = List(Unicode()).tag(sync=True)  # for each digit and handwriting 64 letters, "a" (paper) to "q" (ink)
    words = List(Unicode(), list(WORDS)).tag(sync=True)
    choices = List(Unicode(), list(ANSWERS)).tag(sync=True)

    name = "scene_explorer"
    caption = (
        "A model that runs in this page answers a question about nine handwritten digits. Point at one of its words."
    )
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        question: Sequence[str] = ("what", "left of", "7"),
        names: Sequence[int] = SCENE,
        *,
        model: PictureReader | None = None,
    ) -> None:
        # Both sides compute with the same numbers: those of 16 bits that the page holds.
        self.model = (model or load_reader()).half().double().cpu().eval()
        state = self.model.state_dict()
        packed = b"".join(tensor.half().numpy().astype("<f2").tobytes() for tensor in state.values())
        unknown = [word for word in question if word not in WORDS]
        if unknown or len(question) != LENGTH:
            raise ValueError(f"question should be {LENGTH} words of data.scenes.WORDS, got {list(question)}")
        super().__init__(
            weights=base64.b64encode(packed).decode(),
            tensors=[[name, *tensor.shape] for name, tensor in state.items()],
            heads=self.model.num_heads,
            bank=_bank(),
            names=list(names),
            question=[WORDS.index(word) for word in question],
        )

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("names")
    def _check_names(self, proposal: dict) -> list[int]:
        names = proposal["value"]
        if len(names) != CELLS or not all(BLANK <= name < DIGITS for name in names):
            raise ValueError(f"names should be {CELLS} numbers from {BLANK} to {DIGITS - 1}, got {names}")
        return names

    @validate("hands")
    def _check_hands(self, proposal: dict) -> list[int]:
        hands = proposal["value"]
        if len(hands) != CELLS or not all(0 <= hand < HANDS for hand in hands):
            raise ValueError(f"hands should be {CELLS} numbers from 0 to {HANDS - 1}, got {hands}")
        return hands

    @validate("question")
    def _check_question(self, proposal: dict) -> list[int]:
        question = proposal["value"]
        if len(question) != LENGTH or not all(0 <= word < len(WORDS) for word in question):
            raise ValueError(f"question should be {LENGTH} numbers from 0 to {len(WORDS) - 1}, got {question}")
        return question

    @validate("word", "layer", "head")
    def _check_place(self, proposal: dict) -> int:
        name = proposal["trait"].name
        end = {"word": LENGTH, "layer": len(self.model.text.layers), "head": self.heads}[name]
        if not 0 <= proposal["value"] < end:
            raise ValueError(f"{name} should be from 0 to {end - 1}, got {proposal['value']}")
        return proposal["value"]

    def image(self) -> Tensor:
        """The scene, (24, 24), from 0 (paper) to 1 (ink)."""
        blank = torch.zeros(CELL, CELL, dtype=torch.float64)
        cells = [blank if name == BLANK else _pixels(self.bank[name * HANDS + hand])
                 for name, hand in zip(self.names, self.hands, strict=True)]  # fmt: skip
        rows = [torch.cat(cells[row * SIDE : (row + 1) * SIDE], dim=1) for row in range(SIDE)]
        return torch.cat(rows)

    def _read(self) -> tuple[Tensor, list[Tensor]]:
        with torch.no_grad():
            return self.model(self.image()[None, None], torch.tensor([[self.question]]), need_weights=True)

    def answers(self) -> Tensor:
        """The probability of each of `data.scenes.ANSWERS`."""
        return self._read()[0][0, 0].softmax(dim=-1)

    def looks(self) -> Tensor:
        """Where the words look: (layers, heads, words, patches)."""
        return torch.stack([layer[0, 0] for layer in self._read()[1]])

    def answer(self) -> str:
        """The most probable answer."""
        return ANSWERS[int(self.answers().argmax())]

    def spelled(self) -> str:
        """The question in words."""
        return scenes.spell(torch.tensor(self.question))

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.6, 3.0), layout="constrained", facecolor="white")
        looks, image = self.looks()[self.layer, self.head], self.image().numpy()
        for ax, word, row in zip(figure.subplots(1, LENGTH), self.question, looks, strict=True):
            ax.imshow(image, cmap="Greys", vmin=0, vmax=1)
            share = row.view(SIDE, SIDE).repeat_interleave(CELL, 0).repeat_interleave(CELL, 1)
            ax.imshow(share.numpy(), cmap="RdPu", vmin=0, vmax=1, alpha=0.45)
            ax.set_title(f"“{WORDS[word]}” looks at")
            ax.set(xticks=[], yticks=[])
        return figure

    def describe(self) -> str:
        looks = self.looks()[self.layer, self.head]
        most = [f"“{WORDS[word]}” at {scenes.PLACES[int(row.argmax())]} ({row.max():.2f})"
                for word, row in zip(self.question, looks, strict=True)]  # fmt: skip
        rows = [" ".join("·" if name == BLANK else str(name) for name in self.names[i : i + SIDE]) for i in (0, 3, 6)]
        return (
            f"A scene of handwritten digits, {' / '.join(rows)}, three times, with the weights of a word's "
            f"cross-attention (layer {self.layer + 1}, head {self.head + 1}) laid over it. Asked “{self.spelled()}”, "
            f"the model answers {self.answer()}. Each word looks most at: {', '.join(most)}."
        )

    def __repr__(self) -> str:
        return f"SceneExplorer({self.spelled()!r}, answer={self.answer()!r})"


def _bank() -> list[str]:
    """Handwritten digits that no training scene has, as text: HANDS of each digit, in order."""
    images, labels = digits()
    _, test = split(labels)
    chosen = [test[labels[test] == digit][:HANDS] for digit in range(DIGITS)]
    return ["".join(chr(97 + round(16 * ink)) for ink in images[i].flatten().tolist()) for i in torch.cat(chosen)]


def _pixels(text: str) -> Tensor:
    return torch.tensor([(ord(letter) - 97) / 16 for letter in text], dtype=torch.float64).view(CELL, CELL)
