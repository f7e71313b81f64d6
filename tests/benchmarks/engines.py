"""The engines compared, each behind the same few names, so that one piece of scalar code runs on all of them.

An engine's `gradients(f, numbers)` returns a function that evaluates f on leaves that hold the numbers, and gives
[value, derivative by derivative]. Engines with leaf objects keep them from run to run, as a training loop does.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import autodiff
import nn
import tests.benchmarks.textbook

Run = Callable[[], list[float]]


@dataclass(frozen=True)
class Engine:
    """A library: its name, elementary functions, gradients of a function of a list of scalars, and its MLP class."""

    name: str
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    relu: Callable[[Any], Any]
    gradients: Callable[[Callable[[list[Any]], Any], Sequence[float]], Run]
    mlp: Callable[[int, list[int]], Any] | None = None


def _with_leaves(leaf: Callable[[float], Any]) -> Callable[[Callable[[list[Any]], Any], Sequence[float]], Run]:
    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        leaves = [leaf(x) for x in numbers]

        def run() -> list[float]:
            for x in leaves:
                x.grad = 0.0
            out = f(leaves)
            out.backward()
            return [out.data, *[x.grad for x in leaves]]

        return run

    return gradients


def ours() -> Engine:
    return Engine("autodiff", autodiff.exp, autodiff.log, autodiff.relu, _with_leaves(autodiff.Value), nn.MLP)


def micrograd() -> Engine:
    """micrograd, given the exp and log it lacks, in its own style."""
    from micrograd.engine import Value
    from micrograd.nn import MLP

    def exp(x: Any) -> Any:
        out = Value(math.exp(x.data), (x,), "exp")

        def _backward() -> None:
            x.grad += out.data * out.grad

        out._backward = _backward
        return out

    def log(x: Any) -> Any:
        out = Value(math.log(x.data), (x,), "log")

        def _backward() -> None:
            x.grad += out.grad / x.data

        out._backward = _backward
        return out

    return Engine("micrograd", exp, log, Value.relu, _with_leaves(Value), MLP)


def textbook() -> Engine:
    value = tests.benchmarks.textbook.Value
    return Engine("textbook Value", value.exp, value.log, value.relu, _with_leaves(value))


def torch() -> Engine:
    import torch

    torch.set_num_threads(1)

    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]

        def run() -> list[float]:
            for x in leaves:
                x.grad = None
            out = f(leaves)
            out.backward()
            return [out.item(), *[0.0 if x.grad is None else x.grad.item() for x in leaves]]

        return run

    return Engine("torch", torch.exp, torch.log, torch.relu, gradients)


def hips_autograd() -> Engine:
    import autograd
    import autograd.numpy as np

    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        value_and_grad = autograd.value_and_grad(f)

        def run() -> list[float]:
            value, gradient = value_and_grad(list(numbers))
            return [float(value), *map(float, gradient)]

        return run

    return Engine("autograd", np.exp, np.log, lambda x: np.maximum(x, 0.0), gradients)


def xad() -> Engine:
    import xad.adj_1st
    import xad.math

    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        def run() -> list[float]:
            with xad.adj_1st.Tape() as tape:
                leaves = [xad.adj_1st.Real(x) for x in numbers]
                for x in leaves:
                    tape.registerInput(x)
                tape.newRecording()
                out = f(leaves)
                tape.registerOutput(out)
                out.setDerivative(1.0)
                tape.computeAdjoints()
                return [out.getValue(), *[x.getDerivative() for x in leaves]]

        return run

    return Engine("xad", xad.math.exp, xad.math.log, lambda x: xad.math.max(x, 0.0), gradients)


def installed() -> list[Engine]:
    """Ours, micrograd, the textbook's, and those of the others that are installed."""
    engines = [ours(), micrograd(), textbook()]
    for peer in (torch, hips_autograd, xad):
        try:
            engines.append(peer())
        except ImportError:
            print(f"{peer.__name__} is not installed; left out")
    return engines
