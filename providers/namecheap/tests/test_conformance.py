"""What every provider plugin promises, kept by this one against its fake."""

from collections.abc import Mapping
from typing import ClassVar

from wixsend import Record, absolute
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Request, Response
from wixsend_namecheap import PLUGIN
from wixsend_namecheap.sandbox import FakeNamecheap


def _error(number: str, message: str) -> Response:
    """Namecheap's errors come with HTTP 200."""
    return Response.xml(
        '<?xml version="1.0" encoding="utf-8"?><ApiResponse Status="ERROR" xmlns="http://api.namecheap.com/xml.response">'
        f'<Errors><Error Number="{number}">{message}</Error></Errors><CommandResponse /></ApiResponse>'
    )


class TestNamecheap(ProviderConformance):
    plugin = PLUGIN
    fake = FakeNamecheap
    cannot_hold: ClassVar[Mapping[str, str]] = {"SRV": "getHosts does not show SRV records and setHosts does not take them"}
    # Namecheap itself refuses types that it does not know; this one goes the way of all types that the plugin has no rule for.
    foreign_type = Record(absolute("foreign.example.com"), "FRAME", "http://www.example.net/?a=1&b=<2>")
    refusals: ClassVar[Mapping[str, Response | str]] = {
        "credentials": _error("1011102", "API Key is invalid or API access has not been enabled"),
        "permission": _error("1011150", "Invalid request IP: 198.51.100.7"),
        "not-found": _error("2019166", "Domain not found"),
        "conflict": "Namecheap has no compare-and-set: the last write stays",
        "rejected": _error("3013288", "Too many records"),
        "server-error": _error("5050900", "Unknown error"),
    }

    @staticmethod
    def writes(request: Request) -> bool:
        """Every command is a POST."""
        return request.form().get("Command") == "namecheap.domains.dns.setHosts"
