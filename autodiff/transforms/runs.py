"""One evaluation of f by a transform: its graph on nodes of the transform's own, the sweeps, and the numbers out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autodiff import backprop, chain, modes, value
from autodiff.graph import from_elsewhere, topological_order
from autodiff.primitives import Primitive
from autodiff.structures.structure import Structure, flatten_values
from autodiff.system.blocks import Block, Scope
from autodiff.transforms.arguments import Argnums, flattened, indices_of, refuse_containers
from autodiff.transforms.sweeps import pulled_back, pushed_forward
from autodiff.value import Value


class Run:
    """f's graph on nodes of our own, one for each number that is differentiated, and the sweeps over it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.logs: list[list[Any]] = []  # of leaves made while we were recording: they are ours
        self.inputs: list[Value] = []
        self.borrowed: set[Value] = set()  # inputs made from a Value: no sweep goes beyond them
        self.detaching = False

    def recording(self) -> "Recording":
        """A context in which operations are recorded, and new leaves are ours."""
        return Recording(self)

    def again(self) -> "Run":
        """A run over the same graph, for another recording."""
        from copy import copy  # takes a fourth of a millisecond, and only derivatives by rows need it

        run = copy(self)
        run.logs = [*self.logs]
        return run

    def lift(self, args: tuple[Any, ...], argnums: Argnums) -> list[Any]:
        """The arguments with nodes of our own in the place of the numbers that are differentiated.

        A number becomes a leaf; a Value a node made from it, so that what depends on ours depends on the Value, too.
        """
        lifted, structures = list(args), []
        indices, is_one = indices_of(self.name, argnums, len(args))
        for i in indices:
            numbers, structure = flattened(self.name, args[i], f"args[{i}]")
            if are_floats(numbers):
                nodes = value.leaves_of(numbers)
            else:
                nodes = [x * 1.0 if isinstance(x, Value) else Value(x) for x in numbers]
                self.borrowed.update([node for node in nodes if node.operands])
            lifted[i] = structure.build(nodes)
            self.inputs += nodes
            structures.append(structure)
        whole = Structure(tuple, children=tuple(structures), size=len(self.inputs))
        self.of_inputs = structures[0] if is_one else whole
        return lifted

    def take(self, result: Any, has_aux: bool) -> None:
        """Take in the result of f."""
        self.aux: Any = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise TypeError(
                    f"{self.name} with has_aux=True expected f to return a pair (value, aux), got {result!r}"
                )
            result, self.aux = result
        self.outputs, self.of_outputs = flattened(self.name, result, "f's result")
        self.order = self.ordered(self.outputs)
        self.is_closed = not self.theirs(self.outputs, self.order)
        self.ours = set(values_in(self.outputs)) if self.is_closed else set[Any]()

    def is_of_one_number(self) -> bool:
        """Whether the result is one number, perhaps as an array without an axis."""
        return not self.of_outputs.shape and self.of_outputs.kind in ("number", "array")

    def one_output(self, instead: str) -> Any:
        """The result, which must be one number."""
        if not self.is_of_one_number():
            raise TypeError(f"{self.name} expected f to return one number, got {self.of_outputs}; use {instead}")
        return self.outputs[0]

    # --- sweeps ---

    def slopes(self, output: Any) -> list[Any]:
        """The gradient of an output as Values, or floats where it is constant."""
        order = self.order if len(self.outputs) == 1 else self.ordered([output])
        return pulled_back(order, {output: 1.0}, self.inputs)

    def pulled(self, seeds: Mapping[Any, Any], order: list[Any] | None = None) -> list[Any]:
        """The gradient of the sum of root * seed: floats, where all that matters is ours."""
        roots = {root: seed for root, seed in seeds.items() if isinstance(root, Value)}
        order = self.ordered([*roots]) if order is None else order
        if not (self.is_closed and all(type(seed) is float for seed in roots.values())):
            return pulled_back(order, roots, self.inputs)
        return backprop.gradients_at(order, roots, self.inputs)

    def pushed(self, tangents: Mapping[Any, Any]) -> list[Any]:
        """The derivatives of the outputs along the tangents of the inputs."""
        if self.is_closed and all(type(tangent) is float for tangent in tangents.values()):
            moving = iter(chain.tangents_at(self.order, tangents, values_in(self.outputs)))
            return [(next(moving) or 0.0) if isinstance(y, Value) else 0.0 for y in self.outputs]
        return pushed_forward(self.order, tangents, self.outputs)

    # --- numbers out ---

    def lowered(self, numbers: Sequence[Any]) -> list[Any]:
        """A float for each that is ours alone; for the others Values, without their graph inside no_grad()."""
        if are_floats(numbers):
            return list(numbers)
        values = values_in(numbers)
        if self.ours.issuperset(values):
            return [x.data if isinstance(x, Value) else x for x in numbers]
        theirs = self.theirs(values)
        if self.detaching:
            return [x.detach() if x in theirs else x.data if isinstance(x, Value) else x for x in numbers]
        return [x.data if isinstance(x, Value) and x not in theirs else x for x in numbers]

    def lowered_rows(self, rows: list[list[Any]]) -> list[list[Any]]:
        numbers = iter(self.lowered([x for row in rows for x in row]))
        return [[next(numbers) for _ in row] for row in rows]

    def lowered_aux(self) -> Any:
        items, structure = flatten_values(self.aux)
        values = iter(self.lowered(values_in(items)))
        return structure.build([next(values) if isinstance(item, Value) else item for item in items])

    def ordered(self, numbers: Sequence[Any]) -> list[Any]:
        """A topological order of the nodes between our inputs and the Values among the numbers."""
        return topological_order(*values_in(numbers), without=self.borrowed)

    def theirs(self, numbers: Sequence[Any], order: list[Any] | None = None) -> set[Any]:
        """The numbers that depend on a leaf that is not ours, with all else in the order that does."""
        values = values_in(numbers)
        reading = modes.reading()
        if reading is not None:  # it knows, and has no leaf of ours that is not constant
            return {x for x in values if not reading.is_constant(x)} | self.borrowed
        ours: set[Any] = set().union(*self.logs)
        order = self.ordered(values) if order is None else order
        return from_elsewhere(order, ours, self.borrowed) | {x for x in values if not x.operands and x not in ours}


