"""The models, one paper a file; importing this package registers all of them."""

from models import als, bpr, ease, popularity, variants

__all__ = ["als", "bpr", "ease", "popularity", "variants"]
