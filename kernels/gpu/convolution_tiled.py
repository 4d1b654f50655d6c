"""The sums of a convolution as matrix products with tiles in shared memory ("implicit GEMM").

All three sums are products of matrices, of which the second is never written:

                                  columns: the pixels of y
                                 ┌──────┬──────┬──────┐     b[k, column]: the pixel of x under tap k of the window
                                 │      │░░░░░░│      │ }   at `column`, read from x where it lies; 0 over the padding
       k: channels and taps   k  ├──────┼──────┼──────┤     SLAB rows at a time
                                 │      │░░░░░░│      │ }
                                 └──────┴──────┴──────┘
                k
    rows:   ┌──────┬──────┐      ┌──────┬──────┬──────┐     A block of threads owns a tile of y, ROWS x COLUMNS. It
    the     │      │      │      │      │      │      │     walks along k slab by slab: the threads bring a slab of a
    output  ├──────┼──────┤      ├──────┼──────┼──────┤     and one of b into shared memory, then each reads them to
    channels│▒▒▒▒▒▒│▒▒▒▒▒▒│      │      │██████│      │     add up R x C elements of y of its own, in registers.
            └──────┴──────┘      └──────┴──────┴──────┘
              a: weights                    y

So an element of x is read from global memory ROWS times less often than by ``convolution_direct.py``, one of the
weights COLUMNS times; and what lies in shared memory is read R or C times less often than it is used.

What a row, a column and a step of the sum are differs between the three sums; ``convolution_rules.py`` says it:

    sum      rows                 columns              k                    a         b
    gather   channels of y        pixels of y          channels, taps       weight    x
    spread   channels of y        pixels of y          channels, taps       weight    x
    relate   channels of coarse   channels, taps       pixels of coarse     coarse    fine
"""

import math
from functools import cache
from typing import NamedTuple

from numba import cuda, int32, int64, uint64

from kernels.elementary import formula
from kernels.gpu.convolution_direct import add_up, parts_of
from kernels.gpu.convolution_rules import GATHER, RELATE, SPREAD
from kernels.gpu.launch import blocks_for, kernel
from kernels.gpu.memory import empty
from kernels.gpu.target import SIMULATED

__all__ = ["TILES", "Tile", "gather_tiled", "relate_tiled", "spread_tiled", "tile_for", "tiled"]

#: Places of a sum that one block of `relate_tiled` adds, at most; blocks that keep the largest GPUs busy.
_LONGEST_SUM, _BLOCKS = (8, 4) if SIMULATED else (8192, 512)

#: Fewer blocks than this leave much of a large GPU idle: a smaller tile is taken.
_FEW_BLOCKS = 128

#: A place so far outside that no column's place brings it in. Axes are shorter.
_NOWHERE = -(2**30)

#: Rows, columns and steps that a product has at least to be worth a tile.
_LEAST = (2, 2, 3) if SIMULATED else (4, 8, 8)


class Tile(NamedTuple):
    """Sizes of a tile: powers of two, with at least as many threads as columns."""

    ROWS: int
    COLUMNS: int
    SLAB: int  # steps of the sum that lie in shared memory at once
    R: int  # rows and columns of a thread
    C: int
    RUN: int  # neighbours among them: four numbers are one read

    @property
    def threads(self):
        """Threads of a block."""
        return self.ROWS // self.R * (self.COLUMNS // self.C)

    def grid(self, rows, columns, sums):
        """Blocks and threads for so many sums of this size."""
        return (blocks_for(columns, self.COLUMNS), blocks_for(rows, self.ROWS), sums), self.threads


#: The largest first; a thread has 64 or 32 sums. One of float64 takes two of its 255 registers: 64 are too many.
TILES = (Tile(128, 128, 8, 8, 8, 4), Tile(64, 128, 8, 8, 8, 4), Tile(64, 64, 8, 8, 4, 4), Tile(32, 128, 8, 8, 4, 4))
_TILES_OF = {4: TILES, 8: TILES[2:]}
if SIMULATED:  # each thread is one of Python's
    _TILES_OF = dict.fromkeys(_TILES_OF, (Tile(4, 4, 2, 2, 2, 1),))


