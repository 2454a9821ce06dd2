"""Floor 0. Domain names as labels: what a person or a vendor wrote, made into a name once, and never compared as text.

Everything below the faces handles `dns.name.Name`, absolute. The two conversions that exist are here: text that a person
typed (`parse_sending_domain`), and text that a vendor sent (`absolute`). Words are those of RFC 9499.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

import dns.exception
import dns.name
from dns.name import Name

from wixsend.errors import BadDomain

__all__ = [
    "PUBLIC_MAILBOX_DOMAINS",
    "Name",
    "SendingDomain",
    "absolute",
    "ancestors",
    "is_below",
    "matches_suffix",
    "owner_in",
    "parse_sending_domain",
    "relative_text",
    "text",
    "wildcards_over",
]

PUBLIC_MAILBOX_DOMAINS: frozenset[str] = frozenset(
    """
    gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.es yahoo.it yahoo.co.in yahoo.co.jp yahoo.com.br
    ymail.com rocketmail.com outlook.com hotmail.com hotmail.co.uk hotmail.fr hotmail.de hotmail.it live.com live.co.uk msn.com
    aol.com icloud.com me.com mac.com proton.me protonmail.com pm.me gmx.com gmx.de gmx.net gmx.at web.de mail.com mail.ru
    yandex.com yandex.ru zoho.com fastmail.com hey.com tutanota.com tuta.com t-online.de freenet.de orange.fr wanadoo.fr free.fr
    laposte.net sfr.fr libero.it virgilio.it tiscali.it qq.com 163.com 126.com sina.com naver.com daum.net hanmail.net
    rediffmail.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net shaw.ca rogers.com
    btinternet.com sky.com walla.co.il uol.com.br bol.com.br terra.com.br wp.pl onet.pl o2.pl interia.pl seznam.cz
    """.split()  # noqa: SIM905
)
"""Domains whose mailboxes belong to the public: Wix sends for them from a domain of its own, so there is nothing to authenticate."""

_LONGEST = 1100
"""Characters of a name with all of its 255 octets escaped, and some: what is longer is no name, and is not looked at."""

_LABEL = re.compile(rb"\A(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")

_PLAIN = re.compile(rb"[A-Za-z0-9_*.-]+")
"""Labels of which no octet is escaped when they are written, if the dots are those between them."""


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """What the user and Wix call the sending domain: `name` absolute, `remark` what we understood differently.

    `ascii` is the form that Wix's API takes and gives: lower-case A-labels without the final dot. The journal has it so too.
    """

    name: Name
    remark: str = ""
    ascii: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ascii", text(self.name))

    @property
    def unicode(self) -> str:
        """The form to show to a person: U-labels where the name has any."""
        return self.name.to_unicode(omit_final_dot=True, idna_codec=dns.name.IDNA_2008_Practical)


def text(name: Name) -> str:
    """The name in lower case without the final dot; the root is `.`."""
    plain = b".".join(name.labels[:-1])
    if _PLAIN.fullmatch(plain) and plain.count(b".") == len(name.labels) - 2 and not name.labels[-1]:  # as dnspython does, in a tenth
        return plain.decode().lower()
    return "." if name == dns.name.root else name.canonicalize().to_text(omit_final_dot=True)


def owner_in(written: str, domain: Name) -> Name:
    """The owner that a person names: absolute when it is at or below the domain, else relative to it. Raises `ValueError`."""
    name = absolute(written)
    return name if name.is_subdomain(domain) else absolute(written, domain)


def absolute(written: str, origin: Name = dns.name.root) -> Name:
    """The absolute name that a vendor's `written` means, relative text being relative to `origin`.

    `@` and the empty string mean `origin`; a final dot makes it absolute whatever the origin. Case is kept by `Name`
    and ignored by its comparison. Raises `ValueError` for what is no domain name.
    """
    if written in ("", "@"):
        return origin
    if len(written) > _LONGEST:
        raise ValueError(f"a text of {len(written)} characters is not a domain name")
    return _read(written, origin.labels)


@lru_cache(maxsize=16384)
def _read(written: str, origin: tuple[bytes, ...]) -> Name:
    """`absolute`, of which the same few texts are asked again and again: Wix's targets, hosts' suffixes, each name of a domain.

    The origin's labels, as a name's own hash is slower than the rest.
    """
    try:
        return dns.name.from_text(written, Name(origin), idna_codec=dns.name.IDNA_2008_Practical)
    except (
        dns.name.IDNAException,
        dns.name.LabelTooLong,
        dns.name.NameTooLong,
        dns.name.EmptyLabel,
        dns.name.BadEscape,
    ) as wrong:
        raise ValueError(f"{written!r} is not a domain name: {type(wrong).__name__}") from wrong
    except UnicodeError as wrong:
        raise ValueError(f"{written!r} is not a domain name") from wrong


def relative_text(name: Name, apex: Name) -> str:
    """The owner as most hosts' panels write it: relative to the apex, `@` for the apex itself; absolute text when it is outside."""
    if name == apex:
        return "@"
    if not name.is_subdomain(apex):
        return text(name) + "."
    return name.canonicalize().relativize(apex.canonicalize()).to_text()


