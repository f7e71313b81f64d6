# What type checkers read: written from the table of primitives by `python -m tests.table --write`.

from collections.abc import Callable
from typing import Any, Protocol, overload

from autodiff.primitives import Primitive
from autodiff.value import Value

class Unary(Protocol):
    @overload
    def __call__(self, x: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, /) -> float: ...

class Binary(Protocol):
    @overload
    def __call__(self, x: Value, y: Value | float, /) -> Value: ...
    @overload
    def __call__(self, x: Value | float, y: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, y: float, /) -> float: ...

FUNCTIONS: dict[str, Primitive]
METHODS: list[str]

def method(primitive: Primitive) -> Callable[[Any], Value]: ...

__all__ = [
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "mod",
    "floordiv",
    "sign",
    "floor",
    "ceil",
    "square",
    "reciprocal",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "arctan2",
    "hypot",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "erf",
    "erfc",
    "sigmoid",
    "softplus",
    "relu",
    "silu",
    "gelu",
    "maximum",
    "minimum",
]

add: Binary
sub: Binary
mul: Binary
div: Binary
neg: Unary
pow: Binary
mod: Binary
floordiv: Binary
abs: Unary
sign: Unary
floor: Unary
ceil: Unary
square: Unary
reciprocal: Unary
exp: Unary
exp2: Unary
expm1: Unary
log: Unary
log2: Unary
log10: Unary
log1p: Unary
sqrt: Unary
cbrt: Unary
sin: Unary
cos: Unary
tan: Unary
arcsin: Unary
arccos: Unary
arctan: Unary
arctan2: Binary
hypot: Binary
sinh: Unary
cosh: Unary
tanh: Unary
arcsinh: Unary
arccosh: Unary
arctanh: Unary
erf: Unary
erfc: Unary
sigmoid: Unary
softplus: Unary
relu: Unary
silu: Unary
gelu: Unary
maximum: Binary
minimum: Binary

class UnaryMethods:
    def sign(self) -> Value: ...
    def floor(self) -> Value: ...
    def ceil(self) -> Value: ...
    def square(self) -> Value: ...
    def reciprocal(self) -> Value: ...
    def exp(self) -> Value: ...
    def exp2(self) -> Value: ...
    def expm1(self) -> Value: ...
    def log(self) -> Value: ...
    def log2(self) -> Value: ...
    def log10(self) -> Value: ...
    def log1p(self) -> Value: ...
    def sqrt(self) -> Value: ...
    def cbrt(self) -> Value: ...
    def sin(self) -> Value: ...
    def cos(self) -> Value: ...
    def tan(self) -> Value: ...
    def arcsin(self) -> Value: ...
    def arccos(self) -> Value: ...
    def arctan(self) -> Value: ...
    def sinh(self) -> Value: ...
    def cosh(self) -> Value: ...
    def tanh(self) -> Value: ...
    def arcsinh(self) -> Value: ...
    def arccosh(self) -> Value: ...
    def arctanh(self) -> Value: ...
    def erf(self) -> Value: ...
    def erfc(self) -> Value: ...
    def sigmoid(self) -> Value: ...
    def softplus(self) -> Value: ...
    def relu(self) -> Value: ...
    def silu(self) -> Value: ...
    def gelu(self) -> Value: ...
