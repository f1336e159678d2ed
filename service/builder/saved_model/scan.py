"""The scan of a SavedModel folder: what its graph would do, found out from the bytes before TensorFlow loads them."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from service.builder.saved_model.graph import Graph, graph_of
from service.builder.saved_model.metadata import KerasNotes, keras_notes, tensorflow_version
from service.builder.saved_model.operations import ALLOWED, SAVING
from service.builder.saved_model.reach import check_saving
from service.builder.scan import DEFAULT_LIMITS, ScanLimits, ScanReport
from service.builder.scan.wording import shown, sized
from service.errors import BrokenModelError, ModelError, UnsafeModelError
from service.repository.saved import PROGRAM

SERVE = "serve"
"""The endpoint that Keras' own `model.export` writes."""
_ASSETS = "saved_model_assets"
_WAY_OUT = "Where the model is a Keras model, save it as `.keras`; else export it without that operation."


def scan_saved_model(
    path: Path, *, trusted: frozenset[str] = frozenset(), limits: ScanLimits = DEFAULT_LIMITS
) -> ScanReport:
    """Look through the SavedModel folder `path` without running or loading any of it.

    `config` of the report is the architecture that Keras 2 left beside the graph, empty where there is none or one that
    cannot be rebuilt from harmless parts; `trusted` names custom classes that may be in it.

    Raises:
        UnsafeModelError: an operation could do more than compute, or it names a file outside its folder.
        BrokenModelError: it is damaged or incomplete.
    """
    program = _parsed(path / PROGRAM, limits)
    notes = keras_notes(path, program, trusted=trusted, limits=limits)
    writer = _writer(program, notes)
    try:
        _check(program)
    except ModelError as error:
        error.written_by = writer
        raise
    return ScanReport(
        kind="saved_model",
        keras_version=notes.version,
        written_with=writer,
        backend=None,
        loss=notes.loss,
        config=notes.config,
        size=sum(one.stat().st_size for one in path.rglob("*") if one.is_file()),
    )


def _parsed(path: Path, limits: ScanLimits) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    size = path.stat().st_size
    if size > limits.max_program_bytes:
        raise UnsafeModelError(
            f"{PROGRAM} is {sized(size)}; at most {sized(limits.max_program_bytes)} are read. Export the model with "
            "its weights in variables, not in the graph."
        )
    program = SavedModel()
    try:
        program.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise BrokenModelError(f"{PROGRAM} is damaged: it is no SavedModel. Copy or export it again.") from error
    if not program.meta_graphs:
        raise BrokenModelError(f"{PROGRAM} holds no graph. Copy or export it again.")
    return program


def _writer(program: Any, notes: KerasNotes) -> str:
    """Say what wrote it: Keras 2 leaves its version, Keras' `model.export` an endpoint of its own name."""
    version = tensorflow_version(program)
    tensorflow = f"SavedModel (TensorFlow {version})" if version else "SavedModel"
    if notes.version:
        return f"Keras {notes.version} {tensorflow}"
    return f"Keras export, {tensorflow}" if SERVE in program.meta_graphs[0].signature_def else tensorflow


def _check(program: Any) -> None:
    # NOTE: with several meta graphs TensorFlow takes even those with an object graph for TensorFlow 1's.
    is_modern = len(program.meta_graphs) == 1 and program.meta_graphs[0].HasField("object_graph_def")
    graphs = [graph_of(meta_graph) for meta_graph in program.meta_graphs]
    for graph in graphs:
        for place, node in graph.nodes():
            _check_operation(node, place, graph)
    for meta_graph, graph in zip(program.meta_graphs, graphs, strict=True):
        for asset in _assets(meta_graph):
            _check_asset(asset)
        check_saving(meta_graph, graph, is_modern=is_modern)


def _check_operation(node: Any, place: str, graph: Graph) -> None:
    if node.op not in ALLOWED | SAVING and not graph.is_function(node.op):
        raise UnsafeModelError(
            f"{place} holds the operation {shown(node.op)} ({shown(node.name)}), which is not among those that only "
            "compute from what they are given: it might read or write files, open connections or run code. It was "
            f"not run. {_WAY_OUT}"
        )
    for name in graph.called_by(node):
        if not graph.is_function(name):
            raise BrokenModelError(f"{place} calls {shown(name)}, which the SavedModel does not hold. Export it again.")


def _assets(meta_graph: Any) -> Iterator[str]:
    """Yield the names of the files in `assets/` that the graph is handed; TensorFlow 1 kept them in a collection."""
    from tensorflow.core.protobuf.meta_graph_pb2 import AssetFileDef

    yield from (one.filename for one in meta_graph.asset_file_def)
    if _ASSETS in meta_graph.collection_def:
        for packed in meta_graph.collection_def[_ASSETS].any_list.value:
            asset = AssetFileDef()
            packed.Unpack(asset)
            yield asset.filename


def _check_asset(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UnsafeModelError(
            f"The asset {shown(name)} is a path out of the SavedModel's own folder, so that another file of this "
            "machine would be read. Export the model again."
        )
