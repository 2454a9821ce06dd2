"""The fence around AWS's SDK: what it shuts, and that what it leans on is as it was."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ProfileNotFound
from botocore.session import Session

from wixsend import CredentialsRejected
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_route53.fence import open_client
from wixsend_route53.sandbox import FakeRoute53

KEYS = FakeRoute53.credentials
ELSEWHERE = "http://127.0.0.1:9/"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIASTOLEN",
    "AWS_SECRET_ACCESS_KEY": "stolen",
    "AWS_SESSION_TOKEN": "stolen",
    "AWS_PROFILE": "nobody",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": ELSEWHERE,
    "AWS_ENDPOINT_URL_ROUTE_53": ELSEWHERE,
    "AWS_MAX_ATTEMPTS": "7",
    "AWS_CA_BUNDLE": "/nowhere",
    "AWS_CSM_ENABLED": "true",
    "HTTP_PROXY": ELSEWHERE,
    "http_proxy": ELSEWHERE,
}


@pytest.fixture
def server() -> Iterator[Server]:
    fake = FakeRoute53()
    fake.add_zone("example.com")
    with Server({"route53": fake.handle, "elsewhere": fake.handle}) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> HttpWire:
    return HttpWire(server.url("route53"))


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment, and a home folder with a configuration and an API model in it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws" / "models" / "route53" / "2013-04-01").mkdir(parents=True)
    (tmp_path / ".aws" / "models" / "route53" / "2013-04-01" / "service-2.json").write_text("{}")
    (tmp_path / ".aws" / "config").write_text(f"[default]\nendpoint_url = {ELSEWHERE}\nmax_attempts = 7\n")
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIASTOLEN\naws_secret_access_key = stolen\n")


@pytest.mark.usefixtures("hostile")
def test_neither_environment_nor_home_folder_matter(server: Server, wire: HttpWire) -> None:
    client = open_client(KEYS, wire)
    client.list_hosted_zones_by_name()
    client.close()
    (call,) = server.calls
    assert f"Credential={KEYS['access_key_id']}/" in call.request.headers["authorization"]
    assert "/us-east-1/route53/" in call.request.headers["authorization"]
    assert call.request.headers["x-amz-security-token"] == KEYS["session_token"]
    assert "stolen" not in str(call.request.headers).lower() and wire.calls == 1


@pytest.mark.usefixtures("hostile")
def test_without_the_fence_they_do() -> None:
    """Why there is a fence. When this fails the SDK was changed: look whether the fence can go."""
    with pytest.raises(ProfileNotFound):
        Session().create_client("route53", aws_access_key_id="a", aws_secret_access_key="b", config=Config())


def test_a_key_without_a_session_token_is_enough(wire: HttpWire) -> None:
    class Lasting(FakeRoute53):
        credentials = {name: KEYS[name] for name in ("access_key_id", "secret_access_key")}  # noqa: RUF012 - a test's own

    fake = Lasting()
    with Server({"route53": fake.handle}) as server:
        client = open_client({**Lasting.credentials, "session_token": ""}, HttpWire(server.url("route53")))
        assert client.list_hosted_zones_by_name()["HostedZones"] == []
        client.close()


@pytest.mark.parametrize("call", ["list_hosted_zones_by_name", "change_resource_record_sets"])
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_nothing_is_sent_twice(server: Server, wire: HttpWire, call: str, status: int) -> None:
    change = {
        "Action": "CREATE",
        "ResourceRecordSet": {"Name": "a.example.com.", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]},
    }
    options: dict[str, Any] = {"HostedZoneId": "Z1", "ChangeBatch": {"Changes": [change]}} if call.startswith("change") else {}
    server.faults.add(Fault("status", status=status, times=9))
    client = open_client(KEYS, wire)
    with pytest.raises(ClientError):
        getattr(client, call)(**options)
    client.close()
    assert server.count("route53") == 1


def test_no_secret_is_logged(wire: HttpWire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = open_client(KEYS, wire)
    client.list_hosted_zones_by_name()
    client.close()
    assert "botocore" in caplog.text and KEYS["session_token"] not in caplog.text


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_no_header_holds_is_not_quoted(wire: HttpWire, name: str) -> None:
    with pytest.raises(CredentialsRejected) as raised:
        open_client({**KEYS, name: "two\nlines-of-a-secret"}, wire)
    assert "lines" not in str(raised.value) + raised.value.next_step.replace("one line", "")
