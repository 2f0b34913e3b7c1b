"""Training: one loop for every model of the book, the same on a CPU, a GPU, and several of them."""

from attnbook.training._processes import Batch, Loss
from attnbook.training.basics import best_device, count_parameters, seed_everything
from attnbook.training.loop import DivergedError, fit

__all__ = ["Batch", "DivergedError", "Loss", "best_device", "count_parameters", "fit", "seed_everything"]
