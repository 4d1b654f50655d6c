"""`mediml verify`: do our operators agree with PyTorch's?"""

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediml.verify.runner import Comparison, Row

SUMMARY = "compare every operator with PyTorch, forward and backward (exit status 1 if one does not agree)"

FAILURES_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--op", metavar="GLOB", default="*", help="operators, such as 'conv*' (default: all)")
    parser.add_argument(
        "--device", metavar="LIST", help="back ends, such as cpu,cuda,reference (default: those that work here)"
    )
    parser.add_argument("--dtype", metavar="LIST", help="float32, float64 or both (default: both)")
    parser.add_argument(
        "--with", dest="peer", choices=("auto", "torch", "golden"), default="auto",
        help="PyTorch itself, its answers on file, or the first of the two that is here (default)",
    )  # fmt: skip
    parser.add_argument(
        "--ptx", action="store_true",
        help="compile the CUDA kernels of all these calls for several GPUs instead; needs numba-cuda, but no GPU",
    )  # fmt: skip
    parser.add_argument("--json", metavar="PATH", help="write the rows there as JSON ('-': standard output)")


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mediml.verify.peers import choose
    from mediml.verify.runner import cases_of, compare, compile_for_cuda
    from mediml.verify.tolerances import TOLERANCES

    dtypes = arguments.dtype.split(",") if arguments.dtype else tuple(TOLERANCES)
    if arguments.ptx:
        cases = cases_of(arguments.op)
        return _print_compiled(
            compile_for_cuda(cases, dtypes, lambda some: tqdm(some, "compile", unit="case", leave=False, disable=None))
        )
    comparison = compare(
        op=arguments.op,
        devices=arguments.device.split(",") if arguments.device else None,
        dtypes=dtypes,
        peer=choose(arguments.peer),
        progress=lambda cases: tqdm(cases, "verify", unit="case", leave=False, disable=None),
    )
    text = json.dumps(comparison.as_json(), indent=1, allow_nan=False) + "\n"
    if arguments.json == "-":
        sys.stdout.write(text)
    else:
        if arguments.json:
            Path(arguments.json).write_text(text, encoding="utf-8")
        _print(comparison)
    return 1 if comparison.failed else 0


def _print_compiled(compiled: Any) -> int:
    for name, signatures in sorted(compiled.kernels.items()):
        print(f"{name:60} {signatures:4d} signatures")
    for failure in compiled.failures[:FAILURES_SHOWN]:
        print(f"FAILED {failure}")
    targets = ", ".join(f"sm_{major}{minor}" for major, minor in compiled.targets)
    print(
        f"{len(compiled.kernels)} CUDA kernels, {compiled.signatures} signatures, each for {len(compiled.targets)} "
        f"kinds of GPU ({targets}); {len(compiled.failures)} failed"
    )
    return 1 if compiled.failures else 0


def _print(comparison: "Comparison") -> None:
    heading = f"{'operator':32} {'back end':10} {'dtype':8} {'direction':9} {'cases':>6} {'failed':>6}"
    print(f"{heading} {'max error':>10} {'tolerance':>10}")
    for op, rows in itertools.groupby(comparison.rows, key=lambda row: row.op):
        for row in rows:
            print(
                f"{op:32} {row.backend:10} {row.dtype:8} {row.direction:9} {row.cases:6d} {row.failed:6d} "
                f"{row.max_error:10.2e} {row.tolerance:10.1e}"
            )
    for row in comparison.rows:
        _print_failures(row)
    print(f"{comparison.cases} cases, {comparison.failed} failed; compared with {comparison.compared_with}")


def _print_failures(row: "Row") -> None:
    for failure in row.failures[:FAILURES_SHOWN]:
        print(f"FAILED {row.backend} {row.dtype} {row.direction}: {failure.case}: {failure.reason}")
    if len(row.failures) > FAILURES_SHOWN:
        print(
            f"FAILED {row.backend} {row.dtype} {row.direction}: {row.op}: and {len(row.failures) - FAILURES_SHOWN} more"
        )
