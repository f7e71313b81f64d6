"""All that the page knows, as plain data: programs, the names and rules of all their numbers, and the rows.

There is a program for a row of each class, of the loss and all its gradients; one of the units alone, which paints the
plane; and one of a step of the optimiser. They are evaluated in the page, and nothing is derived there.

>>> from nn import MLP, SGD, binary_cross_entropy_with_logits
>>> from nn.show.playground.points import named
>>> model = MLP(2, [2, 1], "tanh", seed=0)
>>> told = story(model, [named("moons", 4, seed=0)], binary_cross_entropy_with_logits, SGD(model.parameters(), lr=0.1))
>>> told["parameters"][0]["path"], [node["name"] for node in told["examples"][0]["nodes"]][:4]
('layers.0.neurons.0.w.0', ['x0', 'x1', 'w1[0]', 'w1[1]'])
"""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff import Value
from autodiff.show.explanations.symbols import slope_in_symbols
from autodiff.show.formulas.formula import operation
from autodiff.show.live import KernelOnlyError, LiveFunction, program_of, program_of_function
from nn.layers.dense import Layer
from nn.modules.module import Module
from nn.optim.optimizer import Optimizer
from nn.show.playground.network import Unit, layers_of, recorded
from nn.show.playground.points import Points

Loss = Callable[[Any, Any], Any]

_COMPARISONS = {"less", "less_equal", "equal", "not_equal"}
_AT = (0.5, -0.25)  # where the model is recorded; the graph is the same at any other point


def story(model: Module, sets: Sequence[Points], loss: Loss, optimizer: Optimizer) -> dict[str, Any]:
    """The data of a page."""
    layers, targets = layers_of(model), targets_of(loss)
    x = [Value(at, name) for at, name in zip(_AT, ("x0", "x1"), strict=True)]
    inputs = [*x, *model.parameters()]
    units, output = recorded(layers, x)
    surface = program_of(output, inputs=inputs, gradients=False)
    examples = [_Example(layers, inputs, loss, target) for target in targets]
    for target in targets:
        _refuse_choices(model, loss, target)
    return {
        "model": repr(model),
        "loss": getattr(loss, "__name__", "loss"),
        "optimizer": {"name": repr_of(optimizer), "lr": optimizer.lr, **_rule(optimizer)},
        "targets": targets,
        "parameters": _parameters(model, units),
        "units": [_unit(unit, inputs, units) for unit in units],
        "surface": {**surface.data(), "outputs": [surface.slot(y) for y in [*x, *[unit.output for unit in units]]]},
        "examples": [example.data() for example in examples],
        "sets": [_set(points) for points in sets],
    }


def targets_of(loss: Loss) -> tuple[float, float]:
    """The targets of the two classes that a loss takes, so that the output is above 0 for the second."""
    name = getattr(loss, "__name__", "")
    return (0.0, 1.0) if name == "binary_cross_entropy_with_logits" else (-1.0, 1.0)


def repr_of(optimizer: Optimizer) -> str:
    return type(optimizer).__name__


def _parameters(model: Module, units: Sequence[Unit]) -> list[dict[str, Any]]:
    names = {x: name for unit in units for x, name in unit.names().items()}
    return [{"name": names[x], "path": path, "now": x.data} for path, x in model.named_parameters()]


def _unit(unit: Unit, inputs: Sequence[Value], units: Sequence[Unit]) -> dict[str, Any]:
    """A unit: its layer, the parameters of its weights and its bias by their positions, its Values by their names."""
    place = {x: i - 2 for i, x in enumerate(inputs)}
    neuron, names = unit.neuron, unit.names()
    below = [other.name for other in units if other.layer == unit.layer - 1] or ["x0", "x1"]
    return {
        "name": unit.name,
        "layer": unit.layer,
        "weights": [place[w] for w in neuron.w],
        "bias": None if neuron.b is None else place[neuron.b],
        "sum": names[unit.sum],
        "biased": names[unit.biased],
        "from": below,
    }


class _Example:
    """The program of the loss of a row with this target, and its nodes: names, operations, rules of local gradients."""

    def __init__(self, layers: Sequence[Layer], inputs: Sequence[Value], loss: Loss, target: float) -> None:
        units, self.output = recorded(layers, inputs[:2])
        end = loss(self.output, target)
        if not isinstance(end, Value):
            raise TypeError(f"a loss makes a Value of an output and a target, got {type(end).__name__}")
        self.inputs, self.target, self.end = inputs, target, _bare(end, self.output)
        if self.end is self.output:
            raise ValueError("a loss says how far an output is from a target, this one is the output itself")
        self.live = program_of(self.end, inputs=inputs)
        self.names = dict(zip(inputs[:2], ("x0", "x1"), strict=True))
        for unit in units:
            self.names |= unit.names()
        self.names[self.end] = "L"
        for number, node in enumerate([node for node in self.live.nodes if node not in self.names], 1):
            self.names[node] = f"v{number}"

    def data(self) -> dict[str, Any]:
        place = {node: i for i, node in enumerate(self.live.nodes)}
        told = self.live.data()
        told["nodes"] = [
            {**slots, "name": self.names[node], **_told(node, self.names, place)}
            for node, slots in zip(self.live.nodes, told["nodes"], strict=True)
        ]
        ends = {"loss": place[self.end], "output": place[self.output]}
        return {**told, "inputs": [x.data for x in self.inputs], **ends}


