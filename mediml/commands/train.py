"""``mediml train``: train one of the course's models, and write it with all that is known about it."""

import argparse
from types import ModuleType

from mediml.commands._train import cnn, gan, pix2pix, rnn, unet

SUMMARY = "train a model: cnn, gan, pix2pix, unet or rnn; --resume goes on with an interrupted training"

MODELS: dict[str, ModuleType] = {"cnn": cnn, "gan": gan, "pix2pix": pix2pix, "unet": unet, "rnn": rnn}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models = parser.add_subparsers(dest="model", required=True, metavar="MODEL", title="models")
    for name, module in MODELS.items():
        module.add_arguments(models.add_parser(name, help=module.SUMMARY, description=module.SUMMARY))


def run(arguments: argparse.Namespace) -> int:
    status: int = MODELS[arguments.model].run(arguments)
    return status
