"""What fences the official SDK in: one token, one address, one HTTP client, no retries, whatever the environment holds.

The SDK (5.9) prefers `CLOUDFLARE_EMAIL` and `CLOUDFLARE_API_KEY` over the token it is given, and so acts on another account; it
takes headers from `CLOUDFLARE_CUSTOM_HEADERS`, its address from `CLOUDFLARE_BASE_URL`, and repeats a write whose answer was
lost. `copy()` and `with_options()` make their client through `__init__` again, so what is shut here stays shut there.
It leans on `_custom_headers`, `auth_headers` and the arguments of `copy()`: `tests/test_fence.py` holds the SDK to them.
"""

import re
from typing import Any

from cloudflare import AsyncCloudflare, Timeout

from wixsend import CredentialsRejected, Wire

__all__ = ["TokenOnlyCloudflare", "open_client"]

_TOKEN = re.compile(r"[\x21-\x7e]+")


class TokenOnlyCloudflare(AsyncCloudflare):
    """The SDK's asynchronous client with a token and nothing else: other credentials, headers and retries are dropped, wherever from."""

    def __init__(self, *, api_token: str, **options: Any) -> None:
        for dropped in ("api_key", "api_email", "user_service_key", "default_headers", "max_retries"):
            options.pop(dropped, None)
        super().__init__(api_token=api_token, max_retries=0, **options)
        self.api_key = self.api_email = self.user_service_key = None
        self._custom_headers = {}

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_token}"}


def open_client(api_token: str, wire: Wire) -> TokenOnlyCloudflare:
    """A client that speaks through the wire.

    Raises `CredentialsRejected` for a token that no HTTP header can hold: the HTTP library's own error would quote it.
    """
    token = api_token.strip()
    if not _TOKEN.fullmatch(token):
        raise CredentialsRejected(
            "Cloudflare: the API token contains blanks or characters that no token has",
            "Copy it again from https://dash.cloudflare.com/profile/api-tokens, alone and in one line.",
        )
    return TokenOnlyCloudflare(
        api_token=token,
        base_url=wire.base_url,
        timeout=Timeout(wire.timeout, connect=wire.connect_timeout),
        http_client=wire.async_client(),
    )
