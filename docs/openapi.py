"""Fills in the examples of the API's description with what the running program answers: `python docs/openapi.py`.

It asks a server of the bundled models, by default http://127.0.0.1:8000 (`make run`); another address is its argument.
"""

import base64
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "service/api/openapi/examples.json"
PICTURE = (ROOT / "examples/seven-light-on-dark.png").read_bytes()
_TEXT = base64.b64encode(PICTURE).decode()
_TENSOR = {
    "name": "input_layer",
    "shape": [1],
    "datatype": "BYTES",
    "parameters": {"content_type": "base64"},
    "data": [_TEXT],
}
ASKED: dict[str, tuple[str, Any]] = {
    "models": ("/api/models", None),
    "card": ("/api/models/mnist", None),
    "layers": ("/api/models/mnist/layers", None),
    "predict": ("/api/models/mnist/predict?top_k=2", PICTURE),
    "predict_json": ("/api/models/mnist/predict?top_k=2", {"image": _TEXT}),
    "preview": ("/api/models/mnist/preview", PICTURE),
    "activations": ("/api/models/mnist/activations?layer=max_pooling2d_1&channels=0-1", PICTURE),
    "explain": ("/api/models/mnist/explain?method=grad-cam", PICTURE),
    "unit": ("/api/models/mnist/layers/flatten/units/1234", None),
    "readyz": ("/readyz", None),
    "hf": ("/hf/models/mnist", {"inputs": _TEXT, "parameters": {"top_k": 2}}),
    "v1_status": ("/v1/models/mnist", None),
    "v1_predict": ("/v1/models/mnist:predict", {"instances": [{"b64": _TEXT}]}),
    "v2_model": ("/v2/models/mnist", None),
    "v2_infer": ("/v2/models/mnist/infer", {"inputs": [_TENSOR]}),
}
"""What is asked for each example: the address, and the body as bytes or as what becomes JSON; GET without one."""


def examples(url: str) -> dict[str, Any]:
    """Return the body of each request that is JSON, and its answer, by the example's name."""
    return {name: _example(url + path, body) for name, (path, body) in ASKED.items()}


def _example(url: str, body: Any) -> dict[str, Any]:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    if "models" in answer and isinstance(answer, dict):
        answer["models"] = [one for one in answer["models"] if one["name"] == "mnist"]
    return ({} if body is None or body is data else {"request": body}) | {"answer": answer}


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    EXAMPLES.write_text(json.dumps(examples(url), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
