"""What is stored of each trial: one JSON file and its per-user results."""

from benchmark.records.store import load

__all__ = ["load"]
