"""One head or many, at equal parameters: chapter 6 asks how many heads a model of one width should have.

Two tasks. In the first, each question asks for several cards at once, so that the number of look-ups is known. The
second is the translation of number words, by a transformer.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from attnbook.data import number_words
from attnbook.data.number_words import NumberWords
from attnbook.evidence import save_results, translation
from attnbook.multihead import MultiHeadAttention
from attnbook.training import Batch, count_parameters, fit
from attnbook.transformer import Transformer

WIDTH = 32  # d_model of both models; a head gets WIDTH / num_heads of it
HEADS = (1, 2, 4, 8, 16, 32)
FEWER_HEADS = (1, 2, 8, 32)  # where the outline is enough
LOOK_UPS = (2, 4)
NAMES, CONTENTS = 16, 8  # a card has a name, no two alike, and one of these contents
QUESTIONS = 16  # about one set of cards
BATCH_SIZE = 64  # sets of cards
STEPS = 300
RATE = 0.01  # of those tried, the best where it matters
RATES = (0.003, RATE, 0.03)
LONGER = 4  # times the steps: does patience help where heads are too few or too many?


class LookUps(nn.Module):
    """Answer questions about cards with one layer of attention. A question gives names, and asks for their contents.

    The question is the sum of its names' vectors, each name in the vocabulary of its place, so the model can tell
    "7 and 2" from "2 and 7". A card is the sum of its name's vector and its content's.

    Args:
        num_heads: of the attention; divides WIDTH.
        look_ups: how many names a question gives.

    >>> cards, questions = draw(torch.Generator().manual_seed(0), size=3, look_ups=2)
    >>> logits, weights = LookUps(num_heads=4, look_ups=2)(cards, questions, need_weights=True)
    >>> logits.shape, weights.shape
    (torch.Size([3, 16, 2, 8]), torch.Size([3, 4, 16, 16]))
    """

    def __init__(self, num_heads: int, look_ups: int) -> None:
        super().__init__()
        self.name, self.content = nn.Embedding(NAMES, WIDTH), nn.Embedding(CONTENTS, WIDTH)
        self.asked = nn.ModuleList(nn.Embedding(NAMES, WIDTH) for _ in range(look_ups))
        self.question_norm, self.card_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = MultiHeadAttention(WIDTH, num_heads)
        self.network = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))
        self.answers = nn.Linear(WIDTH, look_ups * CONTENTS)

    def forward(self, cards: Tensor, questions: Tensor, *, need_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """Logits (b, QUESTIONS, look_ups, CONTENTS), and the weights (b, num_heads, QUESTIONS, NAMES) or None.

        Args:
            cards: the content of each name's card, (b, NAMES).
            questions: the names asked for, (b, QUESTIONS, look_ups).
            need_weights: whether to return the weights.
        """
        source = self.card_norm(self.name.weight + self.content(cards))  # (b, NAMES, WIDTH)
        names = [asked(questions[..., i]) for i, asked in enumerate(self.asked)]
        x = self.question_norm(torch.stack(names).sum(dim=0))  # (b, QUESTIONS, WIDTH)
        found, weights = self.attention(x, source, need_weights=need_weights)
        x = x + found
        return self.answers(x + self.network(x)).unflatten(-1, (-1, CONTENTS)), weights


def draw(generator: torch.Generator, size: int, look_ups: int) -> tuple[Tensor, Tensor]:
    """Sets of cards (size, NAMES), and questions (size, QUESTIONS, look_ups) that name different cards each.

    >>> cards, questions = draw(torch.Generator().manual_seed(0), size=3, look_ups=2)
    >>> cards.shape, questions.shape, true_answers(cards, questions).shape
    (torch.Size([3, 16]), torch.Size([3, 16, 2]), torch.Size([3, 16, 2]))
    """
    cards = torch.randint(CONTENTS, (size, NAMES), generator=generator)
    order = torch.rand(size, QUESTIONS, NAMES, generator=generator)
    return cards, order.topk(look_ups, dim=-1).indices


def true_answers(cards: Tensor, questions: Tensor) -> Tensor:
    """The contents that the questions ask for, (b, QUESTIONS, look_ups)."""
    return cards.unsqueeze(1).expand(-1, questions.shape[1], -1).gather(-1, questions)


def _cards(look_ups: int) -> Callable[[torch.Generator], Batch]:
    return lambda generator: draw(generator, BATCH_SIZE, look_ups)


def _loss(model: nn.Module, batch: Batch) -> Tensor:
    cards, questions = batch
    logits, _ = model(cards, questions)
    return cross_entropy(logits.flatten(0, 2), true_answers(cards, questions).flatten())


@torch.no_grad()
def look_up_facts(model: LookUps) -> dict[str, Any]:
    """What the model finds among 256 new sets of cards.

    Returns:
        right: the share of look-ups whose content is right.
        looks: for each place in the question, the mean weight on its card from the head that gives it most.
    """
    look_ups = len(model.asked)
    cards, questions = (x.to(model.name.weight.device) for x in draw(torch.Generator().manual_seed(99), 256, look_ups))
    logits, weights = model(cards, questions, need_weights=True)
    # (b, num_heads, QUESTIONS, NAMES) -> (b, num_heads, QUESTIONS, look_ups): the weights on the cards asked for
    looks = weights.gather(-1, questions.unsqueeze(1).expand(-1, weights.shape[1], -1, -1)).mean(dim=(0, 2))
    right = (logits.argmax(dim=-1) == true_answers(cards, questions)).double().mean().item()
    return {"right": right, "looks": [round(look, 3) for look in looks.amax(dim=0).tolist()]}


def train_look_ups(num_heads: int, look_ups: int, seed: int, steps: int = STEPS, lr: float = RATE) -> LookUps:
    """A model trained from scratch."""
    torch.manual_seed(seed)
    model = LookUps(num_heads, look_ups)
    fit(model, _loss, _cards(look_ups), steps, lr=lr, seed=seed)
    return model


def build_translator(task: NumberWords, num_heads: int, seed: int) -> Transformer:
    """An untrained transformer for number words: one layer of each kind, WIDTH numbers a token."""
    torch.manual_seed(seed)
    return Transformer(len(task.source), len(task.target), WIDTH, num_heads, num_layers=1, d_ff=2 * WIDTH)


@torch.no_grad()
def translated_right(model: Transformer, task: NumberWords) -> float:
    """The share of held-out numbers whose whole translation is right, every length counting alike.

    A greedy translation is right exactly if each true beginning is continued rightly, so one pass tells it.
    """
    shares = []
    for numbers in task.test.values():
        source, target = (x.to(model.embed_source.weight.device) for x in task.encode(numbers))
        said = model(source, target[:, :-1])[0].argmax(dim=-1)
        right = (said == target[:, 1:]) | (target[:, 1:] == task.target.pad)
        shares.append(right.all(dim=1).double().mean().item())
    return sum(shares) / len(shares)


def train_translator(task: NumberWords, num_heads: int, seed: int, steps: int = STEPS, lr: float = RATE) -> Transformer:
    """A transformer trained from scratch."""
    model = build_translator(task, num_heads, seed)
    fit(model, translation.loss, task.batches(translation.BATCH_SIZE), steps, lr=lr, seed=seed)
    return model


def run(task: str, num_heads: int, seed: int, look_ups: int = 0, steps: int = STEPS, lr: float = RATE) -> dict:
    """Train one model and measure it: its row of the results file.

    Args:
        task: "look-ups" or "translation".
        num_heads, seed, look_ups, steps, lr: of the model and its training.
    """
    row: dict[str, Any] = {"task": task, "look_ups": look_ups, "num_heads": num_heads}
    row |= {"steps": steps, "lr": lr, "seed": seed}
    if task == "look-ups":
        model = train_look_ups(num_heads, look_ups, seed, steps, lr)
        return row | look_up_facts(model) | {"parameters": count_parameters(model)}
    words = number_words.load()
    translator = train_translator(words, num_heads, seed, steps, lr)
    return row | {"right": translated_right(translator, words), "parameters": count_parameters(translator)}


def plan() -> list[dict[str, Any]]:
    """Every run that chapter 6 quotes: `run`'s arguments."""
    main = [
        {"task": "look-ups", "look_ups": look_ups, "num_heads": h, "seed": seed}
        for look_ups in LOOK_UPS
        for h in (HEADS if look_ups == max(LOOK_UPS) else FEWER_HEADS)
        for seed in range(3)
    ]
    hardest = {"task": "look-ups", "look_ups": max(LOOK_UPS)}
    rates = [
        {**hardest, "num_heads": h, "lr": lr, "seed": 0}
        for lr in RATES
        for h in (1, 8, 32)
        if lr != RATE  # those are in main
    ]
    longer = [{**hardest, "num_heads": h, "steps": LONGER * STEPS, "seed": 0} for h in (1, 32)]
    translators = [{"task": "translation", "num_heads": h, "seed": seed} for h in FEWER_HEADS for seed in range(3)]
    return main + translators + rates + longer


def recompute() -> None:
    """Train every run of the plan (some eight minutes on one quiet core), and write the results."""
    rows = []
    for arguments in plan():
        rows.append(run(**arguments))
        print(f"{arguments}: {rows[-1]['right']:.1%} right", flush=True)
    save_results("heads", rows)
