"""Losses as functions and layers: PyTorch's answers, warnings, deprecated arguments, state and refusals."""

import importlib
import inspect
import itertools

import numpy as np
import pytest

import mediml
import mediml.nn.functional as F
from mediml import nn
from mediml.verify.cases.loss import CASES
from mediml.verify.runner import _errors
from mediml.verify.tolerances import TOLERANCES

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

NAN, INF = float("nan"), float("inf")


def both(op, arrays, options=None, gradients=(), dtype=np.float64):
    """Output and gradients of ours and of PyTorch's, as arrays."""
    answers = []
    for functional, make in ((F, mediml.tensor), (torch.nn.functional, torch.tensor)):
        tensors = {}
        for name, array in arrays.items():
            array = np.asarray(array)
            tensors[name] = make(array.astype(dtype) if array.dtype.kind == "f" else array)
            tensors[name].requires_grad_(name in gradients)
        y = getattr(functional, op)(**tensors, **(options or {}))
        found = [y.detach().numpy()]
        if gradients:
            y.backward(make(np.asarray(np.random.default_rng(4).normal(size=tuple(y.shape))).astype(dtype)))
            found += [tensors[name].grad.numpy() for name in gradients]
        answers.append(found)
    return answers


def agree(op, arrays, options=None, gradients=(), dtype=np.float64, rtol=1e-10):
    tolerance = {"rtol": 2e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": rtol, "atol": 1e-12}
    for ours, theirs in zip(*both(op, arrays, options, gradients, dtype)):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, **tolerance)


@pytest.mark.parametrize("op", sorted({case.op for case in CASES}))
def test_every_case_of_verify_agrees(op):
    from mediml.verify.peers import PyTorch

    peer = PyTorch()
    for case in (case for case in CASES if case.op == op):
        expected = peer.answer(case)
        for device, dtype in itertools.product(("cpu", "reference"), TOLERANCES):
            reason, errors = _errors(case, device, dtype, expected, peer)
            assert not reason and max(errors.values()) <= TOLERANCES[dtype].relative, (case.name, device, dtype, reason)


@pytest.mark.parametrize("module", ["loss", "margin_loss", "distribution_loss", "distance", "error_loss"])
def test_signatures_are_those_of_torch(module):
    def parameters(function):
        return [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]

    checked = 0
    for name in importlib.import_module(f"mediml.nn.functional.{module}").__all__:
        theirs = getattr(torch.nn.functional, name)
        if inspect.isfunction(theirs):  # the others are written in C++ and have no signature
            assert parameters(getattr(F, name)) == parameters(theirs), name
            checked += 1
    if module != "error_loss":
        for name in importlib.import_module(f"mediml.nn.modules.{module}").__all__:
            assert parameters(getattr(nn, name).__init__) == parameters(getattr(torch.nn, name).__init__), name
            checked += 1
    assert checked


# -- dtypes and shapes that meet -------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_unequal_shapes_are_broadcast_with_a_warning(op):
    arrays = {"input": np.arange(6.0).reshape(3, 2), "target": np.array([1.0, 4.5])}
    with pytest.warns(UserWarning, match="incorrect results"):
        agree(op, arrays, gradients=("input", "target"))


def test_dtypes_are_promoted_as_torch_does():
    x, t = np.array([0.5, 2.0], np.float32), np.array([1, 3])
    for op in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        wide = getattr(F, op)(mediml.tensor(x), mediml.tensor(t.astype(np.float64)))
        assert wide.dtype == mediml.float64
        assert getattr(F, op)(mediml.tensor(x), mediml.tensor(t)).dtype == mediml.float32
    soft = F.cross_entropy(mediml.tensor(x[None]), mediml.tensor(np.array([[0.5, 0.5]])))
    assert soft.dtype == mediml.float64


def test_bytes_are_class_indices_too():
    x = np.random.default_rng(0).normal(size=(3, 4))
    agree("cross_entropy", {"input": x, "target": np.array([0, 3, 1], np.uint8)}, gradients=("input",))


