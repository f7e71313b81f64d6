"""What compiled code is measured against: one-thread settings, the textbook Value class, and CasADi's and JAX's calls.

Every peer is handed float64 numbers, and is written as its users write it: tensors for torch and JAX, matrices for
numpy, scalars for CasADi SX and the Value classes.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from tests.benchmarks.engines import Engine, Run

Array = np.ndarray[Any, np.dtype[np.float64]]

ONE_THREAD = {  # for a process that loads the libraries after it
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "NPROC": "1",  # of XLA's thread pool
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
}


def present(makers: Mapping[str, tuple[str, Callable[[], Any]]]) -> dict[str, Any]:
    """Return what is made by those whose module is installed; a line tells of the others."""
    made = {}
    for name, (module, make) in makers.items():
        if module and find_spec(module) is None:
            print(f"{name}: {module} is not installed; left out")
        else:
            made[name] = make()
    return made


def torch() -> Any:
    """Return torch, with one thread."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch


class Value:
    """The class that tutorials end with: a number, its children, and the local gradients, as tuples."""

    __slots__ = ("children", "data", "grad", "local_gradients")

    def __init__(
        self, data: float, children: tuple["Value", ...] = (), local_gradients: tuple[float, ...] = ()
    ) -> None:
        self.data = data
        self.grad = 0.0
        self.children = children
        self.local_gradients = local_gradients

    def __add__(self, other: Any) -> "Value":
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> "Value":
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent: float) -> "Value":
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def exp(self) -> "Value":
        out = math.exp(self.data)
        return Value(out, (self,), (out,))

    def log(self) -> "Value":
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> "Value":
        return Value(max(0.0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> "Value":
        return self * -1

    def __sub__(self, other: Any) -> "Value":
        return self + (-other)

    def __truediv__(self, other: Any) -> "Value":
        return self * other**-1

    def __radd__(self, other: float) -> "Value":
        return self + other

    def __rmul__(self, other: float) -> "Value":
        return self * other

    def backward(self) -> None:
        order: list[Value] = []
        visited: set[Value] = set()

        def visit(value: Value) -> None:
            if value not in visited:
                visited.add(value)
                for child in value.children:
                    visit(child)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for child, slope in zip(value.children, value.local_gradients, strict=True):
                child.grad += slope * value.grad


def textbook() -> Engine:
    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        leaves = [Value(x) for x in numbers]

        def run() -> list[float]:
            for leaf in leaves:
                leaf.grad = 0.0
            out = f(leaves)
            out.backward()
            return [out.data, *[leaf.grad for leaf in leaves]]

        return run

    return Engine("textbook Value", Value.exp, Value.log, Value.relu, gradients)


def casadi() -> Engine:
    """CasADi's scalar graphs in its virtual machine, called with buffers, which is the fastest call there is.

    `gradients(f, numbers).call` is the call alone, without the list of results.
    """
    import casadi

    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        x = casadi.SX.sym("x", len(numbers))
        out = f(casadi.vertsplit(x))
        function = casadi.Function("f", [x], [out, casadi.densify(casadi.gradient(out, x))])
        buffer, call = function.buffer()
        given, value, gradient = np.array(numbers), np.zeros(1), np.zeros(len(numbers))
        buffer.set_arg(0, memoryview(given))
        buffer.set_res(0, memoryview(value))
        buffer.set_res(1, memoryview(gradient))

        def run() -> list[float]:
            call()
            return [value.item(), *gradient]

        call.keep = function, buffer, given, value, gradient  # it holds none of them itself
        run.call = call  # type: ignore[attr-defined]  # without the list of results
        return run

    return Engine("CasADi SX", casadi.exp, casadi.log, lambda x: casadi.fmax(x, 0.0), gradients)


# --- the chain, and Rosenbrock's function ---


def chain(operations: int) -> Callable[[Any], Any]:
    """Return a function of one number: times x and plus a constant, in turn, so that nothing in it can be folded."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(operations // 2):
            y = y * x
            y = y + 0.001
        return y

    return f


def rosenbrock(x: Any) -> Any:
    """Return Rosenbrock's function of a list of scalars."""
    return sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x))


def rosenbrock_of_array(x: Any) -> Any:
    """Return the same, of an array or a tensor."""
    a, b = x[:-1], x[1:]
    return (100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2).sum()


def jax_gradient(f: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    """Return a run of jitted value_and_grad of f, from Python and back: x is what users hold, a float or an array."""
    import jax

    function = jax.jit(jax.value_and_grad(f))
    return lambda: jax.block_until_ready(function(x))


def torch_gradient(f: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    """Return a run of f on a tensor, and backward()."""
    library = torch()
    leaf = library.tensor(x, dtype=library.float64, requires_grad=True)

    def run() -> Any:
        leaf.grad = None
        out = f(leaf)
        out.backward()
        return out, leaf.grad

    return run
