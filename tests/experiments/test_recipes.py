from pathlib import Path

import pytest
import tomli_w

from experiments.recipes import Recipe, load_recipe, parse_overrides, recipe_names
from search_spaces.errors import InputError


def test_every_shipped_recipe_loads() -> None:
    assert "fast" in recipe_names()
    for name in recipe_names():
        assert isinstance(load_recipe(name), Recipe)


def test_the_default_recipe_keeps_the_name_that_stored_trainings_have() -> None:
    assert load_recipe("fast").digest == "3a4aef909ac5"
    assert load_recipe("fast", {"epochs": 3}).digest == "4f1d148f481e"


def test_a_key_at_its_default_is_left_out_of_the_digest() -> None:
    plain = load_recipe("fast")
    assert load_recipe("fast", {"mixup": 0.0, "schedule": "cosine"}).digest == plain.digest
    for change in ({"mixup": 0.1}, {"schedule": "linear"}, {"stages": 2}, {"dropout": 0.0}):
        assert load_recipe("fast", change).digest != plain.digest
    assert Recipe(**load_recipe("efficientnet").values) == load_recipe("efficientnet")


def test_the_published_recipes_say_what_their_papers_say() -> None:
    found = load_recipe("efficientnet").model_dump()
    for name, value in {
        **{"optimizer": "rmsprop", "rms_decay": 0.9, "momentum": 0.9, "eps": 1e-3},
        **{"bn_momentum": 0.01, "weight_decay": 1e-5, "lr": 0.016, "lr_batch": 256},
        **{"schedule": "staircase", "lr_decay": 0.97, "lr_decay_epochs": 2.4, "warmup_epochs": 5},
        **{"ema": 0.9999, "label_smoothing": 0.1, "auto_augment": "imagenet", "epochs": 350},
        **{"dropout": "spec", "drop_path": "spec"},
    }.items():
        assert found[name] == value, name
    mnasnet = load_recipe("mnasnet").model_dump()
    differing = {name for name, value in mnasnet.items() if found[name] != value}
    assert differing == {"auto_augment"}
    assert load_recipe("mobilenet_v2").lr_decay == 0.98
    assert load_recipe("finetune").from_weights


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
        ({"auto_augmen": "imagenet"}, "there is no 'auto_augmen'; did you mean 'auto_augment'?"),
        ({"auto_augment": "imagenets"}, "recipe fast: auto_augment: Input should be 'none'"),
        ({"auto_augment": "svhn", "rand_augment": 2}, "recipe fast: auto_augment and rand_augment"),
        ({"dropout": "specs"}, "recipe fast: dropout:"),
        ({"dropout": 1.0}, "recipe fast: dropout is 1.0; it must be at least 0 and below 1"),
        ({"start_magnitude": 31}, "start_magnitude is 31.0; it must be at least 0 and below 30"),
        ({"accumulate": 33}, "accumulate is 33; it must leave at least 2 of the 64 images"),
        ({"magnitude": 30}, "recipe fast: magnitude:"),
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
