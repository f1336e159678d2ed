"""Which saved file is which version of which model."""

import hashlib
import os
from pathlib import Path

import pytest

from service.repository.saved import is_saved_model, sha256_of
from service.repository.sources import Source, find_sources, name_and_version
from service.repository.stamp import stamp_of


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"saved " + name.encode())


def found(root: Path) -> list[tuple[str, int, str]]:
    return [(one.name, one.version, str(one.path.relative_to(root))) for one in find_sources(root)]


def the_only(root: Path) -> Source:
    (source,) = find_sources(root)
    return source


def sidecars(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in the_only(root).sidecars]


# ---------------------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("mnist/2/model.keras", ("mnist", 2)),
        ("mnist/2/whatever.h5", ("mnist", 2)),
        ("mnist/model.keras", ("mnist", 1)),
        ("mnist/whatever.hdf5", ("mnist", 1)),
        ("mnist.keras", ("mnist", 1)),
        ("mnist.h5", ("mnist", 1)),
        ("mnist.hdf5", ("mnist", 1)),
        ("MNIST.H5", ("MNIST", 1)),
        ("cats.and-dogs_2.keras", ("cats.and-dogs_2", 1)),
    ],
)
def test_a_saved_file_here_is_that_version_of_that_model(tmp_path: Path, file: str, model: tuple[str, int]) -> None:
    put(tmp_path, file)
    assert found(tmp_path) == [(*model, file)]
    assert the_only(tmp_path).problem is None


def test_models_come_by_name_and_version_as_a_number(tmp_path: Path) -> None:
    put(tmp_path, "b/10/model.keras", "b/9/model.keras", "a.h5", "b/2/model.h5")
    assert [(name, version) for name, version, _ in found(tmp_path)] == [("a", 1), ("b", 2), ("b", 9), ("b", 10)]


@pytest.mark.parametrize("folder", ["0", "00", "-1", "1.0", "v1", "latest", "²", "٣", "2147483648"])
def test_a_folder_that_is_no_positive_integer_is_no_version(tmp_path: Path, folder: str) -> None:
    put(tmp_path, f"mnist/{folder}/model.keras")
    assert found(tmp_path) == []


def test_an_empty_folder_holds_no_models(tmp_path: Path) -> None:
    assert find_sources(tmp_path) == []


def test_a_folder_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_sources(tmp_path / "missing")


# ---------------------------------------------------------------------------------------------------- ignored


@pytest.mark.parametrize(
    "file",
    [
        ".mnist.keras",
        "~mnist.keras",
        ".mnist/1/model.keras",
        "mnist/.1/model.keras",
        "mnist/1/.model.keras",
        "mnist/1/~model.keras",
        "mnist/1/.model.keras.x7Yz",
        "mnist/1/model.keras.part",
        "mnist/1/model.keras.tmp",
        "mnist/1/model.keras~",
        "mnist/1/model.toml",
        "mnist/1/notes.txt",
        "mnist/1/deeper/model.keras",
        "README.md",
    ],
)
def test_a_file_that_is_no_saved_model_is_ignored(tmp_path: Path, file: str) -> None:
    put(tmp_path, file)
    assert found(tmp_path) == []


def test_a_link_to_nowhere_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "mnist.keras").symlink_to(tmp_path / "gone.keras")
    assert found(tmp_path) == []


@pytest.mark.parametrize("folder", ["mnist.keras", "mnist/model.keras", "mnist/1/model.keras"])
def test_an_empty_folder_named_like_a_saved_file_is_ignored(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("model.keras", True),
        ("model.h5", True),
        ("model.HDF5", True),
        ("model.onnx", False),
        ("keras", False),
        (".keras", False),
        ("~model.keras", False),
    ],
)
def test_a_saved_model_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert is_saved_model(Path(name)) is is_one


# --------------------------------------------------------------------------------------------------- problems


def test_two_files_of_one_version_clash(tmp_path: Path) -> None:
    put(tmp_path, "mnist/1/a.keras", "mnist/1/b.h5")
    assert the_only(tmp_path).problem == (
        "2 saved files claim to be version 1 of 'mnist' (a.keras, b.h5); "
        "leave one of them, or give each a version folder of its own."
    )


