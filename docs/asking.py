"""Owns what docs/layers.py and docs/experiments.py ask a running service, as any client does."""

import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "examples/seven-light-on-dark.png"
URL = "http://127.0.0.1:8000"
Layer = dict[str, Any]


class Service:
    """What a running service says of its models, asked as any client does."""

    def __init__(self, url: str) -> None:
        self._url = url

    def card(self, model: str) -> dict[str, Any]:
        return self.asked(f"/api/models/{model}")

    def layers(self, model: str) -> list[Layer]:
        """Return the layers in full, with shapes of one item: without the batch axis."""
        found = self.asked(f"/api/models/{model}/layers")["layers"]
        return [one | {"item": one["output_shape"][1:], "takes": one["input_shape"][1:]} for one in found]

    def answer(self, model: str, picture: Path) -> dict[str, Any]:
        return self.asked(f"/api/models/{model}/predict?top_k=3&layers=none", picture.read_bytes())

    def unit(self, model: str, layer: str, index: int) -> dict[str, Any]:
        return self.asked(f"/api/models/{model}/layers/{layer}/units/{index}")

    def heat(self, model: str, label: str, method: str) -> dict[str, Any]:
        path = f"/api/models/{model}/explain?class={label}&method={method}"
        return self.asked(path, PICTURE.read_bytes())

    def vector(self, model: str, layer: str, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what a layer gives for one image, (height, width, channels) in 0..1."""
        path = f"/api/models/{model}/activations?layer={layer}"
        said = np.load(io.BytesIO(self.fetched(path, npy(image[np.newaxis]), accept="application/x-npy")))
        return np.asarray(said[0], np.float32)

    def drawn(self, query: str) -> bytes:
        """Return one of the pictures in `DRAWN`."""
        return self.fetched(f"/api/models/mnist/{query}", None if "?" not in query else PICTURE.read_bytes())

    def asked(self, path: str, data: bytes | None = None) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.fetched(path, data, accept="application/json"))
        return body

    def fetched(self, path: str, data: bytes | None = None, *, accept: str = "*/*") -> bytes:
        request = urllib.request.Request(self._url + path, data=data, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=60) as response:
            body: bytes = response.read()
        return body


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
