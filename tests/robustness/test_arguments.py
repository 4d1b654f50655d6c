"""Wrong shapes, dtypes, kinds, places, values through every operator: PyTorch's answer, or an error that says what."""

import re

import hostile
import numpy as np
import pytest
from expected import ANSWERED, DIFFERENT, REFUSED, is_expected
from operators import CASES, DEVICES, OPERATORS, call_of, difference, run, run_torch, some, wrong_refusal

import mediml
import mediml.nn.functional as F
from mediml.verify.case import arguments

RANDOM = "random: there is no value to compare; its arguments stand in tests/nn"
INPLACE = "writes into its argument; the function without the underscore has cases"

#: Operators without a case, and why.
WITHOUT_CASES = {
    **dict.fromkeys(("alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"), RANDOM),
    **dict.fromkeys(("feature_alpha_dropout", "gumbel_softmax"), RANDOM),
    **dict.fromkeys(("celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"), INPLACE),
    "triplet_margin_with_distance_loss": "takes a function of tensors; tests/nn/test_loss.py gives it torch's",
}


def test_every_operator_takes_part():
    missing = set(F.__all__) - set(CASES) - set(WITHOUT_CASES)
    assert not missing, f"without a case in mediml/verify/cases, or a reason here: {sorted(missing)}"
    assert set(CASES) <= set(F.__all__)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["wrong_shapes", "wrong_dtypes", "wrong_kinds", "wild_indices", "wild_values"])
@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.filterwarnings("ignore")
def test_refuses_or_answers_as_torch(op, kind):
    pytest.importorskip("torch")
    faults = []
    for position, case in enumerate(some(op, 2)):
        for what, call in getattr(hostile, kind)(call_of(case)):
            theirs = None if crashes_torch(call) else run_torch(call)
            for device in DEVICES[: 1 if position else 2]:
                fault = judge(op, what, run(call, device), theirs)
                if fault:
                    faults.append(f"{call} on {device}, {what}: {fault}")
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:20])


def crashes_torch(call):
    """Calls after which PyTorch 2.13 is no longer alive, or its memory no longer whole."""
    states = [call.arrays.get(f"hx[{i}]") for i in (0, 1)] if call.op == "lstm" else []
    if all(isinstance(state, np.ndarray) for state in states) and len({s.shape[:-1] for s in states}) > 1:
        return True  # it looks at one state only, and reads the other as far as that goes
    numbers = {name: np.ravel(np.asarray(call.options.get(name), object)) for name in ("dilation", "padding", "stride")}
    if (
        call.op == "pdist" and getattr(call.arrays["input"], "size", 1) == 0
    ):  # its backward reads an address that is none
        return True
    if call.op.startswith(("max_pool", "conv")) and any(
        type(n) is int and n > 2**30 for n in np.concatenate(list(numbers.values()))
    ):  # its int32 arithmetic overflows: a division by zero, or writes beyond its memory
        return True
    # dilated windows that lie in the padding: it writes beyond its memory
    dilated, padded = (
        any(n not in (plain, None) for n in numbers[k]) for k, plain in (("dilation", 1), ("padding", 0))
    )
    return call.op.startswith("max_pool") and dilated and padded


def judge(op, what, ours, theirs):
    """What is wrong with our outcome of a hostile call; None if nothing is."""
    if ours.error is not None:
        wrong = wrong_refusal(op, ours.error)
        if wrong or theirs is None or theirs.error is not None or is_expected(REFUSED, op, what):
            return wrong
        return f"refused ({ours.error}), PyTorch answers"
    if theirs is None:
        return None
    if theirs.error is not None:
        return None if is_expected(ANSWERED, op, what) else f"answered, PyTorch refuses: {theirs.error!s:.200}"
    return None if is_expected(DIFFERENT, op, what) else difference(ours, theirs)


@pytest.mark.parametrize("op", OPERATORS)
def test_tensors_on_two_devices_are_refused_by_name(op):
    call = call_of(some(op, 1)[0])
    if len(call.arrays) < 2:
        call = next((call_of(case) for case in CASES[op] if len(case.arrays) > 1), None)
    if call is None:
        pytest.skip("takes one tensor")
    tensors = {name: mediml.from_numpy(array) for name, array in call.arrays.items()}
    for name in list(tensors)[1:]:
        with pytest.raises(
            ValueError,
            match=rf"{op}: {re.escape(name)} expects the device of {next(iter(tensors))}, cpu, got reference",
        ):
            moved = {**tensors, name: tensors[name].to("reference")}
            getattr(F, op)(**arguments(moved), **call.options)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "object", "U3", "datetime64[s]"])
def test_dtypes_that_no_tensor_has_are_refused(dtype):
    array = np.zeros((2, 3), dtype)
    for make in (mediml.from_numpy, mediml.tensor, mediml.as_tensor):
        with pytest.raises(TypeError, match="dtype"):
            make(array)


def test_arrays_of_foreign_byte_order():
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    with pytest.raises(TypeError, match="native byte order"):
        mediml.from_numpy(array)
    assert mediml.tensor(array).numpy().dtype.isnative
    np.testing.assert_array_equal(mediml.as_tensor(array).numpy(), np.arange(6, dtype="f4").reshape(2, 3))
