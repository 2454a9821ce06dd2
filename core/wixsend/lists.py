"""Floor 6. A list of domains as a person gives it: read, and each row told who asks Wix for it, and that its host and account exist."""

import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from wixsend.errors import ConfigError
from wixsend.forecast import Wanted
from wixsend.session import Session
from wixsend.sheet import Fault, Row, Sheet, read_sheet

__all__ = ["Listed", "digest_of", "read", "routed", "source_of"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was read: where it came from, its rows that can be routed, and the site of each."""

    source: str
    sheet: Sheet
    sites: tuple[str, ...]

    @property
    def wanted(self) -> list[Wanted]:
        return [
            Wanted(row.line, row.domain, site, row.wix, row.provider, row.account, row.dmarc)
            for row, site in zip(self.sheet.rows, self.sites, strict=True)
        ]


def routed(session: Session, file: str, data: bytes) -> Listed:
    """Read a list, and find out for each row who asks Wix for which site, and that its host and account exist."""
    source, sheet = source_of(file), read_sheet(data)
    routes = _Routes(session)
    rows: list[Row] = []
    sites: list[str] = []
    faults = [*sheet.faults]
    first: dict[tuple[str, str], int] = {}
    elsewhere: dict[str, int] = {}
    remarks = [*sheet.remarks]
    for row in sheet.rows:
        site, reason = routes.of(row)
        before = first.setdefault((site, row.domain.ascii), row.line)
        if not reason and before != row.line:
            reason = f"{row.domain.ascii} is there already for the same site, in line {before}"
        if reason:
            faults.append(Fault(row.line, reason))
        else:
            rows.append(row)
            sites.append(site)
            other = elsewhere.setdefault(row.domain.ascii, row.line)
            if other != row.line:
                said = f"{row.domain.ascii} is in line {other} for another site: where they want different records, neither is written"
                remarks.append(Fault(row.line, said))
    in_order = [tuple(sorted(found, key=lambda fault: fault.line)) for found in (faults, remarks)]
    return Listed(source, replace(sheet, rows=tuple(rows), faults=in_order[0], remarks=in_order[1]), tuple(sites))


def source_of(file: str) -> str:
    """What a list is called in the journal: its path, or `stdin` for `-`."""
    return "stdin" if file == "-" else str(Path(file).absolute())


def digest_of(session: Session, data: bytes, *, skip_bad: bool) -> str:
    """Equal for what means the same rows: the list, and the settings by which they are routed."""
    routes = sorted(
        (path, str(each.value)) for path, each in session.config.set.items() if path[0] in ("wix", "accounts") and not each.secret
    )
    return hashlib.sha256(repr((data, routes, skip_bad)).encode()).hexdigest()


def read(file: str) -> bytes:
    """A list, or stdin for `-`. Raises `ConfigError`."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as wrong:
        raise ConfigError(f"the list {file} cannot be read: {wrong.strerror}", "Check its path and permissions.") from wrong


class _Routes:
    """Who a row's columns mean; each name is looked up once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._sites: dict[str, tuple[str, str]] = {}
        self._reasons: dict[tuple[str, str], str] = {}

    def of(self, row: Row) -> tuple[str, str]:
        """The row's site, and why it cannot be worked on; the latter empty when it can."""
        if row.wix not in self._sites:
            try:
                self._sites[row.wix] = self._session.site_of(row.wix), ""
            except ConfigError as wrong:
                self._sites[row.wix] = "", f"{wrong.happened}. {wrong.next_step}"
        site, reason = self._sites[row.wix]
        if (row.provider, row.account) not in self._reasons:
            self._reasons[row.provider, row.account] = self._session.unroutable(row.provider, row.account)
        return row.site_id.lower() or site, reason or self._reasons[row.provider, row.account]
