"""The fault matrix: the whole job with everything that can go wrong at every step of it, judged by the vendor's raw state.

    host = Subject("namecheap")                              # or a plugin and a fake that are not installed: see `Subject`
    for combination in matrix([host]):
        verdict = survive(combination)
        assert verdict.survived, verdict

A *combination* is a host, a job, one numbered call of that job (to Wix, to the host, to DNS, or to the journal's database), and one
trouble that befalls that call. `survive` runs the job in a world of fakes with the trouble in it, and then the same command again
until it is done, and once more. It believes nothing that wixsend says of itself: what the host holds is compared with what it held before,
and with what a run without trouble leaves there.

What must hold, at every request and at the end:

- rows that a run without trouble leaves alone are there, each with every field; so are the zone's settings;
- at the end the rows are those that a run without trouble leaves, no more and no less; a job that is run again adds nothing;
- no write reaches the host while the zone is already as the job wants it;
- every run that did not come to its end said why, and what to do next; no message holds a credential.

Processes really end by SIGKILL; everything else runs in this process under one clock that jumps.
"""

import asyncio
import json
import multiprocessing
import os
import re
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from wixsend.adapters import Adapter
from wixsend.errors import PluginBroken, Refused, WixsendError
from wixsend.flow import Stage, Times
from wixsend.names import absolute
from wixsend.plan import Edit
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin, Receipt
from wixsend.records import Granularity, Snapshot, Zone
from wixsend.testing.dns import DnsFault, FaultKind
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend.testing.server import Fault
from wixsend.testing.tap import Tap, TapKind
from wixsend.testing.world import Clock, GivenPlugins, Reach, Run, World, record

__all__ = ["TROUBLES", "Combination", "Job", "Medium", "Step", "Subject", "Trouble", "Verdict", "matrix", "quick", "rehearse", "survive"]

_DOMAIN = "example.com"

_RECORDS = (
    record("@", "A", "192.0.2.10"),
    record("www", "CNAME", "example.com."),
    record("*", "A", "192.0.2.11"),
    record("@", "MX", "10 mx1.example.net."),
    record("@", "MX", "20 mx2.example.net."),
    record("@", "TXT", '"v=spf1 include:_spf.example.net ~all"'),
    record("@", "TXT", '"site-verification=0123456789"'),
    record("_dmarc", "TXT", '"v=DMARC1; p=reject; rua=mailto:d@example.com"'),
)
"""What others have in the zone."""

_FOREIGN = record("s1._domainkey", "CNAME", "s1.domainkey.u1.wl.sendgrid.net.")
"""What stands where Wix wants a record, in the jobs that replace it."""

_RECENT = record("recent", "A", "192.0.2.99")
"""What another editor adds meanwhile."""

_LEAVING = record("@", "TXT", '"site-verification=0123456789"')
"""What another editor takes away meanwhile."""

_TIMES = Times(blind_first=300.0, stumbling=300.0, give_up=900.0)
_MOST_RUNS = 6
_REAL_SECONDS = 60.0
"""A run that takes longer than this goes round in circles."""


class Medium(StrEnum):
    """Whom a call is made to."""

    WIX = "wix"
    HOST = "host"
    DNS = "dns"
    JOURNAL = "journal"


class Job(StrEnum):
    """What is done. The undos begin after the run that they undo."""

    AUTHENTICATE = "authenticate"
    REPLACE = "replace"
    UNDO = "undo"
    UNDO_REPLACE = "undo a replace"

    @property
    def undoes(self) -> bool:
        return self in (Job.UNDO, Job.UNDO_REPLACE)

    @property
    def replaces(self) -> bool:
        return self in (Job.REPLACE, Job.UNDO_REPLACE)


@dataclass(frozen=True, slots=True)
class Subject:
    """A DNS host that the matrix is run on, by the name of its plugin.

    `given` are a plugin and its fake that are not installed. `settings` are those of the fake's `add_zone`. `volatile` are fields
    of the fake's rows that the vendor chooses anew whenever a row is written. `way` tells the ways into one host apart, in words.
    """

    name: str
    given: tuple[ProviderPlugin, type[FakeHost]] | None = field(default=None, hash=False)
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    volatile: frozenset[str] = frozenset({"id", "HostId", "created_on", "modified_on"})
    way: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.way}" if self.way else self.name

    @classmethod
    def all_of(cls, name: str) -> "list[Self]":
        """An installed host, and again for each further way into it that its fake knows; none for a host without a fake."""
        plugins = Plugins()
        plugin, fake = plugins.get(name), plugins.sandbox_host(name)
        if fake is None:
            return []
        others = [cls(name, given=(plugin, other), way=plugin.way(other.credentials).api) for other in fake.also]
        return [cls(name), *others]

    def plugins(self) -> Plugins:
        """This host's plugin and no other."""
        return _plugins(self)


