"""Adversarial objectives as formulas and plain loops: what a learner reads, what every test trusts.

In every formula r is a real's score and f a fake's; sigmoid turns a score into D, the probability of being real. Each
loss is written with softplus(x) = log(1 + exp(x)), because log D = -softplus(-score), log(1 - D) = -softplus(score),
and softplus(x) = max(x, 0) + log(1 + exp(-|x|)) overflows nowhere.

Computed and added up in float64 whatever the dtype.
"""

import math

import numpy as np

from kernels.gan import shapes
from kernels.jit import kernel
from kernels.memory import empty, readable

__all__ = [
    "discriminator_loss_backward_fake", "discriminator_loss_backward_real", "discriminator_loss_forward",
    "generator_loss_backward_fake", "generator_loss_forward",
]  # fmt: skip

#: The objectives as the loops know them: their place in `shapes.OBJECTIVES`.
MINIMAX, NON_SATURATING, LEAST_SQUARES, HINGE, WASSERSTEIN = range(5)


def discriminator_loss_forward(real, fake, objective, reduction):
    """What the discriminator minimises: the mean of its loss on reals plus the mean of its loss on fakes.

        objective          on a real r           on a fake f
        minimax            softplus(-r)          softplus(f)         = -log D(real),  -log(1 - D(fake))
        non-saturating     softplus(-r)          softplus(f)         the same
        least-squares      (r - 1)^2 / 2         f^2 / 2
        hinge              max(0, 1 - r)         max(0, 1 + f)
        wasserstein        -r                    f

    Parameters
    ----------
    real, fake : ndarray of any shapes and one dtype, float32 or float64
        Scores before any sigmoid. There need not be as many of one as of the other.
    objective : str
        ``"minimax"``, ``"non-saturating"``, ``"least-squares"``, ``"hinge"`` or ``"wasserstein"``.
    reduction : str
        ``"mean"``: mean over the reals plus mean over the fakes. ``"sum"``: sum plus sum. ``"none"``: nothing is added.

    Returns
    -------
    ndarray of shape (), dtype of `real`; for ``"none"`` two, of the shapes of `real` and of `fake`
        The mean of nothing is NaN.

    Raises
    ------
    TypeError, ValueError
        For wrong dtypes, another objective or reduction.

    Notes
    -----
    The Wasserstein objective is a distance only while the discriminator is 1-Lipschitz. The original clips weights; its
    successor punishes the norm of the gradient at the input, whose own gradient is a gradient of a gradient, which the
    tape of mediml does not record. So here it goes with spectral normalisation, `mediml.nn.utils.spectral_norm`: every
    layer is divided by its largest singular value, which bounds the whole; one power iteration a step finds it, at a
    cost that does not depend on the batch, and no second derivative is needed.

    References
    ----------
    I. Goodfellow et al., "Generative Adversarial Networks", arXiv:1406.2661. X. Mao et al., "Least Squares Generative
    Adversarial Networks", arXiv:1611.04076, equation 9. J. H. Lim, J. C. Ye, "Geometric GAN", arXiv:1705.02894.
    M. Arjovsky et al., "Wasserstein GAN", arXiv:1701.07875. T. Miyato et al., "Spectral Normalization for Generative
    Adversarial Networks", arXiv:1802.05957. See Also: `mediml.nn.DiscriminatorLoss`.
    """
    shapes.check("discriminator_loss", objective, reduction, real=real, fake=fake)
    of_reals = _forward(_losses_of_reals, real, objective)
    of_fakes = _forward(_losses_of_fakes, fake, objective)
    if reduction == "none":
        return of_reals.astype(real.dtype), of_fakes.astype(fake.dtype)
    with np.errstate(all="ignore"):
        return np.asarray(_reduced(of_reals, reduction) + _reduced(of_fakes, reduction)).astype(real.dtype)


def discriminator_loss_backward_real(grad_y, real, objective, reduction):
    """Gradient for the reals' scores, scale times the slope:

        minimax, non-saturating     -sigmoid(-r) = D - 1
        least-squares               r - 1
        hinge                       -1 where r < 1, else 0
        wasserstein                 -1

    scale is grad_y, for ``"mean"`` divided by the number of reals.
    """
    shapes.check_gradient("discriminator_loss", grad_y, objective, reduction, real=real)
    return _backward(_slopes_of_reals, grad_y, real, objective, reduction)


def discriminator_loss_backward_fake(grad_y, fake, objective, reduction):
    """Gradient for the fakes' scores, scale times the slope; `scale` as in `discriminator_loss_backward_real`:

    minimax, non-saturating     sigmoid(f) = D
    least-squares               f
    hinge                       1 where f > -1, else 0
    wasserstein                 1
    """
    shapes.check_gradient("discriminator_loss", grad_y, objective, reduction, fake=fake)
    return _backward(_slopes_of_fakes, grad_y, fake, objective, reduction)


