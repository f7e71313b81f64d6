"""Sources: the user's line, and the modules around it."""

import copy
import functools
import gc
import math
import operator
import pickle
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value, sources
from tests.examples import line_here


def test_source_is_the_users_line_only_inside_the_context() -> None:
    x = Value(2.0)
    with ad.record_source():
        line = line_here() + 1
        nodes = [x * x, -x, 2 + x, ad.exp(x), ad.dot([x], [3.0]), Value(1.0), math.floor(x), x.sin()]
    sources = [node.source for node in nodes]
    assert {(s.filename, s.line, s.modules) for s in sources if s} == {(__file__, line, ())}
    assert None not in sources
    assert (x * x).source is None
    assert (nodes[0] * 2.0).source is None
    assert str(sources[0]) == f"{__file__}:{line}"


def test_source_names_the_modules_around_a_node() -> None:
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    with ad.record_source():
        line = line_here() + 1
        out = model([1.0, 2.0])
    assert out.source is not None
    assert (out.source.filename, out.source.line) == (__file__, line)
    assert out.source.modules == ("MLP", "layers.1", "neurons.0")
    hidden = out.operands[0].operands[3]  # type: ignore[union-attr]
    assert hidden.source.modules == ("MLP", "layers.0", "neurons.0")  # type: ignore[union-attr]
    assert str(hidden.source).endswith(f":{line} in MLP.layers.0.neurons.0")  # type: ignore[union-attr]


def test_source_names_a_module_once_whose_methods_call_each_other() -> None:
    layer = nn.Layer(1, 1, seed=0)  # its call goes through its method `outputs`
    with ad.record_source():
        out = layer([1.0])
    assert out.source.modules == ("Layer", "neurons.0")


def test_function_that_is_given_a_module_is_not_inside_it() -> None:
    def loss(model: nn.Neuron) -> Value:
        return model([1.0]) - 1.0

    with ad.record_source():
        out = loss(nn.Neuron(1, seed=0))
    assert out.source.modules == ()
    assert out.operands[0].source.modules == ("Neuron",)  # type: ignore[union-attr]


def test_subclass_of_value_stays_itself_inside_record_source() -> None:
    class Parameter(Value):
        pass

    with ad.record_source():
        x = Parameter(2.0, "w")
    assert type(x) is Parameter
    y = x * 3.0 + 2.0 * x
    y.backward()
    assert (y.data, x.grad) == (10.0, 5.0)


def test_source_is_the_users_line_also_through_other_packages() -> None:
    values = np.array([Value(3.0), Value(4.0)])
    with ad.record_source():
        line = line_here() + 1
        nodes = [np.linalg.norm(values), np.mean(values), np.sum(values), functools.reduce(operator.mul, values)]
    assert {(node.source.filename, node.source.line) for node in nodes} == {(__file__, line)}


def test_sources_survive_copies_and_pickles() -> None:
    with ad.record_source():
        y = Value(2.0) * 3.0
    for twin in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        assert twin.source == y.source
        assert type(twin) is type(y)


def test_values_with_and_without_sources_mix() -> None:
    x = Value(2.0)
    with ad.record_source():
        y = x * x
    z = y * x + y
    z.backward()
    assert (z.data, x.grad) == (12.0, 16.0)
    assert type(z) is Value


def test_what_is_recorded_with_sources_is_freed_at_once_with_all_frames() -> None:
    class Watched:
        pass

    def work() -> Any:
        watched = Watched()
        with ad.record_source():
            assert (Value(1.0) * 2.0).source is not None
        return weakref.ref(watched)

    gc.collect()
    gc.disable()
    try:
        assert work()() is None
    finally:
        gc.enable()


# --- which code is the user's ---


def module_with(code: str, name: str, filename: str) -> Any:
    made = ModuleType(name)
    exec(compile(code, filename, "exec"), vars(made))
    return made


CALLING = "def call(f, *args): return f(*args)"


def test_a_package_that_says_so_is_passed_over() -> None:
    engine = module_with(CALLING, "engine.core", "engine/core.py")
    with ad.record_source():
        assert engine.call(Value, 1.0).source.filename == "engine/core.py"
        sources.pass_over("engine")
        try:
            assert engine.call(Value, 1.0).source.filename == __file__
            assert engine.call(sources.user_line).filename == __file__
        finally:
            sources._machinery.remove("engine")


def test_packages_are_told_by_their_whole_name() -> None:
    for name in ("autodiff_extras.core", "nnet", "my.nn"):
        with ad.record_source():
            assert module_with(CALLING, name, "elsewhere.py").call(Value, 1.0).source.filename == "elsewhere.py"


def test_code_of_an_installed_package_counts_where_no_line_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_installed", lambda: ("",))  # everything is installed
    with ad.record_source():
        source = Value(1.0).source
    assert source is not None
    assert source.filename == __file__
    assert sources.user_line()[:2] == sources.user_source()[:2]
    monkeypatch.setattr(sources, "_is_not_machinery", lambda frame: False)
    assert sources.user_source().filename == sources.__file__


def test_a_line_is_a_source_without_its_modules() -> None:
    class Net(nn.Module):
        def __call__(self) -> tuple[sources.Source, sources.Source]:
            return sources.user_line(), sources.user_source()

    line, source = Net()()
    assert line == source._replace(modules=(), span=None)
    assert source.modules == ("Net",)


def test_a_module_is_anything_that_names_its_parts() -> None:
    class Part:
        def child_name(self, child: object) -> str | None:
            return None

        def make(self) -> Any:
            return Value(1.0)

    class Whole:
        def __init__(self) -> None:
            self.part, self.stranger = Part(), Part()

        def child_name(self, child: object) -> str | None:
            return "the part" if child is self.part else None

        def make(self, part: Part) -> Any:
            return part.make()

    whole = Whole()
    with ad.record_source():
        assert whole.make(whole.part).source.modules == ("Whole", "the part")
        assert whole.make(whole.stranger).source.modules == ("Whole", "Part")
