"""attnbook: the library of Paying Attention, an interactive textbook on the attention mechanism.

Modules stand on floors and import only from lower ones: scores and masks; attention; heads; models; explorers.
"""

__version__ = "0.1.0"
