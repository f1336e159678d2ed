"""Whatever a stranger sends is answered with a 4xx that says what was wrong; no worker dies of it."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pictures import encoded, noise, npy
from tests.servers import Remote, Server

DIGIT = encoded(noise(28, 28))


@pytest.fixture(autouse=True)
def same_workers(mnist_server: Server) -> Iterator[None]:
    """The worker processes after a test are those before it, and the next request is answered."""
    before = workers_of(mnist_server)
    yield
    assert workers_of(mnist_server) == before
    assert mnist_server.predict("mnist", DIGIT).status_code == 200


def workers_of(server: Server) -> list[int]:
    """Return the worker processes where they can be seen."""
    return [] if isinstance(server, Remote) else server.workers()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that declares a size and holds hardly any data."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    return head + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def npy_lying(shape: str, descr: str = "'<f4'", extra: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + extra


BAD_BODIES: list[tuple[str, bytes, str, int]] = [
    ("an empty body", b"", "image/png", 400),
    ("text called an image", b"hello", "image/png", 400),
    ("bytes of no kind", b"\x00\x01\x02", "application/octet-stream", 400),
    ("text", b"hello", "text/plain", 415),
    ("a PDF", b"%PDF-1.7", "application/pdf", 415),
    ("a truncated PNG", DIGIT[:60], "image/png", 400),
    ("a PNG signature alone", DIGIT[:8], "image/png", 400),
    ("a truncated JPEG", encoded(noise(64, 64), "JPEG")[:300], "image/jpeg", 400),
    ("a PNG bomb", png_header(60_000, 60_000), "image/png", 413),
    ("a long thin PNG", png_header(30_000, 1), "image/png", 413),
    ("a zero-sized PNG", png_header(0, 10), "image/png", 400),
    ("21 MiB that begin like a PNG", DIGIT + b"\0" * 21 * 2**20, "image/png", 413),
    ("malformed JSON", b'{"image": ', "application/json", 400),
    ("JSON with NaN", b'{"image": [[NaN]]}', "application/json", 400),
    ("JSON with Infinity", b'{"image": [[Infinity]]}', "application/json", 400),
    ("deeply nested JSON", b'{"image": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400),
    ("JSON that is a list", b"[1, 2]", "application/json", 400),
    ("JSON that is a number", b"1", "application/json", 400),
    ("JSON that is not UTF-8", b'{"image": "\xff"}', "application/json", 400),
    ("JSON with a huge integer", b'{"image": [[' + b"9" * 5000 + b"]]}", "application/json", 400),
    ("JSON with an integer over 64 bits", b'{"image": [[' + b"9" * 30 + b"]]}", "application/json", 422),
    ("JSON with a number over float32", json.dumps({"image": [[1e300] * 28] * 28}).encode(), "application/json", 422),
    ("JSON with a number over float64", b'{"image": [[1e999]]}', "application/json", 422),
    ("JSON without image", b"{}", "application/json", 422),
    ("JSON with both", b'{"image": [], "images": []}', "application/json", 422),
    ("JSON with an unknown key", b'{"picture": "aGk="}', "application/json", 422),
    ("JSON with no images", b'{"images": []}', "application/json", 422),
    ("JSON with null", b'{"image": null}', "application/json", 422),
    ("JSON with true", b'{"image": true}', "application/json", 422),
    ("ragged numbers", b'{"image": [[1, 2], [3]]}', "application/json", 422),
    ("numbers with text", b'{"image": [["a"]]}', "application/json", 422),
    ("numbers with objects", b'{"image": [[{}]]}', "application/json", 422),
    ("an unknown input name", b'{"image": {"nope": "aGk="}}', "application/json", 422),
    ("text that is no base64", b'{"image": "!!!"}', "application/json", 400),
    ("a data URI without base64", b'{"image": "data:image/png,hello"}', "application/json", 400),
    ("base64 of no image", b'{"image": "aGVsbG8="}', "application/json", 400),
    ("an .npy of the wrong shape", npy(np.zeros((27, 27), np.float32)), "application/octet-stream", 422),
    ("an .npy with NaN", npy(np.full((28, 28), np.nan, np.float32)), "application/octet-stream", 422),
    ("an empty .npy", npy(np.zeros((0, 28, 28), np.float32)), "application/octet-stream", 422),
    ("an .npy of complex numbers", npy(np.zeros((28, 28), np.complex64)), "application/octet-stream", 400),
    ("an .npy of text", npy(np.full((28, 28), "a")), "application/octet-stream", 400),
    ("an .npy that declares a terabyte", npy_lying("(1000000, 1000000)"), "application/octet-stream", 400),
    ("an .npy with a negative axis", npy_lying("(-1, 28, 28)"), "application/octet-stream", 400),
    ("an .npy with pickled objects", npy_lying("(1,)", "'|O'", b"\0" * 8), "application/octet-stream", 400),
    ("an .npy with code for a header", npy_lying("__import__('os')"), "application/octet-stream", 400),
    ("an .npy cut short", npy(np.zeros((28, 28), np.float32))[:-1], "application/octet-stream", 400),
    ("an .npy header cut short", b"\x93NUMPY\x01\x00\xff\xff{", "application/octet-stream", 400),
    ("multipart without a boundary", b"--x", "multipart/form-data", 400),
    ("multipart without files", b"--x--\r\n", "multipart/form-data; boundary=x", 400),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type", "status"), [row[1:] for row in BAD_BODIES], ids=[row[0] for row in BAD_BODIES]
)
def test_a_bad_body_is_told_what_was_wrong(mnist_server: Server, body: bytes, content_type: str, status: int) -> None:
    response = mnist_server.predict("mnist", body, headers={"Content-Type": content_type})

    assert response.status_code == status, response.text
    assert_is_problem(response, status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/models/nope", 404),
        ("GET", "/api/models/mnist/versions/99", 404),
        ("GET", "/api/models/mnist/versions/stable", 404),
        ("GET", "/api/models/mnist/versions/-1/layers", 404),
        ("GET", "/api/models/mnist/versions/99999999999999999999", 404),
        ("GET", "/api/models/..%2f..%2fetc/layers", 404),
        ("POST", "/api/models/nope/predict", 404),
        ("GET", "/api/models/mnist/predict", 405),
        ("DELETE", "/api/models/mnist", 405),
        ("POST", "/api/models/mnist/predict?top_k=0", 422),
        ("POST", "/api/models/mnist/predict?top_k=many", 422),
        ("POST", "/api/models/mnist/predict?layers=some", 422),
        ("POST", "/api/models/mnist/predict?probabilities=perhaps", 422),
        ("POST", "/api/models/mnist/predict?topk=3", 422),
    ],
)
def test_a_bad_address_or_query_is_a_problem_too(mnist_server: Server, method: str, path: str, status: int) -> None:
    import requests

    response = requests.request(method, mnist_server.url + path, data=DIGIT, timeout=30)

    assert response.status_code == status, response.text
    assert_is_problem(response, status)
    if status == 405:
        assert response.headers["Allow"]


def test_a_body_over_the_limit_is_refused_without_being_read(mnist_server: Server) -> None:
    response = mnist_server.predict("mnist", b"\0" * (64 * 2**20 + 1))

    assert_is_problem(response, 413)


def test_a_compressed_body_is_refused(mnist_server: Server) -> None:
    response = mnist_server.predict("mnist", zlib.compress(DIGIT), headers={"Content-Encoding": "deflate"})

    assert_is_problem(response, 415)


def test_a_picture_under_another_name_is_answered_by_its_bytes(mnist_server: Server) -> None:
    response = mnist_server.predict("mnist", files={"file": ("notes.txt", DIGIT, "text/plain")})

    assert response.status_code == 200
    assert response.json()["predictions"][0]["input"]["format"] == "PNG"


def test_a_shape_that_does_not_fit_is_told_what_fits(mnist_server: Server) -> None:
    detail = mnist_server.predict("mnist", npy(np.zeros((3, 32, 32), np.float32))).json()["detail"]

    assert "[3, 32, 32]" in detail
    assert "[28, 28, 1]" in detail
    assert "[784]" in detail


def test_numbers_out_of_range_are_answered_with_a_warning(mnist_server: Server) -> None:
    response = mnist_server.predict("mnist", npy(noise(28, 28)))

    assert response.status_code == 200
    assert "0..1" in response.json()["predictions"][0]["warnings"][0]


def test_every_awkward_file_is_answered_or_refused(mnist_server: Server, shared: Path) -> None:
    files = sorted(path for path in (shared / "data/images").rglob("*") if path.is_file())
    assert len(files) > 100

    for path in files:
        response = mnist_server.predict("mnist", path.read_bytes())
        assert response.status_code == 200 or 400 <= response.status_code < 500, path.name
        if "corrupt" in path.parts:
            assert response.status_code == 400, path.name


def assert_is_problem(response: Any, status: int) -> None:
    """A problem has the four members of RFC 9457, the status of the answer, and nothing of the server's inside."""
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code == status
    assert problem["title"]
    assert problem["type"]
    assert len(problem["detail"]) > 10
    assert "Traceback" not in response.text
    assert "site-packages" not in response.text


