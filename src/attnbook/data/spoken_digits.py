"""Strings of spoken digits: 480 clips of a speech synthesiser, joined into strings with pauses, overlaps and noise.

A clip is one word, zero to nine, in one of 24 voices at one of that voice's two settings of speed and pitch. Six voices
are held out: no model hears them in training. As the strings are joined here, it is known to the sample where each
digit begins and ends, which nobody can say as exactly of people's speech.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence

from attnbook._checks import check_count

CLIPS = Path(__file__).with_suffix(".safetensors")
RATE = 8000  # samples a second, as on the telephone
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HEARD = (  # an accent and a speaker of it each; f1 to f5 and names of women speak higher
    *("en-us+m1", "en-us+m8", "en-us+Michael", "en-us+f1", "en-us+steph"),
    *("en-gb-x-rp+m3", "en-gb-x-rp+Andy", "en-gb-x-rp+f5", "en-gb-x-rp+belinda"),
    *("en-gb-x-gbclan+m5", "en-gb-x-gbclan+linda", "en-gb-x-gbcwmd+grandma"),
    *("en-gb-scotland+m2", "en-gb-scotland+max", "en-gb-scotland+f2"),
    *("en-029+m4", "en-029+Annie", "en-029+david"),
)
HELD_OUT = (
    *("en-us+m7", "en-us+f3", "en-gb-x-rp+robert"),
    *("en-gb-x-gbclan+f4", "en-gb-scotland+edward", "en-029+Alicia"),
)
VOICES = (*HEARD, *HELD_OUT)
MU = 255
START, END = 10, 11  # the tokens around the digits 0 to 9
TOKENS = 12
SETTINGS = 2  # of speed and pitch, for each voice


@dataclass(frozen=True)
class Utterance:
    """A string of digits, spoken.

    Args:
        digits: what was said.
        sound: (n,), samples from −1 to 1, `RATE` a second.
        spans: (len(digits), 2), the first sample of each digit and the one behind its last.
        voice: who said it, one of `VOICES`.

    >>> said = Utterance((7,), torch.zeros(900), torch.tensor([[100, 800]]), "en-us+f3")
    >>> begin, end = said.spans[0]
    >>> said.sound[begin:end].shape
    torch.Size([700])
    """

    digits: tuple[int, ...]
    sound: Tensor
    spans: Tensor
    voice: str


def to_mu_law(sound: Tensor) -> Tensor:
    """Samples from −1 to 1 as bytes: 256 levels, fine near silence and coarse where it is loud.

    Args:
        sound: floating-point, any shape.
    Returns:
        uint8, of the same shape.
    Source: ITU-T G.711 (1988), as a formula: sign(x) ln(1 + 255 |x|) / ln 256, here rounded to 255 levels around 0.

    >>> to_mu_law(torch.tensor([-1.0, 0.0, 0.01, 1.0])).tolist()
    [1, 128, 157, 255]
    """
    level = sound.sign() * torch.log1p(MU * sound.abs().clamp(max=1)) / math.log1p(MU)
    return (128 + 127 * level).round().to(torch.uint8)


def from_mu_law(data: Tensor) -> Tensor:
    """Bytes as samples again, float32; undoes `to_mu_law` up to its rounding.

    >>> from_mu_law(torch.tensor([1, 128, 255], dtype=torch.uint8)).tolist()
    [-1.0, 0.0, 1.0]
    """
    level = (data.float() - 128) / 127
    return level.sign() * torch.expm1(level.abs() * math.log1p(MU)) / MU


@cache
def clips() -> dict[tuple[str, int, int], Tensor]:
    """All clips: (voice, setting 0 or 1, digit) -> its sound, (n,).

    >>> len(clips()), clips()["en-us+f1", 0, 7].dtype
    (480, torch.float32)
    """
    stored = load_file(CLIPS)
    sounds = from_mu_law(stored["sound"]).split(stored["length"].tolist())
    return {
        (VOICES[voice], i // len(WORDS) % SETTINGS, digit): sound
        for i, (sound, (digit, voice, _, _)) in enumerate(zip(sounds, stored["clip"].tolist(), strict=True))
    }


def speak(
    digits: tuple[int, ...],
    voice: str,
    generator: torch.Generator,
    noise: float = 0.003,
    pause: float | None = None,
    speed: float = 1.0,
) -> Utterance:
    """Say a string of digits. Between two of them lies a pause of −40 to 150 ms: below 0, they overlap.

    Args:
        digits: what to say, each from 0 to 9.
        voice: one of `VOICES`.
        generator: of the voice's setting, the pauses and the noise.
        noise: standard deviation of the white noise under it all. (The clips' largest samples are 0.5.)
        pause: seconds in the middle of the string, in place of the pause that stood there by chance.
        speed: 1.1 plays the string faster by a tenth, and so higher, as if by a smaller person.
    Raises:
        ValueError: no digit, something that is none, or an unknown voice.

    >>> said = speak((4, 2), "en-us+f3", torch.Generator().manual_seed(0))
    >>> said.sound.shape, said.spans.tolist()
    (torch.Size([6263]), [[1321, 3828], [3643, 5705]])
    """
    if not digits or not set(digits) <= set(range(10)):
        raise ValueError(f"digits should be one or more whole numbers from 0 to 9, got {digits}")
    if voice not in VOICES:
        raise ValueError(f"voice should be one of VOICES, got {voice!r}")
    setting = int(torch.randint(SETTINGS, (), generator=generator))
    sounds = [clips()[voice, setting, digit] for digit in digits]
    chance = torch.rand(len(digits) + 1, generator=generator)
    gaps = (RATE * (0.19 * chance - 0.04)).long().tolist()
    gaps[0], gaps[-1] = (RATE * (0.05 + 0.15 * chance[[0, -1]])).long().tolist()  # silence at both ends
    if pause is not None:
        gaps[len(digits) // 2] = round(RATE * pause)
    starts = [gaps[0]]
    for sound, gap in zip(sounds, gaps[1:], strict=True):
        starts.append(starts[-1] + len(sound) + gap)
    whole = torch.zeros(starts[-1])
    for start, sound in zip(starts, sounds, strict=False):
        whole[start : start + len(sound)] += sound
    spans = torch.tensor([[start, start + len(x)] for start, x in zip(starts, sounds, strict=False)])
    if speed != 1:
        count = round(len(whole) / speed)
        whole = interpolate(whole[None, None], count, mode="linear")[0, 0]
        spans = (spans / speed).round().long()
    whole += noise * torch.randn(len(whole), generator=generator)
    return Utterance(tuple(digits), whole, spans, voice)


def draw(
    count: int, length: int, voices: tuple[str, ...], generator: torch.Generator, vary: bool = False
) -> list[Utterance]:
    """Random strings by random voices, under noise of 0.001 to 0.01.

    Args:
        count: how many.
        length: digits in each.
        voices: of which each string has one.
        generator: of all the chance.
        vary: play each string at a speed of its own, from 0.85 to 1.18. So a few voices make many: for training.
    Source: the variation is speed perturbation, of Ko, Peddinti, Povey and Khudanpur (2015).

    >>> [x.digits for x in draw(2, 3, HELD_OUT, torch.Generator().manual_seed(0))]
    [(4, 9, 3), (7, 3, 7)]
    """
    check_count("count", count)
    check_count("length", length)
    said = []
    for _ in range(count):
        digits = tuple(torch.randint(10, (length,), generator=generator).tolist())
        voice = voices[int(torch.randint(len(voices), (), generator=generator))]
        level, pace = torch.rand(2, generator=generator).tolist()
        speed = 0.85 * (1.18 / 0.85) ** pace if vary else 1.0
        said.append(speak(digits, voice, generator, noise=10 ** (level - 3), speed=speed))
    return said


def padded(said: list[Utterance]) -> tuple[Tensor, Tensor, Tensor]:
    """A batch: sound (b, n) with zeros behind, its lengths (b,) in samples, and tokens (b, m).

    The tokens are START, the digits, END, and END again up to the longest.

    >>> said = [speak(digits, "en-us+f3", torch.Generator()) for digits in [(7,), (4, 2)]]
    >>> padded(said)[2]
    tensor([[10,  7, 11, 11],
            [10,  4,  2, 11]])
    """
    lengths = torch.tensor([len(x.sound) for x in said])
    longest = max(len(x.digits) for x in said)
    tokens = [[START, *x.digits, *[END] * (longest + 1 - len(x.digits))] for x in said]
    return pad_sequence([x.sound for x in said], batch_first=True), lengths, torch.tensor(tokens)
