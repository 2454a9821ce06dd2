"""Floor 6. What a person, or a program that reads JSON, gets to see. Pure: values in, text out; no clock, no terminal, no file.

A report is a sequence of blocks (`wixsend.layout`). The plan is printed as a zone file with a margin, and its lines can be copied
into one.

The JSON forms are stable: keys are added, and never renamed or removed within a major version. Names are lower case without the final
dot, times are RFC 3339 in UTC, records are `{"owner", "type", "rdata", "ttl"}`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wixsend.layout import Block, Styled, Table, clock, count, span, stamp
from wixsend.names import Name, relative_text, text
from wixsend.plan import Mark, Plan
from wixsend.records import WHOLE, Record

if TYPE_CHECKING:
    from wixsend.config import Config
    from wixsend.detect import Detected
    from wixsend.engine import Preview
    from wixsend.guard import Objection
    from wixsend.journal import Backup, Entry, Happened
    from wixsend.locate import Located
    from wixsend.plugins import Plugins, Row
    from wixsend.provider import ProviderPlugin

if TYPE_CHECKING:
    from wixsend.guard import Objection

__all__ = [
    "backup_json",
    "backup_lines",
    "backups_table",
    "by_hand",
    "case_json",
    "case_lines",
    "case_state",
    "cases_table",
    "config_json",
    "config_lines",
    "detected_json",
    "detected_lines",
    "history_json",
    "history_table",
    "kept_lines",
    "located_lines",
    "objection_json",
    "objection_lines",
    "plan_json",
    "plan_lines",
    "plugin_json",
    "plugin_lines",
    "preview_json",
    "preview_lines",
    "providers_json",
    "providers_table",
    "question",
    "record_json",
    "tested_table",
]


_MARGIN: Mapping[Mark, str] = {
    Mark.CREATE: "good",
    Mark.RIGHT: "",
    Mark.MASKED: "warn",
    Mark.CONFLICT: "bad",
    Mark.REMOVE: "bad",
    Mark.KEPT: "quiet",
}
"""The style of each mark of a plan."""


# -- records and plans -------------------------------------------------------------------------------------------------


def record_json(record: Record) -> dict[str, Any]:
    """A record in JSON."""
    return {"owner": text(record.owner), "type": record.rtype, "rdata": record.rdata, "ttl": record.ttl}


def _zone_line(record: Record, wide: int) -> str:
    """A record as a line of a zone file, its owner absolute; no TTL where the host chooses."""
    owner = f"{text(record.owner)}."
    ttl = "" if record.ttl is None else f"{record.ttl} "
    return f"{owner:<{wide}} {ttl}IN {record.rtype} {record.rdata}"


def plan_lines(plan: Plan) -> list[Block]:
    """The plan as a zone file with a margin, and how many other records stay as they are."""
    wide = max((len(text(line.record.owner)) + 1 for line in plan.lines), default=0)
    blocks: list[Block] = []
    for line in plan.lines:
        style = _MARGIN[line.mark]
        shown = _zone_line(line.record, wide)
        blocks.append(Styled(f"{line.mark} {shown}", style, turn=2 + len(shown) - len(line.record.rdata)))
        if line.note:
            kept = "; it is kept, and this record left out" if line.record in plan.kept else ""
            blocks.append(Styled(f"    ; {line.note}{kept}", style))
        hidden = [found for found in line.found if line.mark is not Mark.RIGHT and found.rdata not in line.note]
        blocks.extend(Styled(f"    ; there now: {found.rtype} {found.rdata}", style) for found in hidden)
    if plan.untouched is not None:
        stay = "stays as it is" if plan.untouched == 1 else "stay as they are"
        blocks.append(Styled(f"  ; {count(plan.untouched, 'other record')} {stay}"))
    return blocks


def question(plan: Plan, host: str, account: str) -> str:
    """What a person says yes to, in one sentence."""
    apex = plan.before.zone.apex
    parts = []
    if plan.edit.adds:
        parts.append(f"add {count(len(plan.edit.adds), 'record')} to {text(apex)}")
    if plan.edit.removes:
        parts.append(f"remove {count(len(plan.edit.removes), 'record')} from {text(apex)}")
    sentence = f"{' and '.join(parts)} at {host} (account {account})"
    if plan.untouched is not None:
        sentence += f"; {plan.untouched} others unchanged"
    if plan.kept:
        sentence += f"; {', '.join(relative_text(record.owner, apex) for record in plan.kept)} kept"
    return f"{sentence[0].upper()}{sentence[1:]}."


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan in JSON: `changes` is what would be written, `lines` the mark of each record."""
    return {
        "zone": text(plan.before.zone.apex),
        "digest": plan.edit.digest,
        "changes": {"add": [record_json(r) for r in plan.edit.adds], "remove": [record_json(r) for r in plan.edit.removes]},
        "lines": [
            {
                "mark": str(line.mark),
                "meaning": line.mark.name.lower(),
                "record": record_json(line.record),
                "note": line.note,
                "found": [record_json(r) for r in line.found],
            }
            for line in plan.lines
        ],
        "untouched": plan.untouched,
        "kept": [record_json(r) for r in plan.kept],
    }


