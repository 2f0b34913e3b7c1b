"""The spoken digits of chapter 13, spoken again: the synthesiser eSpeak NG says ten words in 24 voices.

The package `espeakng-loader` carries the compiled synthesiser and its voices; it is called through ctypes. Only this
module needs it. What it says is cut, brought to 8,000 samples a second and to 8 bits a sample, and written beside
`attnbook.data.spoken_digits`, which all else reads.
"""

import ctypes
import importlib.util
import random

import numpy as np
import torch
from safetensors.torch import save_file

from attnbook.data.spoken_digits import CLIPS, RATE, SETTINGS, VOICES, WORDS, to_mu_law

MISSING = "the synthesiser comes with espeakng-loader, which is not installed: pip install espeakng-loader"
SLOWEST, FASTEST = 140, 220  # words a minute
LOWEST, HIGHEST = 30, 70  # eSpeak's own scale of pitch: from 0 to 100
SILENCE = 0.02  # of a clip's largest sample: what is quieter at its ends is cut off
SYNCHRONOUS, CHARACTERS, UTF8, SPEED, PITCH = 2, 1, 1, 1, 3  # of speak_lib.h


class Synthesiser:
    """eSpeak NG in this process: text in, sound out.

    Raises:
        ImportError: espeakng-loader is not installed; the message says how to install it.

    >>> Synthesiser().say("seven", "en-us+f2", speed=160, pitch=50).dtype
    dtype('float64')
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise ImportError(MISSING)
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        # Synchronous: `espeak_Synth` returns when all is said. eSpeak's other way, a thread, can wait for ever.
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
        self._pieces: list[np.ndarray] = []

        @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        def collect(samples, count, _):  # type: ignore[no-untyped-def]
            if samples and count > 0:  # the library reuses its memory, hence the copy
                self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0  # go on

        self._collect = collect  # kept, since the library holds only its address
        self._library.espeak_SetSynthCallback(collect)

    def say(self, text: str, voice: str, speed: int, pitch: int) -> np.ndarray:
        """The sound of a text, (n,), from −1 to 1, at `rate` samples a second.

        Args:
            text: what to say.
            voice: an accent and a variant, such as "en-us+f2".
            speed: words a minute.
            pitch: from 0 to 100.
        Raises:
            ValueError: there is no such voice.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"eSpeak has no voice {voice!r}")
        self._library.espeak_SetParameter(SPEED, speed, 0)
        self._library.espeak_SetParameter(PITCH, pitch, 0)
        self._pieces.clear()
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, CHARACTERS, 0, UTF8, None, None)
        return np.concatenate(self._pieces) / 2**15


def resample(sound: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """The sound at another rate, without the frequencies that the new rate can't hold.

    Args:
        sound: (n,) samples, `rate` a second.
        wanted: samples a second of the result.
    Returns:
        (n · wanted / rate,), rounded to whole samples.

    >>> resample(np.ones(22050), 22050, 8000).round(6).tolist() == [1.0] * 8000
    True
    """
    count = round(len(sound) * wanted / rate)
    return np.fft.irfft(np.fft.rfft(sound)[: count // 2 + 1], count) * (count / len(sound))


def cut(sound: np.ndarray) -> np.ndarray:
    """The sound without the silence at its ends, its largest sample 0.5.

    >>> cut(np.array([0.0, 0.001, 0.1, 0.0, -0.2, 0.0])).tolist()
    [0.25, 0.0, -0.5]
    """
    largest = np.abs(sound).max()
    loud = np.flatnonzero(np.abs(sound) > SILENCE * largest)
    return sound[loud[0] : loud[-1] + 1] / (2 * largest)


def plan() -> list[tuple[int, int, int, int]]:
    """Every clip: its digit, its voice's place in `VOICES`, speed and pitch. A setting serves all ten digits."""
    chance = random.Random(0)
    settings = [
        (voice, chance.randint(SLOWEST, FASTEST), chance.randint(LOWEST, HIGHEST))
        for voice in range(len(VOICES))
        for _ in range(SETTINGS)
    ]
    return [(digit, *setting) for setting in settings for digit in range(len(WORDS))]


def clip(synthesiser: Synthesiser, digit: int, voice: int, speed: int, pitch: int) -> np.ndarray:
    """One digit as it is stored: (n,) bytes in mu-law, `RATE` a second."""
    sound = synthesiser.say(WORDS[digit], VOICES[voice], speed, pitch)
    return to_mu_law(torch.from_numpy(cut(resample(sound, synthesiser.rate, RATE)))).numpy()


def recompute() -> None:
    """Speak all clips again (some seconds), and write them. eSpeak's noise and breath differ a little every time."""
    synthesiser = Synthesiser()
    rows = plan()
    clips = [clip(synthesiser, *row) for row in rows]
    tensors = {
        "sound": torch.from_numpy(np.concatenate(clips)),
        "length": torch.tensor([len(x) for x in clips], dtype=torch.int32),
        "clip": torch.tensor(rows, dtype=torch.int32),  # digit, voice, speed, pitch
    }
    save_file(tensors, CLIPS)