@pytest.mark.parametrize(
    "files",
    [
        ("mnist.keras", "mnist.h5"),
        ("mnist.keras", "mnist/1/model.keras"),
        ("mnist.keras", "mnist/model.keras"),
        ("mnist/model.keras", "mnist/1/model.keras"),
    ],
)
def test_two_layouts_of_one_version_clash(tmp_path: Path, files: tuple[str, str]) -> None:
    put(tmp_path, *files)
    problem = the_only(tmp_path).problem
    assert problem is not None
    assert problem.startswith("2 saved files claim to be version 1 of 'mnist' (")


def test_a_clash_leaves_other_models_and_versions_alone(tmp_path: Path) -> None:
    put(tmp_path, "mnist/1/a.keras", "mnist/1/b.h5", "mnist/2/a.keras", "other.keras")
    problems = {(one.name, one.version): one.problem is not None for one in find_sources(tmp_path)}
    assert problems == {("mnist", 1): True, ("mnist", 2): False, ("other", 1): False}


def test_another_version_is_no_clash(tmp_path: Path) -> None:
    put(tmp_path, "mnist.keras", "mnist/2/model.keras")
    assert [one.problem for one in find_sources(tmp_path)] == [None, None]


@pytest.mark.parametrize("name", ["cats dogs", "naïve", "a" * 65, "what?", "50%", "a+b", "猫"])
def test_a_name_that_fits_no_address_is_a_problem(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}.keras")
    assert the_only(tmp_path).problem == (
        f"The name {name!r} cannot be used in an address; "
        "rename it to 1 to 64 letters, digits, dots, dashes and underscores."
    )


def test_a_name_goes_into_logs_and_answers_spelt_out(tmp_path: Path) -> None:
    put(tmp_path, "line\nend\x1b[31m.keras")
    assert the_only(tmp_path).name == "line\\nend\\x1b[31m"


def test_links_in_a_circle_and_pipes_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "mnist/model.keras")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.keras").symlink_to("loop.keras")
    os.mkfifo(tmp_path / "pipe.keras")
    assert found(tmp_path) == [("mnist", 1, "mnist/model.keras")]


def test_the_longest_name_that_fits_is_none(tmp_path: Path) -> None:
    put(tmp_path, f"{'a' * 64}.keras")
    assert the_only(tmp_path).problem is None


# ------------------------------------------------------------------------------------------------ single files


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("models/mnist/1/model.keras", ("mnist", 1)),
        ("models/mnist/12/model.h5", ("mnist", 12)),
        ("models/mnist/model.keras", ("mnist", 1)),
        ("models/mnist.keras", ("mnist", 1)),
        ("downloads/keras_model.h5", ("downloads", 1)),
        ("downloads/cats.h5", ("cats", 1)),
    ],
)
def test_a_single_file_says_its_name_and_version(tmp_path: Path, file: str, model: tuple[str, int]) -> None:
    put(tmp_path, file)
    assert name_and_version(tmp_path / file) == model
    source = the_only(tmp_path / file)
    assert (source.name, source.version, source.path) == (*model, tmp_path / file)


def test_a_single_file_given_relative_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "models/mnist/3/model.keras")
    monkeypatch.chdir(tmp_path / "models/mnist/3")
    assert name_and_version(Path("model.keras")) == ("mnist", 3)


@pytest.mark.parametrize("file", ["mnist/1/model.keras", "mnist/model.keras", "mnist.keras"])
def test_a_single_file_is_the_model_it_is_in_its_folder(tmp_path: Path, file: str) -> None:
    put(tmp_path, file)
    alone, within = the_only(tmp_path / file), the_only(tmp_path)
    assert (alone.name, alone.version) == (within.name, within.version)


# ---------------------------------------------------------------------------------------------------- sidecars


@pytest.mark.parametrize(
    ("file", "beside"),
    [
        ("mnist/2/model.keras", ["mnist/model.toml", "mnist/2/model.toml"]),
        ("mnist/model.keras", ["mnist.toml", "mnist/model.toml"]),
        ("mnist.keras", ["mnist/model.toml", "mnist.toml"]),
    ],
)
def test_sidecars_are_looked_for_in_these_places_the_nearest_last(tmp_path: Path, file: str, beside: list[str]) -> None:
    put(tmp_path, file)
    assert sidecars(tmp_path) == beside


