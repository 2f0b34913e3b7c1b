"""Frames of sound: mels, times and paths by hand, and windows cut from a padded batch without a loop."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# --- By hand: halfway from 0 to 5,600 Hz on the mel scale, log10(1 + f / 700); state 12 of the listener ---------------

MEL_MIDDLE = by_hand(
    "mel_middle",
    700 * (3 - 1),
    ("This lies halfway in hertz. Go halfway in mel, and then back to hertz.", 2800),
    ("These are mels. Which frequency has so many?", 2595 * math.log10(3)),
    ("The 1 of 1 + f / 700 is still in it: go back from the logarithm to f step by step.", 700 * 3),
    ("This is where the scale ends, in mel.", 2595 * math.log10(9)),
    ("What is halved is the logarithm, and not what it is taken of.", 700 * (9 / 2 - 1)),
    ("The logarithm is that of 1 + f / 700, and not of f / 700.", 700 * math.sqrt(8)),
    ("This is the number of which 700 Hz are one: the frequency is asked for, in hertz.", 2),
    ("The scale ends at 5,600 Hz here: log 9, and not log 8.", 700 * (math.sqrt(8) - 1)),
)

# A window of 200 samples every 100, 8,000 a second; state 12 is centred on frame 48.
STATE_TIME = by_hand(
    "state_time",
    (48 * 100 + 100) / 8,
    ("There the window of its frame begins. Where is the window's middle?", 48 * 100 / 8),
    ("There the window of its frame ends. Where is the window's middle?", (48 * 100 + 200) / 8),
    ("These are samples. How many of them make a millisecond?", 4900),
    ("These are seconds; milliseconds are asked for.", 4900 / 8000),
    ("This is frame 12. How many frames does one state stand for?", (12 * 100 + 100) / 8),
    ("This is frame 24. Time is halved twice.", (24 * 100 + 100) / 8),
    ("This is state 11: states are counted from 0.", (44 * 100 + 100) / 8),
    ("This is state 13: states are counted from 0.", (52 * 100 + 100) / 8),
    ("The windows overlap: a new one begins every 100 samples, and not every 200.", (48 * 200 + 100) / 8),
    ("This is the middle of frames 48 to 51. On which frame is the state centred?", (49.5 * 100 + 100) / 8),
    ("This is the last of four frames. On which frame is the state centred?", (51 * 100 + 100) / 8),
    ("This is the moment at 16,000 samples a second. There are 8,000.", (48 * 100 + 100) / 16),
)

# Ways in which four states read 7 3, and 7 7. Two states are spare, and can go to five places: blanks before, first
# digit, blanks between, second digit, blanks behind. Between equal digits one of the two is spent already.
CTC_WAYS = by_hand(
    "ctc_ways",
    (15, 5),
    ("Between two equal digits there must be a blank, or they are read as one.", (15, 15)),
    ("Between two *different* digits there need not be a blank.", (5, 5)),
    ("The numbers have changed places: which of the two strings needs a blank?", (5, 15)),
    ("Here every digit is given once. `7 7 3 3` reads 7 3 too.", (6, 3)),
    ("Here every digit is given once, and nothing parts the two sevens. `7 7 3 3` reads 7 3 too.", (6, 6)),
    ("There are no blanks in these. `_ 7 3 _` reads 7 3 too.", (3, 0)),
    ("In the first, no two states are alike. `_ 7 7 3` and `7 7 3 3` read 7 3 too.", (6, 5)),
    ("The second is not right: 7 7 needs three states at least, and the fourth can be spent in several ways.", (15, 1)),
    ("The second is not right: more than the place of the blank can differ. `7 7 _ 7` reads 7 7 too.", (15, 3)),
    ("These are all ways to fill four states with two digits or a blank, whatever they read.", (81, 16)),
)


def check_mel_middle(answer: Any) -> None:
    """Check the frequency that lies halfway on the mel scale.

    >>> check_mel_middle(2800)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: mel_middle: This lies halfway in hertz. Go halfway in mel, and then back to hertz.
    """
    check_numbers(MEL_MIDDLE, answer)


def check_state_time(answer: Any) -> None:
    """Check the moment for which a state stands, in milliseconds.

    >>> check_state_time(4900)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: state_time: These are samples. How many of them make a millisecond?
    """
    check_numbers(STATE_TIME, answer)


def check_ctc_ways(answer: Any) -> None:
    """Check in how many ways four states read 7 3 and 7 7.

    >>> check_ctc_ways((15, 15))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: ctc_ways: Between two equal digits there must be a blank, or they are read as one.
    """
    check_numbers(CTC_WAYS, answer)


# --- Windows of a padded batch ---------------------------------------------------------------------------------------


def _counted(lengths: Tensor, window: int, hop: int) -> Tensor:
    return (lengths - window) // hop + 1


Count = Callable[[Tensor, int, int], Tensor]
Answer = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


def _other(count: Count = _counted, step: Callable[[int, int], int] = lambda window, hop: hop) -> Answer:
    """Frames and mask with another number of true ones, or another step from window to window."""

    def answer(sound: Tensor, lengths: Tensor, window: int, hop: int) -> tuple[Tensor, Tensor]:
        frames = sound.unfold(-1, window, step(window, hop))
        place = torch.arange(frames.shape[-2], device=sound.device)
        return frames, place < count(lengths, window, step(window, hop))[:, None]

    return answer


_cut = _other()


def _changed(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Answer:
    return lambda sound, lengths, window, hop: change(*_cut(sound, lengths, window, hop))


def _silenced(sound: Tensor, lengths: Tensor, window: int, hop: int) -> tuple[Tensor, Tensor]:
    true = torch.arange(sound.shape[-1], device=sound.device) < lengths[:, None]
    return _cut(sound * true, lengths, window, hop)


def _faded(sound: Tensor, lengths: Tensor, window: int, hop: int) -> tuple[Tensor, Tensor]:
    frames, mask = _cut(sound, lengths, window, hop)
    return frames * torch.hann_window(window, dtype=sound.dtype, device=sound.device), mask


def _whole_to_fill(sound: Tensor, lengths: Tensor, window: int, hop: int) -> tuple[Tensor, Tensor]:
    filled = torch.cat([sound, sound.new_zeros(len(sound), -(sound.shape[-1] - window) % hop)], dim=-1)
    return _cut(filled, lengths, window, hop)


def _cases(draw: Draw) -> list[Case]:
    hop, window = sorted(draw.sizes(2, least=3))
    n = window + hop * (window + 1)  # there are window + 2 frames, so that no two sizes are alike
    odd = torch.tensor([n + 2, window + 2 * hop, window + hop + 1, window - 1])
    ends = torch.tensor([n, window, 0])

    def sound(rows: int, n: int) -> Tensor:
        return draw.normal(rows, n)

    return [
        Case("", (sound(4, n + 2), odd, window, hop)),
        Case("with a last window that ends with the sound", (sound(3, n), ends, window, hop),
             "How many windows fit, the last one included?"),
        Case("with one window", (sound(2, window), torch.tensor([window, window - 1]), window, hop),
             "A sound may be as long as one window."),
        Case("with windows that do not meet", (sound(3, n), ends, hop, window),
             "The hop may be larger than the window."),
    ]  # fmt: skip


CUT = Task(
    "cut",
    _cut,
    _cases,
    (
        Mistake("The window and the hop have changed places.",
                lambda sound, lengths, window, hop: _cut(sound, lengths, hop, window)),
        Mistake("The windows stand side by side: each should begin one hop behind the one before.",
                _other(step=lambda window, hop: window)),
        Mistake("The last whole window is missing: one too few, since the first takes no hop.",
                lambda s, lengths, w, h: tuple(x[:, :-1] for x in _cut(s[:, : _end(s, w, h)], lengths, w, h))),
        Mistake("The last window is filled up with zeros. Take whole windows alone.", _whole_to_fill),
        Mistake("The frames are right. The mask is turned around: it is True at the filling.",
                _changed(lambda frames, mask: (frames, ~mask))),
        Mistake("The frames are right. In the mask a frame counts as true when its window only begins in the sound: "
                "part of it may be filling.", _other(lambda n, window, hop: (n + hop - 1) // hop)),
        Mistake("The frames are right. The mask counts the hops in a sound. How many whole windows fit into it?",
                _other(lambda n, window, hop: n // hop)),
        Mistake("The frames are right. The mask counts one frame too few: the first window takes no hop.",
                _other(lambda n, window, hop: (n - window) // hop)),
        Mistake("The frames are right. The mask counts one frame too few where a window ends just with the sound.",
                _other(lambda n, window, hop: (n - 1 - window) // hop + 1)),
        Mistake("The frames are right. The mask counts one frame too many: the last reaches into the filling.",
                _other(lambda n, window, hop: (n - window) // hop + 2)),
        Mistake("The frames are right. The mask counts a last window that is not whole: the division is to be rounded "
                "down.", _other(lambda n, window, hop: -(-(n - window) // hop) + 1)),
        Mistake("The frames are right. In the mask a frame counts as true when its middle lies in the sound: part of "
                "it may be filling.", _other(lambda n, window, hop: (n - window // 2 - 1) // hop + 1)),
        Mistake("The frames are right. The mask takes lengths, which are samples, for a number of frames.",
                _other(lambda n, window, hop: n)),
        Mistake("The frames are right. The mask leaves all open: lengths changes nothing.",
                _changed(lambda frames, mask: (frames, torch.ones_like(mask)))),
        Mistake("The frames are right. In the mask the length of the first sound serves for all.",
                _other(lambda n, window, hop: _counted(n[:1].expand(len(n)), window, hop))),
        Mistake("The mask is right. The frames are multiplied by a window that fades. The task cuts them as they are.",
                _faded),
        Mistake("The mask is right. The frames of filling should be left as they are.",
                _changed(lambda frames, mask: (frames * mask[..., None], mask))),
        Mistake("The mask is right. The filling was silenced: frames should be left as they are.", _silenced),
    ),
    returns=("the batch of frames", "the mask"),
)  # fmt: skip


def _end(sound: Tensor, window: int, hop: int) -> int:
    """Where the last whole window ends."""
    return sound.shape[-1] - (sound.shape[-1] - window) % hop


def check_cut(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check windows of padded sounds: cut(sound, lengths, window, hop), frames (b, m, window) and their mask (b, m).

    >>> check_cut(lambda sound, lengths, window, hop: _cut(sound, lengths, hop, window))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: cut: The window and the hop have changed places....
    """
    CUT.check(answer, seed)
