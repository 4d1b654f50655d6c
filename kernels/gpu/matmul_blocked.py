"""The matrix product with tiles in registers: what `matmul` uses where a product is large. See ``matmul.py`` first.

A thread of `_matmul_tiled` reads two numbers from shared memory for each product, and shared memory cannot keep up with
the arithmetic. Here a thread owns T_m by T_n elements of y and holds their sums in registers. For each k it reads T_m
numbers of a and T_n of b and multiplies each with each: 16 reads for 64 products with T_m = T_n = 8.

        ┌───────────────┐          A block owns a tile of y of B_m by B_n. It walks along K in slices of B_k:
        │ slice of b    │ B_k
        └───────────────┘            registers  <- slice k + B_k of a and b       (global memory, takes long)
            B_n                      sums      += products of slice k             (shared memory)
    ┌──┐┌───────────────┐            barrier, shared memory <- registers, barrier
    │s ││ . x . x . x . │
    │l ││ . . . . . . . │ B_m      So the next slice is on its way while this one is multiplied. The elements x of one
    │of││ . x . x . x . │          thread lie apart, so that neighbours in a warp read neighbours in memory.
    │a ││ . . . . . . . │
    └──┘└───────────────┘
     B_k
"""

from typing import Any, NamedTuple

from numba import cuda

from kernels.gpu.launch import blocks_for, device_function, kernel
from kernels.gpu.target import SIMULATED

__all__ = ["LARGE", "LARGE_DOUBLE", "MEDIUM", "Blocked", "blocked", "runs_along_k"]


class Blocked(NamedTuple):
    """The kernel for one choice of sizes."""

    rows: int  # B_m
    columns: int  # B_n
    slice: int  # B_k
    threads: int
    kernel: Any

    def launch(self, a, b, bias, bias_of_columns, y, accumulate, parts, K_part):
        """Multiply. The arguments are those of ``matmul._matmul_tiled``; K must not be 0."""
        blocks = y.shape[0] * blocks_for(y.shape[1], self.rows) * blocks_for(y.shape[2], self.columns)
        b_lines = b.transpose(0, 2, 1)
        self.kernel[blocks, self.threads](
            a, b_lines, bias, bias_of_columns, y, accumulate, parts, K_part, *runs_along_k(a, b)
        )


def runs_along_k(a, b):
    """Whether neighbours along K lie side by side in memory, for a (B, M, K) and b (B, K, N)."""
    return abs(a.strides[2]) <= abs(a.strides[1]), abs(b.strides[1]) < abs(b.strides[2])


@device_function
def _fetch(x, batch, line, line_step, k, k_step, end, registers):
    """Read this thread's share of a slice. Always a valid address, so that nothing waits for a comparison."""
    zero = registers.dtype.type(0)
    for i in range(registers.size):
        value = x[batch, min(line + i * line_step, x.shape[1] - 1), min(k + i * k_step, end - 1)]
        registers[i] = value if k + i * k_step < end else zero


@device_function
def _put(registers, tile, line, line_step, k, k_step):
    for i in range(registers.size):
        tile[k + i * k_step, line + i * line_step] = registers[i]


