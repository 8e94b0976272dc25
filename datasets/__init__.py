"""Data sets, each a way from a name to a split; importing the package registers them all."""

from datasets import movielens, synthetic

__all__ = ["movielens", "synthetic"]
