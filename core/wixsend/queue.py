"""Floor 4. The queue of a shared journal: jobs for the processes of several machines, over Procrastinate on the journal's PostgreSQL.

A job says that a case may be gone on with, and nothing else: what is to be done, and whether, is in the journal. So the queue may lose
everything and be made again; it lives in a schema of its own, which is dropped and made where it is missing or of an older version. A job
is never retried: what is left of a dead process's is taken out, and whatever the journal still wants done is put in anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from wixsend.database import MANNERS, Database
from wixsend.errors import ConfigError, JournalNewer
from wixsend.leases import SIGNS
from wixsend.tables import about

if TYPE_CHECKING:
    from procrastinate import App

__all__ = ["SCHEMA", "Job", "Queue", "QueueLost", "make_tables", "under_way"]

SCHEMA = "wixsend_queue"
"""The queue's schema in the database."""

_MAKING = 3
"""What one process at a time does (`Database.alone`): make the queue's tables."""

_TASK = "wixsend.hop"
_GRACE = 10.0
"""Seconds that work in flight gets to come to an end when a person stops the process."""
_CONNECTIONS = 4
_PATIENCE = 5.0
"""Seconds until a connection is given up."""


class QueueLost(Exception):
    """The queue cannot be reached, or its tables are gone: connect again."""


@dataclass(frozen=True, slots=True)
class Job:
    """A case that may be gone on with. `lock` names it and its last event: in the queue, there is one job of a name."""

    case_id: int
    lock: str
    first: bool = False


