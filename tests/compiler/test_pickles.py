"""Pickles of compiled functions and programs: checked before they run."""

import copy
import pickle
from array import array
from typing import Any

import pytest

from autodiff import Value, compile
from autodiff.compiler.programs import opcodes, saved
from autodiff.compiler.programs.program import Program


def test_a_pickled_function_runs_its_programs_and_traces_no_more(backend: str) -> None:
    w = Value(3.0, "w")
    f = compile(lambda x: w * x if x > 0 else x, backend=backend)
    f(2.0)
    other, leaf = pickle.loads(pickle.dumps((f, w)))
    assert (other(4.0), other.__name__) == (12.0, f.__name__)
    leaf.data = 5.0
    assert (other(4.0), f(4.0)) == (20.0, 12.0)
    for args in ((-1.0,), (1.0, 2.0)):
        with pytest.raises(RuntimeError, match="was pickled"):
            other(*args)
    assert copy.copy(other)(1.0) == 5.0


def test_a_pickle_names_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another primitive in the table moves opcodes; what a pickle means stays."""
    program = Program.of(2, [0.5], [("mul", (0, 1)), ("maximum", (3, 2)), ("less", (4, 0))], [4, 5])
    text = pickle.dumps(program)
    moved = (*opcodes.OPCODES[1:], opcodes.OPCODES[0])
    for name in ("saved.OPCODES", "program.OPCODES"):
        monkeypatch.setattr(f"autodiff.compiler.programs.{name}", moved)
    monkeypatch.setattr(saved, "CODE", {primitive.name: code for code, primitive in enumerate(moved)})
    loaded = pickle.loads(text)
    assert [moved[code].name for code in loaded.codes] == ["mul", "maximum", "less"]
    assert loaded.operands == program.operands


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kept": 0}, "has a program of format 0, expected 1"),
        ({"names": ("mul", "exq")}, "has a program with 'exq', which this autodiff has not"),
        ({"names": ("mul",)}, "an operation that has no name"),
        ({"names": ("mul", "hypot")}, "whose slot 3 is hypot of 1 numbers"),
        ({"operands": array("i", [0, 3, 2])}, "whose slot 2 is made from later ones"),
        ({"operands": array("i", [0, -1, 2])}, "whose slot 2 is made from later ones"),
        ({"outputs": array("i", [4])}, "gives a slot that it has not: it has 4"),
        ({"guards": array("i", [-1]), "expected": b"\1"}, "gives a slot that it has not"),
        ({"starts": array("q", [0, 2, 4])}, "do not share out the operands"),
        ({"starts": array("q", [0, 4, 3])}, "whose slot 2 is mul of"),
        ({"varying": b""}, "with 2 inputs"),
    ],
)
def test_a_program_that_cannot_run_is_refused_when_it_is_loaded(change: dict[str, Any], message: str) -> None:
    program = Program.of(2, [], [("mul", (0, 1)), ("exp", (2,))], [3])
    _, (kept, _, names, *fields) = saved.reduced(program)
    fields = Program(*fields)._replace(**{name: x for name, x in change.items() if name not in ("kept", "names")})
    names = change.get("names", names)
    with pytest.raises(pickle.UnpicklingError, match=f"{message}.*: call compile again"):
        saved.restored(change.get("kept", kept), saved._digest(names, fields), names, *fields)


def test_every_flipped_bit_of_a_program_in_a_pickle_is_noticed() -> None:
    program = Program.of(2, [0.5], [("mul", (0, 1)), ("add", (3, 2)), ("exp", (4,))], [3, 5], [4], b"\1")
    text = pickle.dumps(program)
    begin = text.index(b"restored") + len(b"restored")
    for at in range(begin, len(text)):
        for bit in (1, 16):
            damaged = bytearray(text)
            damaged[at] ^= bit
            try:
                loaded = pickle.loads(bytes(damaged))
            except Exception:
                continue
            assert loaded == program


def test_a_compiled_function_of_another_format_is_refused(backend: str) -> None:
    f = compile(lambda x: x * x, rows=0, reduce="sum", backend=backend)
    f([1.0, 2.0])
    state = f.__getstate__()
    for damaged, message in (
        ({"options": f.options._replace(reduce="mean")}, "is damaged"),
        ({"seal": (0, b"")}, "of format 0, expected 1"),
        ({"seal": None}, "of format None"),
        ({"versions": None}, "is damaged"),
    ):
        with pytest.raises(pickle.UnpicklingError, match=f"{message}.*: call compile again on the function"):
            object.__new__(type(f)).__setstate__({**state, **damaged})
