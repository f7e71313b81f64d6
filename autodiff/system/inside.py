"""Functions that run inside a context: a with block around all of a body, in generators and coroutines as well.

A generator or coroutine runs by turns, and its caller between them. `contextlib.ContextDecorator` would have the block
around the call alone, which only makes the generator; here the body has it.

    >>> def count():
    ...     yield 1
    >>> class Loud:
    ...     __enter__ = lambda self: print("in")
    ...     __exit__ = lambda self, *error: print("out")
    >>> numbers = inside(Loud(), count)()
    >>> next(numbers), list(numbers)
    in
    out
    (1, [])
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any


def inside(context: AbstractContextManager[Any], f: Callable[..., Any]) -> Callable[..., Any]:
    """f, which enters the context anew at each call; a function, generator function, or either of the async kinds."""
    from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction  # takes some milliseconds

    def called(*args: Any, **kwargs: Any) -> Any:
        with context:
            return f(*args, **kwargs)

    def generated(*args: Any, **kwargs: Any) -> Any:
        with context:
            return (yield from f(*args, **kwargs))

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with context:
            return await f(*args, **kwargs)

    async def generated_by_turns(*args: Any, **kwargs: Any) -> Any:
        items = f(*args, **kwargs)
        with context:
            step = anext(items, _END)
            while (item := await step) is not _END:
                try:
                    step = items.asend((yield item))
                except GeneratorExit:
                    await items.aclose()
                    raise
                except BaseException as error:
                    step = items.athrow(error)
                step = _ended(step)

    if isgeneratorfunction(f):
        around = generated
    elif iscoroutinefunction(f):
        around = awaited
    else:
        around = generated_by_turns if isasyncgenfunction(f) else called
    return wraps(f)(around)


_END = object()


async def _ended(step: Any) -> Any:
    try:
        return await step
    except StopAsyncIteration:
        return _END
