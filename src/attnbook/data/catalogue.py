"""A small library of questions: titles to be found by, and contents to be read.

Each of the sixteen books answers one question, which is its title. What it has to give are shares of six subjects, so
that a mixture of several books can be read like one. The titles, contents and requests are this book's own.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SUBJECTS = ("physics", "earth", "biology", "history", "cooking", "music")


class Book(NamedTuple):
    """One book: a title, a request for it in other words, a sentence of what it says, and tenths of its subjects.

    >>> BOOKS[1].title, BOOKS[1].request
    ('Why Is the Sea Salty?', 'what puts salt into the ocean')
    """

    title: str
    request: str
    contents: str
    tenths: dict[str, int]


BOOKS = (
    Book("Why Do Things Fall?", "the reason a dropped stone goes down",
         "Every mass pulls on every other, the planet on the apple and the apple on the planet.",
         {"physics": 9, "history": 1}),
    Book("Why Is the Sea Salty?", "what puts salt into the ocean",
         "Rivers wash minerals out of rock, and only the water ever evaporates.", {"earth": 7, "physics": 3}),
    Book("How Are Mountains Made?", "the origin of the Alps",
         "Plates of crust collide, fold and pile up over millions of years.", {"earth": 9, "physics": 1}),
    Book("Why Do Volcanoes Erupt?", "lava coming out of the ground",
         "Melted rock rises, its gas froths, and the lid breaks.", {"earth": 7, "physics": 3}),
    Book("What Are Stars Made Of?", "the stuff of suns",
         "Hydrogen and helium, squeezed until they melt together and shine.", {"physics": 10}),
    Book("Why Do Birds Sing?", "robins whistling at dawn",
         "Males guard a place and call a mate, and the young learn by listening.", {"biology": 7, "music": 3}),
    Book("Why Do Cats Purr?", "the rumble of a happy kitten",
         "Muscles in the throat twitch, and the breath trembles as it passes.", {"biology": 8, "physics": 2}),
    Book("Why Do Leaves Turn Red?", "the colours of autumn trees",
         "Green pigment is taken back before winter, and other colours are left.", {"biology": 10}),
    Book("Why Does Bread Rise?", "dough that gets bigger",
         "Yeast eats sugar and breathes out gas, which gluten holds.", {"cooking": 6, "biology": 4}),
    Book("How Is Cheese Made?", "turning milk into cheddar",
         "Milk curdles, the whey drains, and moulds ripen what is left.", {"cooking": 6, "biology": 4}),
    Book("Who First Drank Chocolate?", "the origin of cocoa",
         "Cacao was ground and stirred in Central America long before it met sugar.", {"history": 6, "cooking": 4}),
    Book("What Did Sailors Eat?", "meals aboard an old ship",
         "Hard biscuit and salted pork, and lemons once scurvy was understood.", {"history": 6, "cooking": 4}),
    Book("Who Built the Pyramids?", "the workers behind the tombs of Egypt",
         "Paid crews, housed and fed beside the site, for three kings.", {"history": 10}),
    Book("Who Invented Writing?", "the earliest letters",
         "Clerks in Mesopotamia, who counted sheep and barley on wet clay.", {"history": 10}),
    Book("How Does a Violin Sound?", "what a fiddle's strings do",
         "A bow grips and frees a string, and a wooden box shakes the air.", {"physics": 6, "music": 4}),
    Book("What Makes a Tune Sad?", "melancholy melodies",
         "Slow steps, low notes and minor thirds, and what we grew up with.", {"music": 9, "biology": 1}),
)  # fmt: skip

# Requests that no single book answers: several books fit, or none does.
BROAD = ("old recipes", "vibrations", "songs of birds and violins")
ELSEWHERE = ("repairing a diesel tractor", "filling in a tax form")
QUERIES = (*(book.request for book in BOOKS), *BROAD, *ELSEWHERE)


def shares() -> Tensor:
    """The values of the library: what each book has to give, as shares of the SUBJECTS.

    Returns:
        (16, 6), one row a book, each row summing to 1.

    >>> shares()[0]
    tensor([0.9000, 0.0000, 0.0000, 0.1000, 0.0000, 0.0000])
    """
    return torch.tensor([[book.tenths.get(subject, 0) / 10 for subject in SUBJECTS] for book in BOOKS])
