"""The bones of a chest: spine, ribs with their cartilage, sternum, clavicles, scapulae, heads of the arms.

Bones have a shell of compact bone and a core of spongy bone, so that their edges are brighter than their middle.
"""

import numpy as np
from numpy.typing import ArrayLike

from mediml.imaging.phantoms.anatomy import Frame
from mediml.imaging.phantoms.shapes import Floats, Region, Shape, Tubes, ellipsoid, tube

__all__ = ["skeleton"]

Shapes = dict[str, list[Shape]]

#: Of ribs 1 to 12: fall from the head to the front end (mm), angle where the bone ends (shares of pi), narrowing.
_FALL = (44, 66, 85, 98, 108, 114, 116, 112, 102, 84, 54, 28)
_END = (0.80, 0.81, 0.81, 0.80, 0.78, 0.75, 0.71, 0.66, 0.60, 0.54, 0.40, 0.28)
_NARROW = (0.72, 0.88, 0.97, 1, 1, 1, 1, 1, 1, 1, 1, 1)
#: Height of the joints of ribs 1 to 7 at the sternum.
_JOINTS = (98, 79, 60, 43, 27, 12, -2)
_SHELL = 1.1


def skeleton(frame: Frame, arms: bool) -> Shapes:
    """Shapes by tissue: bone, marrow, cartilage, disc, spinal canal."""
    shapes: Shapes = {"bone": [], "marrow": [], "cartilage": [], "disc": [], "spinal canal": []}
    tops = _spine(frame, shapes)
    for side in (-1, 1):
        for number in range(12):
            _rib(frame, shapes, side, number, tops[number])
        _shoulder(frame, shapes, side, arms)
    _sternum(frame, shapes)
    return shapes


def _hollow(
    shapes: Shapes,
    points: ArrayLike,
    radius: ArrayLike,
    thin: ArrayLike | None = None,
    thickness: ArrayLike = 0.0,
    shell: float = _SHELL,
) -> Tubes:
    """A long bone: a tube of compact bone with a core."""
    outer = tube(points, radius, thin, thickness)
    shapes["bone"].append(outer)
    core = np.asarray(radius) - shell
    shapes["marrow"].append(tube(points, core, thin, np.asarray(thickness) - shell if thin is not None else 0.0))
    return outer


def _spine(frame: Frame, shapes: Shapes) -> Floats:
    """Vertebrae C5 to L3; the height of the upper edge of T1 to T12."""
    height = frame.scale[2]
    tops, top = [], 138 * height
    z = top
    for level in range(15):  # 0 is T1
        tops.append(z)
        tall = (17 + 0.62 * level) * height
        _vertebra(frame, shapes, z, tall, level)
        z -= tall + (3.6 + 0.14 * level) * height
    z = top
    for level in range(-1, -5, -1):
        tall = 14.5 * height
        z += tall + 4 * height
        _vertebra(frame, shapes, z, tall, level)
    ends = np.linspace(-300, 240, 37) * height
    shapes["spinal canal"].append(
        tube(np.stack([0 * ends, frame.spine_y(ends) + 24 * frame.scale[1], ends], axis=1), 7.5)
    )
    return np.array(tops[:12])


def _vertebra(frame: Frame, shapes: Shapes, top: float, tall: float, level: int) -> None:
    sx, sy, _ = frame.scale
    grown = max(level, -1)
    wide, deep = (13.8 + 0.42 * grown) * sx, (11 + 0.35 * grown) * sy
    upper, lower = float(frame.spine_y(top)), float(frame.spine_y(top - tall))
    body = np.array([(0, upper, top), (0, lower, top - tall)])
    shapes["bone"].append(tube(body, wide, (0, 1, 0), deep))
    inset = np.array([(0, 0, -0.8), (0, 0, 0.8)])
    shapes["marrow"].append(tube(body + inset, wide - 0.8, (0, 1, 0), deep - 0.8))
    gap = np.array([(0, lower, top - tall + 0.1), (0, lower, top - tall - 6)])
    shapes["disc"].append(tube(gap, wide - 0.5, (0, 1, 0), deep - 0.5))
    y, z = (upper + lower) / 2, top - 0.4 * tall
    for side in (-1, 1):
        pedicle = [(side * (wide - 5), y + deep - 3, z + 2), (side * (wide - 4.5), y + deep + 12, z + 1)]
        shapes["marrow"].append(tube(pedicle, 4.6, (1, 0, 0), 3.4))
        lamina = [(side * (wide - 4), y + deep + 11, z), (side * 2, y + deep + 25, z - 5)]
        shapes["bone"].append(tube(lamina, 7.0, (0.3 * side, 1, 0), 2.6))
        if level >= -1:
            tip = (side * (wide + 17 - max(level - 8, 0) * 3), y + deep + 21, z + 1)
            _hollow(shapes, [(side * (wide - 5), y + deep + 11, z), tip], 4.3)
    drop = 12 if 3 <= level <= 9 else 6
    spinous = [(0, y + deep + 22, z - 4), (0, y + deep + 36, z - 4 - drop)]
    shapes["marrow"].append(tube(spinous, 5.5, (1, 0, 0), 2.6))


