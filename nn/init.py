"""Initialisers: where the weights of a layer start; by name on every layer, or as a function of one's own.

An initialiser is a function `(rng, nin, nout)` that draws one weight of a layer with so many inputs and outputs. One
whose weights depend on each other, such as `orthogonal`, is a `Whole`: it draws the matrix at once.

>>> from nn import Layer
>>> Layer(3, 2, "tanh", init="lecun", seed=0)
Layer(3, 2, 'tanh')
>>> weights(lambda rng, nin, nout: rng.choice([-1.0, 1.0]), random.Random(0), rows=2, columns=3)
[[1.0, 1.0, -1.0], [1.0, 1.0, 1.0]]
"""

import math
import random
import warnings
from collections.abc import Callable, Mapping
from operator import index, mul
from typing import Any, NamedTuple, SupportsIndex

from nn.hints import missing

Single = Callable[[random.Random, int, int], float]
Matrix = list[list[float]]


class Whole(NamedTuple):
    """An initialiser of a whole matrix: `draw(rng, rows, columns)` returns its rows, one for each output.

    >>> weights(Whole(lambda rng, rows, columns: [[1.0, 0.0], [0.0, 1.0]]), random.Random(0), 2, 2)
    [[1.0, 0.0], [0.0, 1.0]]
    """

    draw: Callable[[random.Random, int, int], Matrix]


Initializer = Single | Whole
Init = str | Initializer | None
"""The argument `init` of a layer: an initialiser or the name of one; None for the one that suits it."""


