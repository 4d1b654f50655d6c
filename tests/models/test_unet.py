"""The U-Net: any size of image or volume, what goes over its bridges, and the Dice loss."""

import numpy as np
import pytest

import mediml
from mediml import optim
from mediml.models.unet import NORMS, UPS, UNet, segmentation_loss, soft_dice_loss

SIZES = {2: [(8, 12), (7, 5), (1, 9), (35, 50)], 3: [(4, 8, 4), (7, 5, 9), (1, 6, 3)]}


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("rank", "size"), [(rank, size) for rank in SIZES for size in SIZES[rank]])
def test_any_size(rank, size, norm, up):
    model = UNet(2, 3, (4, 6, 8), rank, norm, up)
    scores = model(mediml.randn(2, 2, *size))
    assert scores.shape == (2, 3, *size)
    assert np.isfinite(scores.detach().numpy()).all()


def test_parameters_counted_by_hand():
    """Three taps along each axis; two numbers per channel for each batch norm; a bias at the head only."""
    down = 9 * (1 * 8 + 8 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32)
    up = 4 * (32 * 16 + 16 * 8)
    merge = 9 * (32 * 16 + 16 * 16 + 16 * 8 + 8 * 8)
    norms = 2 * (2 * (8 + 16 + 32) + 2 * (16 + 8))
    assert sum(p.numel() for p in UNet(1, 3).parameters()) == down + up + merge + norms + 8 * 3 + 3


@pytest.mark.parametrize("norm", NORMS)
def test_a_bias_only_where_nothing_subtracts_it(norm):
    model = UNet(norm=norm)
    biased = {name for name, _ in model.named_parameters() if name.endswith("bias") and "norm" not in name}
    convolutions = {f"{name}.bias" for name, part in model.named_modules() if "conv" in name and "up" not in name}
    assert biased == {"head.bias"} | (convolutions if norm == "none" else set())


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("rank", [2, 3])
def test_output_lies_where_the_input_lay(rank, up):
    """Moved by a multiple of all halvings, the input moves the output as far: nothing is shifted by a crop."""
    model = UNet(1, 2, (4, 6), rank, up=up).to(mediml.float64).eval()
    side = 22
    image, moved = np.zeros((1, 1, *[side] * rank)), np.zeros((1, 1, *[side] * rank))
    patch = np.random.default_rng(0).normal(size=[2] * rank)
    image[(0, 0, *[slice(8, 10)] * rank)] = patch
    moved[(0, 0, *[slice(12, 14)] * rank)] = patch
    first, second = (model(mediml.tensor(x)).detach().numpy() for x in (image, moved))
    here, there = (..., *[slice(2, 16)] * rank), (..., *[slice(6, 20)] * rank)
    np.testing.assert_allclose(second[there], first[here], rtol=1e-9, atol=1e-12)
    assert np.ptp(first[here]) > 1e-3


def test_an_odd_size_is_cut_at_its_end():
    """The output of an odd image is that of the image one pixel larger, but near the edge that was cut."""
    model = UNet(1, 2, (4, 6), up="transposed").to(mediml.float64).eval()
    image = np.random.default_rng(0).normal(size=(1, 1, 32, 32))
    whole, cut = (model(mediml.tensor(x)).detach().numpy() for x in (image, image[..., :31, :31]))
    np.testing.assert_allclose(cut[..., :16, :16], whole[..., :16, :16], rtol=1e-9, atol=1e-12)
    assert cut.shape == (1, 2, 31, 31)


def test_the_bridge_carries_what_halving_loses():
    """A checkerboard, which every 2 x 2 maximum turns into a constant, reaches the output over the first bridge."""
    model, passed = UNet(1, 2, (4, 6), norm="none").eval(), []
    merge = model.merge[0]
    merge.register_forward_hook(lambda module, arguments, output: passed.append(arguments[0].detach().numpy()))
    rows, columns = np.mgrid[:8, :8]
    board = mediml.tensor(((rows + columns) % 2)[None, None].astype(np.float32))
    model(board)
    bridge, below = passed[0][:, :4], passed[0][:, 4:]
    assert bridge.shape == below.shape == (1, 4, 8, 8)
    inner = (..., slice(2, -2), slice(2, -2))
    assert abs(np.diff(bridge[inner], axis=-1)).max() > 1e-3
    np.testing.assert_array_equal(bridge[0], model.down[0](board).detach().numpy()[0])


