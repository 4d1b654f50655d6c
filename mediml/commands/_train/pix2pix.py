"""``mediml train pix2pix``: train a network that removes noise, and measure what it invents."""

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

SUMMARY = "remove noise: image translation by a conditional GAN, with a measured account of what it invents"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photons", type=float, default=50.0, help="per pixel before the body: the dose (50)")
    parser.add_argument("--pairs", type=int, default=2000, help="training pairs, generated (2000)")
    parser.add_argument("--data-seed", type=int, default=0, help="of the generated images and their noise (0)")
    parser.add_argument(
        "--train-prevalence",
        type=float,
        default=0.5,
        help="share of training images with an opacity (0.5); 0: what becomes of a finding that was never seen?",
    )
    add_common_arguments(
        parser,
        epochs="passes over the training pairs (12)",
        batch="pairs per step (16)",
        lr="step size of both players' Adam (0.001)",
        seed="of weights and order (0)",
    )
    parser.add_argument("--l1-weight", type=float, help="of the mean absolute difference beside the judge's loss (100)")
    parser.add_argument(
        "--adversarial", action=argparse.BooleanOptionalAction, help="--no-adversarial: by the difference alone"
    )
    parser.add_argument("--width", type=int, help="channels of the U-Net at full resolution (16)")


def run(arguments: argparse.Namespace) -> int:
    from mediml.training import translation, translation_report

    given = given_settings(arguments, translation.TranslationSettings)
    settings = translation.TranslationSettings(**given)
    made_with = {
        "train": arguments.pairs,
        "photons": arguments.photons,
        "seed": arguments.data_seed,
        "train_prevalence": arguments.train_prevalence,
    }
    data = load_data(made_with)
    out = arguments.out or Path("runs") / f"pix2pix-{arguments.photons:g}-photons-seed-{settings.seed}"
    shown = not arguments.quiet
    options = (
        f" --pairs {arguments.pairs} --photons {arguments.photons:g} --data-seed {arguments.data_seed}"
        f" --train-prevalence {arguments.train_prevalence:g}"
    )
    result = train_or_resume(
        arguments,
        out,
        given,
        lambda: translation.train(data, settings, out, shown),
        lambda: translation.resume(data, out, shown, given.get("epochs"), given.get("minutes")),
        options,
    )
    if result is None:
        return 130
    figures = translation_report.measure(result.translator, data, "test")
    finish(
        out,
        "pix2pix",
        result,
        {"name": data.name, "sha256": translation.content_sha256(data), "made_with": made_with},
        figures,
        {"translator": result.translator, "discriminator": result.discriminator},
        warnings=translation_report.warnings_of(figures["values"]),
        pictures={"invented.png": translation_report.picture(result.translator, data)},
    )
    return 0


def evaluate(saved: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run on a split."""
    from mediml.training import translation, translation_report

    if arguments.data:
        raise ValueError("--data: the pairs of this run are generated as its summary says; leave the option out")
    data = load_data(saved.summary["data"]["made_with"])
    translator, discriminator = translation.build(saved.summary["architecture"])
    saved.fill(translator=translator, discriminator=discriminator)
    figures = translation_report.measure(translator, data, arguments.split)
    return evaluation(saved, translation.content_sha256(data), figures)


def load_data(made_with: dict[str, Any]) -> Any:
    """The generated pairs."""
    from mediml.data.noise import low_dose_data

    return low_dose_data(**made_with)
