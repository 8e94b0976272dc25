"""Models that go wrong, each in its own way: a plugin for test_run.py."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import torch

from models.popularity import Popularity, PopularityConfig
from models.registry import register


def add(name):
    return register(name, PopularityConfig(), paper="none", deterministic=True)


@add("raises")
class Raises(Popularity):
    def train_epoch(self, data):
        if "MENDED" not in os.environ:
            raise ValueError("no such thing")
        return super().train_epoch(data)


@add("hangs")
class Hangs(Popularity):
    def train_epoch(self, data):
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(1000)", str(os.environ["MARK"])]
        )
        sum(range(10**12))  # one call that never gives the interpreter back
        return {}


@add("not-finite")
class NotFinite(Popularity):
    def score(self, history, users=None):
        return super().score(history) * float("nan")


@add("wrong-shape")
class WrongShape(Popularity):
    def score(self, history, users=None):
        return super().score(history)[:, 1:]


@add("too-big")
class TooBig(Popularity):
    def train_epoch(self, data):
        self.net["count"] = torch.from_numpy(np.ones(2**50, dtype=np.float32))
        return {}


@add("too-big-for-torch")
class TooBigForTorch(Popularity):
    def train_epoch(self, data):
        self.net["count"] = torch.ones(2**50)
        return {}


@add("exits")
class Exits(Popularity):
    def train_epoch(self, data):
        sys.exit(3)


@add("vanishes")
class Vanishes(Popularity):
    def train_epoch(self, data):
        print("about to vanish", file=sys.stderr, flush=True)
        os._exit(2)


@add("crashes")
class Crashes(Popularity):
    def train_epoch(self, data):
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(10)
        return {}


@add("killed")
class Killed(Popularity):
    def train_epoch(self, data):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(10)
        return {}


@add("chatty")
class Chatty(Popularity):
    """Nothing is wrong with it: what it prints is not a message to the runner."""

    def train_epoch(self, data):
        print('{"written": []}\n' * 10_000, flush=True)
        print("x" * 200_000, file=sys.stderr)
        return super().train_epoch(data)


def write_into_pipes(line: bytes) -> None:
    for descriptor in range(3, 100):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, line)
        except OSError:
            continue


@add("intrudes")
class Intrudes(Popularity):
    def train_epoch(self, data):
        write_into_pipes(b"no message\n")
        return super().train_epoch(data)


@add("fakes")
class Fakes(Popularity):
    def train_epoch(self, data):
        write_into_pipes(b'{"token": "", "ended": true}\n')
        return super().train_epoch(data)


def send(**message: object) -> None:
    """Send a message with the token, which is found where the trial's process keeps it."""
    frame = sys._getframe()
    while frame.f_code.co_name != "under_parent":
        assert frame.f_back
        frame = frame.f_back
    frame.f_locals["tell"](**message)


@add("claims")
class Claims(Popularity):
    def train_epoch(self, data):
        send(ended=True)
        time.sleep(10)  # else its record may be there before the run looks for it
        return super().train_epoch(data)


@add("refuses")
class Refuses(Popularity):
    def train_epoch(self, data):
        send(refused="there is no such thing")
        os._exit(3)


@add("pretends")
class Pretends(Popularity):
    """It dies as a process that cannot run its trial does."""

    def train_epoch(self, data):
        print("trial: there is no such thing", file=sys.stderr, flush=True)
        os._exit(2)


@add("real-time-signal")
class RealTimeSignal(Popularity):
    def train_epoch(self, data):
        os.kill(os.getpid(), signal.SIGRTMIN + 3)
        time.sleep(10)
        return {}
