"""Programs as people write them for micrograd and its like: with the imports changed they run, or say what to write.

Each is written anew, in the idioms of the kind: a graph walked and drawn by hand, a network of one's own classes, a
classifier, a language model on lists with its optimiser beside, operations of one's own.
"""

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from graphviz import Digraph  # type: ignore[import-untyped]

import autodiff as ad
from autodiff import Value
from autodiff.testing import check_grads
from nn import MLP, Layer, Module, Neuron
from tests.examples import micrograds


def message(call: Callable[[], Any]) -> str:
    """The message of the error that `call` raises."""
    with pytest.raises((AttributeError, TypeError)) as caught:
        call()
    return str(caught.value)


# --- a graph, walked and drawn by hand ---


def an_expression() -> tuple[Value, list[Value]]:
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    e = a * b
    e.label = "e"
    d = e + c
    d.label = "d"
    y = (d * Value(-2.0, label="f")).tanh() + 2 * a
    y.label = "y"
    return y, [a, b, c]


def walked(root: Value, children: Callable[[Any], Any]) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """The nodes and edges of a graph, found by the usual recursion."""
    nodes, edges = set(), set()

    def build(v: Any) -> None:
        if v not in nodes:
            nodes.add(v)
            for child in children(v):
                edges.add((child, v))
                build(child)

    build(root)
    return nodes, edges


def test_the_walk_of_a_hand_made_drawing_goes_over_operands_that_are_values() -> None:
    y, _ = an_expression()
    y.backward()
    nodes, edges = walked(y, lambda v: [x for x in v.operands if isinstance(x, Value)])
    dot = Digraph(format="svg", graph_attr={"rankdir": "LR"})
    for n in nodes:
        dot.node(name=str(id(n)), label=f"{{ {n.label} | data {n.data:.4f} | grad {n.grad:.4f} }}", shape="record")
        if n.op:
            dot.node(name=str(id(n)) + n.op.name, label=n.op.symbol)
            dot.edge(str(id(n)) + n.op.name, str(id(n)))
    for child, n in edges:
        assert n.op is not None
        dot.edge(str(id(child)), str(id(n)) + n.op.name)
    assert (len(nodes), len(edges)) == (10, 10)
    for text in ("a | data 2.0000", "y | data", "tanh", "add", "mul"):
        assert text in dot.source


def test_the_same_walk_over_prev_says_what_to_write() -> None:
    y, _ = an_expression()
    assert "it is x.operands, in which constants are floats; autodiff.draw(x) draws the graph" in message(
        lambda: walked(y, lambda v: v._prev)
    )
    assert "it is x.op" in message(lambda: y._op)  # type: ignore[attr-defined]
    drawn = ad.draw(y)
    assert repr(drawn).splitlines()[-1].startswith("A graph of 10 values, 6 operations")


def test_a_topological_order_of_ones_own_differentiates_by_hand() -> None:
    """With local gradients where micrograd has closures, in reverse of the order that the recursion leaves."""
    y, inputs = an_expression()
    order: list[Value] = []
    visited = set()

    def build(v: Value) -> None:
        if v not in visited:
            visited.add(v)
            for child in v.operands:
                if isinstance(child, Value):
                    build(child)
            order.append(v)

    build(y)
    y.grad = 1.0
    for v in reversed(order):
        for child, local in zip(v.operands, v.local_gradients, strict=True):
            if isinstance(child, Value):
                child.grad += v.grad * local
    by_hand = [x.grad for x in inputs]
    for v in order:
        v.grad = 0
    y.backward()
    assert by_hand == [x.grad for x in inputs]


def test_derivatives_by_a_small_step_are_what_backward_gives() -> None:
    a, b = Value(-4.0), Value(2.0)
    g = micrograds(a, b)
    g.backward()
    assert [f"{x:.4f}" for x in (g.data, a.grad, b.grad)] == ["24.7041", "138.8338", "645.5773"]
    h = 1e-6
    assert (micrograds(Value(-4.0 + h), b).data - g.data) / h == pytest.approx(a.grad, rel=1e-4)


# --- networks ---