def tile_for(rows, columns, steps, sums, dtype):
    """The tile for so many sums of this size; None where one would be mostly empty.

    The largest one that is at least half full and leaves enough blocks to keep a GPU busy; if none does, the one with
    the most blocks. It follows from the shape only, so that results do not depend on the GPU.
    """
    if any(size < least for size, least in zip((rows, columns, steps), _LEAST)) or sums > 65535:
        return None
    blocks = {tile: math.prod(tile.grid(rows, columns, sums)[0]) for tile in _TILES_OF[dtype.itemsize]}
    results = {tile: count * tile.ROWS * tile.COLUMNS for tile, count in blocks.items()}
    filled = [tile for tile in blocks if results[tile] < 2 * rows * columns * sums] or [min(results, key=results.get)]
    return next((tile for tile in filled if blocks[tile] >= _FEW_BLOCKS), max(filled, key=blocks.get))


def gather_tiled(x, weight, bias, y, stride, padding, dilation, groups, tile=None):
    """`gather_direct` with tiles. Returns False, and does nothing, where no tile is given and none is worth while."""
    rows, columns, steps = weight.shape[0] // groups, y.size // y.shape[1], math.prod(weight.shape[1:])
    tile = tile or (_short(x, padding) and tile_for(rows, columns, steps, groups, y.dtype))
    if not tile:
        return False
    sizes = weight.shape, x.shape, y.shape, stride, padding, dilation, (groups, 1)
    tiled(tile, GATHER)[tile.grid(rows, columns, groups)](*_flat(weight, x, bias, y), sizes)
    return True


