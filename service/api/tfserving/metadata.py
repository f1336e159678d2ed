"""Owns what is told about models: their versions' states and their signature, in Protocol Buffers' JSON."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from flask import Response

from service.api.tfserving.predict import SIGNATURES
from service.model.card import ModelCard
from service.model.tensors import TensorSpec
from service.serving.live import VersionState

_STATES = {"live": "AVAILABLE", "building": "LOADING", "failed": "END", "unloaded": "END"}
_DTYPES = {"float16": "DT_HALF", "float32": "DT_FLOAT", "float64": "DT_DOUBLE"}


def message(body: dict[str, Any], *, status: int = 200) -> Response:
    """Return a message in JSON as Protocol Buffers prints it: one space a level."""
    text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    return Response(text.encode("utf-8", "backslashreplace"), status=status, mimetype="application/json")


def status_body(name: str, versions: Mapping[int, VersionState], held: Collection[int]) -> dict[str, Any]:
    """Return the states of versions, highest first, with the two keys KServe's client reads.

    `held` are the versions that this worker has loaded: the others that are live load now.
    """
    states = [_version_status(one, versions[one], is_held=one in held) for one in sorted(versions, reverse=True)]
    is_ready = any(one["state"] == "AVAILABLE" for one in states)
    return {"model_version_status": states, "name": name, "ready": is_ready}


def _version_status(version: int, state: VersionState, *, is_held: bool) -> dict[str, Any]:
    shown = "LOADING" if state.state == "live" and not is_held else _STATES[state.state]
    has_failed = state.state == "failed"
    return {
        "version": str(version),
        "state": shown,
        "status": {
            "error_code": "FAILED_PRECONDITION" if has_failed else "OK",
            "error_message": (state.diagnosis or "") if has_failed else "",
        },
    }


def metadata_body(card: ModelCard) -> dict[str, Any]:
    """Return a model's signature, under each of the names it is exported with."""
    # The key stands there twice in TensorFlow Serving's own answer.
    signatures = {"signature_def": {name: _signature(card) for name in SIGNATURES}}
    return {
        "model_spec": {"name": card.name, "signature_name": "", "version": str(card.version)},
        "metadata": {"signature_def": signatures},
    }


def _signature(card: ModelCard) -> dict[str, Any]:
    inputs = {one.spec.name: _tensor(one.spec, f"serving_default_{one.spec.name}:0") for one in card.inputs}
    outputs = {
        one.spec.name: _tensor(one.spec, f"StatefulPartitionedCall:{number}") for number, one in enumerate(card.outputs)
    }
    method = "tensorflow/serving/predict"
    return {"inputs": inputs, "outputs": outputs, "method_name": method, "defaults": {}}


def _tensor(spec: TensorSpec, name: str) -> dict[str, Any]:
    sizes = [{"size": str(-1 if axis is None else axis), "name": ""} for axis in spec.shape]
    shape = {"dim": sizes, "unknown_rank": False}
    return {"dtype": _DTYPES.get(spec.dtype, f"DT_{spec.dtype.upper()}"), "tensor_shape": shape, "name": name}
