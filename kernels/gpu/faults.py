"""How a kernel reports an index that is out of range, without the host waiting for every kernel.

A look-up whose indices lie on the device (a class, a row of an embedding) cannot be checked before the launch: that
would be a copy to the host at each step. So the kernel itself tests, touches nothing out of range, and leaves a note:

    @kernel
    def _look_up(index, table, y, code, note):
        ...
        if 0 <= row < table.shape[0]:
            ...
        else:
            note[0], note[1] = code, row       # any of several threads may win: all have a reason to report

    _look_up[...](index, table, y, faults.code("embedding: index expects 0 to 6, got {value}"), faults.note())

The next copy to the host (``item()``, ``.cpu()``, printing) reads the note and raises IndexError. PyTorch reports such
an index late as well, and then needs a new process.
"""

import numpy as np

from kernels.gpu.target import SIMULATED, memory_is_host

__all__ = ["check", "code", "note"]

_messages = {}
_notes = {}  # by where the memory lies: kernels that are only compiled (ptx.py) write to none on the device
_asked = set()


def code(message):
    """The number under which a kernel reports `message`; ``{value}`` in it will be the offending index."""
    return _messages.setdefault(message, len(_messages) + 1)


def note():
    """The device array of two int64 that a kernel writes ``code, value`` to. It counts as asked for until `check`."""
    where = memory_is_host()
    if where not in _notes:
        from kernels.gpu.memory import zeros  # here: memory counts on transfers, which count on this module

        _notes[where] = zeros(2, np.int64)
    _asked.add(where)
    return _notes[where]


def check(fetch):
    """Raise what a kernel has noted. Looks only if a kernel that can note something was launched since the last look.

    Raises
    ------
    IndexError
    """
    where = memory_is_host()
    if where not in _asked:
        return
    _asked.remove(where)
    if where and not SIMULATED:  # kernels are only compiled: nobody has written the note
        return
    number, value = (int(entry) for entry in fetch(_notes[where]))
    if number:
        _notes[where].fill(0)
        message = next(text for text, known in _messages.items() if known == number)
        raise IndexError(message.replace("{value}", str(value)))
