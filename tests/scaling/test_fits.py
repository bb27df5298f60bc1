"""Whether members train on a machine."""

import pytest

from scaling.fits import USABLE, Machine, fit_on
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

GIB = 2**30


def test_without_a_memory_nothing_is_said(b0: ArchSpec) -> None:
    found = fit_on(b0, Machine(batch=32))
    assert (found.fits, found.largest_batch) == (None, None)
    assert found.train_memory_bytes == cost(b0, batch=32).train_memory_bytes


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_the_largest_batch_is_the_last_that_fits(b0: ArchSpec, device: str) -> None:
    found = fit_on(b0, Machine(device, 4 * GIB, 8))
    assert found.largest_batch is not None
    for batch, fits in ((found.largest_batch, True), (found.largest_batch + 1, False)):
        other = fit_on(b0, Machine(device, 4 * GIB, batch))
        assert other.fits is fits
        assert (other.train_memory_bytes <= USABLE * 4 * GIB) is fits
        assert other.largest_batch == found.largest_batch


def test_a_gpu_trains_in_bfloat16(b0: ArchSpec) -> None:
    cpu, gpu = (fit_on(b0, Machine(name, 24 * GIB, 128)) for name in ("cpu", "cuda"))
    assert 0.5 < gpu.train_memory_bytes / cpu.train_memory_bytes < 0.55
    assert Machine("cuda").as_dict()["precision"] == "bfloat16"
    assert Machine("cpu").as_dict()["usable_bytes"] is None


def test_what_cannot_train_at_all_has_no_batch(b0: ArchSpec) -> None:
    found = fit_on(b0, Machine("cuda", 2**20, 2))
    assert (found.fits, found.largest_batch) == (False, 0)


@pytest.mark.parametrize("machine", [{"batch": 0}, {"memory_bytes": 0}])
def test_a_machine_without_sense_is_refused(machine: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must both be positive"):
        Machine("cpu", **machine)
