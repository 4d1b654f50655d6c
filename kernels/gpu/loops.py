"""Counting loops as LLVM understands them: ``for k in range(K)`` in a kernel costs what it would in C.

Numba counts a loop down beside the index, and writes the next index only while there is one. From that LLVM cannot tell
that the index is never negative. So each ``a[k]`` looks whether ``k`` counts from the end (Python's meaning of -1), and
each address is multiplied anew: some 20 instructions around a multiply-add whose two operands need 4 (counted in the
PTX of a matrix product, numba-cuda 0.30). Here the loop is lowered as C's

    for (k = start; step > 0 ? k < stop : k > stop; k += step)

It replaces one entry in numba-cuda's table of lowerings, before the first kernel is compiled; where a version of it has
no such table, loops stay as they are: right, and slower. ``tests/cuda/test_loops.py`` counts the instructions.
"""

__all__ = ["lower_ranges_plainly"]


def lower_ranges_plainly():
    """Replace how numba-cuda compiles ``range``. Returns whether it could."""
    try:
        from numba.cuda.core.imputils import RefType, iternext_impl
        from numba.cuda.cpython.rangeobj import make_range_iterator, registry

        table = registry.functions
        places = [place for place, (_, name, _) in enumerate(table) if name == "iternext"]
    except (ImportError, AttributeError, TypeError, ValueError):  # numba without numba-cuda, or another version
        return False
    for place in places:
        _, name, signature = table[place]
        table[place] = _plain(signature[0], make_range_iterator, iternext_impl(RefType.BORROWED)), name, signature
    return bool(places)


def _plain(iterator, make_range_iterator, iternext_impl):
    structure, index = make_range_iterator(iterator), iterator.yield_type

    @iternext_impl
    def iternext(context, builder, signature, arguments, result):
        state = structure(context, builder, arguments[0])
        k, zero = builder.load(state.iter), context.get_constant(index, 0)
        less = builder.icmp_signed if index.signed else builder.icmp_unsigned
        upwards = builder.icmp_signed(">", state.step, zero)
        result.set_valid(builder.select(upwards, less("<", k, state.stop), less(">", k, state.stop)))
        result.yield_(k)
        # "nsw": the sum does not overflow, which is what makes an index that begins at 0 stay positive.
        builder.store(builder.add(k, state.step, flags=["nsw"] if index.signed else []), state.iter)

    return iternext
