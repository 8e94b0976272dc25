"""Makes file names out of names that a person, a plugin or a record has chosen."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST = 120
"""The most bytes of a file name's stem. File systems take 255 or less, and an ending and the marks
of a temporary file are added to it."""
RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])(\.|$)", re.IGNORECASE)
"""Names that Windows gives to devices, whatever ending follows."""


def file_name(name: str) -> str:
    """Return the stem of a file name that stands for ``name`` on every system.

    It is one part of a path, of at most 120 bytes: letters, digits, ``_``, and single ``-`` and
    ``.`` within. A name that is so already is returned as it is. In any other, what is not allowed
    becomes ``-``, and ``--`` and a hash of the name follow, so that two names never share a file.
    Capitals stay, but need the hash too, since some systems do not tell them from small letters.
    """
    kept = re.sub(r"[^\w.-]", "-", unicodedata.normalize("NFC", name))
    kept = re.sub(r"\.(?=\.|$)", "-", re.sub(r"^([.-]|$)", "_", kept))
    kept = re.sub(r"--+", "-", f"_{kept}" if RESERVED.match(kept) else kept)
    if kept == name == name.casefold() and len(kept.encode()) <= LONGEST:
        return name
    # a lone surrogate has no encoding of its own
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    shortened = kept.encode()[: LONGEST - 10].decode(errors="ignore").rstrip("-")
    return f"{shortened}--{digest}"