def test_one_picture_with_a_class_per_pixel():
    x = np.random.default_rng(0).normal(size=(4, 2, 3)).swapaxes(0, 1)  # not in C order
    agree(
        "cross_entropy", {"input": x, "target": np.array([[0, 3, 1], [1, 1, 3], [3, 0, 2]])[:2]}, gradients=("input",)
    )


# -- what is not a number -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinities_and_nan_as_torch(dtype):
    x = np.array([[0, -INF, 1], [NAN, 1, 2], [INF, 1, 0], [1e3, 2e3, -1e3], [0.0, 0, 0]])
    t = np.array([1, 1, 0, 0, 2])
    for reduction, smoothing in itertools.product(("none", "mean", "sum"), (0.0, 0.2)):
        options = {"reduction": reduction, "label_smoothing": smoothing}
        agree("cross_entropy", {"input": x, "target": t}, options, ("input",), dtype)
        agree("cross_entropy", {"input": x, "target": np.eye(3)[t]}, options, ("input",), dtype)
        agree("cross_entropy", {"input": x, "target": t}, options | {"ignore_index": 1}, ("input",), dtype)
    pair = {"input": np.array([NAN, INF, -INF, 1, 0]), "target": np.array([0, 1, 1, NAN, 0.0])}
    for op in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        agree(op, pair, {"reduction": "none"}, ("input", "target"), dtype)
    scores = {"input": np.array([NAN, INF, -INF, INF, -800, 800]), "target": np.array([0, 0, 1, 1, 1, 0.0])}
    agree("binary_cross_entropy_with_logits", scores, {"reduction": "none"}, ("input",), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certainties_are_cut_off_as_torch(dtype):
    arrays = {"input": np.array([0.0, 1, 0, 1, 1e-30]), "target": np.array([0.0, 0, 1, 1, 1])}
    # PyTorch rounds its least divisor 1e-12 to float32
    agree("binary_cross_entropy", arrays, {"reduction": "none"}, ("input", "target"), dtype, rtol=1e-8)


@pytest.mark.parametrize("options", [{"ignore_index": 2}, {"ignore_index": 2, "label_smoothing": 0.1}])
def test_all_ignored(options):
    arrays = {"input": np.ones((3, 4)), "target": np.array([2, 2, 2]), "weight": np.ones(4)}
    for reduction in ("none", "mean", "sum"):
        agree("cross_entropy", arrays, options | {"reduction": reduction}, ("input",))


# -- torch's habits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_average", "reduce", "meaning"),
    [(None, True, "mean"), (True, None, "mean"), (False, None, "sum"), (False, True, "sum"), (True, False, "none")],
)
def test_deprecated_arguments_keep_their_meaning(size_average, reduce, meaning):
    x, t = mediml.tensor([[1.0, 2], [0, 4]]), mediml.tensor([0, 1])
    with pytest.warns(UserWarning, match=f"reduction='{meaning}'"):
        old = F.cross_entropy(x, t, size_average=size_average, reduce=reduce)
    np.testing.assert_array_equal(old.numpy(), F.cross_entropy(x, t, reduction=meaning).numpy())
    with pytest.warns(UserWarning, match="deprecated"):
        assert nn.MSELoss(size_average, reduce).reduction == meaning


def test_mean_of_kl_div_warns_that_it_is_no_divergence():
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(mediml.zeros(2, 2), mediml.ones(2, 2))


def test_weights_are_buffers_and_load_from_torch():
    theirs = torch.nn.BCEWithLogitsLoss(weight=torch.rand(3), pos_weight=torch.rand(3))
    ours = nn.BCEWithLogitsLoss(weight=mediml.zeros(3), pos_weight=mediml.zeros(3))
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, t = np.random.default_rng(0).uniform(size=(2, 4, 3)).astype(np.float32)
    expected = theirs(torch.tensor(x), torch.tensor(t)).item()
    assert ours(mediml.tensor(x), mediml.tensor(t)).item() == pytest.approx(expected, rel=1e-6)
    assert list(nn.CrossEntropyLoss(mediml.ones(2)).state_dict()) == ["weight"]
    assert not nn.CrossEntropyLoss().state_dict() and not list(nn.CrossEntropyLoss(mediml.ones(2)).parameters())


