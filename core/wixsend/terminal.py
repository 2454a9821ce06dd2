"""Floor 6. The streams of one command: results on stdout, progress and questions on stderr, and what a person at a terminal sees live.

Everything that is printed is redacted here, control characters that came from elsewhere are made visible, and a block is one line,
whatever is in it: nothing from elsewhere can forge a line of a plan or a question.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from wixsend.errors import ConfigError, Interrupted
from wixsend.layout import Block, Styled, clock, render, span
from wixsend.names import SendingDomain, parse_sending_domain, text
from wixsend.redact import Redactor

if TYPE_CHECKING:
    from wixsend.engine import Update

__all__ = ["Board", "Progress", "Terminal", "cleaned_logs", "interrupted", "run"]


_SIGPIPE = 128 + 13
"""The exit code of a command whose reader has gone."""


def interrupted() -> Interrupted:
    """The error for Ctrl-C and SIGTERM."""
    return Interrupted("interrupted; what was done is in the journal", "The same command goes on where it was.")


class Terminal:
    """Where one command prints. `interactive` is true when a person can be asked; `json` that stdout is for a program.

    `beside` is what a program is to get beside the error, if the command ends in one.
    """

    def __init__(self, redactor: Redactor, *, json: bool = False) -> None:
        self.json = json
        self.beside: dict[str, Any] = {}
        self.interactive = sys.stdin.isatty() and sys.stderr.isatty()
        self.redactor = redactor

    def show(self, blocks: Sequence[Block]) -> None:
        """Print a result for a person."""
        self._print(blocks, sys.stdout)

    def tell(self, *blocks: Block | str) -> None:
        """Print something beside the result."""
        self._print([Styled(block) if isinstance(block, str) else block for block in blocks], sys.stderr)

    def result(self, value: object) -> None:
        """Print a result for a program: one JSON document, the only one of the command."""
        _write(sys.stdout, self.document(value))

    def document(self, value: object) -> str:
        """A JSON document as `result` prints it."""
        return json.dumps(self._cleaned(value), ensure_ascii=False, indent=2) + "\n"

    def line(self, value: object) -> None:
        """Print one of many results for a program: a JSON document on one line."""
        _write(sys.stdout, json.dumps(self._cleaned(value), ensure_ascii=False) + "\n")

    def write(self, text: str) -> None:
        """Print a part of a result that has a form of its own, such as CSV; whoever made it has cleaned it."""
        _write(sys.stdout, text)

    def domain(self, written: str) -> SendingDomain:
        """The sending domain that a person typed; says what was understood differently. Raises `BadDomain`."""
        domain = parse_sending_domain(written)
        if domain.remark:
            self.tell(Styled(f"note: {domain.remark}", "warn"))
        return domain

    def confirm(self, question: str) -> bool:
        """Ask on stderr; anything but a yes is a no. Raises `Interrupted` for Ctrl-C and SIGTERM, also inside a running event loop."""
        with _default_signals():
            try:
                sys.stderr.write(f"{self.redactor.line(question)} [y/N] ")
                sys.stderr.flush()
                answer = sys.stdin.readline()
            except KeyboardInterrupt:
                sys.stderr.write("\n")
                raise interrupted() from None
        return answer.strip().lower() in ("y", "yes")

    def rendered(self, blocks: Sequence[Block], stream: IO[str]) -> str:
        """The blocks as they are printed to this stream."""
        terminal = stream.isatty()
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return render(blocks, shutil.get_terminal_size().columns if terminal else None, colour, self.redactor.line)

    def _print(self, blocks: Sequence[Block], stream: IO[str]) -> None:
        _write(stream, self.rendered(blocks, stream))

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redactor.clean(value)
        if isinstance(value, dict):
            return {self._cleaned(key): self._cleaned(item) for key, item in value.items()}
        return [self._cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def _write(stream: IO[str], text: str) -> None:
    """Write it all now. Whose reader has gone: results end the command, as SIGPIPE would; what is beside them is dropped."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # Nothing may be left to be flushed into the closed pipe when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is sys.stdout:
            sys.exit(_SIGPIPE)


