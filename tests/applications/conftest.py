"""The table of a sweep: printed at its end, and kept in a file from which a later run goes on."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.applications.catalogue import CATALOGUE
from tests.applications.trial import Trial

_MIB = 2**20
_TRIALS = pytest.StashKey[dict[str, Trial]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--results",
        type=Path,
        metavar="FILE",
        help="keep the result of every model in FILE; models that passed there already are not run again",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TRIALS] = dict(_kept(config))


def _kept(config: pytest.Config) -> Iterable[tuple[str, Trial]]:
    file = _file(config)
    for line in file.read_text().splitlines() if file and file.exists() else ():
        trial = Trial(**json.loads(line))
        yield trial.name, trial


def _file(config: pytest.Config) -> Path | None:
    # NOTE: unknown where pytest comes by on its way through all of tests/, after it has read its options.
    file: Path | None = config.getoption("--results", None)
    return file


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "application" in metafunc.fixturenames:
        trials = metafunc.config.stash[_TRIALS]
        left = [name for name in CATALOGUE if name not in trials or trials[name].fault]
        metafunc.parametrize("application", left)


@pytest.fixture
def recorded(pytestconfig: pytest.Config) -> Callable[[Trial], None]:
    """Put a trial into the table, and into the file of results at once."""

    def record(trial: Trial) -> None:
        pytestconfig.stash[_TRIALS][trial.name] = trial
        file = _file(pytestconfig)
        if file:
            with file.open("a") as kept:
                print(json.dumps(asdict(trial)), file=kept)

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    trials = config.stash[_TRIALS].values()
    if trials:
        terminalreporter.write_sep("=", "keras.applications")
    for line in table(trials) if trials else ():
        terminalreporter.write_line(line)


_COLUMNS: dict[str, Callable[[Trial], str]] = {
    "model": lambda trial: trial.name,
    "file MiB": lambda trial: _number(trial.size, 1 / _MIB, "{:.0f}"),
    "build s": lambda trial: _number(trial.seconds, 1, "{:.0f}"),
    "CPU s": lambda trial: _number(trial.cpu_seconds, 1, "{:.0f}"),
    "peak MiB": lambda trial: _number(trial.memory, 1 / _MIB, "{:.0f}"),
    "before the head": lambda trial: _number(trial.difference, 1, "{:.1e}"),
    "of allowed": lambda trial: _number(trial.share, 100, "{:.0f} %"),
    "over HTTP": lambda trial: _number(trial.off, 1, "{:.1e}"),
    "": lambda trial: " ".join((trial.fault or "ok").split())[:200],
}


def table(trials: Iterable[Trial]) -> Iterable[str]:
    """Return the lines of the table, in Markdown."""
    rows = [list(_COLUMNS), ["---"] * len(_COLUMNS), *([tell(one) for tell in _COLUMNS.values()] for one in trials)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _number(value: float | None, factor: float, form: str) -> str:
    return "–" if value is None else form.format(value * factor)
