"""`python -m attnbook.evidence`: compute every results file and checkpoint again, from scratch."""

from attnbook.evidence import translation

if __name__ == "__main__":
    for experiment in (translation,):
        print(f"## {experiment.__name__}", flush=True)
        experiment.recompute()
