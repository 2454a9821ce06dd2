"""Floor 6. What a domain's owner gets who adds the records by hand: one self-contained HTML page, and the same as plain text for an e-mail.

Values in, text out. What comes from elsewhere (names, rdata, what a host says of itself) is escaped in `wixsend.markup`. The page asks for
nothing over the network, and its policy (CSP) forbids it to.
"""

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from wixsend.byhand import Handoff, Part, State, Task
from wixsend.hosts import UNKNOWN, Host
from wixsend.layout import count
from wixsend.markup import Html, asset, element, filled, hash_of, joined
from wixsend.names import relative_text, text
from wixsend.records import Record
from wixsend.redact import visible
from wixsend.report import record_json

__all__ = ["handoff_html", "handoff_json", "handoff_text", "panel_form"]

_OWNER_FIELD = "Name (or Host)"
_VALUE_FIELD = "Value (or Target, or Points to)"
_STATE: dict[State, str] = {
    State.RIGHT: "there already",
    State.MISSING: "still missing",
    State.CONFLICT: "something else is there",
    State.WRONG: "not as it must be",
    State.UNKNOWN: "not looked at",
}
_WHY = (
    "Wix sends mail from addresses at {domain}, and signs it so that it is not taken for spam. For that, {records} must be in the DNS of "
    "{domain}. Your website, and the way in which you receive mail, stay as they are."
)
_AFTER = (
    "When the records are saved you are done. They are looked for automatically, and Wix goes on as soon as they can be seen: "
    "mostly within minutes, sometimes after a day."
)


def panel_form(part: Part) -> Host:
    """How the panel of whoever serves a zone wants a record written; of several that it could be, what they have in common."""
    hosts = part.served.hosts
    if len(hosts) == 1:
        return hosts[0]
    if not hosts:
        return UNKNOWN
    owners, values = {host.owner for host in hosts}, {host.value for host in hosts}
    return Host(
        "",
        " or ".join(host.label for host in hosts),
        owner=owners.pop() if len(owners) == 1 else "",
        value=values.pop() if len(values) == 1 else "",
    )


# -- what is said, as plain text ---------------------------------------------------------------------------------------


def _served_by(part: Part) -> str:
    """Who serves a zone, in a sentence."""
    served, zone = part.served, text(part.zone)
    names = ", ".join(text(name) for name in served.delegation.names)
    if served.mixed:
        return f"{zone} is served by several hosts together ({names}): the records must be added at each of them."
    label = panel_form(part).label or (visible(served.offer.name) if served.offer else "")
    if label:
        return f"{zone} is served by {label} (name servers {names}). The records belong there, not where the domain was bought."
    said = f"{zone} is served by the name servers {names}"
    run = " and ".join(text(name) for name in served.operators)
    said += f", which belong to {run}" if run else ""
    mailbox = served.soa.mailbox if served.soa is not None else ""
    return f"{said}. The records belong there" + (f"; the zone names {mailbox} as responsible." if mailbox else ".")


def _mistakes(part: Part) -> list[str]:
    """The usual mistakes, with what they look like for this zone."""
    first, form, zone = part.tasks[0].record, panel_form(part), text(part.zone)
    written = form.owner_text(first.owner, part.zone)
    doubled = f"{text(first.owner)}.{zone}"
    said = [
        f"If the panel's list shows {doubled}, it has added {zone} by itself: enter the name as {relative_text(first.owner, part.zone)}."
        if form.owner != "absolute"
        else f"The name is the whole one here, with a final dot: {written}",
        f"If it shows a value that ends in .{zone}, it has added that too: put a dot at the end of the value."
        if form.value != "plain"
        else "The value has no dot at its end here.",
        "The type is CNAME: not TXT, not a redirect, not a forwarding.",
        "The underscores belong to the names. A panel that refuses them: ask its support to add the records.",
        "Where a record can be proxied or flattened (an orange cloud), switch that off.",
        "Leave everything else as it is: MX and SPF records, and the name servers.",
    ]
    if not form.owner:
        said.insert(1, f"A panel that wants the whole name gets {text(first.owner)}.")
    return said


def _snippet(part: Part) -> str:
    """The records that are missing as a zone file."""
    tasks = [task for task in part.tasks if task.state is not State.RIGHT]
    wide = max((len(relative_text(task.record.owner, part.zone)) for task in tasks), default=0)
    lines = [f"{relative_text(t.record.owner, part.zone):<{wide}} 3600 IN {t.record.rtype} {visible(t.record.rdata)}" for t in tasks]
    return "\n".join([f"$ORIGIN {text(part.zone)}.", *lines])


def _kept(records: Sequence[Record]) -> list[str]:
    return [f"{text(record.owner)} stays as it is: a DMARC policy holds there already." for record in records]


def _links(part: Part) -> list[tuple[str, str]]:
    """Where the owner signs in: what it is, and the URL. What the host says of itself comes with the host that it leads to."""
    form, offer = panel_form(part), part.served.offer
    panels = [host for host in part.served.hosts if host.panel] if not form.panel else [form]
    links = [(f"Sign in at {host.label}", host.panel) for host in panels]
    if offer is not None and offer.panel:
        links.insert(0, (f"The DNS settings of {text(part.zone)} at {urlsplit(offer.panel).hostname}", offer.panel))
    return links


def _title(handoff: Handoff) -> str:
    return f"DNS records for {handoff.domain.unicode}"


def _why(handoff: Handoff) -> str:
    return _WHY.format(domain=handoff.domain.ascii, records=count(len(handoff.tasks), "record"))


