"""Published worked examples, and the conventions at kinks and singular points."""

import math
from collections.abc import Callable
from math import inf, nan

import pytest

import autodiff as ad
from autodiff import Value
from tests.examples import micrograds

TIGHT = 1e-12


def close(x: float, digits: float = TIGHT) -> object:
    return pytest.approx(x, rel=digits, abs=1e-300)


# --- worked examples ---


def test_three_operation_circuit() -> None:
    x, y, z = Value(-2.0), Value(5.0), Value(-4.0)
    f = (x + y) * z
    f.backward()
    assert (f.data, x.grad, y.grad, z.grad) == (-12.0, -4.0, -4.0, 3.0)


def test_one_sigmoid_neuron() -> None:
    w, x, b = [Value(2.0), Value(-3.0)], [Value(-1.0), Value(-2.0)], Value(-3.0)
    out = ad.sigmoid(ad.dot(w, x) + b)
    out.backward()
    assert out.data == close(0.7310585786, 1e-9)
    assert [v.grad for v in (*w, b, *x)] == [
        close(g, 5e-7) for g in (-0.1966119, -0.3932239, 0.1966119, 0.3932239, -0.5898358)
    ]


def test_l2_norm_of_a_matrix_product() -> None:
    weights = [[Value(0.1), Value(0.5)], [Value(-0.3), Value(0.8)]]
    x = [Value(0.2), Value(0.4)]
    product = [ad.dot(row, x) for row in weights]
    f = ad.sum([ad.square(y) for y in product])
    f.backward()
    assert [y.data for y in product] == [close(0.22), close(0.26)]
    assert f.data == close(0.116)
    assert [w.grad for row in weights for w in row] == [close(g) for g in (0.088, 0.176, 0.104, 0.208)]
    assert [v.grad for v in x] == [close(-0.112), close(0.636)]


def test_micrograd_readme() -> None:
    a, b = Value(-4.0), Value(2.0)
    g = micrograds(a, b)
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("138.8338", "645.5773")


def _two_layers(x: tuple[float, float], weights: list[Value], biases: list[Value]) -> tuple[Value, Value]:
    """The outputs of a 2-2-2 sigmoid network; weights and biases in the order of the units, inputs first."""
    h1 = ad.sigmoid(ad.dot(weights[0:2], list(x)) + biases[0])
    h2 = ad.sigmoid(ad.dot(weights[2:4], list(x)) + biases[1])
    o1 = ad.sigmoid(ad.dot(weights[4:6], [h1, h2]) + biases[2])
    o2 = ad.sigmoid(ad.dot(weights[6:8], [h1, h2]) + biases[3])
    return o1, o2


def test_mazur_step_by_step_example() -> None:
    weights = [Value(w) for w in (0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55)]
    biases = [Value(0.35), Value(0.35), Value(0.60), Value(0.60)]

    def error() -> tuple[Value, tuple[Value, Value]]:
        outputs = _two_layers((0.05, 0.10), weights, biases)
        return ad.sum([ad.square(t - o) / 2 for t, o in zip((0.01, 0.99), outputs, strict=True)]), outputs

    def step() -> None:
        for w in weights:
            w.grad = 0.0
        error()[0].backward()
        for w in weights:
            w.data -= 0.5 * w.grad

    total, (o1, o2) = error()
    assert (o1.data, o2.data) == (close(0.7513650695523157), close(0.7729284653214625))
    assert total.data == close(0.2983711087600027)
    total.backward()
    assert (weights[4].grad, weights[0].grad) == (close(0.08216704056423077), close(0.0004385677344743465))
    step()
    assert [w.data for w in weights] == [
        close(w)
        for w in (
            0.1497807161327628,
            0.19956143226552567,
            0.24975114363236958,
            0.29950228726473915,
            0.35891647971788465,
            0.4086661860762334,
            0.5113012702387375,
            0.5613701211079891,
        )
    ]
    assert error()[0].data == close(0.29102777369359933)
    for _ in range(9_999):
        step()
    total, (o1, o2) = error()
    assert total.data == close(3.510187782978859e-05, 1e-9)
    assert (o1.data, o2.data) == (close(0.01591362, 1e-6), close(0.98406427, 1e-7))


