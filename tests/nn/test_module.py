"""Modules and containers: registration, names, state, modes, hooks; against torch.nn where it says how."""

import copy

import numpy as np
import pytest

import mediml
from mediml import nn


class Scale(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.weight = nn.Parameter(mediml.tensor([factor]))
        self.register_buffer("count", mediml.tensor(0))
        self.register_buffer("scratch", mediml.zeros(1), persistent=False)

    def forward(self, x):
        return x * self.weight

    def extra_repr(self):
        return "by a factor"


def model():
    return nn.Sequential(Scale(2.0), nn.Sequential(Scale(3.0)), nn.ModuleList([Scale(4.0)])[0])


def test_names_are_dotted_and_unique():
    m = model()
    assert [n for n, _ in m.named_parameters()] == ["0.weight", "1.0.weight", "2.weight"]
    assert [n for n, _ in m.named_buffers()] == [f"{p}{b}" for p in ("0.", "1.0.", "2.") for b in ("count", "scratch")]
    assert list(m.state_dict()) == ["0.weight", "0.count", "1.0.weight", "1.0.count", "2.weight", "2.count"]
    assert [n for n, _ in m.named_modules()] == ["", "0", "1", "1.0", "2"]
    shared = Scale()
    twice = nn.Sequential(shared, shared)
    assert len(list(twice.parameters())) == 1
    assert list(twice.state_dict()) == ["0.weight", "0.count", "1.weight", "1.count"]


def test_state_dict_shares_memory_and_load_copies():
    m, other = model(), model()
    m.state_dict()["0.weight"].fill_(7)
    assert m[0].weight.item() == 7
    keys = other.load_state_dict(m.state_dict())
    assert (keys.missing_keys, keys.unexpected_keys) == ([], [])
    assert other[0].weight.item() == 7
    other[0].weight.data.fill_(1)
    assert m[0].weight.item() == 7


def test_loading_what_does_not_fit_changes_nothing():
    m = model()
    state = {name: tensor.clone() + 1 for name, tensor in m.state_dict().items()}
    state["2.weight"] = mediml.zeros(3)
    state["extra"] = mediml.zeros(1)
    del state["1.0.count"]
    fault = r"2\.weight: expected shape \(1,\), got \(3,\); missing: 1\.0\.count; unexpected: extra"
    with pytest.raises(ValueError, match=fault):
        m.load_state_dict(state)
    assert m[0].weight.item() == 2
    del state["2.weight"]
    keys = m.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["1.0.count", "2.weight"]
    assert m[0].weight.item() == 3


@pytest.mark.torch
def test_a_torch_checkpoint_loads_and_back():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(mediml.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    fresh = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    fresh.load_state_dict({name: torch.from_dlpack(tensor) for name, tensor in ours.state_dict().items()})
    assert torch.equal(fresh(torch.from_numpy(x)), theirs(torch.from_numpy(x)))


def test_assignment_rules():
    m = Scale()
    m.weight = None
    assert list(m.parameters()) == []
    m = Scale()
    with pytest.raises(TypeError, match="expected a Parameter or None, got Tensor"):
        m.weight = mediml.zeros(1)
    m.count = mediml.tensor(5)
    assert m.state_dict()["count"].item() == 5
    m.child = Scale()
    del m.child
    assert not hasattr(m, "child")
    with pytest.raises(KeyError, match="without a dot"):
        m.add_module("a.b", Scale())
    with pytest.raises(AttributeError, match=r"call super\(\)\.__init__\(\)"):

        class Forgetful(nn.Module):
            def __init__(self):
                self.layer = Scale()

        Forgetful()


def test_modes_and_gradients_reach_everything():
    m = model()
    assert not any(x.training for x in m.eval().modules())
    m.train()
    assert all(x.training for x in m.modules())
    m(mediml.ones(1)).sum().backward()
    assert [p.grad.item() for p in m.parameters()] == [12, 8, 6]
    m.zero_grad(set_to_none=False)
    assert [p.grad.item() for p in m.parameters()] == [0, 0, 0]
    m.zero_grad()
    assert [p.grad for p in m.parameters()] == [None] * 3
    m.requires_grad_(False)
    assert not m(mediml.ones(1)).requires_grad


def test_dtype_and_device_of_a_module():
    m = model().double()
    assert {p.dtype for p in m.parameters()} == {mediml.float64}
    assert m[0].count.dtype == mediml.int64
    m.to("reference")
    assert m(mediml.ones(1, dtype=mediml.float64, device="reference")).device == mediml.device("reference")


def test_hooks_run_in_order_and_are_removable():
    m = Scale()
    calls = []
    first = m.register_forward_hook(lambda mod, args, out: calls.append(out.item()))
    m.register_forward_hook(lambda mod, args, out: out + 100)
    m.register_forward_hook(lambda mod, args, out: calls.append("before"), prepend=True)
    pre = m.register_forward_pre_hook(lambda mod, args: (args[0] + 1,))
    assert m(mediml.ones(1)).item() == 104
    assert calls == ["before", 4]
    first.remove()
    with pre:
        pass
    assert m(mediml.ones(1)).item() == 102
    gradients = []
    m.register_full_backward_hook(lambda mod, grad_in, grad_out: gradients.append(grad_out[0].item()))
    (m(mediml.ones(1)) * 5).sum().backward()
    assert gradients == [5]


def test_repr_is_nested():
    assert repr(nn.Sequential(Scale(), nn.Sequential())) == (
        "Sequential(\n  (0): Scale(by a factor)\n  (1): Sequential()\n)"
    )


def test_deepcopy_is_independent():
    m = model()
    twin = copy.deepcopy(m)
    twin[0].weight.data.fill_(9)
    assert m[0].weight.item() == 2
    assert isinstance(twin[0].weight, nn.Parameter)


def test_containers():
    m = model()
    assert len(m[:2]) == 2
    assert m[-1].weight.item() == 4
    with pytest.raises(IndexError):
        m[3]
    m.insert(1, Scale(9.0))
    assert [p.item() for p in m.parameters()] == [2, 9, 3, 4]
    del m[0]
    assert next(iter(m.state_dict())) == "0.weight"
    named = nn.Sequential({"a": Scale(), "b": Scale()})
    assert named.a is named[0]
    table = nn.ModuleDict({"x": Scale()})
    assert "x" in table
    assert list(table.state_dict()) == ["x.weight", "x.count"]
    parameters = nn.ParameterList([mediml.ones(2), nn.Parameter(mediml.zeros(1))])
    assert [n for n, _ in parameters.named_parameters()] == ["0", "1"]
    assert m.get_submodule("1.0").weight.item() == 3
    with pytest.raises(AttributeError):
        m.get_parameter("nothing")


def test_apply_reaches_children_first():
    order = []
    model().apply(lambda m: order.append(type(m).__name__))
    assert order == ["Scale", "Scale", "Sequential", "Scale", "Sequential"]
