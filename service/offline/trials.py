"""Owns trying recipes out: each picture is decoded once, and each different batch of numbers runs once."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import RequestError
from service.image.decode import ImageLimits
from service.image.pipeline import finish, fit_pixels
from service.model.card import ModelCard
from service.model.recipe import Recipe
from service.model.tensors import ImageLayout
from service.offline.answering import READERS, BadFile, Tick
from service.offline.candidates import Candidate, picture_inputs
from service.offline.evidence import Result
from service.offline.measures import log_losses, tempered_losses
from service.offline.stages import Decoder
from service.repository.labelled import LabelledPicture
from service.serving.live_model import CHUNK

Arrays = Mapping[str, NDArray[Any]]
"""What one picture gives each input, by the input's name."""
Answering = Callable[[Sequence[Arrays]], tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Answers pictures: the class chosen for each, (N,), and a value for each class, (N, classes)."""
_Fitted = dict[tuple[Any, ...], Arrays | RequestError]


@dataclass(frozen=True, slots=True)
class Trial:
    """How recipes did that lead to the same numbers on every picture."""

    candidates: tuple[Candidate, ...]
    result: Result

    @property
    def accuracy(self) -> float:
        """Return the share of pictures answered with their own class, 0..1."""
        return float(self.result.right.mean())

    @property
    def log_loss(self) -> float:
        """Return the mean log loss."""
        return float(self.result.losses.mean())


@dataclass(slots=True)
class _Rows:
    """What one candidate gave so far, chunk by chunk; the temperatures of `tempered` come first."""

    digest: Any = field(default_factory=hashlib.blake2b)
    right: list[NDArray[np.bool_]] = field(default_factory=list)
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    tempered: list[NDArray[np.float64]] = field(default_factory=list)
    surest: list[NDArray[np.float64]] = field(default_factory=list)

    def result(self) -> Result:
        """Return all of it as one."""
        return Result(
            right=np.concatenate(self.right),
            losses=np.concatenate(self.losses),
            tempered=np.concatenate(self.tempered, axis=1),
            sureness=float(np.concatenate(self.surest).mean()),
        )


class Trials:
    """The trials of one model on one set of pictures; candidates can be added in several rounds.

    `pictures` are those that the recipe in force can read, `bad` the others; `dropped` says why a candidate could not
    be tried. `floor` keeps probabilities off 0 and 1 before their logarithm is taken.
    """

    def __init__(
        self,
        card: ModelCard,
        answering: Answering,
        pictures: Sequence[LabelledPicture],
        *,
        limits: ImageLimits,
        floor: float,
    ) -> None:
        self.pictures = list(pictures)
        self.bad: list[BadFile] = []
        self.dropped: dict[Candidate, str] = {}
        self._inputs = picture_inputs(card)
        self._answering = answering
        self._decoder = Decoder(limits)
        self._floor = floor
        self._rows: dict[Candidate, _Rows] = {}

    def sift(self, own: Candidate, tick: Tick) -> None:
        """Leave out the pictures that the recipe in force cannot read; `tick` is told of those looked at."""
        good = []
        with ThreadPoolExecutor(READERS) as readers:
            found = readers.map(lambda one: self._fitted(one, [own])[own.fitting], self.pictures)
            for picture, fitted in zip(self.pictures, found, strict=True):
                if isinstance(fitted, RequestError):
                    self.bad.append(BadFile(picture.name, fitted.message))
                else:
                    good.append(picture)
                tick(1)
        self.pictures = good

    def add(self, candidates: Iterable[Candidate], tick: Tick) -> None:
        """Try candidates that were not tried yet; `tick` is told of the pictures dealt with."""
        new = [one for one in dict.fromkeys(candidates) if one not in self._rows]
        self._rows |= {one: _Rows() for one in new}
        with ThreadPoolExecutor(READERS) as readers:
            for start in range(0, len(self.pictures), CHUNK):
                chunk = self.pictures[start : start + CHUNK]
                fitted = list(readers.map(lambda one: self._fitted(one, new), chunk))
                self._run(chunk, fitted, [one for one in new if one not in self.dropped])
                tick(len(chunk))

    def found(self) -> list[Trial]:
        """Return one trial for each set of candidates that led to the same numbers, in the order they were added."""
        groups: dict[bytes, list[Candidate]] = {}
        for candidate, rows in self._rows.items():
            if candidate not in self.dropped:
                groups.setdefault(rows.digest.digest(), []).append(candidate)
        return [Trial(tuple(group), self._rows[group[0]].result()) for group in groups.values()]

    def _fitted(self, picture: LabelledPicture, candidates: Sequence[Candidate]) -> _Fitted:
        """Return the pixels of a picture by each fitting, or why there are none."""
        found: _Fitted = {}
        for one in candidates:
            if one.fitting not in found:
                found[one.fitting] = self._pixels(picture, one)
        return found

    def _pixels(self, picture: LabelledPicture, candidate: Candidate) -> Arrays | RequestError:
        try:
            return {
                name: fit_pixels(self._decoder.decoded(picture.path, recipe), recipe=recipe, layout=layout)
                for name, recipe, layout, _ in self._recipes(candidate)
            }
        except RequestError as error:
            return error
        except OSError as error:
            return RequestError(f"The file cannot be read: {error.strerror}.")

    def _recipes(self, candidate: Candidate) -> Iterator[tuple[str, Recipe, ImageLayout, str]]:
        for one in self._inputs:
            if one.recipe is not None and one.layout is not None:
                yield one.spec.name, candidate.recipe_for(one, one.recipe), one.layout, one.spec.dtype

    def _run(
        self, chunk: Sequence[LabelledPicture], fitted: Sequence[_Fitted], candidates: Sequence[Candidate]
    ) -> None:
        truth = np.array([one.truth for one in chunk], np.int64)
        seen: dict[bytes, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        for candidate in candidates:
            try:
                arrays = [self._finished(one[candidate.fitting], candidate) for one in fitted]
                digest = b"".join(map(_digest, arrays))
                if digest not in seen:
                    seen[digest] = self._answering(arrays)
            except RequestError as error:
                self.dropped[candidate] = error.message
            else:
                self._note(candidate, digest, *seen[digest], truth)

    def _finished(self, pixels: Arrays | RequestError, candidate: Candidate) -> Arrays:
        if isinstance(pixels, RequestError):
            raise pixels
        return {
            name: finish(pixels[name], recipe=recipe, layout=layout, dtype=dtype)
            for name, recipe, layout, dtype in self._recipes(candidate)
        }

    def _note(
        self,
        candidate: Candidate,
        digest: bytes,
        chosen: NDArray[np.int64],
        values: NDArray[np.float32],
        truth: NDArray[np.int64],
    ) -> None:
        rows = self._rows[candidate]
        rows.digest.update(digest)
        rows.right.append(chosen == truth)
        rows.losses.append(log_losses(values, truth, floor=self._floor))
        rows.tempered.append(tempered_losses(values, truth, floor=self._floor))
        rows.surest.append(np.exp(-log_losses(values, values.argmax(axis=1), floor=self._floor)))


def _digest(arrays: Arrays) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays.values():
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
