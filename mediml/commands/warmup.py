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
    import mediml
    from mediml import nn, optim
    from mediml.models.cnn import CNN

    for device in ("cpu", "reference") if arguments.device == "all" else (arguments.device,):
        start = time.perf_counter()
        model = CNN(in_channels=1, num_classes=2, image_size=8).to(device)
        optimizer = optim.Adam(model.parameters())
        images, labels = mediml.randn(2, 1, 8, 8).to(device), mediml.tensor([0, 1]).to(device)
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        mediml.softmax(model(images), dim=1)
        print(f"{device}: convolution, pooling, linear, activation, loss, Adam in {time.perf_counter() - start:.1f} s")
    return 0
