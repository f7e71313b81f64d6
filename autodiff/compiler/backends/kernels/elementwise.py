"""Loops over the table of primitives: a vectorised one for each that is cheap, one loop for all others.

`unary(code, p, room, n, o, a, sa)` puts `evaluate(v[a + i * sa])` into `v[o + i]` for i < n, where v is the memory at
address p; `binary` and `ternary` likewise. They are made as text from the table: a chain of tests, which LLVM makes a
jump, around calls of each primitive's own `evaluate`. One function of each arity, since numba compiles a large one in
less time than many small ones.
"""

import math
import operator
from types import FunctionType
from typing import Any

from autodiff import floats
from autodiff.compiler.backends.kernels.leaves import LIBRARY
from autodiff.compiler.machine.vectors import get, kernel, put
from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.primitives import Primitive

_KNOWN: dict[Any, Any] = {operator.abs: abs}  # what numba calls them


def _evaluated(primitive: Primitive, arity: int) -> Any:
    """The primitive as a function that kernels can call."""
    function: Any = primitive.evaluate
    if function in LIBRARY:
        return LIBRARY[function]
    function = _KNOWN.get(function, function)
    if isinstance(function, FunctionType) and function.__module__ != floats.__name__:
        return kernel(function)
    if arity == 1:
        return kernel(lambda x: function(x))
    return kernel(lambda x, y: function(x, y))


@kernel
def _in_step(p: int, n: int, a: int, step: int, room: int) -> int:
    """Where these numbers stand side by side: in their place, or copied to `room`."""
    if step == 1 or n == 1:
        return a
    if step == 0:
        x = get(p, a)
        for i in range(n):
            put(p, room + i, x)
    else:
        for i in range(n):
            put(p, room + i, get(p, a + i * step))
    return room


def _looping(arity: int) -> Any:
    """The function `(code, p, room, n, o, a, sa, ...)` that loops over a primitive, and returns 0.

    For a vectorised loop operands out of step are copied first: loops for each combination of steps would be a little
    faster, but take four times as long to compile.
    """
    table = [(code, primitive) for code, primitive in enumerate(OPCODES) if primitive.arity == arity]
    cheap = [code for code, primitive in table if primitive.facts.vectorises]
    scope: dict[str, Any] = {f"f{code}": _evaluated(primitive, arity) for code, primitive in table}
    scope |= {"get": get, "put": put, "in_step": _in_step, "nan": math.nan}
    names = "abc"[:arity]
    lines = [f"def loop(code, p, room, n, o, {', '.join(f'{a}, s{a}' for a in names)}):"]
    lines.append(f"    if {' or '.join(f'code == {code}' for code in cheap)}:")
    lines += [f"        {a} = in_step(p, n, {a}, s{a}, room + {i} * n)" for i, a in enumerate(names)]
    numbers = ", ".join(f"get(p, {a} + i)" for a in names)
    for code in cheap:
        lines.append(f"        if code == {code}:")
        lines.append(f"            for i in range(n):\n                put(p, o + i, f{code}({numbers}))")
    lines.append("        return 0")
    lines.append("    for i in range(n):")
    lines += [f"        {x} = get(p, {a} + i * s{a})" for x, a in zip("xyz", names, strict=False)]
    lines.append("        out = nan")
    lines += [
        f"        if code == {code}:\n            out = f{code}({', '.join('xyz'[:arity])})"
        for code, _ in table
        if code not in cheap
    ]
    lines.append("        put(p, o + i, out)\n    return 0")
    exec(compile("\n".join(lines), "<kernels of autodiff>", "exec"), scope)
    return kernel(scope["loop"])


unary, binary, ternary = _looping(1), _looping(2), _looping(3)
if unknown := [primitive.name for primitive in OPCODES if primitive.arity not in (1, 2, 3, None)]:
    raise RuntimeError(f"no loop runs {', '.join(unknown)}, of more than three operands")
