"""The kernel doctor: runs a CUDA kernel without a GPU, watches every access to memory, and says what is wrong.

    from mediml.exercises import doctor

    report = doctor.examine(add, 2, 16, a, b, y, outputs=["y"])     # in place of add[2, 16](a, b, y)
    print(report)                  # in words; report.text("zh") in Chinese
    report.show()                  # as a picture, in a notebook

It finds what a GPU keeps silent about: reads and writes out of bounds, negative indexes that wrap, memory read before
anybody wrote it, two threads on one element with nothing between them, barriers that only some threads reach, outputs
never written. A race is found even if it did no harm this time: what counts is that no barrier orders the two accesses.
It also counts, so that an exercise can ask for few reads: ``report.require(reads={"x": 100})``.

Take small arrays and blocks: each thread is run by Python. What the doctor does not know is said in the report:
warp shuffles and votes, dynamic shared memory, cooperative groups, textures. It does not compile: types that Numba
refuses are no concern of it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.exercises._doctor.analysis import Record, analyse
from mediml.exercises._doctor.arrays import Array, Origin, adopt, poison
from mediml.exercises._doctor.findings import KINDS, Finding, Who
from mediml.exercises._doctor.numba_inside import function_under
from mediml.exercises._doctor.recording import Recorder
from mediml.exercises._doctor.report import LANGUAGES, Report
from mediml.exercises._doctor.running import NeedsThreads, Run
from mediml.exercises._doctor.translation import Translation

__all__ = ["KINDS", "LANGUAGES", "Finding", "Report", "Who", "examine"]

_MOST_THREADS, _MOST_IN_ALL = 1024, 65536


def examine(
    kernel: Any,
    blocks: int | tuple[int, ...],
    threads: int | tuple[int, ...],
    *arguments: Any,
    outputs: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    limit: int = 100_000,
) -> Report:
    """Run a kernel with every access recorded.

    Parameters
    ----------
    kernel : function
        Decorated with ``@cuda.jit``, by ``kernels.gpu.launch.kernel``, or a plain Python function.
    blocks, threads : int or tuple of up to three int
        As in ``kernel[blocks, threads]``.
    *arguments
        NumPy arrays, numbers and tuples of them. Arrays are copied: the kernel does not touch the originals.
    outputs : sequence of str, optional
        Arrays that the kernel must write completely and may not read before. By default the doctor takes those for
        outputs that the kernel writes and never reads; ``outputs=[]`` where elements are left alone on purpose.
    names : sequence of str, optional
        What to call the arguments; by default as the kernel does.
    limit : int
        Lines that one thread may run; more count as a loop without end.

    Returns
    -------
    Report

    Raises
    ------
    TypeError, ValueError
        If this is no kernel, or the arguments do not fit it. What happens in the kernel is never raised: it is in the
        report.
    """
    function = function_under(kernel)
    if function is None:
        raise TypeError(f"kernel: expected a function under @cuda.jit, got {type(kernel).__name__}")
    grid, block = _sizes("blocks", blocks), _sizes("threads", threads)
    if math.prod(block) > _MOST_THREADS:
        raise ValueError(f"threads: a block holds at most {_MOST_THREADS}, got {math.prod(block)}")
    if math.prod(grid) * math.prod(block) > _MOST_IN_ALL:
        raise ValueError(
            f"blocks, threads: the doctor runs at most {_MOST_IN_ALL} threads, got "
            f"{math.prod(grid) * math.prod(block)}; take a smaller example"
        )
    called = _names(function, arguments, names)
    form = tuple(len(size) if isinstance(size, tuple) else 0 for size in (blocks, threads))
    plan = _Plan(function, grid, block, called, arguments, outputs, limit)
    try:
        record, arrays = plan.run((form[0], form[1]))
    except NeedsThreads:
        plan.barriers = True
        record, arrays = plan.run((form[0], form[1]))
    return Report(record, analyse(record, plan.outputs(record)), arrays)


class _Plan:
    """All that a run needs, so that it can be begun anew."""

    def __init__(
        self,
        function: Any,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        names: list[str],
        arguments: tuple[Any, ...],
        outputs: Sequence[str] | None,
        limit: int,
    ):
        self.function, self.grid, self.block, self.limit = function, grid, block, limit
        self.given = dict(zip(names, arguments))
        self.declared, self.barriers = outputs, False
        flat = dict(part for name, value in self.given.items() for part in _arrays(name, value))
        for name in outputs or ():
            if name not in flat:
                raise ValueError(f"outputs: {name!r} is none of the arrays {', '.join(flat) or '(there is none)'}")
        self.flat = flat

    def run(self, form: tuple[int, int]) -> tuple[Record, dict[str, NDArray[Any]]]:
        """The record of the run, and the arrays as it left them."""
        translation = Translation()
        recorder = Recorder(translation.codes, translation.tight, self.limit)
        run = Run(recorder, self.grid, self.block)
        translation.cuda, translation.recorder = run.cuda, recorder
        copies, regions = adopt(list(self.flat.values()))
        arrays = dict(zip(self.flat, copies))
        origins = {n: Origin(recorder, n, "global", a, r) for (n, a), r in zip(arrays.items(), regions)}
        for name in self.declared or ():
            arrays[name][...] = poison(arrays[name].dtype)
            origins[name].region.forget(arrays[name])
        wrapped = {name: Array(recorder, origin, arrays[name]) for name, origin in origins.items()}
        passed = [_passed(name, value, wrapped) for name, value in self.given.items()]
        function = translation.kernel(self.function)
        for code, what in translation.refused:
            recorder.fault_in(code, "unsupported", what=what)
            run.complete = False
        if run.complete:
            run.run(function, passed, self.barriers or translation.barriers)
        return Record(self.function.__name__, recorder, run, form), arrays

    def outputs(self, record: Record) -> list[Origin]:
        """The arrays that should be written completely."""
        origins = record.origins("global")
        if self.declared is not None:
            return [o for o in origins if o.name in self.declared]
        kinds = {o.number: set(record.kind[record.region == record.region_of(o)].tolist()) for o in origins}
        return [o for o in origins if kinds[o.number] == {1}]


def _sizes(what: str, sizes: Any) -> tuple[int, int, int]:
    given = sizes if isinstance(sizes, tuple) else (sizes,)
    if not 1 <= len(given) <= 3 or not all(isinstance(s, (int, np.integer)) and s > 0 for s in given):
        raise ValueError(f"{what}: expected one to three positive sizes, got {sizes!r}")
    x, y, z = (*(int(s) for s in given), 1, 1)[:3]
    return x, y, z


def _names(function: Any, arguments: tuple[Any, ...], names: Sequence[str] | None) -> list[str]:
    code = function.__code__
    own = list(code.co_varnames[: code.co_argcount])
    if len(own) != len(arguments):
        raise TypeError(
            f"{function.__name__} takes {len(own)} arguments ({', '.join(own)}), got {len(arguments)}"
        )  # fmt: skip
    if names is not None and len(names) != len(own):
        raise ValueError(f"names: expected {len(own)}, one for each argument, got {len(names)}")
    return list(names or own)


def _arrays(name: str, value: Any) -> list[tuple[str, NDArray[Any]]]:
    """The arrays in an argument, with their names; an error for what no kernel takes."""
    if isinstance(value, tuple):
        return [part for i, inner in enumerate(value) for part in _arrays(f"{name}[{i}]", inner)]
    if hasattr(value, "copy_to_host"):
        value = value.copy_to_host()
    if hasattr(value, "for_kernel"):
        value = value.get()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"{name}: expected an array of numbers, got dtype {value.dtype}")
        return [(name, value)]
    if isinstance(value, (int, float, complex, np.number, np.bool_)):
        return []
    raise TypeError(f"{name}: expected a NumPy array, a number or a tuple of them, got {type(value).__name__}")


def _passed(name: str, value: Any, wrapped: dict[str, Array]) -> Any:
    if name in wrapped:
        return wrapped[name]
    return (
        tuple(_passed(f"{name}[{i}]", v, wrapped) for i, v in enumerate(value)) if isinstance(value, tuple) else value
    )
