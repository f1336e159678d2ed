"""A folder that `convoy build --out` wrote: served without the saved files, and without anything being built."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.repository.shipment import Shipment
from service.repository.sources import find_sources
from tests.commands import Convoy
from tests.prebuilt import prebuild
from tests.servers import Server

Serve = Callable[..., Server]


@pytest.fixture
def shipped(convoy: Convoy, cache: Path, models: Path, tmp_path: Path) -> Path:
    """What `convoy build --out` makes of a folder with `mnist`, its lock, and a text of the user's own."""
    prebuild(models, cache)
    (models / "NOTES.txt").write_text("mine")
    convoy("lock", str(models))
    done = convoy("build", str(models), "--out", "shipped")
    assert done.returncode == 0, done.stderr
    return tmp_path / "shipped"


@pytest.fixture
def serve_shipped(serve: Serve, tmp_path: Path) -> Callable[[Path], Server]:
    """Serve a shipped folder with a cache of its own, which is empty."""
    return lambda folder: serve(folder, bundles_dir=folder, cache_dir=tmp_path / "empty", workers=1)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_it_holds_all_but_the_saved_files_and_their_lock(shipped: Path) -> None:
    found = names(shipped)

    assert found >= {"model.bundle", "model.toml", "README.md", "NOTES.txt", "model.tflite", "bundle.json"}
    assert not found & {"model.keras", "models.lock"}


def test_it_is_served_as_what_it_was_made_of(
    serve_shipped: Callable[[Path], Server], shipped: Path, examples: Path, mnist_server: Server
) -> None:
    picture = (examples / "seven-light-on-dark.png").read_bytes()
    server = serve_shipped(shipped).wait_ready()

    answer = server.predict("mnist", picture).json()

    assert answer == mnist_server.predict("mnist", picture).json()
    assert server.states() == {"mnist": {1: "live"}}
    assert "building" not in server.log


def test_what_is_dropped_into_it_goes_live_and_what_is_changed_changes(
    serve_shipped: Callable[[Path], Server], shipped: Path, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    shutil.copytree(shipped, served)
    server = serve_shipped(served).wait_ready()

    shutil.copytree(shipped / "mnist", served / "digits")
    server.wait_state("digits", 1, "live")

    shutil.copytree(shipped / "mnist/1", served / "mnist/2")
    server.wait_state("mnist", 2, "live")


def test_a_bundle_that_is_missing_is_told_and_taken_up_when_it_comes(
    serve_shipped: Callable[[Path], Server], shipped: Path, tmp_path: Path
) -> None:
    (bundle,) = (path for path in (shipped / "mnist").iterdir() if (path / "bundle.json").exists())
    away = bundle.rename(tmp_path / "away")
    server = serve_shipped(shipped)
    server.wait_state("mnist", 1, "failed")

    told = server.predict("mnist", b"")
    assert told.status_code == 503
    assert f"a whole mnist/{bundle.name} is not in CONVOY_BUNDLES_DIR" in told.json()["detail"]

    shutil.copytree(away, bundle)
    server.wait_state("mnist", 1, "live")


def test_a_lock_of_it_guards_it(convoy: Convoy, serve_shipped: Callable[[Path], Server], shipped: Path) -> None:
    convoy("lock", str(shipped))
    server = serve_shipped(shipped).wait_ready()

    with (shipped / "mnist/1/model.bundle").open("a") as file:
        file.write("\n")

    server.wait_state("mnist", 1, "live")  # the one that is held is the one in the lock
    shutil.copytree(shipped / "mnist/1", shipped / "mnist/2")
    server.wait_state("mnist", 2, "failed")
    assert "not in models.lock" in server.get("/api/models/mnist/versions/2").json()["diagnosis"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("models", "--out", "models/out"), "lies in the models folder"),
        (("models/mnist/1/model.keras", "--out", "out"), "model.keras is one model. Name its folder."),
    ],
    ids=["inside", "one file"],
)
def test_an_out_that_cannot_be_meant_is_refused(
    convoy: Convoy, models: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = convoy("build", *arguments)

    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    "saved", ["flowers.keras", "flowers.weights.h5", "flowers/model.keras", "flowers/3/net.h5"], ids=str
)
def test_every_place_of_a_saved_file_keeps_its_name_version_and_sidecar(
    cache: Path, models: Path, tmp_path: Path, saved: str
) -> None:
    prebuild(models, cache)
    (mnist,) = find_sources(models)
    bundle = BundleStore(cache).find("mnist", fingerprint_of(sha256_of(mnist.saved)))
    assert bundle is not None
    root, out = tmp_path / "root", tmp_path / "out"
    (root / saved).parent.mkdir(parents=True)
    shutil.copy(mnist.path, root / saved)
    (sidecar := find_sources(root)[0].sidecars[-1]).parent.mkdir(exist_ok=True)
    sidecar.write_text("")
    (source,) = find_sources(root)

    shipment = Shipment(root, out)
    shipment.add_rest([source])
    shipment.add(source, bundle)

    (found,) = find_sources(out)
    assert (found.name, found.version, found.saved.is_built) == (source.name, source.version, True)
    assert found.sidecars[-1].is_file()
