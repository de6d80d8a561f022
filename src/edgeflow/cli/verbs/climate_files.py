"""``climate backup``, ``restore`` and ``dashboards``: what goes into files and comes back."""

from pathlib import Path
from typing import Annotated

import typer

from edgeflow.cli.terminal import write

__all__ = ["backup", "dashboards", "restore"]

StoreOption = Annotated[
    str,
    typer.Option(metavar="URL", envvar="EDGEFLOW_CLIMATE_STORE", help="Where readings are kept."),
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, compressed.")]


def backup(*, file: FileArgument, store: StoreOption = "sqlite:///climate.db") -> int:
    """Write all tables into one file, while the system runs or not (chdb: not)."""
    from edgeflow.store.backup import back_up
    from edgeflow.store.catalogue import TABLES
    from edgeflow.store.opening import check_there, open_tables

    check_there(store)
    tables = list(TABLES.values())
    opened = open_tables(store)
    try:
        opened.create(tables)
        write(f"{file}: {back_up(opened, tables, file)} rows")
    finally:
        opened.close()
    return 0


def restore(*, file: FileArgument, store: StoreOption = "sqlite:///climate.db") -> int:
    """Bring the rows of a file into a store of any kind; rows that it has are kept once."""
    from edgeflow.store.backup import restore as bring
    from edgeflow.store.catalogue import TABLES
    from edgeflow.store.opening import open_tables

    tables = list(TABLES.values())
    opened = open_tables(store)
    try:
        opened.create(tables)
        write(f"{file}: {bring(opened, tables, file)} rows")
    finally:
        opened.close()
    return 0


def dashboards(
    *, folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where Grafana looks.")]
) -> int:
    """Write the dashboards for Grafana, over a ClickHouse store."""
    from edgeflow.deploy.grafana.writing import write_dashboards

    for path in write_dashboards(folder):
        write(str(path))
    return 0
