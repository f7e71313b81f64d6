"""Optimizer: the base of all optimisers. Each is one scalar rule, which moves one number by its slope.

A rule is written once, as ordinary arithmetic, and run in two ways: `step` calls it for each parameter on floats, and
`on_arrays` compiles it over all of them.

    >>> from nn.optim import Adam
    >>> x = Value(3.0)
    >>> adam = Adam([x], lr=0.5)
    >>> for _ in range(200):
    ...     adam.zero_grad()
    ...     ((x - 1.0) ** 2).backward()
    ...     adam.step()
    >>> round(x.data, 3)
    1.0
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import accumulate, pairwise, repeat
from operator import is_
from typing import Any, NamedTuple

from autodiff import Value
from autodiff.backprop import get_data, get_grads, set_data, set_grads
from nn.optim.arrays import GroupOnArrays, check_arrays, flat
from nn.optim.options import above_0, checked
from nn.optim.state import matched

Rule = Callable[..., tuple[Any, ...]]
State = dict[str, Any]
Parameters = Iterable[Value] | Iterable[Mapping[str, Any]]


class Plan(NamedTuple):
    """One step of one group: its rule, and the numbers that are the same for all parameters.

    The rule is called as `rule(numbers, x, slope, *state)`, and returns `(x, *state)` after the step. `columns` are
    the names of the state, each with its value before the first step. The slope is `sign * slope + decay * x`.
    """

    rule: Rule
    numbers: tuple[float, ...]
    columns: Mapping[str, float] = {}
    decay: float = 0.0
    sign: float = 1.0  # -1.0 to climb

    @property
    def is_penalised(self) -> bool:
        """Whether the slope is another than the gradient."""
        return self.decay != 0.0 or self.sign < 0.0


class Optimizer(ABC):
    """A base class: subclasses define a step in `_plan`.

    Attributes:
        parameters: all the Values that it changes, in the order of the groups.
        param_groups: a dict for each group, with its Values as "params" and an entry for each option, which may be
            assigned at any time and is checked at the next step.

    Args:
        parameters: the Values to change, such as `model.parameters()`; or groups, dicts of their Values as "params" and
            of options that differ, such as `{"params": model.head.parameters(), "lr": 0.01}`.
        options: the options, for all groups that do not have their own.

    Raises TypeError for a parameter that is not a leaf Value, ValueError for no parameters, one in two groups, and
    options that are unknown or out of range. A parameter given twice counts once.

    >>> from nn.optim import SGD
    >>> x, y = Value(1.0), Value(1.0)
    >>> sgd = SGD([{"params": [x]}, {"params": [y], "lr": 0.25}], lr=0.5)
    >>> x.grad = y.grad = 1.0
    >>> sgd.step()
    >>> x.data, y.data
    (0.5, 0.75)

    One of your own is a rule, a function that is the same at every step, and options that nn's own have, too. Here are
    the signs of a running mean, after Chen et al., Symbolic discovery of optimization algorithms, 2023:

    >>> from autodiff import sign
    >>> def by_signs(numbers, x, slope, mean):
    ...     (lr,) = numbers
    ...     return x - lr * sign(0.9 * mean + 0.1 * slope), 0.99 * mean + 0.01 * slope
    >>> class Lion(Optimizer):
    ...     def __init__(self, parameters, lr=1e-4):
    ...         super().__init__(parameters, lr=lr)
    ...
    ...     @staticmethod
    ...     def _plan(options, step):
    ...         return Plan(by_signs, (options["lr"],), columns={"mean": 0.0})
    >>> lion = Lion([y], lr=0.25)
    >>> lion.step()
    >>> y.data
    0.5
    """

    def __init__(self, parameters: Parameters, **options: Any) -> None:
        above_0("the learning rate", options["lr"])  # a schedule may assign 0 later
        self.parameters: list[Value] = []
        self.param_groups: list[dict[str, Any]] = []
        self._options = options
        self._states: list[State] = []
        self._checked: list[dict[str, Any]] = []  # the groups as checked last: all checks take some microseconds
        if not isinstance(parameters, Iterable):
            kind = type(parameters).__name__
            raise TypeError(f"{type(self).__name__} takes a list of Values, got {kind}; pass model.parameters()")
        given: list[Any] = list(parameters)
        for group in given if any(isinstance(x, Mapping) for x in given) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Take on more parameters, such as a layer's that is to be trained from now on.

        Args:
            group: a dict of Values as "params", and of options that differ from those given at first.

        Raises TypeError and ValueError as the optimiser itself does.

        >>> from nn.optim import SGD
        >>> sgd = SGD([Value(1.0)], lr=0.5)
        >>> sgd.add_param_group({"params": [Value(2.0)], "lr": 0.25})
        >>> len(sgd.parameters)
        2
        """
        name = type(self).__name__
        checked_group = _group(name, group, self._options)
        if not set(checked_group["params"]).isdisjoint(self.parameters):
            raise ValueError(f"{name} takes each parameter in one group, got one in two groups")
        self._plan(checked_group, 1)  # options that do not go together
        self.param_groups.append(checked_group)
        self.parameters += checked_group["params"]
        self._states.append({"step": 0})
        self._checked.append({**checked_group})

    @staticmethod
    @abstractmethod
    def _plan(options: Mapping[str, Any], step: int) -> Plan:
        """The rule and the numbers of a step, counted from 1, for the options of a group."""

    @property
    def lr(self) -> float:
        """The learning rate, of the first group where there are several; assign it, at least 0, to set it in all.

        >>> from nn.optim import SGD
        >>> sgd = SGD([Value(3.0)], lr=0.1)
        >>> sgd.lr = 0.05
        >>> sgd.lr
        0.05
        """
        rate: float = self.param_groups[0]["lr"]
        return rate

    @lr.setter
    def lr(self, rate: float) -> None:
        for group in self.param_groups:
            group["lr"] = rate

    def __repr__(self) -> str:
        rates = ", ".join(dict.fromkeys(f"lr={group['lr']}" for group in self.param_groups))
        return f"{type(self).__name__}({len(self.parameters):,} parameters, {rates})"

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0.0.

        >>> from nn.optim import SGD
        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> SGD([x]).zero_grad()
        >>> x.grad
        0.0
        """
        set_grads(self.parameters, 0.0)

    def step(self) -> None:
        """Change every parameter's data by one step against its grad; None, assigned to a grad, is 0.0.

        Raises TypeError, before anything has changed, for a parameter whose data or grad was assigned no number, and
        TypeError or ValueError for an invalid value that was assigned to an option.

        >>> from nn.optim import SGD
        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> SGD([x], lr=0.5).step()
        >>> x.data
        0.0
        """
        self._advance(self._plans())

    def _advance(self, plans: list[Plan]) -> None:
        """Change every parameter's data and state by the step that was planned for its group."""
        stepped = self._stepped(plans)
        for group, state, plan, (numbers, *columns) in zip(
            self.param_groups, self._states, plans, stepped, strict=True
        ):
            set_data(group["params"], numbers)
            state.update(zip(plan.columns, columns, strict=True), step=state["step"] + 1)

    def on_arrays(self, numbers: Any, slopes: Any) -> Callable[[], None]:
        """A function that does a step on arrays, in microseconds: the rules compiled over all parameters.

        It reads `slopes` and changes `numbers` in place. Options are read at each step. The state is the optimiser's
        own, so that steps of both kinds may follow each other; the data of the parameters stay as they are.

        Args:
            numbers: an array of float64 with one axis, a number for each of `parameters`, in their order.
            slopes: the same for their gradients.

        Raises TypeError or ValueError for other arrays; ImportError without numpy.

        >>> import numpy as np
        >>> from nn.optim import SGD
        >>> numbers, slopes = np.array([3.0, 4.0]), np.array([1.0, 2.0])
        >>> step = SGD([Value(3.0), Value(4.0)], lr=0.5).on_arrays(numbers, slopes)
        >>> step(), numbers
        (None, array([2.5, 3. ]))
        """
        check_arrays(numbers, slopes, len(self.parameters))
        runs = [GroupOnArrays(numbers[i:j], slopes[i:j]) for i, j in self._spans()]

        def step() -> None:
            if len(runs) < len(self.param_groups):
                raise ValueError("a group of parameters has been added since; call on_arrays again")
            for run, state, plan in zip(runs, self._states, self._plans(), strict=True):
                run.step(_penalised(plan), state)

        return step

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on, in floats, ints and lists of them: `json` keeps every bit.

        "state" has for each group the number of its steps and lists with a number for each of its parameters, named as
        in torch; "param_groups" has the options, and as "params" the positions of the group's parameters.

        >>> from nn.optim import SGD
        >>> x = Value(3.0)
        >>> x.grad = 2.0
        >>> sgd = SGD([x], momentum=0.5)
        >>> sgd.step()
        >>> sgd.state_dict()["state"]
        [{'step': 1, 'momentum_buffer': [2.0]}]
        """
        plans, spans, states, groups = self._plans(), self._spans(), [], []
        for group, state, plan, (i, j) in zip(self._checked, self._states, plans, spans, strict=True):
            columns = zip(plan.columns, _columns(state, plan, j - i), strict=True)
            states.append({"step": state["step"], **dict(columns)})
            groups.append({**group, "params": list(range(i, j))})
        return {"optimizer": type(self).__name__, "param_groups": groups, "state": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set options and state, as `state_dict` gave them. Nothing changes unless all of it fits.

        Raises TypeError for anything that is not a state or holds something else than numbers, KeyError for missing or
        unexpected entries, ValueError for the state of another kind of optimiser, of other groups, or an option out of
        range.

        >>> from nn.optim import Adam
        >>> adam = Adam([Value(3.0)])
        >>> adam.load_state_dict(Adam([Value(1.0)], lr=0.5).state_dict())
        >>> adam.lr
        0.5
        """
        own = self.state_dict()
        held = matched(state, {**own, "state": None}, "state")
        if held["optimizer"] != own["optimizer"]:
            raise ValueError(f"state['optimizer'] is {own['optimizer']!r}, got {held['optimizer']!r}")
        options = [_checked(group) for group in held["param_groups"]]
        if [group["params"] for group in options] != [group["params"] for group in own["param_groups"]]:
            raise ValueError("state['param_groups'] has other positions of parameters than state_dict() gives")
        forms = [
            {"step": 0, **dict.fromkeys(self._plan(group, 1).columns, [0.0] * len(group["params"]))}
            for group in options
        ]
        self._states = matched(held["state"], forms, "state['state']")
        for group, loaded in zip(self.param_groups, options, strict=True):
            group.update({**loaded, "params": group["params"]})

    def _spans(self) -> list[tuple[int, int]]:
        """Where the parameters of each group begin and end in `parameters`."""
        return list(pairwise(accumulate([len(group["params"]) for group in self.param_groups], initial=0)))

    def _plans(self) -> list[Plan]:
        """The next step of each group. Raises TypeError or ValueError for an invalid option."""
        known, plans = [], []
        for group, options, state in zip(self.param_groups, self._checked, self._states, strict=True):
            if not all(map(is_, group.values(), options.values())):
                options = _checked(group)
            plan = self._plan(options, state["step"] + 1)
            plans.append(plan._replace(sign=-1.0) if options.get("maximize") else plan)
            known.append(options)
        self._checked = known
        return plans

    def _stepped(self, plans: list[Plan]) -> list[list[list[float]]]:
        """The numbers of each group's parameters after a step, then the columns of their state. Nothing changes yet."""
        stepped = [
            self._moved(plan, group["params"], _columns(state, plan, len(group["params"])))
            for group, state, plan in zip(self.param_groups, self._states, plans, strict=True)
        ]
        if any(type(sum(column, 0.0)) is not float for columns in stepped for column in columns):
            raise TypeError(f"a rule of {type(self).__name__} gave something else than floats for floats")
        return stepped

    def _moved(self, plan: Plan, parameters: list[Value], columns: list[list[float]]) -> list[list[float]]:
        """The numbers of these parameters after a step by the rule, then the columns of their state."""
        numbers, slopes = get_data(parameters), get_grads(parameters)
        if plan.is_penalised:
            sign, decay = plan.sign, plan.decay
            slopes = [sign * slope + decay * x for x, slope in zip(numbers, slopes, strict=True)]
        moved = list(map(plan.rule, repeat(plan.numbers), numbers, slopes, *columns))
        return [[row[i] for row in moved] for i in range(1 + len(columns))]


