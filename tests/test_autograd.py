"""The tape: order, accumulation, in-place guards, modes, hooks."""

import gc
import threading
import weakref

import numpy as np
import pytest

import mediml
from mediml import autograd


def leaf(*values):
    return mediml.tensor(values, dtype=mediml.float64, requires_grad=True)


def test_a_value_used_twice_receives_both_gradients():
    x = leaf(3.0)
    y = x * x
    (y * y + y).sum().backward()  # d(x^4 + x^2) = 4 x^3 + 2 x
    assert x.grad.tolist() == [4 * 27 + 6]


def test_long_chains_do_not_recurse():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 0
    y.sum().backward()
    assert x.grad.tolist() == [1]


def test_gradients_add_up_over_calls_and_are_not_shared():
    x, z = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x + z
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    x.grad.zero_()
    assert z.grad.tolist() == [2, 2]


def test_a_second_walk_needs_retain_graph():
    y = leaf(1.0).exp().sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda x: (x * 1, None), lambda y, z: y.add_(1)),
        (lambda x: ((y := x * 1), y[1:]), lambda y, z: z.detach().mul_(2)),
        (lambda x: (x * 1, None), lambda y, z: y.__setitem__(0, 5.0)),
        (lambda x: (x * 1, None), lambda y, z: y.detach().zero_()),
    ],
)
def test_changing_what_a_gradient_needs_is_an_error(make, change):
    y, alias = make(leaf(1.0, 2.0, 3.0))
    square = (y * y).sum()
    change(y, alias)
    with pytest.raises(
        RuntimeError, match=r"mul: a tensor of shape \(3,\) that its gradient needs was changed in place"
    ):
        square.backward()


def test_changing_a_result_that_its_own_gradient_needs_is_an_error():
    y = leaf(1.0).exp()
    z = y.sum()
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="exp"):
        z.backward()


def test_in_place_changes_that_nobody_needs_are_allowed():
    x = leaf(1.0, -2.0)
    y = x * 3
    y.add_(1).mul_(y)  # (3x + 1)^2
    y.sum().backward()
    assert x.grad.tolist() == [2 * 4 * 3, 2 * -5 * 3]


def test_assignment_cuts_the_gradient_of_what_was_overwritten():
    x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 2
    y[1:] = v
    (y * mediml.tensor([1.0, 10.0, 100.0], dtype=mediml.float64)).sum().backward()
    assert x.grad.tolist() == [2, 0, 0]
    assert v.grad.tolist() == [110]


def test_views_on_the_tape_cannot_be_changed():
    y = leaf(1.0, 2.0) * 1
    with pytest.raises(ValueError, match="change the tensor itself"):
        y[:1].add_(1)


def test_no_grad_records_nothing_in_this_thread_only():
    x = leaf(1.0)
    seen = []
    with mediml.no_grad():
        assert not (x * 2).requires_grad
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        with mediml.enable_grad():
            assert (x * 2).requires_grad
        assert not mediml.is_grad_enabled()
    assert seen == [True]
    assert mediml.is_grad_enabled()


def test_modes_as_decorators():
    x = leaf(1.0)

    @mediml.no_grad()
    def called():
        return x * 2

    @mediml.no_grad
    def bare():
        return x * 2

    @mediml.set_grad_enabled(False)
    def switched():
        return x * 2

    assert mediml.is_grad_enabled()
    assert not any(f().requires_grad for f in (called, bare, switched))
    with pytest.raises(ZeroDivisionError), mediml.set_grad_enabled(False):
        raise ZeroDivisionError
    assert mediml.is_grad_enabled()


def test_detach_shares_memory_and_leaves_the_tape():
    x = leaf(1.0)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert np.shares_memory(x.detach().numpy(), x.numpy(force=True))


def test_hooks_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = x.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert seen == [[1, 1]]
    assert y.grad.tolist() == [1, 1]
    assert x.grad.tolist() == [30, 30]
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_grad_touches_no_leaf_and_reaches_inner_tensors():
    x, unused = leaf(2.0), leaf(1.0)
    y = x * x
    z = y * y
    of_y, of_x = autograd.grad(z.sum(), (y, x), retain_graph=True)
    assert (of_y.tolist(), of_x.tolist(), x.grad) == ([8], [32], None)
    assert autograd.grad(z.sum(), (unused,), allow_unused=True) == (None,)
    z = (x * x).sum()
    with pytest.raises(ValueError, match="input 0 was not used"):
        autograd.grad(z, unused)


def test_backward_to_chosen_inputs_only():
    x, w = leaf(2.0), leaf(3.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [2]


def test_refusals_of_backward():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"implicit gradient, got shape \(2,\)"):
        (x * 1).backward()
    with pytest.raises(ValueError, match=r"expects shape \(2,\).*got \(3,\)"):
        (x * 1).backward(mediml.zeros(3))
    with pytest.raises(ValueError, match="does not require a gradient"):
        mediml.zeros(1).backward()
    with pytest.raises(ValueError, match="create_graph"):
        (x * 1).sum().backward(create_graph=True)


def test_the_tape_is_freed_with_its_last_tensor():
    x = leaf(1.0)
    y = x.exp().sum()
    node = weakref.ref(y.grad_fn)
    del y
    gc.collect()
    assert node() is None


def test_an_operator_that_miscounts_its_gradients_is_caught():
    x = leaf(1.0)
    y = autograd.record("wrong", x.detach().numpy(), (x, None), lambda grad: (grad,))
    with pytest.raises(RuntimeError, match="wrong: backward gave 1 gradients for 2 inputs"):
        y.backward()


@pytest.mark.torch
def test_gradcheck_of_torch_through_a_wrapper():
    torch = pytest.importorskip("torch")

    class Ours(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            a, b = (mediml.from_numpy(t.detach().numpy().copy()).requires_grad_() for t in (x, y))
            ctx.result, ctx.inputs = (a.exp() * b).logsumexp(1) / b.sum(), (a, b)
            return torch.from_numpy(ctx.result.detach().numpy().copy())

        @staticmethod
        def backward(ctx, grad):
            found = autograd.grad(ctx.result, ctx.inputs, mediml.from_numpy(grad.numpy()), retain_graph=True)
            return tuple(torch.from_numpy(g.numpy().copy()) for g in found)

    inputs = [torch.rand(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(Ours.apply, inputs)
