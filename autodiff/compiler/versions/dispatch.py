"""Dispatch: which version of a function a call runs.

Calls whose arguments stand together in the same way have the same key, and the versions for a key are tried one after
the other: the one whose guards hold is right. Where none does, f is traced.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from operator import is_
from threading import RLock
from typing import Any

from autodiff.compiler.backends.backend import Backend
from autodiff.compiler.calls.arguments import Arguments, joined
from autodiff.compiler.calls.options import Options
from autodiff.compiler.versions.version import Version, traced
from autodiff.number import data_of
from autodiff.structures.structure import is_array
from autodiff.value import Value

MOST_VERSIONS = 64  # for one structure of the arguments
MOST_STRUCTURES = 256


class Dispatcher:
    """The versions of a function, by the key of their calls; those used last at the end.

    Without f, as after a pickle, it has the versions that it has.
    """

    def __init__(
        self,
        f: Callable[..., Any] | None,
        name: str,
        options: Options,
        versions: OrderedDict[Hashable, list[Version]] | None = None,
    ) -> None:
        self.f, self.name, self.options = f, name, options
        self.versions: OrderedDict[Hashable, list[Version]] = OrderedDict() if versions is None else versions
        self._assigned: dict[Value, bool] = {}
        self.renew_locks()

    def renew_locks(self) -> None:
        """Let go of what other threads held: they are not there in the child of a fork."""
        self._lock = RLock()

    def all(self) -> list[Version]:
        """Every version, once."""
        return list(dict.fromkeys([version for versions in list(self.versions.values()) for version in versions]))

    # --- calls without rows ---

    def run(self, given: Arguments) -> tuple[Version, Any]:
        """The version that is right for these numbers, and its outputs."""
        versions = self._known(given.key)
        for version in versions:
            outputs, holds = version.ready(self.options).run(numbers_for(version, given))
            if holds:
                break
        else:
            with self._lock:
                if len(self.versions.get(given.key, ())) > len(versions):  # another thread has traced meanwhile
                    return self.run(given)
                version, outputs = self._new(given, None)
        return version, outputs

    # --- calls with rows ---

    def first(self, given: Arguments) -> Version:
        """The version that is tried first; traced at the first row if there is none."""
        versions = self._known(given.key)
        if not versions:
            with self._lock:
                versions = self.versions.get(given.key) or [self._trace(given, 0)]
        return versions[0]

    def another(self, given: Arguments, tried: int, row: int) -> tuple[Version, bool]:
        """The version after those that were tried, traced at this row if there is none; and whether it was traced."""
        with self._lock:
            versions = self.versions.get(given.key, [])
            return (self._new(given, row)[0], True) if tried >= len(versions) else (versions[tried], False)

    # --- traces ---

    def _new(self, given: Arguments, row: int | None) -> tuple[Version, Any]:
        """The version that is right for this row, None without rows, traced; and without rows its outputs.

        A choice at a tie may be decided one way by the arithmetic of Values, and the other way by the program's, which
        rounds otherwise. The program's decision counts, at this call as at every other: f is traced as it has it.
        """
        decided = list[bool]()
        while True:
            version, before = self._trace(given, row or 0, decided), decided
            start = time.perf_counter()
            backend = version.ready(self.options) if row is None else version.guards(self.options)
            outputs, holds = _run_one(version, given, row, backend)
            if row is None:
                version.figures.setdefault("first run", time.perf_counter() - start)
            if holds:
                return version, outputs
            decided = version.decided(self.options, partial(_run_one, version, given, row))
            if decided == before:  # nothing is left to decide
                return version, outputs

    def _trace(self, given: Arguments, row: int, decided: Sequence[bool] = ()) -> Version:
        """Another version, the one of this row, for arguments with this key; its first choices may be decided."""
        versions = self.versions.get(given.key, [])
        if self.f is None:
            raise RuntimeError(
                f"{self.name} was pickled: it has the programs it had then, and none for this structure of arguments "
                "or this way through its choices; compile the function again"
            )
        if len(versions) >= MOST_VERSIONS:
            raise RuntimeError(
                f"{self.name} takes more than {MOST_VERSIONS} ways through its choices; the last was chosen by a Value "
                f"at {versions[-1].lines[-1]}: choose with where(...), maximum, minimum or clip, which are one program "
                "for both, in the place of if, max and min; np.array(...) in the function is numpy's own, which "
                "compares: autodiff.array(...) selects; or make what decides a plain argument"
            )
        version = traced(self.f, self.name, given, self.options, row, decided, self._assigned)
        for known in versions:
            if version.program == known.program and all(map(is_, version.leaves, known.leaves)):
                return known
        self._keep(given.key, [*versions, version])
        after = Arguments.of(given.args, given.kwargs, self.options.rows, given.backward)
        self._keep(after.key, [*versions, version])  # f may have counted its calls
        return version

    def _known(self, key: Hashable) -> list[Version]:
        """The versions for a key, which is the one used last from now on."""
        versions = self.versions.get(key)
        if versions is None:
            return []
        if len(self.versions) > 1:
            self.note_use(key)
        return versions

    def note_use(self, key: Hashable) -> None:
        """Have the versions for a key be the last to be let go of."""
        with suppress(KeyError):  # another thread has let go of it
            self.versions.move_to_end(key)

    def _keep(self, key: Hashable, versions: list[Version]) -> None:
        """Keep the versions for a key; let go of those that were not used for longest."""
        self.versions[key] = versions
        while len(self.versions) > MOST_STRUCTURES:
            self.versions.popitem(last=False)


def numbers_for(version: Version, given: Arguments) -> Any:
    """The numbers that all rows share, then the leaves that the version reads."""
    if not version.leaves:
        return given.shared
    data = [leaf.data if type(leaf.data) is float else data_of(leaf) for leaf in version.leaves]
    return joined([*given.parts, data])


def rows_at(given: Arguments, mine: Any) -> Any:
    """The rows of these indices; all if None."""
    rows = given.rows
    if mine is None:
        return rows
    return rows[mine] if is_array(rows) else [rows[i] for i in mine]


def _run_one(version: Version, given: Arguments, row: int | None, backend: Backend) -> tuple[Any, bool]:
    """The outputs for one row, None without rows, and whether the guards hold."""
    numbers = numbers_for(version, given)
    if row is None:
        return backend.run(numbers)
    (outputs,), (holds,) = backend.run_rows(numbers, rows_at(given, [row]))
    return outputs, bool(holds)
