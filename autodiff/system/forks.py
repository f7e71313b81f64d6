"""Locks across a fork: the child has the memory of its parent, but only the thread that forked.

A lock that another thread held would be held in the child for ever, and what it guards would be half done there. So a
fork waits for the locks of what is soon done; the lock of what may take minutes the child has anew.

    >>> import threading
    >>> lock = waited_for(threading.RLock())
    >>> with lock:
    ...     pass  # no other thread forks here
"""

import os
from typing import Any
from weakref import WeakSet

_AVAILABLE = hasattr(os, "register_at_fork")  # not on Windows, which has no fork


def waited_for(lock: Any) -> Any:
    """A lock that can be taken twice by its thread (RLock), for which every fork waits from now on."""
    if _AVAILABLE:
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


_owners = WeakSet[Any]()


def renewed(owner: Any) -> None:
    """Have `owner.renew_locks()` called in the child of every fork, as long as the owner lives."""
    _owners.add(owner)


def _renew() -> None:
    for owner in list(_owners):
        owner.renew_locks()


if _AVAILABLE:
    os.register_at_fork(after_in_child=_renew)
