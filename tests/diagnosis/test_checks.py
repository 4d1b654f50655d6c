import numpy as np
import pytest

from mediml.diagnosis.checks import CAUTION, PASS, STOP, check_familiarity, check_image
from mediml.imaging.image import Image, Step


def image(pixels=None, **changes):
    pixels = np.linspace(0, 1, 200 * 160, dtype=np.float32).reshape(200, 160) if pixels is None else pixels
    facts = {
        "body_part": "CHEST",
        "view_position": "PA",
        "patient_orientation": "L/F",
        "lossy": "NO",
        "burned_in": "NO",
    }
    facts |= changes.pop("facts", {})
    return Image(**{"stored": pixels, "values": pixels, "modality": "DX", "facts": facts, "age_years": 4.0} | changes)


def levels(picture):
    return {check.name: (check.level, check.code) for check in check_image(picture)}


def test_a_childs_chest_film_passes_everything():
    assert {level for level, _ in levels(image()).values()} == {PASS}


@pytest.mark.parametrize(
    ("changes", "name", "level", "code"),
    [
        ({"modality": "CT"}, "modality", STOP, "wrong_modality"),
        ({"modality": "MR"}, "modality", STOP, "wrong_modality"),
        ({"modality": "OTHER"}, "modality", STOP, "no_modality"),
        ({"modality": "unknown"}, "modality", STOP, "no_modality"),
        ({"modality": "picture"}, "modality", CAUTION, "picture_modality"),
        ({"modality": "picture"}, "polarity", CAUTION, "polarity_unsaid"),
        ({"facts": {"body_part": "HAND"}}, "body_part", STOP, "wrong_body_part"),
        ({"facts": {"body_part": "OTHER"}}, "body_part", STOP, "other_body_part"),
        ({"facts": {"body_part": ""}}, "body_part", CAUTION, "no_body_part"),
        ({"facts": {"view_position": "LL"}}, "view", STOP, "not_frontal"),
        ({"facts": {"view_position": ""}}, "view", CAUTION, "no_view"),
        ({"facts": {"patient_orientation": "R/F"}}, "orientation", STOP, "turned"),
        ({"facts": {"patient_orientation": "L/H"}}, "orientation", STOP, "turned"),
        ({"facts": {"patient_orientation": ""}}, "orientation", CAUTION, "no_orientation"),
        ({"age_years": 55.0}, "age", STOP, "age_above"),
        ({"age_years": 6.0}, "age", STOP, "age_above"),
        ({"age_years": 5.9}, "age", PASS, "age_inside"),
        ({"age_years": 0.5}, "age", STOP, "age_below"),
        ({"age_years": None}, "age", CAUTION, "no_age"),
        ({"doubts": (Step("polarity_contradiction"),)}, "polarity", STOP, "polarity_unclear"),
        ({"inverted": True}, "polarity", PASS, "polarity_inverted"),
        ({"facts": {"lossy": "YES"}}, "compression", CAUTION, "lossy"),
        ({"facts": {"burned_in": "YES"}}, "burned_in", STOP, "text_inside"),
        ({"facts": {"burned_in": ""}}, "burned_in", CAUTION, "text_unsaid"),
        ({"pixels": np.zeros((200, 200, 3), np.float32)}, "colour", STOP, "coloured"),
        ({"pixels": np.zeros((27, 200), np.float32)}, "size", STOP, "too_small"),
        ({"pixels": np.zeros((100, 150), np.float32)}, "size", CAUTION, "small"),
        ({"pixels": np.zeros((200, 500), np.float32)}, "size", STOP, "too_long"),
        ({"aspect": 3.0}, "size", STOP, "too_long"),
        ({"pixels": np.ones((200, 200), np.float32)}, "contrast", STOP, "flat"),
        ({"pixels": np.kron(np.eye(20, dtype=np.float32), np.ones((9, 9), np.float32))}, "contrast", STOP, "clipped"),
    ],
)
def test_each_check(changes, name, level, code):
    assert levels(image(**changes))[name] == (level, code)


def test_part_clipped_is_a_note():
    pixels = np.linspace(0.001, 0.999, 10000, dtype=np.float32)
    pixels[:4000] = 0
    pixels[-1] = 1
    assert levels(image(pixels.reshape(100, 100)))["contrast"] == (CAUTION, "part_clipped")


def test_familiarity_names_the_worst_measurement():
    measured = {"structure": 0.4, "detail": 1.2, "exposure": 1.1, "upright": 0.0}
    check = check_familiarity(measured)
    assert (check.level, check.code, check.values["score"]) == (STOP, "unfamiliar_detail", 1.2)
    assert check_familiarity(measured | {"detail": 0.1, "exposure": 1.0}).level == PASS
