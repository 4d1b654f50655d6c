"""Sums with the same bits for any number of threads, for the fast losses.

The elements are added in blocks of a fixed length, each by one thread and in float64, then the blocks are added. How
many blocks there are depends on the shape only.
"""

import numpy as np

from kernels.jit import REASSOCIATE, kernel
from kernels.memory import empty
from kernels.parallel import for_each

__all__ = ["total"]

BLOCK = 8192


def total(values):
    """Sum of a C-contiguous array, float64. 0 for an empty one."""
    flat = values.reshape(-1)
    blocks = empty(-(-flat.size // BLOCK), np.float64)
    for_each(_sum_blocks, blocks.size, flat.size, flat, blocks)
    return float(blocks.sum())


@kernel(fastmath=REASSOCIATE)
def _sum_blocks(lo, hi, values, blocks):
    for block in range(lo, hi):
        part = values[block * BLOCK : (block + 1) * BLOCK]
        acc = 0.0
        for i in range(part.size):
            acc += part[i]
        blocks[block] = acc
