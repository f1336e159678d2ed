"""The command line: `convoy serve | build | check | init | models | layers | predict | preview | evaluate | …`."""

from service.cli.main import main

__all__ = ["main"]
