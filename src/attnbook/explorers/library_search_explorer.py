"""The library search: a query meets the titles of a small library, and takes in a mixture of the books' contents."""

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor
from traitlets import Bool, Dict, Float, Int, List, Unicode, validate

from attnbook._checks import array, between
from attnbook.attention import attend
from attnbook.data.catalogue import BOOKS, QUERIES, SUBJECTS, shares
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import COLORS, weight_bars

COLDEST, WARMEST = 10**-2.5, 10.0  # temperatures
MOST_COPIES = 2
LONGEST = 100  # characters of a reader's own query
SHOWN = 6  # books in the still picture


class LibrarySearchExplorer(Explorer):
    """Choose or mix two queries and set the temperature; see each book's weight, and the mixture of contents.

    Args:
        scores: (21, 16), how well each title of `data.catalogue.BOOKS` answers each of its QUERIES.
        ask: str -> (16,), the titles' scores for any other query. With it, a reader who has a running kernel may type
            one.
    Raises:
        ValueError: a wrong shape, or a score that is not finite.
        TypeError: scores that are not numbers, or an `ask` that is no function.

    >>> output = LibrarySearchExplorer(torch.zeros(21, 16)).output()  # without a preference: the mean of the books
    >>> round(output["physics"], 4)
    0.2125
    """

    books = List(Dict()).tag(sync=True)
    subjects = List(Unicode(), list(SUBJECTS)).tag(sync=True)
    queries = List(Unicode(), list(QUERIES)).tag(sync=True)
    scores = List(List(Float())).tag(sync=True)
    first = Int(1).tag(sync=True)
    second = Int(11).tag(sync=True)
    mix = Float(0.0).tag(sync=True)  # the query is (1 − mix) · first + mix · second
    temperature = Float(0.1).tag(sync=True)
    copies = List(Int(), [1] * len(BOOKS)).tag(sync=True)  # of each book on the shelf; 0 masks it
    asks = Bool(False).tag(sync=True)

    name = "library_search_explorer"
    caption = "A query meets sixteen titles. The softmax of their scores says how much of each book comes back."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, scores: ArrayLike, ask: Callable[[str], ArrayLike] | None = None) -> None:
        if ask is not None and not callable(ask):
            raise TypeError(f"ask should be a function from a query to {len(BOOKS)} scores, got {ask!r}")
        self._ask = ask
        values = shares().double().mul(10).round().div(10).tolist()  # tenths, without float32's last digits
        books = [{"title": book.title, "contents": book.contents, "shares": row}
                 for book, row in zip(BOOKS, values, strict=True)]  # fmt: skip
        super().__init__(books=books, scores=_scores(scores, len(QUERIES)), asks=ask is not None)
        self.on_msg(self._answer)

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("first", "second")
    def _check_query(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.queries):
            name = proposal["trait"].name
            raise ValueError(f"{name} should be from 0 to {len(self.queries) - 1}, got {proposal['value']}")
        return proposal["value"]

    @validate("mix")
    def _check_mix(self, proposal: dict) -> float:
        return between("mix", proposal["value"], 0, 1)

    @validate("temperature")
    def _check_temperature(self, proposal: dict) -> float:
        return between("temperature", proposal["value"], COLDEST * (1 - 1e-9), WARMEST)

    @validate("copies")
    def _check_copies(self, proposal: dict) -> list[int]:
        copies = proposal["value"]
        if len(copies) != len(BOOKS) or not all(0 <= count <= MOST_COPIES for count in copies):
            raise ValueError(f"copies should be {len(BOOKS)} numbers from 0 to {MOST_COPIES}, got {copies}")
        return copies

    def query_scores(self) -> Tensor:
        """The score of each title for the present query, (16,): a mixed query has the mixture of the scores."""
        scores = torch.tensor(self.scores, dtype=torch.float64)
        return (1 - self.mix) * scores[self.first] + self.mix * scores[self.second]

    def _look_up(self) -> tuple[Tensor, Tensor]:
        # Two copies of a book are two keys and two values.
        shelf = torch.arange(len(BOOKS)).repeat_interleave(torch.tensor(self.copies))
        values = torch.tensor([book["shares"] for book in self.books], dtype=torch.float64)
        output, weights = attend(self.query_scores()[None, shelf] / self.temperature, values[shelf])
        return output[0], torch.zeros(len(BOOKS), dtype=torch.float64).index_add(0, shelf, weights[0])

    def weights(self) -> list[float]:
        """The weight of each book, all its copies together."""
        return self._look_up()[1].tolist()

    def output(self) -> dict[str, float]:
        """The share of each subject in what comes back."""
        return dict(zip(SUBJECTS, self._look_up()[0].tolist(), strict=True))

    def ask(self, query: str) -> None:
        """Show the look-up of any query; one that is not in the bank yet is scored by `ask`."""
        query = read_query(query)
        if query not in self.queries:
            if self._ask is None:
                raise ValueError(f"“{query}” is not among the queries, and there is no model to score it.")
            row = array("the scores", self._ask(query), (len(BOOKS),)).tolist()
            self.scores = _scores([*self.scores, row], len(self.queries) + 1)
            self.queries = [*self.queries, query]
        self.first, self.mix = self.queries.index(query), 0.0

    def _answer(self, _: Explorer, content: dict, buffers: list) -> None:
        """Answer a reader's request: look their query up, or say why it cannot be."""
        try:
            self.ask(str(content.get("query", "")))
        except Exception as error:  # whatever the model did, the reader should read it where they asked
            self.send({"problem": str(error) or type(error).__name__})
        else:
            self.send({"problem": ""})

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.6, 3.4), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        weights = self.weights()
        best = sorted(range(len(BOOKS)), key=lambda i: -weights[i])[:SHOWN]
        weight_bars([weights[i] for i in best], [BOOKS[i].title for i in best], left)
        left.set(title=f"Most weight, at temperature {self.temperature:.3g}")
        weight_bars(list(self.output().values()), list(SUBJECTS), right).set(title="What comes back", xlabel="share")
        for bar in right.patches:
            bar.set_color(COLORS["value"])
        return figure

    def describe(self) -> str:
        weights = self.weights()
        best = sorted(range(len(BOOKS)), key=lambda i: -weights[i])[:SHOWN]
        named = ", ".join(f"{BOOKS[i].title} {weights[i]:.2f}" for i in best)
        mixture = ", ".join(f"{subject} {share:.2f}" for subject, share in self.output().items())
        return (
            f"Bars for the query “{self._query()}” at temperature {self.temperature:.3g}. Left, the {SHOWN} books with "
            f"the largest weights: {named}. Right, the mixture of contents that comes back: {mixture}."
        )

    def _query(self) -> str:
        first, second = self.queries[self.first], self.queries[self.second]
        if self.mix in (0, 1):
            return second if self.mix else first
        return f"{first} / {second}"

    def __repr__(self) -> str:
        return f"LibrarySearchExplorer({self._query()!r}, temperature={self.temperature:.3g})"


def read_query(text: str) -> str:
    """The query that a reader typed, or a ValueError that tells them what to type.

    >>> read_query("  the taste of   the sea ")
    'the taste of the sea'
    """
    query = " ".join(text.split())
    if not query:
        raise ValueError("Type a few words, such as “the taste of the sea”.")
    if len(query) > LONGEST:
        raise ValueError(f"A query may have {LONGEST} characters, and yours has {len(query)}.")
    return query


def _scores(scores: ArrayLike, number: int) -> list[list[float]]:
    numbers = array("scores", scores, (number, len(BOOKS)))
    if not abs(numbers).max() < float("inf"):  # not so for NaN either
        raise ValueError("scores should be finite numbers, got a NaN or an infinity")
    # Six decimals change no weight by more than 1e-4 at the lowest temperature, and keep the page small.
    return numbers.round(6).tolist()
