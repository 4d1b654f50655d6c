"""What a tensor is and how it meets NumPy, DLPack, dtypes, devices, files and random numbers."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest

import mediml


def test_tensor_copies_and_from_numpy_shares():
    array = np.zeros(3, np.float32)
    copied, shared = mediml.tensor(array), mediml.from_numpy(array)
    array[0] = 5
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [5, 0, 0]
    shared.add_(1)
    assert array.tolist() == [6, 1, 1]
    assert mediml.as_tensor(array)._array is array


def test_numpy_functions_take_tensors():
    x = mediml.tensor([1.0, 4.0])
    assert np.asarray(x) is not None
    assert np.sqrt(x).tolist() == [1, 2]
    assert isinstance(np.ones(2, np.float32) + x, mediml.Tensor)
    with pytest.raises(ValueError, match=r"detach\(\)\.numpy\(\)"):
        np.asarray(x.requires_grad_())


@pytest.mark.torch
def test_dlpack_both_ways_without_a_copy():
    torch = pytest.importorskip("torch")
    ours = mediml.zeros(2, 3)
    theirs = torch.from_dlpack(ours)
    theirs[0, 0] = 7
    assert ours[0, 0].item() == 7
    back = mediml.from_dlpack(theirs)
    back[1, 1] = 9
    assert theirs[1, 1].item() == 9


def test_big_endian_and_unknown_dtypes():
    array = np.arange(3, dtype=">f4")
    assert mediml.tensor(array).dtype == mediml.float32
    assert mediml.tensor(array).dtype.isnative
    with pytest.raises(TypeError, match="native byte order"):
        mediml.from_numpy(array)
    for bad in (np.array(["a"]), np.array([None]), np.array([1j])):
        with pytest.raises(TypeError, match="a tensor cannot hold"):
            mediml.tensor(bad)


def test_views_share_memory_as_in_torch():
    x = mediml.zeros(2, 3)
    for view in (x.reshape(6), x.view(3, 2), x.t(), x[0], x.unsqueeze(0), x.narrow(1, 0, 2), x.flatten(), x.squeeze()):
        assert np.shares_memory(view._array, x._array)
        before = x._version
        view.add_(1)
        assert x._version == before + 1
    assert not np.shares_memory(x[[0]]._array, x._array)


def test_repr():
    assert repr(mediml.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(mediml.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(mediml.tensor([1.0], dtype=mediml.float64)) == "tensor([1.], dtype=mediml.float64)"
    x = mediml.tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x + 1) == "tensor([2.], grad_fn=<add>)"
    assert repr(x.shape) == "Size([1])"
    assert f"{mediml.tensor(1.25):.1f}" == "1.2"


def test_python_protocols():
    x = mediml.tensor([[1, 2], [3, 4]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert (len(x), 3 in x, 9 in x) == (2, True, False)
    assert [10, 20, 30][mediml.tensor(1)] == 20
    assert float(mediml.tensor(2.5)) == 2.5
    with pytest.raises(TypeError):
        [1, 2][mediml.tensor(1.0)]
    with pytest.raises(TypeError):
        len(mediml.tensor(1))
    y = copy.deepcopy(mediml.tensor([1.0], requires_grad=True))
    assert y.requires_grad
    with pytest.raises(ValueError, match="only a leaf"):
        copy.deepcopy(y * 2)


def test_devices():
    x = mediml.zeros(2, device="reference")
    assert x.device == mediml.device("reference")
    assert (x + 1).device == mediml.device("reference")
    assert x.to("cpu").device == mediml.device("cpu:0")
    with pytest.raises(ValueError, match="expected all tensors on one device, got reference and cpu"):
        x + mediml.zeros(2)
    assert (x + mediml.tensor(1.0)).device == x.device
    with pytest.raises(ValueError, match="device: expected one of 'cpu', 'reference', 'cuda', got 'tpu'"):
        mediml.zeros(2, device="tpu")


def test_gradients_cross_devices_and_dtypes():
    x = mediml.ones(2, requires_grad=True)
    (x.to("reference").double() * 3).sum().backward()
    assert x.grad.dtype == mediml.float32
    assert x.grad.device == mediml.device("cpu")
    assert x.grad.tolist() == [3, 3]


def test_default_dtype():
    mediml.set_default_dtype(mediml.float64)
    try:
        assert mediml.zeros(1).dtype == mediml.tensor([1.0]).dtype == mediml.randn(1).dtype == mediml.float64
    finally:
        mediml.set_default_dtype(mediml.float32)
    with pytest.raises(TypeError, match="expected float32 or float64"):
        mediml.set_default_dtype(mediml.int64)


def test_random_numbers_repeat_from_a_seed_and_a_state():
    mediml.manual_seed(5)
    first = mediml.randn(3).tolist()
    state = mediml.get_rng_state()
    second = mediml.rand(3).tolist()
    mediml.set_rng_state(state)
    assert mediml.rand(3).tolist() == second
    mediml.manual_seed(5)
    assert mediml.randn(3).tolist() == first
    own = mediml.Generator().manual_seed(5)
    assert mediml.randn(3, generator=own).tolist() == first


def test_random_numbers_have_the_distribution_that_they_promise():
    mediml.manual_seed(0)
    n = 40_000
    assert abs(mediml.randn(n).mean().item()) < 5 / n**0.5
    assert abs(mediml.rand(n).mean().item() - 0.5) < 5 * 0.2887 / n**0.5
    assert sorted(set(mediml.randint(2, 5, (1000,)).tolist())) == [2, 3, 4]
    assert sorted(mediml.randperm(100).tolist()) == list(range(100))
    assert abs(mediml.bernoulli(mediml.full((n,), 0.3)).mean().item() - 0.3) < 5 * 0.46 / n**0.5
    drawn = mediml.multinomial(mediml.tensor([1.0, 0.0, 3.0]), n, replacement=True)
    assert abs((drawn == 2).float().mean().item() - 0.75) < 5 * 0.433 / n**0.5
    assert not (drawn == 1).any()
    with pytest.raises(ValueError, match="without replacement"):
        mediml.multinomial(mediml.tensor([1.0, 0.0, 3.0]), 3)


def test_save_and_load(tmp_path):
    path = tmp_path / "weights.safetensors"
    state = {"a": mediml.arange(6).reshape(2, 3).t(), "scalar": mediml.tensor(2.5), "empty": mediml.zeros(0, 3)}
    mediml.save(state, path)
    loaded = mediml.load(path)
    assert {name: (t.tolist(), tuple(t.shape), t.dtype) for name, t in loaded.items()} == {
        name: (t.tolist(), tuple(t.shape), t.dtype) for name, t in state.items()
    }
    loaded["a"].add_(1)
    content = path.read_bytes()
    for length in (0, 7, 40, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            mediml.load(path)
    with pytest.raises(TypeError, match="state_dict"):
        mediml.save({"code": print}, path)


def test_another_project_called_kernels_is_named(tmp_path):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mediml"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=os.getcwd())
    assert done.returncode == 1
    assert "ImportError: mediml: the package 'kernels' that Python found is another project's" in done.stderr
    assert str(tmp_path) in done.stderr
