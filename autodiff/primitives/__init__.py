"""The table of primitives: every operation the engine can differentiate, each written once.

An entry is data: a name, a formula, how to evaluate it on floats, its local gradients as ordinary arithmetic over
`(out, *operands)`, and the domain on which it is smooth. The local gradients are read in more than one way, chosen by
what they are given: floats give the numbers stored on the edges of a graph, Values give local gradients that can be
differentiated again. That is why a rule calls other primitives (`cos` in the rule of `sin`) instead of the math module,
and chooses with `where` instead of `if`.

The entries stand in rooms by kind, one module each; `rules` has what their rules are written with.

    >>> sin(0.0), sin.local_gradients(sin(0.0), 0.0)
    (0.0, (1.0,))

Conventions at kinks and singular points stand at the rule that keeps them. A rule may divide by zero or overflow; the
reader of the rule supplies the IEEE 754 answer. A rule is written so that its own derivatives neither cancel nor meet
0 * inf; where plain functions would, it calls a primitive made for it (`SLOPES`). NOTHING is the local gradient of what
was not taken: a structural zero.
"""

from autodiff.primitives import activations, angles, arithmetic, choices, exponentials, hyperbolic, lists
from autodiff.primitives.activations import *
from autodiff.primitives.angles import *
from autodiff.primitives.arithmetic import *
from autodiff.primitives.choices import *
from autodiff.primitives.exponentials import *
from autodiff.primitives.hyperbolic import *
from autodiff.primitives.lists import *
from autodiff.primitives.primitive import Domain as Domain
from autodiff.primitives.primitive import Primitive as Primitive
from autodiff.primitives.primitive import Rule as Rule

_ROOMS = (arithmetic, exponentials, angles, hyperbolic, activations, choices, lists)

KNOWN: dict[str, Primitive] = {
    name: entry for room in _ROOMS for name, entry in vars(room).items() if isinstance(entry, Primitive)
}
"""Every primitive that graphs hold, but for the user's own, by its name: room by room, in the order of the rows."""

TABLE: dict[str, Primitive] = {name: entry for name, entry in KNOWN.items() if not entry.facts.for_rules}
"""Every primitive that is a function of the library, by its name."""

SLOPES: dict[str, Primitive] = {name: entry for name, entry in KNOWN.items() if entry.facts.for_rules}
"""Local gradients whose own derivatives, of what they are made of, would cancel: rules call them, and users do not."""


def _documented(entry: Primitive) -> str:
    """The docstring of an entry with an example: its value, and the local gradients of a Value."""
    operands = entry.example()
    out = entry(*operands)
    numbers = ", ".join(map(repr, operands))
    recorded = ", ".join([f"Value({operands[0]!r})", *map(repr, operands[1:])])
    return (
        f"{entry.__doc__}\n\n>>> {entry.name}({numbers})\n{out!r}\n"
        f">>> {entry.name}({recorded}).local_gradients\n{entry.local_gradients(out, *operands)!r}"
    )


for _entry in KNOWN.values():
    _entry.__doc__ = _documented(_entry)
