"""Windows in which radiologists look at computed tomography, by name.

Taught in lesson 03, Preprocessing.
"""

from collections.abc import Mapping
from types import MappingProxyType

from mediml.imaging.image import WindowView

__all__ = ["CT_WINDOWS"]

#: Views of a CT image in Hounsfield units (HU; air -1000, water 0), for ``image.display(CT_WINDOWS["lung"])``.
#:
#: ===============  ======  =====  ===========================================================
#: name             center  width  what it is for, and where the numbers come from
#: ===============  ======  =====  ===========================================================
#: ``lung``           -600   1500  vessels, nodules, air: [1] chest, lungs
#: ``mediastinum``      40    400  heart, vessels, nodes: within [1] soft tissues, 20-60 / 350-400
#: ``soft_tissue``      40    400  the same numbers under the name that other regions give them
#: ``abdomen``          50    400  solid organs and bowel: [1] abdomen, soft tissues
#: ``liver``            30    150  faint lesions of the liver: [1] abdomen, liver
#: ``brain``            40     80  grey and white matter, blood: [1] head, brain
#: ``stroke``           40     40  early oedema, a few HU darker: [1] head, stroke, the second of
#:                                 its two; readers in [2] began even narrower, at 32 / 8
#: ``bone``            400   1800  cortex and fractures: [1] spine, bone
#: ===============  ======  =====  ===========================================================
#:
#: They are habits, not constants of nature: hospitals and makers differ by some tens of HU, and the windows that a
#: file brings along (`Image.views`) come first. All use the standard's LINEAR function.
#:
#: [1] A. Murphy, Y. Baba et al., "Windowing (CT)", Radiopaedia.org, https://radiopaedia.org/articles/windowing-ct
#: [2] M. H. Lev et al., "Acute stroke: improved nonenhanced CT detection", Radiology 213 (1999), 150-155.
CT_WINDOWS: Mapping[str, WindowView] = MappingProxyType(
    {
        "abdomen": WindowView(50.0, 400.0),
        "bone": WindowView(400.0, 1800.0),
        "brain": WindowView(40.0, 80.0),
        "liver": WindowView(30.0, 150.0),
        "lung": WindowView(-600.0, 1500.0),
        "mediastinum": WindowView(40.0, 400.0),
        "soft_tissue": WindowView(40.0, 400.0),
        "stroke": WindowView(40.0, 40.0),
    }
)
