"""Expressions in text: `parse("tanh(w*x + b)")` returns the function of Values, or of numbers, that it stands for.

The text is read by `ast` and never run: what is not a name, number, operator or function of the table is refused, with
its position and what to write instead. An expression is kept as a list of instructions for a machine with a stack, so
neither reading nor evaluating one recurses, and numbers are floats from the start: `9**9**9` is inf, at once.

    >>> from autodiff import Value
    >>> f = parse("tanh(w*x + b)")
    >>> f.names
    ('w', 'x', 'b')
    >>> w = Value(0.0, "w")
    >>> f(w=w, x=3.0, b=0.0).backward()
    >>> w.grad
    3.0
    >>> parse("tahn(x)")
    Traceback (most recent call last):
    autodiff.expression.ExpressionError: there is no function 'tahn'; did you mean 'tanh'?
      tahn(x)
      ^
"""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from autodiff import floats, functions, primitives
from autodiff.hints import ELSEWHERE, hint

LONGEST = 2_000  # characters
_SHOWN = 72  # characters of a line, in an error
CONSTANTS: Mapping[str, float] = MappingProxyType(
    {"pi": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf, "nan": math.nan}
)
"""Names that have a number of their own, unless they are given another."""

ALLOWED = "an expression holds names, numbers, + - * / // % **, parentheses and functions: sin(x), sum([x, y]), ..."

# What a part of an expression gives.
NUMBER, LIST, CONDITION = "a number", "a list", "a condition"


