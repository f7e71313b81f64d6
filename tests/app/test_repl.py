"""At a prompt: what is shown, completed, explained by help(), and said about a name that is not there."""

import builtins
import copy
import doctest
import inspect
import math
import pydoc
import re
import statistics
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value, hints, primitives
from autodiff.primitives import TABLE
from nn import hints as nn_hints

ROOT = Path(__file__).parent.parent.parent


def message(get: Any) -> str:
    """Return what the AttributeError says that `get` raises."""
    with pytest.raises(AttributeError) as caught:
        get()
    return str(caught.value)


def printed(*lines: str) -> str:
    """Return what a prompt prints on stderr for these lines."""
    result = subprocess.run(
        [sys.executable, "-i", "-q"],
        input="\n".join(lines) + "\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stderr


# --- names that are missing ---


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("item", "did you mean 'data'?"),
        ("value", "did you mean 'data'?"),
        ("numpy", "did you mean 'data'?"),
        ("backwards", "did you mean 'backward'?"),
        ("asin", "did you mean 'arcsin'?"),
        ("arctg", "did you mean 'arctan'?"),
        ("_prev", "it is x.operands, in which constants are floats; autodiff.draw(x) draws the graph"),
        ("_children", "it is x.operands, in which constants are floats; autodiff.draw(x) draws the graph"),
        ("_op", "it is x.op, the Primitive that made x, None for a leaf; its name is x.op.name"),
        ("_local_grads", "did you mean 'local_gradients'?"),
        ("m", "a Value has no room for it; keep it beside, in a dict: m = {p: 0.0 for p in parameters}"),
        ("requires_grad", "every Value has a gradient; x.detach() gives one that passes none on"),
        ("zero_", "write x.grad = 0.0"),
        ("softmax", "it is a function: autodiff.softmax"),
    ],
)
def test_names_of_other_libraries_lead_to_ours_on_a_value(name: str, remark: str) -> None:
    assert message(lambda: getattr(Value(1.0), name)) == f"'Value' object has no attribute {name!r}; {remark}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("asin", "arcsin"),
        ("sofmax", "softmax"),
        ("Tensor", "Value"),
        ("Hessian", "hessian"),
        ("jit", "compile"),
        ("Function", "primitive"),
        ("summ", "sum"),
    ],
)
def test_missing_functions_lead_to_the_ones_that_are_there(name: str, meant: str) -> None:
    assert message(lambda: getattr(ad, name)) == f"module 'autodiff' has no attribute {name!r}; did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("check_grads", "it is autodiff.testing.check_grads"),
        ("gradcheck", "it is autodiff.testing.check_grads"),
        ("pi", "it is Python's own: math.pi"),
        ("vmap", "of many rows, write [f(x) for x in rows], or compile(f, rows=0), which runs them as one program"),
        ("Adam", "optimisers are in nn: import nn"),
    ],
)
def test_names_of_what_stands_elsewhere_say_where(name: str, remark: str) -> None:
    assert message(lambda: getattr(ad, name)) == f"module 'autodiff' has no attribute {name!r}; {remark}"


@pytest.mark.parametrize(
    ("module", "name", "remark"),
    [
        (nn, "Linear", 'write nn.Layer(nin, nout, "linear")'),
        (nn, "Adam", "it is nn.optim.Adam"),
        (nn, "MSELoss", "write nn.mse(outputs, targets)"),
        (nn, "CrossEntropyLoss", "write nn.cross_entropy(logits, targets)"),
        (nn, "Parameter", "every autodiff.Value(...) in an attribute of a Module is a parameter"),
        (nn.optim, "Adagrad", "write nn.optim.Adam(model.parameters(), lr=1e-3)"),
        (nn.init, "xavier_uniform_", "a layer takes init, the name of an initialiser, or one such as nn.init.glorot("),
    ],
)
def test_names_of_other_libraries_lead_to_those_of_nn(module: Any, name: str, remark: str) -> None:
    assert message(lambda: getattr(module, name)).startswith(
        f"module {module.__name__!r} has no attribute {name!r}; {remark}"
    )


def test_a_misspelt_name_of_nn_is_suggested_at_the_prompt() -> None:
    assert message(lambda: nn.qqq) == "module 'nn' has no attribute 'qqq'"
    assert "'cross_entropy'?" in printed("import nn", "nn.crossentropy")


def test_zero_grad_of_the_package_is_not_taken_for_no_grad() -> None:
    said = "module 'autodiff' has no attribute 'zero_grad'; write x.grad = 0.0 for each, or optimizer.zero_grad()"
    assert message(lambda: getattr(ad, "zero_grad")) == said  # noqa: B009


SENTENCES = [*hints.ELSEWHERE.values(), *hints.ELSEWHERE_ON_VALUES.values(), *nn_hints.ELSEWHERE.values()]


