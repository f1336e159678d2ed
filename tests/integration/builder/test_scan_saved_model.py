"""The scan of SavedModels: hostile ones, made here, are refused before anything of them runs; harmless ones pass."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.builder.saved_model import scan_saved_model
from service.builder.saved_model.operations import ALLOWED, SAVING
from service.builder.scan import ScanLimits, ScanReport
from service.errors import BrokenModelError, UnsafeModelError

tf = pytest.importorskip("tensorflow")

from google.protobuf import any_pb2  # noqa: E402 (only after the skip)
from tensorflow.core.protobuf.meta_graph_pb2 import AssetFileDef  # noqa: E402
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: E402
from tensorflow.python.framework import op_def_registry  # noqa: E402

v1 = tf.compat.v1
PICTURES = tf.TensorSpec((None, 4, 4, 1), tf.float32)
Body = Callable[[Any, str], Any]


def saved(folder: Path, body: Callable[[Any], Any], **others: Callable[[Any], Any]) -> Path:
    """Save a module that answers as `body` does, with other functions of it as signatures of their names."""
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    module.call = tf.function(lambda x: {"y": body(x) * module.scale}, input_signature=[PICTURES])
    named = {name: tf.function(one, input_signature=[PICTURES]) for name, one in others.items()}
    for name, one in named.items():
        setattr(module, name, one)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.call, **named})
    return folder


def changed(folder: Path, change: Callable[[Any], None]) -> Path:
    """Change the program of a SavedModel folder in place."""
    file = folder / "saved_model.pb"
    program = SavedModel()
    program.ParseFromString(file.read_bytes())
    change(program)
    file.write_bytes(program.SerializeToString())
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(UnsafeModelError) as caught:
        scan_saved_model(folder)
    assert str(folder) not in caught.value.message
    return caught.value.message


def harmless(x: Any) -> Any:
    return tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])


# ----------------------------------------------------------------------------------------- what the graph may not do

HOSTILE: dict[str, Body] = {
    "ReadFile": lambda x, path: harmless(x) + tf.cast(tf.strings.length(tf.io.read_file(path)), tf.float32),
    "WriteFile": lambda x, path: then(tf.io.write_file(path, "pwned"), x),
    "MatchingFiles": lambda x, path: harmless(x) + tf.cast(tf.size(tf.io.matching_files(path)), tf.float32),
    "EagerPyFunc": lambda x, path: harmless(tf.py_function(lambda one: one, [x], tf.float32)),
    "PyFunc": lambda x, path: harmless(tf.ensure_shape(tf.numpy_function(lambda one: one, [x], tf.float32), x.shape)),
    "PrintV2": lambda x, path: then(tf.print("pwned", output_stream=f"file://{path}"), x),
    "RestoreV2": lambda x, path: harmless(x) + tf.raw_ops.RestoreV2(
        prefix=path, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0],
    "SaveV2": lambda x, path: then(
        tf.raw_ops.SaveV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[harmless(x)]), x
    ),
    # These three are stateless by TensorFlow's own registry.
    "ImmutableConst": lambda x, path: harmless(x) + tf.raw_ops.ImmutableConst(
        dtype=tf.float32, shape=(1,), memory_region_name=path
    ),
    "DebugIdentityV2": lambda x, path: harmless(
        tf.raw_ops.DebugIdentityV2(input=x, debug_urls=[f"file://{path}"], tfdbg_run_id="a")
    ),
    "PyFuncStateless": lambda x, path: harmless(
        tf.ensure_shape(tf.raw_ops.PyFuncStateless(input=[x], token="pyfunc_0", Tout=[tf.float32])[0], x.shape)
    ),
    "TensorSliceDataset": lambda x, path: harmless(x) + tf.data.Dataset.from_tensor_slices([1.0]).reduce(
        0.0, lambda total, one: total + one
    ),
}  # fmt: skip


def then(effect: Any, x: Any) -> Any:
    """Return the answer once `effect` has happened."""
    with tf.control_dependencies([effect] if effect is not None else []):
        return harmless(x)


@pytest.mark.parametrize("operation", HOSTILE)
def test_an_operation_that_does_more_than_compute_is_refused_by_name(tmp_path: Path, operation: str) -> None:
    path = str(tmp_path / "marker")
    saved(tmp_path / "net", lambda x: HOSTILE[operation](x, path))

    said = refusal(tmp_path / "net")

    assert f"`{operation}`" in said
    assert "Function `__inference_" in said
    assert not Path(path).exists()


def test_a_branch_that_is_hardly_ever_taken_is_looked_into(tmp_path: Path) -> None:
    path = str(tmp_path / "marker")

    def sometimes(x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) == 123.0, lambda: HOSTILE["WriteFile"](x, path), lambda: harmless(x))

    assert "`WriteFile`" in refusal(saved(tmp_path / "net", sometimes))


def test_a_signature_that_nobody_asks_for_is_looked_into(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", harmless, hidden=lambda x: {"y": HOSTILE["ReadFile"](x, "/etc/passwd")})
    assert "`ReadFile`" in refusal(folder)


def test_a_method_that_is_no_signature_is_looked_into(tmp_path: Path) -> None:
    module = tf.Module()
    module.call = tf.function(lambda x: {"y": harmless(x)}, input_signature=[PICTURES])
    module.other = tf.function(lambda x: HOSTILE["ReadFile"](x, "/etc/passwd"), input_signature=[PICTURES])
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.call)

    assert "`ReadFile`" in refusal(tmp_path / "net")


def test_the_gradient_of_a_function_is_looked_into(tmp_path: Path) -> None:
    path = str(tmp_path / "marker")

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def sneaky(x: Any) -> Any:
        return tf.nn.relu(x), lambda upstream: then(tf.io.write_file(path, "pwned"), x) * upstream

    module = tf.Module()
    module.call = tf.function(lambda x: {"y": harmless(sneaky(x))}, input_signature=[PICTURES])
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.call, options=options)

    assert "`WriteFile`" in refusal(tmp_path / "net")


class Sneaky(tf.saved_model.experimental.TrackableResource):  # type: ignore[name-defined]
    """A resource whose initialiser, which loading runs, writes a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def _create_resource(self) -> Any:
        return tf.constant(1.0)

    def _initialize(self) -> None:
        tf.io.write_file(self._path, "pwned")


