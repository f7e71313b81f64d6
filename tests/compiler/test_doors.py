"""The doors of the core: a trace that it notes by itself is the one that Python notes, word for word.

The same instructions in the same order, numbers, leaves, guards, errors, and lines of both.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value, chain, graph, native
from autodiff.chain import NOTHING
from autodiff.compiler import TracingError
from autodiff.compiler.calls.placeholders import with_gradient
from autodiff.compiler.trace import writer
from autodiff.compiler.trace.tracers import Owner
from autodiff.compiler.trace.tracing import Trace
from autodiff.primitives import TABLE
from autodiff.structures.structure import flatten_values
from autodiff.testing import loop_programs, programs

pytestmark = pytest.mark.skipif(native.core is None, reason="without the core there are no doors")


@contextmanager
def shut() -> Iterator[None]:
    """A context in which Python notes all operations, sweeps, and writes programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Owner, "open", lambda *given: None, raising=False)
        patch.setattr(writer, "instructions", writer.instructions_plainly)
        patch.setattr(writer, "strangers", writer.strangers_plainly)
        yield


def noted(f: Callable[..., Any], numbers: Sequence[float], leaves: Sequence[Value] = ()) -> Any:
    """All that tells one trace of f from another; with the gradient in leaves that f closes over."""
    owner = Owner()
    told = _noted(Trace(owner), f, numbers, leaves)
    has_tracers = owner.has_tracers()  # asked where nothing else holds the owner
    assert not has_tracers
    return told


def _noted(trace: Trace, f: Callable[..., Any], numbers: Sequence[float], leaves: Sequence[Value]) -> Any:
    inputs = [trace.input(x) for x in numbers]
    try:
        with trace:
            outputs = flatten_values(f(inputs))[0]
            if leaves:
                outputs = with_gradient(outputs[0], leaves)
    except Exception as error:
        outputs = [str(type(error)), str(error)]
    program = trace.program([x for x in outputs if isinstance(x, (Value, float))])
    arrays = (program.constants, program.codes, program.starts, program.operands, program.outputs, program.guards)
    told = (
        [part.tobytes() for part in arrays],
        program.primitives,
        [(type(x), repr(x.number), x.op, x.is_optional) for x in trace.nodes],
        [(guard.expected, str(guard.source)) for guard in trace.guards],
        list(map(id, trace.leaves)),
        [x if isinstance(x, str) else type(x) for x in outputs],
    )
    trace.forget()
    return told


def assert_alike(f: Callable[..., Any], numbers: Sequence[float], leaves: Sequence[Value] = ()) -> None:
    quick = noted(f, numbers, leaves)
    with shut():
        assert noted(f, numbers, leaves) == quick


# --- programs ---

TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "values": lambda f: f,
    "gradient": ad.value_and_grad,
    "gradient in part": lambda f: lambda xs: ad.grad(lambda x: f([x, *xs[1:]]))(xs[0]),
    "hessian": ad.hessian,
    "third derivatives": lambda f: lambda xs: ad.grad(lambda ys: ad.sum(flatten_values(ad.hessian(f)(ys))[0]))(xs),
    "tangents": lambda f: lambda xs: ad.jvp(f, (xs,), (xs,)),
    "gradient of tangents": lambda f: ad.grad(lambda xs: ad.jvp(f, (xs,), ([1.0] * len(xs),))[1]),
    "no_grad": lambda f: ad.no_grad(f),
    "gradient inside no_grad": lambda f: ad.no_grad(ad.grad(f)),
    "checkpoint": lambda f: ad.value_and_grad(ad.checkpoint(f)),
    "in a generator": lambda f: lambda xs: list(_by_turns(f, xs)),
}


def _by_turns(f: Any, xs: Any) -> Iterator[Any]:
    with ad.no_grad():
        yield f(xs)
    yield f(xs) * xs[0]


