"""Floor 6. What a proof in DNS looks like to a person, and to a program that reads JSON. Pure."""

from collections.abc import Mapping
from typing import Any

from wixsend.layout import Block, Grid, Styled
from wixsend.names import text
from wixsend.records import Record
from wixsend.report import record_json
from wixsend.verdict import Finding, Kind, Proof, Verdict

__all__ = ["WORDS", "proof_json", "proof_lines"]

WORDS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.VISIBLE: ("visible", "good"),
    Verdict.ABSENT: ("absent", "warn"),
    Verdict.OLD: ("old", "warn"),
    Verdict.WRONG_TARGET: ("wrong", "bad"),
    Verdict.MASKED: ("masked", "bad"),
    Verdict.WILDCARD: ("wildcard", "bad"),
    Verdict.DOUBLED_HOST: ("doubled", "bad"),
    Verdict.DELEGATED: ("elsewhere", "bad"),
    Verdict.WRONG_ZONE: ("astray", "bad"),
    Verdict.BOGUS: ("bogus", "bad"),
    Verdict.LAME: ("lame", "warn"),
    Verdict.UNREACHABLE: ("silent", "warn"),
    Verdict.NOT_ASKED: ("-", "quiet"),
}
"""A verdict in one word, which a sentence below the table explains, and its style."""

_HEADS: Mapping[Kind, str] = {Kind.AUTHORITATIVE: "authoritative servers", Kind.RESOLVER: "public resolvers"}


def proof_lines(proof: Proof) -> list[Block]:
    """The wanted records, numbered; each at each server; what is held against them, and what to do."""
    records = list(dict.fromkeys(finding.record for finding in proof.findings))
    blocks: list[Block] = [_named(number, record) for number, record in enumerate(records, 1)]
    if records:
        blocks += [Styled(""), _grid(proof, records), Styled("")]
    if any(finding.verdict is Verdict.NOT_ASKED for finding in proof.findings):
        blocks.append(Styled("-: not asked, because a public resolver would remember a no", "quiet"))
    return [
        *blocks,
        Styled(("complete: " if proof.complete else "not complete: ") + proof.why, "good" if proof.complete else "warn"),
        *_steps(proof),
        *(Styled(f"  warning: {warning}", "warn") for warning in proof.warnings),
    ]


def _steps(proof: Proof) -> list[Block]:
    """What to do: once for all findings of a kind, with the first of them in words, unless the proof's own sentence has said it."""
    alike: dict[tuple[Verdict, str], list[Finding]] = {}
    for finding in proof.findings:
        if finding.holds and finding.next_step:
            alike.setdefault((finding.verdict, finding.next_step), []).append(finding)
    blocks: list[Block] = []
    for (_verdict, step), found in sorted(alike.items(), key=lambda group: not _is_told(proof, group[1])):
        more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
        if not _is_told(proof, found):
            blocks.append(Styled(f"  {found[0].sentence}{more}"))
        blocks.append(Styled(f"  next: {step}"))
    return blocks


def _is_told(proof: Proof, found: list[Finding]) -> bool:
    return any(finding.sentence in proof.why for finding in found)


def _named(number: int, record: Record) -> Styled:
    head = f"{number}  {text(record.owner)}"
    return Styled(f"{head}  {record.rtype} {record.rdata}", "", turn=len(head))


def _grid(proof: Proof, records: list[Record]) -> Grid:
    """Servers by records. A server that several zones have in common has one row, with its gravest word for each record."""
    rows: list[tuple[str | Styled, tuple[Styled, ...]]] = []
    for kind, head in _HEADS.items():
        found = [finding for finding in proof.findings if finding.kind is kind]
        servers = dict.fromkeys(finding.server for finding in found)
        cells = {(finding.server, finding.record): _word(finding) for finding in found}
        rows += [(Styled(head, "head"), ())] if servers else []
        rows += [(f"  {server}", tuple(cells.get((server, record), Styled("")) for record in records)) for server in servers]
    return Grid([str(number) for number in range(1, len(records) + 1)], rows)


def _word(finding: Finding) -> Styled:
    """The verdict in a word; what does not hold the proof back, such as a server that was set aside, is not loud."""
    word, style = WORDS[finding.verdict]
    loud = finding.holds or finding.verdict is Verdict.VISIBLE
    return Styled(word, style if loud else "quiet")


def proof_json(proof: Proof) -> dict[str, Any]:
    """`wixsend check --json`."""
    return {
        "complete": proof.complete,
        "at_authoritative": proof.at_authoritative,
        "blind": proof.blind,
        "why": proof.why,
        "next_look": proof.next_look,
        "then": proof.then,
        "warnings": list(proof.warnings),
        "findings": [
            {
                "record": record_json(finding.record),
                "server": finding.server,
                "kind": finding.kind.value,
                "verdict": finding.verdict.value,
                "sentence": finding.sentence,
                "next": finding.next_step,
                "wait": finding.wait,
                "holds": finding.holds,
                "serial": finding.serial,
            }
            for finding in proof.findings
        ],
    }
