"""nn.optim: rules and their options, groups, steps on arrays, state; torch as an oracle."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value
from nn.optim import SGD, Adam, AdamW, Optimizer, RMSprop, Rprop

Make = Callable[..., Optimizer]

OPTIONS: list[tuple[Make, dict[str, Any]]] = [
    (SGD, {}),
    (SGD, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    (SGD, {"momentum": 0.8, "nesterov": True}),
    (SGD, {"weight_decay": 0.1}),
    (RMSprop, {}),
    (RMSprop, {"alpha": 0.9, "momentum": 0.5, "weight_decay": 0.01}),
    (RMSprop, {"centered": True}),
    (RMSprop, {"centered": True, "momentum": 0.9, "alpha": 0.95, "eps": 1e-6}),
    (Adam, {}),
    (Adam, {"betas": (0.8, 0.95), "eps": 1e-5, "weight_decay": 0.05}),
    (Adam, {"amsgrad": True}),
    (AdamW, {}),
    (AdamW, {"betas": (0.5, 0.9), "weight_decay": 0.3, "amsgrad": True}),
    (Rprop, {}),
    (Rprop, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.1)}),
]
# Higher rates oscillate at the end, where an ulp at the start becomes 1e-9, in torch as well.
RATES = {SGD: 2e-4, RMSprop: 1e-3, Adam: 5e-3, AdamW: 5e-3, Rprop: 1e-2}
no_numbers = pytest.mark.parametrize("bad", ["1.0", [1.0], Value(1.0) * 2.0], ids=["str", "list", "Value"])
every_optimiser = pytest.mark.parametrize(("make", "options"), OPTIONS, ids=str)


SHARE, SIZE, FLAG = st.floats(0.0, 0.99), st.floats(1e-6, 10.0), st.booleans()
DECAY = st.just(0.0) | st.floats(1e-4, 1.0)
MOMENTUM = st.just(0.0) | st.floats(0.1, 0.99)


def drawn(make: Make, **options: Any) -> Any:
    """An optimiser and any options for it, whatever the rate and the direction."""
    return st.tuples(st.just(make), st.fixed_dictionaries({}, optional={"lr": SIZE, "maximize": FLAG, **options}))


ADAM = {"betas": st.tuples(SHARE, SHARE), "eps": SIZE, "weight_decay": DECAY, "amsgrad": FLAG}
ANY = st.one_of(
    drawn(SGD, momentum=MOMENTUM, dampening=SHARE, weight_decay=DECAY),
    drawn(SGD, momentum=st.floats(0.1, 0.99), nesterov=FLAG).filter(lambda kind: "momentum" in kind[1]),
    drawn(RMSprop, alpha=SHARE, eps=SIZE, weight_decay=DECAY, momentum=MOMENTUM, centered=FLAG),
    drawn(Adam, **ADAM),
    drawn(AdamW, **ADAM),
    drawn(Rprop, etas=st.tuples(st.floats(0.1, 0.9), st.floats(1.1, 2.0))),
)
WAYS = st.lists(st.sampled_from(["eager", "arrays"]), min_size=1, max_size=6)


class Run:
    """Steps of both kinds on the same numbers, with gradients drawn from a seed."""

    def __init__(self, make: Make, options: dict[str, Any], count: int = 4) -> None:
        self.values = [Value(0.5 * i - 1.0) for i in range(count)]
        self.numbers, self.slopes = np.empty(count), np.empty(count)
        self.optimizer = make(self.values, **options)
        self.on_arrays = self.optimizer.on_arrays(self.numbers, self.slopes)

    def step(self, way: str, at: int) -> None:
        slopes = np.random.default_rng(at).normal(size=len(self.values)).tolist()
        if way == "eager":
            for x, slope in zip(self.values, slopes, strict=True):
                x.grad = slope
            self.optimizer.step()
            return
        self.numbers[:], self.slopes[:] = self.data, slopes
        self.on_arrays()
        for x, number in zip(self.values, self.numbers.tolist(), strict=True):
            x.data = number

    @property
    def data(self) -> list[float]:
        return [x.data for x in self.values]


# --- torch ---


def rosenbrock(x: list[Value]) -> Value:
    return ad.sum([100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x)])


def quadratic(x: list[Value]) -> Value:
    """A long valley: curvatures from 1 to 1,000."""
    return ad.sum([10.0 ** (3 * i / 9) * 0.5 * (v - i) ** 2 for i, v in enumerate(x)])


def network(x: list[Value]) -> Value:
    """The mean squared error of a tanh layer of 3, with 2 inputs and 1 output, on four points."""
    rows = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]
    hidden = [[ad.tanh(ad.dot(x[3 * j : 3 * j + 2], row) + x[3 * j + 2]) for j in range(3)] for row, _ in rows]
    return nn.mse([ad.dot(x[9:12], h) + x[12] for h in hidden], [y for _, y in rows])


OBJECTIVES: dict[str, tuple[Callable[[list[Value]], Value], int]] = {
    "rosenbrock": (rosenbrock, 4),
    "quadratic": (quadratic, 10),
    "network": (network, 13),
}


@pytest.mark.torch
@pytest.mark.parametrize("objective", OBJECTIVES)
@every_optimiser
def test_200_steps_are_those_of_torch(make: Any, options: dict[str, Any], objective: str) -> None:
    torch = pytest.importorskip("torch")
    f, count = OBJECTIVES[objective]
    start = [0.3 * (-1) ** i + 0.1 * i for i in range(count)]
    ours, slopes = [Value(x) for x in start], ad.compile(ad.grad(f), backend="python")
    theirs = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    options = {"lr": RATES[make], **options}
    optimizer, peer = make(ours, **options), getattr(torch.optim, make.__name__)([theirs], **options)
    for step in range(200):
        for x, slope in zip(ours, slopes([x.data for x in ours]), strict=True):
            x.grad = slope
        theirs.grad = torch.tensor(slopes(theirs.tolist()), dtype=torch.float64)
        optimizer.step()
        peer.step()
        assert [x.data for x in ours] == pytest.approx(theirs.tolist(), rel=1e-10, abs=1e-10), step
    assert [x.data for x in ours] != pytest.approx(start, abs=1e-3)


@pytest.mark.torch
@every_optimiser
def test_steps_upwards_are_those_of_torch(make: Any, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    run = Run(make, {**options, "maximize": True})
    theirs = torch.tensor(run.data, dtype=torch.float64, requires_grad=True)
    peer = getattr(torch.optim, make.__name__)([theirs], **options, maximize=True)
    for at in range(20):
        run.step("eager", at)
        theirs.grad = torch.tensor([x.grad for x in run.values], dtype=torch.float64)
        peer.step()
        assert run.data == pytest.approx(theirs.tolist(), rel=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("make", RATES)
def test_defaults_are_those_of_torch(make: Any) -> None:
    torch = pytest.importorskip("torch")
    ours = make([Value(1.0)]).param_groups[0]
    theirs = getattr(torch.optim, make.__name__)([torch.ones(1)]).param_groups[0]
    assert {name: theirs[name] for name in ours if name != "params"} == {k: v for k, v in ours.items() if k != "params"}


def test_sgd_is_known_as_nn_sgd() -> None:
    assert nn.SGD is nn.optim.SGD


# --- state ---


@given(kind=ANY, before=WAYS, after=WAYS)
def test_training_resumes_bit_for_bit_from_its_state(
    kind: tuple[Make, dict[str, Any]], before: list[str], after: list[str]
) -> None:
    make, options = kind
    whole = Run(make, options)
    for at, way in enumerate(before):
        whole.step(way, at)
    saved = json.dumps([whole.data, whole.optimizer.state_dict()])
    resumed = Run(make, {"lr": 123.0})
    data, state = json.loads(saved)
    for x, number in zip(resumed.values, data, strict=True):
        x.data = number
    resumed.optimizer.load_state_dict(state)
    for at, way in enumerate(after, start=len(before)):
        whole.step(way, at)
        resumed.step(way, at)
    assert resumed.data == whole.data
    assert resumed.optimizer.state_dict() == whole.optimizer.state_dict()


@given(kind=ANY, ways=WAYS)
def test_steps_of_both_kinds_may_follow_each_other(kind: tuple[Make, dict[str, Any]], ways: list[str]) -> None:
    make, options = kind
    mixed, eager = Run(make, options), Run(make, options)
    for at, way in enumerate(ways):
        mixed.step(way, at)
        eager.step("eager", at)
    assert mixed.data == pytest.approx(eager.data, rel=1e-12)
    for found, expected in zip(
        mixed.optimizer.state_dict()["state"], eager.optimizer.state_dict()["state"], strict=True
    ):
        assert found.keys() == expected.keys()
        for name in found:
            assert found[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-300)


def test_training_resumes_in_another_process() -> None:
    script = """
