"""``mediml data``: the catalogue, downloads, what lies on the disk, and generated sets."""

import argparse
import sys
from pathlib import Path

SUMMARY = "list, describe, fetch, verify or make data sets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the data sets, with size, licence and how to get them")
    listing.add_argument("--modality", metavar="M", help="only of one modality, such as CT, MR, CR or US")
    listing.add_argument("--packaged", action="store_true", help="only what installed packages bring with them")
    info = actions.add_parser("info", help="all that is known about a data set, or what is in a file of MedMNIST's")
    info.add_argument("what", metavar="NAME|FILE.npz")
    _add_fetch(actions.add_parser("fetch", help="show licence and size of a data set, download it after a yes"))
    verify = actions.add_parser("verify", help="compare what is on the disk with the catalogue's hashes")
    verify.add_argument("names", nargs="*", metavar="NAME", help="data sets (all that are there)")
    verify.add_argument("--out", type=Path, metavar="DIR", help="folder of the downloads ($MEDIML_DATA_DIR, or data)")
    make = actions.add_parser("make", help="write a generated data set; an interrupted one is gone on with")
    make.add_argument("name", metavar="NAME", help="see mediml data list")
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="an empty folder, or a part of this set")
    make.add_argument("--count", type=int, metavar="N", help="number of images or cases (the set's own)")
    make.add_argument("--seed", type=int, default=0, metavar="S", help="other seeds, other images (0)")


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--size", type=int, metavar="N", help="height in pixels of a set that comes in several sizes")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the data ($MEDIML_DATA_DIR, or data)")
    parser.add_argument("--yes", action="store_true", help="agree to the licence without being asked")
    parser.add_argument("--offline", action="store_true", help="download nothing; MEDIML_OFFLINE=1 does the same")
    parser.add_argument("--keep-archive", action="store_true", help="keep an archive after it was unpacked")


def run(arguments: argparse.Namespace) -> int:
    actions = {"list": _list, "info": _info, "fetch": _fetch, "verify": _verify, "make": _make}
    return actions[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from mediml.commands._data.texts import table

    print(table(arguments.modality, arguments.packaged))
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from mediml.commands._data.texts import described, described_file

    is_file = arguments.what.endswith(".npz") or Path(arguments.what).is_file()
    print(described_file(Path(arguments.what)) if is_file else described(arguments.what))
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from mediml.commands._data.texts import planned
    from mediml.data.catalog import catalog
    from mediml.data.fetch import fetch, is_offline, plan
    from mediml.data.make import RECIPES

    name = arguments.name
    if name in RECIPES and name not in catalog():
        raise ValueError(f"fetch: {name} is generated, not downloaded; run: mediml data make {name} --out DIR")
    what = plan(arguments.name, arguments.out, arguments.size)
    if what.missing and not (arguments.offline or is_offline()):
        print(f"{planned(what)}\n", file=sys.stderr)
        if not (arguments.yes or _agreed()):
            print("nothing was downloaded", file=sys.stderr)
            return 1
    place = fetch(
        arguments.name,
        arguments.out,
        arguments.size,
        lambda line: print(line, file=sys.stderr),
        bar=True,
        keep_archive=arguments.keep_archive,
        offline=arguments.offline,
    )
    print(f"ready: {place}")
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ValueError("fetch: nobody is there to agree to the licence; run again with --yes to agree beforehand")
    print("Download it under these terms? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _verify(arguments: argparse.Namespace) -> int:
    from mediml.data.inventory import RIGHT, WRONG, check

    states = []
    for found in check(arguments.names, arguments.out):
        states.append(found.state)
        print(f"{found.state:8s} {found.name}: {found.place}{f' ({found.detail})' * bool(found.detail)}")
    print(f"{states.count(RIGHT)} of {len(states)} right, {states.count(WRONG)} wrong")
    return 1 if WRONG in states or (arguments.names and states.count(RIGHT) < len(states)) else 0


def _make(arguments: argparse.Namespace) -> int:
    from mediml.commands._progress import progress_line
    from mediml.data.make import make

    with progress_line(arguments.name, "case") as progress:
        folder = make(arguments.name, arguments.out, arguments.count, arguments.seed, progress)
    print(f"written: {folder}")
    return 0
