"""Floor 6. The command line: what can be typed, and how a command ends. What a command does is in `wixsend.commands`
and `wixsend.listing`.

Nothing but click is imported before a command runs, so that `wixsend --help` and completion answer at once. Every foreseeable failure is
one sentence and a next step on stderr, with the exit code of its class (`wixsend.errors`); a bug's traceback goes into the log file.
"""

import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wixsend.errors import Interrupted, WixsendError

if TYPE_CHECKING:
    from pathlib import Path

    from wixsend.config import Config, Flag
    from wixsend.redact import Redactor
    from wixsend.session import Session
    from wixsend.terminal import Terminal

__all__ = ["cli", "main"]


@dataclass
class _Run:
    """One invocation: the global options, and what is made from them when a command needs it."""

    file: str | None = None
    settings: dict[tuple[str, str], tuple[str, object]] = field(default_factory=dict)
    json: bool = False
    _redactor: "Redactor | None" = None
    _terminal: "Terminal | None" = None

    @property
    def redactor(self) -> "Redactor":
        if self._redactor is None:
            from wixsend.redact import Redactor

            self._redactor = Redactor()
        return self._redactor

    @property
    def flags(self) -> "tuple[Flag, ...]":
        from wixsend.config import Flag

        return tuple(Flag(option, path, value) for path, (option, value) in self.settings.items())

    @property
    def terminal(self) -> "Terminal":
        if self._terminal is None:
            from wixsend.terminal import Terminal

            self._terminal = Terminal(self.redactor, json=self.json)
        return self._terminal

    def config(self) -> "Config":
        from pathlib import Path

        from wixsend.config import load

        return load(os.environ, self.flags, file=Path(self.file) if self.file else None)

    def do(self, work: "Callable[[Session, Terminal], int | Coroutine[Any, Any, int]]") -> int:
        """Open the session, let a command work in it, and close it; returns the exit code."""
        import inspect

        from wixsend.session import Session
        from wixsend.terminal import cleaned_logs, run

        terminal, config = self.terminal, self.config()
        for notice in config.notices:
            terminal.tell(f"warning: {notice}")

        async def inside() -> int:
            notify = lambda sentence: terminal.tell(f"note: {sentence}")  # noqa: E731
            async with Session(config, redactor=self.redactor, notify=notify) as session:
                done = work(session, terminal)
                return await done if inspect.isawaitable(done) else done

        with cleaned_logs(self.redactor, os.environ.get("WIXSEND_LOG", "")):
            return run(inside())


_pass_run = click.make_pass_decorator(_Run)


def _setting(run: _Run, path: tuple[str, str], option: str, value: object) -> None:
    """Let an option outweigh the file and the environment, where it was given."""
    if value is not None:
        run.settings[path] = (option, value)


def _json_option[F: Callable[..., Any]](command: F) -> F:
    def remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        context.ensure_object(_Run).json = value

    return click.option("--json", is_flag=True, expose_value=False, callback=remember, help="Print the result as JSON.")(command)


