"""Downloads from a server on this machine that drops the connection, does not know ranges, or sends
something else.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import http.server
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from datasets import fetch
from datasets.errors import DataError
from datasets.movielens import ML1M

CONTENT = np.random.RandomState(0).bytes(600_000)
FOLDER = ".ml-1m.zip.download"


class Server(http.server.ThreadingHTTPServer):
    """Sends CONTENT."""

    drop_after: int | None = None
    """Bytes after which the connection breaks."""
    knows_ranges = True
    asked: list[str | None]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = (
            int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if asked and self.server.knows_ranges
            else 0
        )
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = len(CONTENT) if self.server.drop_after is None else start + self.server.drop_after
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def source(server: Server, content: bytes = CONTENT, algorithm: str = "sha256") -> fetch.Source:
    checksums = {"ml-1m.zip": f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"}
    return dataclasses.replace(
        ML1M.source, url=f"http://127.0.0.1:{server.server_port}/", checksums=checksums
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kept(folder: Path, content: bytes) -> None:
    """Leave what an interrupted download keeps."""
    (folder / FOLDER).mkdir()
    (folder / FOLDER / "part").write_bytes(content)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_is_verified_and_appears_whole(server, algorithm, tmp_path):
    (path,) = fetch.download(source(server, algorithm=algorithm), tmp_path)
    assert path.read_bytes() == CONTENT
    assert fetch.verified(source(server, algorithm=algorithm), (path,))
    assert (names(tmp_path), server.asked) == (["ml-1m.zip"], [None])


def test_a_dropped_download_goes_on_where_it_stopped(server, tmp_path):
    server.drop_after = 250_000
    received = 0
    for _ in range(2):
        with pytest.raises(
            DataError,
            match=r"(\d+) bytes came and are kept, so run it again, or put ml-1m.zip from",
        ):
            fetch.download(source(server), tmp_path)
        assert names(tmp_path) == [FOLDER]
        assert names(tmp_path / FOLDER) == ["part"]
        part = (tmp_path / FOLDER / "part").read_bytes()
        assert len(part) > received + 150_000
        assert part == CONTENT[: len(part)]
        received = len(part)
    server.drop_after = None
    (path,) = fetch.download(source(server), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={received}-"
    assert names(tmp_path) == ["ml-1m.zip"]


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.drop_after, server.knows_ranges = 300_000, False
    with pytest.raises(DataError):
        fetch.download(source(server), tmp_path)
    server.drop_after = None
    (path,) = fetch.download(source(server), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_verified_and_taken(server, tmp_path):
    kept(tmp_path, CONTENT)
    (path,) = fetch.download(source(server), tmp_path)
    assert path.read_bytes() == CONTENT


def test_what_a_killed_download_left_is_deleted(server, tmp_path):
    kept(tmp_path, CONTENT[:1000])
    (tmp_path / FOLDER / "tmp0x9_a2").touch()
    (path,) = fetch.download(source(server), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]
    assert names(tmp_path) == ["ml-1m.zip"]


def test_a_file_that_another_process_has_downloaded_meanwhile_is_taken(server, tmp_path):
    (tmp_path / "ml-1m.zip").write_bytes(CONTENT)
    fetch.download(source(server), tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("part", [b"", b"something else"])
def test_another_file_than_the_published_is_refused_and_deleted(server, part, tmp_path):
    kept(tmp_path, part)
    with pytest.raises(
        DataError,
        match=r"does not have the published checksum sha256:\w{64}; put ml-1m.zip from",
    ):
        fetch.download(source(server, CONTENT[:-1]), tmp_path)
    assert names(tmp_path) == []


def test_licence_and_citation_are_said_before_the_first_byte(server, tmp_path, capsys):
    server.drop_after = 0
    with pytest.raises(DataError):
        fetch.download(source(server), tmp_path)
    said = capsys.readouterr().out
    assert ML1M.source.licence in said
    assert ML1M.source.citation in said


def test_without_a_checksum_the_file_is_taken_and_is_not_verified(server, tmp_path):
    unknown = dataclasses.replace(source(server), checksums={})
    raw = fetch.download(unknown, tmp_path)
    assert raw[0].read_bytes() == CONTENT
    assert not fetch.verified(unknown, raw)
    assert "archive unverified" in fetch.unverified(unknown, raw)


def test_a_missing_page_leaves_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(DataError, match=r"could not be downloaded \(HTTPError\): put"):
        fetch.download(source(server), tmp_path)
    assert names(tmp_path) == []


def test_a_full_disk_is_said_and_what_came_is_kept(server, tmp_path, monkeypatch):
    room = iter(range(3))

    def advance(*_) -> None:
        if next(room) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rich.progress.Progress.advance", advance)
    with pytest.raises(
        DataError, match=r"\(No space left on device\); 196608 bytes came and are kept"
    ):
        fetch.download(source(server), tmp_path)
    assert names(tmp_path) == [FOLDER]
    assert names(tmp_path / FOLDER) == ["part"]


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_has_the_name_of_an_archive_and_is_no_file_is_a_sentence(kind, tmp_path):
    path = tmp_path / "ml-1m.zip"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    with pytest.raises(DataError, match=r"ml-1m.zip is not a plain file; move it away, and put "):
        fetch.download(ML1M.source, tmp_path)