def generator_loss_forward(fake, objective, reduction):
    """What the generator minimises, told from the discriminator's scores of its fakes.

        minimax            -softplus(f)       = log(1 - D): flat where D is near 0, so hardly a gradient at the start
        non-saturating     softplus(-f)       = -log D: steepest where D is near 0
        least-squares      (f - 1)^2 / 2
        hinge              -f
        wasserstein        -f

    Parameters, errors and sources as in `discriminator_loss_forward`; a mean over the fakes, their sum, or for
    ``"none"`` the shape of `fake`. See Also: `mediml.nn.GeneratorLoss`.
    """
    shapes.check("generator_loss", objective, reduction, fake=fake)
    y = _forward(_losses_of_generator, fake, objective)
    return (y if reduction == "none" else np.asarray(_reduced(y, reduction))).astype(fake.dtype)


def generator_loss_backward_fake(grad_y, fake, objective, reduction):
    """Gradient for the fakes' scores, scale times the slope; `scale` as in `discriminator_loss_backward_real`:

    minimax                -sigmoid(f) = -D
    non-saturating         -sigmoid(-f) = D - 1
    least-squares          f - 1
    hinge, wasserstein     -1
    """
    shapes.check_gradient("generator_loss", grad_y, objective, reduction, fake=fake)
    return _backward(_slopes_of_generator, grad_y, fake, objective, reduction)


def _forward(loops, scores, objective):
    y = empty(scores.shape, np.float64)
    loops(readable(scores).reshape(-1), shapes.OBJECTIVES.index(objective), y.reshape(-1))
    return y


def _backward(loops, grad_y, scores, objective, reduction):
    grad, scale = empty(scores.shape, np.float64), empty(scores.size, np.float64)
    scale[:] = shapes.scale_of(grad_y.astype(np.float64), scores.size, reduction)
    loops(readable(scores).reshape(-1), shapes.OBJECTIVES.index(objective), scale, grad.reshape(-1))
    with np.errstate(over="ignore"):  # beyond the range of float32 is inf
        return grad.astype(scores.dtype)


def _reduced(y, reduction):
    return shapes.mean_or_sum(_total(y.reshape(-1)), y.size, reduction)


@kernel
def _total(y):
    acc = 0.0
    for i in range(y.size):
        acc += y[i]
    return acc


@kernel
def _softplus(x):
    return (x if x > 0.0 else 0.0) + math.log1p(math.exp(-abs(x)))


@kernel
def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


@kernel
def _loss_of_real(r, objective):
    if objective == LEAST_SQUARES:
        return 0.5 * (r - 1.0) ** 2
    if objective == HINGE:
        return 0.0 if r >= 1.0 else 1.0 - r
    if objective == WASSERSTEIN:
        return -r
    return _softplus(-r)


@kernel
def _slope_of_real(r, objective):
    if objective == LEAST_SQUARES:
        return r - 1.0
    if objective == HINGE:
        return 0.0 if r >= 1.0 else -1.0
    if objective == WASSERSTEIN:
        return -1.0
    return -_sigmoid(-r)


@kernel
def _loss_of_fake(f, objective):
    if objective == LEAST_SQUARES:
        return 0.5 * f**2
    if objective == HINGE:
        return 0.0 if f <= -1.0 else 1.0 + f
    if objective == WASSERSTEIN:
        return f
    return _softplus(f)


@kernel
def _slope_of_fake(f, objective):
    if objective == LEAST_SQUARES:
        return f
    if objective == HINGE:
        return 0.0 if f <= -1.0 else 1.0
    if objective == WASSERSTEIN:
        return 1.0
    return _sigmoid(f)


@kernel
def _loss_of_generator(f, objective):
    if objective == MINIMAX:
        return -_softplus(f)
    if objective == NON_SATURATING:
        return _softplus(-f)
    if objective == LEAST_SQUARES:
        return 0.5 * (f - 1.0) ** 2
    return -f


@kernel
def _slope_of_generator(f, objective):
    if objective == MINIMAX:
        return -_sigmoid(f)
    if objective == NON_SATURATING:
        return -_sigmoid(-f)
    if objective == LEAST_SQUARES:
        return f - 1.0
    return -1.0


@kernel
def _losses_of_reals(real, objective, y):
    for i in range(real.size):
        y[i] = _loss_of_real(np.float64(real[i]), objective)


@kernel
def _losses_of_fakes(fake, objective, y):
    for i in range(fake.size):
        y[i] = _loss_of_fake(np.float64(fake[i]), objective)


@kernel
def _losses_of_generator(fake, objective, y):
    for i in range(fake.size):
        y[i] = _loss_of_generator(np.float64(fake[i]), objective)


@kernel
def _slopes_of_reals(real, objective, scale, grad_real):
    for i in range(real.size):
        grad_real[i] = scale[i] * _slope_of_real(np.float64(real[i]), objective)


@kernel
def _slopes_of_fakes(fake, objective, scale, grad_fake):
    for i in range(fake.size):
        grad_fake[i] = scale[i] * _slope_of_fake(np.float64(fake[i]), objective)


@kernel
def _slopes_of_generator(fake, objective, scale, grad_fake):
    for i in range(fake.size):
        grad_fake[i] = scale[i] * _slope_of_generator(np.float64(fake[i]), objective)
