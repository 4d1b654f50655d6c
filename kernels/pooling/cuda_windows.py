"""Which elements a window covers, and which windows cover an element: the arithmetic of ``cuda.py``'s kernels.

Along one axis of 7 elements, windows of 3 with stride 2:

    element      0   1   2   3   4   5   6
    window 0    [---------]                          `window` reads a row: where window 1 begins and ends.
    window 1            [---------]                  `windows_over` reads a column: that element 2 lies in the
    window 2                    [---------]          windows 0 and 1. So a gradient gathers, and adds up in one order.

An *axis* is what both need to know, five whole numbers (step, parts, before, after, dilation):

    window `out` begins at    floor(out step / parts) - before
              and ends at     ceil((out + 1) step / parts) + after

Fixed windows have parts 1, adaptive ones (step, parts) = (size_in, size_out) and nothing before or after. A row or a
picture is a volume whose missing axes have one window over one element.
"""

from kernels.elementary import formula

__all__ = ["MISSING", "adaptive_axes", "fixed_axes", "padded_length", "split", "window", "windows_over"]

#: The axis of one window over one element.
MISSING = (1, 1, 0, 0, 1)

_LONGEST = 2**31 - 1


def fixed_axes(kernel_size, stride, padding, dilation=None):
    """Depth, height and width for windows of one size."""
    axes = []
    for K, s, p, dil in zip(kernel_size, stride, padding, dilation or (1,) * len(kernel_size)):
        s = min(int(s), _LONGEST)  # a longer one leaves one window, as this does
        axes.append((s, 1, int(p), int(dil) * (int(K) - 1) + 1 - s - int(p), int(dil)))
    return _three(axes)


def adaptive_axes(sizes_in, sizes_out):
    """Depth, height and width for windows that share the picture out."""
    return _three([(int(size_in), int(size_out), 0, 0, 1) for size_in, size_out in zip(sizes_in, sizes_out)])


def _three(axes):
    return (MISSING,) * (3 - len(axes)) + tuple(axes)


@formula
def split(i, shape):
    """Plane, depth, row and column of element `i`."""
    _, D, H, W = shape
    return i // (D * H * W), i // (H * W) % D, i // W % H, i % W


@formula
def window(out, axis, size_in):
    """First element of window `out` inside the picture, and last plus one."""
    step, parts, before, after, dilation = axis
    first, stop = out * step, (out + 1) * step
    if parts != 1:  # the same branch for all threads; a division takes as long as twenty additions
        first, stop = first // parts, -(-stop // parts)
    first, stop = first - before, stop + after
    if first < 0:
        first -= first // dilation * dilation
    return first, min(stop, size_in)


@formula
def padded_length(out, axis, size_in):
    """Length of fixed window `out` with the padding that it covers (but not what lies beyond)."""
    step, _, before, after, _ = axis
    return min((out + 1) * step + after, size_in + before) - (out * step - before)


@formula
def windows_over(i, axis, size_out):
    """First window that covers element `i`, and last plus one; for dilation 1."""
    step, parts, before, after, _ = axis
    first, stop = (i - after) * parts // step, -(-(i + before + 1) * parts // step)
    return max(first, 0), min(stop, size_out)
