"""A tensor on the GPU: how it comes there and back, and how it meets NumPy, other libraries, files and the CPU."""

import copy
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import mediml
from kernels.gpu import exchange, streams, target
from kernels.gpu.transfer import TRANSFERS
from mediml import nn
from mediml.device import usable_kinds


@pytest.fixture
def copies():
    """``copies()``: how many there were to the device and to the host since the last call."""
    mediml.zeros(1, device="cuda").item()  # what an earlier test's kernel may have noted is fetched now
    last = [TRANSFERS.to_device, TRANSFERS.to_host]

    def since():
        now = [TRANSFERS.to_device, TRANSFERS.to_host]
        difference = (now[0] - last[0], now[1] - last[1])
        last[:] = now
        return difference

    since()
    return since


def on_gpu(values, **options):
    return mediml.tensor(values, device="cuda", **options)


def test_names_of_the_device():
    assert mediml.device("cuda") == mediml.device("cuda:0") == mediml.device("cuda", 0) == mediml.device(0)
    assert (str(mediml.device("cuda:0")), repr(mediml.device("cuda"))) == ("cuda:0", "device(type='cuda')")
    with pytest.raises(ValueError, match=r"expected 'cuda' or 'cuda:0', got 'cuda:1'.*CUDA_VISIBLE_DEVICES=1"):
        mediml.device("cuda:1")
    assert usable_kinds() == ("cpu", "reference", "cuda")


def test_without_a_gpu_the_device_is_refused_with_advice(monkeypatch):
    monkeypatch.setattr(target, "problem", lambda: "there is no driver; buy one")
    assert usable_kinds() == ("cpu", "reference")
    assert not mediml.cuda.is_available()
    assert (mediml.cuda.device_count(), mediml.cuda.memory_allocated()) == (0, 0)
    with pytest.raises(ValueError, match='device "cuda" cannot be used here: there is no driver; buy one'):
        mediml.zeros(2).to("cuda")