@contextmanager
def _default_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise `KeyboardInterrupt` at once, for as long as a question blocks the event loop that would handle them."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Follows one case: a live view for a person at a terminal, else a line for each change. `pause` makes room for a question."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._update: Update | None = None
        self._told = ""
        self._live: Any = None

    def __enter__(self) -> "Progress":
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def __call__(self, update: "Update") -> None:
        """The engine's watcher."""
        self._update = update
        if self._live is not None:
            self._live.refresh()
            return
        line = self._headline(update)
        if line != self._told:
            self._told = line
            self._terminal.tell(line)

    def pause(self) -> None:
        """Take the live view away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def resume(self) -> None:
        """Put the live view up, where there is a terminal for it."""
        self._live = _live(self._view)

    def _headline(self, update: "Update") -> str:
        case, decision = update.entry.case, update.decision
        now = time.time()
        wait = f"; next look at {clock(decision.until, now)}" if decision.until > now else ""
        why = f": {case.why}" if case.why else ""
        return f"{text(update.entry.domain)}: {case.stage.value}{why}{wait}"

    def _view(self) -> Any:
        if self._update is None:
            return _painted(self._terminal, [])
        case, decision, proof = self._update.entry.case, self._update.decision, self._update.proof
        lines: list[Block] = [Styled(f"{text(self._update.entry.domain)}: {case.stage.value}", "head")]
        if proof is not None and not proof.complete:
            seen = sum(finding.verdict.value == "visible" for finding in proof.findings)
            lines.append(Styled(f"  visible in {seen} of {len(proof.findings)} places"))
        if case.why:
            lines.append(Styled(f"  {case.why}"))
        if decision.until > time.time():
            lines.append(Styled(f"  next look in {span(decision.until - time.time())}, at {clock(decision.until, time.time())}", "quiet"))
        return _painted(self._terminal, lines)


class Board:
    """What changes from look to look: a live view for a person at a terminal, else a line for each change."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._blocks: Sequence[Block] = ()
        self._until = 0.0
        self._told = ""
        self._live: Any = None

    def __enter__(self) -> "Board":
        self._live = _live(self._view)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, blocks: Sequence[Block], line: str, until: float) -> None:
        """Show these blocks until the moment of the next look; where nothing is live, say the line if it is another than before."""
        self._blocks, self._until = blocks, until
        if self._live is not None:
            self._live.refresh()
        elif line != self._told:
            self._told = line
            self._terminal.tell(f"{line}; next look at {clock(until, time.time())}")

    def _view(self) -> Any:
        left = self._until - time.time()
        wait = f"next look in {span(left)}" if left > 0 else "looking"
        return _painted(self._terminal, [*self._blocks, Styled(""), Styled(f"{wait}; Ctrl-C ends it", "quiet")])


def _live(view: Callable[[], Any]) -> Any:
    """A live view on stderr that goes away in the end; `None` where there is no terminal for it."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(stderr=True), get_renderable=view, transient=True, refresh_per_second=4)
    live.start()
    return live


def _painted(terminal: Terminal, blocks: Sequence[Block]) -> Any:
    from rich.text import Text

    return Text.from_ansi(terminal.rendered(blocks, sys.stderr).rstrip("\n"))


@contextmanager
def cleaned_logs(redactor: Redactor, level: str) -> Iterator[None]:
    """Whatever libraries and plugins log, warn of, or fail with in a thread of their own goes to stderr cleaned, from `level` on.

    Raises `ConfigError` for no level of logging's; the empty one is `warning`.
    """
    import logging
    import threading

    chosen = logging.getLevelNamesMapping().get((level or "warning").upper())
    if chosen is None:
        raise ConfigError("WIXSEND_LOG is no level of logging", "It can be debug, info, warning or error.")
    root, handler = logging.getLogger(), redactor.handler(sys.stderr)
    before, hooks = root.level, (threading.excepthook, sys.unraisablehook)
    handler.setLevel(chosen)  # whatever level a library takes for its own logger from the environment
    root.addHandler(handler)
    root.setLevel(chosen)
    logging.captureWarnings(True)

    def failed(args: Any) -> None:
        root.error("an exception that nobody waits for", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    threading.excepthook = sys.unraisablehook = failed
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        root.setLevel(before)
        root.removeHandler(handler)


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end. Ctrl-C and SIGTERM cancel it, so that what is open is closed, and raise `Interrupted`."""
    import asyncio

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None
        with suppress(NotImplementedError):  # Windows has no SIGTERM to handle
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    try:
        return asyncio.run(guarded())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise interrupted() from None
