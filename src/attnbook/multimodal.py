"""Two senses, one attention: the words of a question look at the patches of a picture."""

import torch
from torch import Tensor, nn

from attnbook._checks import check_count, check_tokens, shape
from attnbook.multihead import MultiHeadAttention
from attnbook.patches import patches
from attnbook.positions import LearnedPositions
from attnbook.transformer import Decoder, DecoderLayer, Encoder, EncoderLayer


class PictureReader(nn.Module):
    """Answer questions about pictures: an encoder of patches, and a decoder of words that cross-attends to it.

    All questions about a picture are packed into one sequence, and a mask keeps them apart: a word reads the words of
    its own question, and all patches. The answer is read off the first word, after the last layer.

    Args:
        num_words, length: of the vocabulary; words of a question.
        num_answers: how many answers there are to choose from.
        num_patches, patch_size: of a picture with one channel.
        pooled: show the words one token in place of the patches, their mean. A softmax over one key is 1, so that
            cross-attention has nothing to choose; the parameters are the same.
        d_model, num_heads, image_layers, text_layers: the sizes.
    Raises:
        ValueError: a size is not positive, or num_heads does not divide d_model.
    Cost: for n words and p patches, O(p²) scores in each layer of the picture, O(n p + n²) in each of the text.
    Source: cross-attention from words to regions or patches: Lu et al. (2019), "ViLBERT"; Li et al. (2021), "ALBEF".

    >>> import torch
    >>> model = PictureReader(num_words=27, length=3, num_answers=19, num_patches=9, patch_size=8)
    >>> logits, weights = model(torch.rand(2, 1, 24, 24), torch.zeros(2, 5, 3, dtype=torch.long), need_weights=True)
    >>> logits.shape, len(weights), weights[0].shape
    (torch.Size([2, 5, 19]), 2, torch.Size([2, 5, 2, 3, 9]))
    """

    def __init__(
        self,
        num_words: int,
        length: int,
        num_answers: int,
        num_patches: int,
        patch_size: int,
        *,
        pooled: bool = False,
        d_model: int = 44,
        num_heads: int = 2,
        image_layers: int = 1,
        text_layers: int = 2,
    ) -> None:
        super().__init__()
        for name, value in (("num_words", num_words), ("num_answers", num_answers), ("patch_size", patch_size)):
            check_count(name, value)
        attention = lambda: MultiHeadAttention(d_model, num_heads)  # noqa: E731
        self.patch_size, self.pooled, self.num_heads = patch_size, pooled, num_heads
        self.patch, self.patch_places = nn.Linear(patch_size**2, d_model), LearnedPositions(num_patches, d_model)
        self.word, self.word_places = nn.Embedding(num_words, d_model), LearnedPositions(length, d_model)
        self.image = Encoder([EncoderLayer(attention(), 2 * d_model) for _ in range(image_layers)])
        self.text = Decoder([DecoderLayer(attention(), attention(), 2 * d_model) for _ in range(text_layers)])
        self.answer = nn.Linear(d_model, num_answers)
        # A patch must say from the first step on where it lies: half of what is asked is about places.
        nn.init.normal_(self.patch_places.table, std=0.5)
        nn.init.normal_(self.word.weight, std=0.5)

    def see(self, images: Tensor, image_mask: Tensor | None = None) -> Tensor:
        """What the words may look at, (b, p, d_model): the encoded patches, or their mean as one token."""
        if images.dim() != 4 or images.shape[1] != 1:
            raise ValueError(f"images should have shape (b, 1, height, width), got {shape(images)}")
        x = patches(images, self.patch_size)
        if x.shape[1] != len(self.patch_places.table):
            raise ValueError(f"expected {len(self.patch_places.table)} patches, got {x.shape[1]} of {shape(images)}")
        x, _ = self.image(self.patch_places(self.patch(x)), image_mask)
        return x.mean(dim=1, keepdim=True) if self.pooled else x

    def forward(
        self, images: Tensor, questions: Tensor, image_mask: Tensor | None = None, *, need_weights: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Answer the questions.

        Args:
            images: (b, 1, height, width).
            questions: token numbers, (b, q, n): q questions about each picture.
            image_mask: bool, broadcasts to (p, p), which patches may look at each other; True = may attend.
            need_weights: whether to return the weights.
        Returns:
            logits (b, q, num_answers), and each layer's cross-attention, (b, q, num_heads, n, p), if asked for.
        Raises:
            ValueError: images or questions have another shape, or a word is not in the vocabulary.
            TypeError: questions are not whole numbers.
        """
        check_tokens("questions", questions, self.word.num_embeddings)
        if questions.dim() != 3 or questions.shape[0] != images.shape[0]:
            raise ValueError(f"questions should have shape ({images.shape[0]}, q, n), got {shape(questions)}")
        q, n = questions.shape[1:]
        x = self.word_places(self.word(questions)).flatten(1, 2)  # (b, q, n, d) -> (b, q · n, d)
        owner = torch.arange(q, device=x.device).repeat_interleave(n)
        x, weights = self.text(x, self.see(images, image_mask), own_question(owner), need_weights=need_weights)
        # (b, h, q · n, p) -> (b, h, q, n, p) -> (b, q, h, n, p)
        cross = [of_source.unflatten(2, (q, n)).transpose(1, 2) for _, of_source in weights]
        return self.answer(x.unflatten(1, (q, n))[:, :, 0]), cross


def own_question(owner: Tensor) -> Tensor:
    """The mask of packed sequences: tokens may attend to those of the same owner, (n,) -> (n, n).

    >>> own_question(torch.tensor([0, 0, 1])).int()
    tensor([[1, 1, 0],
            [1, 1, 0],
            [0, 0, 1]], dtype=torch.int32)
    """
    return owner[:, None] == owner


def place_weight(weights: Tensor, cells: Tensor) -> Tensor:
    """How much each word looks at a patch of its question's: weights (b, q, h, n, p), cells (b, q) -> (b, q, h, n).

    >>> place_weight(torch.tensor([0.2, 0.8]).expand(1, 1, 1, 1, 2), torch.tensor([[1]])).item()
    0.800000011920929
    """
    if weights.dim() != 5 or cells.shape != weights.shape[:2]:
        raise ValueError(f"expected weights (b, q, h, n, p) and cells (b, q), got {shape(weights)} and {shape(cells)}")
    where = cells[:, :, None, None, None].expand(*weights.shape[:-1], 1)
    return weights.gather(-1, where)[..., 0]