def test_what_never_names_the_gpu_does_not_load_it():
    program = (
        "import sys, mediml\nfrom mediml import nn, optim\nimport mediml.training, mediml.data, mediml.models.cnn\n"
        "m = nn.Linear(2, 2); o = optim.Adam(m.parameters()); m(mediml.rand(3, 2)).sum().backward(); o.step()\n"
        "m.load_state_dict(m.state_dict()); mediml.manual_seed(0)\n"
        "print([name for name in sys.modules if name.startswith('kernels.gpu')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_there_and_back(copies):
    x = mediml.tensor([[1.0, 2.0], [3.0, 4.0]])
    for move in (
        lambda: x.to("cuda"), lambda: x.cuda(), lambda: x.cuda(0), lambda: x.to(device="cuda:0"),
        lambda: on_gpu([[1.0, 2], [3, 4]]),
    ):  # fmt: skip
        moved = move()
        assert copies() == (1, 0)
        assert (moved.is_cuda, moved.device.type) == (True, "cuda")
        assert moved.to("cuda") is moved
        assert copies() == (0, 0)
        assert moved.cpu().tolist() == x.tolist()
        assert copies() == (0, 1)
    narrow = x.to("cuda", mediml.int32)
    assert (narrow.dtype, narrow.cpu().tolist()) == (mediml.int32, [[1, 2], [3, 4]])
    assert x.to(narrow).dtype == mediml.int32
    assert x.type_as(narrow).device.type == "cpu"


def test_the_gradient_of_a_move():
    x = mediml.ones(3, dtype=mediml.float64, requires_grad=True)
    y = x.to("cuda", mediml.float32) * on_gpu([1.0, 2.0, 3.0])
    (y.cpu() * 2).sum().backward()
    assert (x.grad.device.type, x.grad.dtype, x.grad.tolist()) == ("cpu", mediml.float64, [2, 4, 6])
    weight = on_gpu([2.0], requires_grad=True)
    (weight * 3).backward()
    assert (weight.grad.device.type, weight.grad.tolist()) == ("cuda", [3])


def test_numpy_is_refused_and_says_what_to_do(copies):
    x = on_gpu([1.0, 2.0])
    for ask in (lambda: x.numpy(), lambda: np.asarray(x), lambda: np.sqrt(x)):
        with pytest.raises(TypeError, match=r"\.cpu\(\)\.numpy\(\)"):
            ask()
    copies()
    assert x.numpy(force=True).tolist() == x.cpu().numpy().tolist() == [1, 2]
    with pytest.raises(TypeError, match="in secret"):
        np.asarray(x._array)


def test_looking_at_a_value_is_one_copy(copies):
    x = on_gpu([1.5, 2.5])
    copies()
    for look in (
        lambda: x.tolist(), lambda: repr(x), lambda: x[0].item(), lambda: float(x[1]), lambda: bool((x > 1).all()),
        lambda: 2.5 in x, lambda: f"{x.sum():.1f}",
    ):  # fmt: skip
        look()
        assert copies() == (0, 1)
    for ask in (
        lambda: x.shape, lambda: x.dtype, lambda: x.stride(), lambda: x.is_contiguous(), lambda: len(x),
        lambda: x.numel(), lambda: x.data_ptr(), lambda: x.element_size(),
    ):  # fmt: skip
        ask()
        assert copies() == (0, 0)
    assert repr(x) == "tensor([1.5, 2.5], device='cuda')"


def test_devices_do_not_mix():
    x = on_gpu([1.0, 2.0])
    with pytest.raises(ValueError, match="expected all tensors on one device, got cuda and cpu"):
        x + mediml.zeros(2)
    with pytest.raises(ValueError, match=r"weight expects the device of input, cuda, got cpu; move one with .to"):
        nn.functional.linear(x, mediml.zeros(3, 2))
    with pytest.raises(ValueError, match="in-place: expected a result on cpu, got cuda"):
        mediml.zeros(2)._overwrite(x)
    assert (x + mediml.tensor(1.0)).tolist() == [
        2,
        3,
    ]  # a number without dimensions may come from anywhere, as in torch
    assert (mediml.tensor(2.0) * x).device.type == "cuda"


def test_numbers_and_numpy_scalars_are_no_copies(copies):
    x = on_gpu([1.0, 2.0])
    copies()
    y = (2 * x + np.float32(1) - 0.5) / np.array(2.0, np.float32)
    y.clamp_(0, 2).mul_(3).masked_fill_(y > 5, 1.0)
    y[0] = 4
    assert copies() == (0, 0)
    assert y.tolist() == [4, 1]


def test_views_share_memory():
    x = mediml.zeros(2, 3, device="cuda")
    for view in (x.reshape(6), x.view(3, 2), x.t(), x[0], x.unsqueeze(0), x.narrow(1, 0, 2), x.flatten(), x[1, 2]):
        assert np.may_share_memory(view._array, x._array)
        assert view._version_counter is x._version_counter
    x[1].fill_(7)
    assert x.tolist() == [[0, 0, 0], [7, 7, 7]]
    x.t()[0, 0] = 1
    assert x[0, 0].item() == 1
    assert not np.may_share_memory(x.clone()._array, x._array)


def test_in_place_work_is_seen_by_the_tape():
    weight = on_gpu([1.0, 2.0], requires_grad=True)
    y = weight * 1
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


def test_deepcopy_and_pickle():
    x = on_gpu([1.0, 2.0], requires_grad=True)
    (x * 2).sum().backward()
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (again.device.type, again.requires_grad, again.tolist()) == ("cuda", True, [1, 2])
        assert (again.grad.device.type, again.grad.tolist()) == ("cuda", [2, 2])
        assert not np.may_share_memory(again._array, x._array)
    module = pickle.loads(pickle.dumps(nn.Linear(2, 1).cuda()))
    assert module.weight.is_cuda


def test_files_hold_host_arrays(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).cuda()
    path = tmp_path / "weights.safetensors"
    mediml.save(model.state_dict(), path)
    for place in ("cpu", "cuda", None):
        loaded = mediml.load(path, map_location=place)
        assert {tensor.device.type for tensor in loaded.values()} == {place or "cpu"}
        for target_device in ("cpu", "cuda"):
            other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to(target_device)
            other.load_state_dict(loaded)
            assert {tensor.device.type for tensor in other.state_dict().values()} == {target_device}
            assert other[0].weight.tolist() == model[0].weight.tolist()


def test_modules_move_with_their_gradients():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    model(mediml.randn(4, 3)).sum().backward()
    assert model.cuda() is model
    tensors = [*model.parameters(), *model.buffers(), *(parameter.grad for parameter in model.parameters())]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}
    model.cpu()
    assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {"cpu"}


class Stranger:
    """An array of another library on the GPU (in the simulator: on the host)."""

    def __init__(self, array, read_only=False, stream=None):
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape, "typestr": array.dtype.str, "data": (array._array.data_ptr, read_only)
            if hasattr(array, "_array") else (array.ctypes.data, read_only),
            "strides": array.strides, "version": 3, "stream": stream,
        }  # fmt: skip


