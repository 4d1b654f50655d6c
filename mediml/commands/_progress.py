"""A line on the terminal that says how much is done; nothing where the output is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_line"]


@contextmanager
def progress_line(description: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """``with progress_line("verify", "case") as progress``: call ``progress(done, total)`` as work goes on."""
    from tqdm import tqdm

    with tqdm(desc=description, unit=unit, disable=None) as line:

        def progress(done: int, total: int) -> None:
            line.total = total
            line.update(done - line.n)

        yield progress
