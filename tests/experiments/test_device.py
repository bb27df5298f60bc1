import pytest
import torch

from experiments.device import Device, pick_device
from search_spaces.errors import InputError


@pytest.mark.parametrize("name", ["gpu", "tpu", "", "CPU", "cpu:x"])
def test_a_device_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="it must be auto, cpu, cuda or cuda:N"):
        pick_device(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").torch == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(InputError, match="finds no GPU; use cpu"):
            pick_device(name)


def test_gpus_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto").is_cuda
    assert pick_device("cuda:1").torch.index == 1
    with pytest.raises(InputError, match="there are only 2 GPUs"):
        pick_device("cuda:2")
    for name in ("cuda:x", "cudax"):
        with pytest.raises(InputError, match="a GPU is cuda or cuda:N"):
            pick_device(name)


def test_a_network_is_placed_channels_last(cpu: Device) -> None:
    network = cpu.place(torch.nn.Conv2d(4, 4, 3))
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    with cpu.autocast():
        assert network(torch.zeros(1, 4, 5, 5)).dtype == torch.float32
    cpu.synchronize()


def test_busy_cores_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(torch.device("cpu"))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 90.0)
    assert device.crowded()
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 5.0)
    assert not device.crowded()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 90.0)
    assert not device.crowded()
