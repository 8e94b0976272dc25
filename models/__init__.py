"""The models, one paper a file; importing this package registers all of them."""

from models import als, bpr, linear, neumf, popularity, variants

__all__ = ["als", "bpr", "linear", "neumf", "popularity", "variants"]
from models import als, bpr, ials, item_knn, linear, popularity, variants

__all__ = ["als", "bpr", "ials", "item_knn", "linear", "popularity", "variants"]
from models import als, bpr, linear, popularity, slim, variants

__all__ = ["als", "bpr", "linear", "popularity", "slim", "variants"]
from models import als, bpr, cdae, linear, popularity, recvae, variants

__all__ = ["als", "bpr", "cdae", "linear", "popularity", "recvae", "variants"]
