"""TXT between bare text, as hosts hold it, and presentation form."""

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from wixsend import txt_rdata, txt_text


@pytest.mark.parametrize(
    ("bare", "rdata"),
    [
        ("true", '"true"'),
        ("", '""'),
        ("  padded  ", '"  padded  "'),
        ('say "hi" \\ ; $', '"say \\"hi\\" \\\\ ; $"'),
        ("é", '"\\195\\169"'),
        ("a" * 300, f'"{"a" * 255}" "{"a" * 45}"'),
    ],
)
def test_bare_text_becomes_quoted_strings(bare: str, rdata: str) -> None:
    assert txt_rdata(bare) == rdata
    assert txt_text(rdata) == bare


@given(st.text(st.characters(codec="utf-8"), max_size=700))
def test_there_and_back(bare: str) -> None:
    rdata = txt_rdata(bare)
    assert txt_text(rdata) == bare
    read = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, rdata)
    assert isinstance(read, TXT)
    assert b"".join(read.strings) == bare.encode()


def test_what_others_write_is_understood() -> None:
    assert txt_text('v=spf1 "-all"') == "v=spf1-all"


@pytest.mark.parametrize("rdata", ['"open', '"\\999"', '"\\255"'])
def test_what_is_no_rdata_is_refused(rdata: str) -> None:
    with pytest.raises(ValueError):
        txt_text(rdata)
