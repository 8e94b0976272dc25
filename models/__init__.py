"""Models, one paper a file; importing the package registers them all."""

from models import als, bpr, ease, popularity, variants

__all__ = ["als", "bpr", "ease", "popularity", "variants"]