def test_a_network_of_ones_own_classes_fits_four_points() -> None:
    rng = random.Random(0)

    class Unit:
        def __init__(self, nin: int) -> None:
            self.w = [Value(rng.uniform(-1, 1)) for _ in range(nin)]
            self.b = Value(rng.uniform(-1, 1))

        def __call__(self, x: Any) -> Value:
            act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
            return act.tanh()

        def parameters(self) -> list[Value]:
            return [*self.w, self.b]

    class Row:
        def __init__(self, nin: int, nout: int) -> None:
            self.units = [Unit(nin) for _ in range(nout)]

        def __call__(self, x: Any) -> Any:
            outs = [unit(x) for unit in self.units]
            return outs[0] if len(outs) == 1 else outs

        def parameters(self) -> list[Value]:
            return [p for unit in self.units for p in unit.parameters()]

    rows = [Row(3, 4), Row(4, 4), Row(4, 1)]
    parameters = [p for row in rows for p in row.parameters()]
    assert len(parameters) == 41
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]

    def forward(x: Any) -> Any:
        for row in rows:
            x = row(x)
        return x

    for _ in range(150):
        predicted = [forward(x) for x in xs]
        loss = sum((yout - ygt) ** 2 for ygt, yout in zip(ys, predicted, strict=True))
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data += -0.1 * p.grad
    assert loss.data < 0.02
    assert [math.copysign(1.0, y.data) for y in predicted] == ys


def test_modules_with_parameters_of_their_own_mix_with_those_of_nn() -> None:
    class Pair(Module):
        def __init__(self) -> None:
            self.neurons = [Neuron(2, seed=0), Neuron(2, seed=1)]

        def __call__(self, x: Any) -> Any:
            return sum(neuron(x) for neuron in self.neurons)

        def parameters(self) -> list[Value]:
            return [p for neuron in self.neurons for p in neuron.parameters()]

    pair = Pair()
    pair([Value(1.0), Value(-2.0)]).backward()
    assert len(pair.parameters()) == 6
    assert [len(Layer(2, 3).parameters()), len(MLP(3, [4, 4, 1]).parameters())] == [9, 41]
    assert all(isinstance(p.grad, float) for p in MLP(3, [4, 4, 1]).layers[0].neurons[0].w)


# --- a language model on lists, with its optimiser beside ---

WORDS = ["abba", "baba", "abab", "bb"]
LETTERS = ["", "a", "b"]  # the first one ends a word
WIDTH, HEADS, CONTEXT = 4, 2, 5


def matrix(rng: random.Random, nout: int, nin: int) -> list[list[Value]]:
    return [[Value(rng.gauss(0, 0.3)) for _ in range(nin)] for _ in range(nout)]


def linear(x: list[Value], w: list[list[Value]]) -> list[Value]:
    return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]


def softmax(logits: list[Value]) -> list[Value]:
    highest = max(val.data for val in logits)
    exps = [(val - highest).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x: list[Value]) -> list[Value]:
    scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def language_model(rng: random.Random) -> tuple[dict[str, Any], list[Value]]:
    size = len(LETTERS)
    w = {"tokens": matrix(rng, size, WIDTH), "places": matrix(rng, CONTEXT, WIDTH), "head": matrix(rng, size, WIDTH)}
    w |= {name: matrix(rng, WIDTH, WIDTH) for name in ("q", "k", "v", "o")}
    w |= {"up": matrix(rng, 2 * WIDTH, WIDTH), "down": matrix(rng, WIDTH, 2 * WIDTH)}
    return w, [p for rows in w.values() for row in rows for p in row]


