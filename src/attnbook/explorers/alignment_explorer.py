"""The alignment: which input words did a translator look at while it wrote each output morpheme?"""

import re
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from traitlets import Bool, Dict, Int, List, validate

from attnbook._checks import array
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import attention_map

LARGEST = 999_999
_WHOLE_NUMBER = re.compile(r"[0-9]+|[0-9]{1,3}([, _'][0-9]{3})+")
_FIELDS = {"number": int, "source": list, "target": list, "weights": None, "correct": bool}


class AlignmentExplorer(Explorer):
    """Choose a translation, point at a word or a morpheme, and see the weights between the two languages.

    Args:
        examples: dicts with `number` (int), `source` (words), `target` (morphemes), `weights` (n_q × n_k: a row for
            each morpheme, a column for each word, each row summing to 1), `correct` (bool).
        translate: int -> such a dict. With it, a reader who has a running kernel may type any number below a million.
    Raises:
        ValueError: no example, a field is missing, or the weights do not fit the words; says which example.
        TypeError: a field has a wrong type.

    >>> weights = [[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]]
    >>> forty_five = {"number": 45, "source": ["forty", "five"], "target": ["fünf", "und", "vierzig"],
    ...               "weights": weights, "correct": True}
    >>> AlignmentExplorer([forty_five])
    AlignmentExplorer(1 examples, showing 45)
    """

    examples = List(Dict()).tag(sync=True)
    chosen = Int(0).tag(sync=True)
    translates = Bool(False).tag(sync=True)

    name = "alignment_explorer"
    caption = "How much the model looked at each input word while it wrote each output morpheme."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, examples: list[dict], translate: Callable[[int], dict] | None = None) -> None:
        if translate is not None and not callable(translate):
            raise TypeError(f"translate should be a function from a number to an example, got {translate!r}")
        self._translate = translate
        super().__init__(examples=_examples(examples), translates=translate is not None)
        self.on_msg(self._answer)

    @validate("examples")
    def _check_examples(self, proposal: dict) -> list[dict]:
        return _examples(proposal["value"])

    @validate("chosen")
    def _check_chosen(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.examples):
            raise ValueError(f"chosen should be from 0 to {len(self.examples) - 1}, got {proposal['value']}")
        return proposal["value"]

    def _answer(self, _: Explorer, content: dict, buffers: list) -> None:
        """Answer a reader's request: choose the number's translation, or say why there is none."""
        try:
            self.choose(read_number(str(content.get("number", ""))))
        except Exception as error:  # whatever the model did, the reader should read it where they asked
            self.send({"problem": str(error) or type(error).__name__})
        else:
            self.send({"problem": ""})

    def choose(self, number: int) -> None:
        """Show the translation of a number; one that is not among the examples yet is asked of `translate`."""
        known = [example["number"] for example in self.examples]
        if number in known:
            self.chosen = known.index(number)
        elif self._translate is None:
            raise ValueError(f"{number:,} is not among the examples, and there is no model to translate it.")
        else:
            self.examples = [*self.examples, self._translate(number)]
            self.chosen = len(known)

    def draw(self) -> Figure:
        example = self.examples[self.chosen]
        height = 1.9 + 0.3 * len(example["target"])
        figure = Figure(figsize=(7.2, height), layout="constrained", facecolor="white")
        title = f"What each morpheme of {example['number']:,} looked at"
        ax = attention_map(example["weights"], example["target"], example["source"], figure.subplots(), title)
        ax.set(xlabel="input words", ylabel="output morphemes")
        return figure

    def describe(self) -> str:
        example = self.examples[self.chosen]
        pairs = [f"{morpheme} {example['source'][int(np.argmax(row))]} {max(row):.2f}"
                 for morpheme, row in zip(example["target"], example["weights"], strict=True)]  # fmt: skip
        return (
            f"Heat map of the attention weights in the translation of {example['number']:,}. Each output morpheme with "
            f"the input word that it looked at most: {', '.join(pairs)}."
        )

    def __repr__(self) -> str:
        return f"AlignmentExplorer({len(self.examples)} examples, showing {self.examples[self.chosen]['number']:,})"


def read_number(text: str) -> int:
    """The whole number below a million that a reader typed, or a ValueError that tells them what to type.

    >>> read_number(" 345,678 ")
    345678
    """
    text = text.strip().replace("−", "-")
    wanted = f"type a whole number from 0 to {LARGEST:,}"
    shown = text if len(text) <= 20 else text[:20] + "…"
    if not text:
        raise ValueError(f"{wanted.capitalize()}, such as 345,678.")
    if _WHOLE_NUMBER.fullmatch(text.removeprefix("-")) is None:
        raise ValueError(f"“{shown}” is not a whole number: {wanted}, such as 345,678.")
    digits = re.sub("[^0-9]", "", text).lstrip("0") or "0"
    if text.startswith("-") and digits != "0":
        raise ValueError(f"{shown} is below zero: {wanted}.")
    if len(digits) > len(str(LARGEST)):
        raise ValueError(f"{shown} is too large for this model: {wanted}.")
    return int(digits)


def _examples(examples: list[dict]) -> list[dict]:
    if not isinstance(examples, (list, tuple)):
        raise TypeError(f"examples should be a list of dicts, got {type(examples).__name__}")
    if not examples:
        raise ValueError("examples should hold at least one translation, got none")
    return [_example(f"examples[{i}]", example) for i, example in enumerate(examples)]


def _example(name: str, example: dict) -> dict:
    if not isinstance(example, dict):
        raise TypeError(f"{name} should be a dict with {', '.join(_FIELDS)}, got {type(example).__name__}")
    if example.keys() != _FIELDS.keys():
        raise ValueError(f"{name} should have the fields {', '.join(_FIELDS)}, got {', '.join(map(str, example))}")
    for field, kind in _FIELDS.items():
        if kind is not None and type(example[field]) is not kind:
            raise TypeError(f"{name}: {field} should be of type {kind.__name__}, got {example[field]!r}")
    for field in ("source", "target"):
        if not example[field] or not all(isinstance(token, str) for token in example[field]):
            raise ValueError(f"{name}: {field} should be a list of one or more strings, got {example[field]!r}")
    shape = len(example["target"]), len(example["source"])
    weights = array(f"{name}: weights", example["weights"], ("n_q", "n_k"))
    if weights.shape != shape:
        raise ValueError(
            f"{name}: weights (n_q, n_k) should have a row for each of the {shape[0]} target morphemes and a column "
            f"for each of the {shape[1]} source words, got {weights.shape}"
        )
    if not ((weights >= 0).all() and np.allclose(weights.sum(axis=1), 1, atol=0.01)):
        rows = weights.round(3).tolist()
        raise ValueError(f"{name}: each row of weights should be from 0 to 1 and sum to 1, got {rows}")
    # Four decimals are more than the eye can see, and keep the page small.
    return {**example, "weights": weights.round(4).tolist()}