def objection_lines(objections: "Sequence[Objection]") -> list[Block]:
    """Every objection, with the way out."""
    blocks: list[Block] = []
    for objection in objections:
        blocks += [Styled(f"refused: {objection.subject}: {objection.found}", "bad"), Styled(f"  next: {objection.way_out}")]
    return blocks


def objection_json(objection: "Objection") -> dict[str, Any]:
    """An objection in JSON; `code` is the guard's rule."""
    return {"code": objection.code, "subject": objection.subject, "found": objection.found, "next": objection.way_out}


def by_hand(records: Sequence[Record], apex: Name, cuts: Mapping[Name, Sequence[Name]] | None = None) -> list[Block]:
    """Records for a person to add: as a table for a panel, and as a snippet for BIND. Those below a cut belong to its zone.

    Panels want the name relative to the zone, and most want the target without its final dot.
    """
    cuts, zones = cuts or {}, dict[Name, list[Record]]()
    for record in records:
        deepest = max((cut for cut in cuts if record.owner.is_subdomain(cut)), key=len, default=apex)
        zones.setdefault(deepest, []).append(record)
    blocks: list[Block] = []
    for zone, mine in zones.items():
        blocks += [Styled("")] * bool(blocks) + _by_hand(mine, zone, cuts.get(zone, ()))
    return blocks


def _by_hand(records: Sequence[Record], apex: Name, servers: Sequence[Name]) -> list[Block]:
    served = f", which {', '.join(map(text, servers))} serve{'s' * (len(servers) == 1)}" if servers else ""
    rows = [(relative_text(record.owner, apex), record.rtype, record.rdata.rstrip(".")) for record in records]
    wide = max((len(relative_text(record.owner, apex)) for record in records), default=0)
    return [
        Styled(f"Add these records to the zone {text(apex)}{served}:", "head"),
        Table(("name", "type", "value"), rows),
        Styled(""),
        Styled("The same as a zone file:", "head"),
        Styled(f"$ORIGIN {text(apex)}."),
        *(Styled(f"{relative_text(record.owner, apex):<{wide}} IN {record.rtype} {record.rdata}") for record in records),
    ]


# -- where the records belong, and Wix ---------------------------------------------------------------------------------


def located_lines(located: "Located") -> list[Block]:
    """The zone that the world sees, who serves it, and how we know."""
    zone = located.delegation
    host = {"": "nobody that wixsend can write to", "wix": "Wix itself"}.get(located.provider) or ", ".join(located.hosts)
    account = f" (account {located.account.name})" if located.account else ""
    why = [Styled(f"  {located.why}", "quiet")] if located.why else []
    return [Styled(f"zone {text(zone.apex)}, served by {host}{account}", "head"), *why]


def preview_lines(preview: "Preview") -> list[Block]:
    """Everything that `wixsend plan` says."""
    domain = text(preview.wix.name)
    blocks: list[Block] = [
        Styled(f"{domain}: Wix says {preview.wix.status.value} and wants {count(len(preview.wix.records), 'record')}", "head")
    ]
    if not preview.wix.records:
        return [*blocks, Styled("  Wix is still making the records: look again in a few minutes.")]
    if preview.located is not None:
        blocks += located_lines(preview.located)
    if preview.located is not None and preview.located.provider == "wix":
        return [*blocks, Styled("  Nothing to write: Wix adds the records itself; wixsend authenticate follows its status.")]
    blocks.append(Styled(""))
    if preview.plan is None:
        apex = preview.located.delegation.apex if preview.located else preview.wix.name
        return [
            *blocks,
            *by_hand([record for record in preview.wix.records if record not in preview.kept], apex, preview.cuts),
            *kept_lines(preview.kept),
            *_memory(preview.negative_ttl),
        ]
    blocks += plan_lines(preview.plan)
    if preview.objections:
        return [*blocks, Styled(""), *objection_lines(preview.objections)]
    if not preview.plan.edit:
        blocks.append(Styled("  ; nothing to write", "good"))
    else:
        blocks += _memory(preview.negative_ttl)
    return blocks


