"""The speech explorer: a string of digits to see and to hear, and where the model listened as it wrote each of them."""

import base64

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Dict, Int, List, validate

from attnbook.data.spoken_digits import END, RATE, Utterance, from_mu_law, to_mu_law
from attnbook.evidence.speech import state_times, transcribe
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import COLORS, QUIET
from attnbook.speech import Speller, log_mel
from attnbook.speech.frames import HOP, WINDOW
from attnbook.speech.listening import SHORTENING

HELD = 0.8  # of a digit's weight: the stretch that is played holds at least so much of it
AROUND = 0.08  # seconds on both sides, so that the ear has something to hold on to
DARKEST, LIGHTEST = 2.0, -9.0  # log-mel values between which the spectrogram's shades lie


class SpeechExplorer(Explorer):
    """Choose an utterance, point at a digit that was written, see which moments it was read from, and hear them.

    Args:
        model: a `Speller` with a score.
        said: a name -> what was said: the utterances to choose from.
    Raises:
        ValueError: there is no utterance, or the model has no attention.
        TypeError: said is not a dict of utterances.

    >>> from attnbook.data.spoken_digits import speak
    >>> from attnbook.evidence.speech import build
    >>> said = speak((4, 2), "en-us+f3", torch.Generator().manual_seed(0))
    >>> SpeechExplorer(build("attention").eval(), {"two digits": said}).weights().shape[1]
    16
    """

    utterances = List(Dict()).tag(sync=True)
    chosen = Int(0).tag(sync=True)
    times = Dict().tag(sync=True)  # in samples: what a browser must know to lay states and frames on the sound

    name = "speech_explorer"
    caption = (
        "Sound as bands of frequency over time, low ones below, and the moments that each written digit came from."
    )
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, model: Speller, said: dict[str, Utterance]) -> None:
        if not isinstance(said, dict) or not all(isinstance(x, Utterance) for x in said.values()):
            raise TypeError(f"said should be a dict from names to utterances, got {said!r}")
        if not said:
            raise ValueError("said should hold at least one utterance, got none")
        if model.score is None:
            raise ValueError("the model should have attention, this one has a fixed vector")
        times = {"rate": RATE, "hop": HOP, "window": WINDOW, "state": SHORTENING * HOP, "around": round(AROUND * RATE)}
        super().__init__(
            utterances=[_stored(model, name, utterance) for name, utterance in said.items()],
            times=times | {"held": HELD},
        )

    @validate("chosen")
    def _check_chosen(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.utterances):
            raise ValueError(f"chosen should be from 0 to {len(self.utterances) - 1}, got {proposal['value']}")
        return proposal["value"]

    def sound(self) -> Tensor:
        """The chosen utterance as the browser plays it, (n,), from −1 to 1."""
        data = base64.b64decode(self.utterances[self.chosen]["sound"])
        return from_mu_law(torch.frombuffer(bytearray(data), dtype=torch.uint8))

    def weights(self) -> np.ndarray:
        """The weights of the chosen utterance, (n_q, n_k): a row for each digit written, and one for the end."""
        return np.array(self.utterances[self.chosen]["weights"])

    def stretch(self, index: int) -> tuple[int, int]:
        """The samples that are played for a digit: the shortest run of states with 80% of its weight, and 80 ms around.

        Args:
            index: of the digit written, from 0.
        Returns:
            the first sample, and the one behind the last.
        """
        first, last = shortest_run(self.weights()[index], HELD)
        times, half = state_times(last + 1), SHORTENING * HOP / 2
        around = round(AROUND * RATE)
        start, stop = int(times[first] - half) - around, int(times[last] + half) + around
        return max(start, 0), min(stop, len(self.sound()))

    def draw(self) -> Figure:
        shown = self.utterances[self.chosen]
        figure = Figure(figsize=(7.6, 4.2), layout="constrained", facecolor="white")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1])
        seconds, weights = len(self.sound()) / RATE, self.weights()
        frames = np.frombuffer(base64.b64decode(shown["frames"]), dtype=np.uint8).reshape(-1, shown["bands"])
        above.imshow(frames.T, origin="lower", aspect="auto", cmap="Greys", extent=(0, seconds, 0, RATE / 2000))
        above.set_title(f"{shown['name']}: the sound", pad=18)
        above.set(ylabel="band, to 4 kHz", yticks=[])
        for digit, (start, stop) in zip(shown["said"], shown["spans"], strict=True):
            above.text((start + stop) / 2 / RATE, 4.1, str(digit), ha="center", color=COLORS["key"])
        times = state_times(weights.shape[1]).numpy() / RATE
        width = SHORTENING * HOP / RATE
        for row, name in enumerate([*map(str, shown["written"]), "end"]):
            below.bar(times, 0.9 * weights[row], width, bottom=-row - 1, color=COLORS["weight"])
            below.text(0, -row - 0.95, name, color=QUIET, ha="right", va="bottom")
        below.set(title="weights of each digit written", xlabel="seconds", yticks=[], xlim=(0, seconds))
        return figure

    def describe(self) -> str:
        shown = self.utterances[self.chosen]
        spans = ", ".join(
            f"{digit} from {start / RATE:.2f} to {stop / RATE:.2f} s"
            for digit, (start, stop) in zip(shown["said"], shown["spans"], strict=True)
        )
        times = state_times(self.weights().shape[1]) / RATE
        looks = ", ".join(
            f"{digit} at {times[int(row.argmax())]:.2f} s"
            for digit, row in zip(shown["written"], self.weights(), strict=False)
        )
        return (
            f"A spectrogram, and below it the weights of each digit written. Said: {spans}. Largest weights: {looks}."
        )

    def __repr__(self) -> str:
        return f"SpeechExplorer({len(self.utterances)} utterances, showing {self.utterances[self.chosen]['name']!r})"


def shortest_run(weights: np.ndarray, held: float) -> tuple[int, int]:
    """The first and last of the fewest neighbouring weights that sum to `held` or more; of several runs, the first.

    >>> shortest_run(np.array([0.1, 0.5, 0.35, 0.05]), 0.8)
    (1, 2)
    """
    sums = np.concatenate([[0], np.cumsum(weights)])
    runs = [
        (last - first, first, last)
        for first in range(len(weights))
        for last in range(first, len(weights))
        if sums[last + 1] - sums[first] >= held
    ]
    _, first, last = min(runs)
    return first, last


def _stored(model: Speller, name: str, said: Utterance) -> dict:
    """An utterance and what the model makes of it, as small as the browser can use it."""
    sound = to_mu_law(said.sound)
    heard = Utterance(said.digits, from_mu_law(sound), said.spans, said.voice)  # the model hears what is played
    (written,), weights = transcribe(model, [heard])
    assert weights is not None
    shades = 255 * ((log_mel(heard.sound) - LIGHTEST) / (DARKEST - LIGHTEST)).clamp(0, 1)
    return {
        "name": name,
        "voice": said.voice,
        "said": list(said.digits),
        "written": [digit for digit in written if digit < END - 1],
        "spans": said.spans.tolist(),
        "bands": shades.shape[-1],
        "frames": base64.b64encode(shades.round().to(torch.uint8).numpy().tobytes()).decode(),
        "sound": base64.b64encode(sound.numpy().tobytes()).decode(),
        # Four decimals are more than the eye can see, and keep the page small.
        "weights": [[round(x, 4) for x in row] for row in weights[0].tolist()],
    }
