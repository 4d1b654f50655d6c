"""Fast adversarial objectives. Same contracts as ``kernels/gan/reference.py``.

Optimizations
-------------
* Each formula of ``formulas.py`` gets a loop of its own, so that nothing is decided inside; log, exp and sigmoid are
  those of ``kernels/elementary.py``, which vectorise.
* A reduced loss is summed up while it is computed: no array of single losses is written. The sum runs in float64 over
  blocks of fixed length, so that it has the same bits for any number of threads.
* Threads share the blocks, or the scores; each block's sum, each loss and each gradient belongs to one thread.
"""

from functools import cache

import numpy as np

from kernels.gan import shapes
from kernels.gan.formulas import LOSSES, SLOPES
from kernels.jit import REASSOCIATE, kernel
from kernels.memory import empty, readable
from kernels.parallel import for_each

__all__ = [
    "discriminator_loss_backward_fake", "discriminator_loss_backward_real", "discriminator_loss_forward",
    "generator_loss_backward_fake", "generator_loss_forward",
]  # fmt: skip

#: Scores that are added up in one go.
BLOCK = 8192

#: Elementary operations that one score costs, for `for_each`.
COST = 16


def discriminator_loss_forward(real, fake, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check("discriminator_loss", objective, reduction, real=real, fake=fake)
    of_real, of_fake, _ = LOSSES[objective]
    if reduction == "none":
        return _each(of_real, real), _each(of_fake, fake)
    with np.errstate(all="ignore"):
        y = _reduced(of_real, real, reduction) + _reduced(of_fake, fake, reduction)
        return np.asarray(y).astype(real.dtype)


def discriminator_loss_backward_real(grad_y, real, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check_gradient("discriminator_loss", grad_y, objective, reduction, real=real)
    return _gradient(SLOPES[objective][0], grad_y, real, reduction)


def discriminator_loss_backward_fake(grad_y, fake, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check_gradient("discriminator_loss", grad_y, objective, reduction, fake=fake)
    return _gradient(SLOPES[objective][1], grad_y, fake, reduction)


def generator_loss_forward(fake, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check("generator_loss", objective, reduction, fake=fake)
    loss = LOSSES[objective][2]
    if reduction == "none":
        return _each(loss, fake)
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return np.asarray(_reduced(loss, fake, reduction)).astype(fake.dtype)


def generator_loss_backward_fake(grad_y, fake, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check_gradient("generator_loss", grad_y, objective, reduction, fake=fake)
    return _gradient(SLOPES[objective][2], grad_y, fake, reduction)


def _each(loss, scores):
    y = empty(scores.shape, scores.dtype)
    for_each(_loop("each", loss), y.size, COST * y.size, readable(scores).reshape(-1), y.reshape(-1))
    return y


def _reduced(loss, scores, reduction):
    sums = empty(-(-scores.size // BLOCK), np.float64)
    for_each(_loop("sums", loss), sums.size, COST * scores.size, readable(scores).reshape(-1), sums)
    return shapes.mean_or_sum(sums.sum(), scores.size, reduction)


def _gradient(slope, grad_y, scores, reduction):
    grad = empty(scores.shape, scores.dtype)
    scale = shapes.scale_of(readable(grad_y), scores.size, reduction)
    arguments = readable(scores).reshape(-1), scale, grad.reshape(-1)
    name = "slopes" if reduction == "none" else "scaled_slopes"
    for_each(_loop(name, slope), grad.size, COST * grad.size, *arguments)
    return grad


@cache
def _loop(name, formula):
    """The loop around a formula, compiled. Its name is also the formula's, so that each has a cache file of its own."""

    def each(lo, hi, x, y):
        x, y = x[lo:hi], y[lo:hi]
        for i in range(y.size):
            y[i] = formula(x[i])

    def sums(lo, hi, x, sums):
        for block in range(lo, hi):
            part = x[block * BLOCK : (block + 1) * BLOCK]
            acc = 0.0
            for i in range(part.size):
                acc += formula(part[i])
            sums[block] = acc

    def slopes(lo, hi, x, scale, grad):
        x, scale, grad = x[lo:hi], scale[lo:hi], grad[lo:hi]
        for i in range(grad.size):
            grad[i] = scale[i] * formula(x[i])

    def scaled_slopes(lo, hi, x, scale, grad):
        x, grad = x[lo:hi], grad[lo:hi]
        for i in range(grad.size):
            grad[i] = scale[0] * formula(x[i])

    loop = {"each": each, "sums": sums, "slopes": slopes, "scaled_slopes": scaled_slopes}[name]
    loop.__qualname__ = f"{name}.{formula.__name__}"
    return kernel(loop, fastmath=REASSOCIATE) if name == "sums" else kernel(loop)
