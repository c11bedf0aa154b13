"""`config`: the commented example of every setting."""

from importlib.resources import files
from pathlib import Path

import typer


def config() -> None:
    """Print the example of every setting, explained; save it as config/sync.toml and change what you need."""
    typer.echo(example(), nl=False)


def example() -> str:
    """The example file: inside an installed package, or in config/ of a checkout."""
    packaged = files("sync") / "data" / "sync.example.toml"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "config" / "sync.example.toml").read_text(encoding="utf-8")
