"""`mediml bench`: how fast are our kernels beside PyTorch's?"""

import argparse
import itertools
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediml.bench.gpu import GpuRow
    from mediml.bench.runner import Row

SUMMARY = "compare with PyTorch: time of operators and training steps, in turn; quality of a GAN trained alike"

QUICK_SECONDS = {"ops": 0.1, "steps": 0.5}
SECONDS = {"ops": 1.0, "steps": 10.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("ops", "steps", "gan-quality"),
        help="single operators, whole training steps, or the Fréchet distances of a DCGAN and its torch twin",
    )
    parser.add_argument("--only", metavar="GLOB", default="*", help="names, such as 'conv2d forward*' (default: all)")
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where both compute; on cuda PyTorch is timed with TF32 off and on (default: cpu)",
    )
    parser.add_argument("--threads", metavar="N", type=int, help="threads of either (default: the cores at hand)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first impression")
    parser.add_argument("--data", metavar="FILE.npz", type=Path, help="gan-quality: images (generated chests)")
    parser.add_argument("--epochs", metavar="N", type=int, default=8, help="gan-quality: passes over the images (8)")
    parser.add_argument("--seeds", metavar="N", type=int, nargs="+", default=[0, 1, 2], help="gan-quality: (0 1 2)")
    parser.add_argument("--json", metavar="PATH", help="write the rows there as JSON ('-': standard output)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.device == "cuda":
        return _on_gpu(arguments)
    if arguments.what == "gan-quality":
        return _gan_quality(arguments)
    from tqdm import tqdm

    from kernels.parallel import thread_count
    from mediml.bench.runner import bench_ops, bench_steps
    from mediml.verify.peers import PyTorch

    bench = bench_ops if arguments.what == "ops" else bench_steps
    count = thread_count() if arguments.threads is None else arguments.threads
    if count < 1:
        raise ValueError(f"--threads: expected at least 1, got {count}")
    seconds = (QUICK_SECONDS if arguments.quick else SECONDS)[arguments.what]
    rows = bench(arguments.only, count, seconds, lambda chosen: tqdm(chosen, "bench", leave=False, disable=None))
    about = {"compared_with": PyTorch().name, "threads": count, "processor": _processor()}
    if _write({**about, "rows": [asdict(row) for row in rows]}, arguments.json):
        _print(rows, about)
    return 0


def _write(result: dict[str, Any], path: str | None) -> bool:
    """Write JSON where it was asked for; returns whether standard output is free for a table."""
    text = json.dumps(result, indent=1) + "\n"
    if path == "-":
        sys.stdout.write(text)
    elif path:
        Path(path).write_text(text, encoding="utf-8")
    return path != "-"


def _on_gpu(arguments: argparse.Namespace) -> int:
    if arguments.what == "gan-quality":
        raise ValueError("--device cuda: gan-quality compares what is learned, not time, and trains on the CPU")
    if arguments.threads is not None:
        raise ValueError("--threads: threads of the processor; with --device cuda they would have no effect")
    from tqdm import tqdm

    from mediml.bench import gpu
    from mediml.verify.peers import PyTorch

    seconds = (QUICK_SECONDS if arguments.quick else SECONDS)[arguments.what]
    rows = gpu.bench_gpu(
        arguments.what, arguments.only, seconds, lambda chosen: tqdm(chosen, "bench", leave=False, disable=None)
    )
    about = {"compared_with": PyTorch().name, **gpu.about()}
    measured = [{**asdict(row), "ratio": row.ratio, "ratio_tf32": row.ratio_tf32} for row in rows]
    if _write({**about, "rows": measured, "geometric_means": gpu.means(rows)}, arguments.json):
        _print_gpu(rows, gpu.means(rows), about)
    return 0


def _print_gpu(rows: "list[GpuRow]", means: dict[str, dict[str, float]], about: dict[str, Any]) -> None:
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}} {'ours ms':>9} {'PyTorch ms':>10} {'ratio':>6} {'TF32 ms':>9} {'ratio':>6} {'runs':>5}")
    for row in rows:
        print(
            f"{row.name:{width}} {row.ours_ms:9.3f} {row.peer_ms:10.3f} {row.ratio:6.2f} "
            f"{row.peer_tf32_ms:9.3f} {row.ratio_tf32:6.2f} {row.runs:5d}"
        )
    print("\nGeometric mean of the ratios (PyTorch's time over ours; above 1, ours is faster): TF32 off, on")
    for group, mean in means.items():
        print(f"  {group:45} {mean['tf32_off']:6.2f} {mean['tf32_on']:6.2f}  ({mean['rows']})")
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(f"{about['compared_with']} on {about['device']}, {about['date']}; {versions}")


def _gan_quality(arguments: argparse.Namespace) -> int:
    from mediml.bench.quality import compare_gans
    from mediml.data.medmnist import load
    from mediml.data.synthetic import chest_xray_data
    from mediml.training.adversarial import GanSettings

    data = load(arguments.data) if arguments.data else chest_xray_data()
    comparison = compare_gans(data, GanSettings(epochs=arguments.epochs, each_epoch=False), arguments.seeds, print)
    if _write(asdict(comparison), arguments.json):
        print(comparison)
    return 0


def _print(rows: "list[Row]", about: dict[str, Any]) -> None:
    from mediml.bench.runner import geometric_mean

    width = max(len(row.name) for row in rows)
    print(f"{'':{width}} {'ours ms':>9} {'PyTorch ms':>10} {'ratio':>6} {'runs':>5}")
    for row in rows:
        print(f"{row.name:{width}} {row.ours_ms:9.3f} {row.peer_ms:10.3f} {row.ratio:6.2f} {row.runs:5d}")
    print("\nGeometric mean of the ratios (PyTorch's time over ours; above 1, ours is faster)")
    for group, members in itertools.groupby(sorted(rows, key=lambda row: row.group), key=lambda row: row.group):
        ratios = [row.ratio for row in members]
        print(f"  {group:45} {geometric_mean(ratios):6.2f}  ({len(ratios)}: {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"{about['compared_with']}, {about['threads']} threads each, {about['processor']}")


def _processor() -> str:
    """The processor's name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
