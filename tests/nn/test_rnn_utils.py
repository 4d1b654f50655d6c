"""Padded and packed sequences: by hand, torch's answers with gradients, torch's refusals."""

import inspect

import numpy as np
import pytest

import mediml
from mediml.nn.utils import rnn

THREE = [[1, 2, 0], [3, 0, 0], [4, 5, 6]]


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_packed_by_hand():
    packed = rnn.pack_padded_sequence(mediml.tensor(THREE), [2, 1, 3], batch_first=True, enforce_sorted=False)
    assert packed.data.tolist() == [4, 1, 3, 5, 2, 6]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [2, 0, 1]
    assert packed.unsorted_indices.tolist() == [1, 2, 0]
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1, total_length=4)
    assert padded.tolist() == [[1, 2, -1, -1], [3, -1, -1, -1], [4, 5, 6, -1]]
    assert lengths.tolist() == [2, 1, 3]
    assert [part.tolist() for part in rnn.unpack_sequence(packed)] == [[1, 2], [3], [4, 5, 6]]


def test_padded_by_hand():
    parts = [mediml.tensor([1, 2]), mediml.tensor([3]), mediml.tensor([4, 5, 6])]
    assert rnn.pad_sequence(parts, batch_first=True).tolist() == THREE
    assert rnn.pad_sequence(parts, padding_value=9).tolist() == [[1, 3, 4], [2, 9, 5], [9, 9, 6]]
    assert rnn.pad_sequence(parts, True, padding_side="left").tolist() == [[0, 1, 2], [0, 0, 3], [4, 5, 6]]
    packed = rnn.pack_sequence(parts[2:] + parts[:2])
    assert packed.data.tolist() == [4, 1, 3, 5, 2, 6] and packed.sorted_indices is None


def test_unpadding_leaves_its_argument_as_it_is():
    padded, lengths = mediml.tensor(values(3, 2, 4)), mediml.tensor([3, 1])
    parts = rnn.unpad_sequence(padded, lengths)
    assert [tuple(part.shape) for part in parts] == [(3, 4), (1, 4)]
    assert tuple(padded.shape) == (3, 2, 4)
    np.testing.assert_array_equal(parts[1].numpy(), padded.numpy()[:1, 1])


@pytest.mark.torch
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    ("lengths", "enforce_sorted"), [([4, 4, 2], True), ([2, 4, 4], False), ([3, 1, 1], False), ([1, 1, 1], True)]
)
def test_there_and_back_equals_torch(batch_first, lengths, enforce_sorted):
    torch = pytest.importorskip("torch")
    found = []
    for library in (mediml, torch):
        utils = library.nn.utils.rnn
        x = library.tensor(values(*((3, 4) if batch_first else (4, 3)), 2), requires_grad=True)
        packed = utils.pack_padded_sequence(x, lengths, batch_first, enforce_sorted)
        total = (packed.data * library.tensor(values(*packed.data.shape, seed=1))).sum()
        y, steps = utils.pad_packed_sequence(packed, not batch_first, 0.5, 6)
        (total + (y * library.tensor(values(*y.shape, seed=2))).sum()).backward()
        indices = [packed.sorted_indices, packed.unsorted_indices]
        assert (indices[0] is None) == enforce_sorted
        found.append([packed.data, packed.batch_sizes, y, steps, x.grad, *(i for i in indices if i is not None)])
    for ours, theirs in zip(*found, strict=True):
        assert str(theirs.dtype) == f"torch.{ours.dtype}"
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_and_its_gradient_equal_torch(side):
    torch = pytest.importorskip("torch")
    found = []
    for library in (mediml, torch):
        parts = [library.tensor(values(length, 2, seed=length), requires_grad=True) for length in (2, 0, 5)]
        y = library.nn.utils.rnn.pad_sequence(parts, padding_value=2.0, padding_side=side)
        (y * library.tensor(values(*y.shape))).sum().backward()
        found.append([y, *(part.grad for part in parts)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-14)


@pytest.mark.torch
def test_names_and_signatures_are_torchs():
    torch = pytest.importorskip("torch")
    assert set(rnn.__all__) == set(torch.nn.utils.rnn.__all__)
    for name in set(rnn.__all__) - {"PackedSequence"}:
        ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (rnn, torch.nn.utils.rnn))
        assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


