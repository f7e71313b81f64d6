"""What compiled code is measured against: one-thread settings, and the calls of CasADi, heyoka and JAX.

Every peer is handed float64 numbers, and is written as its users write it: tensors for torch and JAX, matrices for
numpy, scalars for CasADi SX, heyoka and the Value classes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.benchmarks.engines import Engine, Run

Array = np.ndarray[Any, np.dtype[np.float64]]

ONE_THREAD = {  # for a process that loads the libraries after it
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
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


def heyoka() -> Engine:
    """heyoka's expressions, differentiated in reverse and compiled by LLVM, called with an array for the results.

    `gradients(f, numbers).call` is the call alone, without the list of results.
    """
    import heyoka

    def gradients(f: Callable[[list[Any]], Any], numbers: Sequence[float]) -> Run:
        variables = [heyoka.expression(f"x{i}") for i in range(len(numbers))]
        out = f(variables)
        slopes = heyoka.diff_tensors([out], diff_args=variables, diff_order=1).gradient
        function = heyoka.cfunc([out, *slopes], variables)
        given, results = np.array(numbers), np.zeros(1 + len(numbers))

        def call() -> None:
            function(given, outputs=results)

        def run() -> list[float]:
            call()
            return [*results]

        run.call = call  # type: ignore[attr-defined]
        return run

    return Engine("heyoka", heyoka.exp, heyoka.log, heyoka.relu, gradients)


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


def rosenbrock_of_array(x: Any) -> Any:
    """Rosenbrock's function of an array or a tensor."""
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
