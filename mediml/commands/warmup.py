"""`mediml warmup`: compile what the lessons and the report need, so that their first run does not wait for it."""

import argparse
import time

SUMMARY = "compile the kernels that lessons and reports use, ahead of their first run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", choices=("all", "cpu", "reference"), default="all",
        help="fast kernels (cpu), those that a learner reads (reference), or both (default)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    parts = (
        ("convolution, pooling, linear, activation, loss, Adam", _classifier),
        ("recurrent, embedding", _recurrent),
        ("transposed convolution, batch norm: both players", _players),
        ("images and volumes segmented", _segmentation),
    )
    for device in ("cpu", "reference") if arguments.device == "all" else (arguments.device,):
        for what, train in parts:
            start = time.perf_counter()
            train(device)
            print(f"{device}: {what} in {time.perf_counter() - start:.1f} s")
    return 0


def _classifier(device: str) -> None:
    import mediml
    from mediml import nn, optim
    from mediml.models.cnn import CNN

    model = CNN(in_channels=1, num_classes=2, image_size=8).to(device)
    optimizer = optim.Adam(model.parameters())
    images, labels = mediml.randn(2, 1, 8, 8).to(device), mediml.tensor([0, 1]).to(device)
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    mediml.softmax(model(images), dim=1)


def _recurrent(device: str) -> None:
    import mediml
    from mediml import nn
    from mediml.models.rnn import CELLS, RNN

    for cell in CELLS:
        model = RNN(hidden_size=4, cell=cell).to(device)
        tokens, labels = mediml.tensor([[1, 2, 3], [4, 5, 0]]).to(device), mediml.tensor([0, 1]).to(device)
        for lengths in (None, [3, 2]):
            nn.functional.cross_entropy(model(tokens, lengths), labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)


def _players(device: str) -> None:
    import mediml
    from mediml import optim
    from mediml.models import gan

    generator = gan.Generator(1, 32, 4, 2).to(device)
    noise, real = mediml.randn(2, 4).to(device), mediml.rand(2, 1, 32, 32).to(device)
    for spectral in (False, True):
        discriminator, fake = gan.Discriminator(1, 32, spectral, 2).to(device), generator(noise)
        gan.discriminator_step(discriminator, optim.Adam(discriminator.parameters()), real, fake)
        gan.generator_step(discriminator, optim.Adam(generator.parameters()), fake)
    gan.fake_images(generator, noise)


def _segmentation(device: str) -> None:
    import mediml
    from mediml.models.unet import UNet, segmentation_loss

    for size in ((8, 8), (4, 8, 4)):
        model = UNet(1, 2, (2, 3), rank=len(size)).to(device)
        target = mediml.zeros(2, *size, dtype=mediml.int64).to(device)
        segmentation_loss(model(mediml.randn(2, 1, *size).to(device)), target).backward()
        model.eval()(mediml.randn(1, 1, *size).to(device))
