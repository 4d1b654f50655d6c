"""``mediml train cnn``: train the article's CNN, choose the epoch on validation, and write the model with its card."""

import argparse
from pathlib import Path
from typing import Any

from mediml.commands._train.common import add_common_arguments, given_settings, train_or_resume

SUMMARY = "classify the images of a data set in MedMNIST's format: conv 32 - pool - conv 64 - pool - 128 - classes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="FILE.npz", help="without it: the generated chest-X-ray-like set")
    add_common_arguments(
        parser,
        epochs="passes over the training images (10)",
        batch="images per step (64)",
        lr="step size of Adam (0.001)",
        seed="of weights, order, augmentation and dropout (0)",
        minutes=False,
    )
    parser.add_argument("--weight-decay", type=float, help="above 0: AdamW with this decay (0)")
    parser.add_argument("--dropout", type=float, help="probability in front of the last layer (0)")
    parser.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, help="turn, scale, shift, re-expose every image at random"
    )


def run(arguments: argparse.Namespace) -> int:
    from mediml.data.images import ImageData
    from mediml.data.medmnist import load
    from mediml.data.synthetic import chest_xray_data
    from mediml.training import Settings, resume, train

    given = given_settings(arguments, Settings)
    settings = Settings(**given)
    data: ImageData = load(arguments.data) if arguments.data else chest_xray_data()
    out = arguments.out or Path("runs") / f"{data.name.split(',')[0].replace(' ', '-')}-seed-{settings.seed}"
    for pair, count in data.shared.items():
        print(f"warning: {count} images of {pair.split('/')[1]} stand in {pair.split('/')[0]}, too")
    shown = not arguments.quiet
    result = train_or_resume(
        arguments,
        out,
        given,
        lambda: train(data, settings, out, shown),
        lambda: resume(data, out, shown, given.get("epochs")),
    )
    if result is None:
        return 130
    _write_model(result, data, out)
    return 0


def _write_model(result: Any, data: Any, out: Path) -> None:
    from mediml.data.catalog import catalog
    from mediml.models.pretrained import load, save
    from mediml.training.card import card_text, make_card
    from mediml.utils.files import write_atomically

    card = make_card(result, data, catalog().get(data.name), _familiarity(data))
    save(out / "model", result.model, card)
    write_atomically(out / "MODEL_CARD.md", card_text(data.name, load(out).card))
    test = card["metrics"]["test"]
    print(
        f"best epoch {result.best_epoch} of {len(result.history)} by AUC on validation\n"
        f"test: AUC {test['auc']['value']:.4f}, accuracy {test['accuracy']['value']:.4f} "
        f"(most probable class: {test['accuracy_argmax']['value']:.4f})\n"
        f"written: {out}/model.safetensors, model.json (card), MODEL_CARD.md, history.csv, curves.png\n"
        f"next: mediml evaluate {out}"
    )


def _familiarity(data: Any) -> dict[str, Any] | None:
    """What tells unfamiliar images; None for images that it is not made for."""
    from mediml.diagnosis import familiarity

    if data.channels != 1 or any(side % 14 for side in data.image_size):
        return None
    return familiarity.fit(data.train.images / 255, data.val.images / 255)