class ExpressionError(ValueError):
    """A fault in an expression: what is wrong, the line it stands on, and a caret under the place.

    Attributes:
        column: where, counted in characters from 0.
    """

    def __init__(self, message: str, text: str, line: int = 1, column: int = 0, advice: str = "") -> None:
        lines = _lines(text)
        shown = lines[min(line, len(lines)) - 1]
        self.column = column = max(0, min(column, len(shown)))
        start = max(0, column - _SHOWN // 2) if len(shown) > _SHOWN else 0
        excerpt = "".join(c if c.isprintable() else "?" for c in shown[start : start + _SHOWN])
        super().__init__(f"{message}\n  {excerpt}\n  {' ' * (column - start)}^" + (advice and f"\n{advice}"))


def _lines(text: str) -> list[str]:
    return re.split("\r\n|\r|\n", text)  # as Python's tokenizer does; splitlines() knows more line ends


class Function(NamedTuple):
    """A function that expressions may call: what to call, how many arguments of which kind, and what it gives."""

    call: Callable[..., Any]
    least: int
    most: int
    takes: str = NUMBER
    gives: str = NUMBER


def _functions() -> Iterator[tuple[str, Function]]:
    for name, entry in primitives.TABLE.items():
        call = getattr(functions, name, entry)
        if entry.facts.of_list:
            lists = 2 if entry.facts.parity == 0 else 1
            yield name, Function(call, lists, lists, LIST, NUMBER if entry.arity is None else LIST)
        elif name == "round":
            yield name, Function(lambda x, digits=0.0: primitives.round(x, digits), 1, 2)
        elif entry.arity is not None:
            yield name, Function(call, entry.arity - len(entry.facts.defaults), entry.arity)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(dict(_functions()))
"""Every function that an expression may call, by name."""

_BINARY: dict[type, Callable[..., Any]] = {
    ast.Add: primitives.add,
    ast.Sub: primitives.sub,
    ast.Mult: primitives.mul,
    ast.Div: primitives.div,
    ast.FloorDiv: primitives.floordiv,
    ast.Mod: primitives.mod,
    ast.Pow: primitives.pow,
}
_UNARY: dict[type, Callable[..., Any]] = {ast.USub: primitives.neg, ast.UAdd: lambda x: x}
_COMPARISONS: dict[type, Callable[..., Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Instruction(NamedTuple):
    """Push a number or the value of a name, or call with so many operands from the end of the stack."""

    call: Callable[..., Any] | None
    operands: int
    push: float | str = 0.0


class Expression:
    """A function of the numbers it names; `parse` makes it.

    Attributes:
        text: what it was parsed from.
        names: the names in it, in order of appearance, but for constants.
        constants: those of pi, e, tau, inf and nan that are in it; each may be given another number.

    >>> f = parse("x**2 + y")
    >>> f, f(x=3.0, y=1.0)
    (Expression('x**2 + y'), 10.0)
    """

    def __init__(self, text: str, instructions: list[Instruction]) -> None:
        self.text = text
        self._instructions = instructions
        names = dict.fromkeys(one.push for one in instructions if isinstance(one.push, str))
        self.names = tuple(name for name in names if name not in CONSTANTS)
        self.constants = tuple(name for name in names if name in CONSTANTS)

    def __call__(self, /, **numbers: Any) -> Any:
        """The value: a float of numbers, a Value of Values. Raises TypeError unless every name has a number."""
        if numbers.keys() - set(self.constants) != set(self.names):
            raise TypeError(f"{self!r} takes {', '.join(self.names) or 'no names'}, got {', '.join(numbers) or 'none'}")
        numbers = {**CONSTANTS, **numbers}
        stack: list[Any] = []
        for call, operands, push in self._instructions:
            if call is None:
                stack.append(numbers[push] if isinstance(push, str) else push)
            else:
                start = len(stack) - operands
                stack[start:] = [call(*stack[start:])]
        return stack[0]

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def parse(text: str) -> Expression:
    """The expression that a text stands for, as a function of the names in it.

    It may hold names, numbers, the operators + - * / // % ** with Python's precedence, the functions of the table,
    lists as arguments of those that take them, one of a list by its index, as in `softmax([x, y])[0]`, and comparisons
    as conditions of `where`. pi, e, tau, inf and nan are what they are in mathematics, unless they are given a number.
    What `autodiff.formula` writes is read, but for primitives of your own.

    Raises ExpressionError, a ValueError, with the position of what is not among these, for a text longer than 2,000
    characters, and for one nested too deeply; TypeError if it is not a string.

    >>> parse("where(x > 0, log(x), 0)")(x=0.0)
    0.0
    >>> parse("9**9**9")()
    inf
    >>> parse("open('file')")
    Traceback (most recent call last):
    autodiff.expression.ExpressionError: there is no function 'open'; `python -m autodiff --help` lists those there are
      open('file')
      ^
    """
    if not isinstance(text, str):
        raise TypeError(f"parse takes a string, got {type(text).__name__}")
    text = text.strip()
    if not text:
        raise ExpressionError("there is nothing here to evaluate", text, advice=ALLOWED)
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression has at most {LONGEST:,} characters, got {len(text):,}", text, 1, LONGEST)
    return Expression(text, _Reader(text).instructions())


# A node's instruction, the kind of its result, and its parts, each with the kind that it is to have.
_Parsed = tuple[Instruction, str, list[tuple[ast.expr, str]]]


class _Reader:
    """Turns the syntax tree of a text into instructions, or says where it cannot."""

    def __init__(self, text: str) -> None:
        self.text = text

    def instructions(self) -> list[Instruction]:
        """The instructions, those of each node after those of its parts."""
        instructions: list[Instruction] = []
        pending: list[tuple[ast.expr, str]] = [(self._tree(), NUMBER)]
        while pending:  # from the last part to the first, each before its own parts: the reverse of their order
            node, wanted = pending.pop()
            instruction, gives, parts = self._read(node)
            if gives != wanted and (gives, wanted) != (NUMBER, CONDITION):
                raise self._misplaced(node, gives, wanted)
            instructions.append(instruction)
            pending += parts
        return instructions[::-1]

    def _tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python, about code that nobody runs
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            where = (error.lineno or 1, error.offset - 1 if error.offset else LONGEST)  # no offset: at the end
            message = f"this is no expression: {error.msg}{_remark(error.msg, self.text)}"
            raise ExpressionError(message, self.text, *where, ALLOWED) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("this is nested too deeply; give parts of it names", self.text) from None
        except ValueError as error:  # a null byte, half a surrogate pair
            raise ExpressionError(f"this is no text: {error}", self.text) from None

    def _read(self, node: ast.expr) -> _Parsed:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return Instruction(None, 0, self._float(node, number)), NUMBER, []
            case ast.Name(id=name):
                if name in FUNCTIONS:
                    raise self._error(node, f"{name} is a function; call it, as in {self._example(name)}")
                return Instruction(None, 0, name), NUMBER, []
            case ast.BinOp(left, op, right) if type(op) in _BINARY:
                return Instruction(_BINARY[type(op)], 2), NUMBER, [(left, NUMBER), (right, NUMBER)]
            case ast.UnaryOp(op, operand) if type(op) in _UNARY:
                return Instruction(_UNARY[type(op)], 1), NUMBER, [(operand, NUMBER)]
            case ast.Compare(left, [op], [right]) if type(op) in _COMPARISONS:
                return Instruction(_COMPARISONS[type(op)], 2), CONDITION, [(left, NUMBER), (right, NUMBER)]
            case ast.BinOp(op=ast.BitXor()):
                raise self._error(node, "^ is no power here; write **, as in x**2")
            case ast.Call(func=ast.Constant() | ast.BinOp() | ast.UnaryOp() | ast.Call()):
                raise self._error(node, "* is missing; a product is written 2*(x + y)")
            case ast.Call(ast.Name(name), arguments, []):
                return self._call(node, name, arguments)
            case ast.List(elements) if elements:
                return Instruction(lambda *xs: list(xs), len(elements)), LIST, [(x, NUMBER) for x in elements]
            case ast.Subscript(inner, ast.Constant(value=int() as index)) if isinstance(inner, (ast.List, ast.Call)):
                size = _size(inner)
                if size is not None and index >= size:
                    raise self._error(node.slice, f"this list has {size} numbers, counted from 0")
                return Instruction(lambda xs: xs[index], 1), NUMBER, [(inner, LIST)]
        raise self._error(node, f"{_called(node)} has no place here", ALLOWED)

    def _call(self, node: ast.Call, name: str, arguments: list[ast.expr]) -> _Parsed:
        if name not in FUNCTIONS:
            remark = hint(name, FUNCTIONS, {k: v for k, v in ELSEWHERE.items() if v in FUNCTIONS})
            if not remark and (len(name) == 1 or name in CONSTANTS):
                remark = f"; a product is written {name}*(x + y)"
            raise self._error(
                node, f"there is no function {name!r}{remark or '; `python -m autodiff --help` lists those there are'}"
            )
        function = FUNCTIONS[name]
        if not function.least <= len(arguments) <= function.most:
            raise self._error(
                node, f"{name} takes {_count(function)}, as in {self._example(name)}; got {len(arguments)}"
            )
        if name == "dot" and None not in (sizes := [_size(x) for x in arguments]) and sizes[0] != sizes[1]:
            raise self._error(node, f"dot takes two lists of one length, got {sizes[0]} and {sizes[1]} numbers")
        kinds = [function.takes] * len(arguments)
        if name == "where":
            kinds[0] = CONDITION
        return Instruction(function.call, len(arguments)), function.gives, list(zip(arguments, kinds, strict=True))

    def _float(self, node: ast.expr, number: float) -> float:
        try:
            return floats.as_float(number)
        except OverflowError:
            raise self._error(node, "this number is too large for a float; write it as 1e300") from None

    def _misplaced(self, node: ast.expr, gives: str, wanted: str) -> ExpressionError:
        advice = {
            (LIST, NUMBER): "take one of it, as in softmax([x, y])[0], or their sum([...])",
            (LIST, CONDITION): "compare a number, as in where(x > 0, x, 0)",
            (NUMBER, LIST): "write [x, y]; of two numbers, maximum(x, y) and minimum(x, y)",
            (CONDITION, NUMBER): "a comparison has its place in where(x > 0, x, 0)",
            (CONDITION, LIST): "write [x, y]",
        }
        return self._error(node, f"expected {wanted}, got {gives}; {advice[gives, wanted]}")

    def _example(self, name: str) -> str:
        function = FUNCTIONS[name]
        if name == "where":
            return "where(x > 0, x, y)"
        arguments = ["x", "y", "z"] if function.takes == NUMBER else ["[x, y]", "[u, v]"]
        return f"{name}({', '.join(arguments[: function.most])})"

    def _error(self, node: ast.expr, message: str, advice: str = "") -> ExpressionError:
        line, offset = node.lineno, node.col_offset
        if isinstance(node, ast.Attribute):  # the dot, not what stands before it
            line, offset = node.value.end_lineno or line, node.value.end_col_offset or offset
        before = _lines(self.text)[line - 1].encode()[:offset]  # ast counts bytes
        return ExpressionError(message, self.text, line, len(before.decode(errors="replace")), advice)


_SIGNS = {"²": "**2", "³": "**3", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "√": "sqrt(x)", "∛": "cbrt(x)"}


def _remark(message: str, text: str) -> str:
    """The Python for notation that only mathematics has, as a hint; "" if none is known."""
    for sign, instead in _SIGNS.items():
        if f"invalid character '{sign}'" in message:
            return f"; write {instead}"
    if not message.startswith(("invalid decimal literal", "invalid syntax")):
        return ""
    product = re.search(r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) *([^\W\d]\w*)", text)
    return f"; a product is written {product[1]}*{product[2]}" if product else ""


def _size(node: ast.expr) -> int | None:
    """The length of a list, None for what is none."""
    while isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return len(node.elts) if isinstance(node, ast.List) else None


def _count(function: Function) -> str:
    what = "list" if function.takes == LIST else "number"
    counts = f"{function.least} or {function.most}" if function.least < function.most else str(function.most)
    return f"{counts} {what}{'s' * (function.most > 1)}"


def _called(node: ast.expr) -> str:
    """The name of a piece of Python, for an error."""
    match node:
        case ast.Constant(value):
            return "text" if isinstance(value, (str, bytes)) else f"{value!r}"
        case ast.Compare():
            return "this comparison (one at a time: < <= > >= == !=)"
        case ast.List():
            return "an empty list"
        case ast.Call():
            return "a call with names or stars, or of what is no name,"
        case ast.BinOp() | ast.UnaryOp() | ast.BoolOp():
            return "this operator"
        case ast.Attribute(attr=name):
            return f"the dot in .{name}"
        case ast.Subscript():
            return "this index (a whole number, of a list)"
    return f"a piece of Python ({type(node).__name__})"
