"""`mediml view`: an image, a series or a cine loop as one HTML file."""

import argparse

SUMMARY = "write a viewer for an image or a series as one HTML file"

#: As of `mediml diagnose`: a real film that comes with a dependency.
DEFAULT_INPUT = "chest_xray"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        metavar="FILE|SERIES",
        nargs="?",
        help="a DICOM, NIfTI, PNG or JPEG file, or a folder with the slices of a series "
        "(default: the chest film that comes with pydicom-data)",
    )
    parser.add_argument("--out", metavar="FILE.html", default="view.html", help="the page (default: %(default)s)")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="language it begins with (default: en)")
    parser.add_argument("--mask", metavar="FILE.nii.gz", help="labels on the same voxels, drawn over the picture")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th slice or frame")
    parser.add_argument("--max-mb", type=float, metavar="MB", help="largest size of the page (default: 64)")
    parser.add_argument("--uncompressed", action="store_true", help="for browsers from before 2023")
    parser.add_argument("--hu", action="store_true", help="the values of a NIfTI file are Hounsfield units of a CT")
    parser.add_argument(
        "--allow-burned-in",
        action="store_true",
        help="write the page also if the file says that its pixels hold text, which often names the patient",
    )
    series = parser.add_argument_group("series that are not regular")
    series.add_argument("--series", type=int, metavar="N", help="which one, where a folder holds several")
    series.add_argument("--gaps", choices=("refuse", "fill"), default="refuse", help="missing planes")
    series.add_argument(
        "--duplicates", choices=("refuse", "equal", "first"), default="refuse", help="slices at one position"
    )
    series.add_argument("--tilt", choices=("refuse", "resample"), default="refuse", help="a tilted gantry")


def run(arguments: argparse.Namespace) -> int:
    from mediml.data.catalog import packaged_file
    from mediml.viewer.labels import on_grid
    from mediml.viewer.open import open_mask, open_picture
    from mediml.viewer.write import MAX_MB, check_target, write_viewer

    target = check_target(arguments.out)
    source = arguments.input if arguments.input is not None else packaged_file(DEFAULT_INPUT)
    choices = {name: getattr(arguments, name) for name in ("series", "gaps", "duplicates", "tilt")}
    opened = open_picture(source, hounsfield=arguments.hu, **choices)
    _check_burned_in(opened.picture, arguments.allow_burned_in)
    mask = None if arguments.mask is None else on_grid(open_mask(arguments.mask), opened.picture)
    size = write_viewer(
        target,
        opened.picture,
        mask,
        arguments.language,
        header=opened.header,
        frame_rate=opened.frame_rate,
        every=arguments.every,
        max_mb=MAX_MB if arguments.max_mb is None else arguments.max_mb,
        compress=not arguments.uncompressed,
    )
    if opened.remark:
        print(f"Shown as a loop of frames: {opened.remark.partition(':')[0]}.")
    print(f"Viewer: {target} ({size / 1e6:.1f} MB)")
    print(f"Next:   open it in a browser ({target.as_uri()}). It needs no network and no other file.")
    print("        Writing in the pixels, and faces, are not removed: look at it before you pass it on.")
    print("Education, not for clinical use.")
    return 0


def _check_burned_in(picture: object, allowed: bool) -> None:
    from mediml.imaging import ImageError

    first = picture[0] if isinstance(picture, list) else picture
    if getattr(first, "facts", {}).get("burned_in") == "YES" and not allowed:
        raise ImageError(
            "Burned In Annotation (0028,0301) is YES: writing in the pixels often names the patient, and the page "
            "would show it; pass --allow-burned-in if that is what you want"
        )
