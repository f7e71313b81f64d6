"""Methods: a compiled function in a class, bound to an object; and the methods of a copy of that object.

>>> from autodiff import Value, compile
>>> class Line:
...     def __init__(self, slope):
...         self.slope = Value(slope)
...     @compile
...     def at(self, x):
...         return self.slope * x
>>> line = Line(3.0)
>>> line.at(2.0), line.at.backward(2.0), line.slope.grad
(6.0, 6.0, 2.0)
"""

from copy import deepcopy
from types import CellType, FunctionType, MethodType
from typing import Any


class Bindable:
    """A function that a class binds to its objects; a compiled one."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else Method(self, instance)


class Method:
    """A compiled function bound to an object, its first argument; listing and stats are the function's."""

    def __init__(self, function: Any, instance: Any) -> None:
        self.__func__, self.__self__, self.__doc__ = function, instance, function.__doc__

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result of the function for the object and these arguments."""
        return self.__func__(self.__self__, *args, **kwargs)

    def backward(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result, one number, whose derivatives are added to the grad of leaves, as `Compiled.backward` does."""
        return self.__func__.backward(self.__self__, *args, **kwargs)

    def prepare(self, /, *args: Any, **kwargs: Any) -> Any:
        """A call with the object and these arguments that can be repeated, as `Compiled.prepare` makes it."""
        return self.__func__.prepare(self.__self__, *args, **kwargs)

    def listing(self, limit: int | None = 200, nests: bool = False) -> str:
        """The programs as text, including those for other objects of the class."""
        return str(self.__func__.listing(limit, nests))

    def stats(self) -> Any:
        """The figures of `Compiled.stats`, for all objects of the class."""
        return self.__func__.stats()

    def __getattr__(self, name: str) -> Any:
        if name in ("__func__", "__self__"):  # while a copy is made
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Method):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __repr__(self) -> str:
        return f"<method {self.__func__!r} of {self.__self__!r}>"

    def __copy__(self) -> "Method":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Method":
        return Method(self.__func__, deepcopy(self.__self__, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.__self__, self.__func__.name)


def copied(f: Any, memo: dict[int, Any]) -> Any:
    """f as it is in a deep copy: of the copied objects where it is a method, or closes over some; else f itself.

    Python's own deepcopy takes a method's object along, but no function's: a loss that was made of `model.loss` by
    `value_and_grad`, or a lambda that holds the model, would go on with the original. What is not being copied, and is
    no method, is closed over still.
    """
    if isinstance(f, FunctionType):
        return _copied_function(f, memo)
    return deepcopy(f, memo)


def _copied_function(f: FunctionType, memo: dict[int, Any]) -> FunctionType:
    if id(f) in memo:
        return memo[id(f)]  # type: ignore[no-any-return]
    memo[id(f)] = f  # for what f closes over, as long as it is not known whether there is a twin
    cells = [_copied_cell(cell, memo) for cell in f.__closure__ or ()]
    defaults = [_rebound(x, memo) for x in f.__defaults__ or ()]
    named = {name: _rebound(x, memo) for name, x in (f.__kwdefaults__ or {}).items()}
    before = [*(f.__closure__ or ()), *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    if all(x is y for x, y in zip(before, [*cells, *defaults, *named.values()], strict=True)):
        return f
    own = CellType()
    cells = [own if _holds(cell, f) else cell for cell in cells]  # f may call itself
    twin = FunctionType(f.__code__, f.__globals__, f.__name__, tuple(defaults) or None, tuple(cells) or None)
    own.cell_contents = twin
    twin.__kwdefaults__, twin.__doc__, twin.__qualname__ = named or None, f.__doc__, f.__qualname__
    twin.__dict__.update(f.__dict__)
    memo[id(f)] = twin
    return twin


def _holds(cell: CellType, x: Any) -> bool:
    try:
        return cell.cell_contents is x
    except ValueError:  # nothing was put into it yet
        return False


def _copied_cell(cell: CellType, memo: dict[int, Any]) -> CellType:
    try:
        before = cell.cell_contents
    except ValueError:  # nothing was put into it yet
        return cell
    after = _rebound(before, memo)
    return cell if after is before else CellType(after)


def _rebound(x: Any, memo: dict[int, Any]) -> Any:
    """The content of a function's variable in the copy."""
    if isinstance(x, FunctionType):
        return _copied_function(x, memo)
    if isinstance(x, (MethodType, Method, Bindable)):
        return deepcopy(x, memo)
    return memo.get(id(x), x)
