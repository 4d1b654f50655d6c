"""What the recurrent layers share on the GPU: how their work is split, and all that needs no step by step."""

from numba import cuda

from kernels.elementary import formula
from kernels.gpu import faults, math
from kernels.gpu.launch import device_function, kernel, per_element
from kernels.gpu.matmul import matmul
from kernels.gpu.memory import empty, readable
from kernels.gpu.sums import sum_axis
from kernels.gpu.target import SIMULATED

__all__ = [
    "MOST_HIDDEN", "before", "column_sums", "device_bias", "device_lengths", "fits_one_block",
    "input_gradients", "length_of", "order_of_steps", "per_sequence", "projected_input", "sigmoid", "state_before",
    "weight_gradient",
]  # fmt: skip

#: Numbers in a state up to which one block carries a sequence through all steps: its shared memory has room for them.
MOST_HIDDEN = 3 if SIMULATED else 256

#: Threads of such a block; where it has more numbers to compute, a thread takes several.
_MOST_THREADS = 4 if SIMULATED else 512
_WARP = 4 if SIMULATED else 32


def fits_one_block(F_hid):
    """Whether a block can carry a sequence; larger weights are better read once for all sequences, step by step."""
    return F_hid <= MOST_HIDDEN


def per_sequence(N, G):
    """Grid of one block for each sequence, with a thread for each of its weighted sums."""
    return N, min(-(-max(G, 1) // _WARP) * _WARP, _MOST_THREADS)


def order_of_steps(T, reverse):
    """The steps in the order in which sequences are read."""
    return range(T - 1, -1, -1) if reverse else range(T)


def device_lengths(op, lengths, T, N):
    """Steps of each sequence, on the device and within 0 to T; an empty array where all last to the end.

    What is outside is reported at the next copy to the host: nobody waits for the device to look at it now.
    """
    if lengths is None:
        return empty(0, "int64")
    steps, code = empty(N, "int64"), faults.code(f"{op}: lengths expects numbers from 0 to {T}, got {{value}}")
    _within[per_element(N)](readable(lengths), steps, T, code, faults.note())
    return steps


@kernel
def _within(lengths, steps, T, code, note):
    n = cuda.grid(1)
    if n < steps.size:
        length = lengths[n]
        if length < 0 or length > T:
            note[0], note[1] = code, length
        steps[n] = min(max(length, 0), T)


@device_function
def length_of(lengths, n, array):
    """Steps of a sequence; of `array` the first axis is that of time."""
    return lengths[n] if lengths.size else array.shape[0]


def device_bias(bias):
    """A bias as kernels take it, which leave it out where it is None."""
    return None if bias is None else readable(bias)


def projected_input(x, weight_ih, bias, target):
    """target[t * N + n, j] = bias[j] + sum_{f_in} weight_ih[j, f_in] * x[t, n, f_in], for all steps at once."""
    T, N, F_in = x.shape
    matmul(readable(x).reshape(T * N, F_in), readable(weight_ih).T, target, bias=device_bias(bias))


@formula
def sigmoid(a):
    """1 / (1 + e^-a): where e^-a is too large for the dtype it is infinite, and the result 0."""
    one = type(a)(1)
    return one / (one + math.exp(-a))


@device_function
def state_before(states, first, t, n, f, length, reverse):
    """A number of the state of a sequence before step `t`: of the step taken before, or what it began with."""
    if reverse:
        return states[t + 1, n, f] if t + 1 < length else first[n, f]
    return states[t - 1, n, f] if t > 0 else first[n, f]


def before(states, first, lengths, reverse):
    """The state of each sequence before each step that it takes; 0 elsewhere."""
    array = empty(states.shape, states.dtype)
    _before[per_element(array.size)](states, first, lengths, bool(reverse), array)
    return array


@kernel
def _before(states, first, lengths, reverse, array):
    _, N, F = array.shape
    i = cuda.grid(1)
    if i < array.size:
        t, n, f = i // (N * F), i // F % N, i % F
        length = length_of(lengths, n, array)
        array[t, n, f] = state_before(states, first, t, n, f, length, reverse) if t < length else array.dtype.type(0)


def _masked(array, lengths):
    """The array with 0 beyond each sequence's length."""
    inside = empty(array.shape, array.dtype)
    _mask[per_element(inside.size)](array, lengths, inside)
    return inside


@kernel
def _mask(array, lengths, inside):
    _, N, F = array.shape
    i = cuda.grid(1)
    if i < array.size:
        t, n, f = i // (N * F), i // F % N, i % F
        inside[t, n, f] = array[t, n, f] if t < lengths[n] else array.dtype.type(0)


def input_gradients(grad_a, x, weight_ih, lengths, masked):
    """grad_x, grad_weight_ih and grad_bias_ih from the gradients of the weighted sums.

    `masked` says whether sequences may end early: what lies beyond (it may be NaN, and 0 * NaN is NaN) is left out.
    """
    T, N, F_in = x.shape
    G = grad_a.shape[2]
    grad_x = matmul(grad_a.reshape(T * N, G), readable(weight_ih)).reshape(T, N, F_in)
    x = readable(x)
    if masked:
        grad_x, x = _masked(grad_x, lengths), _masked(x, lengths)
    return grad_x, weight_gradient(grad_a, x), column_sums(grad_a)


def weight_gradient(grad_a, v):
    """grad_weight[j, k] = sum_{t, n} grad_a[t, n, j] * v[t, n, k]: one product over all steps."""
    T, N, G = grad_a.shape
    return matmul(grad_a.reshape(T * N, G).T, v.reshape(T * N, v.shape[2]))


def column_sums(grad_a):
    """grad_bias[j] = sum_{t, n} grad_a[t, n, j], a tree of a fixed order."""
    T, N, G = grad_a.shape
    return sum_axis(grad_a.reshape(1, T * N, G)).reshape(G)