@pytest.mark.parametrize("sentence", sorted({s for s in SENTENCES if "." in s}))
def test_what_a_remark_names_is_there(sentence: str) -> None:
    for package, path in re.findall(r"\b(autodiff|nn|math|np)\.([\w.]*\w)", sentence):
        thing: Any = {"autodiff": ad, "nn": nn, "math": math, "np": np}[package]
        for name in path.split("."):
            thing = getattr(thing, name)


before_3_12 = pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python's own error, which hides nothing")


@pytest.mark.parametrize(
    "name", ["_backward", "_prev", *[pytest.param(name, marks=before_3_12) for name in ("m", "v", "momentum", "name")]]
)
def test_a_value_says_what_to_do_with_what_it_has_no_room_for(name: str) -> None:
    x = Value(1.0)
    said = message(lambda: setattr(x, name, 0.0))
    assert said == message(lambda: getattr(x, name))
    assert said.startswith(f"'Value' object has no attribute {name!r}; ")
    assert not hasattr(x, name)
    with ad.record_source():
        assert message(lambda: setattr(Value(1.0), name, 0.0)).startswith("'SourcedValue' object has no attribute")


def test_a_subclass_with_room_for_attributes_may_have_them() -> None:
    class Weight(Value):
        pass

    w: Any = Weight(1.0)
    for name in ("m", "item", "_backward"):
        setattr(w, name, 3.0)
        assert getattr(w, name) == copy.deepcopy(w).__dict__[name] == 3.0
        delattr(w, name)
        assert not hasattr(w, name)
        with pytest.raises(AttributeError):
            delattr(w, name)


OWN = 'an operation of your own is autodiff.primitive("name", evaluate=..., partials=[...])'


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x: Value(3.0, (x,), (1.0,)), f"Value(...) takes a number and a label, got 3 arguments; {OWN}"),
        (lambda x: Value(3.0, {x}, "+"), f"Value(...) takes a number and a label, got 3 arguments; {OWN}"),
        (lambda x: Value(3.0, (x,)), f"a label is a string, got tuple; {OWN}"),
        (
            lambda x: Value(3.0, children=(x,), local_grads=(1.0,)),
            f"Value(...) takes a number and a label, got children=..., local_grads=...; {OWN}",
        ),
        (lambda x: Value(3.0, _op="+"), f"Value(...) takes a number and a label, got _op=...; {OWN}"),
        (lambda x: Value(3.0, name="x"), "Value(...) takes a number and a label, got name=...; did you mean 'label'?"),
        (lambda x: Value(3.0, qqq=1), "Value(...) takes a number and a label, got qqq=..."),
        (
            lambda x: x.backward(retain_graph=True),
            "backward() takes a gradient to start from, got retain_graph=...; "
            "a graph stays: backward() can be called again",
        ),
        (
            lambda x: x.backward(create_graph=True),
            "backward() takes a gradient to start from, got create_graph=...; "
            "autodiff.gradient(y, x) gives gradients that can be differentiated again",
        ),
        (lambda x: ad.max(x, x), "max takes a list of numbers, got 2 arguments; write max([x, y]), or maximum(x, y)"),
        (lambda x: ad.sum(x, x), "sum takes a list of numbers, got 2 arguments; write sum([x, y]), or x + y"),
        (lambda x: ad.sum(x, x, x), "sum takes a list of numbers, got 3 arguments; write sum([x, y])"),
        (
            lambda x: ad.grad(ad.tanh)(np.ones(2)),
            "tanh takes single numbers, and grad(tanh) got an array of shape (2,) at args[0]; "
            "for each of them, write [grad(tanh)(x) for x in numbers]",
        ),
        (
            lambda x: ad.hessian(ad.maximum, 1)(1.0, [1.0, 2.0]),
            "maximum takes single numbers, and hessian(maximum) got a list of 2 at args[1]; "
            "for each of them, write [hessian(maximum)(x) for x in numbers]",
        ),
    ],
)
def test_calls_as_other_libraries_have_them_say_what_to_write(make: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        make(Value(1.0))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "f", [ad.sum, ad.prod, ad.mean, ad.norm, ad.max, ad.min, ad.logsumexp, ad.softmax, ad.log_softmax]
)
@pytest.mark.parametrize("args", [(Value(1.0), 2.0), (1.0, 2.0, 3.0), ([1.0], [2.0])])
def test_functions_of_a_list_say_so_when_called_with_the_numbers(f: Any, args: Any) -> None:
    name = f.__name__
    with pytest.raises(TypeError, match=rf"^{name} takes a list of numbers, got {len(args)} arguments; write {name}\("):
        f(*args)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    assert message(lambda: ad.qqq) == "module 'autodiff' has no attribute 'qqq'"
    assert message(lambda: Value(1.0).qqq) == "'Value' object has no attribute 'qqq'"  # type: ignore[attr-defined]
    assert message(lambda: ad.__wrapped__) == "module 'autodiff' has no attribute '__wrapped__'"


