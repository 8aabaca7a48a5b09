"""What gridbus costs, beside its peers; run with ``python -m benchmarks.bus``."""