def is_below(name: Name, ancestor: Name) -> bool:
    """True for a proper descendant: compared by label, so `notexample.com` is not below `example.com`."""
    return name != ancestor and name.is_subdomain(ancestor)


def ancestors(name: Name, top: Name) -> tuple[Name, ...]:
    """The names strictly above `name`, nearest first, down to and including `top`; empty when `name` is not below `top`."""
    return _above(name.labels, len(name) - len(top)) if name.is_subdomain(top) else ()


@lru_cache(maxsize=16384)
def _above(labels: tuple[bytes, ...], steps: int) -> tuple[Name, ...]:
    """Asked several times about each name of a domain."""
    return tuple(Name(labels[step:]) for step in range(1, steps + 1))


_STAR = Name((b"*",))


def wildcards_over(name: Name, apex: Name) -> tuple[Name, ...]:
    """The wildcard owners that could answer for `name` inside the zone at `apex` (RFC 4592), nearest first."""
    return tuple(_STAR.concatenate(above) for above in ancestors(name, apex))


def matches_suffix(name: Name, suffixes: frozenset[Name] | tuple[Name, ...]) -> bool:
    """True when `name` equals, or is below, any of the suffixes, on a label boundary."""
    return any(name.is_subdomain(suffix) for suffix in suffixes)


def parse_sending_domain(written: str) -> SendingDomain:
    """The sending domain that a person means: a domain, also in upper case, with a final dot, as an IDN, or inside a URL or an address.

    Whatever was taken from a longer text is said in `remark`. Raises `BadDomain` with the reason and the next step.
    """
    given = written.strip()
    if any(ord(character) < 32 or ord(character) == 127 for character in given):
        raise BadDomain("the domain contains control characters", "Type it anew, without copying it from elsewhere.")
    if len(given) > _LONGEST:
        raise BadDomain(f"a text of {len(given)} characters is no domain", "Give a domain such as example.com.")
    host, remark = given, ""
    if "://" in given or "/" in given:
        try:
            host = urlsplit(given if "://" in given else f"//{given}").hostname or ""
        except ValueError:
            host = ""
        if not host:
            raise BadDomain(f"{given!r} is a URL without a host", "Give the domain itself, such as example.com.")
        remark = f"took the domain {host} from the URL {given}"
    elif "@" in given:
        host = given.rpartition("@")[2].rstrip(">").strip()
        remark = f"took the domain {host} from the address {given}"
    elif host.endswith(".") and not host.endswith(".."):
        host = host[:-1]
    if host.startswith("www."):
        remark = (
            remark + "; " if remark else ""
        ) + "the domain begins with www.: mail is seldom sent from such a name, did you mean the name without it?"
    return SendingDomain(_checked(host, given), remark)


def _checked(host: str, given: str) -> Name:
    """The host as an absolute name of at least two labels; `BadDomain` for anything that Wix could not hold."""
    example = "Give a domain such as example.com."
    if not host:
        raise BadDomain(f"{given!r} names no domain", example)
    try:
        name = dns.name.from_text(host, dns.name.root, idna_codec=dns.name.IDNA_2008_UTS_46).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as wrong:
        raise BadDomain(f"{given!r} is not a domain name ({str(wrong).rstrip('.')})", example) from wrong
    labels = name.labels[:-1]
    if len(labels) < 2:
        raise BadDomain(f"{given!r} has a single label", example)
    if not all(_LABEL.match(label) for label in labels):
        raise BadDomain(f"{given!r} has characters that a host name may not have", example)
    if labels[-1].isdigit():
        raise BadDomain(f"{given!r} is an IP address", example)
    if not 4 <= len(text(name)) <= 64:
        raise BadDomain(f"{given!r} has {len(text(name))} characters; Wix takes sending domains of 4 to 64", example)
    return name
