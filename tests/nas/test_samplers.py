import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from nas.samplers import ABOUT, SAMPLERS, sampler_factory
from search_spaces.errors import InputError

CHOICES = {f"stage{i}.kernel": CategoricalDistribution((3, 5, 7)) for i in range(6)}


def test_the_samplers_are_the_promised_ones_each_described() -> None:
    assert set(SAMPLERS) == {
        "greybox",
        "tpe",
        "gp",
        "nsga2",
        "nsga3",
        "ppo",
        "evolution",
        "local",
        "random",
    }
    assert set(ABOUT) == set(SAMPLERS)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_sampler_is_optunas_and_the_seed_decides_what_it_draws(name: str) -> None:
    def draw(seed: int) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=sampler_factory(name)(seed))
        return [dict(study.ask(dict(CHOICES)).params) for _ in range(4)]

    assert isinstance(sampler_factory(name)(0), optuna.samplers.BaseSampler)
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_an_unknown_sampler_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'evolution'"):
        sampler_factory("evolutoin")
    with pytest.raises(InputError, match="the samplers are greybox, tpe, gp"):
        sampler_factory("xyzzy")
