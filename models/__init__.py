"""Models, one paper a file; importing the package registers them all."""

from models import autoencoder, ease, popularity

__all__ = ["autoencoder", "ease", "popularity"]
