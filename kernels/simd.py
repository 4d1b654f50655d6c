"""Vectors of lanes for Numba: one instruction works on several numbers at once, and the kernel says so itself.

A processor's vector register holds several numbers (an AVX-512 register sixteen float32 or eight float64, an AVX2
register half as many, a NEON register a quarter), and one fused multiply-add instruction computes a * b + c on all of
them. LLVM often finds such instructions in a plain loop by itself, but not in loops like that of a matrix product,
where it would have to keep a whole tile of sums in registers. So here is a vector as a Numba type:

    total = splat(np.float32(0))                             the same number in every lane
    for k in range(K):
        total = fma(load_splat(a, k), load(b, k * lanes(b)), total)
    store(y, 0, total)

The vectors always have 64 bytes: sixteen lanes of float32, eight of float64. LLVM splits them where the processor's
registers are shorter. So results do not depend on the processor but for one thing: where there is no fused multiply-add
(no processor of the last ten years), LLVM calls a slow function that rounds alike.

`load` and `store` take flat arrays and check nothing, unless NUMBA_BOUNDSCHECK is set.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

__all__ = [
    "LANES",
    "add",
    "copy_transposed",
    "element",
    "fma",
    "lanes",
    "load",
    "load_splat",
    "splat",
    "store",
    "store_part",
]

#: Lanes of a vector, by the dtype of its numbers.
LANES = {np.dtype(np.float32): 16, np.dtype(np.float64): 8}

_INT32 = ir.IntType(32)


class VectorType(types.Type):
    """A Numba type: a fixed number of float32 or float64 in one register."""

    def __init__(self, element, count):
        self.element = element
        self.count = count
        self.ir = ir.VectorType({types.float32: ir.FloatType(), types.float64: ir.DoubleType()}[element], count)
        super().__init__(name=f"{element}x{count}")


_VECTORS = {element: VectorType(element, LANES[np.dtype(str(element))]) for element in (types.float32, types.float64)}


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, frontend_type):
        super().__init__(manager, frontend_type, frontend_type.ir)


@intrinsic
def lanes(typing_context, array):
    """How many elements of `array` a vector holds: a constant once compiled."""
    count = _VECTORS[array.dtype].count

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(types.intp.bitwidth), count)

    return types.intp(array), codegen


@intrinsic
def splat(typing_context, value):
    """`value` in every lane."""
    vector = _VECTORS.get(value)
    if vector is None:
        return None

    def codegen(context, builder, signature, args):
        return _splat(builder, args[0], vector.count)

    return vector(value), codegen


@intrinsic
def load(typing_context, array, offset):
    """array[offset : offset + lanes(array)] of a flat array."""
    vector = _VECTORS[array.dtype]

    def codegen(context, builder, signature, args):
        last = builder.add(args[1], ir.Constant(args[1].type, vector.count - 1))
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1], vector, args[1], last)
        return builder.load(pointer, align=vector.element.bitwidth // 8)

    return vector(array, types.intp), codegen


@intrinsic
def element(typing_context, array, offset):
    """array[offset] of a flat array, where Numba would first look whether the offset counts from the end."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1], None, args[1], args[1])
        return builder.load(pointer)

    return array.dtype(array, types.intp), codegen


@intrinsic
def load_splat(typing_context, array, offset):
    """array[offset] of a flat array in every lane."""
    vector = _VECTORS[array.dtype]

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1], None, args[1], args[1])
        return _splat(builder, builder.load(pointer), vector.count)

    return vector(array, types.intp), codegen