@cache
def _plugins(subject: Subject) -> Plugins:
    if subject.given is not None:
        return GivenPlugins([subject.given])
    installed = Plugins()
    fake = installed.sandbox_host(subject.name)
    if fake is None:
        raise PluginBroken(f"the plugin {subject.name} brings no fake of its host", "Let it have the hook wixsend_sandbox_host.")
    return GivenPlugins([(installed.get(subject.name), fake)])


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a job: the `number`-th to this medium since the job began, and what kind of call it is.

    For DNS it is one question (`question`: name, type, asked of a resolver), asked of however many servers.
    """

    medium: Medium
    number: int
    kind: str
    question: tuple[str, str, bool] | None = None


type _Lasting = Literal["once", "run", "while"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong, and at calls to whom.

    `http`, `dns` and `journal` are how it is brought about. It lasts for one call, for the rest of the run, or for a `while`: the
    `seconds` after its first call. `only` are the hosts that have this habit. `editor` troubles are another program's edits: what
    they add is part of what must be there, and what they remove is not.
    """

    name: str
    media: frozenset[Medium]
    http: Fault | None = None
    dns: FaultKind | None = None
    journal: TapKind | None = None
    lasting: _Lasting = "once"
    seconds: float = 0.0
    only: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    kills: bool = False
    shuts: bool = False
    editor: Literal["", "adds", "removes"] = ""

    @property
    def unseen(self) -> bool:
        """True when the zone may be another afterwards than the answer tells."""
        return bool(self.editor) or self.kills or (self.http is not None and self.http.lets_through)

    def befalls(self, subject: Subject, step: Step) -> bool:
        """True when this can happen to that call."""
        verb = step.kind.partition(" ")[0]
        return step.medium in self.media and (not self.only or subject.name in self.only) and (not self.kinds or verb in self.kinds)


_HTTP = frozenset({Medium.WIX, Medium.HOST})
_DNS = frozenset({Medium.DNS})
_JOURNAL = frozenset({Medium.JOURNAL})
_WRITES = frozenset({"insert", "update", "create", "commit"})
_BUT_ZONE = frozenset({"read", "write", "look"})
"""For what is no trouble, but the answer of a server without the zone, to whoever asks whether it has it."""
_FOREVER = 1_000_000


def _http(name: str, kind: Any, *, lasting: _Lasting = "once", only: str = "", seconds: float = 0.0, **fault: Any) -> Trouble:
    media = frozenset({Medium.HOST}) if only else _HTTP
    return Trouble(name, media, Fault(kind, **fault), lasting=lasting, seconds=seconds, only=frozenset(only.split()))


def _dns(kind: FaultKind, lasting: _Lasting) -> Trouble:
    return Trouble(f"dns {kind}" + (", for good" if lasting == "run" else ""), _DNS, dns=kind, lasting=lasting)


_STALE = "stale read"

