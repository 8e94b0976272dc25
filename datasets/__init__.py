"""The data sets; importing this package registers all of them."""

from datasets import gowalla, lastfm, movielens, msd, ncf, netflix, synthetic

__all__ = ["gowalla", "lastfm", "movielens", "msd", "ncf", "netflix", "synthetic"]