@pytest.mark.parametrize("file", ["mnist/2/model.keras", "mnist/2/model.h5"])
@pytest.mark.parametrize("sidecar", ["mnist/model.toml", "mnist/2/model.toml"])
def test_a_single_file_has_the_sidecars_it_has_in_its_folder(tmp_path: Path, file: str, sidecar: str) -> None:
    put(tmp_path, file)
    assert tmp_path / sidecar in the_only(tmp_path / file).sidecars


# ------------------------------------------------------------------------------------------- stamps and hashes


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    put(tmp_path, "mnist.keras")
    assert sha256_of(tmp_path / "mnist.keras") == hashlib.sha256(b"saved mnist.keras").hexdigest()


def test_a_stamp_changes_when_the_file_grows(tmp_path: Path) -> None:
    put(tmp_path, "mnist.keras")
    before = stamp_of(tmp_path / "mnist.keras")
    with (tmp_path / "mnist.keras").open("ab") as file:
        file.write(b"more")
    assert stamp_of(tmp_path / "mnist.keras") != before


def test_a_stamp_changes_when_the_file_is_replaced(tmp_path: Path) -> None:
    put(tmp_path, "mnist.keras", "other")
    before = stamp_of(tmp_path / "mnist.keras")
    (tmp_path / "other").replace(tmp_path / "mnist.keras")
    assert stamp_of(tmp_path / "mnist.keras") != before


def test_a_source_carries_the_stamp_of_its_file(tmp_path: Path) -> None:
    put(tmp_path, "mnist.keras")
    assert the_only(tmp_path).stamp == stamp_of(tmp_path / "mnist.keras")


@pytest.mark.parametrize(
    ("folder", "version"), [("flowers", 1), ("flowers/3", 3), ("flowers/00000123", 123), ("flowers/2/data/model", 2)]
)
def test_a_saved_model_folder_takes_the_place_of_a_saved_file(tmp_path: Path, folder: str, version: int) -> None:
    put(tmp_path, f"{folder}/saved_model.pb", f"{folder}/variables/variables.index")
    if folder.endswith("data/model"):
        put(tmp_path, "flowers/2/MLmodel")
    source = the_only(tmp_path)
    assert (source.name, source.version, source.path) == ("flowers", version, tmp_path / folder)
    assert source.saved.is_program
    assert source.problem is None


@pytest.mark.parametrize("file", ["data/model.keras", "data/model.h5"])
def test_what_mlflow_wrote_is_found_in_its_data_folder(tmp_path: Path, file: str) -> None:
    put(tmp_path, "flowers/MLmodel", f"flowers/{file}", "flowers/requirements.txt")
    assert the_only(tmp_path).path == tmp_path / "flowers" / file


def test_a_data_folder_without_mlflows_note_is_not_looked_into(tmp_path: Path) -> None:
    put(tmp_path, "flowers/data/model.keras")
    assert found(tmp_path) == []


@pytest.mark.parametrize(("folder", "model"), [("flowers", ("flowers", 1)), ("flowers/7", ("flowers", 7))])
def test_a_saved_model_folder_itself_can_be_served(tmp_path: Path, folder: str, model: tuple[str, int]) -> None:
    put(tmp_path, f"{folder}/saved_model.pb")
    (source,) = find_sources(tmp_path / folder)
    assert (source.name, source.version) == model
    assert tmp_path / "flowers/model.toml" in source.sidecars


def test_weights_with_their_architecture_are_one_source(tmp_path: Path) -> None:
    put(tmp_path, "flowers/weights.h5")
    (tmp_path / "flowers/model.json").write_text('{"class_name": "Sequential", "config": []}')
    source = the_only(tmp_path)
    assert (source.name, source.saved.architecture) == ("flowers", tmp_path / "flowers/model.json")
    assert source.stamp.size == sum(one.stat().st_size for one in (tmp_path / "flowers").iterdir())
