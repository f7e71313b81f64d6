"""The kit that tests this project, for tests of your own: checks, oracles, hypothesis strategies, a machine of Values.

A function is checked as a whole, against differences of its values:

    >>> from autodiff import Value, exp, sin
    >>> from autodiff.testing import check_grads, complex_step, mpmath_gradient, programs, values
    >>> check_grads(lambda x, y: sin(x) * exp(y), (0.5, -1.0))

A graph that is already there is held against oracles that compute it anew, and never read a local gradient: with
complex numbers, or with mpmath, to as many digits as you like.

    >>> x = Value(0.5)
    >>> y = exp(sin(x))
    >>> y.backward()
    >>> abs(x.grad - complex_step(y, [x])[0]) < 1e-15
    True
    >>> import mpmath
    >>> mpmath.nstr(mpmath_gradient(y, [x], digits=30)[0], 30)
    '1.41742422465939123452489131384'

Strategies draw Values, operands in the domain of a primitive (`points`), and whole programs, which print as Python:
graphs of single operations (`programs`), and loops over lists (`loop_programs`).

    >>> from hypothesis import given
    >>> @given(values(-5.0, 5.0))
    ... def test_exp_is_its_own_derivative(x):
    ...     y = exp(x)
    ...     y.backward()
    ...     assert x.grad == y.data
    >>> test_exp_is_its_own_derivative()
    >>> @given(programs(["sin", "mul", "tanh"], max_steps=6))
    ... def test_programs_have_the_gradient_of_complex_steps(program):
    ...     leaves = [Value(x) for x in program.leaves]
    ...     y = program(*leaves)
    ...     y.backward()
    ...     for leaf, expected in zip(leaves, complex_step(y, leaves)):
    ...         assert abs(leaf.grad - expected) <= 1e-6 * max(1.0, abs(expected))
    >>> test_programs_have_the_gradient_of_complex_steps()

`TestValue = ValueMachine.TestCase` in a test module runs a Value through all that can happen to it, in any order.

Nothing here is loaded before its first use: `import autodiff.testing` needs neither hypothesis nor mpmath. Both come
with `pip install 'scalar-autodiff[test]'`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autodiff.testing.checks import Undecided, assert_gradients_close, check_grads
    from autodiff.testing.complexes import complex_step
    from autodiff.testing.differences import finite_differences
    from autodiff.testing.extrapolation import Estimate, richardson
    from autodiff.testing.loops import LoopProgram, loop_programs
    from autodiff.testing.machine import ValueMachine
    from autodiff.testing.mathematics import error_in_ulps
    from autodiff.testing.oracles import mpmath_gradient, mpmath_value
    from autodiff.testing.strategies import Program, Step, points, programs, values

__all__ = [
    "Estimate",
    "LoopProgram",
    "Program",
    "Step",
    "Undecided",
    "ValueMachine",
    "assert_gradients_close",
    "check_grads",
    "complex_step",
    "error_in_ulps",
    "finite_differences",
    "loop_programs",
    "mpmath_gradient",
    "mpmath_value",
    "points",
    "programs",
    "richardson",
    "values",
]

_LAZY = {
    "Estimate": "autodiff.testing.extrapolation",
    "LoopProgram": "autodiff.testing.loops",
    "Program": "autodiff.testing.strategies",
    "Step": "autodiff.testing.strategies",
    "Undecided": "autodiff.testing.checks",
    "ValueMachine": "autodiff.testing.machine",
    "assert_gradients_close": "autodiff.testing.checks",
    "check_grads": "autodiff.testing.checks",
    "complex_step": "autodiff.testing.complexes",
    "error_in_ulps": "autodiff.testing.mathematics",
    "finite_differences": "autodiff.testing.differences",
    "loop_programs": "autodiff.testing.loops",
    "mpmath_gradient": "autodiff.testing.oracles",
    "mpmath_value": "autodiff.testing.oracles",
    "points": "autodiff.testing.strategies",
    "programs": "autodiff.testing.strategies",
    "richardson": "autodiff.testing.extrapolation",
    "values": "autodiff.testing.strategies",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        try:
            return getattr(import_module(_LAZY[name]), name)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"autodiff.testing.{name} needs {error.name}; install it with: pip install 'scalar-autodiff[test]'",
                name=error.name,
            ) from error
    raise AttributeError(f"module 'autodiff.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
