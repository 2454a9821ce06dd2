"""Floor 4. The journal's tables, in SQLAlchemy Core: the same on SQLite and PostgreSQL.

`cases` and `events` are the truth: a case is its events, folded. The other columns of `cases` are what the fold says, written down
so that a question about 100,000 cases need not fold them. `runs` and `rows` are what a bulk run was asked for: a row is one line of
somebody's spreadsheet, and the case that it is about. Two runs that name one domain of one site share its case.
"""

import sqlalchemy as sa

__all__ = ["SCHEMA_VERSION", "about", "cases", "events", "leases", "rows", "runs", "snapshots", "tables", "zone_pages"]

SCHEMA_VERSION = 4
"""The version of these tables. Whoever changes them raises it, and adds a step to `wixsend.migrations`."""

tables = sa.MetaData()

about = sa.Table("about", tables, sa.Column("key", sa.String(40), primary_key=True), sa.Column("value", sa.String(200), nullable=False))

cases = sa.Table(
    "cases",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("site", sa.String(100), nullable=False),
    sa.Column("domain", sa.String(255), nullable=False),
    sa.Column("apex", sa.String(255), nullable=False),
    sa.Column("stage", sa.String(40), nullable=False),
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("provider", sa.String(100), nullable=False, server_default=""),
    sa.Column("account", sa.String(200), nullable=False, server_default=""),
    sa.Column("code", sa.String(40), nullable=False, server_default=""),
    sa.Column("at", sa.Float, nullable=False, server_default="0"),
    sa.UniqueConstraint("site", "domain"),
    sa.Index("cases_by_due", "stage", "due"),
    sa.Index("cases_by_apex", "apex"),
)
"""`seq` is the number of the last event, `at` when it happened; `code` is the stable code of the error that stopped the case, empty while
nothing did."""

events = sa.Table(
    "events",
    tables,
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

snapshots = sa.Table(
    "snapshots",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("provider", sa.String(100), nullable=False),
    sa.Column("account", sa.String(200), nullable=False),
    sa.Column("apex", sa.String(255), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Index("snapshots_by_case", "case_id"),
)

runs = sa.Table(
    "runs",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("columns", sa.Text, nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, server_default=""),
)
"""`source` is the file's path, `columns` its headings as a JSON list, `terms` what a person agreed to for all of it, as JSON. `digest` is
of what was last taken in: the file, and the settings by which it was read."""

rows = sa.Table(
    "rows",
    tables,
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
    sa.Index("rows_by_case", "case_id"),
)
"""`number` is the row's place in the run, `line` where it stood in the file, `cells` the input's cells by their
heading, as a JSON object."""

leases = sa.Table(
    "leases",
    tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.String(40), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)
"""What one process at a time may hold where several machines share the journal: see `wixsend.leases`. `until` is the database's clock."""

zone_pages = sa.Table(
    "zone_pages",
    tables,
    sa.Column("account", sa.String(200), primary_key=True),
    sa.Column("provider", sa.String(100), primary_key=True),
    sa.Column("opened", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("following", sa.Text, nullable=False),
    sa.Column("zones", sa.Text, nullable=False),
)
"""Pages of what accounts list: see `wixsend.zonepages`. `opened` is the keyed digest of what the account was opened with, `asked` what the
page was asked for with, `at` when, `following` what the next one is asked for with, `zones` a JSON list."""
