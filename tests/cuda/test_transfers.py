"""A training step on the GPU: no copies but those asked for, no new memory after the first, the same bits again."""

import numpy as np
import pytest

import mediml
from kernels.gpu import memory
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.transfer import TRANSFERS
from mediml import nn, optim
from mediml.models import gan, rnn, unet

F = nn.functional
DRAW = np.random.default_rng(3)


def draw(*shape):
    return DRAW.standard_normal(shape).astype(np.float32)


def cnn(dropout=0.3):
    # no bias in front of the normalisation: its gradient would be rounding errors, which Adam makes steps of
    layers = [
        nn.Conv2d(1, 3, 3, padding=1, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(dropout),
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 4 * 4, 2))


def lstm(dropout=0.3):
    return rnn.RNN(5, 4, 2, 2, "lstm", bidirectional=True, dropout=dropout, pooling="mean")


class LstmOfLengths(nn.Module):
    """With sequences of different lengths: packed, computed, unpacked."""

    def __init__(self, dropout=0.3):
        super().__init__()
        self.rnn = lstm(dropout)

    def forward(self, x):
        return self.rnn(x, [2, 3])


def small_unet(dropout=0.0):
    return unet.UNet(1, 2, (2, 3))


IMAGES, TOKENS = draw(2, 1, 8, 8), DRAW.integers(0, 5, (2, 3))
LABELS, MASKS = np.array([0, 1]), DRAW.integers(0, 2, (2, 8, 8))
#: The model, a batch, the loss, and how many copies to the device a step makes beside those of the batch.
STEPS = {
    "cnn": (cnn, IMAGES, LABELS, F.cross_entropy, 0),
    "lstm": (lstm, TOKENS, LABELS, F.cross_entropy, 0),
    "lstm of lengths": (LstmOfLengths, TOKENS, LABELS, F.cross_entropy, None),
    "unet": (small_unet, IMAGES, MASKS, unet.segmentation_loss, 0),
}


class Trained:
    """A model, and how it learns."""

    def __init__(self, name, device, clip=1.0, **options):
        make, x, target, self.loss, _ = STEPS[name]
        self.device, self.clip = mediml.device(device), clip
        mediml.manual_seed(7)
        self.model = make(**options).to(device)
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-2)
        self.batch = mediml.tensor(x), mediml.tensor(target)

    def step(self):
        """The loss is left where it is."""
        x, target = (part.to(self.device) for part in self.batch)
        loss = self.loss(self.model(x), target)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return loss.detach()

    def arrays(self):
        return [tensor.cpu().numpy() for tensor in self.model.state_dict().values()]


def counts():
    return np.array([TRANSFERS.to_device, TRANSFERS.to_host, memory.usage().allocations, LAUNCHES.value])


@pytest.mark.parametrize("name", STEPS)
def test_a_step_copies_the_batch_there_and_nothing_back(name):
    trained, further = Trained(name, "cuda"), STEPS[name][4]
    for _ in range(2):
        trained.step()
    steps = []
    for _ in range(2):
        before = counts()
        trained.step()
        steps.append((counts() - before).tolist())
    assert steps[0] == steps[1]
    to_device, to_host, allocations, launches = steps[0]
    if further is not None:
        assert to_device == 2 + further
    else:  # places in the packed batch are counted on the host and copied; how many does not depend on the data
        assert to_device <= 16
    assert (to_host, allocations) == (0 if further is not None else to_host, 0)
    assert launches


def test_the_loss_comes_back_where_it_is_asked_for():
    trained = Trained("cnn", "cuda")
    loss = trained.step()
    before = TRANSFERS.to_host
    loss.item()
    assert TRANSFERS.to_host == before + 2  # the loss, and whether a kernel met a class that there is not
    loss.item()
    assert TRANSFERS.to_host == before + 3


@pytest.mark.parametrize("name", STEPS)
def test_steps_give_the_same_bits_again(name):
    states = []
    for _ in range(2):
        trained = Trained(name, "cuda")
        losses = [trained.step().item() for _ in range(3)]
        states.append([np.array(losses), *trained.arrays()])
    assert all(np.array_equal(a, b) for a, b in zip(*states))
    assert len(set(losses)) == 3


