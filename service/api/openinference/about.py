"""Owns what the protocol says of models: metadata, configuration, the repository's index, statistics."""

from typing import Any

import service
from service.api.openinference.datatypes import BYTES, datatype_of
from service.model.card import ModelCard
from service.model.tensors import ImageLayout, TensorSpec
from service.serving.live import LiveView, VersionState
from service.serving.statistics import Counts

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
_STATES = {"live": "READY", "building": "LOADING", "failed": "UNAVAILABLE", "unloaded": "UNAVAILABLE"}


def server_metadata() -> dict[str, Any]:
    """Return the answer of `GET /v2`."""
    return {"name": "convoy", "version": service.__version__, "extensions": list(EXTENSIONS)}


def model_metadata(card: ModelCard, versions: list[int]) -> dict[str, Any]:
    """Return the answer of `GET /v2/models/{name}`; `versions` are the live ones. A free axis is -1."""
    return {
        "name": card.name,
        "versions": [str(version) for version in sorted(versions)],
        "platform": f"keras_{card.engine}",
        "inputs": [_tensor(one.spec) for one in card.inputs],
        "outputs": [_tensor(one.spec) for one in card.outputs],
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": datatype_of(spec.dtype), "shape": _dims(spec.shape)}


def _dims(shape: tuple[int | None, ...]) -> list[int]:
    return [-1 if axis is None else axis for axis in shape]


def model_configuration(card: ModelCard, *, max_batch_size: int) -> dict[str, Any]:
    """Return the answer of `GET …/config`, as Triton's `image_client.py` and `perf_analyzer` read it."""
    return {
        "name": card.name,
        "platform": f"keras_{card.engine}",
        "backend": card.engine,
        "max_batch_size": max_batch_size,
        "input": [_config(one.spec) | {"format": _format(one.layout)} for one in card.inputs],
        "output": [_config(one.spec) | {"label_filename": one.labels_file or ""} for one in card.outputs],
        "version_policy": {"specific": {"versions": [card.version]}},
    }


def _config(spec: TensorSpec) -> dict[str, Any]:
    datatype = datatype_of(spec.dtype)
    kind = "STRING" if datatype == BYTES else datatype
    return {"name": spec.name, "data_type": f"TYPE_{kind}", "dims": _dims(spec.item_shape)}


def _format(layout: ImageLayout | None) -> str:
    if layout is None or not layout.has_channel_axis or layout.is_flat:
        return "FORMAT_NONE"
    return "FORMAT_NCHW" if layout.order == "channels_first" else "FORMAT_NHWC"


def repository_index(view: LiveView, *, only_ready: bool) -> list[dict[str, str]]:
    """Return the answer of `POST /v2/repository/index`."""
    listed = [
        _index_entry(name, version, state)
        for name, versions in sorted(view.models.items())
        for version, state in sorted(versions.items())
    ]
    return [one for one in listed if one["state"] == "READY" or not only_ready]


def _index_entry(name: str, version: int, state: VersionState) -> dict[str, str]:
    reason = "unloaded by an administrator" if state.state == "unloaded" else state.diagnosis or state.step or ""
    return {"name": name, "version": str(version), "state": _STATES[state.state], "reason": reason}


def statistics_entry(name: str, version: int, counts: Counts) -> dict[str, Any]:
    """Return one entry of `model_stats`; Triton's stages, where `compute_output` is what is left of the whole."""
    stages = counts.queue_ns + counts.input_ns + counts.infer_ns
    successes = counts.successes
    return {
        "name": name,
        "version": str(version),
        "last_inference": counts.last,
        "inference_count": counts.examples,
        "execution_count": counts.executions,
        "inference_stats": {
            "success": _duration(successes, counts.total_ns),
            "fail": _duration(counts.failures, counts.failure_ns),
            "queue": _duration(successes, counts.queue_ns),
            "compute_input": _duration(successes, counts.input_ns),
            "compute_infer": _duration(successes, counts.infer_ns),
            "compute_output": _duration(successes, max(0, counts.total_ns - stages)),
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
        "batch_stats": [],
        "memory_usage": [],
    }


def _duration(count: int, nanoseconds: int) -> dict[str, int]:
    return {"count": count, "ns": nanoseconds}
