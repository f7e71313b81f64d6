"""Jacobians, and their products with vectors: all derivatives of a function, or those along one direction."""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff.structures.structure import in_blocks
from autodiff.transforms.arguments import Argnums, check_function, numbers_like, wrapping
from autodiff.transforms.runs import Run, evaluated, weighted


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The Jacobian of f, as a function: the derivative of each number of the result in each number of an argument.

    It has the form of f's result, with the form of the argument in the place of each number; an array of shape S
    differentiated in an array of shape T is an array of shape S + T. The Jacobian of one number is its gradient.

    Cost: recording f, and a sweep for each output over the nodes that it depends on; or a forward sweep for each input
    over all of them, where that comes to less work.

    Raises TypeError when there is something else than numbers in f's result or the argument.

    Source: Griewank and Walther, Evaluating Derivatives, 2008, chapters 3 and 7.

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + 5 * x[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 5.0]]
    """

    @wrapping("jacobian", f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        with evaluated("jacobian", f, args, kwargs, argnums, has_aux) as run:
            result = in_blocks(run.of_outputs, run.of_inputs, run.lowered_rows(_rows(run)))
            return (result, run.lowered_aux()) if has_aux else result

    return jacobian_of


def _rows(run: Run) -> list[list[Any]]:
    """The Jacobian, by a reverse sweep for each output; a forward one for each input where that is less.

    The work of the reverse sweeps is known when they are done. They stop when it is more than that of the others.
    """
    rows: list[list[Any]] = []
    work = 0
    for output in run.outputs:
        order = run.ordered([output])
        work += len(order)
        if work > len(run.order) * len(run.inputs):
            columns = [run.pushed({x: 1.0}) for x in run.inputs]
            return [list(row) for row in zip(*columns, strict=True)]
        rows.append(run.pulled({output: 1.0}, order))
    return rows


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The pair (f(*primals), its derivative along the tangents), both in the form of f's result: forward mode.

    `tangents` has the form of `primals`, a tuple of f's arguments. With has_aux f returns a pair (result, anything
    else), and the latter comes third. Cost: recording f, and one forward sweep, whatever the number of outputs.

    Raises TypeError for tangents of another form, or something else than numbers in primals, tangents or f's result.

    Source: Wengert, A simple automatic derivative evaluation program, 1964.

    >>> jvp(lambda x, y: [x * y, x + y], (2.0, 3.0), (1.0, 0.0))
    ([6.0, 5.0], [3.0, 1.0])
    """
    check_function("jvp", f)
    for given, what in ((primals, "primals"), (tangents, "tangents")):
        if not isinstance(given, (tuple, list)):
            raise TypeError(f"jvp expected {what} to be a tuple, one for each argument, got {given!r}; write (x,)")
    with evaluated("jvp", f, tuple(primals), {}, range(len(primals)), has_aux) as run:
        along = numbers_like("jvp", tuple(tangents), run.of_inputs, "tangents", "the primals")
        numbers = run.lowered([*run.outputs, *run.pushed(weighted(run.inputs, along))])
        half = len(run.outputs)
        result = run.of_outputs.build(numbers[:half]), run.of_outputs.build(numbers[half:])
        return (*result, run.lowered_aux()) if has_aux else result


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The pair (f(*primals), pullback): `pullback(cotangent)` is a tuple with a gradient for each primal.

    The cotangent has the form of f's result, where an array may stand for lists of its shape. The gradients are those
    of the sum of f's numbers, each times its cotangent. The pullback can be called as often as needed: f is not
    evaluated again. With has_aux f returns a pair (result, anything else), and the latter comes third. Cost: recording
    f, and for each call one reverse sweep.

    Raises TypeError for a cotangent of another form, or something else than numbers in primals or f's result.

    >>> out, pullback = vjp(lambda x, y: [x * y, x + y], 2.0, 3.0)
    >>> out, pullback([1.0, 10.0])
    ([6.0, 5.0], (13.0, 12.0))
    """
    check_function("vjp", f)
    with evaluated("vjp", f, primals, {}, range(len(primals)), has_aux) as run:
        result = run.of_outputs.build(run.lowered(run.outputs))
        aux = (run.lowered_aux(),) if has_aux else ()

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        along = numbers_like("vjp", cotangent, run.of_outputs, "the cotangent", "f's result")
        once = run.again()
        with once.recording():
            pulled: tuple[Any, ...] = run.of_inputs.build(once.lowered(once.pulled(weighted(run.outputs, along))))
            return pulled

    return (result, pullback, *aux)
