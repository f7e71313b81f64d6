"""The kit that tests this project, for tests of your own: oracles, hypothesis strategies, a machine of Values.

Nothing here is loaded before its first use: `import autodiff.testing` needs neither hypothesis nor mpmath.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autodiff.testing.machine import ValueMachine
    from autodiff.testing.oracles import complex_step, mpmath_gradient, mpmath_value
    from autodiff.testing.strategies import Program, Step, points, programs, values

__all__ = [
    "Program",
    "Step",
    "ValueMachine",
    "complex_step",
    "mpmath_gradient",
    "mpmath_value",
    "points",
    "programs",
    "values",
]

_LAZY = {
    "Program": "autodiff.testing.strategies",
    "Step": "autodiff.testing.strategies",
    "ValueMachine": "autodiff.testing.machine",
    "complex_step": "autodiff.testing.oracles",
    "mpmath_gradient": "autodiff.testing.oracles",
    "mpmath_value": "autodiff.testing.oracles",
    "points": "autodiff.testing.strategies",
    "programs": "autodiff.testing.strategies",
    "values": "autodiff.testing.strategies",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'autodiff.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
