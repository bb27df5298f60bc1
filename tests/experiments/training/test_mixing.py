import pytest
import torch

from experiments.training.mixing import Mixing

LABELS = torch.arange(8) % 4


def images() -> torch.Tensor:
    """Gives images that are their label everywhere."""
    return LABELS.float().view(8, 1, 1, 1).expand(8, 3, 16, 16).clone()


def expected(labels: torch.Tensor) -> torch.Tensor:
    """Returns the mean pixel of an image that its labels promise."""
    return labels @ torch.arange(4.0)


def test_nothing_is_mixed_where_both_are_off() -> None:
    before = images()
    mixed, labels = Mixing(0.0, 0.0, 4)(before, LABELS)
    assert torch.equal(mixed, before)
    assert torch.equal(labels, LABELS)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_labels_say_what_share_of_which_image_is_seen(mixup: float, cutmix: float) -> None:
    torch.manual_seed(0)
    mixing = Mixing(mixup, cutmix, 4)
    kinds = set()
    for _ in range(8):
        mixed, labels = mixing(images(), LABELS)
        assert labels.shape == (8, 4)
        assert labels.sum(1) == pytest.approx([1.0] * 8)
        assert mixed.mean((1, 2, 3)) == pytest.approx(expected(labels), abs=1e-5)
        assert mixed.is_contiguous(memory_format=torch.channels_last)
        blended = (mixed - mixed.round()).abs().amax() > 1e-3
        kinds.add("mixup" if blended else "cutmix")
    wanted = {name for name, on in (("mixup", mixup), ("cutmix", cutmix)) if on}
    assert kinds == wanted


def test_a_small_alpha_mixes_little() -> None:
    torch.manual_seed(0)
    strengths = []
    for alpha in (0.05, 5.0):
        shares = torch.stack([Mixing(alpha, 0.0, 4)(images(), LABELS)[1] for _ in range(40)])
        strengths.append(float((1 - shares.amax(2)).mean()))
    assert strengths[0] < 0.05
    assert strengths[1] > 0.25
