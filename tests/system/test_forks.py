"""A fork while other threads work: the child goes on alone."""

import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import autodiff as ad
from autodiff import Value
from autodiff.system.forks import renewed, waited_for

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def status_of_child(work: Callable[[], object], seconds: float = 20.0) -> int:
    """Return the exit status of a child that works: 0, 1 after an error; it is killed when it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are other threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    watch = threading.Timer(seconds, os.kill, (child, 9))
    watch.start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    watch.cancel()
    return status


class Meeting:
    """Two threads that wait for each other: one inside of what it does, the other about to fork."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def step(self) -> None:
        self.inside.set()
        self.go_on.wait(20.0)


def test_a_fork_waits_for_a_backward_pass_and_the_child_has_all_its_gradients() -> None:
    meeting = Meeting()

    @ad.checkpoint
    def slow(x: Value) -> Value:
        if threading.current_thread() is worker and evaluated:
            meeting.step()
        evaluated.append(x)
        return x * 3.0

    evaluated: list[Any] = []
    x = Value(2.0)

    def work() -> None:
        (slow(x) + x).backward()

    worker = threading.Thread(target=work)
    worker.start()
    assert meeting.inside.wait(20.0)
    threading.Timer(0.2, meeting.go_on.set).start()

    def in_child() -> None:
        assert x.grad == 4.0
        (x * x).backward()
        assert x.grad == 8.0

    assert status_of_child(in_child) == 0
    worker.join()
    assert x.grad == 4.0


def test_many_forks_amid_many_passes_never_hang() -> None:
    stop = threading.Event()
    y = Value(1.0)
    for _ in range(2000):
        y = y * 1.0

    def work() -> None:
        while not stop.is_set():
            y.backward()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert [status_of_child(y.backward) for _ in range(10)] == [0] * 10
    finally:
        stop.set()
        worker.join()


def test_a_child_forked_while_another_thread_traces_compiles_by_itself() -> None:
    meeting = Meeting()

    def f(x: Any) -> Any:
        if threading.current_thread() is worker:
            meeting.step()
        return x * 2.0

    compiled = ad.compile(f, backend="python")
    worker = threading.Thread(target=compiled, args=(1.0,))
    worker.start()
    assert meeting.inside.wait(20.0)

    def in_child() -> None:
        assert compiled(3.0) == 6.0

    try:
        assert status_of_child(in_child) == 0
    finally:
        meeting.go_on.set()
        worker.join()
    assert compiled(4.0) == 8.0


def test_a_thread_forks_while_it_holds_the_lock_itself() -> None:
    lock = waited_for(threading.RLock())

    def in_child() -> None:
        assert lock.acquire(timeout=1.0)

    with lock:
        assert status_of_child(in_child) == 0
        assert status_of_child(Value(1.0).backward) == 0


def test_owners_that_are_gone_are_not_kept_for_the_next_fork() -> None:
    class Owner:
        def renew_locks(self) -> None:
            os._exit(3)

    owner = Owner()
    renewed(owner)
    assert status_of_child(lambda: None) == 3
    del owner
    assert status_of_child(lambda: None) == 0
