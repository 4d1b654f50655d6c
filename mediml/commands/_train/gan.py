"""``mediml train gan``: train the article's DCGAN, and measure what it makes."""

import argparse
from pathlib import Path
from typing import Any

from mediml.commands._train.common import (
    add_common_arguments,
    evaluation,
    finish,
    given_settings,
    train_or_resume,
)

SUMMARY = "generate images: the article's DCGAN, with Fréchet distance, memorisation check and mode coverage"

TWO_MODES = "two-modes"
#: For the stripes of 16 pixels the article's network is too large: its discriminator soon wins, and the generator jumps
#: from mode to mode.
SMALL = {"width": 16, "latent": 8, "batch_size": 32, "lr": 5e-4, "epochs": 24}
OBJECTIVES = ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="FILE.npz",
        help=f"images of 28 or 56 pixels (without it: the generated chest-X-ray-like set), or '{TWO_MODES}': generated "
        "stripes of two kinds, to see whether both are learnt",
    )
    add_common_arguments(
        parser,
        epochs=f"passes over the training images (20; {TWO_MODES}: 24)",
        batch=f"images per step (64; {TWO_MODES}: 32)",
        lr=f"step size of both players' Adam (0.0002; {TWO_MODES}: 0.0005)",
        seed="of weights, order and noise (0)",
    )
    parser.add_argument("--objective", choices=OBJECTIVES, help="what the players play for (non-saturating)")
    parser.add_argument(
        "--spectral",
        action=argparse.BooleanOptionalAction,
        help="spectral instead of batch normalisation in the discriminator (only for wasserstein, which needs it)",
    )
    parser.add_argument("--latent", type=int, help="numbers of noise that an image is made of (100; two-modes: 8)")
    parser.add_argument("--width", type=int, help="channels at half the image's resolution (64; two-modes: 16)")
    parser.add_argument("--measured", type=int, help="images to generate for an epoch's Fréchet distance (1000)")
    parser.add_argument(
        "--each-epoch",
        action=argparse.BooleanOptionalAction,
        help="Fréchet distance to validation after every epoch, not only after the last (on)",
    )


def run(arguments: argparse.Namespace) -> int:
    from mediml.training import adversarial, gan_report

    given = given_settings(arguments, adversarial.GanSettings)
    defaults = SMALL if arguments.data == TWO_MODES else {}
    settings, data = adversarial.GanSettings(**{**defaults, **given}), load_data(arguments.data)
    out = arguments.out or Path("runs") / f"gan-{data.name.split(',')[0].replace(' ', '-')}-seed-{settings.seed}"
    shown = not arguments.quiet
    result = train_or_resume(
        arguments,
        out,
        given,
        lambda: adversarial.train(data, settings, out, shown),
        lambda: adversarial.resume(data, out, shown, given.get("epochs"), given.get("minutes")),
    )
    if result is None:
        return 130
    figures = gan_report.measure(result.generator, result.settings, data, "test")
    finish(
        out,
        "gan",
        result,
        {"name": data.name, "sha256": data.content_sha256()},
        figures,
        {"generator": result.generator, "discriminator": result.discriminator},
        warnings=gan_report.warnings_of(figures["values"]),
        pictures={"neighbours.png": gan_report.picture(result.generator, result.settings, data)},
        also="samples.png, samples.gif",
    )
    return 0


def evaluate(saved: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run on a split."""
    from mediml.training import adversarial, gan_report

    settings = adversarial.GanSettings(**saved.summary["settings"])
    data = load_data(arguments.data or (TWO_MODES if saved.summary["data"]["name"].startswith("two modes") else None))
    generator, discriminator = adversarial.build(saved.summary["architecture"])
    saved.fill(generator=generator, discriminator=discriminator)
    return evaluation(saved, data.content_sha256(), gan_report.measure(generator, settings, data, arguments.split))


def load_data(data: str | None) -> Any:
    """The images of a file, the generated chests, or the two modes."""
    from mediml.data.medmnist import load
    from mediml.data.synthetic import chest_xray_data
    from mediml.training.quality import two_mode_data

    if data == TWO_MODES:
        return two_mode_data()
    return load(Path(data)) if data else chest_xray_data()
