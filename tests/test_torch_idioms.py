"""Turns of phrase that torch programs are full of, with mediml under the name of torch."""

import math

import pytest

import mediml as torch
from kernels import parallel


def test_the_usual_choice_of_a_device():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = torch.zeros(2).to(device)
    assert (x.device, x.is_cuda, torch.cuda.device_count()) == (torch.device("cpu"), False, 0)


def test_constants_and_inference_mode():
    assert (torch.pi, torch.e, torch.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(torch.nan)
    weight = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        assert not (weight * 2).requires_grad


def test_new_tensors_like_this_one():
    x = torch.zeros(2, dtype=torch.float64, device="reference")
    made = [x.new_zeros(3, 1), x.new_ones((3, 1)), x.new_full((3, 1), 7), x.new_tensor([[1], [2], [3]])]
    assert [m.flatten().tolist() for m in made] == [[0, 0, 0], [1, 1, 1], [7, 7, 7], [1, 2, 3]]
    assert {(tuple(m.shape), m.dtype, str(m.device)) for m in made} == {((3, 1), torch.float64, "reference")}
    assert x.new_zeros(1, dtype=torch.int64, device="cpu").dtype == torch.int64


def test_names_of_dtype_and_size():
    x = torch.zeros(2, 3)
    assert (x.nelement(), x.ndimension(), x.type()) == (6, 2, "mediml.float32")
    assert x.type(torch.int64).dtype == torch.int64


def test_filling_a_weight_in_place():
    torch.manual_seed(0)
    layer = torch.nn.Linear(40, 50)
    layer.weight.data.normal_(1.0, 0.02)
    layer.bias.data.uniform_(2, 3)
    assert abs(layer.weight.detach().mean().item() - 1) < 5 * 0.02 / 2000**0.5
    assert 2 <= layer.bias.min().item() <= layer.bias.max().item() < 3


def test_threads_are_counted_and_set():
    before = parallel._thread_count
    try:
        torch.set_num_threads(3)
        assert torch.get_num_threads() == parallel.thread_count() == 3
        with pytest.raises(ValueError, match="at least 1"):
            torch.set_num_threads(0)
    finally:
        parallel.set_thread_count(before)
