"""The heart of convolution and of the matrix product: a tile of sums that stays in registers.

A matrix product reads each number many times. Kept in memory, the running sums would be loaded and stored at every
step. Kept in registers, eight vectors of sums take one vector of `b` and eight single numbers of `a` a step, and these
eight multiply-adds are all that the processor has to do:

                   b[b_start + b_steps[k] : + lanes]
                   ┌──────────────────────────────┐
    a[rows[0]+·]   │ sum 0                        │       · is a_steps[k], the same for all rows
    a[rows[1]+·]   │ sum 1                        │
      ...          │  ...       (registers)       │
    a[rows[7]+·]   │ sum 7                        │
                   └──────────────────────────────┘

Where the numbers stand is told by tables of offsets, so that one kernel serves them all:

                        a                  rows                 b                            steps k run over
    matrix product      left matrix        its rows             columns of the right one     inner index
    conv forward        weights            output channels      padded picture               channels and taps
    conv backward_x     weights            input channels       padded gradient              channels and taps
    conv backward_w     padded picture     channels and taps    gradient, channels last      pixels
"""

from kernels.jit import kernel
from kernels.simd import add, element, fma, lanes, load, load_splat, splat, store

__all__ = ["ROWS", "WIDE_ROWS", "WIDE_VECTORS", "add_tile", "add_wide_tile", "fill_rows"]

#: Rows of a tile. With one vector of `b` these fill nine registers: enough sums to hide the latency of an addition.
ROWS = 8

#: A tile of the same size for few rows: two rows by four vectors.
WIDE_ROWS = 2
WIDE_VECTORS = 4

#: Products that are summed up in one go. Longer sums are made of such parts, which keeps their rounding error small.
_PART = 512


@kernel
def fill_rows(rows, start, step, count):
    """Offsets of `count` rows that stand `step` apart. The last one also fills up the last tile; its sums repeat."""
    for r in range(len(rows)):
        rows[r] = start + min(r, count - 1) * step


@kernel
def add_tile(a, rows, first_row, a_steps, b, b_start, b_steps, begin, end, tile, at):
    """Add the products of eight rows of `a` with one vector of `b` to a tile.

        tile[at + r * lanes + lane] +=
            sum_{begin <= k < end} a[rows[first_row + r] + a_steps[k]] * b[b_start + b_steps[k] + lane]

    All arrays are flat; the tile is `ROWS` vectors in `tile` from `at` on. The offsets must lie inside.
    """
    width = lanes(tile)
    r0 = element(rows, first_row)
    r1 = element(rows, first_row + 1)
    r2 = element(rows, first_row + 2)
    r3 = element(rows, first_row + 3)
    r4 = element(rows, first_row + 4)
    r5 = element(rows, first_row + 5)
    r6 = element(rows, first_row + 6)
    r7 = element(rows, first_row + 7)
    for part in range(begin, end, _PART):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = splat(a.dtype.type(0))
        for k in range(part, min(part + _PART, end)):
            v = load(b, b_start + element(b_steps, k))
            i = element(a_steps, k)
            s0 = fma(load_splat(a, r0 + i), v, s0)
            s1 = fma(load_splat(a, r1 + i), v, s1)
            s2 = fma(load_splat(a, r2 + i), v, s2)
            s3 = fma(load_splat(a, r3 + i), v, s3)
            s4 = fma(load_splat(a, r4 + i), v, s4)
            s5 = fma(load_splat(a, r5 + i), v, s5)
            s6 = fma(load_splat(a, r6 + i), v, s6)
            s7 = fma(load_splat(a, r7 + i), v, s7)
        store(tile, at, add(load(tile, at), s0))
        store(tile, at + width, add(load(tile, at + width), s1))
        store(tile, at + 2 * width, add(load(tile, at + 2 * width), s2))
        store(tile, at + 3 * width, add(load(tile, at + 3 * width), s3))
        store(tile, at + 4 * width, add(load(tile, at + 4 * width), s4))
        store(tile, at + 5 * width, add(load(tile, at + 5 * width), s5))
        store(tile, at + 6 * width, add(load(tile, at + 6 * width), s6))
        store(tile, at + 7 * width, add(load(tile, at + 7 * width), s7))


@kernel
def add_wide_tile(a, rows, first_row, a_steps, b, b_start, b_steps, begin, end, tile):
    """Add the products of two rows of `a` with four vectors of `b` to a tile. Otherwise as `add_tile`.

    With one or two rows, a tile of eight would compute six in vain.
    """
    width = lanes(tile)
    r0 = element(rows, first_row)
    r1 = element(rows, first_row + 1)
    for part in range(begin, end, _PART):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = splat(a.dtype.type(0))
        for k in range(part, min(part + _PART, end)):
            i = b_start + element(b_steps, k)
            v0, v1 = load(b, i), load(b, i + width)
            v2, v3 = load(b, i + 2 * width), load(b, i + 3 * width)
            upper = load_splat(a, r0 + element(a_steps, k))
            lower = load_splat(a, r1 + element(a_steps, k))
            s0 = fma(upper, v0, s0)
            s1 = fma(upper, v1, s1)
            s2 = fma(upper, v2, s2)
            s3 = fma(upper, v3, s3)
            s4 = fma(lower, v0, s4)
            s5 = fma(lower, v1, s5)
            s6 = fma(lower, v2, s6)
            s7 = fma(lower, v3, s7)
        store(tile, 0, add(load(tile, 0), s0))
        store(tile, width, add(load(tile, width), s1))
        store(tile, 2 * width, add(load(tile, 2 * width), s2))
        store(tile, 3 * width, add(load(tile, 3 * width), s3))
        store(tile, 4 * width, add(load(tile, 4 * width), s4))
        store(tile, 5 * width, add(load(tile, 5 * width), s5))
        store(tile, 6 * width, add(load(tile, 6 * width), s6))
        store(tile, 7 * width, add(load(tile, 7 * width), s7))