def test_layers_pass_their_options_on():
    generator = np.random.default_rng(2)
    x, t = generator.normal(size=(4, 3)), np.array([0, 2, 1, 2])
    unit, other = generator.uniform(0.1, 0.9, (2, 4, 3))
    sign = np.array([1, -1, 1, -1])
    calls = [
        ("CrossEntropyLoss", {"ignore_index": 1, "label_smoothing": 0.2, "reduction": "sum"}, (x, t)),
        ("NLLLoss", {"ignore_index": 2, "reduction": "none"}, (x, t)),
        ("BCELoss", {"reduction": "sum"}, (unit, other)),
        ("BCEWithLogitsLoss", {"reduction": "none"}, (x, other)),
        ("MSELoss", {"reduction": "sum"}, (x, other)),
        ("L1Loss", {"reduction": "none"}, (x, other)),
        ("SmoothL1Loss", {"beta": 0.3, "reduction": "sum"}, (x, other)),
        ("HuberLoss", {"delta": 0.3}, (x, other)),
        ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (x, other)),
        ("PoissonNLLLoss", {"log_input": False, "full": True, "eps": 0.1}, (unit, other * 5)),
        ("GaussianNLLLoss", {"full": True, "eps": 0.3, "reduction": "sum"}, (x, other, unit)),
        ("SoftMarginLoss", {"reduction": "sum"}, (x, sign[:, None] * np.ones(3))),
        ("HingeEmbeddingLoss", {"margin": 0.4}, (x[:, 0], sign)),
        ("MarginRankingLoss", {"margin": 0.4}, (x[:, 0], x[:, 1], sign)),
        ("CosineEmbeddingLoss", {"margin": 0.1}, (x, other, sign)),
        ("MultiLabelMarginLoss", {"reduction": "sum"}, (x, np.array([[0, 2, -1], [1, -1, 0], [-1, 0, 1], [2, 1, 0]]))),
        ("MultiLabelSoftMarginLoss", {"reduction": "sum"}, (x, other)),
        ("MultiMarginLoss", {"p": 2, "margin": 0.5}, (x, t)),
        ("TripletMarginLoss", {"margin": 0.5, "p": 1.0, "swap": True, "eps": 0.01}, (x, unit, other)),
        ("TripletMarginWithDistanceLoss", {"margin": 0.5, "swap": True}, (x, unit, other)),
        ("CosineSimilarity", {"dim": 0, "eps": 0.5}, (x, other)),
        ("PairwiseDistance", {"p": 1, "eps": 0.1, "keepdim": True}, (x, other)),
    ]
    for name, options, arrays in calls:
        ours = getattr(nn, name)(**options)(*map(mediml.tensor, arrays))
        theirs = getattr(torch.nn, name)(**options)(*map(torch.tensor, arrays))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10, err_msg=name)


def test_gradient_of_a_changed_target_is_refused():
    x, t = mediml.ones(2, 3, requires_grad=True), mediml.tensor([0, 1])
    loss = F.cross_entropy(x, t)
    t.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_one_hot_as_torch():
    for indices, count in (([[0, 2], [1, 1]], -1), ([0, 1], 4), (2, 3), (np.zeros((0, 2), np.int64), 3)):
        ours = F.one_hot(mediml.tensor(np.asarray(indices)), count)
        theirs = torch.nn.functional.one_hot(torch.tensor(np.asarray(indices)), count)
        assert ours.dtype == mediml.int64
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


