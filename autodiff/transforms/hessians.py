"""Second derivatives: sweeps over the graph of a gradient."""

from collections.abc import Callable
from typing import Any

from autodiff.graph import topological_order
from autodiff.structures.structure import in_blocks, nested
from autodiff.transforms.arguments import Argnums, numbers_like, wrapping
from autodiff.transforms.runs import Run, evaluated, values_in, weighted


def hessian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The second derivatives of f, as a function: the Jacobian of its gradient.

    The result has the form of the argument, with that form again in the place of each number: a square matrix for a
    vector. It is symmetric to the last bit: of each pair of second derivatives one is computed, and over no more of the
    gradient's graph than has to do with what is left, so that a sparse Hessian costs little more than its entries.
    Where f returns more than one number, it has the form of f's result, with the Hessian of each number in its place;
    an array of shape S differentiated in an array of shape T is an array of shape S + T + T.

    Cost: for each output a gradient that is recorded, and a sweep over a part of it for each input.

    Raises TypeError when there is something else than numbers in f's result or the argument.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]
    >>> hessian(lambda x: {"product": x[0] * x[1], "square": x[0] ** 2})([3.0, 5.0])
    {'product': [[0.0, 1.0], [1.0, 0.0]], 'square': [[2.0, 0.0], [0.0, 0.0]]}
    """

    @wrapping("hessian", f)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        with evaluated("hessian", f, args, kwargs, argnums, has_aux) as run:
            rows = run.lowered_rows([row for y in run.outputs for row in _second_derivatives(run, run.slopes(y))])
            if run.is_of_one_number():
                result = in_blocks(run.of_inputs, run.of_inputs, rows)
            else:
                sizes = (len(run.outputs), len(run.inputs), len(run.inputs))
                numbers = [x for row in rows for x in row]
                result = nested((run.of_outputs, run.of_inputs, run.of_inputs), sizes, numbers)
            return (result, run.lowered_aux()) if has_aux else result

    return hessian_of


def _second_derivatives(run: Run, slopes: list[Any]) -> list[list[Any]]:
    """The Jacobian of the slopes, which is symmetric, with each pair of its entries computed once.

    The inputs are ranked as f first uses them. Row by row fewer columns are left, and the sweep leaves out every
    node made from inputs of earlier rows alone: in a chain of layers or steps about a third of all.
    """
    ranked = _as_first_used(run)
    latest = {run.inputs[i]: rank for rank, i in enumerate(ranked)}  # of the inputs that a node was made from
    settled: list[list[Any]] = [[] for _ in range(len(ranked) + 1)]  # by the rank after which a node is left out
    for node in run.ordered(slopes):
        latest[node] = max([latest.get(x, -1) for x in node.operands if type(x) is not float])
        settled[latest[node] + 1].append(node)
    rows: list[list[Any]] = [[0.0] * len(ranked) for _ in ranked]
    done: set[Any] = set(run.borrowed)
    for rank, i in enumerate(ranked):
        done.update(settled[rank])
        order = topological_order(*values_in([slopes[i]]), without=done)
        row = run.pulled({slopes[i]: 1.0}, order)
        for j in ranked[rank:]:
            rows[i][j] = rows[j][i] = row[j]
    return rows


def _as_first_used(run: Run) -> list[int]:
    """The indices of the inputs, in the order in which f uses them."""
    first: dict[Any, int] = {}
    for position, node in enumerate(run.order):
        for x in node.operands:
            if type(x) is not float:
                first.setdefault(x, position)
    return sorted(range(len(run.inputs)), key=lambda i: first.get(run.inputs[i], len(run.order)))


def hvp(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The Hessian of f times a vector, as a function of `(*args, v)`, in the form of the argument, which v has too.

    The Hessian is never formed: it is the gradient of f's gradient along v, a reverse sweep over a recorded reverse
    sweep. Cost: some ten times recording f in pure Python; with the native core, which records f ten times as fast,
    twenty to a hundred times; whatever the number of inputs.

    Raises TypeError when f returns anything but one number, or v has another form than the argument. scipy hands
    further arguments of f over after v: `hessp=lambda x, v, *args: hvp(f)(x, *args, v)`.

    Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.

    >>> hvp(lambda x: x[0] ** 2 * x[1])([3.0, 5.0], [1.0, 0.0])
    [10.0, 6.0]
    """

    @wrapping("hvp", f)
    def hessian_times(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(f"hvp expected f's arguments and then v, got {len(args)} in all; call hvp(f)(x, v)")
        with evaluated("hvp", f, args[:-1], kwargs, argnums, False) as run:
            along = numbers_like("hvp", args[-1], run.of_inputs, "v", "the argument")
            slopes = run.slopes(run.one_output("hvp of their sum"))
            return run.of_inputs.build(run.lowered(run.pulled(weighted(slopes, along))))

    return hessian_times