def spread_tiled(x, weight, bias, y, stride, padding, dilation, groups, tile=None):
    """`spread_direct` with tiles. Returns False, and does nothing, where no tile is given and none is worth while."""
    phases, rows = math.prod(stride), weight.shape[1]
    columns = y.shape[0] * math.prod(-(-size // s) for size, s in zip(y.shape[2:], stride))  # of the largest phase
    steps = weight.shape[0] // groups * math.prod(weight.shape[2:]) // phases  # of a phase, on average
    tile = tile or (_short(y, padding) and tile_for(rows, columns, steps, groups * phases, y.dtype))
    if not tile:
        return False
    sizes = weight.shape, x.shape, y.shape, stride, padding, dilation, (groups, 1)
    tiled(tile, SPREAD)[tile.grid(rows, columns, groups * phases)](*_flat(weight, x, bias, y), sizes)
    return True


def relate_tiled(coarse, fine, grad_weight, stride, padding, dilation, groups, tile=None):
    """`relate_direct` with tiles. Returns False, and does nothing, where no tile is given and none is worth while.

    The sums go over all pixels of the batch, and there are few of them. So the pixels are cut into parts, which more
    blocks can work on, and whose sums are added up in their order.
    """
    rows, columns = coarse.shape[1] // groups, math.prod(grad_weight.shape[1:])
    places = coarse.size // coarse.shape[1]
    tile = tile or (_short(fine, padding) and tile_for(rows, columns, places, groups, coarse.dtype))
    if not tile:
        return False
    blocks = math.prod(tile.grid(rows, columns, groups)[0])
    parts = min(parts_of(places, _LONGEST_SUM, blocks, _BLOCKS), 65535 // groups)
    partial = empty((parts, *grad_weight.shape), grad_weight.dtype) if parts > 1 else grad_weight[None]
    sizes = coarse.shape, fine.shape, grad_weight.shape, stride, padding, dilation, (groups, parts)
    arrays = _flat(coarse, fine, empty(0, coarse.dtype), partial)
    tiled(tile, RELATE)[tile.grid(rows, columns, groups * parts)](*arrays, sizes)
    if parts > 1:
        add_up(partial, grad_weight)
    return True


def _short(fine, padding):
    """Whether places on an axis, padding included, are numbers of 32 bits, with a margin."""
    return all(size + 2 * p < -_NOWHERE for size, p in zip(fine.shape[2:], padding))


def _flat(*arrays):
    return [array.reshape(-1) for array in arrays]


@cache
def tiled(tile, rules):
    """The kernel of one sum for one size of tile. Its loops have constant ends, so that `acc` stays in registers.

    Parameters
    ----------
    tile : Tile
    rules : Rules
        Of ``convolution_rules.py``.
    """
    ROWS, COLUMNS, SLAB, R, C, RUN = tile
    THREADS_X, THREADS_Y, THREADS = COLUMNS // C, ROWS // R, tile.threads
    A_LOADS, A_STEP = ROWS * SLAB // THREADS, THREADS // SLAB  # elements that a thread brings, and rows between them
    B_LOADS, B_STEP = COLUMNS * SLAB // THREADS, THREADS // COLUMNS
    R_STEP, C_STEP = ROWS // R * RUN, COLUMNS // C * RUN  # between a thread's runs of neighbours
    TABLE = min(4 * SLAB, THREADS)  # entries k that are worked out at once
    RING = 2 * TABLE
    PITCH = ROWS + RUN  # of a slab of a: the threads that write a column of it use different banks
    plan, entry, column, NOTES, DROPS_PADDING = rules

    @formula
    def note_entry(k, last, rest, sizes, offsets, places, at):
        if k < last:
            offsets[at, 0], offsets[at, 1], d, h, w = entry(k, rest, sizes)
            places[at, 0], places[at, 1], places[at, 2] = d, h, w
        else:  # read with the others, and not used
            offsets[at, 0] = offsets[at, 1] = places[at, 1] = places[at, 2] = 0
            places[at, 0] = _NOWHERE

    @kernel
    def sum_of_tiles(a, b, bias, y, sizes):
        rows, columns, first, last, a_start, a_step, y_start, y_step, bias_start, notes = plan(cuda.blockIdx.z, sizes)
        D, H, W = int32(sizes[1][2]), int32(sizes[1][3]), int32(sizes[1][4])
        row_0, column_0 = cuda.blockIdx.y * ROWS, cuda.blockIdx.x * COLUMNS
        if column_0 >= columns:  # the whole block
            return
        # "& (n - 1)" changes nothing; it tells the compiler that no index is negative, so that a run is one read.
        thread = cuda.threadIdx.x & (THREADS - 1)
        thread_x, thread_y = thread & (THREADS_X - 1), (thread // THREADS_X) & (THREADS_Y - 1)

        a_tile = cuda.shared.array((2, SLAB, PITCH), y.dtype, alignment=16)  # two: one is read, the other filled
        b_tile = cuda.shared.array((2, SLAB, COLUMNS), y.dtype, alignment=16)
        offsets = cuda.shared.array((RING, 2), int64, alignment=16)  # of the next entries k, in a and in b: a ring
        places = cuda.shared.array((RING, 4), int32, alignment=16)
        targets = cuda.shared.array(COLUMNS, int64)  # of the columns in y
        rest = cuda.shared.array(NOTES, int64)  # what few threads need seldom does not take registers of all
        acc = cuda.local.array((R, C), y.dtype)
        a_run, b_run = cuda.local.array(R, y.dtype), cuda.local.array(C, y.dtype)
        a_ahead, b_ahead = cuda.local.array(A_LOADS, y.dtype), cuda.local.array(B_LOADS, y.dtype)
        zero = y.dtype.type(0)
        for i in range(R):
            for j in range(C):
                acc[i, j] = zero

        if thread == 0:
            for i in range(NOTES):
                rest[i] = notes[i]
        cuda.syncthreads()
        k_a, row_a = thread % SLAB, thread // SLAB  # what this thread brings of a: neighbours are neighbours in k
        k_b, column_b = thread // COLUMNS, thread % COLUMNS  # and of b: one column, whose place it finds only once
        b_start, d_0, h_0, w_0, target = column(min(column_0 + column_b, columns - 1), rest, sizes)
        d_b, h_b, w_b = int32(d_0), int32(h_0), int32(w_0)  # places are short: 32 bits are fast
        if thread < COLUMNS:
            targets[column_b] = target
        if thread < TABLE:
            note_entry(first + thread, last, rest, sizes, offsets, places, thread)
        cuda.syncthreads()

        for start in range(first - SLAB, last, SLAB):  # this slab is added up while the next one comes from memory
            done = start + SLAB - first
            slot, at_a, at_b = (done // SLAB) & 1, (done + k_a) & (RING - 1), (done + k_b) & (RING - 1)
            known, a_k = first + done + k_a < last, a_start + offsets[at_a, 0]
            for i in range(A_LOADS):
                row = min(row_0 + row_a + i * A_STEP, rows - 1)  # rows beyond the last are computed and not written
                a_ahead[i] = a[uint64(a_k + row * a_step)] if known else zero
            for i in range(B_LOADS):
                at = at_b + i * B_STEP
                d, h, w = int32(d_b + places[at, 0]), int32(h_b + places[at, 1]), int32(w_b + places[at, 2])
                inside = (d >= 0) & (d < D) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
                b_ahead[i] = b[uint64(b_start + offsets[at, 1])] if inside else zero
            if done % TABLE == 0 and thread < TABLE:
                k = done + TABLE + thread
                note_entry(first + k, last, rest, sizes, offsets, places, k & (RING - 1))

            if start >= first:
                filled = 1 - slot
                for k in range(SLAB):
                    for i in range(R):
                        a_run[i] = a_tile[filled, k, i // RUN * R_STEP + thread_y * RUN + i % RUN]
                    for j in range(C):
                        b_run[j] = b_tile[filled, k, j // RUN * C_STEP + thread_x * RUN + j % RUN]
                    for i in range(R):
                        for j in range(C):
                            acc[i, j] += a_run[i] * b_run[j]

            for i in range(A_LOADS):
                a_tile[slot, k_a, row_a + i * A_STEP] = a_ahead[i]
            for i in range(B_LOADS):
                b_tile[slot, k_b + i * B_STEP, column_b] = b_ahead[i]
            cuda.syncthreads()  # all have read the one slab and written the other

        not_a_number = False
        for i in range(R):
            row = row_0 + i // RUN * R_STEP + thread_y * RUN + i % RUN
            if row < rows:
                addend = bias[bias_start + row] if bias.size > 0 else zero
                for j in range(C):
                    place = j // RUN * C_STEP + thread_x * RUN + j % RUN
                    if column_0 + place < columns:
                        value = acc[i, j] + addend
                        y[y_start + row * y_step + targets[place]] = value
                        not_a_number |= value != value

        if DROPS_PADDING and not_a_number:  # an infinite weight times the 0 of the padding: the formula leaves it out
            for i in range(R):
                row = row_0 + i // RUN * R_STEP + thread_y * RUN + i % RUN
                for j in range(C):
                    place = j // RUN * C_STEP + thread_x * RUN + j % RUN
                    if row < rows and column_0 + place < columns:
                        b_start, d_0, h_0, w_0, target = column(column_0 + place, rest, sizes)
                        exact = bias[bias_start + row] if bias.size > 0 else zero
                        for k in range(first, last):
                            a_k, b_k, d_k, h_k, w_k = entry(k, rest, sizes)
                            if 0 <= d_0 + d_k < D and 0 <= h_0 + h_k < H and 0 <= w_0 + w_k < W:
                                exact += a[a_start + row * a_step + a_k] * b[b_start + b_k]
                        y[y_start + row * y_step + target] = exact

    return sum_of_tiles
