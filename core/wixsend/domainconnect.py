"""Floor 4. Domain Connect, as far as it tells who serves a zone and where its owner edits it (draft-ietf-dconn-domainconnect, discovery).

A zone says in a TXT record where its host answers over HTTPS, and the host's settings say its name and where its panel is. All of that is
a stranger's word. So nothing but that one document is asked for, over HTTPS alone, at public addresses that we looked up ourselves, with
the certificate verified for the name, no redirect followed and a bounded body; and nothing in the answer is asked for. One-click set-up
takes a template, and Wix publishes none for these records: what the host could do with one is told, and not done.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wixsend.errors import DnsUnreachable, WixsendError
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, text
from wixsend.packets import Place
from wixsend.records import txt_text
from wixsend.redact import visible
from wixsend.verdict import Delegation

__all__ = ["Offer", "discover"]

_PORT = 443
_LARGEST = 65536
_SECONDS = 10.0
_TRIES = 2
"""Addresses of the host that are tried."""

_PREFIX = re.compile(r"\A(?P<host>[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+)(?P<path>(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)/?\Z")
"""What the TXT record may say: a host name, and perhaps a path."""
_URL = re.compile(r"\Ahttps://[\x21-\x7e]{1,1000}\Z")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Offer:
    """What a zone's host tells by Domain Connect.

    `prefix` is where it answers, by the zone's own word. `name` is what it calls itself, `panel` the https URL at which the owner edits
    the zone, `one_click` whether it takes templates; `trouble` says why nothing is known. All of it is a stranger's text in one line.
    """

    prefix: str
    name: str = ""
    panel: str = ""
    one_click: bool = False
    trouble: str = ""


async def discover(dns: Dns, delegation: Delegation) -> Offer | None:
    """What the zone's host offers; `None` when the zone does not say, or only resolvers could be asked, who would remember a no."""
    if delegation.by_resolver:
        return None
    try:
        said = await dns.followed(absolute("_domainconnect", delegation.apex), "TXT")
    except (DnsUnreachable, ValueError):
        return None
    prefixes = [prefix for prefix in map(_text, said) if prefix]
    if not prefixes:
        return None
    shown = visible(prefixes[0])[:200]
    found = _PREFIX.match(prefixes[0])
    if len(prefixes) > 1 or found is None or len(prefixes[0]) > 255:
        return Offer(shown, trouble="the zone's _domainconnect record is not of the form that Domain Connect has")
    try:
        async with asyncio.timeout(_SECONDS):
            return _offer(shown, await _settings(dns, found["host"], found["path"], delegation.apex), delegation.apex)
    except TimeoutError:
        return Offer(shown, trouble="its settings did not come in time")
    except (WixsendError, OSError, ValueError) as wrong:
        return Offer(shown, trouble=visible(str(wrong))[:200])


def _text(rdata: str) -> str:
    try:
        return txt_text(rdata).strip()
    except ValueError:
        return ""


async def _settings(dns: Dns, host: str, path: str, apex: Name) -> Any:
    """The settings document for a zone. `OSError` when nobody gives it, `ValueError` for what is none."""
    places = await dns.places(absolute(host), _PORT)
    if not places:
        raise OSError(f"{host} has no address on the public internet")
    if dns.settings.proxy is not None:
        raise OSError("an HTTP proxy is set, which would choose the address itself")
    trouble: Exception = OSError()
    for place in places[:_TRIES]:
        try:
            return await _ask(place, host, f"{path}/v2/{text(apex)}/settings", dns.settings.ca_file)
        except OSError as wrong:
            trouble = wrong
    raise trouble


async def _ask(place: Place, host: str, path: str, ca_file: str | None) -> Any:
    import httpx

    from wixsend.errors import Unavailable
    from wixsend.wire import HttpWire

    address, port = place
    origin = f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
    wire = HttpWire(origin, timeout=_SECONDS / 4, ca_file=ca_file)
    client = wire.async_client(headers={"host": host, "accept": "application/json"})
    try:
        async with client, client.stream("GET", f"{origin}{path}", extensions={"sni_hostname": host}) as response:
            if response.status_code != 200:
                raise ValueError(f"{host} does not know the zone (HTTP {response.status_code})")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _LARGEST:
                    raise ValueError(f"{host} sends more than any settings need")
    except Unavailable as refused:
        raise ValueError(refused.happened) from refused
    except httpx.TransportError as wrong:
        raise OSError(f"{host}: {wrong}") from wrong
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise ValueError(f"{host} sends no JSON") from wrong


def _offer(prefix: str, settings: Any, apex: Name) -> Offer:
    if not isinstance(settings, dict):
        raise ValueError("its settings are not of the form that Domain Connect has")
    name = next(_strings(settings, "providerDisplayName", "providerName", "providerId"), "")
    panel = next(_strings(settings, "urlControlPanel"), "").replace("%domain%", text(apex))
    return Offer(
        prefix,
        visible(name)[:_LONGEST_NAME],
        panel if _is_page(panel) else "",
        one_click=any(_strings(settings, "urlSyncUX", "urlAsyncUX")),
    )


def _strings(settings: dict[Any, Any], *keys: str) -> Iterator[str]:
    """The texts under these keys that are not empty."""
    return (value.strip() for key in keys if isinstance(value := settings.get(key), str) and value.strip())


def _is_page(url: str) -> bool:
    """True for what a person may be sent to: https, a host name, and nothing that pretends to be another."""
    try:
        parts = urlsplit(url) if _URL.match(url) else None
        return parts is not None and "@" not in parts.netloc and "." in (parts.hostname or "") and parts.port in (None, 443)
    except ValueError:
        return False