def _complete_provider(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from wixsend.plugins import Plugins

    return [name for name in Plugins().names() if name.startswith(incomplete)]


def _consent_options[F: Callable[..., Any]](command: F) -> F:
    """The options by which a person says more than the domain."""
    options = (
        click.option("--provider", metavar="NAME", default="", shell_complete=_complete_provider, help="The DNS host, against discovery."),
        click.option("--account", metavar="NAME", default="", help="The account at the host, by its name in wixsend.toml."),
        click.option("--dmarc", type=click.Choice(["keep", "replace", "stop"]), help="What happens to an existing DMARC policy."),
        click.option("--replace", metavar="OWNER", multiple=True, help="Replace what stands at this name; may be repeated."),
        click.option(
            "--accept-loss", "accept", metavar="NAME", multiple=True, help="Accept the loss that a plan names so; may be repeated."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _consent(
    run: _Run, provider: str, account: str, dmarc: str | None, replace: tuple[str, ...], accept: tuple[str, ...], again: bool = False
) -> Any:
    from wixsend.commands import Consent

    _setting(run, ("policy", "dmarc"), "--dmarc", dmarc)
    return Consent(provider, account, replace, accept, again)


_yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask: the plan is agreed to.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", "file", metavar="FILE", help="Read this file instead of the wixsend.toml of the project and the user.")
@click.option("--state", metavar="FOLDER", help="Keep journal, locks and log here.")
@click.option("--profile", metavar="NAME", help="The Wix site: [wix.profiles.NAME] of wixsend.toml.")
@click.option("--site", metavar="ID", help="The Wix site's id.")
@click.version_option(package_name="wixsend", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, file: str | None, state: str | None, profile: str | None, site: str | None) -> None:
    """Authenticate custom e-mail sending domains on Wix, end to end.

    wixsend asks Wix which CNAME records a domain needs, finds the DNS host that serves the zone, adds the records there without
    touching anything else, proves that they are visible, and lets Wix authenticate.

    \b
    Example:
      wixsend demo                        see it at work, on this machine alone
      wixsend plan example.com            what would be done, and why
      wixsend authenticate example.com    do it
    """
    run = context.ensure_object(_Run)
    run.file = file
    _setting(run, ("state", "folder"), "--state", state)
    _setting(run, ("wix", "profile"), "--profile", profile)
    _setting(run, ("wix", "site_id"), "--site", site)


@cli.command(short_help="Show what would be written, and what is refused.")
@click.argument("domain")
@_consent_options
@_json_option
@_pass_run
def plan(run: _Run, /, domain: str, **consent: Any) -> int:
    """Show what would be written for DOMAIN, and what is refused. Writes nothing.

    The records are printed as a zone file with a margin: + is created, = is there already, ~ is there and masked, ! is in conflict,
    - goes away, . stays as it is.

    \b
    Example:
      wixsend plan example.com
    """
    from wixsend import commands

    agreed = _consent(run, **consent)
    return run.do(lambda session, terminal: commands.plan(session, terminal, domain, agreed))


@cli.command(short_help="Do the whole job: plan, ask, write, prove, authenticate.")
@click.argument("domain")
@_yes_option
@click.option(
    "--patience",
    type=click.Choice(["proof", "documented"]),
    help="Ask Wix when DNS is proved (default), or 1 h after the write and every 4 h, as Wix advises.",
)
@click.option("--again", is_flag=True, help="Go the whole way also where Wix says AUTHENTICATED: records that are gone are written again.")
@click.option("--wait/--no-wait", default=None, help="Stay until the end, or go as far as can be gone now. At a terminal: stay.")
@_consent_options
@_json_option
@_pass_run
def authenticate(run: _Run, /, domain: str, yes: bool, again: bool, wait: bool | None, patience: str | None, **consent: Any) -> int:
    """Authenticate DOMAIN: plan, ask, write, prove in DNS, let Wix authenticate, confirm.

    Nothing is written before the plan was shown and agreed to. Whatever interrupts it, the same command goes on where it was.

    \b
    Example:
      wixsend authenticate example.com
      wixsend authenticate example.com --yes --no-wait --json
    """
    from wixsend import commands

    agreed = _consent(run, **consent, again=again)
    _setting(run, ("times", "patience"), "--patience", patience)
    return run.do(
        lambda session, terminal: commands.authenticate(
            session, terminal, domain, agreed, yes=yes, wait=terminal.interactive if wait is None else wait
        )
    )


@cli.command(short_help="Show what the journal knows.")
@click.argument("domain", required=False)
@_json_option
@_pass_run
def status(run: _Run, /, domain: str | None) -> int:
    """Show what the journal knows of DOMAIN, or of every domain. Asks nobody.

    \b
    Example:
      wixsend status
      wixsend status example.com
    """
    from wixsend import listing

    return run.do(lambda session, terminal: listing.status(session, terminal, domain))


def _only_cname(_context: click.Context, _parameter: click.Parameter, rtype: str | None) -> str | None:
    """`click.Choice` would name the argument by its metavar, half a bracket."""
    if rtype is not None and rtype.upper() != "CNAME":
        raise click.UsageError(f"what is checked is CNAME records, not {rtype}: `wixsend check NAME CNAME TARGET`")
    return rtype and rtype.upper()


@cli.command(short_help="Prove the records in DNS.")
@click.argument("domain")
@click.argument("rtype", metavar="[CNAME", required=False, callback=_only_cname)
@click.argument("target", metavar="TARGET]", required=False)
@click.option("--watch", is_flag=True, help="Look again, when it is worth it, until everything is visible.")
@_consent_options
@_json_option
@_pass_run
def check(run: _Run, /, domain: str, rtype: str | None, target: str | None, watch: bool, **consent: Any) -> int:
    """Prove DOMAIN's records in DNS: at every authoritative server, then at the public resolvers. Writes nothing.

    Public resolvers are asked only once every authoritative server has the records: they would remember a "no" for as long as the zone
    lets them. Exit code 0 when everything is visible, 6 when not.

    With CNAME and a TARGET, DOMAIN is the name of any record, and neither Wix nor the journal is needed.

    \b
    Example:
      wixsend check example.com
      wixsend check example.com --watch
      wixsend check www.example.com CNAME example.github.io
    """
    from wixsend import checking

    agreed = _consent(run, **consent)
    if rtype is None:
        return run.do(lambda session, terminal: checking.check(session, terminal, domain, agreed, watch=watch))
    if target is None:
        raise click.UsageError("after CNAME comes the name that it must point to")
    return run.do(lambda session, terminal: checking.check_record(session, terminal, domain, rtype, target, watch=watch))


@cli.command(short_help="Make what the domain's owner needs to add the records by hand.")
@click.argument("domain")
@click.option("--out", "folder", metavar="FOLDER", default=".", help="Where the two files are put.  [default: here]")
@click.option("--watch", is_flag=True, help="Stay until the records are there and Wix has authenticated the domain.")
@click.option("--dmarc", type=click.Choice(["keep", "replace", "stop"]), help="What happens to an existing DMARC policy.")
@_json_option
@_pass_run
def handoff(run: _Run, /, domain: str, folder: str, watch: bool, dmarc: str | None) -> int:
    """Make a page (DOMAIN.html) and a mail text (DOMAIN.txt) for whoever keeps DOMAIN's zone, where there is no API or no access.

    Both show each record as that DNS host's panel wants it, what stands in its way, and the usual mistakes. No credentials of the host
    are needed, and nothing is written there. The journal knows from then on that a person adds the records: they are looked for, and Wix
    authenticates once they are all there, with --watch or whenever `wixsend authenticate DOMAIN` is run.

    \b
    Example:
      wixsend handoff example.com --out for-the-client
      wixsend handoff example.com --watch
    """
    from pathlib import Path

    from wixsend import handoff as handing

    agreed = _consent(run, "", "", dmarc, (), ())
    return run.do(lambda session, terminal: handing.handoff(session, terminal, domain, agreed, Path(folder), watch=watch))


@cli.command(short_help="Take back what wixsend wrote.")
@click.argument("domain")
@_yes_option
@_consent_options
@_json_option
@_pass_run
def undo(run: _Run, /, domain: str, yes: bool, **consent: Any) -> int:
    """Take back what wixsend wrote for DOMAIN, and put back what it had replaced. Nothing else is touched.

    \b
    Example:
      wixsend undo example.com
    """
    from wixsend import commands

    agreed = _consent(run, **consent)
    return run.do(lambda session, terminal: commands.undo(session, terminal, domain, agreed, yes=yes))


# -- many domains ------------------------------------------------------------------------------------------------------


@cli.group(short_help="Many domains, from a spreadsheet.")
def bulk() -> None:
    """Many domains at once, from a spreadsheet, over many accounts and sites, for as long as it takes.

    FILE is CSV as Excel writes it, JSON lines, or one domain a line; - reads stdin. Columns: domain, and where they are wanted
    site_id, wix (a profile), provider, account, dmarc, note. Others go into the report as they are.

    \b
    Example:
      wixsend bulk check clients.csv      what it will take, and what will need you
      wixsend bulk run clients.csv        do it; the same command goes on where it was
      wixsend bulk report clients         domain by domain
    """


_run_argument = click.argument("name", metavar="RUN")
_wait_option = click.option(
    "--wait/--no-wait", default=True, help="Stay until every domain has ended, or go as far as can be gone now.  [default: stay]"
)


def _terms_options[F: Callable[..., Any]](command: F) -> F:
    """What a run may do beside adding records."""
    options = (
        click.option("--dmarc", type=click.Choice(["keep", "replace", "stop"]), help="What happens to existing DMARC policies."),
        click.option("--replace", metavar="OWNER", multiple=True, help="Replace what stands at this name of each domain; may be repeated."),
        click.option(
            "--accept-loss", "accept", metavar="NAME", multiple=True, help="Accept the loss that a plan names so; may be repeated."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _terms(dmarc: str | None, replace: tuple[str, ...], accept: tuple[str, ...]) -> Any:
    from wixsend.runs import Terms

    return Terms(dmarc or "", replace, accept)


@bulk.command("check", short_help="What a list will take, and what will need you.")
@click.argument("file")
@click.option("--zones", is_flag=True, help="Read each zone as well, and name what would be refused: one call more for each domain.")
@_terms_options
@_json_option
@_pass_run
def bulk_check(run: _Run, /, file: str, zones: bool, **terms: Any) -> int:
    """Read FILE, find every domain's zone, host and account, and say what a run will take. Writes nothing.

    Every line that cannot be worked on is named with the reason. Ends with the calls for each credential, what its quota makes of them,
    the earliest and the expected end, and what will need a person, such as a domain that none of its own name servers answers for. Exit
    code 8 when something will.

    \b
    Example:
      wixsend bulk check clients.csv
      wixsend bulk check clients.csv --zones
    """
    from wixsend import agency

    return run.do(lambda session, terminal: agency.check(session, terminal, file, _terms(**terms), zones=zones))


@bulk.command("run", short_help="Do the whole job for every domain of a list.")
@click.argument("file")
@_yes_option
@click.option("--name", metavar="RUN", default="", help="What the run is called.  [default: as the file]")
@click.option("--skip-bad", is_flag=True, help="Go on without the lines that cannot be worked on.")
@_wait_option
@_terms_options
@_json_option
@_pass_run
def bulk_run(run: _Run, /, file: str, name: str, yes: bool, skip_bad: bool, wait: bool, **terms: Any) -> int:
    """Authenticate every domain of FILE: ask once, write everything, then wait for all of them together.

    Ctrl-C stops it cleanly, and the same command goes on; lines that are new in FILE are added. What stands in the way of one domain stops
    that one. With --json every step is printed as a line of JSON.

    \b
    Example:
      wixsend bulk run clients.csv
      wixsend bulk run clients.csv --yes --skip-bad
    """
    from wixsend import agency

    asked = agency.Asked(name, _terms(**terms), skip_bad, yes, wait)
    return run.do(lambda session, terminal: agency.run(session, terminal, file, asked))


@bulk.command("status", short_help="Where the runs stand.")
@click.argument("name", metavar="RUN", required=False)
@_json_option
@_pass_run
def bulk_status(run: _Run, /, name: str | None) -> int:
    """Show every run, or where RUN stands and what failed, grouped by what there is to do. Asks nobody.

    \b
    Example:
      wixsend bulk status
      wixsend bulk status clients
    """
    from wixsend import agency

    return run.do(lambda session, terminal: agency.status(session, terminal, name))


@bulk.command("report", short_help="Every domain of a run, as CSV, JSON or HTML.")
@_run_argument
@click.option("--format", "form", type=click.Choice(["csv", "json", "html"]), default="csv", show_default=True, help="Its form.")
@click.option("--output", "-o", metavar="FILE", default="-", help="Write it there.  [default: stdout]")
@_pass_run
def bulk_report(run: _Run, /, name: str, form: str, output: str) -> int:
    """Report on every domain of RUN: the columns of the list in their order, and what was done, when, where and by which account.

    \b
    Example:
      wixsend bulk report clients --output report.csv
      wixsend bulk report clients --format html --output report.html
    """
    from wixsend import agency

    return run.do(lambda session, terminal: agency.report(session, terminal, name, form, output))


@bulk.command("cancel", short_help="Begin with nothing more of a run.")
@_run_argument
@_pass_run
def bulk_cancel(run: _Run, /, name: str) -> int:
    """Begin with nothing more of RUN. What was written stays, and `wixsend bulk run` goes on with it.

    \b
    Example:
      wixsend bulk cancel clients
    """
    from wixsend import agency

    return run.do(lambda session, terminal: agency.cancel(session, terminal, name))


@bulk.command("retry", short_help="Take up again what failed.")
@_run_argument
@click.option("--only", "codes", metavar="CODE", multiple=True, help="Only what stopped with this code; may be repeated.")
@_wait_option
@_json_option
@_pass_run
def bulk_retry(run: _Run, /, name: str, codes: tuple[str, ...], wait: bool) -> int:
    """Take the failed domains of RUN up again, and drive the run unless another process does.

    \b
    Example:
      wixsend bulk retry clients --only provider-credentials
    """
    from wixsend import agency

    return run.do(lambda session, terminal: agency.retry(session, terminal, name, codes, wait=wait))


@bulk.command("undo", short_help="Take back what a run wrote.")
@_run_argument
@_yes_option
@_json_option
@_pass_run
def bulk_undo(run: _Run, /, name: str, yes: bool) -> int:
    """Take back what wixsend wrote for every domain of RUN, and put back what it had replaced. Nothing else is touched.

    \b
    Example:
      wixsend bulk undo clients
    """
    from wixsend import agency

    return run.do(lambda session, terminal: agency.undo(session, terminal, name, yes=yes))


@cli.command(short_help="Take part in the runs of a shared database.")
@_pass_run
def worker(run: _Run, /) -> int:
    """Take part in the bulk runs of a shared PostgreSQL database, beside any number of workers on any number of machines.

    A worker that dies is noticed in seconds, and the others go on with what it had in hand. Ctrl-C stops this one cleanly.

    \b
    Example:
      export WIXSEND_DATABASE_URL=postgresql://wixsend@db.example.com/wixsend
      wixsend worker
    """
    from wixsend import agency

    return run.do(agency.worker)


@cli.command(short_help="List the zones as they were read before each write.")
@click.argument("zone", required=False)
@_json_option
@_pass_run
def backups(run: _Run, /, zone: str | None) -> int:
    """List the zones as they were read before each write.

    \b
    Example:
      wixsend backups example.com
    """
    from wixsend import listing

    return run.do(lambda session, terminal: listing.backups(session, terminal, zone))


@cli.command(short_help="Put back records of a backup.")
@click.argument("number", type=int)
@click.argument("names", nargs=-1)
@_yes_option
@_json_option
@_pass_run
def restore(run: _Run, /, number: int, names: tuple[str, ...], yes: bool) -> int:
    """Put back records of backup NUMBER at NAMES, where they are missing; without NAMES, show the backup.

    \b
    Example:
      wixsend restore 3
      wixsend restore 3 www.example.com
    """
    from wixsend import commands

    return run.do(lambda session, terminal: commands.restore(session, terminal, number, names, yes=yes))


@cli.group(invoke_without_command=True, short_help="List the installed DNS hosts.")
@_json_option
@click.pass_context
def providers(context: click.Context) -> int:
    """List the installed provider plugins, broken ones with their error.

    \b
    Example:
      wixsend providers
      wixsend providers show cloudflare
      wixsend providers detect example.com
    """
    if context.invoked_subcommand is not None:
        return 0
    from wixsend import listing
    from wixsend.plugins import Plugins

    return listing.providers(Plugins(), context.ensure_object(_Run).terminal)


@providers.command()
@click.argument("name", shell_complete=_complete_provider)
@_json_option
@_pass_run
def show(run: _Run, /, name: str) -> int:
    """Show what the provider NAME needs: credentials and where to get them, least permission, quota, limits.

    \b
    Example:
      wixsend providers show godaddy
    """
    from wixsend import listing

    return run.do(lambda session, terminal: listing.providers_show(session, terminal, name))


@providers.command()
@click.argument("domain")
@_json_option
@_pass_run
def detect(run: _Run, /, domain: str) -> int:
    """Say which DNS host serves DOMAIN's zone, how we know, and where its owner edits it. Needs no credentials, and writes nothing.

    Exit code 0 when the host is known, plugin or not; 4 when it is not, or several hosts serve the zone together.

    \b
    Example:
      wixsend providers detect example.com
      wixsend providers detect example.com --json
    """
    from wixsend import listing

    return run.do(lambda session, terminal: listing.providers_detect(session, terminal, domain))


@providers.command()
@click.argument("name", shell_complete=_complete_provider)
@click.argument("domains", nargs=-1)
@_json_option
@_pass_run
def test(run: _Run, /, name: str, domains: tuple[str, ...]) -> int:
    """Try the credentials of the provider NAME (or of wix), and whether they reach and read the zones of DOMAINS. Writes nothing.

    Says what the account may do, by which of the host's APIs, and what to get where it may not. That it may write only a write can tell:
    the least that it takes is said instead. Exit code 0 when all works, else that of what is refused first.

    \b
    Example:
      wixsend providers test godaddy
      wixsend providers test cloudflare example.com
      wixsend providers test wix
    """
    from wixsend import listing

    return run.do(lambda session, terminal: listing.providers_test(session, terminal, name, domains))


@cli.command(short_help="See the main job at work, on this machine alone.")
@_pass_run
def demo(run: _Run, /) -> int:
    """See the main job at work on the sandbox: over all installed DNS hosts at once, in under 20 seconds.

    Wix, the hosts and DNS are fakes on this machine that speak the vendors' own HTTP. No account is touched, nothing leaves this machine.

    \b
    Example:
      wixsend demo
    """
    from wixsend import demo as sandboxed
    from wixsend.terminal import run as run_to_its_end

    return run_to_its_end(sandboxed.demo(run.terminal))


@cli.command(short_help="Keep the sandbox up, to try things on.")
@click.argument("domains", nargs=-1, metavar="[DOMAIN[=HOST]]...")
@click.option("--delay", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds by which name servers lag.")
@click.option(
    "--insist-on-dmarc", "insist", is_flag=True, help="Wix insists on its record at _dmarc (what the real one does is not known)."
)
@_json_option
@_pass_run
def sandbox(run: _Run, /, domains: tuple[str, ...], delay: float, insist: bool) -> int:
    """Keep the sandbox up on this machine until Ctrl-C, and print the environment that points wixsend (or anything else) at it.

    \b
    Example:
      wixsend sandbox > sandbox.env &
      . ./sandbox.env && wixsend authenticate atelier.example
      wixsend sandbox shop.example=godaddy
    """
    from wixsend import demo as sandboxed

    return sandboxed.sandbox(run.terminal, domains, delay, insist)


@cli.command(short_help="Show every setting, and where it comes from.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of wixsend.toml.")
@_json_option
@_pass_run
def config(run: _Run, /, schema: bool) -> int:
    """Show every setting that is set, and where it comes from. Secrets are not shown.

    \b
    Example:
      wixsend config
    """
    from wixsend import listing

    return listing.config(run.config(), run.terminal, schema=schema)


@cli.command(short_help="Start a plugin for another DNS host.")
@click.argument("name")
@click.option("--label", metavar="COMPANY", help="The company as a person writes it.  [default: from NAME]")
@click.option("--in", "folder", metavar="FOLDER", default=".", help="Where the new folder wixsend-NAME is made.  [default: here]")
@_json_option
@_pass_run
def new_provider(run: _Run, /, name: str, label: str | None, folder: str) -> int:
    """Make a plugin for the DNS host NAME: a distribution with a fake of the host, which passes the conformance kit as it is.

    \b
    Example:
      wixsend new-provider acme --label "Acme DNS"
    """
    from pathlib import Path

    from wixsend import listing

    return listing.new_provider(run.terminal, name, label or name.replace("-", " ").title(), Path(folder))


@cli.command(short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for a SHELL.

    \b
    Example:
      eval "$(wixsend completion bash)"
      wixsend completion fish > ~/.config/fish/completions/wixsend.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "wixsend", "_WIXSEND_COMPLETE").source())
    return 0


# -- how a command ends ------------------------------------------------------------------------------------------------


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    run = _Run()
    try:
        code = cli.main(args=args, prog_name="wixsend", standalone_mode=False, obj=run) or 0
    except click.ClickException as wrong:
        code = _misused(run, wrong)
    except (KeyboardInterrupt, click.Abort):
        code = _fail(run, Interrupted("interrupted; what was done is in the journal", "The same command goes on where it was."))
    except WixsendError as wrong:
        code = _fail(run, wrong)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int | None) else _fail(run, _logged(run, ended))
    except BaseException as bug:  # whatever it is: Python would print it as it is
        code = _fail(run, _logged(run, bug))
    sys.exit(code)


def _misused(run: _Run, wrong: click.ClickException) -> int:
    """Say how a command is used, click's way; what was typed may come from elsewhere."""
    import io

    said = io.StringIO()
    wrong.show(said)
    click.echo(run.redactor.clean(said.getvalue()), err=True, nl=False)
    return wrong.exit_code


def _fail(run: _Run, wrong: WixsendError) -> int:
    """Say what happened and what to do next; as JSON too where JSON was asked for."""
    told = run.redactor.told
    click.secho(f"wixsend: {told(wrong.happened)}", err=True, fg="red")
    if wrong.next_step:
        click.echo(f"  next: {told(wrong.next_step)}", err=True)
    if run.json:
        error = {"code": wrong.code, "exit_code": wrong.exit_code, "happened": wrong.happened, "next": wrong.next_step}
        run.terminal.result({"error": error, **run.terminal.beside})
    return wrong.exit_code


def _logged(run: _Run, bug: BaseException) -> WixsendError:
    """Put a bug's traceback, redacted, into the log; the error to show instead."""
    import traceback

    from wixsend.folder import append_private

    said = run.redactor.told("".join(traceback.format_exception(bug)))
    try:
        path = _log_file(run)
        append_private(path, f"{said}\n")
    except (OSError, WixsendError):
        return WixsendError(f"a bug in wixsend: {said}", "Please report it, with the text above.")
    return WixsendError(
        f"a bug in wixsend ({type(bug).__name__}); what was done is in the journal",
        f"The details are in {path}. Please report them; the same command goes on where it was.",
    )


def _log_file(run: _Run) -> "Path":
    from pathlib import Path

    from platformdirs import user_state_path

    from wixsend.folder import private_folder

    said = run.settings.get(("state", "folder"), ("", os.environ.get("WIXSEND_STATE", "")))[1]
    folder = Path(str(said)) if said else user_state_path("wixsend")
    return private_folder(folder) / "wixsend.log"
