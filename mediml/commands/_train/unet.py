"""``mediml train unet``: segment volumes, slice by slice or whole."""

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

SUMMARY = "segment volumes: a U-Net on slices or on whole volumes, with the Dice of every held-out volume"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="with images/*.nii.gz and labels/*.nii.gz: of 100 volumes the last 20 by name are held out "
        "(without it: generated volumes)",
    )
    add_common_arguments(
        parser,
        epochs="passes over the training volumes (12)",
        batch="slices per step, or volumes with --rank 3 (16, 2)",
        lr="first step size of Adam; it falls to 0 along half a cosine (0.003; --rank 3: 0.01)",
        seed="of weights, order and augmentation (0)",
    )
    parser.add_argument("--rank", type=int, choices=[2, 3], help="2: slice by slice; 3: whole volumes (2)")
    parser.add_argument("--context", type=int, help="slices on either side shown with each slice (1)")
    parser.add_argument("--axis", type=int, choices=[0, 1, 2], help="of the volume, along which slices are taken (2)")
    parser.add_argument("--widths", type=int, nargs="+", help="channels at each resolution (8 16 32)")
    parser.add_argument("--norm", choices=["batch", "instance", "group", "none"], help="normalisation (batch)")
    parser.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, help="shift and re-expose every image at random (on)"
    )


def run(arguments: argparse.Namespace) -> int:
    from mediml.training import segmentation
    from mediml.training.volumes import load, measure, segment

    given = given_settings(arguments, segmentation.SegmentationSettings)
    if "widths" in given:
        given["widths"] = tuple(given["widths"])
    defaults = {"batch_size": 2, "lr": 1e-2} if given.get("rank") == 3 else {}
    settings = segmentation.SegmentationSettings(**{**defaults, **given})
    data = load(arguments.data)
    out = (
        arguments.out
        or Path("runs") / f"unet-{settings.rank}d-{data.name.split(',')[0].replace(' ', '-')}-seed-{settings.seed}"
    )
    shown = not arguments.quiet
    result = train_or_resume(
        arguments,
        out,
        given,
        lambda: segmentation.train(data, settings, out, shown),
        lambda: segmentation.resume(data, out, shown, given.get("epochs"), given.get("minutes")),
    )
    if result is None:
        return 130
    masks = segment(result.model, result.architecture, data.test)
    figures = measure(masks, data.test, data.structures, "test", data.name)
    described = {"name": data.name, "sha256": data.sha256(), "structures": list(data.structures)}
    described.update({split: [v.name for v in getattr(data, split)] for split in ("train", "val", "test")})
    finish(out, "unet", result, described, figures, {"model": result.model})
    return 0


def evaluate(saved: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run on a split."""
    from mediml.training import segmentation
    from mediml.training.volumes import load, measure, segment

    data = load(arguments.data)
    if not arguments.data and data.sha256() != saved.summary["data"]["sha256"]:
        name = saved.summary["data"]["name"]
        raise ValueError(f"the model was trained on {name!r}; give that folder with --data FOLDER")
    model, architecture = segmentation.build(saved.summary["architecture"]), saved.summary["architecture"]
    saved.fill(model=model)
    volumes = getattr(data, arguments.split)
    masks = segment(model, architecture, volumes)
    return evaluation(saved, data.sha256(), measure(masks, volumes, data.structures, arguments.split, data.name))
