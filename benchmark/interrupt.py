"""Ctrl-C while libraries are imported, which takes seconds."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial


def at_once(program: str) -> Callable[[], object]:
    """Let Ctrl-C end this process at once, with one sentence; return what restores the usual.

    Libraries swallow or reword a KeyboardInterrupt that is raised while they are imported.
    """
    usual = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        print(f"\n{program}: stopped; the same command goes on from there", file=sys.stderr)
        os._exit(130)

    if usual is signal.default_int_handler:  # else whoever started this has ruled it out
        signal.signal(signal.SIGINT, stop)
    return partial(signal.signal, signal.SIGINT, usual)