def _refuse_choices(model: Module, loss: Loss, target: float) -> None:
    """Raise ValueError where the model or its loss compares numbers: other numbers would have another graph."""
    try:
        traced = program_of_function(lambda x0, x1: [loss(model([x0, x1]), target)], _AT)
        compares = not _COMPARISONS.isdisjoint(traced.data()["operations"])
    except KernelOnlyError:
        compares = True
    if compares:
        raise ValueError(
            "the model or its loss chooses by comparing numbers, or looks at their data; a page computes one way: "
            "write it of functions such as autodiff.maximum and leaky_relu"
        )


def _bare(y: Value, output: Value) -> Value:
    """The loss without sums with 0 and products with 1 around it: losses weigh by a target of 0 or 1."""
    neutral = {"add": 0.0, "mul": 1.0}
    while y.op is not None and y.op.name in neutral:
        others = [x for x in y.operands if isinstance(x, Value) or x != neutral[y.op.name]]
        if len(others) != 1 or not isinstance(others[0], Value) or others[0] is output:
            break
        y = others[0]
    return y


def _told(node: Value, names: dict[Value, str], place: dict[Value, int]) -> dict[str, Any]:
    """How a node was made, of which others, and the rule of each local gradient."""
    if not node.operands:
        return {"made": "", "of": [], "rules": []}
    are_values = [isinstance(x, Value) for x in node.operands]
    return {
        "made": operation(node, names),
        "of": [place[x] if isinstance(x, Value) else None for x in node.operands],
        "rules": [_slope(node, i, names) if is_value else "" for i, is_value in enumerate(are_values)],
    }


def _slope(node: Value, place: int, names: dict[Value, str]) -> str:
    """The rule of a local gradient; of a function that bends at 0, such as relu, those of both sides."""
    operand = node.operands[place]
    if node.op is None or not isinstance(operand, Value) or sum(isinstance(x, Value) for x in node.operands) > 1:
        return slope_in_symbols(node, place, names)
    sides = []
    for number in (1.0, -1.0):
        x = Value(number)
        side = node.op(*[x if other is operand else other for other in node.operands])
        sides.append(slope_in_symbols(side, place, {**names, x: names[operand], side: names[node]}))
    above, below = sides
    return above if above == below else f"{above} if {names[operand]} > 0, else {below}"


def _rule(optimizer: Optimizer) -> dict[str, Any]:
    """A step of the optimiser as a program of lr, the number of the step, a parameter, its slope, and its state."""
    if len(optimizer.param_groups) != 1:
        raise ValueError(f"play takes an optimizer with one group of parameters, got {len(optimizer.param_groups)}")
    options = {name: option for name, option in optimizer.param_groups[0].items() if name != "params"}
    maximize = -1.0 if options.get("maximize") else 1.0
    columns = optimizer._plan(options, 1).columns

    def step(lr: Any, count: Any, x: Any, slope: Any, *state: Any) -> Any:
        plan = optimizer._plan({**options, "lr": lr}, count)
        slope = maximize * slope + plan.decay * x if plan.decay or maximize < 0.0 else slope
        return plan.rule(plan.numbers, x, slope, *state)

    live: LiveFunction = program_of_function(step, [optimizer.lr, 2.0, 1.0, 1.0, *columns.values()])
    # Where a state begins at the learning rate, it begins at that of the page.
    other = optimizer._plan({**options, "lr": 2.0 * optimizer.lr}, 1).columns
    starts = ["lr" if columns[name] != other[name] else columns[name] for name in columns]
    return {"rule": live.data(), "state": starts, "isPlain": type(optimizer).__name__ == "SGD" and _is_plain(options)}


def _is_plain(options: dict[str, Any]) -> bool:
    return not any(option for name, option in options.items() if name != "lr")


def _set(points: Points) -> dict[str, Any]:
    rows = [[x0, x1, int(second)] for (x0, x1), second in points.rows]
    return {"name": points.name, "rows": rows, "classes": points.classes, "axes": points.axes}