def _memory(negative_ttl: int | None) -> list[Block]:
    """How long the worst cache may go on saying no, if somebody asked before the records were there."""
    if negative_ttl is None:
        return []
    return [Styled(f"  ; who asked too early may remember for {span(negative_ttl)} that the names do not exist", "quiet")]


def kept_lines(kept: Sequence[Record]) -> list[Block]:
    """What is left out on purpose."""
    return [
        Styled(
            f"Not among them: {text(record.owner)}, because a DMARC policy holds already and is kept (--dmarc replace adds it).", "quiet"
        )
        for record in kept
    ]


def preview_json(preview: "Preview") -> dict[str, Any]:
    """`wixsend plan --json`."""
    located = preview.located
    return {
        "domain": text(preview.wix.name),
        "wix": {
            "id": preview.wix.id,
            "status": preview.wix.status.value,
            "records": [record_json(record) for record in preview.wix.records],
        },
        "zone": text(located.delegation.apex) if located else None,
        "provider": (located.provider or None) if located else None,
        "account": located.account.name if located and located.account else None,
        "name_servers": [text(server.name) for server in located.delegation.servers] if located else [],
        "why": located.why if located else "",
        "plan": plan_json(preview.plan) if preview.plan else None,
        "kept": [record_json(record) for record in preview.kept],
        "objections": [objection_json(objection) for objection in preview.objections],
        "negative_ttl": preview.negative_ttl,
    }


# -- cases -------------------------------------------------------------------------------------------------------------


def case_state(entry: "Entry") -> Styled:
    """Where a case stands, in a few words."""
    stage = entry.case.stage
    style = {"DONE": "good", "STOPPED": "bad", "UNDONE": "quiet"}.get(stage.name, "warn")
    if stage.name == "DONE" and entry.case.warning:
        style = "warn"
    return Styled(stage.value, style)


def cases_table(entries: Sequence["Entry"], now: float) -> list[Block]:
    """`wixsend status`: every case that the journal knows."""
    if not entries:
        return [Styled("The journal knows of no sending domain. Begin with: wixsend plan DOMAIN")]
    rows = [
        (
            text(entry.domain),
            entry.site,
            case_state(entry),
            clock(entry.case.due, now) if entry.case.due > now else "",
            entry.case.warning or entry.case.why,
        )
        for entry in entries
    ]
    return [Table(("domain", "site", "stage", "next look", "why"), rows)]


def case_lines(entry: "Entry", now: float) -> list[Block]:
    """One case: where it stands, what is next, and what to do."""
    case = entry.case
    state = case_state(entry)
    blocks: list[Block] = [Styled(f"{text(entry.domain)}: {state.text}", state.style)]
    if case.provider:
        account = f", account {case.account}" if case.account else ""
        blocks.append(Styled(f"  zone {text(case.apex)} at {case.provider}{account}"))
    if case.awaits_person:
        blocks.append(Styled(f"  somebody adds the records to the zone {text(case.apex)} by hand"))
    if case.written:
        added = sum(len(change.add) for change in case.written)
        kept = "".join(f"; {text(record.owner)} kept as it is" for record in case.kept)
        blocks.append(Styled(f"  {count(added, 'record')} added by wixsend{kept}"))
    if case.stop is not None:
        blocks += [Styled(f"  {line}") for line in case.stop.happened.splitlines()]
        blocks += [Styled(f"  next: {case.stop.next_step}")] if case.stop.next_step else []
    elif case.why:
        blocks.append(Styled(f"  {case.why}"))
    if case.warning:
        blocks.append(Styled(f"  warning: {case.warning}", "warn"))
    if case.due > now and case.stop is None:
        blocks.append(Styled(f"  next look at {clock(case.due, now)}, in {span(case.due - now)}"))
    return blocks


def history_table(history: "Sequence[Happened]", now: float) -> list[Block]:
    """What happened to a case, oldest first."""
    rows = []
    for happened in history:
        event = happened.event
        rows.append((clock(happened.at, now), event.code, str(getattr(event, "why", "") or getattr(event, "happened", ""))))
    return [Table(("when", "what", "why"), rows)]


