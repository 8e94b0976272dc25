"""The models, one paper a file; importing this package registers all of them."""

from models import als, bpr, cdae, linear, popularity, recvae, variants

__all__ = ["als", "bpr", "cdae", "linear", "popularity", "recvae", "variants"]
