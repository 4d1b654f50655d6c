"""Embedding on the GPU. Same contracts as ``kernels/embedding/reference.py``, but a wrong index is reported late.

Looking at the indices before the launch would be a copy to the host. So the kernels look, leave the place of an index
without a row NaN (or out of the sum), and the next copy to the host raises IndexError (``kernels/gpu/faults.py``).

Optimizations
-------------
* Looking up: a thread for each element of y; the threads of a warp read and write neighbours in a row.
* The gradient needs no atomic addition, whose order would differ from run to run. The places are sorted by their index,
  equal ones in their order; then each row's places lie side by side, and what they receive is added in that order. The
  sort costs about log2(N / 256) passes over N indices; grad_y, E times as large, is read once.
* Most rows have few places and some may have very many. So the sorted places, not the rows, are shared out, `chunk` to
  a thread. A row that ends where it began is written at once; one that reaches over an edge of chunks leaves its parts
  in `heads` and `tails`, and a thread of the second kernel adds those:

      sorted   a a a b b │ b b b b b │ b c c d d │        chunks of five places
                     └─┬┘ └────┬────┘ └┬┘
                tails[0]    heads[1]  heads[2]            b = tails[0] + heads[1] + heads[2]

* Shortening: the rows that are named are marked, then a block adds up a row as a tree, in float64 as promised.
"""

import numpy as np
from numba import cuda

from kernels.elementary import formula
from kernels.embedding import shapes
from kernels.gpu import faults, math
from kernels.gpu.copying import copy_into
from kernels.gpu.launch import kernel, per_element, strided
from kernels.gpu.memory import empty, readable, zeros
from kernels.gpu.ordering import sorted_lines
from kernels.gpu.target import SIMULATED

__all__ = ["embedding_backward_weight", "embedding_forward", "embedding_renorm_update"]

#: Places that a thread adds up, at least. More where there are many: as many chunks as places in a chunk.
_CHUNK = 2 if SIMULATED else 32

#: Threads that add up the norm of a row.
_LANES = 4 if SIMULATED else 32


def embedding_forward(index, weight):
    """Same contract as in ``reference``."""
    y = empty(shapes.forward(index, weight), weight.dtype)
    report = _report("embedding", weight.shape[0])
    flat = y.reshape(index.size, weight.shape[1])
    _gather[per_element(y.size)](readable(index).reshape(-1), readable(weight), flat, *report)
    return y


