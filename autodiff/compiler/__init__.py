"""compile: ordinary scalar code over Values, run as fast as numerical code written by hand.

A function is traced once (`tracing`) into a program of flat arrays (`program`, `opcodes`), which passes make smaller
(`passes`) and a backend runs (`python_backend`, `numba_backend`). What users call is in `compiled`.
"""

from autodiff.compiler.compiled import Compiled, compile
from autodiff.compiler.prepared import Prepared
from autodiff.compiler.trace.refusals import TracingError
from autodiff.compiler.versions.stats import Stats

__all__ = ["Compiled", "Prepared", "Stats", "TracingError", "compile"]
