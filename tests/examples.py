"""What several tests look at: small graphs, a primitive of one's own, the line that a test stands on."""

import inspect
from typing import Any

import autodiff as ad
from autodiff import Domain, Value

swish = ad.primitive(
    "swish",
    evaluate=lambda x, beta: x * ad.sigmoid(beta * x),
    partials=[
        lambda out, x, beta: ad.sigmoid(beta * x) * (1 + beta * x * ad.sigmoid(-beta * x)),
        lambda out, x, beta: x * x * ad.sigmoid(beta * x) * ad.sigmoid(-beta * x),
    ],
    domain=Domain(((-20.0, 20.0), (0.5, 3.0)), kinks=lambda x, beta: x),
)


def circuit() -> tuple[Value, Value, Value, Value]:
    """x, y, z and f = (x + y) z, before backward."""
    x, y, z = Value(-2.0, "x"), Value(5.0, "y"), Value(-4.0, "z")
    q = x + y
    q.label = "q"
    f = q * z
    f.label = "f"
    return x, y, z, f


def neuron() -> Value:
    """y = tanh(w x + b), before backward."""
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-0.3, "b")
    y = ad.tanh(w * x + b)
    y.label = "y"
    return y


def micrograds(a: Any, b: Any) -> Any:
    """The expression of micrograd's README."""
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g


def line_here() -> int:
    """The line that this is called on."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno
