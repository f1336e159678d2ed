"""What the watcher keeps live when a lock no longer allows it; bundles of a tiny model, and nothing is ever built."""

import shutil
from pathlib import Path

import pytest

from service.builder.process import BuildLimits
from service.image.decode import ImageLimits
from service.repository.bundles import BundleStore
from service.repository.models_lock import hashes_of, lock_text
from service.repository.sources import Source, find_sources
from service.serving.builds import Builds
from service.serving.live import LiveFile, State, VersionState
from service.serving.supply import Supply
from service.serving.watcher import Watcher
from tests.ready_made import ReadyMade


class EndlessBuilds(Builds):
    """Never comes to an end with what it is asked for."""

    def request(self, source: Source, fingerprint: str) -> str:
        return "waiting for its turn"


class Watched:
    """A watcher of the model `net`, whose version 1 has a bundle and whose version 2 has none yet."""

    def __init__(self, folder: Path) -> None:
        self.disk = ReadyMade(folder)
        self.models = self.disk.models
        self.lock = folder / "models.lock"
        self._file = LiveFile(folder / "run")
        store = BundleStore(self.disk.cache)
        self._watcher = Watcher(
            self.models,
            store=store,
            live_file=self._file,
            builds=EndlessBuilds(store, limits=BuildLimits(seconds=1, memory=1), on_change=lambda: None),
            supply=Supply(self.models, path=self.lock),
            limits=ImageLimits(),
        )
        self.disk.add("net", 1)

    def allow(self, *versions: int) -> None:
        hashes = hashes_of(find_sources(self.models), self.models)
        wanted = {path: digest for path, digest in hashes.items() if int(path.split("/")[1]) in versions}
        self.lock.write_text("# reviewed\n" + lock_text(wanted))

    def look(self) -> dict[int, State]:
        """Look until a file or a lock that changed has stood still."""
        for _ in range(3):
            self.look_once()
        return {version: state.state for version, state in self.states().items()}

    def look_once(self) -> None:
        self._watcher.look()

    def states(self) -> dict[int, VersionState]:
        view = self._file.read()
        assert view is not None
        return view.models.get("net", {})

    def add_unbuilt(self) -> None:
        (self.models / "net/2").mkdir()
        (self.models / "net/2/model.keras").write_bytes(b"to be built")


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    found = Watched(tmp_path)
    found.allow(1)
    assert found.look() == {1: "live"}
    return found


def test_while_a_version_is_built_the_one_before_answers_for_as_long_as_it_is_in_the_lock(watched: Watched) -> None:
    watched.add_unbuilt()
    watched.allow(1, 2)
    assert watched.look() == {2: "building", 1: "live"}
    watched.allow(2)
    assert watched.look() == {2: "building"}


def test_what_comes_together_with_its_line_is_not_refused_while_the_lock_is_still_to_settle(watched: Watched) -> None:
    watched.add_unbuilt()
    watched.allow(1, 2)
    watched.look_once()
    assert watched.states()[2] == VersionState("building", step="waiting until models.lock is written")


def test_a_version_that_no_policy_wants_goes_with_its_line(watched: Watched) -> None:
    watched.add_unbuilt()
    (watched.models / "net/model.toml").write_text("[versions]\nserve = [2]\n")
    watched.allow(1, 2)
    assert watched.look() == {2: "building", 1: "live"}
    watched.allow(2)
    assert watched.look() == {2: "building"}


def test_a_version_whose_files_are_gone_goes_with_its_line(watched: Watched) -> None:
    watched.add_unbuilt()
    watched.allow(1, 2)
    shutil.rmtree(watched.models / "net/1")
    assert watched.look() == {2: "building", 1: "live"}
    watched.allow(2)
    assert watched.look() == {2: "building"}


def test_with_the_whole_folder_gone_a_line_taken_away_still_counts(watched: Watched) -> None:
    watched.models.rename(watched.models.with_name("aside"))
    assert watched.look() == {1: "live"}
    watched.lock.write_text(f"{'ab' * 32}  other/1/model.keras\n")
    assert watched.look() == {1: "failed"}
    assert watched.states()[1].diagnosis == (
        "What it was built from is no longer in models.lock, so it is not served. "
        "Where that is meant, write the lock anew: convoy lock."
    )


def test_the_same_bytes_in_the_lock_as_another_model_do_not_keep_it(watched: Watched) -> None:
    (digest,) = hashes_of(find_sources(watched.models), watched.models).values()
    watched.models.rename(watched.models.with_name("aside"))
    watched.lock.write_text(f"{digest}  other/1/model.keras\n")
    assert watched.look() == {1: "failed"}


def test_a_lock_that_broke_takes_nothing_away(watched: Watched) -> None:
    watched.lock.write_text("nonsense\n")
    assert watched.look() == {1: "live"}
    watched.lock.unlink()
    assert watched.look() == {1: "live"}
