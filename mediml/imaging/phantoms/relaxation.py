"""Proton density, relaxation times and diffusion of the tissues of the head, at 1.5 and 3 tesla.

References
----------
Grey matter, white matter, muscle (T1, T2): G. J. Stanisz et al.: T1, T2 relaxation and magnetization transfer in tissue
at 3T. Magnetic Resonance in Medicine 54, 2005.
Fat and marrow (T1, T2): C. M. J. de Bazelaire et al.: MR imaging relaxation times of abdominal and pelvic tissues
measured in vivo at 3.0 T. Radiology 230, 2004.
CSF (T1): W. D. Rooney et al.: Magnetic field and tissue dependencies of human brain longitudinal 1H2O relaxation in
vivo. Magnetic Resonance in Medicine 57, 2007. Its T2, about 2 s, is a round value.
Proton densities of healthy tissue: D. L. Collins et al.: Design and construction of a realistic digital brain
phantom. IEEE Transactions on Medical Imaging 17, 1998 (BrainWeb).
Deep grey matter, skin, eye, bone, diffusion coefficients and all lesions: round values of this project, in the order
that is taught (iron shortens T2 of deep grey matter; fresh infarcts have about 55 % of the diffusion of healthy brain).
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Tissue", "tissue_constants"]


@dataclass(frozen=True)
class Tissue:
    """Constants of one tissue.

    Attributes
    ----------
    pd : float
        Proton density, 1 for water.
    t1_ms, t2_ms : float
        Relaxation times.
    adc_um2_s : float
        Apparent diffusion coefficient, 10**-6 mm2/s.
    """

    pd: float
    t1_ms: float
    t2_ms: float
    adc_um2_s: float


#: Name: density, T1 and T2 at 1.5 T, T1 and T2 at 3 T, diffusion.
_TABLE: Mapping[str, tuple[float, float, float, float, float, float]] = {
    "air": (0.0, 1000, 1, 1000, 1, 0),
    "skin": (0.90, 900, 47, 1150, 42, 800),
    "fat": (1.00, 343, 58, 382, 68, 50),
    "muscle": (1.00, 1008, 44, 1412, 50, 1400),
    "bone": (0.05, 300, 0.5, 350, 0.5, 0),
    "marrow": (0.90, 549, 49, 586, 49, 200),
    "csf": (1.00, 4300, 2000, 4300, 2000, 3000),
    "grey": (0.86, 1124, 95, 1820, 99, 830),
    "white": (0.77, 884, 72, 1084, 69, 750),
    "deep_grey": (0.83, 1010, 82, 1400, 74, 760),
    "eye": (0.98, 4000, 1000, 4000, 1000, 2600),
    "tumour": (0.87, 1300, 112, 1700, 106, 1100),
    "necrosis": (0.97, 2600, 320, 2900, 300, 2000),
    "oedema": (0.90, 1350, 155, 1750, 148, 1350),
    "stroke": (0.88, 1250, 122, 1600, 116, 440),
    "white_matter_lesion": (0.85, 1200, 128, 1550, 122, 1050),
}


def tissue_constants(field_t: float = 3.0) -> Mapping[str, Tissue]:
    """Constants of every tissue of the head by its name.

    Parameters
    ----------
    field_t : float
        1.5 or 3.0, tesla.
    """
    if field_t not in (1.5, 3.0):
        raise ValueError(f"tissue_constants: field_t expects 1.5 or 3.0, got {field_t}")
    first = 1 if field_t == 1.5 else 3
    return {name: Tissue(row[0], row[first], row[first + 1], row[5]) for name, row in _TABLE.items()}