def rib_line(frame: Frame, side: int, number: int, top: float, points: int = 34) -> Floats:
    """The axis of a rib (0 to 11) from its head to the end of the bone: shape (points + 2, 3)."""
    sx, sy, sz = frame.scale
    start_x = (44 if number else 36) * sx
    narrow = _NARROW[number]
    wide = frame.width_at(top - 6) * narrow + 6
    begin = np.arcsin(min((start_x / wide) ** 1.25, 0.99))
    angle = np.linspace(begin, np.pi * _END[number], points)
    way = (angle - begin) / (np.pi * 0.8)
    fall = _FALL[number] / ((_END[number] * np.pi - begin) / (np.pi * 0.8)) ** 1.25
    z = top + 2 - frame.anatomy.slope * fall * way**1.25 * sz
    x, y = frame.wall(angle, z, 5.0, narrow)
    line = np.stack([side * x, y, z], axis=1)
    y_spine = float(frame.spine_y(top))
    head = [(side * 15 * sx, y_spine + 9 * sy, top - 1), (side * 25 * sx, y_spine + 22 * sy, top + 2)]
    return np.concatenate([head, line])


def _rib(frame: Frame, shapes: Shapes, side: int, number: int, top: float) -> None:
    line = rib_line(frame, side, number, top)
    along = np.diff(line, axis=0)
    outward = np.stack([along[:, 1], -along[:, 0], 0 * along[:, 0]], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    if number == 0:  # the first rib lies flat
        outward = np.broadcast_to((0.0, -0.35, 1.0), along.shape)
    way = np.linspace(0, 1, len(along))
    high = (5.8 + 1.7 * np.sin(np.pi * way) + 0.9 * way) * (0.9 if number in (0, 10, 11) else 1.0)
    _hollow(shapes, line, high, outward, np.full(len(along), 3.8), 1.1)
    if number < 7:
        joint = frame.place((side * 17, 0, _JOINTS[number]))[0]
        joint[1] = frame.front(joint[2]) - 4
        middle = (line[-1] + joint) / 2
        middle[1] = min(middle[1], float(frame.front(middle[2])) + 0.1 * abs(middle[0]) - 3)
        shapes["cartilage"].append(tube([line[-1], middle, joint], 6.0, (0, 1, 0), 4.0))
    elif number < 10:
        end = line[-1] + (-side * 35, -14, 18 - 4 * (number - 7))
        shapes["cartilage"].append(tube([line[-1], end], 5.0, (0, 1, 0), 3.5))


def _sternum(frame: Frame, shapes: Shapes) -> None:
    heights = np.array([110, 92, 72, 50, 20, -10, -40]) * frame.scale[2]
    line = np.stack([0 * heights, frame.front(heights) - 6, heights], axis=1)
    wide = np.array([25, 21, 16, 16, 18, 15]) * frame.scale[0]
    _hollow(shapes, line, wide, (0, 1, 0), np.full(len(wide), 5.5), 1.0)


def _shoulder(frame: Frame, shapes: Shapes, side: int, arms: bool) -> None:
    def place(*points: tuple[float, float, float]) -> Floats:
        return frame.place(*((side * x, y, z) for x, y, z in points))

    front = float(frame.front(98 * frame.scale[2])) - 8
    clavicle = place(
        (15, 0, 97),
        (30, 0, 101),
        (55, 0, 107),
        (82, 0, 114),
        (108, 0, 122),
        (134, 0, 129),
        (156, 0, 132),
        (172, 0, 130),
    )
    clavicle[:, 1] = front + np.array([0, -3, -4, 4, 20, 38, 48, 50])
    _hollow(shapes, clavicle, np.array([9.5, 7.6, 6.6, 6.4, 6.4, 6.8, 7.2]), (0, 0, 1), 6.0, 1.9)
    upper, lower, joint = place((112, 88, 112), (127, 78, 2), (166, 44, 106))
    shapes["bone"].append(_plate(upper, lower, joint, 1.3))
    _hollow(shapes, [lower, joint], 4.6, shell=1.6)
    shapes["bone"].append(tube([upper, lower], 2.2))
    shapes["bone"].append(tube([upper, joint], 2.0))
    spine = place((114, 94, 92), (140, 80, 112), (166, 50, 134), (178, 22, 136))
    _hollow(shapes, spine, np.array([5.0, 6.5, 9.0]), (0, -0.3, 1), np.array([3.0, 3.2, 4.0]), 1.2)
    _hollow(shapes, place((160, 40, 112), (150, 14, 122), (146, -6, 112)), 5.5, shell=1.3)
    glenoid = place((168, 42, 104))[0]
    shapes["bone"].append(ellipsoid(glenoid, (5, 12, 17)))
    shapes["marrow"].append(ellipsoid(glenoid, (3.6, 10.6, 15.6)))
    if arms:
        head, shaft = place((189, 30, 104), (296, 34, 20))
        shapes["bone"].append(ellipsoid(head, (22, 22, 23)))
        shapes["marrow"].append(ellipsoid(head, (20.6, 20.6, 21.6)))
        _hollow(shapes, [head, shaft], 11.5, shell=3.2)


def _plate(a: Floats, b: Floats, c: Floats, half: float) -> Region:
    """A thin triangle, `half` mm to both sides along y."""
    normal = np.cross(b - a, c - a)
    area = normal[1]

    def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        inside = np.ones(np.broadcast_shapes(x.shape, z.shape), np.bool_)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= ((z - p[2]) * (q[0] - p[0]) - (x - p[0]) * (q[2] - p[2])) * -np.sign(area) >= 0
        middle = a[1] - ((x - a[0]) * normal[0] + (z - a[2]) * normal[2]) / area
        return np.where(inside, middle - half, np.inf), np.where(inside, middle + half, -np.inf)

    return Region(interval)