@pytest.mark.parametrize("transform", TRANSFORMS)
@given(program=programs(max_steps=12))
def test_programs_are_noted_alike(transform: str, program: Any) -> None:
    if transform in ("hessian", "third derivatives") and len(program.leaves) > 3:
        return
    assert_alike(TRANSFORMS[transform](lambda xs: program(*xs)), program.leaves)


@given(
    programs(max_steps=12), st.lists(st.sampled_from([0.0, -0.0, 1.0, inf, -inf, nan, 1e200]), min_size=8, max_size=8)
)
def test_programs_at_odd_numbers_are_noted_alike(program: Any, numbers: list[float]) -> None:
    assert_alike(ad.value_and_grad(lambda xs: program(*xs)), numbers[: len(program.leaves)])


@pytest.mark.parametrize("name", TABLE)
def test_gradients_of_each_primitive_are_noted_alike_with_each_kind_of_operand(name: str) -> None:
    primitive = TABLE[name]
    arity = primitive.arity or 4
    outside, interior = Value(0.25), Value(0.5) * 0.5
    for other in (None, 0.0, -0.0, 1.0, 2, True, inf, nan, NOTHING, Fraction(1, 2), np.float64(0.5), outside, interior):
        for number in (0.0, 0.5, 2.0):
            for place in range(arity):

                def f(xs: Any, other: Any = other, place: int = place) -> Any:
                    operands = list(xs)
                    if other is not None:
                        operands[place] = other
                    return primitive(*operands)

                assert_alike(ad.value_and_grad(f), [number] * arity)
                assert_alike(ad.grad(lambda xs, f=f: ad.sum(ad.grad(f)(xs))), [number] * arity)


@given(loop_programs())
def test_loops_are_noted_alike_and_their_gradients_in_what_they_close_over(program: Any) -> None:
    leaves = [[Value(x) for x in numbers] for numbers in program.parameters]
    lengths = [len(numbers) for numbers in program.inputs]

    def f(xs: Any) -> Any:
        rest = iter(xs)
        given = [[next(rest) for _ in range(length)] for length in lengths]
        return ad.sum(program.closing_over(*leaves)(*given))

    numbers = [x for numbers in program.inputs for x in numbers]
    assert_alike(f, numbers)
    assert_alike(f, numbers, [leaf for row in leaves for leaf in row])
    assert_alike(ad.value_and_grad(f), numbers)


# --- models ---


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "silu", "softplus", "leaky_relu", "elu"])
def test_models_are_noted_alike(activation: str) -> None:
    model = nn.MLP(3, [4, 2], activation=activation)

    def loss(xs: Any) -> Any:
        return nn.cross_entropy(model(list(xs)), 1)

    assert_alike(loss, [0.5, -1.0, 2.0])
    assert_alike(loss, [0.5, -1.0, 2.0], list(model.parameters()))
    assert_alike(ad.value_and_grad(loss), [0.5, -1.0, 2.0])


# --- what is out of the ordinary ---

W, V = Value(2.0, "w"), Value(3.0, "v")
PRODUCT = W * V
ASSIGNED = W * V
ASSIGNED.data = 7.0


class Labelled(Value):
    """A Value of a subclass."""


LABELLED = Labelled(1.5)
CUBE = ad.primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3.0 * x * x])
CROSS = ad.primitive("cross", evaluate=lambda x, y: x * y, partials=lambda out, x, y: [y, x])
WHOLE = ad.primitive("whole", evaluate=lambda x: 2, partials=[lambda out, x: 3])
RAISING = ad.primitive("raising", evaluate=lambda x: x, partials=[lambda out, x: x * 2.0 + 1.0 / (x - x).number])
BROKEN = ad.primitive("broken", evaluate=lambda x: math.sqrt(-1.0), partials=[lambda out, x: 1.0])
BRANCHING = ad.primitive("branching", evaluate=abs, partials=[lambda out, x: 1.0 if x > 0 else -1.0])
NESTED = ad.primitive("nested", evaluate=lambda x: 2 * x, partials=[lambda out, x: ad.grad(lambda y: y * y)(x) / x])


