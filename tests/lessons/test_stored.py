"""The stored numbers of PyTorch are those that PyTorch gives."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
STORED = HERE.parents[1] / "lessons" / "stored"


def maker():
    spec = importlib.util.spec_from_file_location("make_stored", HERE / "make_stored.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_stored_file_has_its_maker():
    assert {path.name for path in STORED.iterdir()} == set(maker().ALL)


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(path.name for path in STORED.glob("*.json")))
def test_torch_still_says_so(name):
    pytest.importorskip("torch", reason="the stored numbers are PyTorch's")
    stored, made = json.loads((STORED / name).read_text()), maker().ALL[name]()
    assert stored.keys() == made.keys()
    for key, value in made.items():
        np.testing.assert_allclose(stored[key], value, rtol=1e-9, atol=1e-12)
