"""Training beyond first order: all data at once, by scipy, with exact derivatives.

`minimize` hands a model's loss to the methods of `scipy.optimize.minimize`: quasi-Newton methods get its gradient,
those of Newton its Hessian, or products of it with vectors. `least_squares` hands residuals to the method of Levenberg
and Marquardt. The loss is a function of the model, because it is evaluated on a copy, whose parameters are other
numbers: scipy sees a function of one array, and so does `autodiff.compile`.

>>> from nn import Neuron, mse
>>> line = Neuron(1, "linear", seed=0)
>>> minimize(line, lambda line: mse([line([x]) for x in (0.0, 1.0, 2.0)], [1.0, 3.0, 5.0])).success
True
>>> [round(p.data, 4) for p in line.parameters()]
[2.0, 1.0]
"""

import math
from collections.abc import Callable, Sequence, Sized
from typing import Any

import autodiff
from autodiff import Value
from autodiff.compiler import TracingError
from nn.modules.module import Module
from nn.optional import optional
from nn.training.batches.substitution import leaves_of, substituted

Function = Callable[..., Any]

_DERIVATIVE_FREE = ("nelder-mead", "powell", "cobyla", "cobyqa")
# The second derivatives that scipy's methods take: products of the Hessian with vectors, or the Hessian.
_SECOND_ORDER: dict[str, tuple[str, Callable[[Function], Function]]] = {
    **dict.fromkeys(("newton-cg", "trust-ncg", "trust-krylov", "trust-constr"), ("hessp", autodiff.hvp)),
    **dict.fromkeys(("dogleg", "trust-exact"), ("hess", autodiff.hessian)),
}


def minimize(
    model: Module,
    loss: Callable[..., Any],
    method: str | Callable[..., Any] = "L-BFGS-B",
    tol: float | None = None,
    options: dict[str, Any] | None = None,
    *,
    data: Sequence[Any] = (),
    compile: bool | str = "auto",
    **settings: Any,
) -> Any:
    """Train on all data at once by `scipy.optimize.minimize`, whose result is returned.

    The parameters are then those of the result. Where scipy raises, or Ctrl-C ends it, they are the best that were
    tried, and the exception goes on. Random draws of the model, as in dropout, are the same at every evaluation.

    Args:
        model: a module with parameters.
        loss: a function of the model that gives one number, such as
            `lambda model: nn.mse([model(x) for x in X], y)`; it is given a copy of the model.
        data: arrays, lists or pandas frames with many rows, such as (X, y): then the loss is a function of the model
            and a row of each, `lambda model, x, y: nn.mse(model(x), y)`, and its mean over the rows is minimised. It
            compiles as one row does, in a fraction of the time that a loss of all of them takes.
        method, tol, options: scipy's. "Newton-CG", "trust-ncg", "trust-krylov" and "trust-constr" get exact products of
            the Hessian with vectors, "trust-exact" and "dogleg" the exact Hessian.
        compile: "auto", where the loss can be compiled; True insists, False never does.
        settings: further arguments of scipy's, such as bounds, constraints, callback.

    Raises ImportError without scipy, TypeError where the loss is not a function of the model alone, TracingError where
    it cannot be compiled and compile is True, and what scipy raises.

    Source: Nocedal and Wright, Numerical Optimization, 2006, chapters 4, 6 and 7.

    >>> from nn import MLP, mse
    >>> model = MLP(1, [4, 1], "tanh", seed=0)
    >>> result = minimize(model, lambda model: mse([model([x]) for x in (-1, 0, 1)], [1, 0, 1]), method="trust-ncg")
    >>> result.fun < 1e-6
    True
    """
    scipy = optional("scipy.optimize", "nn.minimize")
    problem = _Problem("minimize", model, loss, data, "mean", compile)
    kind = method.lower() if isinstance(method, str) else ""
    if kind in _DERIVATIVE_FREE:
        evaluate = problem.watched(problem.compiled(_value), lambda value: value)
    else:
        evaluate = problem.watched(problem.compiled(autodiff.value_and_grad), lambda pair: pair[0])
        settings = {"jac": True, **settings}
    if kind in _SECOND_ORDER and not {"hess", "hessp"} & set(settings):
        name, derivative = _SECOND_ORDER[kind]
        settings[name] = problem.compiled(derivative)
    return problem.solved(scipy.minimize, evaluate, method=method, tol=tol, options=options, **settings)


