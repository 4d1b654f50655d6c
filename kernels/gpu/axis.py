"""How a block's threads share one axis of an array: a tile of threads, and a tree that joins what they found.

An array counts as (outer, L, inner), and something is asked of each of its outer * inner columns along L: a sum, a
largest number. The threads of a block lie as a tile over the columns, x across them and y along the axis:

      inner = 1: the axis is the fastest               inner > 1: neighbours in memory are other columns

      ▒▒▒▒▒▒▒▒▒▒▒▒  one column, all threads along y:   │0│1│2│3│  a column for each x; each row that the tile meets
      012301230123  they read neighbours               │4│5│6│7│  is read by neighbours; L is shared along y
                                                       │0│1│2│3│
                                                       │4│5│6│7│

Where the axis is short, or the columns are so many that they keep a GPU busy by themselves, a thread has a column of
its own (a tile of height 1). In the end `tree_sum` or `tree_max` joins the threads of a column in shared memory, half
of them to the other half at each step:

      thread y    0   1   2   3   4   5   6   7
                  +◄──┼───┼───┼───┘   │   │   │      stride 4: thread y adds what thread y + 4 has
                  │   +◄──┼───┼───────┘   │   │
                  │   │   +◄──┼───────────┘   │
                  │   │   │   +◄──────────────┘
                  +◄──┼───┘   │                      stride 2
                  │   +◄──────┘
                  +◄──┘                              stride 1

So the order is fixed by the shape, and the bits never change.
"""

from numba import cuda

from kernels.gpu.launch import blocks_for, device_function
from kernels.gpu.target import SIMULATED

__all__ = ["BLOCK", "MANY", "SHORT", "WARP", "place", "tile", "tree_max", "tree_sum"]

#: Threads of a block, a power of two: the size of the shared memory that the trees need.
BLOCK = 8 if SIMULATED else 256

#: Columns of a tile that reads a long axis: the threads that are served together.
WARP = 4 if SIMULATED else 32

#: An axis up to this length is a thread's work.
SHORT = 4 if SIMULATED else 32

#: So many columns keep a GPU busy by themselves.
MANY = 64 if SIMULATED else 65536


def tile(outer, L, inner):
    """Grid and threads for all columns of an array of this shape: ``(blocks, (width, height))``."""
    if L <= SHORT or (inner >= WARP and outer * inner >= MANY):
        width, height = BLOCK, 1
    else:
        width = min(_power_of_two(inner), WARP)
        height = min(_power_of_two(L), BLOCK // width)
    return blocks_for(outer * inner, width), (width, height)


def _power_of_two(size):
    return 1 << max(size - 1, 0).bit_length()


@device_function
def place(x):
    """A thread's column (o, i) of `x`, where along the axis it begins, its step, and whether the column exists."""
    column = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    o, i = column // x.shape[2], column % x.shape[2]
    return o, i, cuda.threadIdx.y, cuda.blockDim.y, o < x.shape[0]


@device_function
def tree_sum(scratch, value):
    """Sum of `value` over the threads of a block with the same ``threadIdx.x``: along y, whose size is a power of 2.

    `scratch` is shared memory with a place for each thread. Every thread of the block must call, and gets the sum.
    """
    x, y, width = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockDim.x
    scratch[y * width + x] = value
    cuda.syncthreads()
    stride = cuda.blockDim.y // 2
    while stride > 0:
        if y < stride:
            scratch[y * width + x] += scratch[(y + stride) * width + x]
        cuda.syncthreads()
        stride //= 2
    total = scratch[x]
    cuda.syncthreads()  # scratch may be used again
    return total


@device_function
def tree_max(scratch, value):
    """The largest `value` over the same threads, as `tree_sum`. A NaN is passed over where there is a number."""
    x, y, width = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockDim.x
    scratch[y * width + x] = value
    cuda.syncthreads()
    stride = cuda.blockDim.y // 2
    while stride > 0:
        if y < stride:
            one, other = scratch[y * width + x], scratch[(y + stride) * width + x]
            scratch[y * width + x] = other if other > one or one != one else one
        cuda.syncthreads()
        stride //= 2
    largest = scratch[x]
    cuda.syncthreads()
    return largest
