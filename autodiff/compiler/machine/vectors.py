"""Memory by address, and eight doubles at once: the language of kernels.

Numbers live in one block of memory, given by its address; `get` and `put` leave out the wrap-around and bounds that
an array's index brings. A vector of eight doubles is a register of AVX-512, or two of AVX: LLVM splits it.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic, models, register_model

WIDTH = 8  # numbers in a vector
BYTES = 8  # of a number
_F = TypeVar("_F", bound=Callable[..., Any])

_DOUBLE, _INT, _INT32, _BYTE = ir.DoubleType(), ir.IntType(64), ir.IntType(32), ir.IntType(8)
_EIGHT, _MASK = ir.VectorType(_DOUBLE, WIDTH), ir.VectorType(ir.IntType(1), WIDTH)


def kernel(function: _F) -> _F:
    """Make machine code for other kernels to call; Python cannot."""
    options: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(_F, njit(**options)(function))


def part(function: _F) -> _F:
    """Make the function a part of the only kernel that calls it: a kernel of its own would be compiled twice."""
    return cast(_F, njit(error_model="numpy", inline="always")(function))


class _Vector(types.Type):
    pass


class _Mask(types.Type):
    pass


vector, mask = _Vector("eight doubles"), _Mask("which of eight")
_Model: Any = models.PrimitiveModel


@register_model(_Vector)
class _VectorModel(_Model):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _EIGHT)


@register_model(_Mask)
class _MaskModel(_Model):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _MASK)


def _operation(signature: Any, emit: Any, arity: int) -> Any:
    """An intrinsic of that many arguments, whose instructions `emit(builder, *arguments)` writes."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = emit(builder, *arguments)
        return context.get_dummy_value() if result is None else result

    # intrinsic looks at the number of parameters
    if arity == 0:
        return intrinsic(lambda typing: (signature, codegen))
    if arity == 1:
        return intrinsic(lambda typing, a: (signature, codegen))
    if arity == 2:
        return intrinsic(lambda typing, a, b: (signature, codegen))
    if arity == 3:
        return intrinsic(lambda typing, a, b, c: (signature, codegen))
    return intrinsic(lambda typing, a, b, c, d: (signature, codegen))


def _at(builder: Any, address: Any, index: Any, kind: Any = _DOUBLE) -> Any:
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index], inbounds=True)


def _vector_at(builder: Any, address: Any, index: Any) -> Any:
    return builder.bitcast(_at(builder, address, index), _EIGHT.as_pointer())


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, pointer, align=8)


def _splat(builder: Any, x: Any, kind: Any = _EIGHT) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), x, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT32, WIDTH), [0] * WIDTH))


_declared: Any = get_or_insert_function


def _first(builder: Any, n: Any) -> Any:
    kind = ir.VectorType(_INT, WIDTH)
    return builder.icmp_signed("<", ir.Constant(kind, list(range(WIDTH))), _splat(builder, n, kind))


def _masked_load(builder: Any, address: Any, index: Any, which: Any) -> Any:
    pointer = _vector_at(builder, address, index)
    kind = ir.FunctionType(_EIGHT, [pointer.type, _INT32, _MASK, _EIGHT])
    function = _declared(builder.module, kind, "llvm.masked.load.v8f64.p0")
    return builder.call(function, [pointer, ir.Constant(_INT32, 8), which, ir.Constant(_EIGHT, [0.0] * WIDTH)])


def _masked_store(builder: Any, address: Any, index: Any, value: Any, which: Any) -> None:
    pointer = _vector_at(builder, address, index)
    kind = ir.FunctionType(ir.VoidType(), [_EIGHT, pointer.type, _INT32, _MASK])
    function = _declared(builder.module, kind, "llvm.masked.store.v8f64.p0")
    builder.call(function, [value, pointer, ir.Constant(_INT32, 8), which])


def _muladd(builder: Any, x: Any, y: Any, z: Any) -> Any:
    return builder.fadd(builder.fmul(x, y), z)  # two roundings, as eager code has them


def _call(builder: Any, address: Any, arguments: Any) -> Any:
    values = [builder.extract_value(arguments, i) for i in range(len(arguments.type.elements))]
    kind = ir.FunctionType(_INT, [_INT] * len(values))
    return builder.call(builder.inttoptr(address, kind.as_pointer()), values)


@intrinsic
def _calling(typing: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at an address with a tuple of integers; it returns one."""

    def codegen(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _call(builder, *given)

    return types.int64(types.int64, arguments), codegen


call: Callable[[int, tuple[int, ...]], int] = cast(Any, _calling)


_N, _X, _NONE = types.int64, types.float64, types.none

integer: Any = types.int64  # integer(0) where a bare 0 would be a type of its own, and a copy of the function called
get: Callable[[int, int], float] = _operation(_X(_N, _N), lambda b, p, i: b.load(_at(b, p, i), align=8), 2)
put: Callable[[int, int, float], None] = _operation(_NONE(_N, _N, _X), lambda b, p, i, x: _store(b, x, _at(b, p, i)), 3)
number: Callable[[int, int], int] = _operation(
    _N(_N, _N), lambda b, p, i: b.load(_at(b, p, i, _INT), align=8), 2
)  # of a table of int64
entry: Callable[[int, int], int] = _operation(
    _N(_N, _N), lambda b, p, i: b.sext(b.load(_at(b, p, i, _INT32), align=4), _INT), 2
)  # of int32
put_byte = _operation(
    _NONE(_N, _N, _N), lambda b, p, i, x: b.store(b.trunc(x, _BYTE), _at(b, p, i, _BYTE), align=1) and None, 3
)
load = _operation(vector(_N, _N), lambda b, p, i: b.load(_vector_at(b, p, i), align=8), 2)
store = _operation(_NONE(_N, _N, vector), lambda b, p, i, x: _store(b, x, _vector_at(b, p, i)), 3)
load_some = _operation(vector(_N, _N, mask), _masked_load, 3)
store_some = _operation(_NONE(_N, _N, vector, mask), _masked_store, 4)
first = _operation(mask(_N), _first, 1)
splat = _operation(vector(_X), _splat, 1)
muladd = _operation(vector(vector, vector, vector), _muladd, 3)


def _product_error(builder: Any, x: Any, y: Any, product: Any) -> Any:
    return builder.fma(x, y, builder.fneg(product))


exact_product_error: Callable[[float, float, float], float] = _operation(
    _X(_X, _X, _X), _product_error, 3
)  # x * y - product, rounded once


def _stand_apart(builder: Any) -> None:
    builder.function.attributes.add("noinline")


apart = _operation(_NONE(), _stand_apart, 0)  # the function that says this is not copied into those that call it
