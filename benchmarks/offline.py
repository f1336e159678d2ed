"""Measures `convoy classify` against a bare loop: `python -m benchmarks.offline DATA_FOLDER`.

Pictures are the 60,000 of MNIST's training part as PNG files. The bare loop is what one writes by hand for these
pictures alone: a process for each core with its share of the files, Pillow, a division by 255, LiteRT in batches of
32, the highest class; it checks nothing and writes nothing. Both are timed from the start of the command to its end;
their processor time is that of all their processes. Rounds are interleaved; a ratio is taken within a round.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.contestants import ROOT
from benchmarks.processes import environment
from service.settings import usable_cores

_BATCH = 32
_PER_FOLDER = 1000
_MODEL = "mnist"


@dataclass(frozen=True, slots=True)
class Timed:
    """One run: wall and processor time in seconds, of all its processes."""

    wall: float
    processor: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder that holds mnist.npz, as Keras has it")
    parser.add_argument("--pictures", type=int, default=60_000, help="how many of them (60000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both (3)")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="processes of both (one per core)")
    parser.add_argument("--out", default=".parquet", help="form of the output: .parquet, .csv or .jsonl (.parquet)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="convoy-bench-") as name:
        folder = Path(name)
        write_pictures(np.load(options.data / "mnist.npz")["x_train"][: options.pictures], folder / "pictures")
        graph = _built(folder)
        print("| round | bare loop, pictures/s | convoy classify, pictures/s | ratio | ratio by processor time |")
        print("|---|---|---|---|---|")
        ratios = [_round(number, folder, graph, options) for number in range(1, options.rounds + 1)]
    print(f"\nmedian ratio {statistics.median(wall for wall, _ in ratios):.2f}", end="")
    print(f", by processor time {statistics.median(processor for _, processor in ratios):.2f}")


def write_pictures(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", folder: Path) -> None:
    """Write pictures (N, height, width) as PNG files, a thousand to a folder."""
    for number, one in enumerate(pixels):
        below = folder / f"{number // _PER_FOLDER:02}"
        if number % _PER_FOLDER == 0:
            below.mkdir(parents=True)
        Image.fromarray(one).save(below / f"{number:05}.png")


def _built(folder: Path) -> Path:
    """Build the model's bundle by classifying one picture, and return its graph."""
    one = next((folder / "pictures").glob("*/*.png"))
    _finished(_classify(folder, one, folder / "one.csv"))
    return next((folder / "cache").glob(f"{_MODEL}/*/model.tflite"))


def _classify(folder: Path, pictures: Path, out: Path, *, processes: int = 1) -> list[str]:
    words = (pictures, "--model", _MODEL, "--models-dir", ROOT / "models", "--workers", processes, "--out", out)
    return [sys.executable, "-m", "service.cli", "classify", *map(str, words), "--cache-dir", str(folder / "cache")]


def _round(number: int, folder: Path, graph: Path, options: argparse.Namespace) -> tuple[float, float]:
    pictures, count = folder / "pictures", options.processes
    bare = ("benchmarks.bare_loop", pictures, graph, count, _BATCH)
    first = _finished([sys.executable, "-m", *map(str, bare)])
    second = _finished(_classify(folder, pictures, folder / f"answers-{number}{options.out}", processes=count))
    wall, processor = first.wall / second.wall, first.processor / second.processor
    speeds = " | ".join(f"{options.pictures / one.wall:,.0f}" for one in (first, second))
    print(f"| {number} | {speeds} | {wall:.2f} | {processor:.2f} |", flush=True)
    return wall, processor


def _finished(command: Sequence[str]) -> Timed:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(time.monotonic() - began, used)


if __name__ == "__main__":
    main()