def test_dice_by_hand():
    """Two pixels of each of two images; class 1 has probability .5, .9, .2, 0, and is true in the first two."""
    probability = np.array([[0.5, 0.9], [0.2, 1e-30]])
    logits = np.stack([np.log1p(-probability), np.log(probability)], 1)
    target = mediml.tensor([[1, 1], [0, 0]])
    dice = 2 * (0.5 + 0.9) / (0.5 + 0.9 + 0.2 + 2)
    assert soft_dice_loss(mediml.tensor(logits), target, smooth=0).item() == pytest.approx(1 - dice, rel=1e-12)
    smoothed = (2 * 1.4 + 1) / (1.6 + 2 + 1)
    assert soft_dice_loss(mediml.tensor(logits), target).item() == pytest.approx(1 - smoothed, rel=1e-12)
    entropy = -np.mean(np.log([0.5, 0.9, 0.8, 1]))
    loss = segmentation_loss(mediml.tensor(logits), target).item()
    assert loss == pytest.approx(1 - smoothed + entropy, rel=1e-9)


def test_dice_of_the_extremes():
    target = mediml.tensor([[[0, 1, 2], [2, 2, 0]]])
    right = 1e3 * np.eye(3)[target.numpy()].transpose(0, 3, 1, 2)
    assert soft_dice_loss(mediml.tensor(right), target).item() == pytest.approx(0, abs=1e-12)
    wrong = 1e3 * np.eye(3)[[[[1, 2, 0], [0, 0, 1]]]].transpose(0, 3, 1, 2)
    # class 1: 2 predicted, 1 true; class 2: 1 predicted, 3 true; none where it should be
    expected = 1 - (1 / (2 + 1 + 1) + 1 / (1 + 3 + 1)) / 2
    assert soft_dice_loss(mediml.tensor(wrong), target).item() == pytest.approx(expected, rel=1e-12)
    absent = mediml.zeros(1, 2, 3, dtype=mediml.int64)
    nothing = 1e3 * np.eye(3)[absent.numpy()].transpose(0, 3, 1, 2)
    assert soft_dice_loss(mediml.tensor(nothing), absent).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", [soft_dice_loss, segmentation_loss])
def test_gradient_of_the_loss_by_finite_differences(loss):
    rng = np.random.default_rng(0)
    x, direction = rng.normal(size=(2, 2, 3, 4, 5))
    target = mediml.tensor(rng.integers(0, 3, (2, 4, 5)))
    logits = mediml.tensor(x, requires_grad=True)
    loss(logits, target).backward()
    step = 1e-6
    above, below = (loss(mediml.tensor(x + sign * step * direction), target).item() for sign in (1, -1))
    assert (logits.grad.numpy() * direction).sum() == pytest.approx((above - below) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("rank", [2, 3])
def test_it_learns_to_find_bright_squares(rank):
    """Noise with a brighter square in it; found in images that it was not trained on."""
    mediml.manual_seed(0)
    rng = np.random.default_rng(0)
    side = 12 if rank == 2 else 8

    def images(count):
        x, y = (
            rng.normal(size=(count, 1, *[side] * rank)).astype(np.float32),
            np.zeros((count, *[side] * rank), np.int64),
        )
        for n in range(count):
            place = tuple(slice(first, first + 4) for first in rng.integers(0, side - 4, rank))
            x[(n, 0, *place)] += 2
            y[(n, *place)] = 1
        return mediml.tensor(x), mediml.tensor(y)

    model = UNet(1, 2, (4, 8), rank)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        x, y = images(8)
        loss = segmentation_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, y = images(32)
    found = model.eval()(x).detach().numpy().argmax(1)
    assert 2 * (found * y.numpy()).sum() / (found.sum() + y.numpy().sum()) > 0.85


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UNet(rank=1), r"rank expects one of \(2, 3\), got 1"),
        (lambda: UNet(norm="layer"), r"norm expects one of .*, got 'layer'"),
        (lambda: UNet(up="nearest"), r"up expects one of .*, got 'nearest'"),
        (lambda: UNet(widths=()), r"widths expects channels at each resolution, such as \(8, 16, 32\), got \(\)"),
        (lambda: UNet(widths=(8, 0)), r"widths .*, got \(8, 0\)"),
        (lambda: UNet()(mediml.zeros(1, 1, 8, 8, 8)), r"expected \(N, 1, H, W\), got \(1, 1, 8, 8, 8\)"),
        (lambda: UNet(2, rank=3)(mediml.zeros(1, 1, 8, 8, 8)), r"expected \(N, 2, D, H, W\), got \(1, 1, 8, 8, 8\)"),
        (
            lambda: soft_dice_loss(mediml.zeros(2, 3, 4), mediml.zeros(2, 3, dtype=mediml.int64)),
            r"\(2, 3, 4\) and \(2, 3\)",
        ),
        (lambda: soft_dice_loss(mediml.zeros(2, 1, 4), mediml.zeros(2, 4, dtype=mediml.int64)), "C > 1"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_group_norm_has_groups_of_two_channels_at_least():
    model = UNet(widths=(3, 6, 16), norm="group")
    groups = [(block.norm1.num_channels, block.norm1.num_groups) for block in model.down]
    assert groups == [(3, 1), (6, 1), (16, 8)]
    assert [block.norm1.num_groups for block in UNet(widths=(2, 4, 8, 64), norm="group").down] == [1, 2, 4, 8]
