"""The chain rule in a trace: its products and sums are those of numbers, and what was not taken is nothing."""

from itertools import product
from math import inf, nan

import pytest

import autodiff as ad
from autodiff import Value, modes, primitives
from autodiff.chain import FLOATS, NOTHING, Arithmetic

NUMBERS = (0.0, -0.0, 1.0, -2.5, inf, nan)


def swept(arithmetic: Arithmetic, upstreams: list[Value | float], locals: list[Value | float]) -> Value | float:
    """The adjoint of an operand that has these shares, as a reverse sweep adds them up."""
    total: Value | float = NOTHING
    for upstream, local in zip(upstreams, locals, strict=True):
        share = NOTHING if local is NOTHING else arithmetic.product(upstream, local)
        if share is not NOTHING:
            total = share if total is NOTHING else arithmetic.sum(total, share)
    return arithmetic.settled(total)


def traced(takes: list[Value], upstreams: list[Value], locals: list[Value]) -> Value:
    """The same inside of a trace, where each local gradient was chosen, or else is nothing."""
    reading = modes.reading()
    assert reading is not None
    chosen = [primitives.where(take > 0.0, local, NOTHING) for take, local in zip(takes, locals, strict=True)]
    return swept(reading.adjoints, upstreams, chosen)


@pytest.mark.parametrize("takes", list(product((0.0, 1.0), repeat=2)), ids=str)
def test_shares_in_a_trace_are_those_of_numbers(takes: tuple[float, float], backend: str) -> None:
    """Every upstream and local gradient, infinite, nan or 0: what was not taken keeps them all away."""
    compiled = ad.compile(traced, backend=backend)
    for upstreams in product(NUMBERS, repeat=2):
        for locals in product(NUMBERS, repeat=2):
            taken = [local if take else NOTHING for take, local in zip(takes, locals, strict=True)]
            expected = swept(FLOATS, list(upstreams), taken)
            assert repr(compiled(list(takes), list(upstreams), list(locals))) == repr(expected), (upstreams, locals)


def test_an_adjoint_that_is_nothing_passes_nothing_on(backend: str) -> None:
    """A chosen product is an upstream gradient in its turn: nothing times a plain local gradient is nothing."""

    def f(take: Value, upstream: Value, local: Value, further: Value) -> Value:
        reading = modes.reading()
        assert reading is not None
        first = reading.adjoints.product(upstream, primitives.where(take > 0.0, local, NOTHING))
        return swept(reading.adjoints, [first, upstream], [further, 1.0])

    compiled = ad.compile(f, backend=backend)
    for upstream, local, further in product(NUMBERS, repeat=3):
        taken = swept(FLOATS, [upstream * local, upstream], [further, 1.0])
        assert repr(compiled(1.0, upstream, local, further)) == repr(taken)
        assert repr(compiled(0.0, upstream, local, further)) == repr(upstream + 0.0)


def test_a_sum_of_what_was_not_taken_is_nothing(backend: str) -> None:
    def f(takes: list[Value], upstream: Value, local: Value, further: Value) -> Value:
        reading = modes.reading()
        assert reading is not None
        adjoints = reading.adjoints
        first, second = [adjoints.product(upstream, primitives.where(take > 0.0, local, NOTHING)) for take in takes]
        return swept(adjoints, [adjoints.sum(first, second)], [further])

    compiled = ad.compile(f, backend=backend)
    for upstream, local, further in product(NUMBERS, repeat=3):
        one, two = upstream * local, upstream * local + upstream * local
        assert repr(compiled([0.0, 0.0], upstream, local, further)) == "0.0"
        for takes, expected in (([1.0, 0.0], one), ([0.0, 1.0], one), ([1.0, 1.0], two)):
            assert repr(compiled(takes, upstream, local, further)) == repr(FLOATS.settled(expected * further))