class Queue:
    """The queue, open. Use as an asynchronous context manager. `do` takes a case's number, does a hop of it, and raises nothing.

    Raises `ConfigError` when the extra is not installed, `JournalError`s of the database, and `QueueLost` from everything.
    """

    def __init__(self, database: Database, do: Callable[[int], Awaitable[None]], dead_after: float) -> None:
        self._database = database
        self._do = do
        self._dead_after = dead_after
        self._failures: tuple[type[Exception], ...] = ()
        self._app: App | None = None

    async def __aenter__(self) -> Self:
        try:
            from procrastinate import App, PsycopgConnector
            from procrastinate.exceptions import ProcrastinateException
            from psycopg import Error
            from psycopg_pool import PoolTimeout
        except ImportError as wrong:
            raise ConfigError(f"several machines need an extra: {wrong}", "Install it: pip install 'wixsend[postgres]'") from wrong
        self._failures = (ProcrastinateException, Error, PoolTimeout)
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # what goes wrong is said here, once
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        asyncio.get_running_loop().set_exception_handler(self._unwaited)  # to the loop's end: such a job may be found as late as that
        make_tables(self._database)
        conninfo = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        manners = {**MANNERS, "options": f"{MANNERS['options']} -c search_path={SCHEMA}", "application_name": "wixsend queue"}
        self._app = App(connector=PsycopgConnector(conninfo=conninfo, kwargs=manners, min_size=1, max_size=_CONNECTIONS, timeout=_PATIENCE))
        self._app.task(name=_TASK)(self._hop)
        try:
            await self._speaking(self._app.open_async())
        except QueueLost:
            await self._app.close_async()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._app is not None:
            await self._app.close_async()

    def _unwaited(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A job that could not be taken out of the queue is nobody's concern: the library waits for none of them."""
        if not isinstance(context.get("exception"), self._failures):
            loop.default_exception_handler(context)

    async def _hop(self, case: int) -> None:
        await self._do(case)

    # -- jobs ----------------------------------------------------------------------------------------------------------

    async def there(self) -> tuple[frozenset[str], frozenset[int]]:
        """The locks of the jobs that wait, and the cases of those that are being done."""
        query = "SELECT queueing_lock, status::text, args FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        assert self._app is not None
        found = await self._speaking(self._app.connector.execute_query_all_async(query))
        waiting = frozenset(row["queueing_lock"] for row in found if row["status"] == "todo")
        return waiting, frozenset(row["args"]["case"] for row in found if row["status"] == "doing")

    async def put(self, jobs: Sequence[Job]) -> None:
        """Put jobs in; none of them may be there already."""
        from procrastinate.jobs import Job as Put

        made = [
            Put(
                id=None,
                queue="default",
                lock=None,
                queueing_lock=job.lock,
                task_name=_TASK,
                task_kwargs={"case": job.case_id},
                priority=int(job.first),
            )
            for job in jobs
        ]
        if made:
            assert self._app is not None
            await self._speaking(self._app.job_manager.batch_defer_jobs_async(made))

    async def sweep(self) -> int:
        """Take out what dead processes left behind; how many jobs that were. One of them that wakes up finds its job gone."""
        from procrastinate.jobs import Status

        assert self._app is not None
        jobs = self._app.job_manager
        left = list(await self._speaking(jobs.get_stalled_jobs(seconds_since_heartbeat=self._dead_after)))
        for job in left:
            await self._speaking(jobs.finish_job(job, Status.FAILED, delete_job=True))
        return len(left)

    async def work(self, slots: int) -> None:
        """Do jobs, so many at a time, until the queue is lost. When it is cancelled, work in flight gets a moment to end."""
        from procrastinate.jobs import DeleteJobCondition
        from procrastinate.worker import Worker

        assert self._app is not None
        worker: Any = Worker(
            self._app,
            concurrency=slots,
            shutdown_graceful_timeout=_GRACE,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._dead_after / SIGNS,
            stalled_worker_timeout=self._dead_after,
            fetch_job_polling_interval=1.0,
        )
        await self._speaking(worker.run())

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _speaking[T](self, answer: Awaitable[T]) -> T:
        """The database's failures, and the library's, as `QueueLost`."""
        try:
            return await answer
        except self._failures as wrong:
            raise QueueLost(str(wrong)) from wrong


def make_tables(database: Database) -> None:
    """Make the queue's schema where there is none, or an older one. `JournalNewer` for one that a newer wixsend made."""
    from importlib.metadata import version

    ours = version("procrastinate")
    with database.alone(_MAKING) as connection:
        found = connection.execute(sa.select(about.c.value).where(about.c.key == "queue")).scalar()
        there = connection.execute(sa.select(sa.func.to_regclass(f"{SCHEMA}.procrastinate_jobs"))).scalar() is not None
        if found is not None and _number(found) > _number(ours):
            raise JournalNewer(
                f"the queue in {database.shown} was made for Procrastinate {found}, and here is {ours}", "Update wixsend and its extras."
            )
        if there and found == ours:
            return
        from procrastinate.schema import SchemaManager

        # The connection itself: many statements at once are sent only without arguments.
        raw: Any = connection.connection.driver_connection
        raw.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; SET LOCAL search_path = {SCHEMA}")
        raw.execute(SchemaManager.get_schema())
        raw.execute("RESET search_path")
        connection.execute(sa.delete(about).where(about.c.key == "queue"))
        connection.execute(sa.insert(about).values(key="queue", value=ours))


def under_way(database: Database, dead_after: float) -> frozenset[int]:
    """The cases that a living process does a hop of just now."""
    job = sa.table("procrastinate_jobs", *map(sa.column, ("args", "status", "worker_id")), schema=SCHEMA)
    worker = sa.table("procrastinate_workers", *map(sa.column, ("id", "last_heartbeat")), schema=SCHEMA)
    case_id = sa.cast(job.c.args.op("->>")("case"), sa.Integer)
    alive = worker.c.last_heartbeat > sa.func.now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, dead_after)
    query = sa.select(case_id).join_from(job, worker, worker.c.id == job.c.worker_id)
    with database.reading() as connection:
        if connection.execute(sa.select(sa.func.to_regclass(f"{SCHEMA}.procrastinate_jobs"))).scalar() is None:
            return frozenset()
        return frozenset(connection.execute(query.where(sa.cast(job.c.status, sa.Text) == "doing", alive)).scalars())


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
