"""Measures overload: `python -m benchmarks.overload`. What happens to requests at ten times what a server can answer.

The capacity is what eight connections get that each ask again at once. Then requests come by the clock, each on a
connection of its own, at ten times that rate, whatever becomes of those before. A request is a small file that is slow
to decode (a large picture of one colour), so that offering it costs the generator little. A second part offers a third
of the capacity, quietly and while new versions are built.
"""

import argparse
import asyncio
import io
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.contestants import ROOT
from benchmarks.exchange import HOST
from benchmarks.load import percentile

_SIDE = 6000
_OVER = 10
_CONNECTIONS = 8
_CALM_SHARE = 1 / 3
_READY_SECONDS = 300
_REFUSED = 503
_GOOD = 200


@dataclass(slots=True)
class Outcome:
    """What became of the requests of one load: seconds of each answer by its status, and how many broke off."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    broken: int = 0
    took: float = 0.0

    def of(self, status: int) -> list[float]:
        """Return the seconds of the answers with a status."""
        return self.seconds.get(status, [])

    def line(self, name: str) -> str:
        """Return a row of the table."""
        good, refused = self.of(_GOOD), self.of(_REFUSED)
        others = sum(map(len, self.seconds.values())) - len(good) - len(refused) + self.broken
        cells = [
            f"{len(good) / self.took:.1f}",
            f"{1000 * percentile(good, 50):.0f}",
            f"{1000 * percentile(good, 99):.0f}",
            str(len(refused)),
            f"{1000 * percentile(refused, 50):.1f}" if refused else "-",
            f"{1000 * percentile(refused, 99):.1f}" if refused else "-",
            str(others),
        ]
        return f"| {name} | {' | '.join(cells)} |"


class Load:
    """Posts one request again and again."""

    def __init__(self, port: int, body: bytes) -> None:
        self._port = port
        head = (
            "POST /api/models/mnist/predict?layers=none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body

    async def closed(self, connections: int, seconds: float) -> Outcome:
        """Have each of so many clients ask again as soon as it has its answer."""
        found = Outcome()
        end = time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < end:
                await self._ask(found)

        began = time.monotonic()
        await asyncio.gather(*(client() for _ in range(connections)))
        found.took = time.monotonic() - began
        return found

    async def open(self, rate: float, seconds: float) -> Outcome:
        """Begin `rate` requests a second, whatever becomes of those before."""
        found = Outcome()
        began = time.monotonic()
        asked = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            asked.append(asyncio.create_task(self._ask(found)))
        found.took = time.monotonic() - began
        late = sum(not one.done() for one in asked)
        await asyncio.gather(*asked)
        found.took += (time.monotonic() - began - found.took) * (late > 0)
        return found

    async def _ask(self, found: Outcome) -> None:
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(HOST, self._port)
            writer.write(self._request)
            data = await reader.read()
            writer.close()
            status = int(data[9:12])
        except (OSError, ValueError):
            found.broken += 1
            return
        found.seconds.setdefault(status, []).append(time.monotonic() - began)


def picture() -> bytes:
    """Return a small file that is slow to decode."""
    buffer = io.BytesIO()
    Image.new("L", (_SIDE, _SIDE), 20).save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each load (15)")
    parser.add_argument("--builds", type=int, default=3, help="versions that are built meanwhile, 0 for none (3)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="convoy-bench-") as folder:
        models = Path(folder) / "models"
        shutil.copytree(ROOT / "models/mnist", models / "mnist")
        process, port = _start(models, Path(folder) / "cache")
        try:
            asyncio.run(_measure(Load(port, picture()), models, options.seconds, options.builds))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


async def _measure(load: Load, models: Path, seconds: float, builds: int) -> None:
    await load.closed(2, 2.0)  # what is slow the first time
    print("| load | answered/s | p50 ms | p99 ms | refused | p50 ms | p99 ms | otherwise |")
    print("|---|---|---|---|---|---|---|---|")
    alone = await load.closed(1, seconds / 3)
    print(alone.line("1 client, before"))
    whole = await load.closed(_CONNECTIONS, seconds)
    capacity = len(whole.of(_GOOD)) / whole.took
    print(whole.line(f"{_CONNECTIONS} clients: the capacity"))
    print((await load.open(_OVER * capacity, seconds)).line(f"{_OVER} times the capacity"))
    print((await load.closed(1, seconds / 3)).line("1 client, right after"))
    calm = await load.open(_CALM_SHARE * capacity, seconds)
    print(calm.line("a third of the capacity, quiet"))
    for number in range(builds):
        _drop_version(models, number)
        during = await load.open(_CALM_SHARE * capacity, seconds)
        ratio = percentile(during.of(_GOOD), 99) / percentile(calm.of(_GOOD), 99)
        print(during.line(f"a third of it, while a version is built (p99 x{ratio:.2f})"))


def _drop_version(models: Path, number: int) -> None:
    """Put a model into the folder that has to be built: a bundled one under a new name."""
    source = ROOT / "models/cats-dogs"
    target = models / f"new-{number}"
    shutil.copytree(source, target)


def _start(models: Path, cache: Path) -> tuple["subprocess.Popen[str]", int]:
    command = [sys.executable, "-m", "service.cli", "serve", str(models), "--port", "0", "--cache-dir", str(cache)]
    process = subprocess.Popen(
        [*command, "--log-level", "warning"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert process.stdout
    line = next(one for one in process.stdout if "listens on" in one)
    port = int(line.split("http://")[1].split()[0].rstrip(".").rsplit(":", 1)[1])
    asyncio.run(_await_model(port))
    return process, port


async def _await_model(port: int) -> None:
    load = Load(port, picture())
    for _ in range(_READY_SECONDS * 2):
        if (await load.closed(1, 0.01)).of(_GOOD):
            return
        await asyncio.sleep(0.5)
    raise SystemExit("The server did not become ready.")


if __name__ == "__main__":
    main()
