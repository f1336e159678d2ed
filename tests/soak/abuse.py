"""Minutes of wrong bodies and headers at full speed leave a server as it was: `make test-soak`.

`make test` does not collect it: its name is no test's. CONVOY_SOAK_SECONDS says how long (300).
"""

import gzip
import json
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.pictures import encoded, noise, npy
from tests.servers import Server, resident_mib

pytest.importorskip("keras")

SECONDS = float(os.environ.get("CONVOY_SOAK_SECONDS", "300"))
CLIENTS = 8
WARM_SHARE = 0.2
GROWTH_MIB = 25
PICTURE = encoded(noise(28, 28), "PNG")
PATHS = [
    b"/api/models/mnist/predict", b"/api/models/mnist/preview", b"/v1/models/mnist:predict",
    b"/v1/models/mnist:classify",
    b"/v2/models/mnist/infer", b"/v2/repository/index", b"/invocations", b"/v2/models/none/infer", b"/v1/models/%ff",
    b"/" + b"a" * 5000, b"/v2/../../etc/passwd", b"/api/models/mnist/versions/99999999999999999999/predict",
]  # fmt: skip
METHODS = [b"POST", b"POST", b"POST", b"GET", b"PUT", b"BREW"]
KINDS = [b"application/json", b"image/png", b"multipart/form-data; boundary=x", b"text/plain", b"\xff\xfe", b""]


def bodies(chance: random.Random) -> list[Callable[[], bytes]]:
    def cut(data: bytes) -> bytes:
        return data[: chance.randrange(len(data))]

    def spoilt(data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(4):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)

    v2 = {"inputs": [{"name": "input_layer", "shape": [1, 28, 28, 1], "datatype": "FP32", "data": [0.5] * 784}]}
    return [
        lambda: b"",
        lambda: chance.randbytes(chance.randrange(3000)),
        lambda: cut(PICTURE),
        lambda: spoilt(PICTURE),
        lambda: spoilt(npy(np.zeros((2, 28, 28, 1), np.float32))),
        lambda: cut(json.dumps(v2).encode()),
        lambda: json.dumps(v2 | {"inputs": v2["inputs"] * chance.randrange(4)}).encode(),
        lambda: spoilt(json.dumps({"instances": [[[0.1] * 28] * 28]}).encode()),
        lambda: b"[" * chance.randrange(20_000),
        lambda: b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        lambda: b"--x\r\nContent-Disposition: form-data; name=image; filename=a\r\n\r\n" + cut(PICTURE),
        lambda: gzip.compress(bytes(200_000)),
    ]


def request(chance: random.Random, body: bytes) -> bytes:
    """Return a request whose headers may lie about its body."""
    length = chance.choice([len(body), len(body), len(body), len(body) + 7, max(0, len(body) - 7), -1, 2**70])
    lines = [
        chance.choice([b"POST", b"POST", b"POST", b"GET", b"PUT", b"BREW"])
        + b" "
        + chance.choice(PATHS)
        + b" HTTP/1.1",
        b"Host: x",
        b"Content-Type: " + chance.choice(KINDS),
        b"Content-Length: " + str(length).encode(),
        b"Connection: close",
    ]
    lines += chance.choice(
        [[], [], [b"Inference-Header-Content-Length: " + str(chance.randrange(-2, 4000)).encode()],
         [b"Content-Encoding: gzip"], [b"Transfer-Encoding: chunked"], [b"Expect: 100-continue"],
         [b"X: " + b"a" * 9000], [b"Accept-Encoding: gzip"], [b"Authorization: Bearer \x00"]]
    )  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Abuser(threading.Thread):
    """Sends wrong requests until told to stop, and counts what it was answered."""

    def __init__(self, server: Server, seed: int, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        address = urlsplit(server.url)
        self._address = (address.hostname, address.port)
        self._chance = random.Random(seed)
        self._bodies = bodies(self._chance)
        self._stopping = stopping
        self.statuses: Counter[str] = Counter()

    def run(self) -> None:
        while not self._stopping.is_set():
            self.statuses[self._answer(request(self._chance, self._chance.choice(self._bodies)()))] += 1

    def _answer(self, data: bytes) -> str:
        try:
            with socket.create_connection(self._address, timeout=30) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                first = connection.recv(4096)
                while connection.recv(65536):
                    pass
        except OSError:
            return "broken off"
        return first[9:12].decode("latin-1") or "closed"


@pytest.mark.timeout(SECONDS + 300)
def test_a_server_stays_as_it_was(mnist_server: Server, examples: Path) -> None:
    stopping = threading.Event()
    abusers = [Abuser(mnist_server, seed, stopping) for seed in range(CLIENTS)]
    workers = mnist_server.workers()
    for abuser in abusers:
        abuser.start()
    time.sleep(SECONDS * WARM_SHARE)
    warm = {pid: resident_mib(pid) for pid in workers}
    time.sleep(SECONDS * (1 - WARM_SHARE))
    stopping.set()
    for abuser in abusers:
        abuser.join(timeout=60)

    total: Counter[str] = sum((abuser.statuses for abuser in abusers), Counter())
    after = {pid: resident_mib(pid) for pid in workers}
    print(f"\n{sum(total.values())} requests in {SECONDS:.0f} s: {dict(total.most_common())}")
    print(f"memory of the workers, MiB: {warm} after a fifth of the time, {after} at the end")
    assert mnist_server.workers() == workers
    assert total["500"] == 0
    assert "Traceback" not in mnist_server.log
    assert all(after[pid] - warm[pid] < GROWTH_MIB for pid in workers), (warm, after)
    answer = mnist_server.predict("mnist", (examples / "seven-light-on-dark.png").read_bytes())
    assert answer.json()["predictions"][0]["label"] == "7"
