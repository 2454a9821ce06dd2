"""Floor 4. Zones as files: what was read before each write, for a person to look at without wixsend.

`BACKUPS/example.com-20261124T135912Z-7.json` is what was read, `….zone` the same as a zone file where the whole zone was read. They
name zone, time and run; the number is the one that `wixsend restore` takes. Nothing in them is secret, and nothing of them is read
back: the journal has its own copy. Their owner alone can read them.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wixsend.names import text
from wixsend.records import WHOLE, Snapshot
from wixsend.zonefile import zone_file

__all__ = ["KEEP", "forget", "put_away"]

KEEP = 365 * 86400.0
"""For how many seconds backups are kept unless `[state] keep_backups` says otherwise."""


def put_away(folder: Path, number: int, about: Mapping[str, Any], snapshot: Snapshot, payload: str, at: float, written: list[Path]) -> None:
    """Write one backup, and add each file to those that were `written`. Raises `OSError`.

    `about` says whose zone it was, `payload` is the snapshot as JSON.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = datetime.fromtimestamp(at, UTC)
    stem = f"{_plain(text(snapshot.zone.apex))}-{moment:%Y%m%dT%H%M%SZ}-{number}"
    facts = {"backup": number, "read_at": moment.isoformat(), **about}
    whole = {**facts, "snapshot": json.loads(payload)}
    files = {folder / f"{stem}.json": json.dumps(whole, indent=2, ensure_ascii=False) + "\n"}
    if snapshot.covers is WHOLE:
        remarks = (f"zone {text(snapshot.zone.apex)}", *(f"{name} {value}" for name, value in facts.items()))
        files[folder / f"{stem}.zone"] = zone_file(snapshot, remarks)
    for path, content in files.items():
        _write(path, content)
        written.append(path)


def forget(folder: Path, before: float) -> None:
    """Delete the files of backups that were written before this moment."""
    for path in folder.glob("*-*Z-*.*"):
        if path.suffix in (".json", ".zone") and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def _plain(name: str) -> str:
    """A zone's name as part of a file's: a label may hold any octet, slashes too."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "_" for c in name)


def _write(path: Path, written: str) -> None:
    """A file that its owner alone can read, whole or not at all; never through a link that somebody laid."""
    half = path.with_name(path.name + ".part")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(written)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