def test_hill_example() -> None:
    weights = [Value(w) for w in (0.3, -0.4, 0.2, 0.6, 0.7, 0.5, -0.3, -0.1)]
    biases = [Value(b) for b in (0.25, 0.45, 0.15, 0.35)]
    outputs = _two_layers((2.0, 3.0), weights, biases)
    h1, h2 = outputs[0].operands[0].operands[0].operands[2:]  # type: ignore[union-attr]
    assert (h1.data, h2.data) == (close(0.41338242108267), close(0.934010990508781))  # type: ignore[union-attr]
    assert [o.data for o in outputs] == [close(0.712257432295742), close(0.533097573871501)]
    cost = ad.sum([ad.square(a - y) for a, y in zip(outputs, (1.0, 0.2), strict=True)])
    assert cost.data == close(0.19374977898811957)
    cost.backward()
    for parameter in weights + biases:
        parameter.data -= 0.1 * parameter.grad
    stepped = _two_layers((2.0, 3.0), weights, biases)
    assert [o.data for o in stepped] == [close(0.7187729999291985), close(0.5238074518609882)]


@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy"])
def test_four_equations_of_backpropagation(cost: str) -> None:
    """The errors delta, computed layer by layer from the published equations, are the gradients of the biases."""
    x, y = [0.3, -0.8, 0.5], [1.0, 0.0]
    w1 = [[Value(0.1 * (i + 2 * j) - 0.3) for i in range(3)] for j in range(4)]
    w2 = [[Value(0.2 * (i - j) + 0.1) for i in range(4)] for j in range(2)]
    b1, b2 = [Value(0.1 * j) for j in range(4)], [Value(-0.2), Value(0.3)]
    z1 = [ad.dot(row, x) + b for row, b in zip(w1, b1, strict=True)]
    a1 = [ad.sigmoid(z) for z in z1]
    z2 = [ad.dot(row, a1) + b for row, b in zip(w2, b2, strict=True)]
    a2 = [ad.sigmoid(z) for z in z2]
    if cost == "quadratic":
        total = ad.sum([ad.square(a - t) / 2 for a, t in zip(a2, y, strict=True)])
    else:
        total = ad.sum([-(t * ad.log(a) + (1 - t) * ad.log(1 - a)) for a, t in zip(a2, y, strict=True)])
    total.backward()

    def slope(a: Value) -> float:
        return a.data * (1 - a.data)

    delta2 = [(a.data - t) * (slope(a) if cost == "quadratic" else 1.0) for a, t in zip(a2, y, strict=True)]
    delta1 = [sum(w2[j][i].data * delta2[j] for j in range(2)) * slope(a1[i]) for i in range(4)]
    assert [b.grad for b in b2] == [close(d) for d in delta2]
    assert [b.grad for b in b1] == [close(d) for d in delta1]
    assert [w.grad for row in w2 for w in row] == [close(d * a.data) for d in delta2 for a in a1]
    assert [w.grad for row in w1 for w in row] == [close(d * xi) for d in delta1 for xi in x]


# --- kinks and singular points ---

Function = Callable[..., Value]