def test_misspelt_methods_are_suggested() -> None:
    """By the error itself where Python can afford `__getattr__`, else by Python's prompt, and never by both."""
    said = printed("from autodiff import Value", "Value(1.0).arctn()", "Value(1.0).backwards()")
    assert said.count("id you mean") == 2
    assert said.count("'arctan'?") == 1
    assert said.count("'backward'?") == 1


def test_misspelt_functions_are_suggested_once() -> None:
    said = printed("import autodiff", "autodiff.sofmax", "autodiff.asin")
    assert said.count("id you mean") == 2


def test_the_error_of_a_misspelt_method_says_what_was_meant() -> None:
    """The function that is `__getattr__` from Python 3.12 on, on any Python."""
    names, meant = tuple(dir(Value(1.0))), hints.ELSEWHERE_ON_VALUES
    assert message(lambda: hints.say_missing(names, meant, Value(1.0), "arctn")).endswith("; did you mean 'arctan'?")
    assert message(lambda: hints.say_missing(names, meant, Value(1.0), "arctg")).endswith("; did you mean 'arctan'?")


@pytest.mark.parametrize("name", sorted(hints.ELSEWHERE))
def test_what_the_dictionary_suggests_is_there(name: str) -> None:
    meant = hints.ELSEWHERE[name]
    assert name not in dir(ad)
    assert not meant.isidentifier() or meant in dir(ad)


@pytest.mark.parametrize("room", ["backprop", "compiler", "expression", "testing"])
def test_a_public_name_that_stands_in_a_room_is_pointed_to_from_the_package(room: str) -> None:
    module = import_module(f"autodiff.{room}")
    public = getattr(module, "__all__", ["parse"])
    for name in set(public) - set(dir(ad)):
        assert message(lambda name=name: getattr(ad, name)).endswith(f"; it is autodiff.{room}.{name}")


@pytest.mark.parametrize("name", sorted(hints.ELSEWHERE_ON_VALUES))
def test_what_the_dictionary_of_values_suggests_is_there(name: str) -> None:
    meant = hints.ELSEWHERE_ON_VALUES[name]
    assert name not in dir(Value(1.0))
    assert not meant.isidentifier() or meant in dir(Value(1.0))


@pytest.mark.parametrize(
    "name", ["__array_interface__", "__array_struct__", "__len__", "dtype", "shape", "item", "numpy", "T"]
)
def test_what_other_libraries_look_for_is_not_there(name: str) -> None:
    assert not hasattr(Value(1.0), name)


def test_a_class_without_getattr_keeps_attributes_fast_on_python_3_11() -> None:
    assert hasattr(Value, "__getattr__") == (sys.version_info >= (3, 12))


def test_subclasses_are_named_and_keep_their_own_names() -> None:
    class Weight(Value):
        item = 3

    assert Weight(1.0).item == 3
    assert message(lambda: Weight(1.0).zero_) == "'Weight' object has no attribute 'zero_'; write x.grad = 0.0"  # type: ignore[attr-defined]
    assert "item" in dir(Weight(1.0))


# --- completion and help ---


def test_dir_lists_the_public_names_alone() -> None:
    assert set(ad.__all__) < set(dir(ad))
    assert not [name for name in dir(ad) if name.startswith("_")]
    names = dir(Value(1.0))
    assert {"data", "grad", "label", "op", "operands", "local_gradients", "backward", "detach", "exp"} <= set(names)
    assert not [name for name in names if name.startswith("_")]
    assert all(hasattr(Value(1.0), name) for name in names)


@pytest.mark.parametrize("package", [ad, nn], ids=["autodiff", "nn"])
def test_a_star_import_shadows_no_builtin(package: Any) -> None:
    names: dict[str, Any] = {}
    exec(f"from {package.__name__} import *", names)
    assert names.keys() - {"__builtins__"} == set(package.__all__)
    assert not set(package.__all__) & set(dir(builtins))
    assert set(dir(ad)) - set(ad.__all__) == set(dir(ad)) & set(dir(builtins)) >= {"max", "sum", "abs", "pow"}


def test_help_of_value_opens_with_its_signature_and_documents_every_name() -> None:
    text = pydoc.plain(pydoc.render_doc(Value))
    assert "Value(data: 'Any', label: 'str' = '')" in text.splitlines()[3]
    for said in ("A number that remembers how it was made", "The number, a float.", "The Primitive that made it"):
        assert said in text
    assert "requires_grad" not in text
    for name in dir(Value(1.0)):
        assert name == "source" or inspect.getdoc(getattr(Value, name)), name


