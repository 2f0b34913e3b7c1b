"""Transformers: layers of attention and small networks, stacked into encoders, decoders and a language model."""

from attnbook.transformer.encoder_decoder import Transformer
from attnbook.transformer.language_model import LanguageModel
from attnbook.transformer.layers import DecoderLayer, EncoderLayer
from attnbook.transformer.stacks import Decoder, Encoder

__all__ = ["Decoder", "DecoderLayer", "Encoder", "EncoderLayer", "LanguageModel", "Transformer"]
