"""The spoken digits: the stored clips, how they are joined, and that the synthesiser says them still."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attnbook.data.spoken_digits import (
    CLIPS,
    END,
    HEARD,
    HELD_OUT,
    RATE,
    START,
    VOICES,
    WORDS,
    clips,
    draw,
    from_mu_law,
    padded,
    speak,
    to_mu_law,
)
from attnbook.evidence import speech_clips
from attnbook.speech import log_mel


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mu_law_by_hand_and_back():
    levels = [round(128 + 127 * math.log(1 + 255 * x) / math.log(256)) for x in (0.001, 0.1, 0.5)]
    assert to_mu_law(torch.tensor([0.001, 0.1, 0.5])).tolist() == levels
    assert to_mu_law(torch.tensor([-2.0, 2.0])).tolist() == [1, 255]  # what is too loud is cut
    every = torch.arange(1, 256, dtype=torch.uint8)
    torch.testing.assert_close(to_mu_law(from_mu_law(every)), every)


def test_the_clips_are_those_of_the_plan():
    assert CLIPS.stat().st_size < 1_500_000
    stored = load_file(CLIPS)
    assert [tuple(row) for row in stored["clip"].tolist()] == speech_clips.plan()
    assert stored["length"].sum() == len(stored["sound"])
    assert clips().keys() == {(voice, i, digit) for voice in VOICES for i in range(2) for digit in range(10)}
    assert all(0.1 < len(sound) / RATE < 0.9 for sound in clips().values())
    assert not set(HEARD) & set(HELD_OUT)
    assert len(VOICES) == 24


def test_each_clip_is_under_its_own_name():
    stored = load_file(CLIPS)
    ends = stored["length"].cumsum(0).tolist()
    for i in (0, 17, 479):
        digit, voice, _, _ = speech_clips.plan()[i]
        expected = from_mu_law(stored["sound"][ends[i] - stored["length"][i] : ends[i]])
        assert torch.equal(clips()[VOICES[voice], i // 10 % 2, digit], expected)


def test_some_clips_spoken_anew_sound_as_those_that_are_stored():
    pytest.importorskip("espeakng_loader")
    synthesiser = speech_clips.Synthesiser()
    for i in range(0, 480, 37):
        digit, voice, speed, pitch = speech_clips.plan()[i]
        again = from_mu_law(torch.from_numpy(speech_clips.clip(synthesiser, digit, voice, speed, pitch)))
        old = clips()[VOICES[voice], i // 10 % 2, digit]
        assert abs(len(again) - len(old)) < 0.03 * RATE
        n = min(len(again), len(old))
        # eSpeak's breath and flutter are random, so that frames agree and samples don't.
        frames = torch.stack([log_mel(x[:n]).flatten() for x in (again, old)])
        assert torch.corrcoef(frames)[0, 1] > 0.9


def test_the_synthesiser_refuses_and_is_missed(monkeypatch):
    pytest.importorskip("espeakng_loader")
    with pytest.raises(ValueError, match="eSpeak has no voice 'xx'"):
        speech_clips.Synthesiser().say("one", "xx", speed=160, pitch=50)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install espeakng-loader"):
        speech_clips.Synthesiser()


def test_resample_keeps_a_tone_and_drops_what_is_too_high():
    time = np.arange(22050) / 22050
    low, high = np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 6000 * time)
    expected = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    np.testing.assert_allclose(speech_clips.resample(low + high, 22050, 8000), expected, atol=1e-9)


def test_digits_lie_where_the_spans_say():
    said = speak((4, 2, 2), HEARD[3], chance(), noise=0.0)
    assert said.digits == (4, 2, 2)
    found = [[clips()[HEARD[3], setting, digit] for digit in (4, 2, 2)] for setting in range(2)]
    (sounds,) = [x for x in found if [len(y) for y in x] == said.spans.diff(dim=1).flatten().tolist()]
    whole = torch.zeros(len(said.sound))
    for (start, stop), sound in zip(said.spans.tolist(), sounds, strict=True):
        whole[start:stop] += sound
    torch.testing.assert_close(said.sound, whole)
    gaps = said.spans[1:, 0] - said.spans[:-1, 1]
    assert ((gaps >= -0.04 * RATE) & (gaps <= 0.15 * RATE)).all()
    assert 0.05 * RATE <= said.spans[0, 0] <= 0.2 * RATE


def test_pause_noise_and_speed():
    plain = speak((1, 2, 3, 4), HELD_OUT[0], chance())
    paused = speak((1, 2, 3, 4), HELD_OUT[0], chance(), pause=1.0)
    assert paused.spans[2, 0] - paused.spans[1, 1] == RATE
    assert torch.equal(paused.spans[:2], plain.spans[:2])
    loud = speak((1, 2, 3, 4), HELD_OUT[0], chance(), noise=0.1)
    torch.testing.assert_close((loud.sound - plain.sound).std(), torch.tensor(0.1 - 0.003), atol=1e-3, rtol=0)
    fast = speak((1, 2, 3, 4), HELD_OUT[0], chance(), speed=1.25)
    assert len(fast.sound) == round(len(plain.sound) / 1.25)
    torch.testing.assert_close(fast.spans, (plain.spans / 1.25).round().long())


def test_draw_gives_what_was_asked_and_the_same_again():
    said = draw(29, 3, HELD_OUT, chance())
    assert {x.voice for x in said} == set(HELD_OUT)
    assert {len(x.digits) for x in said} == {3}
    assert {digit for x in said for digit in x.digits} == set(range(10))
    again = draw(29, 3, HELD_OUT, chance())
    assert all(torch.equal(x.sound, y.sound) for x, y in zip(said, again, strict=True))
    varied = draw(29, 3, HELD_OUT, chance(), vary=True)
    assert not any(len(x.sound) == len(y.sound) for x, y in zip(said[:1], varied[:1], strict=True))


def test_padded_fills_up():
    said = [speak((7,), HEARD[0], chance()), speak((4, 2, 9), HEARD[1], chance())]
    sound, lengths, tokens = padded(said)
    assert tokens.tolist() == [[START, 7, END, END, END], [START, 4, 2, 9, END]]
    assert lengths.tolist() == [len(x.sound) for x in said]
    assert sound.shape == (2, len(said[1].sound))
    assert torch.equal(sound[0, : lengths[0]], said[0].sound)
    assert (sound[0, lengths[0] :] == 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: speak((), HEARD[0], chance()), r"one or more whole numbers from 0 to 9, got \(\)"),
        (lambda: speak((10,), HEARD[0], chance()), r"from 0 to 9, got \(10,\)"),
        (lambda: speak((1,), "en-us", chance()), "voice should be one of VOICES, got 'en-us'"),
        (lambda: draw(0, 2, HEARD, chance()), "count should be at least 1, got 0"),
        (lambda: draw(2, 0, HEARD, chance()), "length should be at least 1, got 0"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_ten_words():
    assert WORDS[0] == "zero"
    assert WORDS[9] == "nine"
