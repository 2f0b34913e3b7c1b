"""`python -m attnbook.evidence`: compute every results file and checkpoint again, from scratch."""

from attnbook.evidence import features, retrieval, score_functions, translation

if __name__ == "__main__":
    for experiment in (translation, score_functions, features, retrieval):
        print(f"## {experiment.__name__}", flush=True)
        experiment.recompute()