TROUBLES: tuple[Trouble, ...] = (
    Trouble("connection refused", _HTTP, Fault("refuse"), lasting="run", shuts=True),
    _http("reset", "refuse"),
    _http("reset, for good", "refuse", lasting="run"),
    _http("lost reply", "lost-reply"),
    _http("time-out", "hang"),
    _http("time-out, done", "hang", handled=True),
    _http("429", "status", status=429),
    _http("429, Retry-After", "status", status=429, headers={"retry-after": "30"}),
    _http("429, for good", "status", status=429, lasting="run"),
    _http("405", "status", status=405, body=b"<html>Method Not Allowed</html>", only="namecheap"),
    _http("5-minute block", "status", status=429, headers={"retry-after": "300"}, lasting="while", seconds=300.0, only="cloudflare"),
    _http("401", "status", status=401),
    _http("REFUSED", "status", status=403, only="rfc2136"),
    Trouble("NOTAUTH", frozenset({Medium.HOST}), Fault("status", status=404), only=frozenset({"rfc2136"}), kinds=_BUT_ZONE),
    _http("500", "status", status=500),
    _http("500, done", "status", status=500, handled=True),
    _http("503", "status", status=503),
    _http("503, for good", "status", status=503, lasting="run"),
    _http("html", "html"),
    _http("html, done", "html", handled=True),
    _http("empty", "empty"),
    _http("empty, done", "empty", handled=True),
    _http("truncated", "truncate"),
    _http("wrong shape", "wrong-shape"),
    _http("wrong shape, done", "wrong-shape", handled=True),
    _http(_STALE, "stale", lasting="while", seconds=5.0),
    Trouble("killed", _HTTP, Fault("refuse"), kills=True),
    Trouble("killed, done", _HTTP, Fault("lost-reply"), kills=True),
    Trouble("editor adds", _HTTP, Fault("meanwhile"), editor="adds"),
    Trouble("editor removes", _HTTP, Fault("meanwhile"), editor="removes"),
    *(_dns(kind, "run") for kind in ("drop", "servfail", "refuse", "lame", "deny")),
    *(
        _dns(kind, "once")
        for kind in ("drop", "servfail", "truncate", "no-edns", "no-aa", "garbage", "wrong-id", "wrong-question", "wrong-source")
    ),
    Trouble("killed", _DNS, dns="drop", kills=True),
    Trouble("disk full", _JOURNAL, journal="disk full", kinds=_WRITES),
    Trouble("read-only", _JOURNAL, journal="read-only", kinds=_WRITES),
    Trouble("locked", _JOURNAL, journal="locked"),
    Trouble("killed", _JOURNAL, journal="kill", kills=True),
    Trouble("killed, done", _JOURNAL, journal="kill", kills=True, kinds=_WRITES),
)
"""Everything that goes wrong. Troubles of one name are one row of the table."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One cell of the matrix. `number` names it in the matrix that it was made for."""

    number: int
    subject: Subject
    job: Job
    step: Step
    trouble: Trouble

    def __str__(self) -> str:
        step = self.step
        question = f" {step.question[0]}" if step.question else ""
        return f"{self.number}: {self.subject}, {self.job}, {step.medium} call {step.number} ({step.kind}{question}), {self.trouble.name}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a combination. `lost` says each thing that did not hold; `window` what a host without compare-and-set cannot keep.

    `met` is false where the call that was to go wrong never came, so that nothing was tried. `runs` says how each run ended.
    """

    combination: Combination
    lost: tuple[str, ...] = ()
    window: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    met: bool = True

    @property
    def survived(self) -> bool:
        return not self.lost

    def __str__(self) -> str:
        return "\n    ".join(
            [str(self.combination), *(f"LOST {one}" for one in self.lost), *self.window, *(f"run: {run}" for run in self.runs)]
        )


# -- the matrix --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Signature:
    """What tells requests of one kind from others, whatever the vendor: the verb, the path without ids, the names of the form's fields."""

    method: str
    path: str
    fields: frozenset[str]

    @classmethod
    def of(cls, request: Request) -> Self:
        is_form = "form-urlencoded" in request.headers.get("content-type", "")
        fields = frozenset(re.sub(r"\d+", "", name) for name in request.form()) if is_form else frozenset[str]()
        return cls(request.method, re.sub(r"[0-9a-f]{8,}|\d+", "#", request.path), fields)


@dataclass(frozen=True, slots=True)
class _Clean:
    """A job without trouble: its calls, the zone before and after, and which requests to the host are writes."""

    steps: tuple[Step, ...]
    before: Any
    after: Any
    writes: frozenset[_Signature]


@cache
def _clean(subject: Subject, job: Job) -> _Clean:
    with _Scene(subject, job) as scene:
        asyncio.run(scene.prepare())
        before, server = scene.raw(), scene.world.server
        with Tap() as tap:
            ended = asyncio.run(scene.run())
        if not ended.done:
            raise AssertionError(f"{job} at {subject} does not succeed without any trouble: {ended.said}")
        asked = iter(scene.asked)
        steps: list[Step] = []
        writes: set[_Signature] = set()
        for call in server.calls:
            if call.service == "wix":
                steps.append(Step(Medium.WIX, call.number, _wix_kind(call.request)))
            else:
                steps.append(Step(Medium.HOST, call.number, next(asked)))
                writes |= {_Signature.of(call.request)} if steps[-1].kind == "write" else set()
        questions = sorted({(query.name.to_text(), query.rtype, query.rd) for query in scene.world.dns.queries})
        for number, (name, rtype, rd) in enumerate(questions, 1):
            steps.append(Step(Medium.DNS, number, f"{'resolver' if rd else 'authority'} {rtype}", (name, rtype, rd)))
        steps += [Step(Medium.JOURNAL, number, kind) for number, kind in enumerate(tap.calls, 1)]
        return _Clean(tuple(steps), before, scene.raw(), frozenset(writes))


