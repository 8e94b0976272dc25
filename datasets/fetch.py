"""Raw files: found in a person's folder, or downloaded and verified; and read out of their archive."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

from datasets.base import Source
from datasets.errors import DataError


def find(source: Source, data_dir: Path) -> Path | None:
    """The archive, else the raw file in its folder, else the raw file alone, in ``data_dir``; none if absent."""
    candidates = (source.archive, source.member, Path(source.member).name)
    return next((data_dir / name for name in candidates if (data_dir / name).is_file()), None)


def download(source: Source, data_dir: Path) -> Path:
    """Fetch the archive into ``data_dir`` and verify it.

    Raises DataError with what to do by hand if it cannot be had, or is not the file that was expected.
    """
    import pooch

    by_hand = f"put {source.archive} from {source.url} (or its {source.member}) into {data_dir}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        pooch.get_logger().setLevel("WARNING")
        path = pooch.retrieve(source.url, known_hash=f"sha256:{source.sha256}", fname=source.archive, path=data_dir)
    except OSError as error:  # requests' errors are among them
        raise DataError(
            f"{source.archive} is not in {data_dir} and could not be downloaded ({type(error).__name__}): {by_hand}"
        ) from error
    except ValueError as error:  # pooch's word for another hash; it has deleted the file
        raise DataError(
            f"what {source.url} sent is not the file with sha256 {source.sha256} that was published: {by_hand}"
        ) from error
    return Path(path)


def sha256(path: Path) -> str:
    """The hash of a file, as sha256sum prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content(source: Source, path: Path) -> bytes:
    """The raw file's bytes, out of the archive at ``path`` or the raw file itself.

    Raises DataError if the archive is damaged.
    """
    if path.name != source.archive:
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(source.member)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise DataError(
            f"{path} is not a whole zip archive with {source.member} in it ({error}); delete it and get it again"
        ) from error
