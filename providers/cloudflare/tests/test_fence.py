"""The fence around the SDK: what it shuts, and that the SDK's members it leans on are as they were."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from cloudflare import AsyncCloudflare, Omit, RateLimitError

from wixsend import CredentialsRejected
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_cloudflare.fence import TokenOnlyCloudflare, open_client

_TOKEN = "the-token-0123456789-0123456789-01234567"
_ELSEWHERE = "http://127.0.0.1:9/"
_ENVIRONMENT = {
    "CLOUDFLARE_EMAIL": "somebody@example.net",
    "CLOUDFLARE_API_KEY": "a-global-key",
    "CLOUDFLARE_API_TOKEN": "another-token",
    "CLOUDFLARE_API_USER_SERVICE_KEY": "a-service-key",
    "CLOUDFLARE_CUSTOM_HEADERS": "Authorization: Bearer stolen\nX-Auth-Key: stolen\nX-Extra: stolen",
    "CLOUDFLARE_BASE_URL": _ELSEWHERE,
    "HTTP_PROXY": _ELSEWHERE,
    "http_proxy": _ELSEWHERE,
    "ALL_PROXY": _ELSEWHERE,
}


@pytest.fixture
def server() -> Iterator[Server]:
    def answer(_request: Request) -> Response:
        return Response.json({"result": [], "success": True, "errors": [], "messages": [], "result_info": {"total_count": 0}})

    with Server({"cloudflare": answer}) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> HttpWire:
    return HttpWire(server.url("cloudflare") + "/client/v4")


def _hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


_DERIVED: dict[str, Any] = {
    "itself": lambda client: client,
    "copy": lambda client: client.copy(),
    "with_options": lambda client: client.with_options(max_retries=5, default_headers={"Authorization": "Bearer stolen"}),
    "set_default_headers": lambda client: client.with_options(set_default_headers={"X-Auth-Key": "stolen", "X-Auth-Email": "stolen"}),
    "other credentials": lambda client: client.copy(api_key="stolen", api_email="stolen", user_service_key="stolen"),
    "twice": lambda client: client.copy().with_options(timeout=3.0),
}


@pytest.mark.parametrize("derived", _DERIVED.values(), ids=_DERIVED)
async def test_the_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch, server: Server, wire: HttpWire, derived: Any) -> None:
    _hostile(monkeypatch)
    client = derived(open_client(_TOKEN, wire))
    await client.zones.list(name="example.com")
    await client.close()
    (call,) = server.calls
    headers = call.request.headers
    assert headers["authorization"] == f"Bearer {_TOKEN}"
    assert not {"x-auth-key", "x-auth-email", "x-auth-user-service-key", "x-extra"} & set(headers)
    assert "stolen" not in str(headers) and call.path == "/client/v4/zones"
    assert wire.calls == 1


async def test_without_the_fence_the_environment_wins(monkeypatch: pytest.MonkeyPatch, server: Server, wire: HttpWire) -> None:
    """Why there is a fence. When this fails the SDK was mended: look whether the fence can go."""
    _hostile(monkeypatch)
    async with AsyncCloudflare(api_token=_TOKEN, base_url=wire.base_url, http_client=wire.async_client()) as client:
        await client.zones.list(name="example.com")
    headers = server.calls[0].request.headers
    assert headers["x-auth-key"] == "stolen" and headers["authorization"] == "Bearer stolen"


@pytest.mark.parametrize("derived", _DERIVED.values(), ids=_DERIVED)
async def test_no_request_is_repeated(server: Server, wire: HttpWire, derived: Any) -> None:
    server.faults.add(Fault("status", status=429, headers={"retry-after": "0", "x-should-retry": "true"}, times=9))
    client = derived(open_client(_TOKEN, wire))
    with pytest.raises(RateLimitError):
        await client.zones.list(name="example.com")
    await client.close()
    assert server.count("cloudflare") == 1


@pytest.mark.parametrize("token", ["", "   ", "two words", "line\nbreak", "tok\x00en", "tökén", "a\x7fb"])
def test_a_token_that_is_none_is_refused_and_not_shown(wire: HttpWire, token: str) -> None:
    with pytest.raises(CredentialsRejected) as raised:
        open_client(token, wire)
    assert not token.strip() or token not in f"{raised.value} {raised.value.next_step} {raised.value!r}"


async def test_blanks_around_a_token_do_no_harm(server: Server, wire: HttpWire) -> None:
    client = open_client(f" {_TOKEN}\n", wire)
    await client.zones.list(name="example.com")
    await client.close()
    assert server.calls[0].request.headers["authorization"] == f"Bearer {_TOKEN}"


async def test_time_outs_are_the_wires(server: Server) -> None:
    wire = HttpWire(server.url("cloudflare"), timeout=7.0, connect_timeout=2.0)
    client = open_client(_TOKEN, wire)
    assert client.timeout == client._client.timeout
    assert getattr(client.timeout, "read", None) == 7.0 and getattr(client.timeout, "connect", None) == 2.0
    await client.close()


class TestTheSdkIsAsItWas:
    """Contract of the members that the fence leans on: an SDK that changes them fails here, and not in somebody's account."""

    def test_headers_given_to_the_client_are_in_custom_headers(self) -> None:
        client = AsyncCloudflare(api_token=_TOKEN, default_headers={"X-Extra": "1"})
        assert client._custom_headers == {"X-Extra": "1"}
        assert client.default_headers["X-Extra"] == "1"
        client._custom_headers = {}
        assert "X-Extra" not in client.default_headers

    def test_auth_headers_is_what_is_sent(self) -> None:
        assert isinstance(inspect.getattr_static(AsyncCloudflare, "auth_headers"), property)
        client = TokenOnlyCloudflare(api_token=_TOKEN)
        sent = client.default_headers
        assert sent["Authorization"] == f"Bearer {_TOKEN}"
        assert isinstance(sent["X-Auth-Key"], Omit) and isinstance(sent["X-Auth-Email"], Omit)

    def test_copies_come_through_init(self) -> None:
        client = TokenOnlyCloudflare(api_token=_TOKEN)
        assert type(client.copy()) is TokenOnlyCloudflare
        assert vars(AsyncCloudflare)["with_options"] is vars(AsyncCloudflare)["copy"]

    def test_the_arguments_that_are_dropped_exist(self) -> None:
        assert {"api_key", "api_email", "user_service_key", "default_headers", "max_retries"} <= set(
            inspect.signature(AsyncCloudflare.__init__).parameters
        )
