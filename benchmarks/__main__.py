"""Owns the command line of the benchmarks: `make bench`, `python -m benchmarks --help`."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from benchmarks import report
from benchmarks.contestants import ROOT, THREADS, Workplace, build_command
from benchmarks.load import PYTHON, WRK, generator
from benchmarks.processes import ChildFailedError, finished
from benchmarks.rounds import CONNECTIONS, Plan, play
from benchmarks.samples import EngineSample, Sample
from service.settings import usable_cores

ENGINE = "engine"
PARTS = (*report.TABLES, ENGINE)
_PICTURE = ROOT / "examples" / "seven-light-on-dark.png"
_MOST_WORKERS = 2
_ENGINE_BLOCK = 6.0
_ABOUT = """\
Measure Convoy against what people write by hand around the same saved model.

The bundled mnist model is served three ways, each by the same number of gunicorn gthread workers:
  Convoy                 convoy serve, as a user starts it
  Flask + model.predict  what tutorials show (benchmarks/baseline.py)
  Flask + tf.function    what someone who knows TensorFlow writes (the same file)

Measured, one table each:
  http     requests/s, p50 and p99 latency at 1, 8 and 32 keep-alive connections, one 28x28 PNG a request
  memory   MiB of a worker after that load
  start    seconds from process start to the first answered prediction, the bundle being there
  engine   ms per image without HTTP, in batches of 1 and 32: LiteRT, model.predict, model(x), tf.function
"""
_READING = """\
how to read it:
  The load generator (wrk where it is on PATH, else Python) shares the cores with the servers: absolute numbers are
  low, ratios count. Rounds are interleaved and every server is started anew in each; a ratio is taken within a
  round. "CPU ms/request" is what the workers used; it depends less on what else the machine does. "busiest
  worker" near 100% at 8 or 32 connections says that all connections fell to one worker, which is chance: run again.
  Each connection is opened anew about every half second to even that out.
  Convoy's answer holds more (layers, ranked classes) than the others'.

examples:
  make bench
  make bench ARGS="--only http --seconds 10 --rounds 5"
  python -m benchmarks --only engine --json engine.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, print the tables, and write the JSON."""
    options = _options(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    by = options.load or generator()
    before = _about(options, by)
    print(_heading(before))
    try:
        with tempfile.TemporaryDirectory(prefix="convoy-bench-") as folder:
            workplace = _workplace(Path(folder), options.workers)
            samples = _samples(workplace, options, by)
            engines = _engines(workplace, options)
    except ChildFailedError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    _print(options.only, samples, engines)
    print(f"\nload average of the machine {before['load_average'][0]:.2f} before, {os.getloadavg()[0]:.2f} after")
    if options.json:
        body = before | {"servers": samples, "engine": engines}
        options.json.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.load == WRK and not shutil.which(WRK):
        parser.error("wrk is not on PATH; install it, or choose --load python")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_ABOUT,
        epilog=_READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=_positive, default=3.0, metavar="N", help="length of one load (3)")
    add("--rounds", type=_count, default=3, metavar="N", help="rounds, each with fresh servers (3)")
    add("--workers", type=_count, default=min(_MOST_WORKERS, usable_cores()), metavar="N",
        help=f"workers of every server (one per core, at most {_MOST_WORKERS})")  # fmt: skip
    add("--only", action="append", choices=PARTS, metavar="NAME",
        help=f"measure this alone; may be given several times: {', '.join(PARTS)}")  # fmt: skip
    add("--load", choices=(WRK, PYTHON), help="load generator (wrk where it is on PATH, else python)")
    add("--json", type=Path, metavar="FILE", help="also write every round of everything to FILE")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _about(options: argparse.Namespace, by: str) -> dict[str, Any]:
    packages = ("tensorflow-cpu", "tensorflow", "keras", "ai-edge-litert", "flask", "gunicorn", "pillow")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name))},
        "generator": by,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "workers": options.workers,
        "threads": THREADS,
        "connections": CONNECTIONS,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except ModuleNotFoundError:
        return None


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _heading(about: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    return (
        f"{about['date']}, {about['cpu']}, {about['cores']} cores, Python {about['python']}, {packages}\n"
        f"{about['workers']} workers x {about['threads']} threads; {about['rounds']} x {about['seconds']:g} s each; "
        f"load by {about['generator']}, on the same cores as the servers: ratios count, absolute numbers are low"
    )


def _workplace(folder: Path, workers: int) -> Workplace:
    models = folder / "models"
    shutil.copytree(ROOT / "models" / "mnist", models / "mnist")
    workplace = Workplace(models, folder / "cache", _PICTURE.read_bytes(), _PICTURE, workers)
    _say("building the bundle")
    finished(build_command(workplace), seconds=300)
    return workplace


def _samples(workplace: Workplace, options: argparse.Namespace, by: str) -> list[Sample]:
    wanted = _wanted(options.only) - {ENGINE}
    if not wanted:
        return []
    plan = Plan(options.rounds, options.seconds, by, with_load=wanted != {"start"}, say=_say)
    return play(workplace, plan)


def _engines(workplace: Workplace, options: argparse.Namespace) -> list[EngineSample]:
    if ENGINE not in _wanted(options.only):
        return []
    _say("the bare engine")
    block = options.seconds / _ENGINE_BLOCK
    command = [sys.executable, "-m", "benchmarks.engine", str(workplace.saved), str(workplace.cache)]
    printed = finished([*command, str(block), str(options.rounds)], seconds=600 + options.seconds * options.rounds * 10)
    return [EngineSample(**one) for one in json.loads(printed.strip().splitlines()[-1])]


def _wanted(only: Sequence[str] | None) -> set[str]:
    return set(only or PARTS)


def _print(only: Sequence[str] | None, samples: Sequence[Sample], engines: Sequence[EngineSample]) -> None:
    for part, (title, made) in report.TABLES.items():
        if part in _wanted(only):
            print(f"\n{title}\n\n{made(samples)}")
    if engines:
        print(f"\n{report.ENGINE_TITLE}\n\n{report.engine_table(engines)}")


def _say(text: str) -> None:
    print(f"  {text} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
