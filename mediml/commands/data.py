"""``mediml data``: the catalogue, checks of a data file, the synthetic set as a file, downloads."""

import argparse
from pathlib import Path

SUMMARY = "list, check, fetch or generate data sets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="the data sets of the catalogue, with licence and purpose")
    check = actions.add_parser("check", help="read a data file in MedMNIST's format and say what is in it")
    check.add_argument("file", type=Path, metavar="FILE.npz")
    fetch = actions.add_parser("fetch", help="download a data set of the catalogue and check its hash")
    fetch.add_argument("name")
    fetch.add_argument("--out", type=Path, default=Path("data"), metavar="DIR", help="folder for the file (data)")
    synthetic = actions.add_parser("synthetic", help="write a generated chest-X-ray-like set in MedMNIST's format")
    synthetic.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    synthetic.add_argument("--train", type=int, default=1200, help="training images (1200)")
    synthetic.add_argument("--val", type=int, default=300, help="validation images (300)")
    synthetic.add_argument("--test", type=int, default=600, help="test images (600)")
    synthetic.add_argument("--size", type=int, default=28, help="height and width in pixels (28)")
    synthetic.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "check": _check, "fetch": _fetch, "synthetic": _synthetic}[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from mediml.data.catalog import catalog

    for name, entry in catalog().items():
        origin = f"comes with {entry['package']}" if "package" in entry else f"mediml data fetch {name}"
        print(f"{name}\n    {entry['title']}\n    for: {entry['task']}\n    {entry['licence']}; {origin}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    import numpy as np

    from mediml.data.images import SPLITS
    from mediml.data.medmnist import load

    data = load(arguments.file)
    height, width = data.image_size
    print(f"{data.name}: {height} × {width} pixels, {data.channels} channel{'s' * (data.channels > 1)}")
    for split in SPLITS:
        part = getattr(data, split)
        counts = np.bincount(part.labels, minlength=len(data.classes))
        described = ", ".join(f"{name} {count}" for name, count in zip(data.classes, counts))
        print(f"  {split:5s} {len(part):6d} images: {described}")
    for pair, count in data.shared.items():
        print(f"  warning: {count} images of {pair.split('/')[1]} stand in {pair.split('/')[0]}, too")
    print(f"  sha256 {data.sha256}\n  content {data.content_sha256()}")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from mediml.data.fetch import fetch

    print(f"ready: {fetch(arguments.name, arguments.out, print)}")
    return 0


def _synthetic(arguments: argparse.Namespace) -> int:
    from mediml.data.medmnist import save
    from mediml.data.synthetic import chest_xray_data

    if not arguments.out.parent.is_dir():
        raise ValueError(f"--out: the folder {arguments.out.parent} does not exist; make it first")
    save(arguments.out, chest_xray_data(arguments.train, arguments.val, arguments.test, arguments.size, arguments.seed))
    print(f"written: {arguments.out}; train with: mediml train cnn --data {arguments.out}")
    return 0