def embedding_backward_weight(grad_y, index, rows, padding_idx, scale_grad_by_freq):
    """Same contract as in ``reference``."""
    grad = empty(shapes.grad_weight(grad_y, index, rows, padding_idx), grad_y.dtype)
    N, E = index.size, grad.shape[1]
    report = _report("embedding_backward_weight", rows)
    places = readable(grad_y).reshape(N, E)
    keys, order = (lines.reshape(-1) for lines in sorted_lines(readable(index).reshape(1, N)))
    chunk = max(_CHUNK, int(N**0.5))
    chunks = -(-N // chunk)
    heads, tails, starts = empty((chunks, E), grad.dtype), empty((chunks, E), grad.dtype), empty(rows + 1, np.int64)
    _find_starts[per_element(rows + 1)](keys, starts)
    scaled = bool(scale_grad_by_freq)
    _collect[per_element(chunks * E)](places, keys, order, chunk, scaled, heads, tails, grad, *report)
    _add_parts[per_element(grad.size)](heads, tails, starts, chunk, int(padding_idx), scaled, grad)
    return grad


def embedding_renorm_update(weight, index, max_norm, norm_type):
    """Same contract as in ``reference``."""
    shapes.renorm(weight, index)
    table, named = readable(weight), zeros(weight.shape[0], np.uint8)
    report = _report("embedding_renorm_update", weight.shape[0])
    _mark[strided(index.size)](readable(index).reshape(-1), named, *report)
    _renorm[weight.shape[0], _LANES](table, named, np.float64(max_norm), np.float64(norm_type))
    if table is not weight:
        copy_into(weight, table)


def _report(op, rows):
    return faults.code(shapes.no_row(op, rows)), faults.note()


@kernel
def _gather(index, weight, y, code, note):
    i = cuda.grid(1)
    if i < y.size:
        n, e = i // y.shape[1], i % y.shape[1]
        row = index[n]
        if 0 <= row < weight.shape[0]:
            y[n, e] = weight[row, e]
        else:
            y[n, e] = np.nan
            note[0], note[1] = code, row


@kernel
def _find_starts(keys, starts):
    """starts[v]: how many of the sorted keys are below v, by binary search."""
    v = cuda.grid(1)
    if v < starts.size:
        low, high = 0, keys.size
        while low < high:
            middle = (low + high) // 2
            if keys[middle] < v:
                low = middle + 1
            else:
                high = middle
        starts[v] = low


@kernel
def _collect(grad_y, keys, order, chunk, scale_grad_by_freq, heads, tails, grad_weight, code, note):
    """Each thread adds up one column of one chunk of the sorted places."""
    V, E = grad_weight.shape
    c, e = cuda.grid(1) // E, cuda.grid(1) % E
    if c < heads.shape[0]:
        first, end = c * chunk, min(c * chunk + chunk, keys.size)
        begin, acc = first, grad_weight.dtype.type(0)
        for s in range(first, end):
            row = keys[s]
            acc += grad_y[order[s], e]
            goes_on = s + 1 < keys.size and keys[s + 1] == row
            if s + 1 == end or not goes_on:
                if row < 0 or row >= V:
                    note[0], note[1] = code, row
                elif begin == first and c > 0 and keys[first - 1] == row:
                    heads[c, e] = acc
                elif goes_on:
                    tails[c, e] = acc
                else:
                    grad_weight[row, e] = acc / grad_weight.dtype.type(s + 1 - begin) if scale_grad_by_freq else acc
                begin, acc = s + 1, grad_weight.dtype.type(0)


@kernel
def _add_parts(heads, tails, starts, chunk, padding_idx, scale_grad_by_freq, grad_weight):
    """The rows that `_collect` could not write: without a place, not learnt, or over an edge between chunks."""
    i, E = cuda.grid(1), grad_weight.shape[1]
    if i < grad_weight.size:
        v, e = i // E, i % E
        begin, end = starts[v], starts[v + 1]
        first, last = begin // chunk, (end - 1) // chunk
        if begin == end or v == padding_idx:
            grad_weight[v, e] = grad_weight.dtype.type(0)
        elif first != last:
            acc = tails[first, e]
            for c in range(first + 1, last + 1):
                acc += heads[c, e]
            grad_weight[v, e] = acc / grad_weight.dtype.type(end - begin) if scale_grad_by_freq else acc


@kernel
def _mark(index, named, code, note):
    """Several threads may mark one row: all write the same."""
    for i in range(cuda.grid(1), index.size, cuda.gridsize(1)):
        row = index[i]
        if 0 <= row < named.size:
            named[row] = 1
        else:
            note[0], note[1] = code, row


@formula
def _part(value, p):
    """What an element adds to the sum, or brings to the comparison, that makes the norm."""
    size = abs(np.float64(value))
    if p == 0.0:
        return 1.0 if size != 0.0 else 0.0
    if p == 1.0 or math.isinf(p):
        return size
    return size * size if p == 2.0 else math.pow(size, p)


@formula
def _together(a, b, p):
    """Two parts as one; a NaN stays."""
    if not math.isinf(p):
        return a + b
    if a != a or b != b:
        return a + b
    return max(a, b) if p > 0.0 else min(a, b)


@kernel
def _renorm(weight, named, max_norm, p):
    v, lane = cuda.blockIdx.x, cuda.threadIdx.x
    parts = cuda.shared.array(_LANES, np.float64)
    if named[v]:  # the same for all threads of the block
        acc = np.inf if p < 0.0 and math.isinf(p) else 0.0
        for e in range(lane, weight.shape[1], _LANES):
            acc = _together(acc, _part(weight[v, e], p), p)
        parts[lane] = acc
        stride = _LANES // 2
        cuda.syncthreads()
        while stride > 0:
            if lane < stride:
                parts[lane] = _together(parts[lane], parts[lane + stride], p)
            cuda.syncthreads()
            stride //= 2
        norm = parts[0]
        if p == 2.0:
            norm = math.sqrt(norm)
        elif p != 0.0 and p != 1.0 and not math.isinf(p):
            norm = math.pow(norm, 1.0 / p)
        if norm > max_norm:
            scale = max_norm / (norm + 1e-7)
            for e in range(lane, weight.shape[1], _LANES):
                weight[v, e] = weight.dtype.type(weight[v, e] * scale)