def case_json(entry: "Entry") -> dict[str, Any]:
    """A case in JSON; `stage` is stable, `stage_text` is for people."""
    case = entry.case
    return {
        "domain": text(entry.domain),
        "site": entry.site,
        "stage": case.stage.name.lower(),
        "stage_text": case.stage.value,
        "authenticated": case.authenticated,
        "why": case.why,
        "warning": case.warning,
        "since": stamp(case.since) if case.since else None,
        "due": stamp(case.due) if case.due else None,
        "zone": text(case.apex) if case.provider or len(case.apex) > 1 else None,
        "provider": case.provider or None,
        "account": case.account or None,
        "by_hand": case.awaits_person,
        "wanted": [record_json(record) for record in case.wanted],
        "kept": [record_json(record) for record in case.kept],
        "written": [record_json(record) for change in case.written for record in change.add],
        "replaced": [record_json(record) for change in case.written for record in change.remove],
        "tries": case.tries,
        "stopped": None
        if case.stop is None
        else {"error": case.stop.error, "exit_code": case.stop.exit_code, "happened": case.stop.happened, "next": case.stop.next_step},
    }


def history_json(history: "Sequence[Happened]") -> list[dict[str, Any]]:
    """What happened to a case, in JSON: the event's code, when, and its own fields as the journal keeps them."""
    from wixsend.events import to_json

    return [{"at": stamp(happened.at), "event": happened.event.code, "data": json.loads(to_json(happened.event))} for happened in history]


# -- providers ---------------------------------------------------------------------------------------------------------


def providers_table(rows: Sequence["Row"]) -> list[Block]:
    """`wixsend providers`: installed plugins, broken ones with their error."""
    if not rows:
        return [Styled("No provider plugin is installed. Install one, for example: pip install 'wixsend[all]'")]
    table = [
        (
            row.name,
            row.plugin.label if row.plugin else "",
            f"{row.distribution} {row.version}",
            Styled("installed", "good") if row.plugin else Styled("broken", "bad"),
        )
        for row in rows
    ]
    blocks: list[Block] = [Table(("name", "host", "plugin", "state"), table)]
    for row in rows:
        if row.error is not None:
            blocks += [Styled(""), Styled(row.error.happened, "bad"), Styled(f"  next: {row.error.next_step}")]
    return blocks


def providers_json(rows: Sequence["Row"]) -> list[dict[str, Any]]:
    """`wixsend providers --json`."""
    return [
        {
            "name": row.name,
            "label": row.plugin.label if row.plugin else None,
            "distribution": row.distribution,
            "version": row.version,
            "error": row.error.happened if row.error else None,
        }
        for row in rows
    ]


def plugin_lines(plugin: "ProviderPlugin", accounts: Sequence[str]) -> list[Block]:
    """`wixsend providers show NAME`: what it needs, what it may do, what it cannot; for each of its APIs where it has several."""
    facts = (
        ("API", plugin.base_url or f"where you run it, such as {plugin.own_url} (base_url)"),
        ("test environments", ", ".join(f"{name} ({url})" for name, url in plugin.environments.items())),
        ("name servers", ", ".join(plugin.name_servers)),
        ("accounts", ", ".join(accounts) or "none configured"),
    )
    return [
        Styled(f"{plugin.label} ({plugin.name})", "head"),
        *_facts(facts),
        *(block for way in plugin.ways for block in _way_lines(way)),
    ]


def _facts(facts: Sequence[tuple[str, str]]) -> list[Styled]:
    return [Styled(f"  {name:<17}  {told}") for name, told in facts if told]


def _way_lines(plugin: "ProviderPlugin") -> list[Block]:
    """What follows from the credentials of one way into a host."""
    quota = "; ".join(f"{rate.calls} calls in {span(rate.seconds)}" for rate in plugin.quota) or "none known"
    quota += f"; {plugin.reserve:.0%} is left to others" if plugin.reserve else ""
    limits = [f"TTL {plugin.limits.min_ttl} to {plugin.limits.max_ttl} s"]
    limits += [f"{plugin.limits.max_records} records in a zone"] if plugin.limits.max_records else []
    facts = (
        ("one call replaces", {"record": "a record", "rrset": "an RRset", "zone": "the whole zone"}[plugin.granularity.value]),
        ("least permission", plugin.permissions),
        ("quota", quota),
        ("quota counts", plugin.counts_by),
        ("limits", ", ".join(limits)),
        ("tried against", plugin.proven),
    )
    lines = [f'base_url = "{plugin.own_url}"'] if plugin.own_url else []
    lines += [f'{each.name} = "{"env:" + each.env if each.secret else "…"}"' for each in plugin.credentials if each.required]
    return [
        *([Styled(""), Styled(f"With {plugin.api}", "head")] if plugin.api else []),
        *_facts(facts),
        Styled(""),
        Styled("Credentials", "head"),
        Table(
            ("field", "environment variable", "needed", "what it is", "where to get it"),
            [(each.name, each.env, "yes" if each.required else "no", each.help, each.where) for each in plugin.credentials],
        ),
        Styled(""),
        Styled("In wixsend.toml", "head"),
        *(Styled(f"  {line}") for line in (f"[accounts.{plugin.name}]", *lines)),
    ]


