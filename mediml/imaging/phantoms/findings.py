"""What can be found in a chest: what is asked for, and what was made of it."""

from dataclasses import dataclass

__all__ = ["Effusion", "Finding", "Nodule", "Opacity", "Pneumothorax", "Request"]

SIDES = ("right", "left")
LOBES = ("RUL", "RML", "RLL", "LUL", "LLL")
#: HU of a nodule.
DENSITIES = {"solid": 40.0, "ground glass": -600.0, "calcified": 400.0}


@dataclass(frozen=True)
class Nodule:
    """A round lesion.

    Attributes
    ----------
    diameter_mm : float
        2 to 80.
    side : {"right", "left"} or None
        The patient's; None draws it.
    position_mm : tuple of three float or None
        Centre (x, y, z), LPS; None draws a place where the whole nodule lies in lung.
    density : {"solid", "ground glass", "calcified"}
        40, -600 and 400 HU.
    spicules : int
        Fine strands that leave it; they belong to it and to its volume.
    margin_mm : float
        Room that is kept between the nodule and the wall when the place is drawn.
    """

    diameter_mm: float = 20.0
    side: str | None = None
    position_mm: tuple[float, float, float] | None = None
    density: str = "solid"
    spicules: int = 0
    margin_mm: float = 3.0

    def __post_init__(self) -> None:
        _side("Nodule", self.side)
        if not 2 <= self.diameter_mm <= 80:
            raise ValueError(f"Nodule: diameter_mm expects 2 to 80, got {self.diameter_mm}")
        if self.density not in DENSITIES:
            raise ValueError(f"Nodule: density expects one of {', '.join(DENSITIES)}, got {self.density!r}")
        if not 0 <= self.spicules <= 60 or self.margin_mm < 0:
            raise ValueError(
                f"Nodule: expected 0 to 60 spicules and margin_mm >= 0, got {self.spicules} and {self.margin_mm}"
            )


@dataclass(frozen=True)
class Opacity:
    """A consolidation as of pneumonia: lumps that merge, fade at the rim and stop at the fissures of the lobe.

    Attributes
    ----------
    lobe : {"RUL", "RML", "RLL", "LUL", "LLL"} or None
        None draws it.
    size_mm : float
        Radius of the region in which the lumps lie, 10 to 80.
    hu : float
        Of the core; the rim is -450 HU.
    """

    lobe: str | None = None
    size_mm: float = 32.0
    hu: float = 20.0

    def __post_init__(self) -> None:
        if self.lobe is not None and self.lobe not in LOBES:
            raise ValueError(f"Opacity: lobe expects one of {', '.join(LOBES)}, got {self.lobe!r}")
        if not 10 <= self.size_mm <= 80:
            raise ValueError(f"Opacity: size_mm expects 10 to 80, got {self.size_mm}")


@dataclass(frozen=True)
class Effusion:
    """Fluid in the pleural space: with a meniscus that climbs the wall when upright, in the back when lying.

    The volume is met to 1 %; the `Finding` says what it came to. `volume_ml` from 20 to 5000; `side` as in `Nodule`.
    """

    side: str | None = None
    volume_ml: float = 500.0

    def __post_init__(self) -> None:
        _side("Effusion", self.side)
        if not 20 <= self.volume_ml <= 5000:
            raise ValueError(f"Effusion: volume_ml expects 20 to 5000, got {self.volume_ml}")


@dataclass(frozen=True)
class Pneumothorax:
    """Air in the pleural space, widest at the top when upright and in front when lying, with the lung's fine edge.

    The volume is met to 1 %; the `Finding` says what it came to. `volume_ml` from 20 to 1200; `side` as in `Nodule`.
    """

    side: str | None = None
    volume_ml: float = 300.0

    def __post_init__(self) -> None:
        _side("Pneumothorax", self.side)
        if not 20 <= self.volume_ml <= 1200:
            raise ValueError(f"Pneumothorax: volume_ml expects 20 to 1200, got {self.volume_ml}")


Request = Nodule | Opacity | Effusion | Pneumothorax


@dataclass(frozen=True)
class Finding:
    """What was put in: the truth.

    Attributes
    ----------
    kind : {"nodule", "opacity", "effusion", "pneumothorax"}
    label : int
        Its value in masks of labels.
    side : {"right", "left"}
        The patient's.
    lobe : str
        ``"RUL"``, …; of the centre; ``""`` for what lies in the pleural space.
    centre_mm : tuple of three float
        (x, y, z), LPS. Of a nodule its centre, else the centre of gravity.
    volume_mm3 : float
        Of a smooth nodule pi d³ / 6; else the integral of exact chords over a fine grid of rays. Of an opacity, what of
        it is not hidden by pleural fluid or air when lying.
    diameter_mm : float or None
        Of a nodule, without its spicules.
    hu : float
        Of its core.
    """

    kind: str
    label: int
    side: str
    lobe: str
    centre_mm: tuple[float, float, float]
    volume_mm3: float
    diameter_mm: float | None
    hu: float


def _side(what: str, side: str | None) -> None:
    if side is not None and side not in SIDES:
        raise ValueError(f"{what}: side expects 'right' or 'left' (the patient's) or None, got {side!r}")