@pytest.mark.parametrize("name", STEPS)
def test_steps_agree_with_those_of_the_cpu(name):
    both = []
    for device in ("cpu", "cuda"):
        trained = Trained(name, device, dropout=0.0)
        losses = [trained.step().item() for _ in range(3)]
        both.append([np.array(losses), *trained.arrays()])
    for ours, theirs in zip(*both):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_both_players_of_a_gan_learn_without_copies():
    mediml.manual_seed(0)
    generator, discriminator = gan.Generator(1, 8, 4, 2).cuda(), gan.Discriminator(1, 8, True, 2).cuda()
    optimizers = [optim.Adam(player.parameters()) for player in (discriminator, generator)]
    real, noise = mediml.rand(2, 1, 8, 8, device="cuda"), mediml.randn(2, 4, device="cuda")

    def step():
        fake = generator(noise)
        gan.discriminator_step(discriminator, optimizers[0], real, fake)
        return gan.generator_step(discriminator, optimizers[1], fake)

    step(), step()
    before = counts()
    loss = step()
    assert (counts() - before)[:3].tolist() == [0, 0, 0]
    assert np.isfinite(loss.item())


def test_random_numbers_go_on_where_they_were_saved():
    mediml.manual_seed(5)
    first = mediml.rand(7, device="cuda").tolist()
    state = mediml.get_rng_state()
    drawn = [mediml.rand(3, device="cuda").tolist(), mediml.randn(3, device="cuda").tolist(), mediml.rand(2).tolist()]
    mediml.set_rng_state(state)
    again = [mediml.rand(3, device="cuda").tolist(), mediml.randn(3, device="cuda").tolist(), mediml.rand(2).tolist()]
    assert drawn == again
    assert drawn[0] != first[:3]  # the stream goes on
    assert mediml.rand(3, device="cuda").tolist() != drawn[0]
    mediml.manual_seed(5)
    assert mediml.rand(7, device="cuda").tolist() == first
    mediml.cuda.manual_seed(6)
    assert mediml.rand(7, device="cuda").tolist() != first
    old = {key: value for key, value in state.items() if key != "device"}  # as it was written before there were GPUs
    mediml.set_rng_state(old)
    assert mediml.rand(7, device="cuda").tolist() == first


def test_random_numbers_look_random():
    mediml.manual_seed(1)
    u, n = (draw(4000, device="cuda").cpu().numpy() for draw in (mediml.rand, mediml.randn))
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.02 and abs(u.var() - 1 / 12) < 0.01
    assert abs(n.mean()) < 0.06 and abs(n.std() - 1) < 0.05
    kept = F.dropout(mediml.ones(4000, device="cuda"), 0.25).cpu().numpy()
    assert set(np.unique(kept).tolist()) == {0.0, np.float32(1 / 0.75)} and abs((kept > 0).mean() - 0.75) < 0.03
    whole = mediml.randint(3, 7, (1000,), device="cuda").cpu().numpy()
    assert set(whole.tolist()) == {3, 4, 5, 6}
    weight = nn.init.normal_(mediml.empty(1000, device="cuda"), 2.0, 0.5).cpu().numpy()
    assert abs(weight.mean() - 2) < 0.1 and abs(weight.std() - 0.5) < 0.05
    assert sorted(mediml.randperm(9, device="cuda").tolist()) == list(range(9))
    assert mediml.bernoulli(mediml.full((100,), 0.5, device="cuda")).device.type == "cuda"
    assert mediml.multinomial(mediml.tensor([0.0, 1.0], device="cuda"), 1).tolist() == [1]
    assert F.gumbel_softmax(mediml.zeros(2, 3, device="cuda"), hard=True).sum(1).tolist() == [1, 1]
    slopes = F.rrelu(-mediml.ones(100, device="cuda"), training=True).cpu().numpy()
    assert (slopes <= -1 / 8).all() and (slopes > -1 / 3).all()