def test_help_of_the_package_names_every_function() -> None:
    text = pydoc.plain(pydoc.render_doc(ad))
    overview = text.partition("PACKAGE CONTENTS")[0]
    for name in dir(ad):
        assert f"`{name}`" in overview, name


@pytest.mark.parametrize("entry", TABLE.values(), ids=str)
def test_the_example_of_each_primitive_prints_what_it_says(entry: primitives.Primitive) -> None:
    names = {**vars(primitives), "Value": Value}
    example = doctest.DocTestParser().get_doctest(str(entry.__doc__), names, entry.name, None, None)
    assert len(example.examples) == 2
    said: list[str] = []
    assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, said


@pytest.mark.parametrize("package", [ad, nn], ids=["autodiff", "nn"])
def test_every_public_name_shows_an_example(package: Any) -> None:
    things = {name: getattr(package, name) for name in package.__all__}
    for kind in [thing for thing in things.values() if inspect.isclass(thing) and thing is not ad.Graph]:
        things |= {f"{kind.__name__}.{name}": f for name, f in vars(kind).items() if name[0] != "_" and callable(f)}
    for name, thing in things.items():
        assert inspect.ismodule(thing) or thing is ad.Graph or ">>> " in str(thing.__doc__), name


# --- what is shown ---


def test_ipython_shows_values_lists_and_modules_on_a_line_each() -> None:
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    x = Value(2.0, "x")
    assert pretty(x) == repr(x)
    assert pretty([x] * 5) == "[" + ",\n ".join([repr(x)] * 5) + "]"
    assert pretty(nn.MLP(2, [3, 1], seed=0)) == "MLP(2, [3, 1], 'relu')"

    class Scale(nn.Module):
        def __init__(self) -> None:
            self.factor = x

    assert pretty(Scale()) == "Scale(1 parameter)"


def test_ipython_completes_public_names_alone() -> None:
    ipython = pytest.importorskip("IPython.core.completer")
    completer = ipython.IPCompleter(namespace={"x": Value(1.0), "ad": ad})
    completer.use_jedi = completer.debug = False
    for text, names in (("x.", dir(Value(1.0))), ("ad.", dir(ad))):
        with ipython.provisionalcompleter():
            found = {completion.text.removeprefix(".") for completion in completer.completions(text, len(text))}
        assert found == set(names)


def test_rich_shows_the_repr() -> None:
    rich = pytest.importorskip("rich.pretty")
    x = Value(2.0, "x")
    assert rich.pretty_repr(x) == repr(x)
    assert rich.pretty_repr([x * x] * 2, max_width=40) == f"[\n    {x * x!r},\n    {x * x!r}\n]"


def test_fstrings_format_the_data() -> None:
    x = Value(1234.5678, "x")
    assert f"{x:.2f} {x:>10,.1f} {x:e}" == "1234.57    1,234.6 1.234568e+03"
    assert f"{x}" == f"{x!r}" == str(x) == "Value(1234.5678, grad=0.0, label='x')"


# --- what takes numbers takes Values ---


def test_builtins_and_the_standard_library_stay_differentiable() -> None:
    xs = [Value(3.0), Value(1.0), Value(2.0)]
    assert [x.data for x in sorted(xs)] == [1.0, 2.0, 3.0]
    assert (max(xs), min(xs)) == (xs[0], xs[1])
    for y, gradient in ((sum(xs), [1.0, 1.0, 1.0]), (math.prod(xs), [2.0, 6.0, 3.0])):
        assert ad.gradient(y, xs) == gradient


def test_statistics_mean_says_what_to_write() -> None:
    """It takes numbers apart into integer ratios, which would lose the gradient; fmean too, by float()."""
    for mean in (statistics.mean, statistics.fmean):
        with pytest.raises((TypeError, AttributeError)):
            mean([Value(1.0), Value(2.0)])
    assert ad.mean([Value(1.0), Value(2.0)]).data == 1.5


def test_numpy_arrays_of_values_stay_differentiable() -> None:
    array = np.array([Value(1.0), Value(2.0)])
    assert array.dtype == object
    y = np.exp(array).sum() + (array * 2.0) @ array
    assert ad.gradient(y, list(array)) == [math.exp(1.0) + 4.0, math.exp(2.0) + 8.0]


def test_pandas_series_of_values_stay_differentiable() -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([Value(1.0, "a"), Value(2.0, "b")], index=["a", "b"], dtype=object)
    y = (series * series + 1.0).sum()
    assert ad.gradient(y, list(series)) == [2.0, 4.0]
    assert "Value(1.0, grad=0.0, label='a')" in series.to_string()
    assert series.map(lambda x: x.data).tolist() == [1.0, 2.0]
    frame = pandas.DataFrame({"x": series, "y": [1.0, 2.0]})
    assert (frame.x * frame.y).sum().data == 5.0
