"""Data sets, each a way from a name to a split; importing the package registers them all."""

from datasets import gowalla, movielens, msd, netflix, synthetic

__all__ = ["gowalla", "movielens", "msd", "netflix", "synthetic"]
