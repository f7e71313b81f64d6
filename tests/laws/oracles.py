"""What this project's own laws need beside `autodiff.testing`: the scale of rounding errors, planted mistakes."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.testing.mathematics import derivative, error_in_ulps, exact, value

# --- errors ---


def _largest_partial_sum(*xs: Any) -> Any:
    return max(abs(partial) for partial in accumulate(xs))


def _largest_partial_dot(*wx: Any) -> Any:
    half = len(wx) // 2
    return _largest_partial_sum(*[w * x for w, x in zip(wx[:half], wx[half:], strict=True)])


# Where terms of opposite signs are added, their rounding errors stay while they themselves cancel: there the error is
# counted in ulps of the largest of them. For the lists that is the largest sum on the way.
VALUE_TERMS: dict[str, Callable[..., Any]] = {
    "sum": _largest_partial_sum,
    "mean": lambda *xs: _largest_partial_sum(*xs) / len(xs),
    "dot": _largest_partial_dot,
    "logsumexp": lambda *xs: max(xs),  # the largest operand, plus the logarithm of a sum: log(2) - log(2) = 0
}
GRADIENT_TERMS: dict[str, Callable[..., Any]] = {
    # silu' = sigmoid(x) + x sigmoid(x) sigmoid(-x) is 0 near -1.28, gelu' = Phi(x) + x phi(x) near -0.75.
    "silu": lambda x: value("sigmoid", [x]),
    "gelu": lambda x: exact.ncdf(x),
}


def value_error(primitive: Primitive, operands: Sequence[float]) -> float:
    """The error of the primitive's value, in ulps."""
    terms = VALUE_TERMS.get(primitive.name, lambda *xs: 0)(*map(exact.mpf, operands))
    return error_in_ulps(primitive(*operands), value(primitive.name, operands), terms)


def local_gradient_error(primitive: Primitive, operands: Sequence[float], index: int, got: float) -> float:
    """The error of `got`, the local gradient in the operand with that index, in ulps."""
    terms = GRADIENT_TERMS.get(primitive.name, lambda *xs: 0)(*map(exact.mpf, operands))
    return error_in_ulps(got, derivative(primitive.name, operands, index), terms)


def clear_step(primitive: Primitive, operands: Sequence[float], index: int) -> float:
    """A large step for the operand with that index, below any period, and well away from the kinks."""
    x = operands[index]
    largest = min(max(abs(x), 0.01) / 4.0, 1.0)
    kinks = primitive.domain.kinks
    if kinks is None:
        return largest
    here = abs(kinks(*operands))

    def near(y: float) -> bool:
        return abs(abs(kinks(*operands[:index], y, *operands[index + 1 :])) - here) <= here / 2.0

    step = largest * 2.0**-40  # and up from there: kinks may come again periodically
    while step < largest and near(x + 2.0 * step) and near(x - 2.0 * step):
        step *= 2.0
    return step


def path_magnitudes(root: Any) -> dict[Any, float]:
    """For each leaf of a graph, the sum of |product of local gradients| over all paths from root to it.

    It is the largest the gradient could be if nothing cancelled: the scale of backward's rounding errors.
    """
    magnitudes = {root: 1.0}
    for node in reversed(topological_order(root)):
        upstream = magnitudes.get(node, 0.0)
        for operand, local in zip(node.operands, node.local_gradients, strict=True):
            if upstream and not isinstance(operand, float):
                magnitudes[operand] = magnitudes.get(operand, 0.0) + upstream * abs(local)
    return magnitudes


# --- mistakes ---


def planted(primitive: Primitive, index: int, mistake: Callable[[list[Any]], Any]) -> Primitive:
    """A copy of the primitive whose local gradient with that index is `mistake` of them all."""

    def partials(out: Any, *operands: Any) -> list[Any]:
        local = list(primitive.local_gradients(out, *operands))
        local[index] = mistake(local)
        return local

    return Primitive(
        primitive.name,
        primitive.formula,
        primitive.evaluate,
        partials,
        domain=primitive.domain,
        ulps=primitive.ulps,
        facts=primitive.facts,
    )