def test_what_loading_itself_would_run_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    module = tf.Module()
    module.resource = Sneaky(str(marker))
    module.call = tf.function(
        lambda x: {"y": harmless(x) + module.resource.resource_handle}, input_signature=[PICTURES]
    )
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.call)
    tf.saved_model.load(str(tmp_path / "net"))
    assert marker.read_text() == "pwned"
    marker.unlink()

    assert "`WriteFile`" in refusal(tmp_path / "net")
    assert not marker.exists()


def test_a_table_filled_from_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(tmp_path / "words.txt"),
            *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
            *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
        ),
        default_value=-1,
    )
    module.call = tf.function(
        lambda x: {"y": harmless(x) + tf.cast(module.table.lookup(tf.constant("a")), tf.float32)},
        input_signature=[PICTURES],
    )
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.call)

    assert "`InitializeTableFromTextFileV2`" in refusal(tmp_path / "net")


def test_a_table_filled_from_values_passes(tmp_path: Path) -> None:
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), default_value=0.0)
    module.call = tf.function(
        lambda x: {"y": harmless(x) + module.table.lookup(tf.constant("a"))}, input_signature=[PICTURES]
    )
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.call)

    assert scan_saved_model(tmp_path / "net").kind == "saved_model"


def test_an_operation_that_tensorflow_does_not_know_is_refused(tmp_path: Path) -> None:
    def rename(program: Any) -> None:
        for function in program.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                if node.op == "Relu":
                    node.op = "Evil>Relu"

    assert "`Evil>Relu`" in refusal(changed(saved(tmp_path / "net", harmless), rename))


def test_a_function_cannot_take_the_name_of_an_operation(tmp_path: Path) -> None:
    def disguise(program: Any) -> None:
        library = program.meta_graphs[0].graph_def.library
        library.function.add().signature.name = "ReadFile"
        program.meta_graphs[0].graph_def.node.add(name="hidden", op="ReadFile")

    assert "`ReadFile`" in refusal(changed(saved(tmp_path / "net", harmless), disguise))


def test_of_two_functions_of_one_name_neither_can_hide_the_other(tmp_path: Path) -> None:
    def double(program: Any) -> None:
        library = program.meta_graphs[0].graph_def.library
        library.function.add().CopyFrom(library.function[0])

    with pytest.raises(BrokenModelError, match="one name"):
        scan_saved_model(changed(saved(tmp_path / "net", harmless), double))


