"""Adversarial objectives on the GPU. Same contracts as ``kernels/gan/reference.py``.

Optimizations
-------------
* The formulas are those of the CPU, ``formulas.py``, each with a kernel of its own: nothing is decided inside.
* A reduced loss is added up while it is computed, in float64 and in a fixed order (``kernels/gpu/sums.py``): no array
  of single losses is written, and the same scores give the same bits.
* The gradient of a reduced loss is read on the device by every thread; the host never waits for it.
"""

import numpy as np

from kernels.elementary import formula
from kernels.gan import shapes
from kernels.gan.formulas import LOSSES, SLOPES
from kernels.gpu.elementwise import of_mean, over_elements, weighted
from kernels.gpu.sums import sum_of

__all__ = [
    "discriminator_loss_backward_fake", "discriminator_loss_backward_real", "discriminator_loss_forward",
    "generator_loss_backward_fake", "generator_loss_forward",
]  # fmt: skip


def discriminator_loss_forward(real, fake, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check("discriminator_loss", objective, reduction, real=real, fake=fake)
    of_real, of_fake, _ = LOSSES[objective]
    if reduction == "none":
        return over_elements(of_real, real), over_elements(of_fake, fake)
    parts = (_reduced(loss, scores, reduction) for loss, scores in ((of_real, real), (of_fake, fake)))
    return over_elements(_sum, *parts, dtype=real.dtype)


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
    return over_elements(loss, fake) if reduction == "none" else _reduced(loss, fake, reduction, fake.dtype)


def generator_loss_backward_fake(grad_y, fake, objective, reduction):
    """Same contract as in ``reference``."""
    shapes.check_gradient("generator_loss", grad_y, objective, reduction, fake=fake)
    return _gradient(SLOPES[objective][2], grad_y, fake, reduction)


def _reduced(loss, scores, reduction, result=None):
    divisor = scores.size if reduction == "mean" else 1
    return sum_of(loss, scores, dtype=np.float64, divisor=divisor, result=result)


def _gradient(slope, grad_y, scores, reduction):
    if reduction == "mean":
        return over_elements(of_mean(slope), scores, grad_y, parameters=(scores.size,))
    return over_elements(weighted(slope), scores, grad_y)


@formula
def _sum(of_reals, of_fakes):
    return of_reals + of_fakes
