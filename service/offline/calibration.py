"""Owns calibration: which recipe fits a model, found by answering labelled pictures with each plausible one."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import partial

from service.errors import FolderError
from service.image.decode import ImageLimits
from service.model.card import ModelCard, OutputCard
from service.offline.answering import Tick, head_notes, none_good
from service.offline.batches import answer_arrays
from service.offline.candidates import (
    FINISHING,
    FITTING,
    Candidate,
    finishing_candidates,
    fitting_candidates,
    in_force,
    is_coloured,
    is_one_for_all,
    picture_inputs,
    plainness,
)
from service.offline.evidence import Evidence, weigh
from service.offline.finding import Calibration, Ranked, Standing
from service.offline.measures import binomial_tail
from service.offline.trials import Trial, Trials
from service.repository.labelled import LabelledFolder
from service.serving.live_model import LiveModel

CARRIED = 4
"""Recipes of the first stage whose decoder, resize and fit are varied in the second."""
_LEVEL = 0.05


def calibrate(
    model: LiveModel, folder: LabelledFolder, *, output: OutputCard, limits: ImageLimits, tick: Tick = lambda _: None
) -> Calibration:
    """Try the plausible recipes on a labelled folder: scale, colour and polarity first, then decoder, resize and fit.

    `tick` is told of each number of pictures dealt with. Raises FolderError where none can be read, or all are of one
    class: a recipe under which that class is always answered would win.
    """
    _check_classes(folder, output)
    own = in_force(model.card)
    answering = partial(answer_arrays, model, output)
    trials = Trials(model.card, answering, folder.pictures, limits=limits, floor=floor_of(len(folder.pictures)))
    trials.sift(own, tick)
    if not trials.pictures:
        raise FolderError(none_good(trials.bad))
    trials.add(finishing_candidates(model.card), tick)
    survivors = _survivors(trials.found(), own)
    trials.add((one for base in survivors[:CARRIED] for one in fitting_candidates(base)), tick)
    notes = (*folder.notes, *head_notes(output))
    return _found(trials, model.card, notes, survivors=len(survivors))


def floor_of(pictures: int) -> float:
    """Return how near to 0 and 1 so many pictures let a probability come, by Laplace's rule of succession.

    NOTE: without it a model that is right on all pictures looks the better, the surer it is: 0..255 for a model of
    0..1 saturates its softmax and would win.
    """
    return 1 / (pictures + 2)


def _check_classes(folder: LabelledFolder, output: OutputCard) -> None:
    if len(folder.classes) == 1:
        (only,) = folder.classes
        raise FolderError(
            f"All pictures are of one class, {output.labels[only]}: a recipe that makes everything look so would win. "
            "Give pictures of two classes or more."
        )


def _survivors(trials: Sequence[Trial], own: Candidate) -> list[Candidate]:
    """Return those of the first stage that cannot be told from the best, the recipe in force before the others."""
    evidence = _weighed(trials)
    shown = [_speaker(trials[place].candidates, own) for place in evidence.rivals]
    return sorted(shown, key=lambda one: one != own)


def _weighed(trials: Sequence[Trial]) -> Evidence:
    if not trials:
        raise FolderError("No recipe lets the model run on these pictures; they may be too small for it.")
    return weigh([one.result for one in trials])


def _speaker(candidates: Sequence[Candidate], own: Candidate) -> Candidate:
    """Return the recipe in force where it is among `candidates`, else the one nearest to it, then the plainest."""
    return min(candidates, key=lambda one: (_distance(one, own), plainness(one)))


def _distance(one: Candidate, own: Candidate) -> int:
    return sum(getattr(one, name.name) != getattr(own, name.name) for name in fields(one))


def _found(trials: Trials, card: ModelCard, notes: tuple[str, ...], *, survivors: int) -> Calibration:
    own, found = in_force(card), trials.found()
    evidence = _weighed(found)
    ranking = tuple(
        Ranked(_speaker(found[place].candidates, own), found[place], evidence.wins[place], place in evidence.rivals)
        for place in evidence.ranking
    )
    rivals = [one for one in ranking if one.is_rival]
    chance = max(Counter(one.truth for one in trials.pictures).values()) / len(trials.pictures)
    return Calibration(
        in_force=own,
        recommended=_recommended(rivals, own),
        ranking=ranking,
        standing=dict(_standing(ranking, is_in_colour=any(map(is_coloured, card.inputs)))),
        false_winner_rate=evidence.false_winner_rate,
        chance=chance,
        is_better_than_chance=_is_surely_over(chance, ranking),
        pictures=len(trials.pictures),
        carried=min(survivors, CARRIED),
        survivors=survivors,
        dropped=dict(trials.dropped),
        bad=tuple(trials.bad),
        notes=(*notes, *_cautions(card)),
    )


def _is_surely_over(chance: float, ranking: Sequence[Ranked]) -> bool:
    """Return whether the best of so many recipes has more pictures right than guessing gives one of them by luck."""
    right = ranking[0].trial.result.right
    return binomial_tail(int(right.sum()), len(right), chance=chance) < _LEVEL / len(ranking)


def _recommended(rivals: Sequence[Ranked], own: Candidate) -> Candidate:
    """Return the recipe in force where it is a rival; else the best one's scale, colours and polarity, plainly fitted.

    Plain is the fitting in force, else the first by `plainness`: resizes are seldom told apart, and the best of them
    by chance is no better advice.
    """
    shown = [one.shown for one in rivals]
    if own in shown:
        return own
    alike = [one for one in shown if all(getattr(one, name) == getattr(shown[0], name) for name in FINISHING)]
    return min(alike, key=lambda one: (_distance(one, own), plainness(one)))


def _standing(ranking: Sequence[Ranked], *, is_in_colour: bool) -> Iterator[tuple[str, Standing]]:
    """Say of each value whether all rivals share it, and whether the pictures ruled any other out."""
    for name in (*FINISHING, *FITTING):
        if name == "color" and not is_in_colour:
            continue
        common = set.intersection(*(one.values_of(name) for one in ranking if one.is_rival))
        is_chosen = any(not common & one.values_of(name) for one in ranking)
        yield name, "open" if not common else "settled" if is_chosen else "untested"


_KEPT = ("shortest_edge", "antialias", "samplewise_center", "samplewise_std_normalization")


def _cautions(card: ModelCard) -> list[str]:
    recipe = picture_inputs(card)[0].recipe
    kept = [name for name in _KEPT if getattr(recipe, name)]
    stay = [f"{', '.join(kept)} of model.toml stay in force in every trial; are they right?"] if kept else []
    return stay + _different_inputs(card)


def _different_inputs(card: ModelCard) -> list[str]:
    if is_one_for_all(card):
        return []
    return [
        "The inputs have different recipes in force. All are tried with the same values; what is called in force here "
        f"are those of {picture_inputs(card)[0].spec.name}."
    ]