def plugin_json(plugin: "ProviderPlugin", accounts: Sequence[str]) -> dict[str, Any]:
    """`wixsend providers show NAME --json`."""
    return {
        "name": plugin.name,
        "label": plugin.label,
        "base_url": plugin.base_url,
        "own_url": plugin.own_url,
        "environments": dict(plugin.environments),
        "name_servers": list(plugin.name_servers),
        **_way_json(plugin),
        "also": [_way_json(way) for way in plugin.also],
        "accounts": list(accounts),
    }


def _way_json(plugin: "ProviderPlugin") -> dict[str, Any]:
    return {
        "api": plugin.api,
        "granularity": plugin.granularity.value,
        "permissions": plugin.permissions,
        "quota": [{"calls": rate.calls, "seconds": rate.seconds} for rate in plugin.quota],
        "reserve": plugin.reserve,
        "counts_by": plugin.counts_by,
        "limits": {"min_ttl": plugin.limits.min_ttl, "max_ttl": plugin.limits.max_ttl, "max_records": plugin.limits.max_records},
        "proven": plugin.proven,
        "credentials": [
            {"name": c.name, "env": c.env, "help": c.help, "where": c.where, "secret": c.secret, "required": c.required}
            for c in plugin.credentials
        ],
    }


def detected_lines(found: "Detected", plugins: "Plugins", domain: str) -> list[Block]:
    """`wixsend providers detect DOMAIN`: who serves the zone, server by server, and what to do with that."""
    zone = found.delegation
    blocks: list[Block] = [Styled(f"zone {text(zone.apex)}, served by {_whose(found, plugins)}", "head"), Styled(f"  {zone.how}", "quiet")]
    rows = [(text(name), " or ".join(_knowing(found, plugins, name)) or "not known") for name in zone.names]
    blocks += [Styled(""), Table(("name server", "of"), rows), Styled("")]
    run = ", ".join(map(text, found.operators))
    facts = [
        ("plugin", f"{found.provider} (wixsend providers show {found.provider})" if found.provider else "none installed"),
        ("panel", ", ".join(dict.fromkeys(host.panel for host in found.hosts if host.panel))),
        ("run by", f"whoever runs {run}" if run else ""),
        ("primary server", text(found.soa.mname) if found.soa else ""),
        ("responsible", found.soa.mailbox if found.soa else ""),
        ("Domain Connect", _offered(found)),
    ]
    wide = max(len(name) for name, _told in facts)
    blocks += [Styled(f"{name:<{wide}}  {told}") for name, told in facts if told]
    if found.mixed:
        blocks.append(Styled("Several hosts serve the zone together: the records must be added at each of them.", "warn"))
    if not found.provider:
        blocks.append(Styled(f"next: wixsend handoff {domain} makes what its owner needs to add the records by hand", "quiet"))
    return blocks


def _whose(found: "Detected", plugins: "Plugins") -> str:
    if found.mixed:
        return "several hosts together"
    if found.provider:
        return plugins.get(found.provider).label
    return " or ".join(host.label for host in found.hosts) or "a host that wixsend does not know"


def _knowing(found: "Detected", plugins: "Plugins", server: Name) -> list[str]:
    """The labels of the hosts that know a name server: the plugins' word before the table's."""
    return [plugins.get(name).label for name in found.plugins[server]] or [host.label for host in found.by_server[server]]


def _offered(found: "Detected") -> str:
    offer = found.offer
    if offer is None:
        return ""
    if offer.trouble:
        return f"{offer.prefix}: {offer.trouble}"
    one_click = "takes one-click set-up, for which Wix publishes no template" if offer.one_click else "takes no one-click set-up"
    return "; ".join(part for part in (offer.name or offer.prefix, one_click, f"panel {offer.panel}" if offer.panel else "") if part)


