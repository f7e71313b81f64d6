"""Training by scipy: to the minima that scipy finds alone, numpy's least squares, NIST's certified parameters."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize

import autodiff as ad
import nn
from autodiff import Value


class Point(nn.Module):
    """A model that is nothing but its parameters."""

    def __init__(self, *numbers: float) -> None:
        self.x = [Value(number) for number in numbers]


def numbers(model: nn.Module) -> np.ndarray:
    return np.array([p.data for p in model.parameters()])


def rosenbrock(point: Point) -> Value:
    x, y = point.x
    return 100.0 * (y - x**2) ** 2 + (1.0 - x) ** 2


FIRST_ORDER = ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP"]
SECOND_ORDER = ["Newton-CG", "trust-ncg", "trust-constr", "dogleg", "trust-exact"]


@pytest.mark.parametrize("compile", [True, False], ids=["compiled", "eager"])
@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "COBYQA", *FIRST_ORDER, *SECOND_ORDER])
def test_every_method_finds_the_minimum_of_rosenbrock(method: str, compile: bool) -> None:
    point = Point(-1.2, 1.0)
    result = nn.minimize(point, rosenbrock, method, tol=1e-8, compile=compile)
    assert result.success, result.message
    np.testing.assert_array_equal(numbers(point), result.x)
    np.testing.assert_allclose(result.x, [1.0, 1.0], atol=1e-6 if method in SECOND_ORDER else 1e-3)


def test_trust_krylov_gets_products_of_the_hessian() -> None:
    point = Point(-1.2, 1.0)
    assert nn.minimize(point, rosenbrock, "trust-krylov", tol=1e-4).success
    np.testing.assert_allclose(numbers(point), [1.0, 1.0], atol=1e-3)


def test_newtons_method_needs_few_steps_for_a_quadratic_function() -> None:
    point = Point(7.0, -3.0)
    result = nn.minimize(point, lambda p: (p.x[0] - 1.0) ** 2 + p.x[0] * p.x[1] + p.x[1] ** 2, "Newton-CG")
    assert result.nit <= 3
    np.testing.assert_allclose(numbers(point), [4 / 3, -2 / 3], atol=1e-9)


rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
CLASSES = (X @ [1.0, -2.0, 0.5] + rng.logistic(size=30) > 0.0).astype(float)
Y = X @ [1.0, -2.0, 0.5] + 3.0 + 0.1 * rng.normal(size=30)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B"])
def test_the_way_to_the_minimum_is_scipys_own(method: str) -> None:
    """Logistic regression with an L2 penalty on `parameters()`; by hand in numpy, and as a Neuron."""

    def by_hand(p: np.ndarray) -> tuple[float, np.ndarray]:
        z = X @ p[:3] + p[3]
        loss = np.mean(np.logaddexp(0.0, z) - CLASSES * z) + 0.1 * p @ p
        errors = (1.0 / (1.0 + np.exp(-z)) - CLASSES) / len(X)
        return loss, np.array([*(errors @ X), errors.sum()]) + 0.2 * p

    def loss(neuron: Any) -> Value:
        penalty = ad.sum([ad.square(p) for p in neuron.parameters()])
        return nn.binary_cross_entropy_with_logits([neuron(x) for x in X], CLASSES) + 0.1 * penalty

    neuron = nn.Neuron(3, "linear", seed=0)
    expected = optimize.minimize(by_hand, numbers(neuron), jac=True, method=method)
    result = nn.minimize(neuron, loss, method)
    assert result.nit == expected.nit
    np.testing.assert_allclose(result.x, expected.x, rtol=1e-9)
    np.testing.assert_array_equal(numbers(neuron), result.x)


def fitted_by_minimize(neuron: nn.Neuron) -> Any:
    return nn.minimize(neuron, lambda neuron: nn.mse([neuron(x) for x in X], Y), "trust-exact", tol=1e-12)


def fitted_by_least_squares(neuron: nn.Neuron) -> Any:
    return nn.least_squares(neuron, lambda neuron: [neuron(x) - y for x, y in zip(X, Y, strict=True)])


@pytest.mark.parametrize("fit", [fitted_by_minimize, fitted_by_least_squares])
def test_linear_regression_is_numpys_least_squares(fit: Callable[[nn.Neuron], Any]) -> None:
    neuron = nn.Neuron(3, "linear", seed=0)
    assert fit(neuron).success
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), Y, rcond=None)[0]
    np.testing.assert_allclose(numbers(neuron), expected, atol=1e-8)


@pytest.mark.parametrize(("method", "tol"), [("L-BFGS-B", 1e-12), ("trust-ncg", 1e-5)])
def test_a_network_fits_twenty_points(method: str, tol: float) -> None:
    at = np.linspace(-2.0, 2.0, 20)
    model = nn.MLP(1, [8, 1], "tanh", seed=0)
    result = nn.minimize(model, lambda model: nn.mse([model([x]) for x in at], np.sin(2 * at)), method, tol)
    assert result.success, result.message
    assert nn.mse([model([x]) for x in at], np.sin(2 * at)).data == pytest.approx(result.fun, rel=1e-9)
    assert result.fun < 1e-4


# Misra1a of NIST's Statistical Reference Datasets, https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml
VOLUMES = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0]
PRESSURES = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]


@pytest.mark.parametrize("compile", [True, False], ids=["compiled", "eager"])
@pytest.mark.parametrize("method", ["lm", "trf", "dogbox"])
@pytest.mark.parametrize("start", [(500.0, 0.0001), (250.0, 0.0005)])
def test_least_squares_reaches_the_certified_parameters_of_nist(
    start: tuple[float, float], method: str, compile: bool
) -> None:
    class Adsorption(Point):
        def __call__(self, x: float) -> Value:
            return self.x[0] * (1.0 - ad.exp(-self.x[1] * x))

    model = Adsorption(*start)
    pairs = list(zip(VOLUMES, PRESSURES, strict=True))
    tightly = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "x_scale": start}
    result = nn.least_squares(model, lambda m: [m(x) - y for x, y in pairs], method, compile=compile, **tightly)
    np.testing.assert_array_equal(numbers(model), result.x)
    np.testing.assert_allclose(result.x, [2.3894212918e02, 5.5015643181e-04], rtol=1e-7)
    assert 2 * result.cost == pytest.approx(1.2455138894e-01, rel=1e-9)


@pytest.mark.parametrize("compile", [True, False], ids=["compiled", "eager"])
@pytest.mark.parametrize("method", ["Powell", "BFGS", "trust-ncg", "trust-exact"])
def test_of_data_the_mean_over_rows_is_minimised(method: str, compile: bool) -> None:
    by_rows, whole = nn.Neuron(3, "linear", seed=0), nn.Neuron(3, "linear", seed=0)
    expected = nn.minimize(whole, lambda neuron: nn.mse([neuron(x) for x in X], Y), method, tol=1e-10)
    found = nn.minimize(by_rows, lambda f, x, y: nn.mse(f(x), y), method, tol=1e-10, data=(X, Y), compile=compile)
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-7)
    np.testing.assert_array_equal(numbers(by_rows), found.x)


def test_data_may_be_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    framed, plain = nn.Neuron(3, "linear", seed=0), nn.Neuron(3, "linear", seed=0)
    table = pandas.DataFrame(X, columns=list("abc")).assign(y=Y)
    nn.minimize(framed, lambda f, x, y: nn.mse(f(x), y), data=(table[["a", "b", "c"]], table["y"]))
    nn.minimize(plain, lambda f, x, y: nn.mse(f(x), y), data=(X, Y))
    np.testing.assert_array_equal(numbers(framed), numbers(plain))


def test_dropout_is_the_same_at_every_evaluation() -> None:
    def trained(compile: bool) -> np.ndarray:
        model = nn.Sequential(nn.Layer(3, 8, "tanh", seed=0), nn.Dropout(0.5, seed=1), nn.Layer(8, 1, "linear", seed=2))
        nn.minimize(model, lambda f, x, y: nn.mse(f(x), y), data=(X, Y), compile=compile, options={"maxiter": 5})
        return numbers(model)

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("compile", [True, False], ids=["compiled", "eager"])
def test_of_data_each_row_has_its_residuals(compile: bool) -> None:
    layer = nn.Layer(3, 2, "linear", seed=0)
    targets = np.column_stack([Y, CLASSES])
    data = (X.tolist(), targets.tolist())
    nn.least_squares(layer, lambda f, x, t: [z - s for z, s in zip(f(x), t, strict=True)], data=data, compile=compile)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), targets, rcond=None)[0]
    np.testing.assert_allclose(numbers(layer), expected.T.ravel(), atol=1e-8)


def test_residuals_may_be_nested() -> None:
    point = Point(-1.2, 1.0)
    nn.least_squares(point, lambda p: [[10.0 * (p.x[1] - p.x[0] ** 2)], [1.0 - p.x[0]]])
    np.testing.assert_allclose(numbers(point), [1.0, 1.0], atol=1e-8)


def test_bounds_are_scipys() -> None:
    point = Point(-1.2, 1.0)
    nn.minimize(point, rosenbrock, bounds=[(None, 0.5), (None, None)])
    np.testing.assert_allclose(numbers(point), [0.5, 0.25], atol=1e-4)


@pytest.mark.parametrize("solve", [nn.minimize, nn.least_squares])
def test_a_function_that_closes_over_the_model_is_refused(solve: Callable[..., Any]) -> None:
    point = Point(-1.2, 1.0)
    with pytest.raises(TypeError, match=f"{solve.__name__} gives its function a copy .* used the model itself"):
        solve(point, lambda other: rosenbrock(point) + other.x[0])
    assert [p.data for p in point.x] == [-1.2, 1.0]


def test_parameters_that_are_shared_stay_shared() -> None:
    class Tied(Point):
        def __init__(self) -> None:
            self.x = [Value(3.0)] * 2

    tied = Tied()
    nn.minimize(tied, lambda tied: (tied.x[0] - 1.0) ** 2 + (tied.x[1] - 2.0) ** 2, tol=1e-10)
    assert tied.x[0] is tied.x[1]
    assert tied.x[0].data == pytest.approx(1.5)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_ends_it_early_leaves_the_best_so_far(error: type[BaseException]) -> None:
    steps: list[float] = []

    def callback(intermediate_result: Any) -> None:
        steps.append(intermediate_result.fun)
        if len(steps) == 5:
            raise error

    point = Point(-1.2, 1.0)
    with pytest.raises(error):
        nn.minimize(point, rosenbrock, "BFGS", callback=callback)
    assert rosenbrock(point).data == pytest.approx(min(steps))
    assert min(steps) < 5.0


def test_a_method_that_gets_lost_leaves_the_best_numbers() -> None:
    def lost(f: Callable[..., Any], x0: np.ndarray, **more: Any) -> optimize.OptimizeResult:
        tried = [f(np.array(x)) for x in ([-1.0, 1.0], [np.nan, 1.0], [-3.0, 3.0])]
        return optimize.OptimizeResult(x=np.array([np.nan, np.inf]), fun=tried[1])

    point = Point(-1.2, 1.0)
    nn.minimize(point, rosenbrock, lost)
    np.testing.assert_array_equal(numbers(point), [-1.0, 1.0])


def test_what_cannot_be_compiled_runs_eagerly_unless_compile_insists() -> None:
    def loss(point: Point) -> Value:
        return rosenbrock(point) + 0.0 * round(point.x[0].data)

    point = Point(-1.2, 1.0)
    with pytest.raises(TypeError, match="leaves the graph inside a compiled function"):
        nn.minimize(point, loss, compile=True)
    auto, eager = Point(-1.2, 1.0), Point(-1.2, 1.0)
    nn.minimize(auto, loss)
    nn.minimize(eager, loss, compile=False)
    np.testing.assert_array_equal(numbers(auto), numbers(eager))
    np.testing.assert_allclose(numbers(auto), [1.0, 1.0], atol=1e-4)


def test_mistakes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match=r"minimize changes the parameters of a model, .*; got Point\(0 parameters\)"):
        nn.minimize(Point(), rosenbrock)
    with pytest.raises(TypeError, match="least_squares changes the parameters of a model"):
        nn.least_squares([Value(1.0)], rosenbrock)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="compile is \"auto\", True or False, got 'always'"):
        nn.minimize(Point(1.0, 1.0), rosenbrock, compile="always")
    with pytest.raises(TypeError, match="expected f to return one number, got a list of 2"):
        nn.minimize(Point(1.0, 1.0), lambda p: p.x)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"nn\.minimize needs scipy: python -m pip install"):
        nn.minimize(Point(1.0, 1.0), rosenbrock)


def test_rows_in_the_place_of_a_function_are_told_where_they_go() -> None:
    with pytest.raises(TypeError, match=r"minimize takes a function of the model, and its rows as data=\(X, y\); got"):
        nn.minimize(nn.Layer(1, 1), [[1.0]], [1.0])  # type: ignore[arg-type]


@pytest.mark.parametrize("solve", [nn.minimize, nn.least_squares])
@pytest.mark.parametrize("data", [([[1.0]], 0.5), ([[1.0]], None), ([], [])])
def test_data_without_rows_are_refused(solve: Callable[..., Any], data: Any) -> None:
    with pytest.raises(TypeError, match=rf"{solve.__name__} takes its rows as data=\(X, y\), arrays or lists .*; got"):
        solve(nn.Layer(1, 1, "linear"), lambda model, x, y: model(x) - y, data=data)


@pytest.mark.parametrize("train", [nn.minimize, nn.least_squares])
def test_a_function_that_loses_the_gradient_is_an_error(train: Any) -> None:
    model = nn.Layer(1, 1, "linear", seed=0)
    with pytest.raises(TypeError, match="does not depend on the parameters of the model; leave its outputs Values"):
        train(model, lambda model: model([1.0]).data - 1.0)
