"""Exercises that check themselves: an answer, held against what the library says.

    >>> from autodiff import grad
    >>> def f(x):
    ...     return x * x + x
    >>> exercise(..., grad(f)(3.0))
    Your turn: write your answer in place of the dots.
    >>> exercise(6.0, grad(f)(3.0), hint="x is used three times.", mistakes={6.0: "That is the slope of x * x alone."})
    Not yet: 6 is not it. That is the slope of x * x alone.
    >>> exercise(7.0, grad(f)(3.0))
    Right: 7.

An answer may be a function, which is tried at several points:

    >>> exercise(lambda x: 2 * x, grad(f), hint="Add up the slopes of both terms.")
    Not yet: at -2 yours gives -4, and it is -3. Add up the slopes of both terms.
    >>> exercise(lambda x: 2 * x + 1, grad(f))
    Right, at all 5 points that were tried.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isnan
from typing import Any

from autodiff.show.words.numbers import shortened
from autodiff.value import Value

__all__ = ["Verdict", "exercise"]

_POINTS = (-2.0, -0.5, 0.3, 1.0, 2.5)
_TOLERANCE = 0.5e-2  # relative: three digits are enough of an answer that was worked out by hand, or read off


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer: True as a condition if it is right."""

    right: bool
    text: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.text


def exercise(
    answer: Any,
    right: Any,
    hint: str = "",
    *,
    mistakes: Mapping[float, str] | None = None,
    points: Sequence[Any] = _POINTS,
) -> Verdict:
    """Say whether an answer is right, and if it isn't, what to think of.

    `answer` and `right` are numbers, Values, lists of them, or functions: these are tried at `points`, of which each
    is an argument, or a tuple of them. Three digits are enough. `mistakes` says what to answer to a number that is
    wrong for a known reason, `hint` what to all others. `...`, as an answer or returned by it, is none yet.
    """
    if answer is ...:
        return _UNANSWERED
    if callable(answer) and not isinstance(answer, Value):
        if not callable(right):
            return Verdict(False, f"Not yet: {_text(answer)} is a function. Call it: the answer is what it gives.")
        return _of_a_function(answer, right, hint, points)
    if _same(answer, right):
        return Verdict(True, f"Right: {_text(answer)}.")
    known = [words for wrong, words in (mistakes or {}).items() if _same(answer, wrong)]
    return Verdict(False, f"Not yet: {_text(answer)} is not it. {(known or [hint])[0]}".rstrip())


def _of_a_function(answer: Callable[..., Any], right: Callable[..., Any], hint: str, points: Sequence[Any]) -> Verdict:
    for point in points:
        arguments = point if isinstance(point, tuple) else (point,)
        given, expected = answer(*arguments), right(*arguments)
        if given is ...:
            return _UNANSWERED
        if not _same(given, expected):
            at = ", ".join(map(_text, arguments))
            return Verdict(
                False, f"Not yet: at {at} yours gives {_text(given)}, and it is {_text(expected)}. {hint}".rstrip()
            )
    return Verdict(True, f"Right, at all {len(points)} points that were tried.")


_UNANSWERED = Verdict(False, "Your turn: write your answer in place of the dots.")


def _same(answer: Any, right: Any) -> bool:
    answer, right = _plain(answer), _plain(right)
    if isinstance(answer, list) or isinstance(right, list):
        alike = isinstance(answer, list) and isinstance(right, list) and len(answer) == len(right)
        return alike and all(map(_same, answer, right))
    if not isinstance(answer, int | float) or not isinstance(right, int | float):
        return bool(answer == right)
    return isclose(answer, right, rel_tol=_TOLERANCE, abs_tol=1e-9) or (isnan(answer) and isnan(right))


def _plain(thing: Any) -> Any:
    """Numbers as floats, arrays and tuples as lists."""
    if isinstance(thing, Value):
        return thing.data
    thing = thing.tolist() if hasattr(thing, "tolist") else thing
    return [_plain(each) for each in thing] if isinstance(thing, list | tuple) else thing


def _text(thing: Any) -> str:
    thing = _plain(thing)
    if isinstance(thing, list):
        return f"[{', '.join(map(_text, thing))}]"
    return shortened(thing) if isinstance(thing, int | float) and not isinstance(thing, bool) else repr(thing)
