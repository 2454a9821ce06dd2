"""Floor 5: what a session makes of what is written about quotas. Nobody is asked for anything."""

from pathlib import Path

import pytest

from wixsend.config import load
from wixsend.errors import ConfigError
from wixsend.quota import Quota, kept
from wixsend.session import Session
from wixsend.wix import RATE

TOKENS = {"ONE": "0123456789012345678901234567890123456789", "TWO": "abcdefghijabcdefghijabcdefghijabcdefghij"}


def session(tmp_path: Path, written: str, said: list[str] | None = None) -> Session:
    told: list[str] = [] if said is None else said
    file = tmp_path / "wixsend.toml"
    file.write_text(written)
    environ = {**TOKENS, "WIXSEND_STATE": str(tmp_path / "state")}
    return Session(load(environ, file=file), environ, notify=told.append)


def account(name: str, token: str, *more: str) -> str:
    return "\n".join([f"[accounts.{name}]", 'provider = "cloudflare"', f'api_token = "env:{token}"', *more, ""])


def quotas(opened: Session) -> dict[str, Quota]:
    plugin = opened.plugins.get("cloudflare")
    return {each.name: opened.quota(plugin, each) for each in opened.accounts("cloudflare")}


async def test_accounts_count_together_by_their_credentials_or_by_the_name_of_their_quota(tmp_path: Path) -> None:
    written = (
        account("a", "ONE") + account("same", "ONE") + account("other", "TWO") + account("x", "ONE", 'quota = "anna"')
        + account("y", "TWO", 'quota = "anna"')
    )  # fmt: skip
    async with session(tmp_path, written) as opened:
        found = quotas(opened)
        assert found["a"].identity == found["same"].identity
        assert found["x"].identity == found["y"].identity
        assert len({quota.identity for quota in found.values()}) == 3
        await found["a"].take()
        assert len((await found["same"].use()).spent) == 1
        assert not (await found["other"].use()).spent
    assert (tmp_path / "state" / "quota.db").is_file()
    async with session(tmp_path, written) as opened:
        assert len((await quotas(opened)["same"].use()).spent) == 1, "whoever comes next knows of it"


async def test_a_share_is_left_to_others(tmp_path: Path) -> None:
    written = account("usual", "ONE") + account("half", "ONE", "reserve = 0.5") + account("all", "ONE", 'reserve = "0%"')
    async with session(tmp_path, written) as opened:
        vendors = opened.plugins.get("cloudflare").quota
        assert {name: quota.rates for name, quota in quotas(opened).items()} == {
            "usual": kept(vendors, 1 / 6),
            "half": kept(vendors, 0.5),
            "all": kept(vendors),
        }


@pytest.mark.parametrize("wrong", ["reserve = 1.0", 'reserve = "100%"', "reserve = -0.1", 'reserve = "most"'])
def test_a_share_that_leaves_nothing_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"wixsend.toml:4: accounts.a.reserve"):
        session(tmp_path, account("a", "ONE", wrong))


async def test_whoever_opens_two_accounts_of_perhaps_one_user_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    async with session(tmp_path, account("a", "ONE") + account("b", "TWO") + account("c", "TWO", 'quota = "c"'), said) as opened:
        for each in opened.accounts("cloudflare"):
            await opened.adapter(each)
    assert said == [
        "Cloudflare counts calls by user: all tokens of a user and the dashboard share it. Give accounts that belong together the same "
        "`quota` in wixsend.toml (a, b); each is taken to stand alone."
    ]


async def test_the_sites_of_wix_have_a_budget_each(tmp_path: Path) -> None:
    ids = [f"01234567-89ab-cdef-0123-45678901234{number}" for number in range(2)]
    async with session(tmp_path, f'[wix]\napi_key = "env:ONE"\nsite_id = "{ids[0]}"\n') as opened:
        one, again, other = (opened.at("", site).wix.quota for site in (ids[0], ids[0], ids[1]))
        assert one is not None
        assert again is not None
        assert other is not None
        assert one.identity == again.identity != other.identity
        assert one.rates == kept((RATE,))
