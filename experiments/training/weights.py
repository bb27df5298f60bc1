"""Trained weights to start from: our checkpoints, or another library's, as safetensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from experiments.checkpoint import read_info
from scaling.inherit import inherit
from search_spaces.dialects import DIALECTS
from search_spaces.errors import InputError
from search_spaces.foreign import load_foreign, renamed
from search_spaces.network import Network, build

__all__ = ["inherit_weights", "load_weights", "weights_digest"]

CLASSIFIER = ("classifier.weight", "classifier.bias")
PICKLES = (b"PK\x03\x04", b"\x80")  # torch.save's archive, and a bare pickle

State = dict[str, Tensor]


def weights_digest(path: Path) -> str:
    """Names a file's content in 16 hexadecimal digits; raises `InputError` where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def load_weights(network: Network, path: Path) -> None:
    """Gives a network the weights of a safetensors file, under our names or another library's.

    A classifier of another number of classes stays as it is. Raises `InputError` that names the
    first layer in which the file is of another architecture, or says what the file is instead.
    """
    state, own = _read(path), network.state_dict()
    if "stem.conv.weight" not in state:
        state = _translated(network, state, path)
    taken = {name: value for name, value in state.items() if name not in CLASSIFIER}
    if all(_shape(state.get(name)) == _shape(own[name]) for name in CLASSIFIER):
        taken = state
    wanted = [name for name in own if name in taken or name not in CLASSIFIER]
    for name in [*wanted, *sorted(name for name in taken if name not in own)]:
        _check(name, taken.get(name), own.get(name), f"{path}: weights of another architecture")
    network.load_state_dict({**own, **taken})


def inherit_weights(network: Network, path: Path, *, seed: int) -> None:
    """Gives a network what the checkpoint of a smaller one knows; `seed` draws the copies.

    Raises `InputError` for a file that is no checkpoint of ours, or of another family.
    """
    base, fresh = read_info(path).spec, network.state_dict()
    found = inherit(_read(path), base, network.spec, fresh=fresh, seed=seed)
    network.load_state_dict(found.state)


def _read(path: Path) -> State:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (SafetensorError, OSError) as error:
        if path.is_file() and path.read_bytes()[:4].startswith(PICKLES):
            raise InputError(
                f"{path}: a pickle, which can run any program when it is read; save the weights "
                "with safetensors.torch.save_file"
            ) from None
        raise InputError(f"{path}: not a safetensors file ({error})") from None


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _check(name: str, theirs: Tensor | None, ours: Tensor | None, where: str) -> None:
    if theirs is None:
        raise InputError(f"{where}: they have no {name}, which is {_shape(ours)} in the network")
    if ours is None:
        raise InputError(f"{where}: they have {name} {_shape(theirs)}, which the network has not")
    if theirs.shape != ours.shape:
        raise InputError(
            f"{where}: {name} is {_shape(theirs)} there and {_shape(ours)} in the network"
        )


def _translated(network: Network, state: State, path: Path) -> State:
    """Returns another library's weights under our names."""
    spec = network.spec
    names = (renamed(spec, dialect)["classifier.bias"] for dialect in DIALECTS.values())
    classes = next((len(state[name]) for name in names if name in state), spec.num_classes)
    with torch.random.fork_rng(devices=[]):
        donor = build(spec, classes)
    try:
        load_foreign(donor, state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return donor.state_dict()
