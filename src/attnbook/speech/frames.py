"""Frames: a short stretch of sound every 12.5 ms, as the logarithm of its power in bands that hearing tells apart."""

import math

import torch
from torch import Tensor

from attnbook._checks import check_count, check_vectors, shape

RATE = 8000  # samples a second
WINDOW, HOP = 200, 100  # samples: 25 ms every 12.5 ms
N_FFT = 256  # the window is filled up with zeros to a power of 2
BANDS = 32
FLOOR = 1e-6  # power below which all is silence, so that the logarithm stays finite


def mel_filters(bands: int = BANDS) -> Tensor:
    """How much each frequency counts in each band: triangles, equally wide on the mel scale.

        mel(f) = 2595 log10(1 + f / 700)

    Up to some 1,000 Hz the scale is nearly straight, above it nearly logarithmic, as is the pitch that people hear.

    Args:
        bands: number of triangles between 0 Hz and the highest frequency, RATE / 2.
    Returns:
        (N_FFT / 2 + 1, bands); a triangle's top is 1.
    Source: the formula is O'Shaughnessy's (1987); triangles as in Davis and Mermelstein (1980).

    >>> filters = mel_filters(3)
    >>> filters.shape, [round(x) for x in (filters.argmax(dim=0) * RATE / N_FFT).tolist()]
    (torch.Size([129, 3]), [438, 1125, 2219])
    """
    check_count("bands", bands)
    top = math.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** torch.linspace(0, top, bands + 2, dtype=torch.float64) - 1)  # in Hz
    frequency = torch.linspace(0, RATE / 2, N_FFT // 2 + 1, dtype=torch.float64)[:, None]
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (frequency - left) / (middle - left), (right - frequency) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0)


def frame_count(samples: Tensor) -> Tensor:
    """How many whole windows fit into so many samples: 0 below 200, then one more with every 100.

    >>> frame_count(torch.tensor([199, 200, 299, 300, 8000])).tolist()
    [0, 1, 1, 2, 79]
    """
    return torch.where(samples < WINDOW, 0, (samples - WINDOW) // HOP + 1)


def log_mel(sound: Tensor, bands: int = BANDS) -> Tensor:
    """The log-mel spectrogram: window, Fourier transform, power, bands, logarithm.

        frame_t = log(M |F(w · sound[100 t : 100 t + 200])|² + 10⁻⁶)

    with the Hann window w, the Fourier transform F, and `mel_filters` M.

    Args:
        sound: samples from −1 to 1, 8,000 a second, (..., n).
        bands: numbers in a frame.
    Returns:
        frames, (..., frame_count(n), bands).
    Raises:
        ValueError: the sound is shorter than one window; with its shape.
        TypeError: it holds no floating-point numbers.
    Cost: O(n log N_FFT) time.

    >>> log_mel(torch.zeros(3, 8000)).shape
    torch.Size([3, 79, 32])
    """
    check_vectors("sound", sound[None] if isinstance(sound, Tensor) else sound)
    if sound.shape[-1] < WINDOW:
        raise ValueError(f"sound should have at least {WINDOW} samples (25 ms), got {shape(sound)}")
    window = torch.hann_window(WINDOW, dtype=sound.dtype, device=sound.device)
    windows = sound.unfold(-1, WINDOW, HOP) * window  # (..., n) -> (..., n_frames, WINDOW)
    spectrum = torch.fft.rfft(windows, N_FFT)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power @ mel_filters(bands).to(power) + FLOOR).log()


def standardised(frames: Tensor, lengths: Tensor) -> Tensor:
    """Frames whose bands have mean 0 and variance 1 over each utterance; zeros behind its end.

    A voice, a microphone and a steady noise raise or lower a band throughout, and so leave here.

    Args:
        frames: (b, n, bands).
        lengths: frames in each utterance, (b,).
    Returns:
        (b, n, bands).

    >>> standardised(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2])).flatten().round().tolist()
    [-1.0, 1.0, 0.0]
    """
    mask = (torch.arange(frames.shape[1], device=frames.device) < lengths[:, None])[..., None]
    count = lengths.clamp(min=1)[:, None, None]
    centred = (frames - (frames * mask).sum(dim=1, keepdim=True) / count) * mask
    return centred / (centred.square().sum(dim=1, keepdim=True) / count + 1e-5).sqrt()
