"""Owns the verdict on one saved model: can it be served, and if not, why. Builds it for real, without a server."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from service.builder.process import BuildLimits, Progress
from service.errors import BrokenModelError, BuildInterruptedError, ModelError
from service.image.decode import ImageLimits
from service.model.card import ModelCard
from service.repository.bundles import BundleStore
from service.repository.golden import GoldenFolder, find_golden
from service.repository.saved import is_program_folder, is_saved_model
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import Source, find_sources, name_problem
from service.serving.golden import replayed
from service.serving.live_model import LiveModel, load_model
from service.serving.local import bundle_of

Verdict = Literal["can be served", "numbers only", "cannot be served", "not known"]
_UNNAMED = "model"
_MISPLACED = "A server looks for names that end in .keras, .h5 or .hdf5; rename the file."


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one saved model brought: its card where it can be served, else the diagnosis.

    `notes` say what a server would complain of besides, such as a name that fits no address. `golden` is the number of
    golden samples that were replayed. `is_known` is False where the look was broken off: by a time limit, another
    builder, a full disk.
    """

    path: Path
    card: ModelCard | None
    diagnosis: str | None = None
    written_by: str | None = None
    notes: tuple[str, ...] = ()
    golden: int = 0
    is_known: bool = True

    @property
    def verdict(self) -> Verdict:
        """Return what to expect of a server."""
        if self.card is None:
            return "cannot be served" if self.is_known else "not known"
        return "can be served" if "classes" in self.card.answers and "pictures" in self.card.takes else "numbers only"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "file": str(self.path),
            "verdict": self.verdict,
            "written_by": self.written_by,
            "diagnosis": self.diagnosis,
            "notes": list(self.notes),
            "golden_samples": self.golden,
            "card": None if self.card is None else self.card.to_json(),
        }


def look_at(
    path: Path,
    *,
    store: BundleStore,
    limits: BuildLimits,
    images: ImageLimits,
    progress: Progress,
    served: Source | None = None,
) -> Finding:
    """Build the saved model at `path` if need be, load it, and say what was found; never raises for a bad model.

    `served` is the source that a server of the folder being looked at would have at this path: its sidecars and labels
    are those in force, and what a server would complain of becomes a note.
    """
    if not (path.is_file() or is_program_folder(path)):
        return Finding(path, None, "This is no file, is gone, or is a link that leads nowhere.")
    found = find_sources(path)
    if not found:
        return Finding(path, None, "The file went away while it was looked at.")
    source = found[0] if served is None or served.problem else served
    misnamed = name_problem(source.name)
    opened = replace(source, name=_UNNAMED, problem=None) if misnamed else source
    finding = _replayed(*_opened(opened, store, limits, progress), find_golden(opened), images)
    clash = None if served is None or served.problem in (None, misnamed, finding.diagnosis) else served.problem
    misplaced = None if path.is_dir() or is_saved_model(path) else _MISPLACED
    notes = (misnamed, clash and f"In a models folder like this: {clash}", misplaced)
    return replace(finding, notes=tuple(filter(None, notes)))


def _replayed(finding: Finding, model: LiveModel | None, golden: GoldenFolder | None, images: ImageLimits) -> Finding:
    """Return the finding with what the golden samples say: a model that disagrees with them is not served."""
    if model is None or golden is None:
        return finding
    replay = replayed(model, golden, limits=images)
    if replay.problem:
        return replace(finding, card=None, diagnosis=replay.problem, golden=replay.pictures)
    return replace(finding, golden=replay.pictures)


def _opened(
    source: Source, store: BundleStore, limits: BuildLimits, progress: Progress
) -> tuple[Finding, LiveModel | None]:
    written_by = None
    try:
        if source.problem:
            raise BrokenModelError(source.problem)
        bundle, fingerprint = bundle_of(source, store, limits, progress)
        written_by = bundle.facts.source.written_by
        model = load_model(bundle, parse_sidecar(read_sidecar(source)), source.version, fingerprint)
    except ModelError as error:
        return Finding(source.path, None, error.message, error.written_by or written_by), None
    except BuildInterruptedError as error:
        return Finding(source.path, None, error.message, written_by, is_known=False), None
    except OSError as error:
        return Finding(source.path, None, f"The file cannot be read: {error.strerror}.", written_by), None
    return Finding(source.path, model.card, written_by=written_by), model
