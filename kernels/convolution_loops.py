"""The compiled loops of ``convolution.py``. All arrays are flat; tuples are (depth, height, width).

See ``convolution_plan.py``.
"""

from kernels.gemm import ROWS, WIDE_ROWS, WIDE_VECTORS, add_tile, add_wide_tile
from kernels.jit import REASSOCIATE, kernel
from kernels.simd import copy_transposed, lanes, load, splat, store, store_part

__all__ = ["add_up", "convolve", "correlate", "pack", "scatter_exactly", "sum_planes"]


@kernel
def pack(lo, hi, weight, steps, packed, sizes):
    """Lay the weights of eight rows side by side, tap by tap, as the innermost loop meets them; one item is a row."""
    rows, group_weights, row_step = sizes
    blocks = -(-rows // ROWS)
    for item in range(lo, hi):
        group, row = item // (blocks * ROWS), item % (blocks * ROWS)
        at = (item // ROWS) * len(steps) * ROWS + item % ROWS
        start = group * group_weights + row * row_step
        for k in range(len(steps)):
            packed[at + k * ROWS] = weight[start + steps[k]] if row < rows else 0


@kernel
def convolve(
    lo, hi, source, packed, bias, target, copy, tile, rows, a_steps, b_steps, phases_in, phases_out, sizes,
    size_in, size_out, band, bands, extent, step_in, step_out, lead_in, lead_out, first, counts,
):  # fmt: skip
    """`gather` and `spread`: one item is a picture, a group of its channels and a band of the output."""
    groups, C_source, C_target, pitch = sizes
    blocks = -(-C_target // ROWS)
    height, vectors = (WIDE_ROWS, WIDE_VECTORS) if C_target <= 2 * WIDE_ROWS else (ROWS, 1)
    plane_in, plane_out = size_in[0] * size_in[1] * size_in[2], size_out[0] * size_out[1] * size_out[2]
    for item in range(lo, hi):
        outer, (b_d, b_h, b_w) = _split(item, bands)
        d_0, h_0, w_0 = b_d * band[0], b_h * band[1], b_w * band[2]
        d_count, h_count = min(band[0], counts[0] - d_0), min(band[1], counts[1] - h_0)
        w_count = min(band[2], counts[2] - w_0)
        d_0, h_0, w_0 = d_0 + first[0], h_0 + first[1], w_0 + first[2]
        begin = (step_in[0] * d_0 - lead_in[0], step_in[1] * h_0 - lead_in[1], step_in[2] * w_0 - lead_in[2])
        _copy(source, outer * C_source * plane_in, size_in, C_source, phases_in, begin, step_in, extent, pitch, copy, 0)
        first_row = outer % groups * C_target
        for r in range(blocks * ROWS):
            rows[r] = (outer % groups * blocks + r // ROWS) * len(b_steps) * ROWS + r % ROWS
        for phase in range(len(phases_out)):
            taps_begin, taps_end = phases_out[phase, 3], phases_out[phase, 4]
            d_out = step_out[0] * d_0 + phases_out[phase, 0] - lead_out[0]
            h_out = step_out[1] * h_0 + phases_out[phase, 1] - lead_out[1]
            w_out = step_out[2] * w_0 + phases_out[phase, 2] - lead_out[2]
            inside = (
                *_inside(h_out, step_out[1], h_count, size_out[1]), *_inside(w_out, step_out[2], w_count, size_out[2])
            )  # fmt: skip
            for d in range(*_inside(d_out, step_out[0], d_count, size_out[0])):
                place = ((d_out + d * step_out[0]) * size_out[1] + h_out) * size_out[2] + w_out
                place += outer * C_target * plane_out
                steps = (pitch, step_out[1] * size_out[2], step_out[2], plane_out)
                for q in range(0, (h_count - 1) * pitch + w_count, vectors * lanes(tile)):
                    for r in range(0, C_target, height):
                        count = min(height, C_target - r)
                        _begin(tile, bias, first_row + r, count, vectors)
                        b_start = d * extent[1] * pitch + q
                        if vectors == 1:
                            add_tile(packed, rows, r, a_steps, copy, b_start, b_steps, taps_begin, taps_end, tile, 0)
                        else:
                            add_wide_tile(packed, rows, r, a_steps, copy, b_start, b_steps, taps_begin, taps_end, tile)
                        for v in range(vectors):
                            at = place + r * plane_out
                            _write(tile, v, vectors, count, q + v * lanes(tile), target, at, steps, inside)


@kernel
def correlate(
    lo, hi, fine, coarse, partial, copy, panel, places, rows, panel_steps, phases, sizes,
    size_fine, size_coarse, band, bands, extent, stride, padding,
):  # fmt: skip
    """`relate`: one item is a part of all bands of all pictures, a group, and some of its output channels."""
    N, groups, C_fine, C_coarse, parts, chunks, pictures = sizes
    plane_fine, plane_coarse = (
        size_fine[0] * size_fine[1] * size_fine[2],
        size_coarse[0] * size_coarse[1] * size_coarse[2],
    )
    width = lanes(panel)
    panels = -(-C_coarse // width)
    copy_elements = C_fine * extent[0] * extent[1] * extent[2]
    pieces = -(-N // pictures) * bands[0] * bands[1] * bands[2]
    for item in range(lo, hi):
        part, group, chunk = item // (groups * chunks), item // chunks % groups, item % chunks
        first_panel, last_panel = chunk * panels // chunks, (chunk + 1) * panels // chunks
        sums = ((part * groups + group) * panels + first_panel) * len(rows) * width
        partial[sums : sums + (last_panel - first_panel) * len(rows) * width] = 0
        for piece in range(part * pieces // parts, (part + 1) * pieces // parts):
            first_picture, (b_d, b_h, b_w) = _split(piece, bands)
            first_picture *= pictures
            origin = (b_d * band[0], b_h * band[1], b_w * band[2])
            begin = (
                origin[0] * stride[0] - padding[0],
                origin[1] * stride[1] - padding[1],
                origin[2] * stride[2] - padding[2],
            )
            count = 0
            for i in range(min(pictures, N - first_picture)):
                fine_start = ((first_picture + i) * groups + group) * C_fine * plane_fine
                at = i * copy_elements
                _copy(fine, fine_start, size_fine, C_fine, phases, begin, (1, 1, 1), extent, extent[2], copy, at)
                count = _places(at, origin, size_coarse, band, stride, extent, places, count)
            for p in range(first_panel, last_panel):
                channels, done = min(width, C_coarse - p * width), 0
                for i in range(min(pictures, N - first_picture)):
                    coarse_start = (((first_picture + i) * groups + group) * C_coarse + p * width) * plane_coarse
                    done = _pack(coarse, coarse_start, size_coarse, channels, origin, band, panel, done)
                for r in range(0, len(rows), ROWS):
                    at = sums + ((p - first_panel) * len(rows) + r) * width
                    add_tile(copy, rows, r, places, panel, 0, panel_steps, 0, count, partial, at)


@kernel
def add_up(lo, hi, partial, grad_weight):
    """Sum over the parts, and back into the order of the weights."""
    parts, groups, _, _, width = partial.shape
    per_group = grad_weight.shape[0] // groups
    for c_out in range(lo, hi):
        group, channel = c_out // per_group, c_out % per_group
        for tap in range(grad_weight.shape[1]):
            acc = 0.0
            for part in range(parts):
                acc += partial[part, group, channel // width, tap, channel % width]
            grad_weight[c_out, tap] = acc


@kernel(fastmath=REASSOCIATE)
def sum_planes(lo, hi, planes, sums):
    """The sum of a channel's planes."""
    for c in range(lo, hi):
        acc = 0.0
        for n in range(planes.shape[0]):
            for i in range(planes.shape[2]):
                acc += planes[n, c, i]
        sums[c] = acc


@kernel
def scatter_exactly(lo, hi, coarse, weight, fine, stride, padding, dilation):
    """`spread` by its definition, without padding: for weights that are inf or NaN. Adds to what is there."""
    _, C_coarse, D_coarse, H_coarse, W_coarse = coarse.shape
    _, C_per_group, K_d, K_h, K_w = weight.shape
    C_coarse_per_group = C_coarse // (fine.shape[1] // C_per_group)
    for n in range(lo, hi):
        for c_coarse in range(C_coarse):
            c_first = c_coarse // C_coarse_per_group * C_per_group
            for d_coarse in range(D_coarse):
                for h_coarse in range(H_coarse):
                    for w_coarse in range(W_coarse):
                        value = coarse[n, c_coarse, d_coarse, h_coarse, w_coarse]
                        d_0, h_0 = d_coarse * stride[0] - padding[0], h_coarse * stride[1] - padding[1]
                        w_0 = w_coarse * stride[2] - padding[2]
                        for k_d in range(*_inside(d_0, dilation[0], K_d, fine.shape[2])):
                            for k_h in range(*_inside(h_0, dilation[1], K_h, fine.shape[3])):
                                for k_w in range(*_inside(w_0, dilation[2], K_w, fine.shape[4])):
                                    d, h, w = d_0 + k_d * dilation[0], h_0 + k_h * dilation[1], w_0 + k_w * dilation[2]
                                    for c in range(C_per_group):
                                        fine[n, c_first + c, d, h, w] += weight[c_coarse, c, k_d, k_h, k_w] * value


@kernel
def _split(item, bands):
    """Number of the picture (and group), and of the band along each axis."""
    item, b_w = item // bands[2], item % bands[2]
    item, b_h = item // bands[1], item % bands[1]
    return item // bands[0], (item % bands[0], b_h, b_w)


@kernel
def _inside(start, step, count, size):
    """First and last plus one of the i in 0 <= i < count for which 0 <= start + i * step < size."""
    low = max(0, -(start // step))
    high = min(count, (size - 1 - start) // step + 1)
    return low, max(low, high)


@kernel
def _copy(source, start, size, channels, phases, begin, step, extent, pitch, copy, at):
    """The padded copy: place (d, h, w) of a phase shows place begin + phase + (d, h, w) * step of the source, or 0."""
    for _ in range(channels):
        for phase in range(len(phases)):
            d_0, h_0, w_0 = begin[0] + phases[phase, 0], begin[1] + phases[phase, 1], begin[2] + phases[phase, 2]
            d_low, d_high = _inside(d_0, step[0], extent[0], size[0])
            h_low, h_high = _inside(h_0, step[1], extent[1], size[1])
            w_low, w_high = _inside(w_0, step[2], pitch, size[2])
            for d in range(extent[0]):
                for h in range(extent[1]):
                    if d_low <= d < d_high and h_low <= h < h_high:
                        row = start + ((d_0 + d * step[0]) * size[1] + h_0 + h * step[1]) * size[2] + w_0
                        _copy_row(source, row, step[2], w_low, w_high, pitch, copy, at)
                    else:
                        for w in range(pitch):
                            copy[at + w] = 0
                    at += pitch
        start += size[0] * size[1] * size[2]


@kernel
def _copy_row(source, row, step, low, high, pitch, copy, at):
    for w in range(low):
        copy[at + w] = 0
    if step == 1:
        for w in range(low, high):
            copy[at + w] = source[row + w]
    else:
        for w in range(low, high):
            copy[at + w] = source[row + w * step]
    for w in range(high, pitch):
        copy[at + w] = 0


@kernel
def _places(at, origin, size, band, stride, extent, places, i):
    """Note where in the copy each position of a band begins, from number i on; returns the number after the last."""
    for d in range(min(band[0], size[0] - origin[0])):
        for h in range(min(band[1], size[1] - origin[1])):
            row = at + (d * stride[0] * extent[1] + h * stride[1]) * extent[2]
            for w in range(min(band[2], size[2] - origin[2])):
                places[i] = row + w * stride[2]
                i += 1
    return i


@kernel
def _pack(coarse, start, size, channels, origin, band, panel, i):
    """Lay a band of some channels side by side, position by position, as `_places` counts them."""
    width = lanes(panel)
    plane = size[0] * size[1] * size[2]
    rows, columns = min(band[1], size[1] - origin[1]), min(band[2], size[2] - origin[2])
    if columns == size[2]:  # the rows follow one another
        rows, columns = 1, rows * columns
    squares = columns // width * width if channels == width else 0
    for d in range(min(band[0], size[0] - origin[0])):
        for h in range(rows):
            row = start + ((origin[0] + d) * size[1] + origin[1] + h) * size[2] + origin[2]
            for w in range(0, squares, width):
                copy_transposed(coarse, row + w, plane, panel, (i + w) * width)
            for w in range(squares, columns):
                for lane in range(channels):
                    panel[(i + w) * width + lane] = coarse[row + lane * plane + w]
                for lane in range(channels, width):
                    panel[(i + w) * width + lane] = 0
            i += columns
    return i


@kernel
def _begin(tile, bias, first, count, vectors):
    """Every sum begins with its channel's bias; rows that are computed in vain with another one's."""
    for i in range(ROWS):
        store(tile, i * lanes(tile), splat(bias[first + min(i // vectors, count - 1)]))


@kernel
def _write(tile, v, vectors, count, q, target, place, steps, inside):
    """Store one vector of each row of a tile, whose lanes are the places q, q + 1, ... of the copy.

    What lies between two rows of the copy is dropped.
    """
    pitch, row_step, column_step, plane = steps
    h_low, h_high, w_low, w_high = inside
    width = lanes(tile)
    lane = 0
    while lane < width:
        h = (q + lane) // pitch
        w = q + lane - h * pitch
        length = min(pitch - w, width - lane)
        begin, end = max(w, w_low), min(w + length, w_high)
        if h_low <= h < h_high and begin < end:
            row = place + h * row_step
            if column_step == 1 and end - begin == width:
                for r in range(count):
                    store(target, row + r * plane + begin, load(tile, (r * vectors + v) * width))
            elif column_step == 1:
                for r in range(count):
                    part = load(tile, (r * vectors + v) * width)
                    store_part(target, row + r * plane + w - lane, part, lane + begin - w, lane + end - w)
            else:
                for r in range(count):
                    for i in range(begin, end):
                        number = tile[(r * vectors + v) * width + lane + i - w]
                        target[row + r * plane + i * column_step] = number
        lane += length
