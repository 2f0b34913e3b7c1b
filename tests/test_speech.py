"""Speech: frames against torch.stft and the formula, the listener against torch's own layers, and both writers."""

import cmath
import math

import pytest
import torch
from one_device import check_one_device
from torch import nn
from torch.nn.functional import conv1d, ctc_loss, layer_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnbook.scores import AdditiveScore, scaled_dot
from attnbook.speech import CTCReader, Listener, Speller, frame_count, log_mel, mel_filters, standardised

B, N, N_Q, BANDS, TOKENS, D_EMBED, D_HIDDEN = 3, 29, 5, 7, 13, 11, 22
LENGTHS = torch.tensor([29, 17, 2])
STATES = [8, 5, 1]  # a quarter of the frames, rounded up
START, END = 0, 1


def frames():
    torch.manual_seed(0)
    return torch.randn(B, N, BANDS, dtype=torch.float64)


def target():
    torch.manual_seed(1)
    return torch.randint(2, TOKENS, (B, N_Q))


def speller(score=None):
    torch.manual_seed(2)
    return Speller(BANDS, TOKENS, D_EMBED, D_HIDDEN, score).double()


def reader():
    torch.manual_seed(3)
    return CTCReader(BANDS, TOKENS, D_HIDDEN).double()


# Frames


def test_log_mel_equals_torchs_own_transform():
    sound = torch.randn(3, 1117, dtype=torch.float64)
    window = torch.hann_window(200, dtype=torch.float64)
    # torch.stft lays a short window into the middle of the 256 samples: 28 zeros in front, which ours has behind.
    padded = torch.nn.functional.pad(sound, (28, 28))
    spectrum = torch.stft(padded, 256, 100, 200, window, center=False, return_complex=True)
    expected = (spectrum.abs().square().transpose(1, 2) @ mel_filters(11) + 1e-6).log()
    torch.testing.assert_close(log_mel(sound, bands=11), expected)


def test_one_frame_by_the_formula():
    sound = torch.rand(200, dtype=torch.float64) - 0.5
    windowed = [x * math.sin(math.pi * t / 200) ** 2 for t, x in enumerate(sound.tolist())]
    power = [abs(sum(x * cmath.exp(-2j * math.pi * f * t / 256) for t, x in enumerate(windowed))) ** 2
             for f in range(129)]  # fmt: skip
    mel = lambda f: 2595 * math.log10(1 + f / 700)  # noqa: E731
    width = mel(4000) / 4  # three triangles have five corners
    hertz = [700 * (10 ** (width * i / 2595) - 1) for i in range(5)]
    for band in range(3):
        left, top, right = hertz[band : band + 3]
        total = sum(p * max(0, min((31.25 * f - left) / (top - left), (right - 31.25 * f) / (right - top)))
                    for f, p in enumerate(power))  # fmt: skip
        assert log_mel(sound, bands=3)[0, band].item() == pytest.approx(math.log(total + 1e-6))


def test_a_tone_lights_up_its_band_and_silence_none():
    time = torch.arange(8000) / 8000
    loudest = log_mel((2 * math.pi * 1000 * time).sin()).argmax(dim=-1)
    centre = (mel_filters().argmax(dim=0) * 31.25 - 1000).abs().argmin()
    assert (loudest == centre).all()
    torch.testing.assert_close(log_mel(torch.zeros(400)), torch.full((3, 32), math.log(1e-6)))


@pytest.mark.parametrize("samples", [200, 299, 300, 1117])
def test_frame_count_is_the_number_of_frames(samples):
    assert log_mel(torch.zeros(samples)).shape[0] == frame_count(torch.tensor(samples))


