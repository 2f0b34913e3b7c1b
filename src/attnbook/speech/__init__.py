"""Speech: from samples to log-mel frames, from frames to states, and from states to text, by attention or by CTC."""

from attnbook.speech.frames import frame_count, log_mel, mel_filters, standardised
from attnbook.speech.listening import CTCReader, Listener, Speller

__all__ = ["CTCReader", "Listener", "Speller", "frame_count", "log_mel", "mel_filters", "standardised"]
