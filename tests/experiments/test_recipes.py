from pathlib import Path

import pytest
import tomli_w

from experiments.recipes import Recipe, load_recipe, parse_overrides, recipe_names
from search_spaces.errors import InputError


def test_every_shipped_recipe_loads() -> None:
    assert "fast" in recipe_names()
    for name in recipe_names():
        assert isinstance(load_recipe(name), Recipe)


def test_overrides_replace_single_values() -> None:
    plain, changed = load_recipe("fast"), load_recipe("fast", {"lr": 0.05, "optimizer": "adamw"})
    differing = {k for k, v in plain.model_dump().items() if getattr(changed, k) != v}
    assert differing == {"lr", "optimizer"}
    assert (changed.lr, changed.optimizer) == (0.05, "adamw")
    assert plain.digest != changed.digest
    assert load_recipe("fast", {"lr": plain.lr}).digest == plain.digest


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(load_recipe("fast", {"epochs": 77}).model_dump()))
    assert load_recipe(path).epochs == 77
    assert load_recipe(str(path), {"epochs": 3}).epochs == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": 3}, "recipe fast: there is no 'epoch'; did you mean 'epochs'?"),
        ({"zzzz": 3}, "recipe fast: there is no 'zzzz'"),
        ({"epochs": 0}, "recipe fast: epochs: Input should be greater than or equal to 1"),
        ({"lr": -1.0}, "recipe fast: lr:"),
        ({"lr": float("nan")}, "recipe fast: lr:"),
        ({"optimizer": "adam"}, "recipe fast: optimizer:"),
        ({"momentum": 1}, "recipe fast: momentum:"),
        ({"batch_size": "many"}, "recipe fast: batch_size:"),
        ({"shift": 0.6}, "recipe fast: shift:"),
    ],
)
def test_a_bad_value_is_named(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        load_recipe("fast", overrides)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_recipe_that_is_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recipe is called 'slow'; it must be a TOML file or"):
        load_recipe("slow")
    path = tmp_path / "bad.toml"
    path.write_text("epochs = = 3")
    with pytest.raises(InputError, match=r"bad\.toml: not TOML"):
        load_recipe(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bad\.toml: not TOML"):
        load_recipe(path)
    path.write_text("epochs = 3")
    with pytest.raises(InputError, match="Field required"):
        load_recipe(path)


def test_pairs_are_read_as_toml_or_as_words() -> None:
    pairs = ["lr=0.1", "epochs = 4", "optimizer=adamw", 'flip="never"']
    assert parse_overrides(pairs) == {
        "lr": 0.1,
        "epochs": 4,
        "optimizer": "adamw",
        "flip": "never",
    }


@pytest.mark.parametrize("pair", ["lr", "=1", "lr=", ""])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match=r"write it as lr=0\.1"):
        parse_overrides([pair])