def _looked(handoff: Handoff, at: float) -> str:
    there = sum(task.state is State.RIGHT for task in handoff.tasks)
    when = datetime.fromtimestamp(at, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
    return f"On {when}, {there} of {count(len(handoff.tasks), 'record')} {'was' if there == 1 else 'were'} there."


def handoff_text(handoff: Handoff, at: float) -> str:
    """The plain text for an e-mail; `at` is when DNS was looked at, in seconds since the epoch."""
    lines = [_title(handoff), "", _why(handoff), _looked(handoff, at)]
    for part in handoff.parts:
        form = panel_form(part)
        lines += ["", _served_by(part), *(f"{label}: {url}" for label, url in _links(part)), *form.notes]
        for number, task in enumerate(part.tasks, 1):
            lines += ["", f"Record {number} of {len(part.tasks)} ({_STATE[task.state]})"]
            lines += [f"  Note: {visible(line)}" for line in (task.found, task.todo) if line]
            lines += [
                f"  Type: {task.record.rtype}",
                f"  {form.owner_field or _OWNER_FIELD}: {form.owner_text(task.record.owner, part.zone)}",
                f"  {form.value_field or _VALUE_FIELD}: {visible(form.value_text(task.record))}",
                "  TTL: as the panel has it",
            ]
        lines += ["", "Please mind:", *(f"- {line}" for line in _mistakes(part))]
        if any(task.state is not State.RIGHT for task in part.tasks):
            lines += ["", "For a zone file:", *(f"  {line}" for line in _snippet(part).splitlines())]
    lines += ["", *_kept(handoff.kept), _AFTER]
    return "\n".join(lines) + "\n"


def handoff_json(handoff: Handoff) -> dict[str, Any]:
    """`wixsend handoff --json`, without the files."""
    return {
        "domain": handoff.domain.ascii,
        "done": handoff.done,
        "zones": [_part_json(part) for part in handoff.parts],
        "kept": [record_json(record) for record in handoff.kept],
    }


def _part_json(part: Part) -> dict[str, Any]:
    form = panel_form(part)
    return {
        "zone": text(part.zone),
        "hosts": [host.name for host in part.served.hosts],
        "name_servers": [text(name) for name in part.served.delegation.names],
        "panels": [url for _label, url in _links(part)],
        "records": [
            {
                "record": record_json(task.record),
                "state": task.state.value,
                "owner_as_typed": form.owner_text(task.record.owner, part.zone),
                "value_as_typed": form.value_text(task.record),
                "there": [record_json(other) for other in task.there],
                "found": task.found,
                "next": task.todo,
            }
            for task in part.tasks
        ],
    }


# -- the page ----------------------------------------------------------------------------------------------------------


def handoff_html(handoff: Handoff, at: float) -> str:
    """The page; `at` is when DNS was looked at, in seconds since the epoch."""
    style, script = asset("handoff.css"), asset("handoff.js")
    body = [
        element("p", _why(handoff)),
        element("p", _looked(handoff, at), class_="quiet"),
        *(_section(part, number) for number, part in enumerate(handoff.parts, 1)),
        *(element("p", line) for line in _kept(handoff.kept)),
        element("h2", "Afterwards"),
        element("p", _AFTER),
    ]
    return filled(
        asset("handoff.html"),
        title=_title(handoff),
        body=joined(body),
        style=style,
        script=script,
        style_hash=hash_of(style),
        script_hash=hash_of(script),
    )


def _section(part: Part, number: int) -> Html:
    """One zone: where, the records, the usual mistakes, the snippet."""
    form = panel_form(part)
    links = [element("li", element("a", label, href=url, rel="noreferrer noopener")) for label, url in _links(part)]
    asked = any(task.state is not State.RIGHT for task in part.tasks)
    snippet_id = f"zone-{number}"
    return joined(
        [
            element("h2", f"Where: the zone {text(part.zone)}"),
            element("p", _served_by(part)),
            *([element("ul", *links)] if links else []),
            *(element("p", note) for note in form.notes),
            element("h2", "The records"),
            *(_card(task, part, f"record-{number}-{place}", place) for place, task in enumerate(part.tasks, 1)),
            element("h2", "Please mind"),
            element("ul", *(element("li", line) for line in _mistakes(part))),
            *([element("h2", "For a zone file"), _pre(_snippet(part), snippet_id)] if asked else []),
        ]
    )


def _pre(snippet: str, named: str) -> Html:
    shown = Html(html.escape("\n".join(map(visible, snippet.splitlines()))))
    return joined([element("pre", element("code", shown, id=named), tabindex="0"), _button(named, "Copy", "Copy the zone file")])


def _card(task: Task, part: Part, named: str, place: int) -> Html:
    """One record, with a button at each of the two things that are typed."""
    form, record = panel_form(part), task.record
    warned = task.state in (State.CONFLICT, State.WRONG)
    rows = [
        element("dt", "Type"),
        element("dd", element("code", record.rtype)),
        *_row(form.owner_field or _OWNER_FIELD, form.owner_text(record.owner, part.zone), f"{named}-name", f"the name of record {place}"),
        *_row(form.value_field or _VALUE_FIELD, form.value_text(record), f"{named}-value", f"the value of record {place}"),
    ]
    inside = [
        element(
            "div",
            element("h3", f"{place}. {text(record.owner)}"),
            element("span", _STATE[task.state], class_=f"state {task.state.value}"),
            class_="head",
        ),
        *(element("p", line) for line in (task.found, task.todo) if line),
        element("dl", *rows),
    ]
    return element("section", *inside, class_="card warn" if warned else "card")


def _row(label: str, value: str, named: str, what: str) -> list[Html]:
    return [element("dt", label), element("dd", element("code", value, id=named), _button(named, "Copy", f"Copy {what}"))]


def _button(named: str, label: str, said: str) -> Html:
    """Hidden until the script shows it: without the script there is nothing that it could do."""
    return element("button", label, type="button", hidden="hidden", data_copy=named, aria_label=said)
