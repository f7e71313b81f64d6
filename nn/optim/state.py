"""The state of an optimiser, checked before it is loaded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autodiff import Value
from nn.optim.options import checked

if TYPE_CHECKING:
    from nn.optim.optimizer import Optimizer

Options = dict[str, Any]
State = dict[str, Any]


def loaded(optimizer: "Optimizer", given: Mapping[str, Any]) -> tuple[list[Options], list[State]]:
    """The options and the state of each group. Raises TypeError, KeyError or ValueError for what does not fit."""
    kind = type(optimizer).__name__
    if not isinstance(given, Mapping):
        raise TypeError(f"{kind}.load_state_dict takes what state_dict() gave, got {type(given).__name__}")
    if _entry(given, "optimizer", "the state") != kind:
        raise ValueError(f"the state is that of {given['optimizer']}, expected that of {kind}")
    states, groups = _listed(given, "state"), _listed(given, "param_groups")
    if not len(states) == len(groups) == len(optimizer.param_groups):
        raise ValueError(f"the state has {len(groups)} groups, expected {len(optimizer.param_groups)}")
    options, columns, start = [], [], 0
    for i, (own, group, state) in enumerate(zip(optimizer.param_groups, groups, states, strict=True)):
        count, place = len(own["params"]), f"group {i} of the state"
        positions = _entry(group, "params", place)
        if positions != list(range(start, start + count)):
            held = f"{len(positions)} parameters" if isinstance(positions, list) else repr(positions)
            raise ValueError(f"{place} has {held} as 'params', expected the positions {start} to {start + count - 1}")
        options.append({name: checked(name, _entry(group, name, place)) for name in own if name != "params"})
        columns.append(_columns(optimizer, options[-1], state, count, place))
        start += count
    return options, columns


def _columns(optimizer: "Optimizer", options: Options, state: Any, count: int, place: str) -> State:
    """The number of steps, and the lists of a group's state as lists of floats."""
    step = _entry(state, "step", place)
    if type(step) is not int or step < 0:
        raise TypeError(f"'step' of {place} is a whole number from 0, got {step!r}")
    columns = {}
    for name in optimizer._plan(options, step + 1).columns if step else ():
        column = _entry(state, name, place)
        if not isinstance(column, list) or len(column) != count:
            held = f"{len(column)} numbers" if isinstance(column, list) else type(column).__name__
            raise ValueError(f"{name!r} of {place} is a list of {count} numbers, got {held}")
        try:
            columns[name] = [Value(x).data for x in column]
        except TypeError as error:
            raise TypeError(f"{name!r} of {place}: {error}") from None
    return {"step": step, **columns}


def _entry(given: Any, name: str, place: str) -> Any:
    if not isinstance(given, Mapping):
        raise TypeError(f"{place} is a dict, got {type(given).__name__}")
    if name not in given:
        raise KeyError(f"{place} has no {name!r}; it has {', '.join(map(repr, given))}")
    return given[name]


def _listed(given: Mapping[str, Any], name: str) -> list[Any]:
    entry = _entry(given, name, "the state")
    if not isinstance(entry, list):
        raise TypeError(f"{name!r} of the state is a list with a dict for each group, got {type(entry).__name__}")
    return entry