class Recording(Scope):
    """A context in which operations are recorded, even inside `no_grad()`, and new leaves are the run's own."""

    def __init__(self, run: Run, first: Callable[[], None] | None = None) -> None:
        self.run, self.first = run, first

    def begin(self, block: Block) -> Run:
        mode = modes.now()
        self.run.detaching = mode is not None and not mode.recording  # called inside no_grad()
        if self.run.detaching:
            modes.change(block, recording=True)
        self.run.logs.append(modes.new_leaves.begin(block))
        if self.first is not None:
            try:
                self.first()
            except BaseException:
                self.end(block)
                raise
        return self.run

    def end(self, block: Block) -> None:
        modes.new_leaves.end(block)
        modes.restore(block)


def evaluated(
    name: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums, has_aux: bool
) -> Recording:
    """A context in which f has been evaluated on nodes of our own; `with` it gives the run."""
    if isinstance(f, Primitive):
        refuse_containers(name, f, args)
    run = Run(name)
    return Recording(run, lambda: run.take(f(*run.lift(args, argnums), **kwargs), has_aux))


def are_floats(numbers: Sequence[Any]) -> bool:
    return set(map(type, numbers)) <= {float}


def values_in(numbers: Sequence[Any]) -> list[Any]:
    return [x for x in numbers if isinstance(x, Value)]


def weighted(nodes: Sequence[Any], weights: Sequence[Any]) -> dict[Any, Any]:
    """The weight of each node, or their sum, where it stands more than once; not those of exactly 0."""
    weighted: dict[Any, Any] = {}
    for node, weight in zip(nodes, weights, strict=True):
        if isinstance(node, Value) and not (type(weight) is float and weight == 0.0):
            weighted[node] = weighted[node] + weight if node in weighted else weight
    return weighted