def _group(name: str, given: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The group that was given, with its leaf Values, each once, and all options."""
    if not isinstance(given, Mapping) or not isinstance(given.get("params"), Iterable):
        raise TypeError(f'{name} takes Values, or groups with a list of them as "params", got {given!r}')
    params = list(given["params"])
    for parameter in params:
        if not isinstance(parameter, Value) or parameter.op is not None:
            raise TypeError(f"{name} takes leaf Values, got {parameter!r}; pass model.parameters()")
    params = list(dict.fromkeys(params))
    if not params:
        raise ValueError(f"{name} takes at least one parameter, got none; one is an autodiff.Value that a module holds")
    for option in given:
        if option not in options and option != "params":
            raise ValueError(f"{name} has no option {option!r}; it has {', '.join(options)}")
    return _checked({**options, **given, "params": params})


def _checked(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group with its options as floats, pairs of them and bools."""
    return {name: x if name == "params" else checked(name, x) for name, x in group.items()}


def _columns(state: State, plan: Plan, count: int) -> list[list[float]]:
    """The state that a rule needs, as lists; a column that is not there yet is as before the first step."""
    return [flat(state.get(name, [first] * count), count) for name, first in plan.columns.items()]


def _penalised(plan: Plan) -> Plan:
    """The plan with weight decay and the direction in its rule, where they make a difference."""
    if not plan.is_penalised:
        return plan
    return plan._replace(rule=_on_penalised(plan.rule), numbers=(plan.sign, plan.decay, *plan.numbers))


@cache
def _on_penalised(rule: Rule) -> Rule:
    """The rule with the slope turned round, and the penalty's slope added: the same object for the same rule."""

    def penalised(numbers: Any, x: Any, slope: Any, *state: Any) -> tuple[Any, ...]:
        sign, decay, *others = numbers
        return rule(others, x, sign * slope + decay * x, *state)

    return penalised
