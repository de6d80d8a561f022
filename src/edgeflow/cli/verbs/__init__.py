"""The commands, one file per group; each is a ``typer.Typer`` named ``group``."""
