"""Floor 4. The folder that holds the journal, its locks and the log: written by its owner alone, or not used."""

import os
import shlex
import stat
from pathlib import Path

from wixsend.errors import ConfigError, JournalError

__all__ = ["append_private", "expanded", "make_private", "private_folder"]


def expanded(written: str, origin: str) -> Path:
    """A path of the configuration, `~` being the user's folder. Raises `ConfigError` where nobody has that name; `origin` is its place."""
    try:
        return Path(written).expanduser()
    except RuntimeError as wrong:
        raise ConfigError(f"{origin}: nobody's home folder is {written.partition('/')[0]}", "Write the path from / on.") from wrong


def private_folder(path: Path) -> Path:
    """The folder, made where it is missing. Raises `JournalError` for one that somebody else owns or can write to.

    Whoever can write to it can put another journal in place of ours, and `undo` believes the journal; or a link in place of a file that
    we write.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = path.stat()
    except (OSError, ValueError) as wrong:
        cause = getattr(wrong, "strerror", None) or wrong
        raise JournalError(f"the state folder {path} cannot be made or read: {cause}", "Name another: --state FOLDER") from wrong
    if os.name != "posix":
        return path
    if status.st_uid not in (os.geteuid(), 0):
        raise JournalError(f"the state folder {path} belongs to another user, so it is not used", "Name one of your own: --state FOLDER")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise JournalError(
            f"the state folder {path} can be written by other users (mode {stat.S_IMODE(status.st_mode):04o}), so it is not used",
            f"Close it (chmod go-w {shlex.quote(str(path))}), or name a folder inside it that only you can write to: --state FOLDER",
        )
    return path


def make_private(path: str) -> None:
    """Make a database's file, or close one that others can read. SQLite gives the files beside it its permissions. Raises `OSError`."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.name == "posix" and Path(path).stat().st_mode & 0o077:
            Path(path).chmod(0o600)


def append_private(path: Path, text: str) -> None:
    """Append to a file that its owner alone can read; never through a link. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