@intrinsic
def store(typing_context, array, offset, value):
    """array[offset : offset + lanes(array)] = value, for a flat array."""
    vector = _VECTORS[array.dtype]

    def codegen(context, builder, signature, args):
        last = builder.add(args[1], ir.Constant(args[1].type, vector.count - 1))
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1], vector, args[1], last)
        builder.store(args[2], pointer, align=vector.element.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


@intrinsic
def store_part(typing_context, array, offset, value, first, stop):
    """array[offset + first : offset + stop] = lanes `first` to `stop` of `value`; the other places stay untouched."""
    vector = _VECTORS[array.dtype]

    def codegen(context, builder, signature, args):
        array, offset, value, first, stop = args
        last = builder.sub(builder.add(offset, stop), ir.Constant(stop.type, 1))
        begin = builder.add(offset, first)
        pointer = _pointer(context, builder, signature.args[0], array, offset, vector, begin, last)
        index = ir.Constant(ir.VectorType(_INT32, vector.count), list(range(vector.count)))
        bounds = (_splat(builder, builder.trunc(bound, _INT32), vector.count) for bound in (first, stop))
        low, high = bounds
        mask = builder.and_(builder.icmp_signed(">=", index, low), builder.icmp_signed("<", index, high))
        signature_ir = ir.FunctionType(ir.VoidType(), [vector.ir, pointer.type, _INT32, mask.type])
        name = f"llvm.masked.store.v{vector.count}f{vector.element.bitwidth}.p0"
        function = cgutils.get_or_insert_function(builder.module, signature_ir, name)
        builder.call(function, [value, pointer, ir.Constant(_INT32, vector.element.bitwidth // 8), mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp, types.intp), codegen


@intrinsic
def copy_transposed(typing_context, source, start, step, target, at):
    """target[at + i * L + j] = source[start + j * step + i] for all i, j < L = lanes(target), for flat arrays.

    A square of L by L numbers is loaded as L vectors; its halves are exchanged, then the quarters in each half, and so
    on: L log2(L) exchanges instead of L * L single stores.
    """
    vector = _VECTORS[source.dtype]
    count = vector.count

    def address(context, builder, array_type, array, offset):
        last = builder.add(offset, ir.Constant(offset.type, count - 1))
        return _pointer(context, builder, array_type, array, offset, vector, offset, last)

    def codegen(context, builder, signature, args):
        source, start, step, target, at = args
        align, rows = vector.element.bitwidth // 8, []
        for j in range(count):
            offset = builder.add(start, builder.mul(step, ir.Constant(step.type, j)))
            rows.append(builder.load(address(context, builder, signature.args[0], source, offset), align=align))
        half = count // 2
        while half:
            _exchange_blocks(builder, rows, half)
            half //= 2
        for i in range(count):
            offset = builder.add(at, ir.Constant(at.type, i * count))
            builder.store(rows[i], address(context, builder, signature.args[3], target, offset), align=align)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp), codegen


def _exchange_blocks(builder, rows, size):
    """Exchange the upper right with the lower left block of `size` by `size` in each square of twice that size."""
    count = len(rows)
    upper = [j if not j & size else count + j - size for j in range(count)]
    lower = [j + size if not j & size else count + j for j in range(count)]
    masks = [ir.Constant(ir.VectorType(_INT32, count), mask) for mask in (upper, lower)]
    for i in range(count):
        if not i & size:
            pair = rows[i], rows[i + size]
            rows[i], rows[i + size] = (builder.shuffle_vector(*pair, mask) for mask in masks)


@intrinsic
def add(typing_context, a, b):
    """a + b, lane by lane."""

    def codegen(context, builder, signature, args):
        return builder.fadd(*args)

    return a(a, b), codegen


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c, lane by lane, rounded once."""

    def codegen(context, builder, signature, args):
        name = f"llvm.fma.v{a.count}f{a.element.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.ir, [a.ir] * 3), name)
        return builder.call(function, args)

    return a(a, b, c), codegen


def _splat(builder, value, count):
    vector = ir.VectorType(value.type, count)
    lane0 = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT32, 0))
    everywhere = ir.Constant(ir.VectorType(_INT32, count), [0] * count)
    return builder.shuffle_vector(lane0, ir.Constant(vector, ir.Undefined), everywhere)


def _pointer(context, builder, array_type, array, offset, vector, first, last):
    """Address of a vector (None: of one element). With bounds checks on, places `first` and `last` must be inside."""
    view = context.make_array(array_type)(context, builder, array)
    if context.enable_boundscheck:
        size = builder.extract_value(view.shape, 0)
        for index in (first, last):
            cgutils.do_boundscheck(context, builder, index, size, 0)
    pointer = builder.gep(view.data, [offset])
    return pointer if vector is None else builder.bitcast(pointer, vector.ir.as_pointer())
