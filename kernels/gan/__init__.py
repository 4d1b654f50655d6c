"""Adversarial objectives: what a discriminator and a generator each want of the discriminator's scores.

A generator makes fakes, a discriminator D gives real and fake pictures a score, and each is trained against the other.
A score is a logit, any real number: no sigmoid comes before. Five objectives, each with a loss for either side:
    minimax and non-saturating (Goodfellow 2014), least squares (Mao 2017), hinge (Lim and Ye 2017), Wasserstein
    (Arjovsky 2017).
Losses are smaller the better for the side that they belong to. Minimax and non-saturating differ for the generator
only: the first has hardly a gradient where the discriminator is sure of a fake, the second is steepest there.

``reference.py`` holds formulas and plain loops, ``cpu.py`` and ``cuda.py`` the fast twins; formula by formula in
``formulas.py``. The layers are in ``mediml/nn/modules/gan.py``. Taught in lesson 13, generative adversarial networks.
"""