def detected_json(found: "Detected", plugins: "Plugins") -> dict[str, Any]:
    """`wixsend providers detect --json`, without the domain."""
    offer, soa = found.offer, found.soa
    return {
        "zone": text(found.delegation.apex),
        "how": found.delegation.how,
        "known": found.known,
        "mixed": found.mixed,
        "provider": found.provider or None,
        "hosts": [{"name": host.name, "label": host.label, "panel": host.panel or None} for host in found.hosts],
        "name_servers": [{"name": text(name), "of": _knowing(found, plugins, name)} for name in found.delegation.names],
        "operators": [text(name) for name in found.operators],
        "soa": None if soa is None else {"mname": text(soa.mname), "rname": text(soa.rname), "mailbox": soa.mailbox or None},
        "domain_connect": None
        if offer is None
        else {
            "prefix": offer.prefix,
            "name": offer.name or None,
            "panel": offer.panel or None,
            "one_click": offer.one_click,
            "trouble": offer.trouble or None,
        },
    }


def tested_table(rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """`wixsend providers test NAME`: for each account, whether it works, and what to do where it does not."""
    table = [(row["account"], row["zone"], Styled("yes", "good") if row["works"] else Styled("no", "bad"), row["says"]) for row in rows]
    steps = dict.fromkeys(row["next"] for row in rows if row["next"])
    return [Table(("account", "zone", "works", "says"), table), *(Styled(f"  next: {step}") for step in steps)]


# -- backups -----------------------------------------------------------------------------------------------------------


def backups_table(backups: "Sequence[Backup]", now: float) -> list[Block]:
    """`wixsend backups`."""
    if not backups:
        return [Styled("No zone was put away: wixsend has written nothing here.")]
    rows = [
        (str(b.id), clock(b.at, now), text(b.snapshot.zone.apex), f"{b.provider} ({b.account})", count(len(b.snapshot.records), "record"))
        for b in backups
    ]
    return [Table(("number", "read", "zone", "at", "holds"), rows), Styled(""), Styled("wixsend restore NUMBER shows one.", "quiet")]


def backup_lines(backup: "Backup", now: float) -> list[Block]:
    """A zone as it was read before a write, as a zone file."""
    snapshot = backup.snapshot
    wide = max((len(text(record.owner)) + 1 for record in snapshot.records), default=0)
    whole = "the whole zone" if snapshot.covers is WHOLE else "the names that the plan looked at"
    return [
        Styled(f"; {text(snapshot.zone.apex)} at {backup.provider} ({backup.account}), {whole}, read {clock(backup.at, now)}", "head"),
        *(Styled(f"; {name}: {value}", "quiet") for name, value in snapshot.baggage.items()),
        *(Styled(_zone_line(record, wide)) for record in snapshot.records),
        Styled(f"; put records back with: wixsend restore {backup.id} NAME...", "quiet"),
    ]


def backup_json(backup: "Backup") -> dict[str, Any]:
    """A backup in JSON."""
    snapshot = backup.snapshot
    return {
        "number": backup.id,
        "at": stamp(backup.at),
        "zone": text(snapshot.zone.apex),
        "provider": backup.provider,
        "account": backup.account,
        "whole": snapshot.covers is WHOLE,
        "settings": dict(snapshot.baggage),
        "records": [record_json(record) for record in snapshot.records],
    }


# -- configuration -----------------------------------------------------------------------------------------------------


def config_lines(config: "Config") -> list[Block]:
    """`wixsend config`: every value that somebody set, and where; secrets never."""
    files = [Styled(f"read: {path}", "quiet") for path in config.files] or [Styled("no wixsend.toml was found", "quiet")]
    rows = [(".".join(setting.path), setting.origin, setting.shown) for setting in config.set.values()]
    table: list[Block] = [Table(("setting", "from", "value"), rows)] if rows else [Styled("Nothing is set; everything has its default.")]
    return [*files, Styled(""), *table, *(Styled(f"warning: {notice}", "warn") for notice in config.notices)]


def config_json(config: "Config") -> dict[str, Any]:
    """`wixsend config --json`."""
    return {
        "files": [str(path) for path in config.files],
        "settings": [{"path": list(s.path), "value": s.shown, "from": s.origin, "secret": s.secret} for s in config.set.values()],
        "notices": list(config.notices),
    }
