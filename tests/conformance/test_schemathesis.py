"""Generated requests over the native API: no server error, and no answer that its own description does not know."""

import base64
import io
import os
import zlib
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import checks

VERSIONS = ["1", "latest", "2", "0", "-1", "stable", "99999999999999999999"]
ACCEPTED = ("*/*", "application/json", "application/x-npy", "image/png", "text/html")
LAYERS = ["input_layer", "conv2d", "flatten", "dense", "dense_1", "nothing", "conv2d/x"]
UNITS = [0, 1, 783, 1234, 99_999, 10**12]
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
KINDS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
)


def picture(kind: str, mode: str, width: int, height: int) -> bytes:
    """Return a picture of that kind, or in RGB where the kind does not know the mode."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width), dtype=np.uint8)
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).convert(mode).save(buffer, kind)
    except (OSError, ValueError):
        Image.fromarray(pixels).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def npy(shape: list[int], dtype: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(shape, dtype))
    return buffer.getvalue()


WHOLE = st.builds(picture, st.sampled_from(KINDS), st.sampled_from(MODES), st.integers(1, 70), st.integers(1, 70))
BROKEN = st.builds(lambda data, end: data[: max(1, end % len(data))], WHOLE, st.integers(0))
PICTURES = st.one_of(WHOLE, WHOLE, BROKEN)
ARRAYS = st.builds(
    npy,
    st.sampled_from([[28, 28], [2, 28, 28, 1], [784], [0, 28, 28], [64, 64, 3], [1, 2, 3], []]),
    st.sampled_from(["f4", "f8", "u1", "i8", "?", "c8", "U3"]),
)
AS_TEXT = PICTURES.map(lambda data: base64.b64encode(data).decode())
for kind in ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif", "image/tiff"):
    schemathesis.openapi.media_type(kind, PICTURES)
schemathesis.openapi.media_type("application/x-npy", ARRAYS)


def with_pictures(body: Any) -> Any:
    """Return JSON bodies in which half of the images are pictures in base64."""
    if isinstance(body, dict) and "image" in body:
        return st.one_of(st.just(body), AS_TEXT.map(lambda text: {"image": text}))
    if isinstance(body, dict) and isinstance(body.get("images"), list):
        return st.one_of(st.just(body), st.lists(AS_TEXT, min_size=1, max_size=3).map(lambda texts: {"images": texts}))
    return st.just(body)


def described(url: str) -> Any:
    """Return the description of the native API, with real names in its addresses: a random text is never one."""
    document = requests.get(f"{url}/openapi.json", timeout=30).json()
    names = [one["name"] for one in requests.get(f"{url}/api/models", timeout=30).json()["models"]]
    known = {"name": [*names, "nothing", "mnist%2F", "ü"], "version": VERSIONS, "layer": LAYERS, "index": UNITS}
    for operation in (one for path in document["paths"].values() for one in path.values()):
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                parameter["schema"]["enum"] = known.get(parameter["name"], ["1"])
    found = schemathesis.openapi.from_dict(document).include(path_regex="^/(api/|healthz|readyz|$)")
    found.hook("flatmap_body")(lambda context, body: with_pictures(body))
    return found


# NOTE: the operations are the test's parameters, so the description is fetched before the first fixture could be.
URL = os.environ.get("CONVOY_URL")
if not URL:
    pytest.skip("needs CONVOY_URL, the address of a server of the bundled models", allow_module_level=True)
schema = described(URL)


@schema.parametrize()
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_description_knows(case: Any) -> None:
    # The description cannot name Accept (OpenAPI forbids it), so it is drawn here, from the request itself.
    accept = ACCEPTED[zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode()) % len(ACCEPTED)]
    response = case.call(base_url=URL, headers={"Accept": accept}, timeout=30)
    case.validate_response(response, checks=CHECKS)
