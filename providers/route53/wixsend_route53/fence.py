"""What fences AWS's SDK in: these keys, this address, the wire's HTTP, no retries, whatever the environment and the home folder hold.

botocore builds, signs and parses, and sends nothing: its event `before-send` lets a handler answer instead, and ours asks through the
wire, which brings quota, counting, time-outs, TLS, and the refusal of redirects. Left alone botocore would read some forty variables
(`AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, `HTTPS_PROXY`, ...), `~/.aws/config`, `~/.aws/credentials` and API models in
`~/.aws/models`, and would send a write again whose answer was lost. It also logs each request with its headers, and with them the
session token, at the level DEBUG; the two loggers that do are held at WARNING.

`tests/test_fence.py` holds the SDK to all of that.
"""

import logging
import re
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.configprovider import ConfigValueStore, ConstantProvider
from botocore.loaders import Loader
from botocore.session import Session

from wixsend import Credentials, CredentialsRejected, Wire

__all__ = ["open_client"]

_REGION = "us-east-1"
"""Where Route 53's requests are signed for: it is one service for all of AWS's regions but China's and the governments'."""

_KEY = re.compile(r"[\x21-\x7e]+")
_FILES = ("config_file", "credentials_file")
_TALKATIVE = ("botocore.auth", "botocore.endpoint")


def open_client(credentials: Credentials, wire: Wire) -> Any:
    """AWS's client for Route 53, and `client.close()` closes the wire's HTTP too.

    Raises `CredentialsRejected` for a key that no HTTP header can hold: the SDK's own error would quote it.
    """
    keys = {name: value.strip() for name, value in credentials.items() if value}
    for name, value in keys.items():
        if not _KEY.fullmatch(value):
            raise CredentialsRejected(
                f"Route 53: the {name} contains blanks or characters that no key has", "Copy it again, alone and in one line."
            )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    defaults = {name: ConstantProvider(default) for name, (_key, _variable, default, _convert) in Session.SESSION_VARIABLES.items()}
    session = Session()
    session.register_component("config_store", ConfigValueStore({**defaults, **dict.fromkeys(_FILES, ConstantProvider(None))}))
    session.register_component("data_loader", Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False))
    client = session.create_client(
        "route53",
        region_name=_REGION,
        endpoint_url=wire.base_url,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        aws_session_token=keys.get("session_token"),
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, signature_version="v4", parameter_validation=True),
    )
    http = wire.client()

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = [(name, value.decode() if isinstance(value, bytes) else str(value)) for name, value in request.headers.items()]
        response = http.request(request.method, request.url, headers=headers, content=request.body)
        return _Answer(request.url, response.status_code, dict(response.headers), response.content)

    client.meta.events.register("before-send.route-53", send)
    return _Client(client, http)


class _Client:
    """botocore's client, closed together with the HTTP that it was given."""

    def __init__(self, client: Any, http: Any) -> None:
        self._client = client
        self._http = http

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def close(self) -> None:
        self._client.close()
        self._http.close()


class _Answer(AWSResponse):  # type: ignore[misc]  # botocore is not typed
    """A response whose body was read."""

    def __init__(self, url: str, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(url, status, headers, None)
        self._content = body