X, T, LABELS = mediml.zeros(2, 3), mediml.zeros(2, 3), mediml.tensor([0, 1])
REFUSED = [
    (IndexError, "Target 3 is out of bounds", lambda: F.cross_entropy(X, LABELS + 2)),
    (TypeError, "int64 or uint8", lambda: F.cross_entropy(X, LABELS.to(mediml.int32))),
    (TypeError, "class probabilities", lambda: F.cross_entropy(X, T.long())),
    (ValueError, "ignore_index", lambda: F.cross_entropy(X, T, ignore_index=1)),
    (ValueError, r"target expects the shape \(2,\)", lambda: F.cross_entropy(X, mediml.tensor([[0, 1]]))),
    (ValueError, r"target of shape \(\)", lambda: F.cross_entropy(X[0], mediml.tensor([0]))),
    (TypeError, "float32 or float64", lambda: F.cross_entropy(X.long(), LABELS)),
    (ValueError, "expected 'none', 'mean' or 'sum'", lambda: F.mse_loss(X, T, reduction="average")),
    (TypeError, "mediml.Tensor", lambda: F.mse_loss(X, np.zeros((2, 3)))),
    (TypeError, "float32 or float64", lambda: F.mse_loss(X.long(), T.long())),
    (ValueError, "broadcast", lambda: F.mse_loss(X, mediml.zeros(2, 4))),
    (ValueError, "same size", lambda: F.l1_loss(X, T, weight=mediml.ones(3))),
    (ValueError, "beta", lambda: F.smooth_l1_loss(X, T, beta=-1)),
    (ValueError, "delta", lambda: F.huber_loss(X, T, delta=0)),
    (ValueError, r"labels.unsqueeze\(1\)", lambda: F.binary_cross_entropy(X[:, :1], X[:, 0])),
    (TypeError, "target expects float32", lambda: F.binary_cross_entropy(X, T.double())),
    (ValueError, "between 0 and 1", lambda: F.binary_cross_entropy(X - 1, T)),
    (ValueError, "weight expects a shape", lambda: F.binary_cross_entropy(X, T, weight=mediml.ones(4, 2, 3))),
    (TypeError, "floating dtype", lambda: F.binary_cross_entropy_with_logits(X, T.long())),
    (ValueError, "pos_weight", lambda: F.binary_cross_entropy_with_logits(X, T, pos_weight=mediml.ones(2))),
    (ValueError, "target expects the device of input", lambda: F.mse_loss(X, T.to("reference"))),
    (TypeError, "floating tensors", lambda: F.kl_div(X.long(), T.long(), reduction="sum")),
    (ValueError, "negative", lambda: F.gaussian_nll_loss(X, T, -1.0)),
    (TypeError, "Tensor or float", lambda: F.gaussian_nll_loss(X, T, 1)),
    (ValueError, "var expects the shape", lambda: F.gaussian_nll_loss(X, T, mediml.ones(3))),
    (ValueError, "number of dimensions", lambda: F.margin_ranking_loss(X, T, mediml.ones(3))),
    (ValueError, r"target \(N,\)", lambda: F.cosine_embedding_loss(X, T, mediml.ones(2, 1))),
    (ValueError, "greater than 0", lambda: F.triplet_margin_loss(X, T, X, margin=0)),
    (ValueError, "p expects 1 or 2", lambda: F.multi_margin_loss(X, LABELS, p=3)),
    (ValueError, "classes from 0 to 2", lambda: F.multi_margin_loss(X, LABELS + 2)),
    (TypeError, "target expects int64", lambda: F.multi_margin_loss(X, LABELS.to(mediml.int32))),
    (ValueError, "weight expects", lambda: F.multi_margin_loss(X, LABELS, weight=mediml.ones(2))),
    (ValueError, "one shape", lambda: F.multilabel_margin_loss(X, LABELS)),
    (TypeError, "floating", lambda: F.cosine_similarity(X.long(), T.long())),
    (TypeError, "floating", lambda: F.normalize(X.long())),
    (TypeError, "int64", lambda: F.one_hot(X)),
    (ValueError, "non-negative", lambda: F.one_hot(LABELS - 1)),
    (ValueError, "smaller than num_classes", lambda: F.one_hot(LABELS, 1)),
    (ValueError, "empty tensor", lambda: F.one_hot(LABELS[:0])),
    (ValueError, r"\(N, D\)", lambda: F.pdist(X[0])),
    (TypeError, "delta expects", lambda: nn.HuberLoss(delta="1")),
    (ValueError, "p expects 1 or 2", lambda: nn.MultiMarginLoss(p=3)),
]


@pytest.mark.parametrize(("error", "text", "call"), REFUSED, ids=range(len(REFUSED)))
@pytest.mark.filterwarnings("ignore:.*broadcast:UserWarning")
def test_refused(error, text, call):
    with pytest.raises(error, match=text):
        call()
