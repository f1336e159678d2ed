"""Every model of keras.applications is built and answers over HTTP as Keras does: `make test-applications`.

Takes an hour or two, 2 GiB of disk and up to 8 GiB of memory, so `make test` does not collect it: its name is no
test's. No weights are downloaded.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.applications.trial import Trial, tried

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is gone after each model: files are up to 1.4 GB, and there are three of each."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def test_a_model_of_keras_applications_is_served_as_keras_answers(
    application: str, folder: Path, recorded: Callable[[Trial], None]
) -> None:
    trial = tried(application, folder)
    recorded(trial)
    assert trial.fault is None
