"""Compiled functions given Values: the function itself is called, for each row where there are rows."""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff import modes
from autodiff.compiler.calls.arguments import count_rows, is_static, row_of
from autodiff.compiler.calls.options import Options
from autodiff.compiler.calls.results import stacked, with_open_arrays
from autodiff.structures.structure import Structure, flatten_values, is_array
from autodiff.value import Value


def is_eager() -> bool:
    """Whether compiled functions call f itself, as inside detect_anomaly() and where another function is traced."""
    mode = modes.now()
    return mode is not None and (mode.reading is not None or mode.checking)


def eagerly(f: Callable[..., Any], options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of f; with rows, stacked or reduced as the options say."""
    rows = options.rows
    if not rows:
        return f(*args, **kwargs)
    count = count_rows([args[i] for i in rows if i < len(args)])
    results = [f(*[row_of(x, row) if i in rows else x for i, x in enumerate(args)], **kwargs) for row in range(count)]
    if options.reduce is None:
        return _stacked(results)
    total = added(results)
    if options.reduce == "sum":
        return total
    items, structure = flatten_values(total)
    return structure.build([x if _is_other(x) else x / count for x in items])


def added(results: Sequence[Any]) -> Any:
    """The sum of results of one form; where they hold something that is not a number, the first one's."""
    structure, columns = _columns(results)
    return structure.build([column[0] if _is_other(column[0]) else sum(column[1:], column[0]) for column in columns])


def lowered(result: Any) -> Any:
    """The result with floats in place of Values, but for those that depend on a trace under way."""
    items, structure = flatten_values(with_open_arrays(result))
    reading = modes.reading()
    return structure.build(
        [x.data if isinstance(x, Value) and (reading is None or reading.is_constant(x)) else x for x in items]
    )


def one_structure(structures: Sequence[Structure]) -> Structure:
    """The one structure that all of them have; raises TypeError if they differ."""
    for other in structures[1:]:
        if other != structures[0]:
            raise TypeError(
                f"f gives {structures[0]} for some rows and {other} for others; rows need results of one form"
            )
    return structures[0]


def _stacked(results: Sequence[Any]) -> Any:
    """Results of one form as one of that form, arranged as `Results.stack` does; arrays are of objects."""
    structure, columns = _columns(results)
    numbers = {i for i, column in enumerate(columns) if type(column[0]) is bool or not _is_other(column[0])}
    items = [column if i in numbers else column[0] for i, column in enumerate(columns)]
    return stacked(structure, items, numbers, len(results), in_arrays=False)


def _columns(results: Sequence[Any]) -> tuple[Structure, list[list[Any]]]:
    """The form of the results, and for each number in it the list of all results' numbers."""
    flat = [flatten_values(result) for result in results]
    structure = one_structure([structure for _, structure in flat])
    return structure, [list(column) for column in zip(*[items for items, _ in flat], strict=True)]


def _is_other(x: Any) -> bool:
    return is_static(x) and not is_array(x) and not isinstance(x, Value)