def test_standardised_by_hand_and_without_the_padding():
    x = torch.tensor([[[1.0, 5.0], [3.0, 5.0], [100.0, 7.0]]], dtype=torch.float64)
    expected = torch.tensor([[[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    torch.testing.assert_close(standardised(x, torch.tensor([2])), expected, atol=1e-4, rtol=0)
    whole = standardised(frames(), torch.full((B,), N))
    torch.testing.assert_close(whole.mean(dim=1), torch.zeros(B, BANDS).double())
    torch.testing.assert_close(whole.square().mean(dim=1), torch.ones(B, BANDS).double(), atol=1e-4, rtol=0)


# The listener


def test_listener_equals_torchs_convolutions_and_its_packed_gru():
    listener = Listener(BANDS, D_HIDDEN).double()
    reference = nn.GRU(D_HIDDEN // 2, D_HIDDEN // 2, batch_first=True, bidirectional=True).double()
    for name, parameter in listener.forwards.named_parameters():
        getattr(reference, name).data = parameter.data
    for name, parameter in listener.backwards.named_parameters():
        getattr(reference, name + "_reverse").data = parameter.data
    x = frames()
    states, summary, mask = listener(x, LENGTHS)
    assert mask.sum(dim=1).tolist() == STATES
    for row, length in enumerate(LENGTHS.tolist()):
        heard = x[row : row + 1, :length].transpose(1, 2)
        for layer in listener.shorten:
            heard = conv1d(heard, layer.weight, layer.bias, stride=2, padding=1).mT
            heard = layer_norm(heard, (D_HIDDEN // 2,)).relu().mT
        packed = pack_padded_sequence(heard.transpose(1, 2), [heard.shape[2]], batch_first=True)
        expected, last = reference(packed)
        torch.testing.assert_close(states[row : row + 1, : STATES[row]], pad_packed_sequence(expected, True)[0])
        torch.testing.assert_close(summary[row], last.flatten())


@pytest.mark.parametrize("score", [None, lambda: scaled_dot, lambda: AdditiveScore(D_HIDDEN, D_HIDDEN, 5)])
def test_what_lies_behind_the_end_changes_nothing(score):
    model, x = speller(score and score()), frames()
    logits, weights = model(x, LENGTHS, target())
    x[1, 17:], x[2, 2:] = 1e3, -1e3
    torch.testing.assert_close(model(x, LENGTHS, target())[0], logits)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, _ = model(x[row : row + 1, :length], LENGTHS[row : row + 1], target()[row : row + 1])
        torch.testing.assert_close(alone, logits[row : row + 1])
    if weights is not None:
        assert weights.shape == (B, N_Q, 8)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(B, N_Q).double())
        assert all((weights[row, :, count:] == 0).all() for row, count in enumerate(STATES))


# The speller


def test_transcribing_is_teacher_forcing_with_its_own_words():
    model, x = speller(scaled_dot), frames()
    texts, weights = model.transcribe(x, LENGTHS, START, END, max_length=7)
    for row, text in enumerate(texts):
        read = torch.tensor([[START, *text]])
        logits, looked = model(x[row : row + 1], LENGTHS[row : row + 1], read)
        best = logits[0].argmax(dim=-1).tolist()
        assert best[: len(text)] == text
        assert len(text) == 7 or best[-1] == END
        written = min(len(text) + 1, 7)
        torch.testing.assert_close(weights[row, :written, : STATES[row]], looked[0, :written, : STATES[row]])


def test_a_text_ends_where_the_end_is_written():
    model = speller()
    with torch.no_grad():
        model.predict.weight.zero_()
        model.predict.bias.copy_(torch.eye(TOKENS)[END])
    assert model.transcribe(frames(), LENGTHS, START, END, max_length=7) == ([[], [], []], None)
    with torch.no_grad():
        model.predict.bias.copy_(torch.eye(TOKENS)[4])
    assert model.transcribe(frames(), LENGTHS, START, END, max_length=3)[0] == [[4, 4, 4]] * 3


def test_the_fixed_vector_is_the_same_at_every_step():
    model = speller()
    with torch.no_grad():  # a decoder that forgets what it read leaves the summary alone
        model.combine.weight[:, :D_HIDDEN].zero_()
    logits, weights = model(frames(), LENGTHS, target())
    assert weights is None
    torch.testing.assert_close(logits, logits[:, :1].expand_as(logits))


# The CTC reader


def test_ctc_reads_off_by_hand():
    blank = TOKENS
    collapse = reader().collapse
    assert collapse([blank, 5, 5, blank, 5, 2, 2, blank]) == [5, 5, 2]
    assert collapse([5, 5, 5]) == [5]
    assert collapse([blank, blank]) == []
    assert collapse([]) == []


def test_ctc_writes_the_likeliest_and_nothing_behind_the_end():
    model, x = reader(), frames()
    log_probabilities, mask = model(x, LENGTHS)
    assert log_probabilities.shape == (B, 8, TOKENS + 1)
    torch.testing.assert_close(log_probabilities.exp().sum(dim=-1), torch.ones(B, 8).double())
    x[1, 17:], x[2, 2:] = 1e3, -1e3
    for row, text in enumerate(model.transcribe(x, LENGTHS)):
        best = log_probabilities[row].argmax(dim=-1)[mask[row]].tolist()
        assert text == model.collapse(best)


def test_ctc_is_the_sum_over_all_ways_to_read():
    model = reader()
    log_probabilities, _ = model(frames()[2:, :8], torch.tensor([8]))  # two states
    p = log_probabilities[0].exp()
    ways = p[0, 4] * p[1, 4] + p[0, 4] * p[1, TOKENS] + p[0, TOKENS] * p[1, 4]
    loss = ctc_loss(log_probabilities.transpose(0, 1), torch.tensor([[4]]), (2,), (1,), TOKENS, reduction="sum")
    assert loss.item() == pytest.approx(-ways.log().item())


# What is refused, and devices


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: log_mel(torch.zeros(2, 199)), ValueError, r"at least 200 samples \(25 ms\), got \(2, 199\)"),
        (lambda: log_mel(torch.zeros(300).long()), TypeError, "sound should hold floating-point numbers"),
        (lambda: log_mel([0.0] * 300), TypeError, "sound should be a torch tensor, got list"),
        (lambda: mel_filters(0), ValueError, "bands should be at least 1, got 0"),
        (lambda: Listener(BANDS, 21), ValueError, "d_hidden should be even .* got 21"),
        (lambda: reader()(frames()[..., :5], LENGTHS), ValueError, r"frames should have shape \(..., n, 7\)"),
        (lambda: reader()(frames(), LENGTHS[:2]), ValueError, r"lengths \(b,\), got \(3, 29, 7\) and \(2,\)"),
        (lambda: reader()(frames()[0], LENGTHS), ValueError, r"frames should have shape \(b, n, bands\)"),
        (lambda: speller()(frames(), LENGTHS, target()[:2]), ValueError, r"got \(3, 29, 7\) and \(2, 5\)"),
        (lambda: speller()(frames(), LENGTHS, target() + 13), ValueError, "target should lie between 0 and 12"),
        (lambda: speller().transcribe(frames(), LENGTHS, 0, 1, 0), ValueError, "max_length should be at least 1"),
    ],
)
def test_wrong_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_one_device():
    check_one_device(log_mel, torch.randn(2, 500), dtypes=(torch.float32,))
    check_one_device(standardised, frames(), LENGTHS)
    check_one_device(Listener(BANDS, D_HIDDEN), frames(), LENGTHS)
    check_one_device(speller(AdditiveScore(D_HIDDEN, D_HIDDEN, 5)), frames(), LENGTHS, target())
    check_one_device(speller(), frames(), LENGTHS, target())
    check_one_device(reader(), frames(), LENGTHS)
