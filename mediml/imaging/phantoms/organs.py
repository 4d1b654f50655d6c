"""Soft organs: heart and great vessels, airways, what lies below the diaphragm; and the vessels of the lungs."""

import numpy as np

from mediml.imaging.phantoms.anatomy import Frame
from mediml.imaging.phantoms.shapes import Ellipsoids, Floats, Region, Shape, Tubes, clip_below_plane, ellipsoid, tube

__all__ = ["abdomen", "back_muscles", "great_vessels", "heart", "mediastinum", "partition", "trachea", "trees"]

_SMALLEST_RADIUS = 0.35


def heart(frame: Frame) -> list[Shape]:
    """Ventricles, right atrium, left atrium and the outflow, all larger or smaller with ``anatomy.heart``."""
    middle = np.array([8.0, -25.0, -50.0])
    parts = [
        ((26, -38, -64), (70, 42, 44), (0.78, -0.32, -0.54)),
        ((-18, -24, -54), (33, 34, 48), (1, 0, 0)),
        ((4, 10, -24), (38, 22, 24), (1, 0, 0)),
        ((30, -28, -6), (17, 18, 24), (1, 0, 0)),
    ]
    size = frame.anatomy.heart
    return [
        ellipsoid((middle + (np.array(c) - middle) * size) * frame.scale, np.array(r) * size * frame.scale, axis)
        for c, r, axis in parts
    ]


def great_vessels(frame: Frame) -> list[Shape]:
    """Aorta with its branches, pulmonary trunk and arteries, the large veins."""
    place = frame.place
    old = max(frame.anatomy.age_years - 50, 0) / 30  # the aorta widens and unfolds with age
    aorta = place(
        (-2, -30, -25), (-14, -32, 5), (-17, -26, 35), (-8, -12, 58), (6, 8, 66), (19 + 2 * old, 30, 58),
        (23 + 3 * old, 45, 40), (23 + 3 * old, 48, 10), (20 + 2 * old, 46, -40), (14, 43, -90), (8, 40, -150),
    )  # fmt: skip
    wide = np.array([15, 15, 15, 14, 13.5, 13, 12.5, 12, 11.5, 11]) * (1 + 0.08 * old)
    lines: list[tuple[Floats, float | Floats]] = [
        (aorta, wide),
        (place((-10, -12, 62), (-20, 0, 105), (-30, 6, 150)), 6.0),
        (place((3, 2, 66), (12, 6, 110), (22, 10, 170)), 4.0),
        (place((14, 16, 66), (25, 20, 100), (32, 14, 122), (60, 4, 130)), 5.0),
        (place((-26, -18, 96), (-28, -16, 60), (-29, -16, 20), (-25, -18, -20)), 9.5),
        (place((-26, -18, 92), (-36, -14, 130)), 6.5),
        (place((-24, -20, 88), (0, -36, 96), (30, -24, 116)), 6.0),
        (place((14, -46, -20), (24, -36, 6), (28, -14, 20), (38, 10, 24), (47, 24, 12)), 12.0),
        (place((24, -20, 16), (0, -8, 12), (-25, -2, 9), (-42, 6, 2)), 10.0),
        (place((-22, -2, -60), (-22, 6, -140)), 11.0),
        (place((0, 6, -24), (-36, 12, -22)), 7.0),
        (place((4, 8, -22), (36, 18, -20)), 7.0),
    ]
    return [tube(line, radius) for line, radius in lines]


def trachea(frame: Frame) -> tuple[list[Shape], list[Shape]]:
    """Walls and lumen of the trachea and the main bronchi."""
    carina = (-2, 28, 36)
    lines = [
        (frame.place((0, 14, 230), (0, 14, 140), (-1, 22, 80), (-2, 28, 32)), 8.6),
        (frame.place(carina, (-20, 29, 16), (-38, 28, -4)), 6.6),
        (frame.place(carina, (18, 31, 21), (44, 32, 0)), 5.6),
    ]
    wall: list[Shape] = [tube(line, radius + 1.5) for line, radius in lines]
    return wall, [tube(line, radius) for line, radius in lines]