def next_letter(
    w: dict[str, Any], token: int, place: int, keys: list[Any], values: list[Any], softmax: Any = softmax
) -> list[Value]:
    """The logits of the letter that follows, with one layer of attention over the letters so far."""
    x = rmsnorm([t + p for t, p in zip(w["tokens"][token], w["places"][place], strict=True)])
    y = rmsnorm(x)
    q = linear(y, w["q"])
    keys.append(linear(y, w["k"]))
    values.append(linear(y, w["v"]))
    mixed = []
    for start in range(0, WIDTH, WIDTH // HEADS):
        part = range(start, start + WIDTH // HEADS)
        scores = [sum(q[j] * k[j] for j in part) / len(part) ** 0.5 for k in keys]
        shares = softmax(scores)
        mixed += [sum(share * v[j] for share, v in zip(shares, values, strict=True)) for j in part]
    x = [a + b for a, b in zip(x, linear(mixed, w["o"]), strict=True)]
    hidden = [h.relu() for h in linear(rmsnorm(x), w["up"])]
    x = [a + b for a, b in zip(x, linear(hidden, w["down"]), strict=True)]
    return linear(x, w["head"])


def surprise(w: dict[str, Any], word: str, softmax: Any = softmax) -> Value:
    tokens = [0, *map(LETTERS.index, word), 0]
    keys: list[Any] = []
    values: list[Any] = []
    losses = []
    for place, (token, target) in enumerate(pairwise(tokens)):
        probabilities = softmax(next_letter(w, token, place, keys, values, softmax))
        losses.append(-probabilities[target].log())
    return (1 / len(losses)) * sum(losses)


def test_a_language_model_on_lists_learns_with_the_optimiser_of_its_kind() -> None:
    w, params = language_model(random.Random(42))
    before = sum(surprise(w, word).data for word in WORDS)
    m, v = [0.0] * len(params), [0.0] * len(params)
    steps, learning_rate, beta1, beta2, eps = 60, 0.05, 0.85, 0.99, 1e-8
    for step in range(steps):
        loss = surprise(w, WORDS[step % len(WORDS)])
        loss.backward()
        lr_t = learning_rate * (1 - step / steps)
        for i, p in enumerate(params):
            m[i] = beta1 * m[i] + (1 - beta1) * p.grad
            v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
            m_hat = m[i] / (1 - beta1 ** (step + 1))
            v_hat = v[i] / (1 - beta2 ** (step + 1))
            p.data -= lr_t * m_hat / (v_hat**0.5 + eps)
            p.grad = 0
    assert sum(surprise(w, word).data for word in WORDS) < 0.6 * before
    logits = next_letter(w, 0, 0, [], [])
    assert sum(p.data for p in softmax(logits)) == pytest.approx(1.0, abs=1e-12)


def test_the_language_model_compiles_once_its_softmax_looks_at_no_number() -> None:
    w, params = language_model(random.Random(1))
    surprise(w, "abba").backward()
    eager = [p.grad for p in params]
    for p in params:
        p.grad = 0
    with pytest.raises(TypeError, match=r"x\.data leaves the graph inside a compiled function"):
        ad.compile(lambda: surprise(w, "abba")).backward()
    ad.compile(lambda: surprise(w, "abba", ad.softmax)).backward()
    assert [p.grad for p in params] == pytest.approx(eager, rel=1e-9, abs=1e-12)


# --- state on a parameter ---


def test_state_that_is_put_on_a_parameter_stands_in_a_dict_beside() -> None:
    params = [Value(3.0), Value(-2.0)]
    assert "keep it beside, in a dict: m = {p: 0.0 for p in parameters}" in message(lambda: params[0].m)  # type: ignore[attr-defined]
    m = dict.fromkeys(params, 0.0)
    for _ in range(100):
        loss = sum((p - 1.0) ** 2 for p in params)
        for p in params:
            p.grad = 0.0
        loss.backward()
        for p in params:
            m[p] = 0.5 * m[p] + p.grad
            p.data -= 0.05 * m[p]
    assert [p.data for p in params] == pytest.approx([1.0, 1.0], abs=1e-3)


# --- an operation of one's own ---


def test_an_operation_of_ones_own_is_a_primitive() -> None:
    def own(x: Any, y: Any) -> Any:
        return Value(x.data * math.exp(y.data), (x, y), (math.exp(y.data), x.data * math.exp(y.data)))  # type: ignore[call-arg]

    x, y = Value(2.0), Value(0.5)
    assert message(lambda: own(x, y)).endswith(
        'an operation of your own is autodiff.primitive("name", evaluate=..., partials=[...])'
    )
    scaled = ad.primitive(
        "scaled",
        evaluate=lambda x, y: x * ad.exp(y),
        partials=[lambda out, x, y: ad.exp(y), lambda out, x, y: x * ad.exp(y)],
    )
    scaled(x, y).backward()
    assert (x.grad, y.grad) == (math.exp(0.5), 2.0 * math.exp(0.5))
    check_grads(scaled, (2.0, 0.5), order=2)


def test_a_rule_as_a_closure_on_a_node_says_what_to_write() -> None:
    out = Value(2.0) * 3.0

    def assign() -> None:
        out._backward = lambda: None  # type: ignore[attr-defined]

    assert message(assign).endswith("write your own with autodiff.primitive")
