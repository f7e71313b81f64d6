"""The rows of a batch in parts, whose totals are added up in order, here or by the workers of an executor.

A worker is sent model and data once, and keeps them; what travels afterwards are parameters, and the totals. Which
worker takes which part makes no difference to the totals, nor does one that is lost: its part is done here.
"""

import os
import pickle
import threading
import uuid
import warnings
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from functools import partial
from typing import Any

from nn.training.batches.compiled_or_eager import Batches
from nn.training.batches.totals import Totals, added, alike, kept

_here = threading.local()  # in each worker: the batches that it was sent, by key
_MOST_KEPT = 2


def work(key: str, sent: bytes | None, *part: Any) -> Totals | None:
    """The totals of a part, in a worker; None where it was not sent the model and the data yet."""
    known: dict[str, Any] = _here.__dict__
    if key not in known:
        if sent is None:
            return None
        while len(known) >= _MOST_KEPT:
            del known[next(iter(known))]
        known[key] = pickle.loads(sent)
    return _totals(known[key], *part)


def _totals(batches: Batches, state: Any, numbers: Any, indices: Any) -> Totals:
    """The totals of a part, for which the model draws random numbers from this state on."""
    batches.task.randomness.state = state
    return kept(batches.totals(numbers, indices))


class Shards:
    """Batches in parts.

    Args:
        batches: eager or compiled.
        counts: a function of the index of a row: how many random numbers it takes from each generator.
        count: into how many parts, at least 1; as many as the executor has workers unless given.
        executor: None, to do it here.

    Raises ValueError for another count, TypeError for anything that is not an executor.
    """

    def __init__(self, batches: Batches, counts: Any, count: int | None, executor: Executor | None) -> None:
        if executor is not None and not hasattr(executor, "submit"):
            raise TypeError(f"executor is one of concurrent.futures, got {type(executor).__name__}")
        workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        self.count = workers if count is None else count
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"shards is a whole number of at least 1, got {count!r}")
        self._batches, self._counts, self._executor = batches, counts, executor
        self._sent, self._has_warned = b"", False

    def totals(self, numbers: Any, indices: Any) -> Totals:
        """The totals over the rows with these indices, at these numbers of the parameters."""
        import numpy

        chunks = [chunk for chunk in numpy.array_split(indices, self.count) if len(chunk)]
        if self._executor is None:
            return added([kept(self._batches.totals(numbers, chunk)) for chunk in chunks])
        randomness, parts = self._batches.task.randomness, []
        for chunk in chunks:
            parts.append((randomness.state, numbers, chunk))
            for i in chunk.tolist() if randomness.generators else ():
                randomness.drawn(self._counts(i))
        after = randomness.state
        found = self._there(self._executor, parts)
        randomness.state = after
        return added(found)

    def check(self, numbers: Any, indices: Any) -> None:
        """Compare program and workers with the model as it is, on these rows; send the model anew if need be.

        Raises TypeError for a model or loss that cannot be sent.
        """
        self._batches.check(numbers, indices)
        if self._executor is None:
            return
        state = self._batches.task.randomness.state
        if not self._sent or not alike(self.totals(numbers, indices), _totals(self._batches, state, numbers, indices)):
            self._key, self._sent = uuid.uuid4().hex, _packed(self._batches)
        self._batches.task.randomness.state = state

    def _there(self, executor: Executor, parts: list[Any]) -> list[Totals]:
        try:
            futures = [executor.submit(partial(work, self._key, None), *part) for part in parts]
            found = [_result(future) for future in futures]
            missing = [i for i, totals in enumerate(found) if totals is None]
            again = [executor.submit(partial(work, self._key, self._sent), *parts[i]) for i in missing]
            for i, future in zip(missing, again, strict=True):
                found[i] = _result(future)
        except (BrokenExecutor, RuntimeError) as error:  # it takes no more work
            warnings.warn(f"the executor has failed, and training goes on without it: {error}", RuntimeWarning, 2)
            self._executor = None
            return [_totals(self._batches, *part) for part in parts]
        faults = [x for x in found if isinstance(x, Exception)]
        if faults and not self._has_warned:
            self._has_warned = True
            message = f"a worker could not do its part, and it is done here, which is slower: {faults[0]}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return [
            x if isinstance(x, Totals) else _totals(self._batches, *part) for x, part in zip(found, parts, strict=True)
        ]


def _result(future: Any) -> Totals | BaseException | None:
    """The totals that a worker took, or the error that kept it from it; None if it was cancelled."""
    try:
        error: BaseException | None = future.exception()
    except CancelledError:
        return None
    if isinstance(error, BrokenExecutor):
        raise error
    return future.result() if error is None else error


def _packed(batches: Batches) -> bytes:
    try:
        return pickle.dumps(batches)
    except Exception as error:
        raise TypeError(
            f"the model, the loss and the metrics are sent to workers, and one of them cannot be pickled: {error}; "
            "write functions at the top of a module, not as lambdas"
        ) from None
