"""Refusals: what a function does that cannot be part of a program, where, and what to write instead.

>>> print(assigned_inside("data"))  # doctest: +ELLIPSIS
x.data was assigned inside a compiled function, which would happen only once, while it is traced; return the new ...
  at ...
"""

from autodiff import modes
from autodiff.sources import user_source


class TracingError(TypeError):
    """What f does cannot be part of a program: where, and what to write instead."""


def refusal(what: str, instead: str) -> TracingError:
    """The error that says so of the user's line that runs now."""
    return TracingError(f"{what}; {instead}\n  at {user_source()}")


def looked_at(how: str) -> TracingError:
    if modes.reading() is None:
        return TracingError(
            f"{how} of a number that was traced in a function given to compile, after its trace; a compiled function "
            "runs only while it is traced, so what it stores outside is of no use: return it instead"
        )
    instead = (
        "return it, and look at the result; compute with x itself and autodiff's functions; choose with where(...)"
    )
    if how == "float(x)":  # which is what numpy asks for
        instead += "; an array to assign it to is autodiff.array(np.zeros(n))"
    return refusal(
        f"{how} leaves the graph inside a compiled function: the number would be stale at the next run", instead
    )


def foreign() -> TracingError:
    return refusal(
        "a number that was traced at another call is used again",
        "a compiled function runs only while it is traced, so what it stores outside is of no use later: return it, "
        "and give it back as an argument",
    )


def assigned_inside(name: str) -> TracingError:
    return refusal(
        f"x.{name} was assigned inside a compiled function, which would happen only once, while it is traced",
        "return the new number instead",
    )


def backward_inside() -> TracingError:
    return refusal(
        "backward() inside a compiled function would run only once, while it is traced",
        "compile the function without it: compiled.backward(...) runs it and adds to the leaves' grad; or "
        "return gradients, by compile(value_and_grad(f))",
    )
