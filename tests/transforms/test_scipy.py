"""What a user of scipy does: minimising with exact gradients and Hessians, fitting with exact Jacobians.

The fits are three problems of NIST's Statistical Reference Datasets for nonlinear regression, with their published
data, starts and certified parameters: https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize, rosen, rosen_der, rosen_hess, rosen_hess_prod

import autodiff as ad

rng = np.random.default_rng(0)
POINTS = [rng.uniform(-2.0, 2.0, n) for n in (2, 10) for _ in range(5)]


def rosenbrock(x: Any) -> Any:
    return sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x))


@pytest.mark.parametrize("x", POINTS, ids=lambda x: f"{len(x)}d")
def test_derivatives_of_rosenbrock_are_scipys(x: np.ndarray) -> None:
    value, gradient = ad.value_and_grad(rosenbrock)(x)
    np.testing.assert_allclose(value, rosen(x), rtol=1e-13)
    np.testing.assert_allclose(gradient, rosen_der(x), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(ad.hessian(rosenbrock)(x), rosen_hess(x), rtol=1e-12, atol=1e-12)
    v = np.cos(np.arange(len(x)))
    np.testing.assert_allclose(ad.hvp(rosenbrock)(x, v), rosen_hess_prod(x, v), rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [1.3, 0.7, 0.8, 1.9, 1.2] * 2], ids=["2d", "10d"])
@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("BFGS", {}),
        ("L-BFGS-B", {}),
        ("Newton-CG", {"hess": ad.hessian(rosenbrock)}),
        ("Newton-CG", {"hessp": ad.hvp(rosenbrock)}),
        ("trust-exact", {"hess": ad.hessian(rosenbrock)}),
        ("trust-krylov", {"hessp": ad.hvp(rosenbrock)}),
    ],
    ids=lambda x: x if isinstance(x, str) else "+".join(x) or "gradient",
)
def test_minimisers_find_the_minimum_of_rosenbrock(start: list[float], method: str, more: dict[str, Any]) -> None:
    result = minimize(ad.value_and_grad(rosenbrock), start, jac=True, method=method, tol=1e-7, **more)
    assert result.success, result.message
    np.testing.assert_allclose(result.x, np.ones(len(start)), atol=1e-5)


class Problem(NamedTuple):
    """A model y = model(b, x), observations, published starts and certified parameters."""

    model: Callable[[Any, float], Any]
    x: str
    y: str
    starts: tuple[list[float], list[float]]
    certified: list[float]


PROBLEMS = {
    "Misra1a": Problem(
        lambda b, x: b[0] * (1.0 - ad.exp(-b[1] * x)),
        "77.6 114.9 141.1 190.8 239.9 289.0 332.8 378.4 434.8 477.3 536.8 593.1 689.1 760.0",
        "10.07 14.73 17.94 23.93 29.61 35.18 40.02 44.82 50.76 55.05 61.01 66.40 75.47 81.78",
        ([500.0, 0.0001], [250.0, 0.0005]),
        [2.3894212918e02, 5.5015643181e-04],
    ),
    "Thurber": Problem(
        lambda b, x: (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1.0 + x * (b[4] + x * (b[5] + x * b[6]))),
        "-3.067 -2.981 -2.921 -2.912 -2.840 -2.797 -2.702 -2.699 -2.633 -2.481 -2.363 -2.322 -1.501 -1.460 -1.274 "
        "-1.212 -1.100 -1.046 -0.915 -0.714 -0.566 -0.545 -0.400 -0.309 -0.109 -0.103 0.010 0.119 0.377 0.790 0.963 "
        "1.006 1.115 1.572 1.841 2.047 2.200",
        "80.574 84.248 87.264 87.195 89.076 89.608 89.868 90.101 92.405 95.854 100.696 101.060 401.672 390.724 567.534 "
        "635.316 733.054 759.087 894.206 990.785 1090.109 1080.914 1122.643 1178.351 1260.531 1273.514 1288.339 "
        "1327.543 1353.863 1414.509 1425.208 1421.384 1442.962 1464.350 1468.705 1447.894 1457.628",
        ([1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03], [1300.0, 1500.0, 500.0, 75.0, 1.0, 0.4, 0.05]),
        [
            1.2881396800e03,
            1.4910792535e03,
            5.8323836877e02,
            7.5416644291e01,
            9.6629502864e-01,
            3.9797285797e-01,
            4.9727297349e-02,
        ],
    ),
    "MGH09": Problem(
        lambda b, x: b[0] * (x * x + x * b[1]) / (x * x + x * b[2] + b[3]),
        "4.0 2.0 1.0 0.5 0.25 0.167 0.125 0.1 0.0833 0.0714 0.0625",
        "0.1957 0.1947 0.1735 0.1600 0.0844 0.0627 0.0456 0.0342 0.0323 0.0235 0.0246",
        ([25.0, 39.0, 41.5, 39.0], [0.25, 0.39, 0.415, 0.39]),
        [1.9280693458e-01, 1.9128232873e-01, 1.2305650693e-01, 1.3606233068e-01],
    ),
}


@pytest.mark.parametrize("start", [0, 1], ids=["start 1", "start 2"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_fits_reach_the_certified_parameters_of_nist(name: str, start: int) -> None:
    """To 7 digits: certified parameters have 11. Far from the solution of MGH09, 400 steps are not enough."""
    problem = PROBLEMS[name]
    data = list(zip(map(float, problem.x.split()), map(float, problem.y.split()), strict=True))

    def residuals(b: Any) -> list[Any]:
        return [problem.model(b, x) - y for x, y in data]

    tightly = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 5000}
    fit = least_squares(residuals, problem.starts[start], jac=ad.jacobian(residuals), method="lm", **tightly)
    digits = -np.log10(np.max(np.abs(fit.x / problem.certified - 1.0)))
    assert digits >= 7.0, f"{digits:.1f} digits"
