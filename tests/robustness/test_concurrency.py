"""Python threads that compute at once, children that fork after a computation, and workers of a data loader."""

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

import mediml
import mediml.nn.functional as F
from kernels import parallel

THREADS = 16
CALLS = 500


@pytest.fixture
def several_threads():
    """Kernels that split their work, also on a machine with one core, and small work, too."""
    before = parallel.SERIAL_BELOW
    parallel.set_thread_count(3)
    parallel.SERIAL_BELOW = 0
    yield
    parallel.set_thread_count(None)
    parallel.SERIAL_BELOW = before


def network(seed):
    """Loss and gradients of a small network on random pictures: convolution, pooling, product, softmax, loss."""
    generator = np.random.default_rng(seed)

    def draw(*shape):
        return mediml.tensor(generator.standard_normal(shape).astype(np.float32), requires_grad=True)

    x, weight, bias, matrix = draw(2, 3, 10, 9), draw(8, 3, 3, 3), draw(8), draw(5, 8 * 4 * 3)
    hidden = F.max_pool2d(F.conv2d(x, weight, bias), 2)
    scores = F.linear(hidden.reshape(2, -1), matrix)
    loss = F.cross_entropy(scores, mediml.tensor([1, 4])) + F.softmax(scores, 1).pow(2).sum()
    loss.backward()
    return [loss.detach().numpy(), *(tensor.grad.numpy() for tensor in (x, weight, bias, matrix))]


def is_same(seed, expected):
    return all(np.array_equal(a, b) for a, b in zip(network(seed), expected, strict=True))


def test_threads_do_not_disturb_each_other(several_threads):
    expected = [network(seed) for seed in range(THREADS)]
    wrong = []

    def work(seed):
        try:
            wrong.extend(seed for _ in range(CALLS // 5) if not is_same(seed, expected[seed]))  # 5 operators each
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_result_is_complete_when_it_is_returned(several_threads):
    caller, done = threading.get_ident(), np.zeros(24, bool)

    def slow_elsewhere(lo, hi, array):
        if threading.get_ident() != caller:
            time.sleep(0.5)
        else:
            time.sleep(0.01)  # so that the others get their share
        array[lo:hi] = True

    parallel.for_each(slow_elsewhere, len(done), 10**9, done)
    assert done.all()


def test_recording_is_off_only_in_the_thread_that_said_so():
    entered, leave, seen = threading.Event(), threading.Event(), []

    def without_grad():
        with mediml.no_grad():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=without_grad)
    thread.start()
    assert entered.wait(30)
    seen.append(F.softmax(mediml.tensor([1.0, 2.0], requires_grad=True), 0).requires_grad)
    leave.set()
    thread.join()
    assert seen == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_after_use_works_in_child_and_parent(several_threads):
    expected = network(0)
    child = os.fork()
    if child == 0:  # leaves without pytest's clean-up, whatever happens
        signal.alarm(60)
        try:
            right = is_same(0, expected) and is_same(0, expected)
            os._exit(0 if right and threading.active_count() > 1 else 1)  # it has threads of its own
        finally:
            os._exit(2)
    assert is_same(0, expected)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert is_same(0, expected)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_while_another_thread_computes(several_threads):
    expected, stop = network(0), threading.Event()
    other = threading.Thread(target=lambda: [network(1) for _ in iter(stop.is_set, True)])
    other.start()
    try:
        processes = [multiprocessing.get_context("fork").Process(target=_child, args=(expected,)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 4
    finally:
        stop.set()
        other.join()


def _child(expected):
    os._exit(0 if is_same(0, expected) else 1)


class Losses:
    """A dataset whose items are computed by our kernels, in the loader's workers."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return np.asarray(network(index)[0])


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_inside_the_workers_of_torchs_data_loader(several_threads):
    data = pytest.importorskip("torch.utils.data")
    expected = [float(network(index)[0]) for index in range(12)]
    for _ in range(2):
        batches = list(data.DataLoader(Losses(), batch_size=3, num_workers=2, timeout=60))
        assert [float(value) for batch in batches for value in batch] == expected