def mediastinum(frame: Frame) -> list[Shape]:
    """The fat between the lungs."""
    sx, sy, sz = frame.scale
    heights = np.array([-160, -40, 20, 60, 100, 140]) * sz
    widths = np.array([24, 24, 30, 26, 23, 28]) * sx

    def core(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        rest = np.maximum(1 - np.abs((x - 2 * sx) / np.interp(z, heights, widths)) ** 2, 0)
        half = 46 * sy * rest**0.5
        return 8 * sy - half, 8 * sy + half

    return [Region(core)]


def partition(frame: Frame) -> list[Shape]:
    """The thin wall between the lungs in front, which widens to the fat pads beside the heart."""
    sx, _, sz = frame.scale

    def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        away = np.maximum(np.abs(x - 3 * sx) - 3.5, 0)
        front = frame.front(z)
        share = away / np.clip(-60 * sz - z, 1e-3, 25)  # a wedge: see back_muscles
        return front, np.where(share < 1, front * share, front)

    return [Region(interval) & frame.cavity()]


def back_muscles(frame: Frame) -> list[Shape]:
    """What fills the space around the spine."""

    def around(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        # A wedge that widens to the back: on films it fades, where a wall along the rays would draw a line.
        front = frame.spine_y(z) - 13 + 1.5 * np.maximum(np.abs(x) - 13 * frame.scale[0], 0)
        return front, frame.spine_y(z) + 44

    return [Region(around) & frame.cavity(2.0)]


def abdomen(frame: Frame, upright: bool) -> dict[str, list[Shape]]:
    """Diaphragm and organs below it. The stomach's gas is on top: under the left dome, or in front when lying."""
    sx = frame.scale[0]
    centre, radii = frame.place((60, 8, 0))[0], frame.place((37, 30, 35))[0]
    radii *= 0.88 + 0.24 * (frame.anatomy.shape % 101) / 100
    centre[2] = frame.anatomy.dome_left_mm * frame.scale[2] - 6 - radii[2]
    spleen = frame.place((96, 46, 0))[0]
    spleen[2] = frame.anatomy.dome_left_mm * frame.scale[2] - 60
    level = centre[2] + 0.2 * radii[2] if upright else centre[1] - 0.2 * radii[1]
    above = clip_below_plane((0, 0, -1), -level) if upright else clip_below_plane((0, 1, 0), level)
    inner = _round_region(centre, radii - 4)
    domes = [frame.dome(side) for side in (-1, 1)]
    return {
        "diaphragm": [*domes],
        "abdominal fat": [frame.dome(side, 3.0) for side in (-1, 1)],
        "liver": [frame.dome(-1, 3.5) & clip_below_plane((1, 0.2, -0.35), 55 * sx)],
        "spleen": [ellipsoid(spleen, frame.place((26, 44, 42))[0])],
        "stomach": [_round_region(centre, radii)],
        "stomach gas": [inner & above],
    }


def _round_region(centre: Floats, radii: Floats) -> Region:
    def interval(x: Floats, z: Floats) -> tuple[Floats, Floats]:
        rest = np.maximum(1 - ((x - centre[0]) / radii[0]) ** 2 - ((z - centre[2]) / radii[2]) ** 2, 0)
        half = radii[1] * np.sqrt(rest)
        return centre[1] - half, centre[1] + half

    return Region(interval)


def trees(frame: Frame, points: dict[str, Floats]) -> dict[str, list[Shape]]:
    """Branching vessels and airways that fill the lungs; `points` (N, 3) of each side, "R" and "L", guide them."""
    roots = {
        "vessel": {
            "R": [((-40, 6, 3), 8.0), ((-32, 12, -20), 6.5)],
            "L": [((46, 22, 14), 8.0), ((34, 16, -20), 6.5)],
        },
        "airway": {"R": [((-38, 28, -4), 5.2)], "L": [((44, 32, 0), 4.8)]},
    }
    random = np.random.default_rng(frame.anatomy.shape)
    shapes: dict[str, list[Shape]] = {"vessel": [], "airway wall": [], "airway": []}
    for kind, sides in roots.items():
        for side, starts in sides.items():
            for place, radius in starts:
                count = 520 if kind == "vessel" else 40
                cloud = points[side][random.permutation(len(points[side]))[:count]]
                pieces = _grow(frame.place(place)[0], radius, cloud, random)
                if kind == "vessel":
                    shapes["vessel"] += _rounded(pieces, 0.0)
                    continue
                pieces = [piece for piece in pieces if piece[2] > 1.0]
                shapes["airway wall"] += _rounded(pieces, 0.9)
                shapes["airway"] += _rounded(pieces, 0.0)
    return shapes


Piece = tuple[Floats, Floats, float]


def _grow(root: Floats, radius: float, cloud: Floats, random: np.random.Generator) -> list[Piece]:
    """Branches to the middle of the points that a vessel has to serve, then halve the points: Tawhai's way.

    The radius falls with the number of points served, r = radius (n / N)^0.36, close to Murray's law, which has 1 / 3
    for equal flow per point: with two children of the same size each is 0.78 of its parent.
    """
    pieces: list[Piece] = []
    todo = [(root, cloud)]
    while todo:
        start, served = todo.pop()
        middle = served.mean(axis=0)
        share = 0.42 if len(served) > 2 else 0.75
        end = start + share * (middle - start) + random.normal(0, 1.2, 3)
        pieces.append((start, end, max(radius * (len(served) / len(cloud)) ** 0.36, _SMALLEST_RADIUS)))
        if len(served) <= 2:
            continue
        spread = served - middle
        along = np.linalg.eigh(spread.T @ spread)[1][:, -1]
        half = spread @ along > 0
        if half.all() or not half.any():
            continue
        todo += [(end, served[half]), (end, served[~half])]
    return pieces


def _rounded(pieces: list[Piece], thicker: float) -> list[Shape]:
    """Pieces as tubes, with a ball at each end that closes the gaps where they part."""
    starts, ends = (np.array([piece[k] for piece in pieces]) for k in (0, 1))
    radii = np.array([piece[2] for piece in pieces]) + thicker
    along = ends - starts
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    guess = np.eye(3)[np.argmin(np.abs(along), axis=1)]
    short = guess - along * np.einsum("nk,nk->n", guess, along)[:, None]
    short /= np.linalg.norm(short, axis=1, keepdims=True)
    sections = np.stack([np.cross(along, short), short], axis=1) / radii[:, None, None]
    caps = np.stack([along, along], axis=1)
    balls = np.eye(3)[None] / radii[:, None, None]
    return [Tubes(starts, ends, sections, caps, radii), Ellipsoids(ends, balls)]
