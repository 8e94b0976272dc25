"""The models, one paper a file; importing this package registers all of them."""

from models import als, bpr, cdae, ials, item_knn, linear, neumf, popularity, recvae, slim, variants

__all__ = [
    "als",
    "bpr",
    "cdae",
    "ials",
    "item_knn",
    "linear",
    "neumf",
    "popularity",
    "recvae",
    "slim",
    "variants",
]