def blocked(B_m, B_n, B_k, T_m, T_n, together=4):
    """Build the kernel for tiles of B_m by B_n, slices of B_k, and T_m by T_n elements for each thread.

    A thread's elements lie `together` side by side, for one instruction reads four float32 from shared memory; these
    groups lie apart. All sizes are powers of two, and a block has at least as many threads as its tile has
    lines. Where an index is a remainder it is written as a mask: from ``% X`` the compiler could not tell that it is
    not negative, and would test that for each read.
    """
    X, Y, S = B_n // T_n, B_m // T_m, together
    THREADS = X * Y
    assert max(B_m, B_n, B_k) <= THREADS and T_m % S == T_n % S == 0, "sizes do not fit"
    A_SHARE, B_SHARE = B_m * B_k // THREADS, B_n * B_k // THREADS
    # four more in each row, so that what a warp writes down a column goes to different banks
    A_TILE, B_TILE, SUMS = (B_k, B_m + 4), (B_k, B_n + 4), (T_m, T_n)

    @kernel
    def _matmul_blocked(a, b, bias, bias_of_columns, y, accumulate, parts, K_part, a_by_k, b_by_k):
        t = cuda.threadIdx.x
        x, row = t & (X - 1), (t // X) & (Y - 1)
        a_tile = cuda.shared.array(A_TILE, y.dtype, 16)
        b_tile = cuda.shared.array(B_TILE, y.dtype, 16)
        acc = cuda.local.array(SUMS, y.dtype)
        a_next = cuda.local.array(A_SHARE, y.dtype)
        b_next = cuda.local.array(B_SHARE, y.dtype)
        _, M, N = y.shape
        tile, columns, rows = cuda.blockIdx.x, (N + B_n - 1) // B_n, (M + B_m - 1) // B_m
        n_0, m_0, item = tile % columns * B_n, tile // columns % rows * B_m, tile // columns // rows
        batch, first = item // parts, item % parts * K_part
        end = min(first + K_part, a.shape[2])
        a_batch, b_batch = min(batch, a.shape[0] - 1), min(batch, b.shape[0] - 1)
        # neighbours in a warp read neighbours in memory, be it along K or across
        if a_by_k:
            a_k, a_m, a_k_step, a_m_step = t & (B_k - 1), t // B_k, 0, THREADS // B_k
        else:
            a_k, a_m, a_k_step, a_m_step = t // B_m, t & (B_m - 1), THREADS // B_m, 0
        if b_by_k:
            b_k, b_n, b_k_step, b_n_step = t & (B_k - 1), t // B_k, 0, THREADS // B_k
        else:
            b_k, b_n, b_k_step, b_n_step = t // B_n, t & (B_n - 1), THREADS // B_n, 0

        for i in range(T_m):
            for j in range(T_n):
                acc[i, j] = y.dtype.type(0)
        _fetch(a, a_batch, m_0 + a_m, a_m_step, first + a_k, a_k_step, end, a_next)
        _fetch(b, b_batch, n_0 + b_n, b_n_step, first + b_k, b_k_step, end, b_next)
        while first < end:
            _put(a_next, a_tile, a_m, a_m_step, a_k, a_k_step)
            _put(b_next, b_tile, b_n, b_n_step, b_k, b_k_step)
            cuda.syncthreads()
            first += B_k
            _fetch(a, a_batch, m_0 + a_m, a_m_step, first + a_k, a_k_step, end, a_next)
            _fetch(b, b_batch, n_0 + b_n, b_n_step, first + b_k, b_k_step, end, b_next)
            k = 0
            while k < B_k:
                for i in range(T_m):
                    factor = a_tile[k, row * S + i % S + i // S * S * Y]
                    for j in range(T_n):
                        acc[i, j] += factor * b_tile[k, x * S + j % S + j // S * S * X]
                k += 1
            cuda.syncthreads()

        # loops of few instructions each, so that the compiler writes them out and `acc` stays in registers
        if bias is not None and bias_of_columns:
            for j in range(T_n):
                shift = bias[min(n_0 + x * S + j % S + j // S * S * X, N - 1)]
                for i in range(T_m):
                    acc[i, j] += shift
        if bias is not None and not bias_of_columns:
            for i in range(T_m):
                shift = bias[min(m_0 + row * S + i % S + i // S * S * Y, M - 1)]
                for j in range(T_n):
                    acc[i, j] += shift
        if accumulate:
            for i in range(T_m):
                m = m_0 + row * S + i % S + i // S * S * Y
                for j in range(T_n):
                    n = n_0 + x * S + j % S + j // S * S * X
                    if m < M and n < N:  # an element of another thread is not even read: it may be writing it
                        acc[i, j] += y[item, m, n]
        for i in range(T_m):
            m = m_0 + row * S + i % S + i // S * S * Y
            for j in range(T_n):
                n = n_0 + x * S + j % S + j // S * S * X
                if m < M and n < N:
                    y[item, m, n] = acc[i, j]

    return Blocked(B_m, B_n, B_k, THREADS, _matmul_blocked)


#: For float32 128 by 128 elements in 256 threads; 64 sums of float64 would not leave enough registers. The simulator
#: runs a Python thread for each of a block's, so it gets blocks of few.
LARGE = blocked(8, 8, 4, 2, 2, 2) if SIMULATED else blocked(128, 128, 8, 8, 8)
LARGE_DOUBLE = blocked(8, 4, 4, 2, 2, 1) if SIMULATED else blocked(128, 64, 8, 8, 4)
#: For products with too few elements to fill a GPU with tiles of that size.
MEDIUM = blocked(4, 4, 2, 2, 2, 1) if SIMULATED else blocked(64, 64, 16, 4, 4)
