"""What trials prove: made-up results whose verdict is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.offline.evidence import Evidence, Result, weigh


def result(right: NDArray[np.bool_], losses: object = None, *, sureness: float = 0.9) -> Result:
    """Return a result whose losses, tempered ones too, follow from what is right unless they are given."""
    costs = np.where(right, 0.1, 2.0) if losses is None else np.asarray(losses, np.float64)
    return Result(right, costs, costs[np.newaxis], sureness)


def results(*shares: float, pictures: int = 200, seed: int = 0) -> list[Result]:
    """Return results of recipes that are right on these shares of the pictures, each on its own ones."""
    draw = np.random.default_rng(seed)
    return [result(draw.permutation(np.arange(pictures) < share * pictures)) for share in shares]


def weighed(*shares: float, pictures: int = 200, seed: int = 0) -> Evidence:
    return weigh(results(*shares, pictures=pictures, seed=seed))


def test_the_ranking_is_by_accuracy_then_by_log_loss() -> None:
    right = np.array([True, True])
    given = [result(np.array([True, False]), [0.1, 3.0]), result(right, [0.5, 0.5]), result(right, [0.2, 0.2])]

    assert weigh(given).ranking == (2, 1, 0)


def test_a_recipe_that_is_far_worse_is_told_from_the_best() -> None:
    evidence = weighed(0.95, 0.4)

    assert evidence.rivals == (0,)
    assert evidence.wins == (1.0, 0.0)
    assert evidence.false_winner_rate == 0


def test_recipes_that_do_about_alike_cannot_be_told_apart() -> None:
    evidence = weighed(0.9, 0.89, 0.3)

    assert evidence.rivals == (0, 1)
    assert 0 < evidence.wins[1] < 1
    assert evidence.false_winner_rate == pytest.approx(0)


def test_few_pictures_prove_nothing_even_where_all_of_them_agree() -> None:
    right = np.array([True, True])

    assert weigh([result(right, [0.1, 0.1]), result(~right, [9.0, 9.0])]).rivals == (0, 1)


def test_the_same_answers_with_a_surely_higher_log_loss_are_told_apart() -> None:
    (best,) = results(0.9, pictures=300)

    assert weigh([best, result(best.right, best.losses * 1.5)]).rivals == (0,)


def test_a_log_loss_that_is_lower_by_sureness_alone_proves_nothing() -> None:
    """Twice the scale, twice the logits: where nearly all answers are right, the surer ones cost less on each."""
    (surer,) = results(1.0, pictures=300)
    less_sure = Result(surer.right, surer.losses * 1.5, surer.tempered, sureness=0.8)
    too_sure = Result(surer.right, surer.losses * 1.5, surer.tempered, sureness=0.95)

    assert weigh([surer, less_sure]).rivals == (0, 1)
    assert weigh([surer, too_sure]).rivals == (0,)


def test_a_recipe_with_fewer_right_and_a_surely_lower_log_loss_stays_a_rival() -> None:
    best, other = results(0.9, 0.6, pictures=300)

    assert weigh([best, result(other.right, np.full(300, 0.01))]).rivals == (0, 1)


def test_the_more_recipes_the_more_it_takes_to_tell_one() -> None:
    """With enough recipes one is better by luck: 60 that are equally good must not rule each other out."""
    ruled_out = sum(len(weighed(*[0.7] * 60, seed=seed).rivals) < 60 for seed in range(20))

    assert ruled_out <= 3


def test_one_recipe_alone_wins() -> None:
    evidence = weighed(0.5)

    assert (evidence.ranking, evidence.rivals, evidence.wins) == ((0,), (0,), (1.0,))


def test_the_verdict_is_the_same_each_time() -> None:
    assert weighed(0.8, 0.75, 0.7) == weighed(0.8, 0.75, 0.7)
