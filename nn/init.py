"""Initialisers: functions `(rng, nin, nout)` that draw one weight of a layer with so many inputs and outputs.

>>> import random
>>> draw = he()
>>> -1.0 < draw(random.Random(0), 6, 4) < 1.0
True
"""

import math
import random
from collections.abc import Callable
from typing import Any

from nn.elsewhere import missing

Initializer = Callable[[random.Random, int, int], float]


def uniform(bound: float = 1.0) -> Initializer:
    """Return an initialiser that draws from U(-bound, bound).

    >>> abs(uniform(0.5)(random.Random(0), 3, 3)) <= 0.5
    True
    """
    return lambda rng, nin, nout: rng.uniform(-bound, bound)


def glorot(*, normal: bool = False) -> Initializer:
    """Return the Glorot (Xavier) initialiser: variance 2 / (nin + nout); for tanh, sigmoid and linear layers.

    Uniform on (-a, a) with a = sqrt(6 / (nin + nout)), or normal.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010, eq. 16.

    >>> abs(glorot()(random.Random(0), 3, 3)) <= 1.0
    True
    """
    return _scaled(lambda nin, nout: 2.0 / (nin + nout), normal)


def he(*, normal: bool = False) -> Initializer:
    """Return the He (Kaiming) initialiser: variance 2 / nin; for ReLU and its relatives.

    Uniform on (-a, a) with a = sqrt(6 / nin), or normal.

    Source: He et al., Delving deep into rectifiers, 2015, eq. 10.

    >>> abs(he()(random.Random(0), 6, 3)) <= 1.0
    True
    """
    return _scaled(lambda nin, nout: 2.0 / nin, normal)


def zeros() -> Initializer:
    """Return an initialiser that gives 0.0.

    >>> zeros()(random.Random(0), 3, 3)
    0.0
    """
    return lambda rng, nin, nout: 0.0


def _scaled(variance: Callable[[int, int], float], normal: bool) -> Initializer:
    if normal:
        return lambda rng, nin, nout: rng.gauss(0.0, math.sqrt(variance(nin, nout)))
    bound = math.sqrt(3.0)  # U(-a, a) has variance a² / 3
    return lambda rng, nin, nout: rng.uniform(-bound, bound) * math.sqrt(variance(nin, nout))


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
