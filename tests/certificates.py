"""Certificates for servers on 127.0.0.1, of an authority that is made for one run of the tests."""

import ssl
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import trustme

__all__ = ["authority", "server", "server_of"]


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@cache
def authority() -> str:
    """The file that holds the authority's certificate."""
    path = Path(mkdtemp(prefix="wixsend-tests-")) / "ca.pem"
    _authority().cert_pem.write_to_path(str(path))
    return str(path)


@cache
def server() -> ssl.SSLContext:
    """How a server on 127.0.0.1 shows who it is; it offers HTTP/2."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _authority().issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    return context


@cache
def server_of(host: str) -> ssl.SSLContext:
    """How a web server shows that it is this host; it speaks HTTP/1.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _authority().issue_cert(host).configure_cert(context)
    return context