def weights(
    init: str | Initializer,
    rng: random.Random,
    rows: int,
    columns: int,
    fan_in: int | None = None,
    fan_out: int | None = None,
) -> Matrix:
    """Draw a matrix of weights, row by row.

    Args:
        init: a name in `NAMES`, or an initialiser.
        rng: the generator to draw with.
        rows, columns: the shape; of a layer, its outputs and inputs.
        fan_in, fan_out: how many inputs and outputs a weight counts as having, where that is not the columns and rows:
            in a convolution, channels times the size of its kernel.

    Raises ValueError for an unknown name.

    >>> weights("ones", random.Random(0), rows=2, columns=3)
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    if isinstance(init, str):
        if init not in NAMES:
            raise ValueError(f"no initialiser is called {init!r}; known are {', '.join(NAMES)}, or give one of nn.init")
        init = NAMES[init]()
    if isinstance(init, Whole):
        return init.draw(rng, rows, columns)
    nin, nout = columns if fan_in is None else fan_in, rows if fan_out is None else fan_out
    return [[init(rng, nin, nout) for _ in range(columns)] for _ in range(rows)]


def uniform(bound: float = 1.0) -> Single:
    """An initialiser that draws from U(-bound, bound).

    >>> abs(uniform(0.5)(random.Random(0), 3, 3)) <= 0.5
    True
    """
    return lambda rng, nin, nout: rng.uniform(-bound, bound)


def normal(deviation: float = 1.0) -> Single:
    """An initialiser that draws from N(0, deviation²).

    >>> abs(normal(0.01)(random.Random(0), 3, 3)) <= 0.1
    True
    """
    return lambda rng, nin, nout: rng.gauss(0.0, deviation)


def glorot(*, normal: bool = False) -> Single:
    """The Glorot (Xavier) initialiser: variance 2 / (nin + nout); for tanh, sigmoid and linear layers.

    Uniform on (-a, a) with a = sqrt(6 / (nin + nout)), or normal.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010, eq. 16.

    >>> abs(glorot()(random.Random(0), 3, 3)) <= 1.0
    True
    """
    return _scaled(lambda nin, nout: 2.0 / (nin + nout), normal)


def he(*, normal: bool = False) -> Single:
    """The He (Kaiming) initialiser: variance 2 / nin; for ReLU and its relatives.

    Uniform on (-a, a) with a = sqrt(6 / nin), or normal.

    Source: He et al., Delving deep into rectifiers, 2015, eq. 10.

    >>> abs(he()(random.Random(0), 6, 3)) <= 1.0
    True
    """
    return _scaled(lambda nin, nout: 2.0 / nin, normal)


def lecun(*, normal: bool = False) -> Single:
    """The LeCun initialiser: variance 1 / nin, so that a linear layer keeps the variance of its inputs.

    Uniform on (-a, a) with a = sqrt(3 / nin), or normal.

    Source: LeCun et al., Efficient BackProp, 1998, eq. 16.

    >>> abs(lecun()(random.Random(0), 3, 3)) <= 1.0
    True
    """
    return _scaled(lambda nin, nout: 1.0 / nin, normal)


def orthogonal(gain: float = 1.0) -> Whole:
    """The initialiser of matrices whose rows are orthogonal and of length `gain`; the columns, where it is tall.

    Such a layer keeps lengths, so that signals neither vanish nor explode in a deep or recurrent network. The matrix is
    uniform among the orthogonal ones: normal draws, made orthogonal by Gram-Schmidt.

    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks, 2014.

    >>> (a, b), (c, d) = weights(orthogonal(), random.Random(0), 2, 2)
    >>> abs(a * c + b * d) < 1e-15, abs(math.hypot(a, b) - 1) < 1e-15
    (True, True)
    """

    def draw(rng: random.Random, rows: int, columns: int) -> Matrix:
        long, short = max(rows, columns), min(rows, columns)
        basis = _orthonormal([[rng.gauss(0.0, 1.0) for _ in range(long)] for _ in range(short)])
        scaled = [[gain * x for x in vector] for vector in basis]
        return scaled if rows <= columns else [list(row) for row in zip(*scaled, strict=True)]

    return Whole(draw)


def constant(value: float) -> Single:
    """An initialiser that gives the same number to every weight.

    >>> constant(0.5)(random.Random(0), 3, 3)
    0.5
    """
    return lambda rng, nin, nout: value


def zeros() -> Single:
    """An initialiser that gives 0.0.

    >>> zeros()(random.Random(0), 3, 3)
    0.0
    """
    return constant(0.0)


def ones() -> Single:
    """An initialiser that gives 1.0.

    >>> ones()(random.Random(0), 3, 3)
    1.0
    """
    return constant(1.0)


# The names that a layer takes as `init`; each stands for the initialiser with its default settings.
NAMES: Mapping[str, Callable[[], Initializer]] = {
    "glorot": glorot,
    "xavier": glorot,
    "he": he,
    "kaiming": he,
    "lecun": lecun,
    "uniform": uniform,
    "normal": normal,
    "orthogonal": orthogonal,
    "zeros": zeros,
    "ones": ones,
}


def generator(seed: int | None, rng: random.Random | None) -> random.Random:
    """The generator that a layer draws with: `rng`, or one of its own from a seed; from None, a fresh one.

    Raises ValueError if both are given, TypeError for another kind.

    >>> generator(0, None).random() == random.Random(0).random()
    True
    """
    if seed is not None and rng is not None:
        raise ValueError("give either seed or rng, not both")
    if rng is not None and not isinstance(rng, random.Random):
        raise TypeError(f"rng is a random.Random, got {type(rng).__name__}; give a number as seed")
    # An integer of numpy's seeds as the int that it equals.
    return rng or random.Random(index(seed) if isinstance(seed, SupportsIndex) else seed)


def warn_if_alike(name: str, matrix: Matrix) -> None:
    """Warn if all neurons, the rows, have the same weights: then nothing tells them apart in training.

    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     warn_if_alike("hidden", [[0.0, 0.0], [0.0, 0.0]])
    >>> print(caught[0].message)
    the 2 neurons of hidden start with the same weights: they compute the same, and where the next layer treats them \
alike, stay so in training; draw them at random, as init="he" or init="glorot" do
    """
    if len(matrix) > 1 and all(row == matrix[0] for row in matrix):
        warnings.warn(
            f"the {len(matrix)} neurons of {name} start with the same weights: they compute the same, and where the "
            'next layer treats them alike, stay so in training; draw them at random, as init="he" or init="glorot" do',
            stacklevel=3,
        )


def _scaled(variance: Callable[[int, int], float], normal: bool) -> Single:
    if normal:
        return lambda rng, nin, nout: rng.gauss(0.0, math.sqrt(variance(nin, nout)))
    bound = math.sqrt(3.0)  # U(-a, a) has variance a² / 3
    return lambda rng, nin, nout: rng.uniform(-bound, bound) * math.sqrt(variance(nin, nout))


def _orthonormal(vectors: Matrix) -> Matrix:
    """An orthonormal basis of the space that the vectors span, by Gram-Schmidt, which takes no package.

    Each vector is projected twice: once loses digits where vectors are nearly parallel. The sums are exact, so that a
    seed gives the same weights in each version of Python.
    """
    basis: Matrix = []
    for vector in vectors:
        for unit in [*basis, *basis]:
            along = math.fsum(map(mul, unit, vector))
            vector = [x - along * u for x, u in zip(vector, unit, strict=True)]
        length = math.sqrt(math.fsum(map(mul, vector, vector)))
        basis.append([x / length for x in vector])
    return basis


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
