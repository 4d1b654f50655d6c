"""The doctor on its rounds: every launch within is examined, on the arrays themselves, which outlive it.

What a kernel writes stays written for those that come after; what ``memory.empty`` hands out, nobody has written.
"""

import contextlib

import numpy as np

from kernels import memory as host_memory
from kernels.gpu import launch, memory, target, transfer
from kernels.gpu.array import DeviceArray
from mediml.exercises._doctor.analysis import Record, analyse
from mediml.exercises._doctor.arrays import Array, Origin, Region
from mediml.exercises._doctor.recording import Recorder
from mediml.exercises._doctor.report import Report
from mediml.exercises._doctor.running import NeedsThreads, Run
from mediml.exercises._doctor.translation import Translation

__all__ = ["Rounds"]


def deliberate(finding):
    """Whether a race is meant: any of several threads may leave a note (``faults.py``), or mark a row with a 1."""
    if finding.array == "note":
        return "race" in finding.kind
    return (finding.kernel, finding.kind) == ("_mark", "same_value_race")


class Rounds:
    """Examined launches.

    Attributes
    ----------
    launches : int
    kernels : set of str
    reports : list of Report
        Of launches with findings.
    """

    def __init__(self, limit=10**6):
        self.limit = limit
        self.launches, self.kernels, self.reports = 0, set(), []
        self._regions = {}

    @contextlib.contextmanager
    def __call__(self):
        """Examine what is launched within."""
        take, empty, engine = memory._pool.take, transfer.empty, launch.engine
        filled, pretended = host_memory.fill_new_arrays_with_nan(False), target.pretend(True)
        memory._pool.take, transfer.empty, launch.engine = self._taking(take), self._received(empty), self.examine
        try:
            yield self
        finally:
            del memory._pool.take
            transfer.empty, launch.engine = empty, engine
            host_memory.fill_new_arrays_with_nan(filled)
            target.pretend(pretended)

    def _taking(self, take):
        def taken(nbytes):
            block = take(nbytes)
            region = self._region(block.memory)
            region.written[:] = bytes(region.nbytes)
            block.memory[:] = 0xFF  # NaN, and far out of range as an index
            return block

        return taken

    def _received(self, empty):
        def written(shape, dtype):
            array = empty(shape, dtype)
            region = self._region(array._block.memory)
            region.written[:] = b"\x01" * region.nbytes
            return array

        return written

    def _region(self, held):
        """The region of a block of the pool. It holds the block, so that no other can come to lie there."""
        if id(held) not in self._regions:
            self._regions[id(held)] = Region(held, held.ctypes.data, held.nbytes, True)
            self._regions[id(held)].written[:] = b"\x01" * held.nbytes
        return self._regions[id(held)]

    def examine(self, launched, blocks, threads, arguments):
        """In place of ``launch.engine``."""
        self.launches += 1
        self.kernels.add(f"{launched.__module__}.{launched.__name__}")
        translation = Translation()
        recorder = Recorder(translation.codes, translation.tight, self.limit)
        run = Run(recorder, blocks, threads)
        translation.cuda, translation.recorder = run.cuda, recorder
        names = launched.function.__code__.co_varnames
        passed = [self._wrapped(recorder, name, value) for name, value in zip(names, arguments)]
        function = translation.kernel(launched.function)
        try:
            run.run(function, passed, translation.barriers)
        except NeedsThreads:
            raise AssertionError(f"{launched.__name__}: a barrier that the doctor did not see") from None
        record = Record(launched.__name__, recorder, run, (3, 3))
        findings = [f for f in analyse(record, []) if not deliberate(f)]
        if findings:
            self.reports.append(Report(record, findings, {}))

    def _wrapped(self, recorder, name, value):
        if isinstance(value, tuple):
            return tuple(self._wrapped(recorder, f"{name}[{i}]", part) for i, part in enumerate(value))
        if not isinstance(value, DeviceArray):
            return value
        data = value._geometry
        held = value._block.memory if hasattr(value._block, "memory") else value._block
        assert isinstance(held, np.ndarray), type(held)
        return Array(recorder, Origin(recorder, name, "global", data, self._region(held)), data)
