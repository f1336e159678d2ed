"""Two small nets of keras.applications, built, served and compared; `make test-applications` does it with every one."""

from pathlib import Path
from typing import Any

import pytest

from tests.applications.catalogue import CATALOGUE
from tests.applications.trial import tried_as_written

keras = pytest.importorskip("keras")

from tests.applications.writer import write  # noqa: E402 (only after the skip)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MobileNetV2", {"input_shape": (96, 96, 3), "alpha": 0.35}),
        ("MobileNetV3Small", {}),
    ],
)
def test_a_net_of_keras_applications_answers_over_http_as_keras(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    write(name, tmp_path, **options)

    assert tried_as_written(name, tmp_path).fault is None


def test_the_catalogue_names_every_net_of_keras_applications() -> None:
    assert set(CATALOGUE) == {name for name in dir(keras.applications) if name[0].isupper()}