def test_a_packed_sequence_of_another_dtype():
    packed = rnn.pack_sequence([mediml.tensor([1.0, 2.0]), mediml.tensor([3.0])])
    assert packed.to(dtype="float32") is packed and packed.cpu() is packed and not packed.is_cuda
    assert packed.double().data.dtype == np.float64
    assert packed.double().batch_sizes is packed.batch_sizes
    assert packed.long().data.tolist() == [1, 3, 2]
    pair = rnn.PackedSequence((packed.data, packed.batch_sizes))
    assert pair.data is packed.data and len(pair) == 4


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 0], "from 1 to 5, got 0 to 5"),
        ([5, -1], "from 1 to 5, got -1 to 5"),
        ([6, 5], "from 1 to 5, got 5 to 6"),
        ([4, 5], "longest first; pass enforce_sorted=False"),
        ([5], "expects 2 numbers, one for each sequence, got 1"),
        ([[5, 4]], "expects a sequence of 2 int"),
        (5, "expects a sequence of 2 int"),
        (["5", "4"], "expects a sequence of 2 int"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, message):
    with pytest.raises(ValueError, match=f"pack_padded_sequence: lengths .*{message}"):
        rnn.pack_padded_sequence(mediml.zeros(5, 2, 3), lengths)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rnn.pack_padded_sequence([1], [1]), TypeError, "input expects a mediml.Tensor, got list"),
        (lambda: rnn.pack_padded_sequence(mediml.zeros(5), [5]), ValueError, "at least two axes"),
        (lambda: rnn.pack_padded_sequence(mediml.zeros(5, 0, 3), []), ValueError, "none of them empty"),
        (lambda: rnn.pack_sequence([]), ValueError, "pad_sequence: sequences expects at least one"),
        (lambda: rnn.pack_sequence([mediml.zeros(2), mediml.zeros(3)]), ValueError, "longest first"),
        (lambda: rnn.pad_sequence(5), TypeError, "sequences expects an iterable"),
        (lambda: rnn.pad_sequence([[1, 2]]), TypeError, r"sequences\[0\] expects a mediml.Tensor, got list"),
        (lambda: rnn.pad_sequence([mediml.zeros(2), mediml.zeros(2, 1)]), ValueError, r"sequences\[1\] expects"),
        (lambda: rnn.pad_sequence([mediml.tensor(1.0)]), ValueError, r"sequences\[0\] expects at least one axis"),
        (lambda: rnn.pad_sequence([mediml.zeros(2)], padding_side="up"), ValueError, "'left' or 'right', got 'up'"),
        (lambda: rnn.pad_packed_sequence(mediml.zeros(2, 3)), TypeError, "sequence expects a PackedSequence"),
        (
            lambda: rnn.pad_packed_sequence(rnn.pack_sequence([mediml.zeros(3)]), total_length=2),
            ValueError,
            "total_length expects at least 3",
        ),
        (
            lambda: rnn.pad_packed_sequence(rnn.PackedSequence(mediml.zeros(3), mediml.tensor([1, 2]))),
            ValueError,
            "batch_sizes expects numbers that do not grow and add up to the 3 rows",
        ),
        (lambda: rnn.PackedSequence(mediml.zeros(3)), ValueError, "expected data and batch_sizes"),
        (lambda: rnn.unpad_sequence(mediml.zeros(3, 2), mediml.tensor([3])), ValueError, "one for each of 2 sequences"),
        (lambda: rnn.unpad_sequence(mediml.zeros(3, 2), [3, 1]), TypeError, "lengths expects a mediml.Tensor"),
        (lambda: rnn.invert_permutation(mediml.tensor([0, 0])), ValueError, "each of 0 to N - 1 once"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
