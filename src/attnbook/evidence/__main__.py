"""Compute what the chapters quote again, from scratch: `python -m attnbook.evidence [results | checkpoints]`.

Without an argument, both: every results file, and every trained model that a chapter opens.
"""

import sys

from attnbook.evidence import (
    features,
    graph,
    heads,
    heads_pruned,
    influence,
    language_model,
    multimodal,
    retrieval,
    scale,
    score_functions,
    speech,
    speech_clips,
    transformer,
    translation,
    vision,
)

EXPERIMENTS = (
    translation,
    transformer,
    score_functions,
    heads,
    heads_pruned,
    language_model,
    features,
    retrieval,
    scale,
    influence,
    speech_clips,
    speech,
    graph,
    vision,
    multimodal,
)
PARTS = {"results": "recompute", "checkpoints": "train_checkpoint"}


def main(parts: list[str]) -> None:
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"expected results or checkpoints, got {' '.join(sorted(unknown))}")
    for experiment in EXPERIMENTS:
        for part in parts or PARTS:
            if compute := getattr(experiment, PARTS[part], None):
                print(f"## {experiment.__name__}: {part}", flush=True)
                compute()


if __name__ == "__main__":
    main(sys.argv[1:])