def _mixed(xs: Any) -> Any:
    with ad.no_grad():
        a = xs[0] * W
        with ad.no_grad():
            a = a + 1.0
    b = a * xs[1]
    with ad.detect_anomaly():
        return b * V + xs[0]


def _kept_choice(xs: Any) -> Any:
    slope = ad.grad(lambda x: ad.where(x > 1.0, x * x, 2.0))(xs[0])
    return ad.where(xs[1] > 0.0, slope, NOTHING) * xs[1] if xs[1] > xs[0] else slope


CASES: dict[str, Callable[[Any], Any]] = {
    "leaves outside": lambda xs: W * xs[0] + xs[1] * V - W,
    "an interior node outside": lambda xs: PRODUCT * xs[0] + PRODUCT,
    "an assigned node outside": lambda xs: ASSIGNED * xs[0],
    "a Value of a subclass": lambda xs: LABELLED * xs[0] + LABELLED,
    "constants made inside": lambda xs: (Value(3.0) * 2.0) * xs[0] + Value(1.0),
    "detach": lambda xs: (xs[0] * xs[1]).detach() * xs[1],
    "modes": _mixed,
    "guards": lambda xs: xs[0] * 2.0 if xs[0] > 0 and xs[1] != 2.0 else xs[1],
    "conditions": lambda xs: ad.where((xs[0] > xs[1]) & (xs[0] < 3.0), xs[0], xs[1]) + (xs[0] >= 0.0),
    "choices of nothing": _kept_choice,
    "a user's primitive": lambda xs: CUBE(xs[0]) * CROSS(xs[0], xs[1]) + CUBE(CUBE(xs[1])),
    "a whole number": lambda xs: WHOLE(xs[0]) * 2.0 * xs[0],
    "rules that raise": lambda xs: RAISING(xs[0]) * 2.0,
    "an evaluation that raises": lambda xs: BROKEN(xs[0] * 2.0),
    "rules that branch": lambda xs: BRANCHING(xs[0]) * xs[1],
    "rules that differentiate": lambda xs: NESTED(xs[0]) * NESTED(xs[1] * xs[0]),
    "too large an int": lambda xs: xs[0] * 10**400,
    "what is no number": lambda xs: xs[0] + "text",
    "too many operands": lambda xs: ad.sin(xs[0], xs[1]),
    "a look": lambda xs: (xs[0] * 2.0).data,
    "an array": lambda xs: np.array([xs[0], xs[1]]) @ np.array([2.0, 3.0]),
    "sums and products": lambda xs: ad.prod([xs[0], ad.sum(xs), ad.mean([*xs, 1.0]), ad.norm(xs), W]),
    "softmax": lambda xs: ad.dot(ad.softmax([*xs, 0.0]), [*xs, W]),
    "dots": lambda xs: ad.dot([W, 0.0, xs[0]], [xs[0], xs[1], V]) + ad.dot([xs[0]], [xs[1]]),
    "dots of two lengths": lambda xs: ad.dot([W, V, xs[0]], list(xs)),
    "copies": lambda xs: copy.copy(xs[0] * 2.0) + copy.deepcopy(xs[1]),
    "powers": lambda xs: xs[0] ** 2 + 2.0 ** xs[0] + xs[0] ** xs[1] + 0.0 ** xs[0] + xs[0] ** 0,
    "the other operators": lambda xs: xs[0] % 2 + xs[0] // xs[1] + abs(-xs[0]) + round(xs[1], 1) + (+xs[0]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_out_of_the_ordinary_is_noted_alike(case: str) -> None:
    for numbers in ([0.5, 2.0], [2.0, 0.5], [0.0, -1.0], [2.0, 2.0]):
        assert_alike(CASES[case], numbers)
        assert_alike(lambda xs: ad.value_and_grad(CASES[case])(xs), numbers)
        assert_alike(lambda xs: ad.grad(lambda ys: ad.sum(ad.grad(CASES[case])(ys)))(xs), numbers)
        assert_alike(CASES[case], numbers, [W, V])


# --- that the doors are open ---


def test_ordinary_operations_ask_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    apply = Trace.apply

    def asking(trace: Trace, primitive: Any, operands: Any) -> Any:
        asked.append(primitive.name)
        return apply(trace, primitive, operands)

    monkeypatch.setattr(Trace, "apply", asking)
    monkeypatch.setattr(chain, "reverse", asked.append)

    def f(xs: Any) -> Any:
        h = [ad.dot([W, V], list(xs)).tanh(), ad.sum([*xs, 1.0]) / 2, -xs[0] * 3.0 - xs[1] ** 2.0, ad.exp(W)]
        return ad.dot(h[:3], [xs[0], 1.0, xs[1]]) + ad.relu(ad.where(xs[0] > V, 1.0, xs[1])) + h[3] * xs[0]

    trace = Trace()
    xs = [trace.input(0.5), trace.input(0.25)]
    with trace:
        ad.value_and_grad(f)(xs)
    assert asked == ["exp"]  # of a leaf alone


def test_the_doors_are_shut_after_the_trace_and_inside_another() -> None:
    outer, inner = Trace(), Trace()
    x, y = outer.input(2.0), inner.input(3.0)
    with outer:
        made = x * 2.0
        with inner:
            assert (y * y).number == 9.0
            for refused in (lambda: x * x, lambda: x.sin(), lambda: x * y):
                with pytest.raises(TracingError):
                    refused()
        assert (made + x).number == 6.0
    assert (len(outer.nodes), len(inner.nodes)) == (2, 1)
    for refused in (lambda: x * 2.0, lambda: -x, lambda: x.exp()):
        with pytest.raises(TracingError, match="arithmetic of a number that was traced"):
            refused()


def _interrupted(x: Any) -> Any:
    raise KeyboardInterrupt(str(type(x * 2.0)))


INTERRUPTED = ad.primitive("interrupted", evaluate=lambda x: x, partials=[lambda out, x: _interrupted(x)])


@pytest.mark.parametrize("where", ["f", "a rule", "an evaluation"])
def test_an_interrupt_leaves_no_numbers_and_no_sweep_under_way(where: str) -> None:
    raising = ad.primitive("raising", evaluate=_interrupted, partials=[lambda out, x: 1.0])
    of = {"f": lambda xs: _interrupted(xs[0]), "a rule": lambda xs: INTERRUPTED(xs[0] * 2.0)}

    def run(trace: Trace) -> None:
        xs = [trace.input(0.5)]
        with trace, pytest.raises(KeyboardInterrupt):
            ad.value_and_grad(of.get(where, lambda xs: raising(xs[0])))(xs)
        with trace:
            (slope,) = ad.grad(lambda xs: xs[0] * xs[0])(xs)
        assert slope.number == 1.0

    owner = Owner()
    run(Trace(owner))
    has_tracers = owner.has_tracers()
    assert not has_tracers


@given(programs(max_steps=12))
def test_the_core_orders_tracers_as_python_does(program: Any) -> None:
    def f(xs: Any) -> Any:
        condition = xs[0] > 0.5
        out = ad.where(condition, program(*xs), W * xs[0]) + condition
        order = graph.topological_order(out, xs[0])
        assert [id(x) for x in order] == [id(x) for x in graph.extended_order((out, xs[0]), set())]
        halved = graph.topological_order(out, without=set(order[: len(order) // 2]))
        assert [id(x) for x in halved] == [id(x) for x in graph.extended_order((out,), set(order[: len(order) // 2]))]
        leaves = {id(x) for node in order for x in node.operands if isinstance(x, Value) and not x.operands}
        assert {id(x) for x in graph.leaves_below(order)} == leaves
        return out

    trace = Trace()
    with trace:
        f([trace.input(x) for x in program.leaves])