def test_one_bad_image_costs_the_others_nothing(mnist_server: Server) -> None:
    good = base64.b64encode(DIGIT).decode()
    bad = ["%%%", "data:image/png,x", [[1, 2], [3]], [["a"]], None, [[1] * 27] * 27, "bm8="]

    body = mnist_server.predict("mnist", json={"images": [good, *bad, good]}).json()

    assert [one.get("error", {}).get("status") for one in body["predictions"]] == [
        None, 400, 400, 422, 422, 422, 422, 400, None,
    ]  # fmt: skip
    assert [one["input"]["index"] for one in body["predictions"]] == list(range(9))
    assert body["layers"][0]["output_shape"][0] == 2


def test_json_that_would_fill_the_memory_is_refused_at_once(mnist_server: Server) -> None:
    hostile = [
        b'{"image": [' + b"[]," * 10_000_000 + b"[]]}",
        b'{"image": ["' + b"a" * 5_000_000 + b'"' + b',""' * 5_000 + b"]}",
        b'{"image": [' + b"0," * 20_000_000 + b"0]}",
        rb'{"\ud800": 1}',
        rb'{"image": {"\ud800": [1]}}',
    ]
    for body in hostile:
        response = mnist_server.predict("mnist", body, headers={"Content-Type": "application/json"})
        assert response.status_code in (413, 422), response.text[:200]


def test_more_examples_than_are_taken_at_a_time_are_refused(mnist_server: Server) -> None:
    assert_is_problem(mnist_server.predict("mnist", npy(np.zeros((60_000, 28, 28), np.uint8))), 413)
