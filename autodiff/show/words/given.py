"""The names that a user's code gives to Values: variables, where lines were recorded, and places in a model.

    >>> from autodiff import Value, record_source
    >>> given_names([Value(1.0) * 2.0])
    {}

Inside `record_source()` a Value knows the expression that made it. If a line assigns that, `h = tanh(w * x)`, it is
called h; what the expression makes on the way has no name. A parameter of a model that runs there is called by its
place in the model, `layers[0].neurons[1].w[0]`.
"""

import ast
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from linecache import getlines
from typing import NamedTuple

from autodiff.sources import Source
from autodiff.value import Value


class Assigned(NamedTuple):
    """The name that an expression is assigned to, and the function whose call it is, if it is one."""

    name: str
    function: str = ""


Expression = tuple[int, int, int, int]
"""The first line and column of an expression, and the last ones."""


def given_names(values: Iterable[Value]) -> dict[Value, str]:
    """The names of those Values, of a graph, that have no label and that code or model name."""
    values = list(values)
    if all(value.source is None for value in values):
        return {}
    files: dict[str, Mapping[Expression, Assigned]] = {}
    found: dict[Value, str] = {}
    made_into: set[tuple[Value, Hashable]] = set()
    for value in values:
        if value.source is not None:
            made_into |= {(x, _whole(value.source)) for x in value.operands if isinstance(x, Value)}
    for value in values:
        assigned = None if value.label or value.source is None else _assigned(value.source, files)
        if assigned is not None and _is_its_result(value, assigned, made_into):
            found[value] = assigned.name
    places = places_in_models(values)
    return {x: places[x] for x in values if x in places and not x.label} | found


def places_in_models(values: Iterable[Value]) -> dict[Value, str]:
    """The place of each parameter in the model that uses it, where that was recorded."""
    models = {id(model): model for value in values if (model := value._model) is not None}
    found: dict[Value, str] = {}
    for model in models.values():
        named = getattr(model, "named_parameters", None)  # a module may be anything that names its parts
        if callable(named):
            found |= {x: _indexed(place) for place, x in named()}
    return found


def within(modules: Sequence[str], name: str) -> str:
    """A name as it is inside of modules, outermost first, whose frames say the rest.

    >>> within(["MLP", "layers.0", "neurons.1"], "layers[0].neurons[1].w[0]")
    'w[0]'
    """
    around = _indexed(".".join([module.partition(",")[0] for module in modules[1:]]))
    return name.removeprefix(f"{around}.") if around else name


def _indexed(place: str) -> str:
    """A place in a model as Python writes it: layers.0 is layers[0]."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", place)


def _whole(source: Source) -> Hashable:
    """The same for all Values that one run of an expression makes."""
    return source.filename, source.line, source.span, source.calls[:1]


def _assigned(source: Source, files: dict[str, Mapping[Expression, Assigned]]) -> Assigned | None:
    if source.span is None:
        return None
    if source.filename not in files:
        files[source.filename] = assignments("".join(getlines(source.filename)))
    column, *end = source.span
    return files[source.filename].get((source.line, column, end[0], end[1]))


def _is_its_result(value: Value, assigned: Assigned, made_into: set[tuple[Value, Hashable]]) -> bool:
    """Whether a Value, made while the expression ran, is what it gave."""
    assert value.source is not None
    if value.op is None:
        return assigned.function in ("", "Value", "detach", type(value).__name__)
    if assigned.function in ("", value.op.name):
        return True
    return (value, _whole(value.source)) not in made_into


# --- reading code ---


@lru_cache(maxsize=32)
def assignments(code: str) -> Mapping[Expression, Assigned]:
    """The expressions that are assigned to a name in some code, by where they stand; none where it is no Python.

    >>> assignments("a = tanh(x)")
    {(1, 4, 1, 11): Assigned(name='a', function='tanh')}
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[Expression, Assigned] = {}
    for node in ast.walk(tree):
        for name, value in _named(node):
            where = (value.lineno, value.col_offset, value.end_lineno or 0, value.end_col_offset or 0)
            found.setdefault(where, Assigned(name, _function(value)))
    return found


def _named(node: ast.AST) -> Iterator[tuple[str, ast.stmt | ast.expr]]:
    """The pairs of a name and what is assigned to it, of one statement or expression."""
    match node:
        case ast.Assign([target, *_], value):
            yield from _paired(target, value)
        case ast.AnnAssign(target, value=ast.expr() as value) | ast.NamedExpr(target, value):
            yield from _paired(target, value)
        case ast.AugAssign(target):
            yield from [(name, node) for name in [_name(target)] if name]


def _paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    waiting = [(target, "", value)]
    while waiting:
        target, index, value = waiting.pop()
        match target, value:
            case ((ast.Tuple(targets) | ast.List(targets)), (ast.Tuple(values) | ast.List(values))):
                if len(targets) == len(values) and not index:
                    waiting += [(x, "", y) for x, y in zip(targets, values, strict=True)]
            case ((ast.Tuple() | ast.List()), _):
                pass
            case _, (ast.Tuple(values) | ast.List(values)):
                waiting += [(target, f"{index}[{i}]", x) for i, x in enumerate(values)]
            case _, (ast.ListComp(element) | ast.SetComp(element) | ast.GeneratorExp(element)):
                waiting.append((target, index, element))
            case _, ast.Dict(keys, values):
                named = [(k.value, x) for k, x in zip(keys, values, strict=True) if isinstance(k, ast.Constant)]
                waiting += [(target, f"{index}[{key!r}]", x) for key, x in named]
            case _, ast.IfExp(body=one, orelse=other):
                waiting += [(target, index, one), (target, index, other)]
            case _:
                name = _name(target)
                if name:
                    yield name + index, value


def _name(target: ast.expr) -> str:
    """The variable, or attribute, that is assigned to."""
    match target:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(inner, ast.Constant(index)):
            return f"{name}[{index!r}]" if (name := _name(inner)) else ""
        case ast.Subscript(inner):
            return _name(inner)
    return ""


def _function(value: ast.AST) -> str:
    match value:
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name)):
            return name
        case ast.Call():
            return "?"
    return ""