def _wix_kind(request: Request) -> str:
    last = request.path.rpartition("/")[2]
    return last if last in ("query", "authenticate") else "get"


def matrix(subjects: Iterable[Subject]) -> list[Combination]:
    """Every trouble at every call of every job that it can befall, numbered from 1. Runs each job once without trouble."""
    found = (
        (subject, job, step, trouble)
        for subject in subjects
        for job in Job
        for step in _clean(subject, job).steps
        for trouble in TROUBLES
        if trouble.befalls(subject, step)
    )
    return [Combination(number, *cell) for number, cell in enumerate(found, 1)]


def rehearse(subjects: Iterable[Subject]) -> None:
    """Run every job once without trouble, before a process tries combinations of all of these: what that takes is then taken once."""
    for subject in subjects:
        for job in Job:
            _clean(subject, job)


def quick(combinations: Iterable[Combination]) -> list[Combination]:
    """Each trouble at each kind of call once, the hosts and jobs taking turns.

    What depends most on the host, once for each host, and for its way back: what a write has done unseen, what others edit beside it, and
    stale reads.
    """
    cells: dict[tuple[object, ...], list[Combination]] = {}
    for one in combinations:
        depends = (one.step.kind == "write" and one.trouble.unseen) or one.trouble.name == _STALE
        everywhere = (str(one.subject), one.job.undoes) if depends else ()
        cells.setdefault((one.trouble.name, one.step.medium, one.step.kind, *everywhere), []).append(one)
    chosen = [cell[turn * 7 % len(cell)] for turn, cell in enumerate(cells.values())]
    return sorted(chosen, key=lambda one: one.number)


# -- one combination ---------------------------------------------------------------------------------------------------


def survive(combination: Combination) -> Verdict:
    """Try one combination. Not from within a running event loop."""
    clean = _clean(combination.subject, combination.job)
    with _Scene(combination.subject, combination.job) as scene:
        return asyncio.run(_tried(scene, combination, clean))


