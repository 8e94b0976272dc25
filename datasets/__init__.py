"""The data sets; importing this package registers all of them."""

from datasets import gowalla, movielens, msd, ncf, netflix, synthetic

__all__ = ["gowalla", "movielens", "msd", "ncf", "netflix", "synthetic"]
