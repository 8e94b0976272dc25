"""Models, one paper a file; importing the package registers them all."""

from models import als, autoencoder, bpr, ease, popularity

__all__ = ["als", "autoencoder", "bpr", "ease", "popularity"]
