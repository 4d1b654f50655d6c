"""Fast embedding. Same contracts as ``kernels/embedding/reference.py``.

Optimizations
-------------
* The places are sorted by their index once, by counting: N + V steps instead of V searches through N places. The sort
  keeps the order of equal indices, and so the order of the sums.
* Threads share the rows of the gradient; each row belongs to one thread, so no two write to the same place and no
  atomic addition is needed. Looking up, they share the places; shortening, the rows that are named.
* A gradient's row is summed in eight columns at a time, in float64 and in registers: nothing is read back from memory,
  and every line of grad_y that comes into the cache is used up.
"""

import math

import numpy as np

from kernels.embedding import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable
from kernels.parallel import for_each

__all__ = ["embedding_backward_weight", "embedding_forward", "embedding_renorm_update"]

#: Columns that are summed at a time; the loop below is written out for eight.
COLUMNS = 8


def embedding_forward(index, weight):
    """Same contract as in ``reference``."""
    y = empty(shapes.forward(index, weight), weight.dtype)
    flat = y.reshape(index.size, weight.shape[1])
    for_each(_gather, index.size, y.size, shapes.flat_index(index), readable(weight), flat)
    return y


def embedding_backward_weight(grad_y, index, rows, padding_idx, scale_grad_by_freq):
    """Same contract as in ``reference``."""
    grad = empty(shapes.grad_weight(grad_y, index, rows, padding_idx), grad_y.dtype)
    places = readable(grad_y).reshape(index.size, grad.shape[1])
    starts, order = empty(rows + 1, np.int64), empty(index.size, np.int64)
    _sort(shapes.flat_index(index), starts, order)
    arguments = places, starts, order, int(padding_idx), bool(scale_grad_by_freq), grad
    for_each(_collect, grad.shape[0], places.size + grad.size, *arguments)
    return grad


def embedding_renorm_update(weight, index, max_norm, norm_type):
    """Same contract as in ``reference``."""
    shapes.renorm(weight, index)
    table, rows = readable(weight), np.unique(index).astype(np.int64)
    cost = rows.size * weight.shape[1] * (3 if norm_type in (1, 2) else 30)
    for_each(_renorm, rows.size, cost, table, rows, float(max_norm), float(norm_type))
    if table is not weight:
        weight[...] = table


@kernel
def _gather(lo, hi, index, weight, y):
    index, y = index[lo:hi], y[lo:hi]
    E = weight.shape[1]
    for i in range(index.size):
        row = weight[index[i]]
        for e in range(E):
            y[i, e] = row[e]


@kernel
def _sort(index, starts, order):
    """Places by index: those of v are ``order[starts[v] : starts[v + 1]]``, in their order."""
    V = starts.size - 1
    starts[:] = 0
    for i in range(index.size):
        if index[i] + 2 <= V:
            starts[index[i] + 2] += 1
    for v in range(2, V + 1):
        starts[v] += starts[v - 1]
    # starts[v + 1] is where the next place of v goes, and in the end where those of v + 1 begin
    for i in range(index.size):
        order[starts[index[i] + 1]] = i
        starts[index[i] + 1] += 1


@kernel
def _collect(lo, hi, grad_y, starts, order, padding_idx, scale_grad_by_freq, grad_weight):
    E = grad_weight.shape[1]
    for v in range(lo, hi):
        first, last = starts[v], starts[v + 1]
        if v == padding_idx:
            last = first
        scale = 1.0 / (last - first) if scale_grad_by_freq and last > first else 1.0
        row = grad_weight[v]
        for e in range(0, E - COLUMNS + 1, COLUMNS):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
            for k in range(first, last):
                part = grad_y[order[k], e : e + COLUMNS]
                s0 += part[0]
                s1 += part[1]
                s2 += part[2]
                s3 += part[3]
                s4 += part[4]
                s5 += part[5]
                s6 += part[6]
                s7 += part[7]
            row[e], row[e + 1], row[e + 2], row[e + 3] = scale * s0, scale * s1, scale * s2, scale * s3
            row[e + 4], row[e + 5], row[e + 6], row[e + 7] = scale * s4, scale * s5, scale * s6, scale * s7
        for e in range(E // COLUMNS * COLUMNS, E):
            acc = 0.0
            for k in range(first, last):
                acc += grad_y[order[k], e]
            row[e] = scale * acc


@kernel
def _renorm(lo, hi, weight, rows, max_norm, p):
    E = weight.shape[1]
    for v in rows[lo:hi]:
        row = weight[v]
        norm = _norm(row, p)
        if norm > max_norm:
            scale = max_norm / (norm + 1e-7)
            for e in range(E):
                row[e] *= scale


@kernel
def _norm(row, p):
    acc = 0.0
    if p == 2.0:
        for e in range(row.size):
            acc += np.float64(row[e]) * np.float64(row[e])
        return math.sqrt(acc)
    if p == 1.0:
        for e in range(row.size):
            acc += abs(np.float64(row[e]))
        return acc
    if p == 0.0:
        for e in range(row.size):
            acc += row[e] != 0.0
        return acc
    if math.isinf(p):
        acc = abs(np.float64(row[0])) if row.size else 0.0
        for e in range(row.size):
            size = abs(np.float64(row[e]))
            if size != size:
                return size
            acc = max(acc, size) if p > 0.0 else min(acc, size)
        return acc
    for e in range(row.size):
        acc += abs(np.float64(row[e])) ** p
    return acc ** (1.0 / p)
