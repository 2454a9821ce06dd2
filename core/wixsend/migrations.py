"""Floor 4. How an older journal becomes one of today's version: one step for each version, done in one transaction with all of the others.

A step speaks SQLAlchemy's tables through Alembic's operations, which know what each database cannot alter. It is written once and
never changed: it must do the same to an old journal in ten years, whatever `wixsend.tables` says then.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["STEPS", "migrate"]


def _runs_and_rows(op: "Operations") -> None:
    """Version 2: bulk runs, and what a question about many cases asks of each."""
    for name, size in (("provider", 100), ("account", 200), ("code", 40)):
        op.add_column("cases", sa.Column(name, sa.String(size), nullable=False, server_default=""))
    op.add_column("cases", sa.Column("at", sa.Float, nullable=False, server_default="0"))
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, server_default=""),
    )
    op.create_table(
        "rows",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("wix", sa.String(100), nullable=False, server_default=""),
        sa.Column("provider", sa.String(100), nullable=False, server_default=""),
        sa.Column("account", sa.String(200), nullable=False, server_default=""),
        sa.Column("dmarc", sa.String(10), nullable=False, server_default=""),
        sa.Column("cells", sa.Text, nullable=False),
        sa.UniqueConstraint("run_id", "case_id"),
    )
    op.create_index("rows_by_case", "rows", ["case_id"])


def _leases(op: "Operations") -> None:
    """Version 3: what processes on several machines hold."""
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.String(40), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )


def _zone_pages(op: "Operations") -> None:
    """Version 4: what accounts list of their zones, page by page."""
    op.create_table(
        "zone_pages",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("provider", sa.String(100), primary_key=True),
        sa.Column("opened", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("following", sa.Text, nullable=False),
        sa.Column("zones", sa.Text, nullable=False),
    )


STEPS: Mapping[int, Callable[["Operations"], None]] = {2: _runs_and_rows, 3: _leases, 4: _zone_pages}
"""By the version that a step leads to."""


def migrate(connection: sa.Connection, version: int) -> None:
    """Bring the tables of this version up to the newest; the caller's transaction holds all of it."""
    # Alembic takes as long to import as everything else together, and is needed once in a journal's life.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for step in sorted(step for step in STEPS if step > version):
        STEPS[step](operations)
