"""The options that are settings: what was given, what was not."""

import click
import pytest
from click.testing import CliRunner

from service.cli.options import read_settings, settings


@click.command()
@settings("port", "allow_saved_model")
def show(**given: str | None) -> None:
    read = read_settings(**given)
    click.echo(f"{read.port} {read.allow_saved_model}")


@pytest.mark.parametrize(
    ("words", "environ", "shown"),
    [
        ([], {}, "8000 False"),
        (["--allow-saved-model"], {}, "8000 True"),
        ([], {"CONVOY_ALLOW_SAVED_MODEL": "1"}, "8000 True"),
        (["--no-allow-saved-model"], {"CONVOY_ALLOW_SAVED_MODEL": "1"}, "8000 False"),
        (["--port", "9000"], {"CONVOY_PORT": "9001"}, "9000 False"),
    ],
)
def test_an_option_wins_over_its_variable_and_a_switch_needs_no_value(
    words: list[str], environ: dict[str, str], shown: str
) -> None:
    result = CliRunner().invoke(show, words, env={"CONVOY_PORT": None, "CONVOY_ALLOW_SAVED_MODEL": None, **environ})
    assert result.output.strip() == shown
