"""The rows of a batch in parts, whose sums are added up in order, here or by the workers of an executor.

A worker is sent model and data once, and keeps them; what travels afterwards are parameters, and the sums. Which
worker takes which part makes no difference to the sums, nor does one that is lost: its part is done here.
"""

import os
import pickle
import threading
import uuid
import warnings
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from functools import partial
from itertools import pairwise
from typing import Any

from nn.training.steps import Sums, added, alike

_here = threading.local()  # of each worker: what it was sent, by key
_MOST_KEPT = 2


def work(key: str, sent: bytes | None, numbers: Any, indices: Any, noise: Any) -> Sums | None:
    """Return the sums of a part, in a worker; None where it was not sent the model and the data yet."""
    kept: dict[str, Any] = _here.__dict__
    if key not in kept:
        if sent is None:
            return None
        while len(kept) >= _MOST_KEPT:
            del kept[next(iter(kept))]
        kept[key] = pickle.loads(sent)
    sums: Sums = kept[key].sums(numbers, indices, noise)
    return sums._replace(slopes=sums.slopes.copy())


class Shards:
    """Steps whose batches are split.

    Args:
        steps: eager or compiled.
        count: into how many parts, at least 1; as many as the executor has workers unless given.
        executor: None, to do it here.

    Raises ValueError for another count, TypeError for what is no executor, or a model or loss that cannot be sent.
    """

    def __init__(self, steps: Any, count: int | None, executor: Executor | None) -> None:
        if executor is not None and not hasattr(executor, "submit"):
            raise TypeError(f"executor is one of concurrent.futures, got {type(executor).__name__}")
        workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        self.count = workers if count is None else count
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"shards is a whole number of at least 1, got {count!r}")
        self._steps, self._executor, self._key = steps, executor, uuid.uuid4().hex
        self._sent = None if executor is None else _packed(steps)
        self._has_warned = False

    def sums(self, numbers: Any, indices: Any, noise: list[list[float]] | None) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        parts = []
        for chunk, start in _split(indices, self.count):
            parts.append((numbers, chunk, noise and noise[start : start + len(chunk)]))
        return added(self._here(parts) if self._executor is None else self._there(self._executor, parts))

    def check(self, numbers: Any, i: int) -> None:
        """Hold what is computed of row i against the model as it is, here and by a worker; send it anew if need be."""
        self._steps.check(numbers, i)
        row = self._steps.sample([i])
        if self._executor is not None and not alike(self.sums(numbers, *row), self._steps.sums(numbers, *row)):
            self._key, self._sent = uuid.uuid4().hex, _packed(self._steps)

    def _here(self, parts: Sequence[tuple[Any, ...]]) -> list[Sums]:
        every = []
        for part in parts:
            sums = self._steps.sums(*part)
            every.append(sums._replace(slopes=sums.slopes.copy()))  # steps may fill the same array anew
        return every

    def _there(self, executor: Executor, parts: Sequence[tuple[Any, ...]]) -> list[Sums]:
        try:
            futures = [executor.submit(partial(work, self._key, None), *part) for part in parts]
            found = [_result(future) for future in futures]
            missing = [i for i, sums in enumerate(found) if sums is None]
            again = [executor.submit(partial(work, self._key, self._sent), *parts[i]) for i in missing]
            for i, future in zip(missing, again, strict=True):
                found[i] = _result(future)
        except (BrokenExecutor, RuntimeError) as error:  # it takes no more work
            warnings.warn(f"the executor has failed, and training goes on without it: {error}", RuntimeWarning, 2)
            self._executor = None
            return self._here(parts)
        done = [x if isinstance(x, Sums) else self._here([part])[0] for x, part in zip(found, parts, strict=True)]
        self._warn([x for x in found if isinstance(x, Exception)])
        return done

    def _warn(self, errors: Sequence[Exception]) -> None:
        """Say once that workers could not do what could be done here."""
        if errors and not self._has_warned:
            self._has_warned = True
            message = f"a worker could not do its part, and it is done here, which is slower: {errors[0]}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _result(future: Any) -> Sums | BaseException | None:
    """Return what a worker made, or why it did not, by its own fault or the row's, which will be seen here."""
    try:
        error: BaseException | None = future.exception()
    except CancelledError:
        return None
    if isinstance(error, BrokenExecutor):
        raise error
    return future.result() if error is None else error


def _split(indices: Any, count: int) -> list[tuple[Any, int]]:
    """Return (part, start) pairs of parts that differ in length by one at most; of few rows, fewer parts."""
    edges = [round(i * len(indices) / count) for i in range(count + 1)]
    return [(indices[a:b], a) for a, b in pairwise(edges) if b > a]


def _packed(steps: Any) -> bytes:
    try:
        return pickle.dumps(steps)
    except Exception as error:
        raise TypeError(
            f"the model, the loss and the metrics are sent to workers, and one of them cannot be pickled: {error}; "
            "write functions at the top of a module, not as lambdas"
        ) from None
