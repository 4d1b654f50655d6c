"""Shapes of recurrent layers, and every refusal, once for all back ends."""

import numpy as np

from kernels.memory import FLOATS, Array

__all__ = ["GATES", "check_backward", "layer", "lengths_of"]

#: Weighted sums in a cell, for each number of its state.
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}


def layer(op, x, h_0, c_0, weight_ih, weight_hh, weight_hr, bias_ih, bias_hh, lengths):
    """Sizes of a layer: T, N, F_in, F_hid, F_out and G, the rows of `weight_ih`.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, or dtypes that differ; for lengths that are not int64.
    ValueError
        For axes that do not fit, for no steps, for lengths outside 0 to T (if they are on the host).
    """
    sizes = {}
    _check(op, sizes, x=(x, "T N F_in"))
    if sizes["T"] < 1:
        raise ValueError(f"{op}: x expects at least one step, got shape {x.shape}")
    if op == "lstm":
        _check(op, sizes, x=(x, "T N F_in"), c_0=(c_0, "N F_hid"))
    else:
        _check(op, sizes, x=(x, "T N F_in"), h_0=(h_0, "N F_hid"))
    if weight_hr is None:
        sizes["F_out"] = sizes["F_hid"]
    sizes["G"] = GATES[op] * sizes["F_hid"]
    optional = {"weight_hr": (weight_hr, "F_out F_hid"), "bias_ih": (bias_ih, "G"), "bias_hh": (bias_hh, "G")}
    _check(
        op, sizes, x=(x, "T N F_in"), h_0=(h_0, "N F_out"), weight_ih=(weight_ih, "G F_in"),
        weight_hh=(weight_hh, "G F_out"), **{name: entry for name, entry in optional.items() if entry[0] is not None},
    )  # fmt: skip
    _check_lengths(op, lengths, sizes["T"], sizes["N"])
    return tuple(sizes[symbol] for symbol in ("T", "N", "F_in", "F_hid", "F_out", "G"))


def check_backward(op, sizes, x, **arrays):
    """Refuse gradients of outputs, and what forward has saved, unless of the shapes that forward gave them.

    Each of `arrays` is a pair: an array, and its axes as ``"T N F_hid"``; ``S`` stands for what is saved of a step.
    """
    named = dict(zip(("T", "N", "F_in", "F_hid", "F_out", "G"), sizes))
    named["S"] = 4 * named["F_hid"]
    _check(op, named, x=(x, "T N F_in"), **arrays)


def lengths_of(lengths, T, N):
    """Steps of each sequence: `lengths`, or T for each where it is None."""
    return np.full(N, T, np.int64) if lengths is None else lengths


def _check(op, sizes, **arrays):
    """Compare the axes with `sizes` by symbol, and enter the symbols that are new; the first array says the dtype."""
    first = next(iter(arrays))
    for name, (array, axes) in arrays.items():
        symbols = axes.split()
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        if array.dtype != arrays[first][0].dtype:
            raise TypeError(f"{op}: {name} expects {arrays[first][0].dtype}, the dtype of {first}, got {array.dtype}")
        if array.ndim != len(symbols):
            raise ValueError(f"{op}: {name} expects {len(symbols)} axes ({', '.join(symbols)}), got {array.shape}")
        expected = tuple(sizes.setdefault(symbol, size) for symbol, size in zip(symbols, array.shape))
        if array.shape != expected:
            raise ValueError(
                f"{op}: {name} expects shape ({', '.join(symbols)}) = {expected}, got {array.shape}; "
                f"with {', '.join(f'{symbol} = {size}' for symbol, size in sizes.items())}"
            )


def _check_lengths(op, lengths, T, N):
    if lengths is None:
        return
    if not isinstance(lengths, Array) or lengths.dtype != np.int64:
        kind = lengths.dtype if isinstance(lengths, Array) else type(lengths).__name__
        raise TypeError(f"{op}: lengths expects an ndarray of int64 or None, got {kind}")
    if lengths.shape != (N,):
        raise ValueError(f"{op}: lengths expects one number for each of {N} sequences, got shape {lengths.shape}")
    on_host = isinstance(lengths, np.ndarray)  # to look at a number on the device is to wait for it: kernels look
    if on_host and N and not (lengths.min() >= 0 and lengths.max() <= T):
        raise ValueError(f"{op}: lengths expects numbers from 0 to {T}, got {lengths.min()} to {lengths.max()}")
