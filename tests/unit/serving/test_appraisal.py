"""What a look says of one version, and how little a steady look costs; bundles of a tiny model, no TensorFlow."""

from pathlib import Path

import pytest

from service.builder.process import BuildLimits
from service.image.decode import ImageLimits
from service.repository.bundles import BundleStore
from service.repository.sources import find_sources
from service.serving import appraisal as appraisal_module
from service.serving.appraisal import Appraiser
from service.serving.builds import Builds
from service.serving.golden import Replay
from service.serving.live import VersionState
from service.serving.supply import Supply
from tests.ready_made import ReadyMade, corner


class Looks:
    """An appraiser of one version, and how often it had golden samples replayed."""

    def __init__(self, disk: ReadyMade, monkeypatch: pytest.MonkeyPatch) -> None:
        store = BundleStore(disk.cache)
        builds = Builds(store, limits=BuildLimits(seconds=1, memory=1), on_change=lambda: None)
        self.supply = Supply(disk.models)
        self._models = disk.models
        self._appraiser = Appraiser(store, builds, supply=self.supply, limits=ImageLimits())
        self.before: VersionState | None = None
        self.replays = 0
        self.problem: str | None = None
        monkeypatch.setattr(appraisal_module, "replayed", self._replayed)

    def look(self, *, is_first: bool = False) -> VersionState:
        self.supply.look()
        sources = find_sources(self._models)
        self.before = self._appraiser.state(sources[0], self.before, is_first_look=is_first)
        self._appraiser.remember(sources)
        return self.before

    def _replayed(self, *_: object, limits: ImageLimits) -> Replay:
        self.replays += 1
        return Replay(1, self.problem)


@pytest.fixture
def disk(tmp_path: Path) -> ReadyMade:
    made = ReadyMade(tmp_path)
    made.add("net", 1)
    return made


@pytest.fixture
def looks(disk: ReadyMade, monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(disk, monkeypatch)


@pytest.fixture
def sample(disk: ReadyMade) -> Path:
    path = disk.models / "net/golden/top right/a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(corner(1))
    return path


def test_samples_are_replayed_once_however_often_one_looks(looks: Looks, sample: Path) -> None:
    assert [looks.look(is_first=number == 0).state for number in range(50)] == ["live"] * 50
    assert looks.replays == 1


def test_samples_that_change_are_replayed_once_they_stand_still(looks: Looks, sample: Path) -> None:
    looks.look(is_first=True)
    sample.with_name("b.png").write_bytes(corner(1))

    steps = [looks.look().step for _ in range(3)]

    assert (steps, looks.replays) == (["waiting until it is copied", None, None], 2)


def test_a_version_waits_until_its_samples_are_copied(looks: Looks, sample: Path) -> None:
    assert looks.look().state == "building"
    sample.with_name("b.png").write_bytes(corner(1))
    assert (looks.look().step, looks.replays) == ("waiting until it is copied", 0)
    assert (looks.look().state, looks.replays) == ("live", 1)


def test_a_version_that_was_refused_goes_live_once_its_samples_are_taken_away(looks: Looks, sample: Path) -> None:
    looks.problem = "Refused."
    assert looks.look(is_first=True).diagnosis == "Refused."
    sample.unlink()
    assert looks.look().state == "live"


def test_what_is_not_in_the_lock_is_not_even_hashed(
    looks: Looks, disk: ReadyMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    (disk.models / "models.lock").write_text(f"{'ab' * 32}  other.keras\n")
    monkeypatch.setattr(appraisal_module, "sha256_of", lambda saved: pytest.fail("hashed"))

    state = looks.look(is_first=True)

    assert (state.state, state.fingerprint) == ("failed", None)
    assert "is not in models.lock" in str(state.diagnosis)


def test_a_live_version_whose_line_goes_is_no_longer_served(looks: Looks, disk: ReadyMade) -> None:
    assert looks.look(is_first=True).state == "live"
    (disk.models / "models.lock").write_text(f"{'ab' * 32}  other.keras\n")
    assert [looks.look().state, looks.look().state] == ["live", "failed"]  # a lock must have stood still


def test_a_live_version_stays_under_a_lock_that_cannot_be_used(looks: Looks, disk: ReadyMade) -> None:
    looks.look(is_first=True)
    (disk.models / "models.lock").write_text("")

    looks.look()
    assert looks.look().state == "live"
    assert "models.lock is empty" in str(looks.look().diagnosis)
