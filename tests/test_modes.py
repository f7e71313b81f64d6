"""no_grad, detect_anomaly, record_source."""

import copy
import functools
import math
import operator
import pickle
import threading

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value, modes


def line_here() -> int:
    import inspect

    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_no_grad_records_nothing() -> None:
    x = Value(2.0)
    with ad.no_grad():
        results = [x * x, -x, x + 1, ad.exp(x), ad.sum([x, x]), ad.dot([x], [x]), *ad.softmax([x, x]), x**2, x / 2]
    assert [(y.op, y.operands, y.local_gradients) for y in results] == [(None, (), ())] * len(results)
    assert results[0].data == 4.0
    assert (x * x).op is not None


def test_modes_are_restored_after_an_error_and_nest() -> None:
    x = Value(2.0)
    with pytest.raises(ZeroDivisionError), ad.no_grad():
        raise ZeroDivisionError
    assert (x * x).op is not None
    with ad.no_grad():
        with ad.detect_anomaly(), ad.record_source():
            assert (x * x).op is None
        assert (x * x).op is None
        assert (x * x).source is None
    assert modes.current() is None


def test_modes_decorate_functions() -> None:
    @ad.no_grad()
    def f(x: Value) -> Value:
        return x * x

    assert f(Value(2.0)).op is None
    assert f(Value(3.0)).data == 9.0


def test_modes_belong_to_one_thread() -> None:
    made = []
    with ad.no_grad():
        thread = threading.Thread(target=lambda: made.append(Value(2.0) * 3.0))
        thread.start()
        thread.join()
    assert made[0].op is not None


def test_anomaly_names_operation_operands_and_line() -> None:
    x = Value(-1.0, "x")
    with ad.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        line = line_here() + 1
        ad.log(x)
    assert str(caught.value) == f"log made nan from Value(-1.0, grad=0.0, label='x')\n  at {__file__}:{line}"


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("add", lambda x: x + math.inf),
        ("mul", lambda x: x * 1e308 * 10),
        ("div", lambda x: x / 0.0),
        ("div", lambda x: x / (x - x)),
        ("exp", lambda x: ad.exp(x * 1000)),
        ("dot", lambda x: ad.dot([x, x], [1e308, 1e308])),
        ("sum", lambda x: ad.sum([x, math.nan])),
        ("pow", lambda x: (-x) ** 0.5),
    ],
)
def test_anomaly_is_found_in_every_kind_of_operation(name: str, operation: object) -> None:
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match=f"^{name} made (inf|-inf|nan) from "):
        operation(Value(2.0))  # type: ignore[operator]
    with ad.detect_anomaly(), ad.no_grad(), pytest.raises(FloatingPointError, match=f"^{name} made "):
        operation(Value(2.0))  # type: ignore[operator]


def test_anomaly_in_backward_names_the_operation_and_changes_no_gradient() -> None:
    x, y = Value(0.0, "x"), Value(1.0, "y")
    x.grad, y.grad = 5.0, 7.0
    with ad.detect_anomaly():
        line = line_here() + 1
        root = ad.sqrt(x * x)
        out = root + y
        with pytest.raises(FloatingPointError) as caught:
            out.backward()
    message = str(caught.value)
    assert "became inf in the backward pass through sqrt: upstream 1.0 times local gradient inf" in message
    assert f"at {__file__}:{line}" in message
    assert (x.grad, y.grad) == (5.0, 7.0)


def test_anomaly_in_backward_of_a_graph_made_outside_says_how_to_find_the_line() -> None:
    x = Value(0.0)
    y = ad.sqrt(x)
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match="run the forward pass inside detect_anomaly"):
        y.backward()


def test_anomaly_in_backward_sees_finite_shares_that_add_up_to_infinity_and_the_gradient_given() -> None:
    x = Value(1.0)
    with ad.detect_anomaly():
        difference = x * 1e308 - x * -1e307  # either share is finite, 1.7 times their sum is not
        with pytest.raises(FloatingPointError, match=r"became inf in the backward pass through mul"):
            difference.backward(1.7)
        with pytest.raises(FloatingPointError, match=r"upstream 1e\+308 times local gradient 100\.0"):
            (x * 100.0).backward(1e308)
    assert x.grad == 0.0


def test_anomaly_in_backward_sees_the_gradient_given_and_what_a_leaf_has_already() -> None:
    x = Value(1.0)
    x.grad = 1e308
    with ad.detect_anomaly():
        y = x * 1.0
        with pytest.raises(FloatingPointError, match="became inf in the backward pass through mul"):
            y.backward(1e308)
        with pytest.raises(FloatingPointError, match="the gradient that the backward pass starts from is nan"):
            x.backward(math.nan)
    assert x.grad == 1e308


def test_anomaly_shows_no_more_than_eight_operands() -> None:
    with ad.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        ad.sum([Value(1.0), *[2.0] * 20, math.inf])
    assert str(caught.value).splitlines()[0].endswith("from Value(1.0, grad=0.0)" + ", 2.0" * 7 + ", ...")


def test_sound_graphs_pass_anomaly_detection_with_the_same_gradients() -> None:
    x, y = Value(2.0), Value(3.0)
    with ad.detect_anomaly():
        (ad.where(x > 0, x * y, ad.sqrt(y)) / x).backward()
    checked = (x.grad, y.grad)
    x.grad = y.grad = 0.0
    (ad.where(x > 0, x * y, ad.sqrt(y)) / x).backward()
    assert checked == (x.grad, y.grad)


def test_infinite_local_gradient_under_a_zero_upstream_is_no_anomaly() -> None:
    x = Value(0.0)
    with ad.detect_anomaly():
        (0.0 * ad.sqrt(x)).backward()
    assert x.grad == 0.0


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
