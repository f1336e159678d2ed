"""Owns the command `convoy`: its group, what every command shares, and one-line errors."""

import importlib
import logging
import signal
import sys
from typing import Any

import click

import service
from service.errors import ConvoyError

# NOTE: a command is imported when it is asked for: `serve` becomes the arbiter, which must load no engine.
_COMMANDS = {
    "serve": "service.cli.serve",
    "build": "service.cli.build",
    "check": "service.cli.check",
    "init": "service.cli.init",
    "models": "service.cli.look",
    "layers": "service.cli.look",
    "predict": "service.cli.predict",
    "preview": "service.cli.preview",
    "classify": "service.cli.classify",
    "evaluate": "service.cli.evaluate",
    "calibrate": "service.cli.calibrate",
    "diff": "service.cli.diff",
    "bench": "service.cli.bench",
    "lock": "service.cli.lock",
    "key": "service.cli.key",
}


class _Group(click.Group):
    """Loads commands when asked for; what Convoy raises on purpose is one line and exit status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # NOTE: process 1 of a container loses a signal that has no handler; this comes before a command's imports.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            return super().invoke(ctx)
        except ConvoyError as error:
            raise _OneLine(error.message) from error


class _OneLine(click.ClickException):
    exit_code = 2

    def format_message(self) -> str:
        return " ".join(self.message.split())


_HELP = """Drop a saved Keras CNN into a folder; get an image-classification API.

\b
Try it:
  convoy serve models                    serve a folder of saved models on http://127.0.0.1:8000
  convoy serve my_model.keras            serve one file
  convoy check my_model.h5               can it be served? if not, what to do
  convoy init my_model.h5                a model.toml to fill in: labels, scaling
  convoy predict my_model.keras cat.jpg  one answer, without a server
  convoy preview my_model.keras cat.jpg  what the model sees of it
  convoy layers my_model.keras           what the network looks like
  convoy classify DIR --model FILE --out results.parquet   a folder of any size
  convoy evaluate my_model.keras DIR     accuracy and mistakes on labelled pictures
  convoy calibrate my_model.keras DIR    which scaling and resizing fits them
  convoy bench my_model.keras            how fast each engine runs it on this machine
  convoy lock models                     have a server serve these files and no others
  convoy key NAME                        a key to ask a server with
"""


@click.group(
    cls=_Group,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every option is also an environment variable, shown in [brackets] by `convoy COMMAND --help`.",
)
@click.version_option(service.__version__, prog_name="convoy")
def main() -> None:
    """Be the command `convoy`."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
