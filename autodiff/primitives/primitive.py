"""Primitive: an operation with its value, its local gradients and the domain on which it is smooth.

A primitive knows nothing of Value. It is callable, and hands itself over to the hook `__apply__` of its operands' type.

    >>> cube = Primitive("cube", "x³", lambda x: x * x * x, [lambda out, x: 3.0 * x * x])
    >>> cube(2.0), cube.local_gradients(8.0, 2.0)
    (8.0, (12.0,))
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autodiff import floats
from autodiff.native import Operation
from autodiff.primitives.notation import AS_A_CALL, Notation

Rule = Callable[..., Any]


class Domain(NamedTuple):
    """Where a primitive is smooth: an interval for each operand, and where the kinks inside are.

    The last interval stands for all further operands. `kinks(*operands)` is zero exactly at a kink or pole. Within the
    intervals, away from the kinks, the error bound of the entry holds. `words` says where the kinks are, for people.

    >>> from autodiff.primitives import hypot
    >>> print(hypot.domain), hypot.domain.kinks(0.0, 0.0)
    [-1e+06, 1e+06] x [-1e+06, 1e+06]
    (None, 0.0)
    """

    intervals: tuple[tuple[float, float], ...] = ((-1e6, 1e6),)
    kinks: Callable[..., float] | None = None
    words: str = ""

    def __str__(self) -> str:
        return " x ".join(f"[{low:g}, {high:g}]" for low, high in self.intervals)


REAL = (-1e6, 1e6)
POSITIVE = (1e-6, 1e6)
NEVER = (0.0, 0.0)  # for an operand that chooses and has no gradient


def on(*intervals: tuple[float, float], kinks: Callable[..., float] | None = None, words: str = "") -> Domain:
    """The domain of these intervals: `on(REAL, kinks=..., words=...)`."""
    return Domain(intervals, kinks, words)


class Facts(NamedTuple):
    """Facts about a primitive beside its mathematics; the defaults hold where its row says no more.

    Attributes:
        for_rules: whether it only stands in rules, and so in gradients: it is not a function of the library.
        choosing: the indices of the operands that only choose: they have no derivative, and a nan in one may not show
            in the value. In any other a nan gives nan, unless no number in its place would change the value.
        parity: 0 or 1 where only an even or odd number of operands makes sense, None for any number.
        commutes: whether two operands may be swapped, to the last bit.
        unit: what on the left and on the right hands the other operand on, to the last bit.
        involution: whether it undoes itself, to the last bit.
        vectorises: whether a loop over it becomes vector instructions: it is cheap, and calls nothing.
        python: a template with {} for each operand, shorter in Python than a call, with the same value for all floats.
        of_list: whether its function takes a list: its operands, or the first operands of nodes that share the second.
        defaults: what the last operands of its function are unless given.
    """

    for_rules: bool = False
    choosing: tuple[int, ...] = ()
    parity: int | None = None
    commutes: bool = False
    unit: tuple[float | None, float | None] = (None, None)
    involution: bool = False
    vectorises: bool = False
    python: str | None = None
    of_list: bool = False
    defaults: tuple[float, ...] = ()


PLAIN = Facts()  # one for all that have no other: a checkpointed loop makes many primitives

_LISTS = frozenset((list, tuple))


class Primitive(Operation):
    """An operation with its value and its local gradients; call it on numbers or Values.

    `primitive(x, y)` gives a float when every operand is a plain number. When one is a Value, or anything whose
    type has an `__apply__(primitive, operands)`, the type of the first such operand decides.

    Attributes:
        name: what it is called, in `Value.op`, drawings and error messages.
        formula: the mathematics, one line of text.
        evaluate: the value, from floats.
        partials: one rule `(out, *operands)` per operand, or a single rule that gives all local gradients at once, in
            linear time, when the number of operands varies.
        arity: how many operands, or None when it varies.
        symbol: what drawings show.
        domain: where it is smooth and its error bound holds.
        ulps: the bound on the error of value and local gradients in the domain, in units in the last place of the
            result, or of the largest term where terms cancel. Of the functions of one and two numbers the second and
            third derivatives keep it too, wherever they are smooth, beside what an ulp of the operands makes of them.
        scales: whether an operand that is the constant 0 can make a local gradient the constant 0, as in 0 * x: a
            structural zero, NOTHING.
        facts: what programs, oracles and the parser of expressions make use of.
        notation: how formulas write it.

    `autodiff.primitive` makes one of your own.

    >>> from autodiff.primitives import mul
    >>> mul, mul.formula, mul.arity, mul(2.0, 3.0)
    (<primitive mul>, 'x * y', 2, 6.0)
    """

    def __init__(
        self,
        name: str,
        formula: str,
        evaluate: Callable[..., float],
        partials: Rule | Sequence[Rule],
        *,
        symbol: str | None = None,
        domain: Domain | None = None,
        ulps: int = 16,
        scales: bool = False,
        facts: Facts = PLAIN,
        notation: Notation = AS_A_CALL,
    ) -> None:
        self.name = self.__name__ = name
        self.formula = formula
        self.evaluate = evaluate
        self.partials = partials if callable(partials) else tuple(partials)
        self.arity = None if callable(self.partials) else len(self.partials)
        self.symbol = symbol or name
        self.domain = domain or Domain()
        self.ulps = ulps
        self.scales = scales
        self.facts = facts
        self.notation = notation
        self.__module__ = __package__
        self.__doc__ = f"Return {formula}.\n\nSmooth on {self.domain}, where the error is at most {ulps} ulps."

    def __call__(self, *operands: Any) -> Any:
        if self.arity is not None and len(operands) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} operand{'s' * (self.arity != 1)}, got {len(operands)}")
        are_floats = True  # which is nearly all that rules give
        for operand in operands:
            kind = type(operand)
            if kind is not float:
                are_floats = False
                apply = getattr(kind, "__apply__", None)
                if apply is not None:
                    return apply(self, operands)
                if hasattr(kind, "dtype") and floats.unboxed(operand) is not operand:
                    return self(*map(floats.unboxed, operands))
        return self.evaluate(*(operands if are_floats else map(floats.as_float, operands)))

    def takes(self, count: int) -> bool:
        """Whether it can have so many operands.

        >>> from autodiff.primitives import dot
        >>> dot.takes(4), dot.takes(3)
        (True, False)
        """
        if self.arity is not None:
            return count == self.arity
        return count > 0 and self.facts.parity in (None, count % 2)

    def example(self) -> tuple[float, ...]:
        """Round numbers from the domain: the operands of the example in the documentation.

        >>> from autodiff.primitives import arccosh, pow
        >>> arccosh.example(), pow.example()
        ((3.0,), (0.5, 3.0))
        """
        operands = []
        for i in range(self.arity or 2):
            ((low, high),) = self.domain.intervals[i : i + 1] or self.domain.intervals[-1:]
            fitting = [x for x in (0.5, 3.0, 2.0, -1.0) if low < x < high] or [0.0]
            operands.append(fitting[i % len(fitting)])
        return tuple(operands)

    def local_gradients(self, out: Any, *operands: Any) -> tuple[Any, ...]:
        """d(out)/d(operand) for each operand, in the kind of number that the operands are.

        >>> from autodiff.primitives import mul
        >>> mul.local_gradients(6.0, 2.0, 3.0)
        (3.0, 2.0)
        """
        if callable(self.partials):
            given = self.partials(out, *operands)
            if type(given) not in _LISTS and (isinstance(given, (dict, set)) or not hasattr(type(given), "__iter__")):
                raise TypeError(
                    f"the partials of {self.name}, one function, gave {given!r}; give a list with one local gradient "
                    "for each operand, or partials as a list of functions, [lambda out, x: ...]"
                )
            gradients = tuple(given)
            if len(gradients) != len(operands):
                raise TypeError(
                    f"the partials of {self.name} gave {len(gradients)} local gradients for {len(operands)} operands; "
                    "give one for each, in order"
                )
            return gradients
        return tuple([partial(out, *operands) for partial in self.partials])

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> str:
        return self.name  # by reference: the name of the module-level variable that holds it
