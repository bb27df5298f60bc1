"""MnasNet's controller: it learns which choices pay, and learns the same from a study read anew."""

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution

from nas.samplers import ppo
from nas.samplers.ppo import Controller, PPOSampler

CHOICES = {f"stage{i}.kernel": CategoricalDistribution((3, 5, 7)) for i in range(5)}


def reward(params: dict[str, int]) -> float:
    return sum(value == 5 for value in params.values()) / len(params)


def searched(trials: int, *, forget: bool = False) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for _ in range(trials):
        if forget:
            ppo._last.clear()
        study.sampler = PPOSampler(seed=0)
        trial = study.ask(dict(CHOICES))
        study.tell(trial, reward(trial.params))
    return study


def test_probabilities_and_entropies_are_those_of_the_rows() -> None:
    torch.manual_seed(0)
    controller = Controller((2, 3))
    rows = torch.cartesian_prod(torch.arange(2), torch.arange(3))
    again, log_probability, entropy = controller(rows)
    assert torch.equal(again, rows)
    assert torch.isclose(log_probability.exp().sum(), torch.tensor(1.0))
    assert ((entropy > 0) & (entropy <= np.log(2) + np.log(3) + 1e-6)).all()
    drawn, log_probability, _ = controller(None, count=4, generator=torch.Generator())
    assert torch.allclose(controller(drawn)[1], log_probability)


def test_it_learns_which_choices_pay() -> None:
    rewards = [trial.value or 0 for trial in searched(300).trials]
    assert np.mean(rewards[:40]) < 0.5
    assert np.mean(rewards[-40:]) > 0.8


def test_what_is_kept_changes_nothing() -> None:
    kept, forgotten = searched(45), searched(45, forget=True)
    assert [t.params for t in kept.trials] == [t.params for t in forgotten.trials]
