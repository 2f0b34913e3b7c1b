"""Explorers: pictures of one idea that answer when they are touched.

An explorer is a Python class and a JavaScript file of the same name, which does all the computing. JupyterLab and
Colab show it as a widget. The website mounts the same file without a kernel, and where there is no JavaScript a
still picture stands.
"""

from attnbook.explorers.alignment_explorer import AlignmentExplorer
from attnbook.explorers.cost_explorer import CostExplorer
from attnbook.explorers.explorer import Explorer, static_files, write_static
from attnbook.explorers.fading_memory_explorer import FadingMemoryExplorer
from attnbook.explorers.graph_explorer import GraphExplorer
from attnbook.explorers.heads_explorer import HeadsExplorer
from attnbook.explorers.influence_explorer import InfluenceExplorer
from attnbook.explorers.library_search_explorer import LibrarySearchExplorer
from attnbook.explorers.mask_explorer import MaskExplorer
from attnbook.explorers.patch_explorer import PatchExplorer
from attnbook.explorers.pattern_explorer import PatternExplorer
from attnbook.explorers.scale_explorer import ScaleExplorer
from attnbook.explorers.scene_explorer import SceneExplorer
from attnbook.explorers.score_explorer import ScoreExplorer
from attnbook.explorers.speech_explorer import SpeechExplorer
from attnbook.explorers.transformer_explorer import TransformerExplorer
from attnbook.explorers.weighted_sum_explorer import WeightedSumExplorer

__all__ = [
    "AlignmentExplorer",
    "CostExplorer",
    "Explorer",
    "FadingMemoryExplorer",
    "GraphExplorer",
    "HeadsExplorer",
    "InfluenceExplorer",
    "LibrarySearchExplorer",
    "MaskExplorer",
    "PatchExplorer",
    "PatternExplorer",
    "ScaleExplorer",
    "SceneExplorer",
    "ScoreExplorer",
    "SpeechExplorer",
    "TransformerExplorer",
    "WeightedSumExplorer",
    "static_files",
    "write_static",
]
