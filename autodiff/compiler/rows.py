"""Rows: a call with many rows, each of which goes its own way through f, and what becomes of their results."""

import sys
import time
from typing import Any

from autodiff.compiler.calls.arguments import Arguments
from autodiff.compiler.calls.options import Options
from autodiff.compiler.versions.dispatch import Dispatcher, numbers_for, rows_at
from autodiff.compiler.versions.version import Version
from autodiff.structures.structure import is_array

Group = tuple[Version, Any]  # a version, and the indices of the rows that it is right for; None for all


def by_version(dispatcher: Dispatcher, given: Arguments) -> list[Group]:
    """Each version that is right for rows, with their indices; in the order of their first rows.

    Raises TypeError where two rows have results of different forms.
    """
    first = dispatcher.first(given)
    if not first.lines:
        return [(first, None)]
    merged = _sorted_out(dispatcher, given)
    groups = sorted(merged.items(), key=lambda group: group[1][0])
    first = groups[0][0]
    for version, mine in groups:
        if not given.backward and not version.results.is_like(first.results):  # each loss has leaves of its own
            raise TypeError(
                f"{dispatcher.name} gives another form of result for row {mine[0]} than for row 0: "
                f"{version.results} and {first.results}; rows need results of one form"
            )
    return [(version, None if len(mine) == len(given.rows) else mine) for version, mine in groups]


def _sorted_out(dispatcher: Dispatcher, given: Arguments) -> dict[Version, list[int]]:
    """The rows of each version: those that its guards accept, of those that no version before it took."""
    pending, merged, tried = list(range(len(given.rows))), dict[Version, list[int]](), 0
    while pending:
        version, is_new = dispatcher.another(given, tried, pending[0])
        tried += not is_new  # others may have been traced on the way
        guards = version.guards(dispatcher.options)
        _, holding = guards.run_rows(numbers_for(version, given), rows_at(given, pending))
        mine = [i for i, holds in zip(pending, holding, strict=True) if holds]
        if is_new and not mine:
            mine = pending[:1]  # a leaf was assigned in between
        if mine:
            merged[version] = sorted(merged.get(version, []) + mine)
            taken = set(mine)
            pending = [i for i in pending if i not in taken]
    return merged


def reduced(groups: list[Group], given: Arguments, options: Options) -> list[tuple[Version, Any]]:
    """Each version with the sum of its outputs over its rows; for the mean, divided by the number of all rows."""
    totals = []
    for version, mine in groups:
        outputs = _run(version, given, mine, options, options.reduce if mine is None else "sum")
        if mine is not None and options.reduce == "mean":
            outputs = _divided(outputs, len(given.rows))
        totals.append((version, outputs))
    return totals


def stacked(groups: list[Group], given: Arguments, options: Options) -> Any:
    """The results of f for all rows, stacked."""
    first, mine = groups[0]
    outputs = _run(first, given, mine, options)
    if mine is not None:
        count = len(given.rows)
        whole = [None] * count if not is_array(outputs) else _empty(count, outputs.shape[1])
        _put(outputs, mine, whole)
        for version, mine in groups[1:]:
            _put(_run(version, given, mine, options), mine, whole)
        outputs = whole
    return first.results.stack(outputs, is_array(given.rows))


def _run(version: Version, given: Arguments, mine: Any, options: Options, reduction: str | None = None) -> Any:
    start = time.perf_counter()
    backend = version.ready(options, reduction)
    outputs, _ = backend.run_rows(numbers_for(version, given), rows_at(given, mine))
    if "first run" not in version.figures:
        version.figures["first run"] = time.perf_counter() - start
    return outputs


def _put(outputs: Any, mine: list[int], whole: Any) -> None:
    if is_array(whole):
        whole[mine] = outputs
    else:
        for i, row in zip(mine, outputs, strict=True):
            whole[i] = row


def _empty(count: int, width: int) -> Any:
    return sys.modules["numpy"].empty((count, width))


def added(total: Any, outputs: Any) -> Any:
    """The sums of the outputs of two versions; silent, as scalar arithmetic is, about what overflows."""
    if not is_array(total):
        return [x + y for x, y in zip(total, outputs, strict=True)]
    with sys.modules["numpy"].errstate(all="ignore"):
        return total + outputs


def _divided(total: Any, count: int) -> Any:
    if not is_array(total):
        return [x / count for x in total]
    with sys.modules["numpy"].errstate(all="ignore"):
        return total / count
