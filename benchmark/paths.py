"""Where things are in this checkout. Nothing but the standard library is imported here."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