def test_every_meta_graph_is_looked_into(tmp_path: Path) -> None:
    saved(tmp_path / "other", lambda x: HOSTILE["ReadFile"](x, "/etc/passwd"))
    other = SavedModel()
    other.ParseFromString((tmp_path / "other/saved_model.pb").read_bytes())

    folder = changed(
        saved(tmp_path / "net", harmless), lambda program: program.meta_graphs.extend(other.meta_graphs[:1])
    )
    assert "`ReadFile`" in refusal(folder)


# ------------------------------------------------------------------------------------------- the saver of TensorFlow 2


def savers_of(program: Any) -> list[str]:
    """Return the names of the functions that read and write the checkpoint."""
    functions = program.meta_graphs[0].graph_def.library.function
    return [one.signature.name for one in functions if {node.op for node in one.node_def} & SAVING]


def test_the_saver_that_every_saved_model_holds_is_no_reason_to_refuse_it(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", harmless)
    program = SavedModel()
    program.ParseFromString((folder / "saved_model.pb").read_bytes())

    assert savers_of(program)
    assert isinstance(scan_saved_model(folder), ScanReport)


def test_a_signature_cannot_reach_the_saver(tmp_path: Path) -> None:
    def lead_there(program: Any) -> None:
        (saver, *_) = savers_of(program)
        for function in program.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                if function.signature.name not in savers_of(program) and node.op == "StatefulPartitionedCall":
                    node.attr["f"].func.name = saver

    assert "reads or writes a checkpoint" in refusal(changed(saved(tmp_path / "net", harmless), lead_there))


def test_an_object_cannot_name_the_saver(tmp_path: Path) -> None:
    def name(program: Any) -> None:
        for saver in savers_of(program):
            program.meta_graphs[0].object_graph_def.concrete_functions[saver].SetInParent()

    assert "reads or writes a checkpoint" in refusal(changed(saved(tmp_path / "net", harmless), name))


# --------------------------------------------------------------------------------------------- graphs of TensorFlow 1


@pytest.fixture
def graph() -> Iterator[Any]:
    with v1.Graph().as_default() as one:
        yield one


def saved_by_1(folder: Path, *, output: Any = None, **options: Any) -> Path:
    """Save the default graph as TensorFlow 1 does; `output` is added to what it answers."""
    x = v1.placeholder(tf.float32, (None, 3), name="x")
    scale = v1.get_variable("scale", initializer=2.0, use_resource=True)
    y = tf.identity(x * scale + (0.0 if output is None else output), name="y")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, **options)
        builder.save()
    return folder


def test_a_graph_of_tensorflow_1_with_its_saver_passes(tmp_path: Path, graph: Any) -> None:
    folder = saved_by_1(tmp_path / "net")

    assert scan_saved_model(folder).written_with.startswith("SavedModel (TensorFlow 2.")
    assert tf.saved_model.load(str(folder)).signatures["serving_default"] is not None


def test_a_signature_of_tensorflow_1_cannot_read_a_checkpoint(tmp_path: Path, graph: Any) -> None:
    (other,) = tf.raw_ops.RestoreV2(prefix="/other", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])
    assert "`RestoreV2`" in refusal(saved_by_1(tmp_path / "net", output=tf.reshape(other, [])))


def test_an_initializer_of_tensorflow_1_cannot_write_a_checkpoint(tmp_path: Path, graph: Any) -> None:
    write = tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "marker"), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
    )
    assert "`SaveV2`" in refusal(saved_by_1(tmp_path / "net", main_op=tf.group(write, name="start")))
    assert not list(tmp_path.glob("marker*"))


def test_a_local_variable_of_tensorflow_1_cannot_write_a_checkpoint(tmp_path: Path, graph: Any) -> None:
    write = tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "marker"), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
    )
    with tf.control_dependencies([write]):
        v1.get_variable("sneaky", initializer=tf.constant(1.0), collections=["local_variables"], use_resource=True)

    assert "`SaveV2`" in refusal(saved_by_1(tmp_path / "net"))


