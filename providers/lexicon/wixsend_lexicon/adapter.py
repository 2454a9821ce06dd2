"""What is asked of a host through lexicon: that the account holds a zone, and that records be made. What a zone holds is seen in DNS."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from wixsend import (
    Credentials,
    CredentialsRejected,
    Edit,
    EditRejected,
    ErrorRule,
    Name,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    RateLimited,
    Receipt,
    Snapshot,
    Unavailable,
    Wire,
    Zone,
    text,
)
from wixsend_lexicon.fence import Ended, Job, run
from wixsend_lexicon.hosts import Host

__all__ = ["ERRORS", "Bridged"]

_BY_HAND = "Add the records by hand in the host's panel: `wixsend plan` prints them, and wixsend goes on when they are there."
_PATIENCE = 4.0
"""How many times its time-out a job may take, and again for each record."""


def _says(error: Ended) -> str:
    status = f", HTTP {error.status}" if error.status else ""
    return f"{error} ({error.error}{status})"


def _rule(becomes: type[ProviderError], why: str, when: Callable[[Ended], bool], next_step: str = "") -> ErrorRule:
    return ErrorRule(Ended, becomes, when, why, next_step, _says)


ERRORS: tuple[ErrorRule, ...] = (
    _rule(CredentialsRejected, "the host did not take the credentials", lambda error: error.status == 401),
    _rule(PermissionMissing, "the credentials may not do this", lambda error: error.status == 403),
    _rule(RateLimited, "too many calls", lambda error: error.status == 429),
    _rule(CredentialsRejected, "lexicon could not log in", lambda error: error.error == "AuthenticationError"),
    _rule(EditRejected, "lexicon lacks what it needs for this host", lambda error: error.error == "ProviderNotAvailableError", _BY_HAND),
    _rule(Unavailable, "lexicon failed", lambda error: True),
)


class Bridged:
    """An account at one host, through lexicon."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, host: Host, credentials: Credentials, wire: Wire) -> None:
        self._host = host
        self._credentials = host.given(credentials)
        self._wire = wire

    def zone(self, apex: Name) -> list[Zone]:
        """The zone, where lexicon can log in for it. It says "no such domain" in the words of eighty hosts, so `none` is an error too."""
        self._run(apex)
        return [Zone(apex, ref=text(apex))]

    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """Never called: the plugin's `reads` is "dns". Half of lexicon's lists are cut short, or filtered by parts of a name."""
        raise Unavailable(f"{self._host.label} is not read through lexicon")

    def write(self, edit: Edit) -> Receipt:
        """Make CNAME records, one after the other in one process. lexicon's "yes" is no itemised answer: DNS tells what came of it."""
        others = [record for record in edit.adds if record.rtype != "CNAME"]
        if edit.removes or others:
            listed = "; ".join(map(str, (*edit.removes, *others)))
            raise EditRejected(
                f"{self._host.label}: through lexicon wixsend adds CNAME records, and does nothing else ({listed})", _BY_HAND
            )
        records = [(text(record.owner), text(record.target)) for record in edit.adds]
        try:
            self._run(edit.before.zone.apex, records)
        except Ended as ended:
            self._not_sure(ended)
        return Receipt()

    def close(self) -> None:
        """Nothing is open between two jobs."""

    def _run(self, apex: Name, records: Sequence[tuple[str, str]] = ()) -> None:
        self._wire.before("POST" if records else "GET", self._wire.base_url)
        deadline = self._wire.timeout * _PATIENCE * (1 + len(records))
        run(Job(self._host.name, text(apex), self._credentials, records, self._wire.timeout, deadline))

    def _not_sure(self, ended: Ended) -> NoReturn:
        """What an unhappy end means for an edit: not done only where the host said so before the first record."""
        if ended.done == 0 and ended.status is not None and ended.status < 500:
            raise ended
        made = "it is not known how many" if ended.done is None else str(ended.done)
        raise OutcomeUnknown(
            f"{self._host.label}: {_says(ended)}; records made until then: {made}", "wixsend looks in DNS before anything else."
        ) from ended
