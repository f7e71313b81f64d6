"""The kit that tests this project, for tests of your own: oracles, hypothesis strategies, a machine of Values.

Nothing here is loaded before its first use: `import autodiff.testing` needs neither hypothesis nor mpmath.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autodiff.testing.checks import assert_gradients_close, check_grads
    from autodiff.testing.complexes import complex_step
    from autodiff.testing.differences import Estimate, finite_differences, richardson
    from autodiff.testing.machine import ValueMachine
    from autodiff.testing.oracles import error_in_ulps, mpmath_gradient, mpmath_value
    from autodiff.testing.strategies import Program, Step, points, programs, values

__all__ = [
    "Estimate",
    "Program",
    "Step",
    "ValueMachine",
    "assert_gradients_close",
    "check_grads",
    "complex_step",
    "error_in_ulps",
    "finite_differences",
    "mpmath_gradient",
    "mpmath_value",
    "points",
    "programs",
    "richardson",
    "values",
]

_LAZY = {
    "Estimate": "autodiff.testing.differences",
    "Program": "autodiff.testing.strategies",
    "Step": "autodiff.testing.strategies",
    "ValueMachine": "autodiff.testing.machine",
    "assert_gradients_close": "autodiff.testing.checks",
    "check_grads": "autodiff.testing.checks",
    "complex_step": "autodiff.testing.complexes",
    "error_in_ulps": "autodiff.testing.oracles",
    "finite_differences": "autodiff.testing.differences",
    "mpmath_gradient": "autodiff.testing.oracles",
    "mpmath_value": "autodiff.testing.oracles",
    "points": "autodiff.testing.strategies",
    "programs": "autodiff.testing.strategies",
    "richardson": "autodiff.testing.differences",
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