def least_squares(
    model: Module,
    residuals: Callable[..., Any],
    method: str = "lm",
    *,
    data: Sequence[Any] = (),
    compile: bool | str = "auto",
    **settings: Any,
) -> Any:
    """Minimise half the sum of squared residuals by `scipy.optimize.least_squares`, with exact Jacobians.

    Result, parameters, `data` and `compile` are as in `minimize`; of data, each row has its residuals.

    Args:
        model: a module with parameters.
        residuals: a function of the model that gives a list of numbers, nested or not, such as
            `lambda model: [model([x]) - y for x, y in pairs]`; it is given a copy of the model.
        method: scipy's: "lm", Levenberg and Marquardt's, for at least as many residuals as parameters; "trf", "dogbox".
        settings: further arguments of scipy's, such as bounds, loss, ftol, xtol, gtol, max_nfev.

    Raises as `minimize` does.

    Source: Moré, The Levenberg-Marquardt algorithm: implementation and theory, 1978.

    >>> class Decay(Module):
    ...     def __init__(self): self.start, self.rate = Value(1.0), Value(1.0)
    ...     def __call__(self, t): return self.start * autodiff.exp(-self.rate * t)
    >>> decay = Decay()
    >>> data = [0.0, 1.0, 2.0, 3.0], [4.0, 2.0, 1.0, 0.5]
    >>> least_squares(decay, lambda decay, t, y: decay(t) - y, data=data).success
    True
    >>> decay.start.data, round(decay.rate.data, 6)
    (4.0, 0.693147)
    """
    scipy = optional("scipy.optimize", "nn.least_squares")
    import numpy as np

    def flat(copy: Any, *row: Any) -> Any:
        return autodiff.array(residuals(copy, *row)).ravel()

    problem = _Problem("least_squares", model, flat, data, None, compile)
    value, jacobian = problem.compiled(_value), problem.compiled(autodiff.jacobian)
    evaluate = problem.watched(lambda numbers: np.ravel(value(numbers)), lambda found: 0.5 * (found @ found))
    settings["jac"] = lambda numbers: np.reshape(jacobian(numbers), (-1, len(numbers)))
    return problem.solved(scipy.least_squares, evaluate, method=method, **settings)


class _Problem:
    """A function of a model as one of an array, the numbers of its parameters; and the best array that was tried.

    With data it is a function of a row besides; its results are stacked, or reduced to the mean.
    """

    def __init__(
        self, name: str, model: Module, f: Function, data: Sequence[Any], reduce: str | None, compile: bool | str
    ) -> None:
        import numpy as np

        if not isinstance(model, Module) or not model.parameters():
            raise TypeError(f"{name} changes the parameters of a model, a Module that has some; got {model!r}")
        if not callable(f):
            raise TypeError(
                f"{name} takes a function of the model, and its rows as data=(X, y); got {type(f).__name__}"
            )
        if compile not in ("auto", True, False):
            raise ValueError(f'compile is "auto", True or False, got {compile!r}')
        self.name, self.model, self.f, self.compile = name, model, f, compile
        self.data = [rows.to_numpy() if hasattr(rows, "to_numpy") else rows for rows in data]
        odd = [rows for rows in self.data if not isinstance(rows, Sized) or len(rows) == 0]
        if odd:
            raise TypeError(f"{name} takes its rows as data=(X, y), arrays or lists of one row or more; got {odd[0]!r}")
        self.rows: dict[str, Any] = {"rows": range(1, 1 + len(data)), "reduce": reduce} if data else {}
        self.parameters = model.parameters()
        self.start = np.array([p.data for p in self.parameters])
        self.best, self.least = self.start, math.inf
        self._check()

    def of_numbers(self, numbers: Any, *row: Any) -> Any:
        return self.f(substituted(self.model, self.parameters, numbers), *row)

    def _check(self) -> None:
        """Refuse a function of which the numbers of the model, or those it is given, would be constants."""
        numbers = [Value(x) for x in self.start]
        result = self.of_numbers(numbers, *[rows[0] for rows in self.data])
        outputs = [y for y in autodiff.array([result]).ravel().tolist() if isinstance(y, Value)]
        leaves = leaves_of(autodiff.sum(outputs))
        if not leaves.isdisjoint(self.parameters):
            raise TypeError(
                f"{self.name} gives its function a copy of the model, and the function used the model itself; "
                "write it of its argument: lambda model: nn.mse([model(x) for x in X], y)"
            )
        if leaves.isdisjoint(numbers):
            raise TypeError(
                f"what the function of {self.name} gives does not depend on the parameters of the model; leave its "
                "outputs Values, without .data, and compute with them"
            )

    def compiled(self, transform: Callable[[Function], Function]) -> Function:
        """The function, or its derivative, of an array; compiled where it is to be and can be."""
        whole = autodiff.compile(self.of_numbers, **self.rows)  # of Values: itself, for each row
        eager = transform(lambda numbers: whole(numbers, *self.data))
        compiled = autodiff.compile(transform(self.of_numbers), **self.rows)

        def run(numbers: Any, *more: Any) -> Any:
            if self.compile:
                try:
                    return compiled(numbers, *self.data, *more)
                except TracingError:
                    if self.compile is True:
                        raise
                    self.compile = False
            return eager(numbers, *more)

        return run

    def watched(self, f: Function, value_of: Callable[[Any], float]) -> Function:
        """The same function, of which the array with the least value is kept."""

        def watching(numbers: Any) -> Any:
            result = f(numbers)
            value = value_of(result)
            if value < self.least:
                self.best, self.least = numbers.copy(), value
            return result

        return watching

    def solved(self, solve: Function, evaluate: Function, **settings: Any) -> Any:
        """The result of scipy, having set the parameters to it; to the best so far if it finds nothing."""
        found = None
        try:
            result = solve(evaluate, self.start, **settings)
            found = result.x
            return result
        finally:
            numbers = self.best if found is None or not all(map(math.isfinite, found)) else found
            for parameter, number in zip(self.parameters, numbers, strict=True):
                parameter.data = float(number)


def _value(f: Function) -> Function:
    return lambda *args: autodiff.vjp(f, *args)[0]  # f on Values, as a derivative has it, gives numbers
