"""What other people's clients share: the address of a running server. They run in an environment of their own.

NOTE: nothing of Convoy, TensorFlow or Keras is imported here; `tests/e2e/test_conformance.py` starts the server.
"""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def url() -> str:
    """The address of a server of the bundled models, such as http://127.0.0.1:8000."""
    found = os.environ.get("CONVOY_URL")
    if not found:
        pytest.skip("needs CONVOY_URL, the address of a server of the bundled models")
    return found


@pytest.fixture(scope="session")
def admin_key() -> str:
    """The key with which that server loads and unloads models."""
    found = os.environ.get("CONVOY_ADMIN_KEY")
    if not found:
        pytest.skip("needs CONVOY_ADMIN_KEY, the admin key of the server")
    return found


@pytest.fixture(scope="session")
def picture() -> bytes:
    return (EXAMPLES / "seven-light-on-dark.png").read_bytes()


@pytest.fixture(scope="session")
def pixels(picture: bytes) -> NDArray[np.float32]:
    """The picture as `mnist` takes it: (1, 28, 28, 1), 0..1."""
    image = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), np.float32)
    assert image.shape == (28, 28)
    return (image / np.float32(255))[np.newaxis, ..., np.newaxis]


@pytest.fixture(scope="session")
def expected(url: str, picture: bytes) -> NDArray[np.float32]:
    """The probabilities of our own API, (1, 10)."""
    answer = requests.post(f"{url}/api/models/mnist/predict", picture, timeout=30).json()
    return np.array([answer["predictions"][0]["probabilities"]], np.float32)
