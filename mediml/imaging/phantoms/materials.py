"""What the thorax is made of: Hounsfield units for CT, linear attenuation for any energy of diagnostic X-rays.

A tissue is a material of a known mass attenuation, thinned or thickened until it has the HU asked for at 70 keV:

    mu(E) = rho (mu/rho)(E),        rho = mu_water(70 keV) (1 + HU / 1000) / (mu/rho)(70 keV)

so that a CT at 70 keV shows exactly that HU, while a radiograph at another energy sees bone and soft tissue as they are
there.

References
----------
Mass attenuation: NIST Standard Reference Database 126 (Hubbell and Seltzer), tables of ICRU-44 tissues. Between two
energies log(mu/rho) is linear in log(E). HU: ranges as in textbooks of chest CT. Taught in lesson 01, medical images.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["CT_KEV", "TISSUES", "Tissue", "linear_attenuation", "tissue_attenuation", "water_attenuation"]

#: Effective energy of the CT, at which the HU of `TISSUES` hold.
CT_KEV = 70.0

_KEV = (40.0, 50.0, 60.0, 80.0, 100.0, 150.0)
#: cm² / g at these energies. Blood, lung tissue and organs differ from muscle by less than 0.5 %.
_MASS_ATTENUATION = {
    "water": (0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505),
    "soft": (0.2685, 0.2262, 0.2048, 0.1823, 0.1693, 0.1492),
    "fat": (0.2396, 0.2123, 0.1974, 0.1800, 0.1688, 0.1500),
    "bone": (0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480),
}


@dataclass(frozen=True)
class Tissue:
    """A tissue: its HU at `CT_KEV`, and the material that says how it attenuates at other energies."""

    hu: float
    material: str = "soft"


#: From the lowest priority to the highest: where two tissues meet in one place, the later one is there.
TISSUES: dict[str, Tissue] = {
    "air": Tissue(-1000.0),
    "skin": Tissue(60.0),
    "fat": Tissue(-100.0, "fat"),
    "muscle": Tissue(50.0),
    "breast": Tissue(-40.0, "fat"),
    "lung": Tissue(-860.0),
    "fissure": Tissue(-500.0),
    "vessel": Tissue(45.0),
    "airway wall": Tissue(-100.0),
    "airway": Tissue(-1000.0),
    "diaphragm": Tissue(50.0),
    "abdominal fat": Tissue(-100.0, "fat"),
    "liver": Tissue(60.0),
    "spleen": Tissue(50.0),
    "stomach": Tissue(35.0),
    "stomach gas": Tissue(-1000.0),
    "mediastinum": Tissue(-70.0, "fat"),
    "heart": Tissue(45.0),
    "great vessels": Tissue(45.0),
    "trachea wall": Tissue(40.0),
    "trachea": Tissue(-1000.0),
    "cartilage": Tissue(110.0),
    "bone": Tissue(1250.0, "bone"),
    "marrow": Tissue(300.0, "bone"),
    "disc": Tissue(80.0),
    "spinal canal": Tissue(30.0),
}


def linear_attenuation(material: str, density: float, kev: float) -> float:
    """Linear attenuation in 1/mm of a material of `density` g/cm³ for photons of `kev`, 40 to 150.

        mu = density (mu/rho)(kev) / 10

    `material` is one of ``"water"``, ``"soft"``, ``"fat"``, ``"bone"``.
    """
    if material not in _MASS_ATTENUATION:
        raise ValueError(
            f"linear_attenuation: material expects one of {', '.join(_MASS_ATTENUATION)}, got {material!r}"
        )
    if not _KEV[0] <= kev <= _KEV[-1]:
        raise ValueError(f"linear_attenuation: kev expects {_KEV[0]:g} to {_KEV[-1]:g}, got {kev}")
    table = np.log(_MASS_ATTENUATION[material])
    return density * float(np.exp(np.interp(np.log(kev), np.log(_KEV), table))) / 10


def water_attenuation(kev: float) -> float:
    """Linear attenuation of water in 1/mm."""
    return linear_attenuation("water", 1.0, kev)


def tissue_attenuation(tissue: Tissue, kev: float) -> float:
    """Linear attenuation in 1/mm of a tissue; air is taken as empty."""
    wanted = water_attenuation(CT_KEV) * (1 + tissue.hu / 1000)
    density = wanted / linear_attenuation(tissue.material, 1.0, CT_KEV)
    return linear_attenuation(tissue.material, density, kev)
