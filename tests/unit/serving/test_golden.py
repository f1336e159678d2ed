"""The replay of golden samples, with a real bundle of a tiny model and no TensorFlow."""

from pathlib import Path
from typing import Any

import pytest

from service.image.decode import ImageLimits
from service.model.sidecar import OutputSettings, Sidecar
from service.repository.bundles import BundleStore
from service.repository.golden import MAX_FILES, GoldenFolder
from service.serving import golden as golden_module
from service.serving.golden import MAX_PICTURES, Replay, replayed
from service.serving.live_model import LiveModel, load_model
from tests.fakes import add_bundle
from tests.ready_made import CORNERS, corner


class Samples:
    """A folder of golden samples, and the tiny model that must answer them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "golden"
        self._store = BundleStore(folder / "cache")

    def add(self, label: str, name: str, data: bytes) -> None:
        path = self.folder / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def model(self, **sidecar: Any) -> LiveModel:
        return load_model(add_bundle(self._store, "one-1"), Sidecar(labels=CORNERS, **sidecar), 1, "one-1")

    def replay(self, *, files: int = 1, limits: ImageLimits = ImageLimits(), **sidecar: Any) -> Replay:  # noqa: B008
        return replayed(self.model(**sidecar), GoldenFolder(self.folder, files, 0), limits=limits)

    def problem(self, **options: Any) -> str:
        problem = self.replay(**options).problem
        assert problem is not None
        assert str(self.folder) not in problem
        return problem


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path)


def test_samples_that_are_answered_as_expected_are_no_problem(samples: Samples) -> None:
    for index, label in enumerate(CORNERS):
        samples.add(label, "a.png", corner(index))

    assert samples.replay() == Replay(4)


def test_a_sample_that_is_answered_otherwise_names_file_labels_and_probability(samples: Samples) -> None:
    samples.add("top left", "a.png", corner(0))
    samples.add("top left", "b.png", corner(3))

    assert samples.problem() == (
        "Refused by its golden samples: 1 of 2 are not answered as expected. top left/b.png: expected 'top left', "
        "answered 'bottom right' (probability 0.475). Mend the model, its labels or preprocessing, or the samples."
    )


def test_the_first_of_many_are_named_and_the_others_counted(samples: Samples) -> None:
    for number in range(5):
        samples.add("top left", f"{number}.png", corner(1))

    assert "top left/2.png: " in samples.problem()
    assert "top left/3.png: " not in samples.problem()
    assert "And 2 more." in samples.problem()


def test_scores_are_called_scores(samples: Samples) -> None:
    samples.add("top left", "a.png", corner(1))

    assert "answered 'top right' (score 0.475)" in samples.problem(outputs={"": OutputSettings(head="scores")})


def test_of_several_labels_the_expected_one_must_be_among_them(samples: Samples) -> None:
    outputs = {"": OutputSettings(head="multi-label", threshold=0.15)}
    samples.add("top left", "a.png", corner(1))
    assert samples.replay(outputs=outputs).problem is None

    outputs = {"": OutputSettings(head="multi-label", threshold=0.4)}
    assert "expected 'top left', answered 'top right' (probability 0.475)." in samples.problem(outputs=outputs)
    outputs = {"": OutputSettings(head="multi-label", threshold=0.9)}
    assert "expected 'top left', answered no label." in samples.problem(outputs=outputs)


def test_what_is_no_picture_says_so(samples: Samples) -> None:
    samples.add("top left", "a.png", b"no picture")

    assert "top left/a.png: " in samples.problem()


def test_a_picture_over_the_limit_of_a_request_is_refused_as_there(samples: Samples) -> None:
    samples.add("top left", "a.png", corner(0))

    assert "top left/a.png: " in samples.problem(limits=ImageLimits(max_bytes=20))


@pytest.mark.parametrize(
    ("label", "text"),
    [("middle", "The golden samples cannot be used. middle: no class of the model is called so."), (".", "cannot be")],
)
def test_what_is_no_labelled_folder_says_so(samples: Samples, label: str, text: str) -> None:
    samples.add(label, "a.png", corner(0))

    assert text in samples.problem()


def test_too_many_files_are_refused_unread(samples: Samples) -> None:
    assert "golden holds more than 2,000 files; 200 are enough." in samples.problem(files=MAX_FILES + 1)


def test_of_many_samples_some_of_every_label_are_asked(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_module, "MAX_PICTURES", 6)
    for number in range(20):
        samples.add("top left", f"{number}.png", corner(0))
    samples.add("top right", "a.png", corner(3))

    replay = samples.replay()

    assert replay.pictures == 6
    assert "1 of 6" in str(replay.problem)
    assert MAX_PICTURES == 200


def test_where_time_is_short_every_label_has_had_its_turn(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(golden_module, "SECONDS", 0.0)
    for number in range(20):
        samples.add("top left", f"{number}.png", corner(0))
    samples.add("top right", "z.png", corner(3))

    replay = samples.replay()

    assert replay.pictures == 8
    assert "top right/z.png" in str(replay.problem)
    assert "time for 8 of 21 golden samples" in caplog.text
