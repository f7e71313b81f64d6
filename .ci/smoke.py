"""What an installed wheel is asked: whether it imports, differentiates, draws and compiles; "native" is by the core.

python .ci/smoke.py [native | pure]
"""

import sys

import autodiff
import nn
from autodiff import native
from autodiff.app.version import report

print(report())
assert "site-packages" in autodiff.__file__, autodiff.__file__
assert sys.argv[1:] in ([], ["native"], ["pure"]), sys.argv
assert sys.argv[1:] != ["native"] or native.core is not None, native.reason
assert sys.argv[1:] != ["pure"] or native.core is None

x = autodiff.Value(3.0)
y = autodiff.tanh(x * x / 9.0) + x
y.backward()
assert abs(x.grad - (1.0 + 2.0 / 3.0 * (1.0 - autodiff.tanh(1.0) ** 2))) < 1e-15, x.grad
assert autodiff.grad(lambda x: x**3)(2.0) == 12.0
compiled = autodiff.compile(autodiff.value_and_grad(lambda xs: autodiff.dot(xs, xs)))  # without numpy
assert compiled([3.0, 4.0, 5.0]) == (50.0, [6.0, 8.0, 10.0])
assert compiled.stats().backend == ("python" if native.core is None else "native")
assert nn.MLP(2, [3, 1], seed=0)([1.0, 2.0]).data
assert autodiff.draw(y).text().count("\n") > 0