async def _tried(scene: "_Scene", combination: Combination, clean: _Clean) -> Verdict:
    await scene.prepare()
    witness = _Witness(scene, combination, clean)
    scene.world.around = witness
    if combination.trouble.http is not None and combination.trouble.http.kind == "stale":
        await scene.age(witness)
    with scene.suffering(combination, witness) as suffering:
        ended = await (scene.killed(combination) if combination.trouble.kills else scene.run(combination.trouble))
    met, runs = suffering.met or ended.killed, [ended]
    witness.look("after the first run")
    while not ended.done and len(runs) < _MOST_RUNS:
        runs.append(ended := await scene.run())
    if not ended.done:
        witness.problems.append(f"not done after {len(runs)} runs")
    runs.append(await scene.run())
    if runs[-1].done is not ended.done:
        witness.problems.append("the same command, run again after it was done, did not end as done")
    witness.problems += [f"a run ended without a next step: {run.said}" for run in runs if not run.explained]
    witness.problems += [f"a run told a secret: {secret[:3]}…" for secret in scene.secrets for run in runs if secret in run.said]
    witness.look_at_the_end()
    return Verdict(
        combination, tuple(dict.fromkeys(witness.problems)), tuple(dict.fromkeys(witness.window)), tuple(str(run) for run in runs), met
    )


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a run ended: done or not, in what words, and whether it said what to do next."""

    done: bool
    said: str
    explained: bool = True
    killed: bool = False

    def __str__(self) -> str:
        return ("done" if self.done else "not done") + (f": {self.said}" if self.said else "")


class _Told(Adapter):
    """An adapter that tells what it is asked."""

    tell: Callable[[str], None]

    @classmethod
    def open(cls, plugin: ProviderPlugin, *args: Any) -> Self:
        opened = super().open(plugin, *args)
        _ADAPTERS.add(type(opened._provider).__module__)
        return opened

    async def zone(self, apex: Any) -> tuple[Zone, ...]:
        type(self).tell("zone")
        return await super().zone(apex)

    async def read(self, zone: Zone, names: Any) -> Snapshot:
        type(self).tell("read")
        return await super().read(zone, names)

    async def write(self, edit: Edit) -> Receipt:
        type(self).tell("write")
        return await super().write(edit)


_IN_MEMORY = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108
"""Where a journal is written without waiting for a disk: nothing here is about power cuts."""


class _Scene:
    """A world with the job's domain in it. A context manager."""

    def __init__(self, subject: Subject, job: Job) -> None:
        self.subject, self.job = subject, job
        self.asked: list[str] = []
        self.victim: Any = None
        self.started = threading.Event()
        self._asking = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="wixsend-faults-", dir=_IN_MEMORY)))
        self.world = self._stack.enter_context(World(folder, plugins=self.subject.plugins))
        self.world.around = self._labelled
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def secrets(self) -> list[str]:
        """What no message may hold."""
        secret = {credential.name for credential in self.world.plugins.get(self.subject.name).fields if credential.secret}
        given = self.world.hosts[self.subject.name].credentials
        return [self.world.wix.site.api_key, *(given[name] for name in secret if name in given)]

    def raw(self) -> Any:
        return self.world.raw(self.subject.name, _DOMAIN)

    async def prepare(self) -> None:
        """Everything up to the job: for an undo, the run that it undoes, an hour ago."""
        records = (*_RECORDS, _FOREIGN) if self.job.replaces else _RECORDS
        self.world.add(_DOMAIN, self.subject.name, records, **self.subject.settings)
        if self.job.undoes:
            entry = await self._process().authenticate()
            assert entry.case.stage is Stage.DONE, entry.case
            self.world.clock.at += 3600.0
        self._begin()

    def _begin(self) -> None:
        self.world.server.reset_counts()
        self.world.dns.queries.clear()
        self.asked.clear()
        self._asking = ""

    async def age(self, witness: "_Witness") -> None:
        """Let the host and Wix be asked, and another editor change the zone right afterwards: reads may be stale from now on."""
        await self._process().preview()
        self.world.server.remember()
        witness.edit("adds")
        self._begin()

    def _labelled(self, _name: str, _request: Request, handle: Callable[[], Response]) -> Response:
        self.label()
        return handle()

    def label(self) -> None:
        """Note for what the request that is being handled was made."""
        self.asked.append(self._asking)

    def _tell(self, asking: str) -> None:
        self._asking = "look" if asking == "read" and self._asking in ("write", "look") else asking

    def _order(self) -> dict[str, object]:
        return {"dmarc": "replace", "replace": frozenset({_FOREIGN.owner})} if self.job.replaces else {}

    def _process(self, trouble: Trouble | None = None) -> Run:
        """A process, with time-outs that are as short as the trouble makes them matter."""
        hangs = trouble is not None and trouble.http is not None and trouble.http.kind == "hang"
        silent = trouble is not None and trouble.dns in _SILENT
        told = type("Told", (_Told,), {"tell": staticmethod(self._tell)})
        run = self.world.run(_DOMAIN, **self._order())
        run.times, run.adapter = _TIMES, told
        run.timeout = _TIMEOUT if hangs else _LONG
        run.settings = _SILENCE if silent else {"timeout": _LONG}
        return run

    async def run(self, trouble: Trouble | None = None) -> _Ended:
        """The job, once, in this process."""
        return await _job(self._process(trouble), self.job)

    async def killed(self, combination: Combination) -> _Ended:
        """The job in a process of its own, which the trouble ends by SIGKILL."""
        step, trouble = combination.step, combination.trouble
        tap = (step.number, not trouble.name.endswith("done")) if step.medium is Medium.JOURNAL else None
        clock = self.world.clock
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *sorted(_ADAPTERS)])
        self.victim = context.Process(target=_victim, args=(self.world.reach(), clock.at, self._order(), self.job, tap))
        self.victim.start()
        self.started.set()
        await asyncio.to_thread(self.victim.join, _REAL_SECONDS)
        ended_by, told = self.victim.exitcode, self.world.folder / "clock"
        if ended_by is None:
            self.kill()
            self.victim.join()
        if told.exists():
            clock.at = max(clock.at, float(told.read_text()))
        killed = ended_by == -signal.SIGKILL
        return _Ended(False, "killed" if killed else f"the process ended with {ended_by} before it was killed", killed, killed)

    def kill(self) -> None:
        """End the process that is under way, at once."""
        self.started.wait()
        os.kill(self.victim.pid, signal.SIGKILL)

    @contextmanager
    def suffering(self, combination: Combination, witness: "_Witness") -> Iterator["_Suffering"]:
        """The trouble, for as long as the first run lasts."""
        step, trouble, world = combination.step, combination.trouble, self.world
        suffering = _Suffering()
        meet: Callable[[], object] = (
            self.kill if trouble.kills else partial(witness.edit, trouble.editor) if trouble.editor else lambda: None
        )
        with ExitStack() as stack:
            if step.medium is Medium.JOURNAL:
                if not trouble.kills:
                    assert trouble.journal is not None
                    tap = stack.enter_context(Tap(step.number, trouble.journal))
                    stack.callback(lambda: suffering.note(tap.met))
            elif step.medium is Medium.DNS:
                assert trouble.dns is not None and step.question is not None
                name, rtype, rd = step.question
                times = 1 if trouble.lasting == "once" else None
                dns_fault = DnsFault(trouble.dns, "resolver" if rd else "authority", absolute(name), rtype, times=times)
                dns_fault.action = suffering.noting(meet)
                world.dns.add_fault(dns_fault)
                stack.callback(world.dns.faults.clear)
            else:
                assert trouble.http is not None
                service = "wix" if step.medium is Medium.WIX else self.subject.name
                if trouble.shuts:
                    meet = partial(world.server.shut, service)
                    stack.callback(lambda: world.server.reopen(service) if suffering.met else None)
                times = 1 if trouble.lasting == "once" else _FOREVER
                clock = world.clock
                match = _for_a_while(clock, trouble.seconds) if trouble.lasting == "while" else None
                action = suffering.noting(meet, once=True)
                fault = replace(trouble.http, service=service, call=step.number, times=times, match=match, action=action, seconds=_HELD)
                world.server.faults.add(fault)
                stack.callback(world.server.faults.clear)
            yield suffering