def test_another_librarys_array_is_shared():
    own = on_gpu([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    stranger = Stranger(own._array.T)
    x = mediml.as_tensor(stranger)
    assert (x.device.type, x.tolist()) == ("cuda", [[1, 4], [2, 5], [3, 6]])
    x.mul_(2)
    assert own.tolist() == [[2, 4, 6], [8, 10, 12]]
    copied = mediml.tensor(stranger)
    copied.fill_(0)
    assert own[0, 0].item() == 2
    with pytest.raises(TypeError, match="may only be read"):
        mediml.as_tensor(Stranger(own._array, read_only=True))


def test_what_we_hand_out(monkeypatch):
    x = on_gpu([[1.0, 2.0], [3.0, 4.0]])
    monkeypatch.setattr(exchange, "memory_is_host", lambda: False)  # the simulator's own arrays show none
    shown = x.__cuda_array_interface__
    assert x.t().__cuda_array_interface__["strides"] == (4, 8)
    monkeypatch.undo()
    again = mediml.as_tensor(SimpleNamespace(__cuda_array_interface__=shown))
    again.add_(1)
    assert x.tolist() == [[2, 3], [4, 5]]
    assert not hasattr(mediml.zeros(2), "__cuda_array_interface__")
    with pytest.raises(ValueError, match="detach"):
        _ = x.requires_grad_().__cuda_array_interface__


@pytest.mark.skipif(not target.SIMULATED, reason="the memory of a GPU is not NumPy's")
def test_dlpack_out_without_a_copy(copies):
    x = on_gpu([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert x.__dlpack_device__() == (1, 0)
    copies()
    for source in (x, x.t()[1:]):
        y = np.from_dlpack(source)
        assert copies() == (0, 0)
        assert (y.shape, y.ctypes.data) == (source.shape, source.data_ptr())
    x.fill_(9)
    assert (y == 9).all()
    assert mediml.from_dlpack(x).data_ptr() == x.data_ptr()
    with pytest.raises(ValueError, match="detach"):
        np.from_dlpack(on_gpu([1.0], requires_grad=True))


def test_dlpack_in_without_a_copy(copies, monkeypatch):
    """What says that it lies on a GPU becomes a tensor there (here it only says so)."""
    source = np.arange(6, dtype=np.float32).reshape(2, 3)
    stranger = SimpleNamespace(__dlpack__=lambda **_: source.__dlpack__(), __dlpack_device__=lambda: (2, 0))
    monkeypatch.setattr(exchange, "_CPU", 2)
    copies()
    x = mediml.from_dlpack(stranger)
    assert copies() == (0, 0) and x.is_cuda and x.data_ptr() == source.ctypes.data
    x.add_(1)
    assert source[1, 2] == 6


def test_with_torch_tensors_launches_follow_torchs_stream(monkeypatch):
    class TorchTensor(Stranger):
        pass

    TorchTensor.__module__ = "torch"
    current = SimpleNamespace(cuda_stream=4711)
    torch = SimpleNamespace(cuda=SimpleNamespace(current_stream=lambda: current))
    monkeypatch.setitem(sys.modules, "torch", torch)
    own = on_gpu([1.0, 2.0])
    previous = streams.follow(None)
    try:
        mediml.as_tensor(Stranger(own._array))
        assert streams.current_handle() == 0
        x = mediml.as_tensor(TorchTensor(own._array))
        assert streams.current_handle() == 4711
        assert (x + 1).tolist() == [2, 3]
        current.cuda_stream = 0
        assert streams.current_handle() == 0
    finally:
        streams.follow(previous)


def test_questions_of_torch_cuda():
    assert mediml.cuda.is_available()
    assert (mediml.cuda.device_count(), mediml.cuda.current_device()) == (1, 0)
    assert mediml.cuda.get_device_name()
    mediml.cuda.synchronize()
    before = mediml.cuda.memory_allocated()
    x = mediml.zeros(1000, device="cuda")
    assert mediml.cuda.memory_allocated() >= before + 4000
    assert mediml.cuda.memory_reserved() >= mediml.cuda.memory_allocated()
    del x
    mediml.cuda.empty_cache()
    assert mediml.cuda.memory_reserved() >= mediml.cuda.memory_allocated() == before
    assert mediml.cuda.follow(None) is None


@pytest.mark.parametrize("index", [1.5, "a", (0, 1.5)])
def test_what_is_no_index_is_told_as_on_the_cpu(index):
    for device in ("cpu", "cuda"):
        with pytest.raises(IndexError, match="only integers, slices"):
            mediml.ones(2, 3, device=device)[index]


def test_where_tells_of_a_condition_on_another_device():
    condition, x = mediml.tensor([True, False]), mediml.ones(2)
    for a, b in ((condition, x.to("cuda")), (condition.to("cuda"), x)):
        with pytest.raises(ValueError, match=r"where: expected all tensors on one device, got .*; move one with"):
            mediml.where(a, b, b)


def test_none_is_in_no_tensor():
    for device in ("cpu", "cuda"):
        assert None not in mediml.ones(2, device=device)