# name: function, point, value, derivative in each operand
CONVENTIONS: dict[str, tuple[Function, list[float], float, list[float]]] = {
    "relu at 0": (ad.relu, [0.0], 0.0, [0.0]),
    "abs at 0": (ad.abs, [0.0], 0.0, [0.0]),
    "maximum of equals": (ad.maximum, [3.0, 3.0], 3.0, [0.5, 0.5]),
    "minimum of equals": (ad.minimum, [3.0, 3.0], 3.0, [0.5, 0.5]),
    "maximum(x, x)": (lambda x: ad.maximum(x, x), [3.0], 3.0, [1.0]),
    "minimum(x, x)": (lambda x: ad.minimum(x, x), [3.0], 3.0, [1.0]),
    "max of k equals": (lambda *xs: ad.max(xs), [7.0, 1.0, 7.0, 7.0, 7.0], 7.0, [0.25, 0.0, 0.25, 0.25, 0.25]),
    "min of k equals": (lambda *xs: ad.min(xs), [1.0, 7.0, 1.0], 1.0, [0.5, 0.0, 0.5]),
    "prod with one zero": (lambda *xs: ad.prod(xs), [2.0, 0.0, 5.0], 0.0, [0.0, 10.0, 0.0]),
    "prod with two zeros": (lambda *xs: ad.prod(xs), [2.0, 0.0, 0.0], 0.0, [0.0, 0.0, 0.0]),
    "clip inside": (lambda x: ad.clip(x, -1.0, 1.0), [0.5], 0.5, [1.0]),
    "clip at the lower bound": (lambda x: ad.clip(x, -1.0, 1.0), [-1.0], -1.0, [1.0]),
    "clip at the upper bound": (lambda x: ad.clip(x, -1.0, 1.0), [1.0], 1.0, [1.0]),
    "clip outside": (lambda x: ad.clip(x, -1.0, 1.0), [1.5], 1.0, [0.0]),
    "sqrt at 0": (ad.sqrt, [0.0], 0.0, [inf]),
    "log at 0": (ad.log, [0.0], -inf, [inf]),
    "x ** 0": (lambda x: x**0, [3.0], 1.0, [0.0]),
    "x ** 0 at 0": (lambda x: x**0, [0.0], 1.0, [0.0]),
    "x ** 0.0 at -2": (lambda x: x**0.0, [-2.0], 1.0, [0.0]),
    "x ** 0.0 at inf": (lambda x: x**0.0, [inf], 1.0, [0.0]),
    "x ** 0 at a denormal": (lambda x: x**0, [1e-320], 1.0, [0.0]),
    "x ** 0 at the least float": (lambda x: x**0.0, [-5e-324], 1.0, [0.0]),
    "x ** 0 at nan": (lambda x: x**0, [nan], 1.0, [0.0]),
    "x ** 1 at 0": (lambda x: x**1, [0.0], 0.0, [1.0]),
    "x ** -1 at 0": (lambda x: x**-1, [0.0], inf, [-inf]),
    "x ** -2 at 0": (lambda x: x**-2, [0.0], inf, [-inf]),
    "0 ** 2": (lambda x, y: x**y, [0.0, 2.0], 0.0, [0.0, 0.0]),
    "0 ** 1": (lambda x, y: x**y, [0.0, 1.0], 0.0, [1.0, 0.0]),
    "0 ** 0.5": (lambda x, y: x**y, [0.0, 0.5], 0.0, [inf, 0.0]),
    "0 ** 0": (lambda x, y: x**y, [0.0, 0.0], 1.0, [0.0, 0.0]),
    "(-2) ** 3, 3 constant": (lambda x: x**3, [-2.0], -8.0, [12.0]),
    "(-2) ** -3.0, -3.0 constant": (lambda x: x**-3.0, [-2.0], -0.125, [-3.0 / 16.0]),
    "(-2) ** y": (lambda x, y: x**y, [-2.0, 3.0], -8.0, [12.0, nan]),
    "(-2) ** 0.5": (lambda x: x**0.5, [-2.0], nan, [nan]),
    "arctan2(0, 0)": (ad.arctan2, [0.0, 0.0], 0.0, [0.0, 0.0]),
    "hypot(0, 0)": (ad.hypot, [0.0, 0.0], 0.0, [0.0, 0.0]),
    "norm of the zero vector": (lambda *xs: ad.norm(xs), [0.0, 0.0, 0.0], 0.0, [0.0, 0.0, 0.0]),
    "where, the log of 0 not taken": (lambda x: ad.where(x > 0, ad.log(x), x), [0.0], 0.0, [1.0]),
    "where, the nan of sqrt not taken": (lambda x: ad.where(x > 0, ad.sqrt(x), 2 * x), [-4.0], -8.0, [2.0]),
    "0 * sqrt(x) at 0": (lambda x: 0 * ad.sqrt(x), [0.0], 0.0, [0.0]),
    "where, not taken, under an infinite upstream": (
        lambda x, y: ad.sqrt(ad.where(True, x, y)),
        [0.0, 3.0],
        0.0,
        [inf, 0.0],
    ),
    "relu, off, under an infinite upstream": (lambda x: ad.sqrt(ad.relu(x)), [-1.0], 0.0, [0.0]),
    "maximum, not taken, under an infinite upstream": (
        lambda x, y: ad.sqrt(ad.maximum(x, y)),
        [0.0, -1.0],
        0.0,
        [inf, 0.0],
    ),
    "max, not taken, under an infinite upstream": (lambda *xs: ad.log(ad.max(xs)), [-1.0, 0.0], -inf, [0.0, inf]),
    "clip, outside, under an infinite upstream": (lambda x: ad.sqrt(ad.clip(x, 0.0, 1.0)), [-1.0], 0.0, [0.0]),
    "clip, low above high": (ad.clip, [-2.0, 5.0, 1.0], 1.0, [0.0, 0.0, 1.0]),
    "clip, low above high, x between": (ad.clip, [3.0, 5.0, 1.0], 1.0, [0.0, 0.0, 1.0]),
    "0 ** -1": (lambda x, y: x**y, [0.0, -1.0], inf, [-inf, -inf]),
    "arctan2 far out": (ad.arctan2, [1e200, 1e200], math.pi / 4, [5e-201, -5e-201]),
    "arccosh far out": (ad.arccosh, [1e200], math.acosh(1e200), [1e-200]),
    "1 / x at 0": (lambda x: 1 / x, [0.0], inf, [-inf]),
    "1 / x at -0": (lambda x: 1 / x, [-0.0], -inf, [-inf]),
    "sqrt(x * x) at 0": (lambda x: ad.sqrt(x * x), [0.0], 0.0, [nan]),
    "exp(1000)": (ad.exp, [1000.0], inf, [inf]),
    "sigmoid(40)": (ad.sigmoid, [40.0], 1.0, [4.248354255291589e-18]),
    "sigmoid(-1000)": (ad.sigmoid, [-1000.0], 0.0, [0.0]),
    "tanh(20)": (ad.tanh, [20.0], 1.0, [1.6993417021166355e-17]),
    "softplus(1000)": (ad.softplus, [1000.0], 1000.0, [1.0]),
    "softplus(-1000)": (ad.softplus, [-1000.0], 0.0, [0.0]),
    "logsumexp([1000, 1000])": (lambda *xs: ad.logsumexp(xs), [1000.0, 1000.0], 1000.6931471805599, [0.5, 0.5]),
    "logsumexp([-inf, -inf])": (lambda *xs: ad.logsumexp(xs), [-inf, -inf], -inf, [0.0, 0.0]),
    "logsumexp([0, -40])": (
        lambda *xs: ad.logsumexp(xs),
        [0.0, -40.0],
        4.248354255291589e-18,
        [1.0, 4.248354255291589e-18],
    ),
    "softmax([1000, 0])[0]": (lambda *xs: ad.softmax(xs)[0], [1000.0, 0.0], 1.0, [0.0, 0.0]),
    "softmax([1000, 0])[1]": (lambda *xs: ad.softmax(xs)[1], [1000.0, 0.0], 0.0, [0.0, 0.0]),
    "log1p(1e-18)": (ad.log1p, [1e-18], 1e-18, [1.0]),
    "expm1(1e-18)": (ad.expm1, [1e-18], 1e-18, [1.0]),
    "-5.5 % 2": (lambda x, y: x % y, [-5.5, 2.0], 0.5, [1.0, 3.0]),
    "1 % 0.1": (lambda x, y: x % y, [1.0, 0.1], 1.0 % 0.1, [1.0, -9.0]),
    "floor": (ad.floor, [2.5], 2.0, [0.0]),
    "ceil": (ad.ceil, [2.5], 3.0, [0.0]),
    "sign": (ad.sign, [-2.5], -1.0, [0.0]),
    "x // y": (lambda x, y: x // y, [7.0, 2.0], 3.0, [0.0, 0.0]),
    "relu of nan": (ad.relu, [nan], nan, [nan]),
    "maximum with nan": (ad.maximum, [nan, 1.0], nan, [nan, 0.0]),
    "maximum with nan, second": (ad.maximum, [1.0, nan], nan, [0.0, nan]),
    "minimum with nan": (ad.minimum, [nan, 1.0], nan, [nan, 0.0]),
    "max with nan": (lambda *xs: ad.max(xs), [1.0, nan, 2.0], nan, [0.0, nan, 0.0]),
    "min with nan": (lambda *xs: ad.min(xs), [1.0, 2.0, nan], nan, [0.0, 0.0, nan]),
    "clip of nan": (lambda x: ad.clip(x, 0.0, 1.0), [nan], nan, [nan]),
    "clip with a bound of nan": (ad.clip, [2.0, nan, 3.0], nan, [0.0, nan, 0.0]),
    "the maximum of a nan that was made": (lambda x: ad.maximum(ad.sqrt(x), 1e-3), [-3.0], nan, [nan]),
    "the relu of a nan that was made": (lambda x: ad.relu(ad.log(x)), [-3.0], nan, [nan]),
    "cbrt(x) ** 3 at 0": (lambda x: ad.cbrt(x) ** 3, [0.0], 0.0, [nan]),
    "sqrt(x) ** 2 at 0": (lambda x: ad.sqrt(x) ** 2, [0.0], 0.0, [nan]),
    "exp(log(x)) at 0": (lambda x: ad.exp(ad.log(x)), [0.0], 0.0, [nan]),
    "1 / (1 / x) at 0": (lambda x: 1 / (1 / x), [0.0], 0.0, [nan]),
    "leaky_relu at 0": (ad.leaky_relu, [0.0], 0.0, [0.01]),
    "leaky_relu, negative": (ad.leaky_relu, [-2.0], -0.02, [0.01]),
    "elu at 0": (ad.elu, [0.0], 0.0, [1.0]),
}


def same(x: float, y: float) -> bool:
    return (math.isnan(x) and math.isnan(y)) or x == y or math.isclose(x, y, rel_tol=TIGHT)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_convention(name: str) -> None:
    f, point, value, derivatives = CONVENTIONS[name]
    leaves = [Value(x) for x in point]
    out = f(*leaves)
    out.backward()
    assert same(out.data, value), out
    for leaf, derivative in zip(leaves, derivatives, strict=True):
        assert same(leaf.grad, derivative), f"{leaf.grad} is not {derivative}"


def test_equal_terms_of_logsumexp_share_exactly() -> None:
    leaves = [Value(1000.0), Value(1000.0)]
    ad.logsumexp(leaves).backward()
    assert [x.grad for x in leaves] == [0.5, 0.5]


def test_third_derivative_of_a_square_is_zero_and_never_nan() -> None:
    """The rules, read with Values, are differentiated again: 2 x ** 1, then 2, then 0."""
    for point in (0.0, -0.0, -2.0, 3.0, 1e-200, 1e-320, 5e-324, inf):
        x = Value(point)
        first = ad.Primitive.local_gradients(_pow(), x**2, x, 2.0)[0]
        second = _derivative(first, x)
        assert second == 2.0
        third = _derivative(_rule(first, x), x)
        assert third == 0.0


def _pow() -> ad.Primitive:
    from autodiff import primitives

    return primitives.pow


def _derivative(y: Value, x: Value) -> float:
    x.grad = 0.0
    y.backward()
    return x.grad


def _rule(y: Value, x: Value) -> Value:
    """d(y)/d(x) as a Value, by reading the rules along the graph with Values (forward mode)."""
    if y is x:
        return Value(1.0)
    total = Value(0.0)
    assert y.op is not None
    for operand, local in zip(y.operands, y.op.local_gradients(y, *y.operands), strict=True):
        if isinstance(operand, Value):
            inner = _rule(operand, x)
            if inner.data or inner.op is not None:  # a zero upstream contributes zero
                total = total + local * inner
    return total


def test_branch_not_taken_contributes_nothing_to_the_other_leaf() -> None:
    x, y = Value(0.0), Value(2.0)
    ad.where(True, y, ad.log(x) * ad.sqrt(x)).backward()
    assert (x.grad, y.grad) == (0.0, 1.0)


@pytest.mark.parametrize(
    "f", [lambda x, y: ad.hypot(x, y), lambda x, y: ad.norm([x, y]), lambda x, y: ad.arctan2(y, x)]
)
def test_zero_vector_has_zero_derivatives_in_every_order(f: Function) -> None:
    assert ad.grad(lambda v: f(*v))([0.0, 0.0]) == [0.0, 0.0]
    assert ad.hessian(lambda v: f(*v))([0.0, 0.0]) == [[0.0, 0.0], [0.0, 0.0]]


def test_small_transformer_has_its_published_size() -> None:
    """4,192 parameters; about 60,000 nodes for six letters; the loss of 27 equal chances, log 27, before training."""
    from autodiff.graph import topological_order
    from tests.benchmarks import engines, models

    f, numbers = models.transformer(engines.ours(), "random")
    leaves = [Value(x) for x in numbers]
    loss = f(leaves)
    loss.backward()
    assert len(numbers) == 4192
    assert 50_000 < len(topological_order(loss)) < 65_000
    assert loss.data == pytest.approx(math.log(27), rel=0.05)
    for i in (0, 500, 2000, 4000):
        h = 1e-6
        shifted = [[x + (h if j == i else 0.0) * sign for j, x in enumerate(numbers)] for sign in (1, -1)]
        with ad.no_grad():
            above, below = (f([Value(x) for x in point]).data for point in shifted)
        assert leaves[i].grad == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-9)
