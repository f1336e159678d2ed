"""Owns what calibration found: the ranking, what the pictures settle, and what to use."""

from dataclasses import dataclass
from typing import Any, Literal

from service.model.recipe import MeanStd, Rescale
from service.offline.answering import BadFile
from service.offline.candidates import FINISHING, FITTING, Candidate
from service.offline.trials import Trial

NO_BETTER_THAN_CHANCE = (
    "No recipe is surely better than chance. Are the labels in the model's order, are these pictures of its kind, and "
    "enough of them?"
)
Standing = Literal["settled", "open", "untested"]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One trial in the ranking: how it did, how often it wins among resampled pictures, and whether it is a rival.

    `shown` is the member of its group that speaks for it: the recipe in force, else the plainest.
    """

    shown: Candidate
    trial: Trial
    wins: float
    is_rival: bool

    def values_of(self, name: str) -> set[Any]:
        """Return the values of one name that the recipes of the group have."""
        return {getattr(one, name) for one in self.trial.candidates}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "recipe": to_json(self.shown),
            "same_numbers": [to_json(one) for one in self.trial.candidates if one != self.shown],
            "accuracy": self.trial.accuracy,
            "log_loss": self.trial.log_loss,
            "wins": self.wins,
            "cannot_be_told_from_the_best": self.is_rival,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """What calibration found; `ranking` has the best first, rivals are those that cannot be told from it.

    `standing` says of each value whether the pictures settle it, leave it open between rivals, or do not test it:
    nothing else was ruled out. `chance` is the share, 0..1, of the most frequent class: what a model that sees nothing
    can reach; the best recipe has to be surely over it. `carried` of `survivors` recipes went into the second stage.
    """

    in_force: Candidate
    recommended: Candidate
    ranking: tuple[Ranked, ...]
    standing: dict[str, Standing]
    false_winner_rate: float
    chance: float
    is_better_than_chance: bool
    pictures: int
    carried: int
    survivors: int
    dropped: dict[Candidate, str]
    bad: tuple[BadFile, ...]
    notes: tuple[str, ...]

    @property
    def rivals(self) -> tuple[Ranked, ...]:
        """Return the trials that cannot be told from the best, it included."""
        return tuple(one for one in self.ranking if one.is_rival)

    @property
    def changed(self) -> tuple[str, ...]:
        """Return which values the recommended recipe has otherwise than the one in force."""
        return tuple(name for name in self.standing if getattr(self.recommended, name) != getattr(self.in_force, name))

    @property
    def too_thin(self) -> tuple[str, ...]:
        """Return which values are open although they matter: what changes, and scale, colour order and polarity.

        Where no recipe is better than chance, that is all that matter.
        """
        matter = {*self.changed, *FINISHING}
        is_open = {name: one == "open" or not self.is_better_than_chance for name, one in self.standing.items()}
        return tuple(name for name in self.standing if name in matter and is_open[name])

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "pictures": self.pictures,
            "in_force": to_json(self.in_force),
            "recommended": to_json(self.recommended),
            "is_settled": not self.too_thin,
            "values": dict(self.standing),
            "false_winner_rate": self.false_winner_rate,
            "chance": self.chance,
            "is_better_than_chance": self.is_better_than_chance,
            "ranking": [one.to_json() for one in self.ranking],
            "not_tried": [{"recipe": to_json(one), "reason": reason} for one, reason in self.dropped.items()],
            "bad": [{"name": one.name, "reason": one.reason} for one in self.bad],
            "notes": list(self.notes),
        }


def to_json(one: Candidate) -> dict[str, Any]:
    """Return a candidate's values as a `model.toml` has them, those that are seldom set only where they are."""
    values = {name: getattr(one, name) for name in (*FINISHING, *FITTING)}
    return {name: toml_value(value) for name, value in values.items() if value or name in ("invert", "exif")}


def toml_value(value: Any) -> Any:
    """Return a recipe's value in the form that a `model.toml` and JSON share."""
    if isinstance(value, MeanStd):
        return {"mean": list(value.mean), "std": list(value.std)}
    if isinstance(value, Rescale):
        return {"factor": value.factor, "offset": value.offset}
    return value