def test_the_saver_of_tensorflow_1_reads_the_models_own_checkpoint_and_no_other(tmp_path: Path, graph: Any) -> None:
    def lead_away(program: Any) -> None:
        graph_def = program.meta_graphs[0].graph_def
        elsewhere = graph_def.node.add(name="elsewhere", op="Const")
        elsewhere.attr["value"].tensor.string_val.append(b"/other")
        for node in graph_def.node:
            if node.op == "RestoreV2":
                node.input[0] = "elsewhere"

    assert "`RestoreV2`" in refusal(changed(saved_by_1(tmp_path / "net"), lead_away))


def test_restoring_in_tensorflow_1_cannot_write(tmp_path: Path, graph: Any) -> None:
    def write_too(program: Any) -> None:
        meta_graph = program.meta_graphs[0]
        (write,) = (one for one in meta_graph.graph_def.node if one.op == "SaveV2")
        restore = meta_graph.saver_def.restore_op_name
        (last,) = (one for one in meta_graph.graph_def.node if one.name == restore)
        last.input.append(f"^{write.name}")

    assert "`SaveV2`" in refusal(changed(saved_by_1(tmp_path / "net"), write_too))


def test_with_several_meta_graphs_the_rules_of_tensorflow_1_hold(tmp_path: Path) -> None:
    """TensorFlow then runs the graph itself, which it does not where it goes by the object graph."""

    def run_the_saver(program: Any) -> None:
        program.meta_graphs.add().CopyFrom(program.meta_graphs[0])

    assert "reads or writes a checkpoint" in refusal(changed(saved(tmp_path / "net", harmless), run_the_saver))


# ------------------------------------------------------------------------------------------------ files and their sizes


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret", "words/../../../secret"])
@pytest.mark.parametrize("is_old", [False, True])
def test_an_asset_outside_its_folder_is_refused(tmp_path: Path, name: str, is_old: bool) -> None:
    def point_outside(program: Any) -> None:
        meta_graph = program.meta_graphs[0]
        if is_old:
            packed = any_pb2.Any()
            packed.Pack(AssetFileDef(filename=name))
            meta_graph.collection_def["saved_model_assets"].any_list.value.append(packed)
        else:
            meta_graph.asset_file_def.add(filename=name)

    assert "path out of" in refusal(changed(saved(tmp_path / "net", harmless), point_outside))


def test_a_damaged_program_is_told(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", harmless)
    whole = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(BrokenModelError, match=r"saved_model\.pb is damaged"):
        scan_saved_model(folder)


def test_an_empty_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(BrokenModelError, match="holds no graph"):
        scan_saved_model(tmp_path)


def test_a_program_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", harmless)
    with pytest.raises(UnsafeModelError, match="at most 100 bytes are read"):
        scan_saved_model(folder, limits=ScanLimits(max_program_bytes=100))


def test_a_call_of_a_function_that_is_not_there_is_told(tmp_path: Path) -> None:
    def lose(program: Any) -> None:
        del program.meta_graphs[0].graph_def.library.function[:]

    with pytest.raises(BrokenModelError, match="does not hold"):
        scan_saved_model(changed(saved(tmp_path / "net", harmless), lose))


def test_what_it_weighs_is_the_whole_folder(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", harmless)
    before = scan_saved_model(folder).size
    shutil.copy(folder / "saved_model.pb", folder / "variables/more")

    assert scan_saved_model(folder).size == before + (folder / "saved_model.pb").stat().st_size


# -------------------------------------------------------------------------------------------------- the list itself


def test_every_operation_on_the_list_is_tensorflows() -> None:
    assert {name for name in ALLOWED | SAVING if op_def_registry.get(name) is None} == set()


def test_no_operation_on_the_list_takes_a_free_text_that_could_be_a_path() -> None:
    """The texts that remain, looked at one by one: formats, separators, names of tensors and of variables."""
    known = {
        *("bad_indices_policy", "config", "config_proto", "container", "debug_name", "allowed_devices", "shared_name"),
        *("dct_method", "dense_keys", "sparse_keys", "encoding", "equation", "executor_type", "fill", "fill_mode"),
        *("interpolation", "kernel_type", "message", "noise", "pattern", "rewrite", "separator", "row_partition_types"),
        *("src_format", "dst_format", "template", "placeholder", "xmp_metadata", "frame_name", "tensor_array_name"),
        *("description", "labels", "display_name"),
    }
    definitions = [op_def_registry.get(name) for name in ALLOWED]
    texts = {
        one.name
        for definition in definitions
        for one in definition.attr
        if one.type in ("string", "list(string)") and not one.allowed_values.list.s
    }
    assert texts == known