import json, sys
from autodiff import Value
from nn.optim import Adam
x, y = Value(2.0), Value(-1.0)
adam = Adam([x, y], lr=0.1, amsgrad=True)
data, state = json.loads(sys.stdin.read())
if state: adam.load_state_dict(state)
if data: x.data, y.data = data
for _ in range(5):
    adam.zero_grad()
    (x * x * y + (x - 3.0) ** 2 * y * y).backward()
    adam.step()
print(json.dumps([[x.data, y.data], adam.state_dict()]))
"""
    texts = ["[null, null]"]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script], input=texts[-1], capture_output=True, text=True, check=True
        )
        texts.append(done.stdout)
    at_once = subprocess.run(
        [sys.executable, "-c", script.replace("range(5)", "range(10)")],
        input=texts[0], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert texts[-1] == at_once


def changed(state: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    """A copy of a state with another entry at a path; with what is missing there, where value is `...`."""
    state = copy.deepcopy(state)
    holder: Any = state
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return state


@pytest.mark.parametrize(
    ("path", "value", "error", "message"),
    [
        (["optimizer"], "SGD", ValueError, "state['optimizer'] is 'Adam', got 'SGD'"),
        (["optimizer"], ..., KeyError, "state has the entries param_groups, state; expected optimizer, param_groups"),
        (["state"], {}, TypeError, "state['state'] is a list, got dict {}"),
        (["state"], [], ValueError, "state['state'] has 0 entries, expected 1"),
        (["state", 0], 5, TypeError, "state['state'][0] is a dict, got int 5"),
        (["state", 0, "step"], 1.5, TypeError, "state['state'][0]['step'] is a whole number, got float 1.5"),
        (["state", 0, "step"], -1, ValueError, "state['state'][0]['step'] is at least 0, got -1"),
        (
            ["state", 0, "exp_avg"],
            ...,
            KeyError,
            "has the entries step, exp_avg_sq; expected step, exp_avg, ",
        ),
        (["state", 0, "other"], [], KeyError, "has the entries step, exp_avg, exp_avg_sq, other; expected step"),
        (["state", 0, "exp_avg"], [1.0], ValueError, "state['state'][0]['exp_avg'] has 1 entries, expected 2"),
        (["state", 0, "exp_avg", 1], "x", TypeError, "state['state'][0]['exp_avg'][1]: expected a number, got str"),
        (["param_groups", 0, "lr"], ..., KeyError, "state['param_groups'][0] has the entries betas, eps"),
        (["param_groups", 0, "lr"], -1.0, ValueError, "the learning rate is at least 0 and finite, got -1.0"),
        (["param_groups", 0, "betas"], 0.9, ValueError, "betas are two numbers, each at least 0 and below 1, got 0.9"),
        (
            ["param_groups", 0, "params"],
            [0],
            ValueError,
            "['params'] has 1 entries, expected 2",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(
    path: list[Any], value: Any, error: type[Exception], message: str
) -> None:
    run = Run(Adam, {}, count=2)
    run.step("eager", 0)
    before = run.optimizer.state_dict()
    other = Run(Adam, {"lr": 0.5}, count=2)
    other.step("eager", 1)
    with pytest.raises(error, match=re.escape(message)):
        run.optimizer.load_state_dict(changed(other.optimizer.state_dict(), path, value))
    assert run.optimizer.state_dict() == before


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(TypeError, match=r"state is a dict, got list \[\]"):
        SGD([Value(1.0)]).load_state_dict([])  # type: ignore[arg-type]


# --- groups and options ---


def test_each_group_has_its_own_options() -> None:
    x, y = Value(1.0), Value(1.0)
    sgd = SGD([{"params": [x], "lr": 0.5}, {"params": [y], "momentum": 0.9}], lr=0.25)
    for _ in range(2):
        x.grad = y.grad = 1.0
        sgd.step()
    assert (x.data, y.data) == (1.0 - 0.5 - 0.5, pytest.approx(1.0 - 0.25 - 0.25 * 1.9))
    assert sgd.parameters == [x, y]
    assert sgd.lr == 0.5
    sgd.lr = 0.125
    assert [group["lr"] for group in sgd.param_groups] == [0.125, 0.125]


@every_optimiser
def test_steps_of_groups_on_arrays_are_those_of_eager_steps(make: Any, options: dict[str, Any]) -> None:
    mixed = Run(lambda xs, **o: make([{"params": xs[:1], "lr": 0.5}, {"params": xs[1:]}], **o), options)
    eager = Run(lambda xs, **o: make([{"params": xs[:1], "lr": 0.5}, {"params": xs[1:]}], **o), options)
    for at in range(5):
        mixed.step("arrays", at)
        eager.step("eager", at)
    assert mixed.data == pytest.approx(eager.data, rel=1e-12)


@pytest.mark.parametrize("way", ["eager", "arrays"])
@pytest.mark.parametrize("rate", [1, np.float32(0.5), np.float64(0.25), Fraction(1, 8), 0])
def test_a_rate_may_be_assigned_as_any_number(way: str, rate: Any) -> None:
    run, peer = Run(SGD, {}), Run(SGD, {"lr": float(rate) or 1.0})
    run.optimizer.lr = rate
    run.step(way, 0)
    peer.step(way, 0)
    assert run.data == (peer.data if rate else Run(SGD, {}).data)
    assert {type(x) for x in run.data} == {float}


@pytest.mark.parametrize("way", ["eager", "arrays"])
@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("lr", -0.1, ValueError, "the learning rate is at least 0 and finite, got -0.1"),
        ("lr", "0.1", TypeError, "lr: expected a number, got str"),
        ("eps", 0.0, ValueError, "eps is above 0 and finite, got 0.0"),
        ("betas", (0.9, 1.0), ValueError, r"betas are two numbers, each at least 0 and below 1, got \(0.9, 1.0\)"),
        ("amsgrad", 1, TypeError, "amsgrad is True or False, got 1"),
    ],
)
def test_what_is_assigned_to_an_option_is_checked_at_the_step(
    way: str, name: str, value: Any, error: type[Exception], message: str
) -> None:
    run = Run(Adam, {})
    run.step(way, 0)
    before, state = run.data, run.optimizer.state_dict()
    kept = run.optimizer.param_groups[0][name]
    run.optimizer.param_groups[0][name] = value
    with pytest.raises(error, match=message):
        run.step(way, 1)
    run.optimizer.param_groups[0][name] = kept
    assert run.data == before
    assert run.optimizer.state_dict() == state


@pytest.mark.parametrize("ways", [["eager"] * 4, ["arrays"] * 4, ["eager", "arrays", "eager", "arrays"]])
def test_options_that_change_the_rule_may_be_assigned_between_steps(ways: list[str]) -> None:
    run, eager = Run(Adam, {}), Run(Adam, {})
    for at, way in enumerate(ways):
        for optimizer in (run.optimizer, eager.optimizer):
            optimizer.param_groups[0].update(amsgrad=at > 1, weight_decay=0.1 * (at % 2))
        run.step(way, at)
        eager.step("eager", at)
    assert run.data == pytest.approx(eager.data, rel=1e-12)


@pytest.mark.parametrize("way", ["eager", "arrays"])
@pytest.mark.parametrize(("make", "option"), [(Adam, {"amsgrad": True}), (RMSprop, {"momentum": 0.5})], ids=str)
def test_an_option_that_adds_state_may_be_assigned_between_steps(make: Any, option: dict[str, Any], way: str) -> None:
    run, eager = Run(make, {}), Run(make, {})
    for at in range(4):
        if at == 2:
            run.optimizer.param_groups[0].update(option)
            eager.optimizer.param_groups[0].update(option)
        run.step(way, at)
        eager.step("eager", at)
    assert run.data == pytest.approx(eager.data, rel=1e-12)
    assert run.optimizer.state_dict()["state"][0].keys() == eager.optimizer.state_dict()["state"][0].keys()


@pytest.mark.parametrize("way", ["eager", "arrays"])
def test_a_group_may_join_later(way: str) -> None:
    run, added = Run(Adam, {"lr": 0.5}), Value(2.0)
    run.step(way, 0)
    before = run.data
    run.optimizer.add_param_group({"params": [added], "lr": 0.25})
    assert run.optimizer.parameters == [*run.values, added]
    with pytest.raises(ValueError, match="a group of parameters has been added since; call on_arrays again"):
        run.on_arrays()
    numbers, slopes = np.array([*before, 2.0]), np.ones(5)
    if way == "arrays":
        run.optimizer.on_arrays(numbers, slopes)()
    else:
        for x in run.optimizer.parameters:
            x.grad = 1.0
        run.optimizer.step()
        numbers[:] = [x.data for x in run.optimizer.parameters]
    assert numbers[4] == pytest.approx(1.75)
    assert [state["step"] for state in run.optimizer.state_dict()["state"]] == [2, 1]
    with pytest.raises(ValueError, match="each parameter in one group"):
        run.optimizer.add_param_group({"params": [added]})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda x: Adam([{"params": [x], "rate": 0.1}]),
            ValueError,
            "Adam has no option 'rate'; it has lr, betas, eps",
        ),
        (lambda x: Adam([{"params": [x]}, {"params": [x]}]), ValueError, "each parameter in one group, got one in two"),
        (lambda x: Adam([{"lr": 0.1}]), TypeError, 'groups with a list of them as "params"'),
        (lambda x: Adam([{"params": [x]}, x]), TypeError, 'groups with a list of them as "params"'),
        (lambda x: Adam([{"params": [2.0]}]), TypeError, r"Adam takes leaf Values, got 2\.0"),
        (lambda x: Adam([[x], [Value(2.0)]]), TypeError, r"Adam takes leaf Values, got \[Value\(1\.0"),
        (
            lambda x: SGD([x], nesterov=True),
            ValueError,
            "nesterov goes with a momentum above 0 and no dampening, got m",
        ),
        (lambda x: SGD([x], dampening=inf), ValueError, "dampening is finite, got inf"),
        (lambda x: RMSprop([x], alpha=1.0), ValueError, "alpha is at least 0 and below 1, got 1.0"),
        (lambda x: AdamW([x], weight_decay=-1.0), ValueError, "weight_decay is at least 0 and finite, got -1.0"),
        (lambda x: Rprop([x], etas=(1.2, 0.5)), ValueError, "etas are two numbers, between 0 and 1, and above 1"),
        (lambda x: Rprop([x], step_sizes=(1.0, 0.5)), ValueError, "step_sizes are two numbers from 0, the smaller"),
        (
            lambda x: SGD([x]).on_arrays([1.0], np.ones(1)),
            TypeError,
            r"numbers is an array of float64, got list",
        ),
        (
            lambda x: SGD([x]).on_arrays(np.ones(1), np.ones(1, int)),
            TypeError,
            "slopes is an array of float64, got an",
        ),
        (lambda x: SGD([x]).on_arrays(np.ones(2), np.ones(1)), ValueError, r"for each of 1 parameters, got the shape"),
    ],
)
def test_groups_options_and_arrays_are_checked(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(Value(1.0))


@no_numbers
@every_optimiser
def test_a_step_changes_all_or_nothing(make: Any, options: dict[str, Any], bad: Any) -> None:
    run = Run(make, options)
    run.step("eager", 0)
    before, state = run.data, run.optimizer.state_dict()
    for x in run.values:
        x.grad = 1.0
    with pytest.raises(TypeError, match=r"was given a \w+ as \.grad"):
        run.values[-1].grad = bad  # the native core refuses it here
        run.optimizer.step()
    assert run.data == before
    assert run.optimizer.state_dict() == state


@every_optimiser
def test_numbers_of_other_kinds_are_floats_and_none_is_zero(make: Any, options: dict[str, Any]) -> None:
    run, peer = Run(make, options), Run(make, options)
    for _ in range(3):
        grads = [1, None, np.float32(0.5), Fraction(1, 4)]
        for x, y, grad in zip(run.values, peer.values, grads, strict=True):
            x.grad, y.grad = grad, float(grad or 0.0)  # type: ignore[assignment]
        run.optimizer.step()
        peer.optimizer.step()
    assert run.data == peer.data
    held = run.optimizer.state_dict()
    assert held == peer.optimizer.state_dict()
    assert {type(x) for name, column in held["state"][0].items() if name != "step" for x in column} <= {float}


@pytest.mark.parametrize("width", [1, 3, 7])
@every_optimiser
def test_parameters_fill_any_number_of_blocks(
    make: Any, options: dict[str, Any], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nn.optim import arrays

    monkeypatch.setattr(arrays, "BLOCK", width)
    run, eager = Run(make, options, count=7), Run(make, options, count=7)
    for at in range(3):
        run.step("arrays", at)
        eager.step("eager", at)
    assert run.data == pytest.approx(eager.data, rel=1e-12)


@every_optimiser
@pytest.mark.parametrize("way", ["eager", "arrays"])
def test_a_gradient_that_is_nan_does_not_go_unseen(way: str, make: Any, options: dict[str, Any]) -> None:
    run = Run(make, options, count=1)
    run.step(way, 0)
    run.slopes[:], run.numbers[:], run.values[0].grad = nan, run.data, nan
    (run.optimizer.step if way == "eager" else run.on_arrays)()
    assert isnan(run.data[0] if way == "eager" else run.numbers[0])


def test_without_the_core_a_step_on_arrays_runs_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    from nn.optim import arrays

    arrays._compiled.cache_clear()
    monkeypatch.setattr(arrays.autodiff, "compile", partial(ad.compile, backend="python"))
    run, eager = Run(Adam, {}), Run(Adam, {})
    for at in range(3):
        run.step("arrays", at)
        eager.step("eager", at)
    assert run.data == eager.data
    arrays._compiled.cache_clear()


def test_two_steps_on_arrays_share_the_state_of_one_optimiser() -> None:
    x, slopes = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    y = x.copy()
    adam, alone = Adam([Value(0.0), Value(0.0)]), Adam([Value(0.0), Value(0.0)])
    steps, step = [adam.on_arrays(x, slopes), adam.on_arrays(x, slopes)], alone.on_arrays(y, slopes)
    for at in range(6):
        slopes *= -0.9
        steps[at % 2]()
        step()
    assert x.tolist() == y.tolist()
    assert adam.state_dict() == alone.state_dict()


# --- formulas, without torch ---


def test_sgd_with_momentum_is_its_formula_in_fractions() -> None:
    x = Value(1.0)
    sgd = SGD([x], lr=0.5, momentum=0.25, dampening=0.5, weight_decay=0.125)
    at, velocity = Fraction(1), None
    for slope in (Fraction(1), Fraction(-3, 2), Fraction(1, 2)):
        x.grad = float(slope)
        sgd.step()
        g = slope + at / 8
        velocity = g if velocity is None else velocity / 4 + g / 2
        at -= velocity / 2
        assert x.data == pytest.approx(float(at), rel=1e-15)


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=4), SIZE)
def test_the_descent_that_is_written_out_is_its_rule_to_the_bit(pairs: list[tuple[float, float]], lr: float) -> None:
    from nn.optim.rules import descent

    values = [Value(number) for number, _ in pairs]
    for x, (_, slope) in zip(values, pairs, strict=True):
        x.grad = slope
    sgd = SGD(values, lr=lr)
    plan = sgd._plan(sgd.param_groups[0], 1)
    assert plan.rule is descent
    [moved] = sgd._moved(plan, values, [])
    sgd.step()
    assert repr([x.data for x in values]) == repr(moved)


@given(grads=st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_adam_is_algorithm_1_of_its_paper(grads: list[float]) -> None:
    x = Value(0.5)
    adam = Adam([x], lr=0.1, betas=(0.8, 0.9), eps=1e-3)
    theta = m = v = 0.0
    theta = 0.5
    for t, g in enumerate(grads, start=1):
        x.grad = g
        adam.step()
        m = 0.8 * m + (1 - 0.8) * g
        v = 0.9 * v + (1 - 0.9) * g**2
        m_hat, v_hat = m / (1 - 0.8**t), v / (1 - 0.9**t)
        theta = theta - 0.1 * m_hat / (v_hat**0.5 + 1e-3)
        assert x.data == pytest.approx(theta, rel=1e-12, abs=1e-14)


@given(grads=st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_rmsprop_divides_by_the_root_of_the_mean_square_or_by_the_deviation(grads: list[float]) -> None:
    x, y = Value(0.5), Value(0.5)
    plain, centred = RMSprop([x], lr=0.1, eps=1e-3), RMSprop([y], lr=0.1, eps=1e-3, centered=True)
    shares = [0.01 * 0.99**i for i in range(len(grads))][::-1]
    for count, grad in enumerate(grads, start=1):
        before = x.data, y.data
        x.grad = y.grad = grad
        plain.step()
        centred.step()
        square = sum(s * g * g for s, g in zip(shares[-count:], grads, strict=False))
        mean = sum(s * g for s, g in zip(shares[-count:], grads, strict=False))
        assert before[0] - x.data == pytest.approx(0.1 * grad / (square**0.5 + 1e-3), rel=1e-9, abs=1e-12)
        assert before[1] - y.data == pytest.approx(0.1 * grad / ((square - mean**2) ** 0.5 + 1e-3), rel=1e-9, abs=1e-12)


def test_slopes_that_are_all_alike_have_no_deviation_and_no_nan() -> None:
    x = Value(1.0)
    rmsprop = RMSprop([x], alpha=0.5, centered=True)
    for _ in range(60):
        x.grad = 0.45315639398155527  # after 54 steps the mean of its square is an ulp less than the square of its mean
        rmsprop.step()
    assert x.data < 1.0


def test_adamw_decays_what_adam_then_moves() -> None:
    x, y = Value(2.0), Value(2.0 * (1 - 0.1 * 0.5))
    x.grad = y.grad = 0.3
    AdamW([x], lr=0.1, weight_decay=0.5).step()
    Adam([y], lr=0.1).step()
    assert x.data == y.data


def test_rprop_grows_shrinks_and_waits() -> None:
    x = Value(0.0)
    rprop = Rprop([x], lr=0.5, etas=(0.25, 2.0), step_sizes=(0.1, 2.0))
    seen = []
    for x.grad in (-7.0, -1e-9, -1.0, -3.0, 5.0, 5.0, 0.0, 1.0):
        rprop.step()
        seen.append(x.data)
    # 0.5, 1, 2, 2 at most, a change of sign: 0.5 and no step, then 0.5 the other way, nothing, 0.5
    assert seen == [0.5, 1.5, 3.5, 5.5, 5.5, 5.0, 5.0, 4.5]


@every_optimiser
def test_to_maximize_is_to_minimize_the_negative(make: Any, options: dict[str, Any]) -> None:
    down, up = Run(make, options), Run(make, {**options, "maximize": True})
    for at in range(3):
        slopes = np.random.default_rng(at).normal(size=4)
        for x, y, slope in zip(down.values, up.values, slopes.tolist(), strict=True):
            x.grad, y.grad = slope, -slope
        down.optimizer.step()
        up.optimizer.step()
    assert up.data == down.data


def test_the_repr_tells_how_many_parameters_and_at_what_rates() -> None:
    x, y = Value(1.0), Value(2.0)
    assert repr(nn.optim.Adam([x, y])) == "Adam(2 parameters, lr=0.001)"
    assert (
        repr(nn.optim.SGD([{"params": [x]}, {"params": [y], "lr": 0.5}], lr=0.1)) == "SGD(2 parameters, lr=0.1, lr=0.5)"
    )