_TIMEOUT, _HELD, _LONG = 0.2, 0.4, 5.0
"""Real seconds: how long a run waits whose calls hang, how long they hang, and how long any other run waits."""

_SILENCE = {"timeout": 0.3, "tries": 1}
"""The DNS settings of a run in which a name server may be silent; `timeout` in real seconds."""

_SILENT = frozenset({"drop", "garbage", "wrong-id", "wrong-question", "wrong-source"})
"""Troubles in DNS after which no answer comes."""


class _Suffering:
    """Whether the call that was to go wrong came."""

    def __init__(self) -> None:
        self.met = False

    def note(self, met: bool) -> None:
        self.met = self.met or met

    def noting(self, action: Callable[[], object], once: bool = False) -> Callable[[], None]:
        """The action, noted."""

        def act() -> None:
            again, self.met = self.met, True
            if not (again and once):
                action()

        return act


def _for_a_while(clock: Clock, seconds: float) -> Callable[[Request], bool]:
    """True from the first time it is asked, for so many seconds of the clock."""
    until: list[float] = []

    def lasts(_request: Request) -> bool:
        until.append(clock.now() + seconds)
        return clock.now() < until[0]

    return lasts


async def _job(run: Run, job: Job) -> _Ended:
    """One run of the command. Whatever is not one of our errors is a bug, and never explained."""
    try:
        async with asyncio.timeout(_REAL_SECONDS):
            if job.undoes:
                await run.undo()
                return _Ended(True, "")
            case = (await run.authenticate()).case
    except Refused as refused:
        return _Ended(job.undoes and "nothing to undo" in refused.happened, refused.happened, bool(refused.next_step))
    except WixsendError as wrong:
        return _Ended(False, f"{wrong.code}: {wrong.happened}\n{wrong.next_step}", bool(wrong.next_step))
    except TimeoutError:
        return _Ended(False, f"still not at an end after {_REAL_SECONDS:g} real seconds", explained=False)
    except Exception as bug:
        return _Ended(False, f"{type(bug).__name__}: {bug}", explained=False)
    stop = case.stop
    if stop is None:
        return _Ended(case.stage is Stage.DONE, case.warning, case.stage is Stage.DONE)
    return _Ended(False, f"{stop.error}: {stop.happened}\n{stop.next_step}", bool(stop.next_step))


