"""``mediml train``: train the article's CNN, choose the epoch on validation, and write the model with its card."""

import argparse
from pathlib import Path
from typing import Any

SUMMARY = "train a CNN on a data set in MedMNIST's format"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", choices=["cnn"], help="cnn: conv 32 - pool - conv 64 - pool - 128 - classes")
    parser.add_argument("--data", type=Path, metavar="FILE.npz", help="without it: the generated chest-X-ray-like set")
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder for the run (runs/NAME-seed-SEED)")
    parser.add_argument("--epochs", type=int, help="passes over the training images (10)")
    parser.add_argument("--batch-size", type=int, help="images per step (64)")
    parser.add_argument("--lr", type=float, help="step size of Adam (0.001)")
    parser.add_argument("--weight-decay", type=float, help="above 0: AdamW with this decay (0)")
    parser.add_argument("--dropout", type=float, help="probability in front of the last layer (0)")
    parser.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, help="turn, scale, shift, re-expose every image at random"
    )
    parser.add_argument("--seed", type=int, help="of weights, order, augmentation and dropout (0)")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted training in RUN")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no line per epoch")


def run(arguments: argparse.Namespace) -> int:
    from mediml.data.images import ImageData
    from mediml.data.medmnist import load
    from mediml.data.synthetic import chest_xray_data
    from mediml.training import Interrupted, Settings, resume, train

    names = ("epochs", "batch_size", "lr", "weight_decay", "dropout", "augment", "seed")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    settings = Settings(**given)
    data: ImageData = load(arguments.data) if arguments.data else chest_xray_data()
    out = arguments.out or Path("runs") / f"{data.name.split(',')[0].replace(' ', '-')}-seed-{settings.seed}"
    for pair, count in data.shared.items():
        print(f"warning: {count} images of {pair.split('/')[1]} stand in {pair.split('/')[0]}, too")
    try:
        if arguments.resume:
            _refuse_other_settings(out, given)
            result = resume(data, out, not arguments.quiet, given.get("epochs"))
        else:
            result = train(data, settings, out, not arguments.quiet)
    except Interrupted as stop:
        print(f"\n{stop}:\n  {_command(arguments, out)}")
        return 130
    _write_model(result, data, out)
    return 0


def _refuse_other_settings(out: Path, given: dict[str, Any]) -> None:
    """A resumed training keeps its settings; only the number of epochs may grow."""
    from mediml.training import checkpoint

    kept = checkpoint.load(out)["settings"]
    for name, value in given.items():
        if name != "epochs" and kept[name] != value:
            raise ValueError(
                f"--{name.replace('_', '-')}: the training in {out} runs with {kept[name]}, got {value}; "
                f"leave the option out, or train anew in another folder"
            )


def _command(arguments: argparse.Namespace, out: Path) -> str:
    data = f" --data {arguments.data}" if arguments.data else ""
    return f"mediml train {arguments.model}{data} --out {out} --resume"


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