class _FiledClock(Clock):
    """A clock whose time outlives its process."""

    def __init__(self, at: float, file: Path) -> None:
        super().__init__(at)
        self._file = file

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self._file.write_text(str(self.at))


def _victim(reach: Reach, at: float, order: dict[str, object], job: Job, tap: tuple[int, bool] | None) -> None:
    """What the process does that is killed on the way."""
    run = Run(
        lambda: reach, _FiledClock(at, reach.folder / "clock"), _DOMAIN, order, times=_TIMES, timeout=_LONG, settings={"timeout": _LONG}
    )
    with Tap(tap[0], "kill", before=tap[1]) if tap else nullcontext():
        asyncio.run(_job(run, job))


_ADAPTERS: set[str] = set()
"""Modules of the adapters that were opened in this process: those who are to be killed have them, and their SDKs, from the start."""


# -- what must hold ----------------------------------------------------------------------------------------------------


class _Witness:
    """Sees the host's raw state at every request that it handles, and holds it to what must be."""

    def __init__(self, scene: _Scene, combination: Combination, clean: _Clean) -> None:
        self._scene = scene
        self._combination = combination
        self._clean = clean
        before = scene.raw()
        if before != clean.before:
            raise AssertionError(f"the fake of {scene.subject.name} is not the same each time: {before} and {clean.before}")
        self._settings = _settings(before)
        self._kept = _rows(before) & _rows(clean.after)
        self._target = self._modulo(clean.after)
        self._added: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self.problems: list[str] = []
        self.window: list[str] = []

    def __call__(self, _name: str, request: Request, handle: Callable[[], Response]) -> Response:
        self._scene.label()
        if _Signature.of(request) in self._clean.writes and self._modulo(self._scene.raw()) == self._wanted():
            self.problems.append(f"a write ({request.method} {request.path}) while the zone was as wanted")
        response = handle()
        self.look(f"after {request.method} {request.path} number {len(self._scene.asked)}")
        return response

    def edit(self, how: str) -> None:
        """Another program's edit; what it changes in the rows is part of what must be from now on."""
        before = self._scene.raw()
        add, remove = ([_RECENT], []) if how == "adds" else ([], [_LEAVING])
        self._scene.world.edit_behind(self._scene.subject.name, _DOMAIN, add, remove)
        after = self._scene.raw()
        self._kept -= _rows(before) - _rows(after)
        self._added += self._modulo(after) - self._modulo(before)
        self._removed += self._modulo(before) - self._modulo(after)

    def look(self, when: str) -> None:
        """What must hold at every moment."""
        raw = self._scene.raw()
        self.problems += [f"{when} a row is gone or changed: {row}" for row in self._kept - _rows(raw)]
        if _settings(raw) != self._settings:
            self.problems.append(f"{when} the zone's settings are {_settings(raw)}, and were {self._settings}")

    def look_at_the_end(self) -> None:
        """What must hold when everything is done."""
        self.look("at the end")
        found, wanted = self._modulo(self._scene.raw()), self._wanted()
        overwritten = Counter(self._added - found) + Counter((found - wanted) & self._removed)
        told = self.window if self._cannot_be_kept() else self.problems
        told += [f"another editor's change of that very moment is overwritten: {row}" for row in overwritten]
        self.problems += [f"at the end a row is missing: {row}" for row in (wanted - found) - overwritten]
        self.problems += [f"at the end there is a row too many: {row}" for row in (found - wanted) - overwritten]

    def _cannot_be_kept(self) -> bool:
        """True for an edit that comes between the last read and the write of a host that replaces whole zones unconditionally."""
        granularity = self._scene.world.plugins.get(self._scene.subject.name).granularity
        one = self._combination
        return granularity is Granularity.ZONE and bool(one.trouble.editor) and one.step.kind == "write"

    def _wanted(self) -> Counter[str]:
        return self._target + self._added - self._removed

    def _modulo(self, raw: Any) -> Counter[str]:
        """The rows without what the vendor chooses anew each time."""
        volatile = self._scene.subject.volatile
        return Counter(_text({key: value for key, value in row.items() if key not in volatile}) for row in raw["records"])


def _rows(raw: Any) -> Counter[str]:
    """The rows, every field of them."""
    return Counter(map(_text, raw["records"]))


def _settings(raw: Any) -> str:
    return _text({key: value for key, value in raw.items() if key != "records"})


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
