"""From a graph to the parts of its drawing: folded where it is too large to read, its numbers as they are now.

The same graph has the same parts.

    >>> from autodiff import Value
    >>> parts = parts_of(Value(3.0, "x") * 2.0)
    >>> [str(box.id) for box in parts.boxes], parts.marks[0].symbol
    (['n0', 'c1-1', 'n1'], '×')
    >>> edge = parts.edges[0]
    >>> print(edge.id, edge.operand, edge.mark, edge.local_gradient)
    e1-0 n0 o1 2
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from autodiff.chain import NOTHING
from autodiff.primitives import relu
from autodiff.show.drawings.parts import Box, Edge, Frame, Id, Kind, Mark, Parts
from autodiff.show.folding.fold import Folding, Request, folded
from autodiff.show.folding.groups import Group
from autodiff.show.folding.insides import Inside, insides
from autodiff.show.folding.wiring import CONSTANT, Modules
from autodiff.show.words import theme
from autodiff.show.words.given import given_names, within
from autodiff.show.words.numbers import NOT_YET, counted, shortened
from autodiff.value import Value

WRONG, DEAD = "⚠", "✕ dead"
MOST_IN_ONE, MOST_IN_ALL = 40, 250  # boxes and marks in the inside of a folded box, and in all insides of a drawing
LARGEST_OPENED = 200_000  # nodes of a graph whose boxes can be opened: more take a noticeable time
FEW_CONSTANTS = 8  # of one operation beside a folded graph; more become one box


class Numbers(NamedTuple):
    """The numbers of a node, where a drawing shows others than it holds."""

    data: float
    grad: float
    local_gradients: Sequence[float]


def parts_of(
    roots: Value | Sequence[Value],
    request: Request | None = None,
    numbers: Callable[[Value], Numbers] | None = None,
    *,
    opened: bool = False,
    fits: Callable[[Parts], bool] = lambda parts: True,
) -> Parts:
    """The parts of the graph that ends in a root, or several; unfolded, unless a request says otherwise.

    Args:
        roots: what is drawn last.
        request: what is folded.
        numbers: the numbers of each node, in place of those that it holds.
        opened: whether they have the insides of folded boxes, outer before inner, as far as they are clear and not
            many.
        fits: whether a drawing of such parts fits a page; one that does not is folded further.

    Raises ValueError if the graph does not have the node to focus on.
    """
    roots = [roots] if isinstance(roots, Value) else roots
    request = request or Request(collapse="never")

    def read(folding: Folding) -> Parts:
        return _Reader(roots, folding, request, numbers=numbers).parts()

    folding = folded(roots, request, lambda folding: fits(read(folding)))
    parts = read(folding)
    if opened and folding.groups and len(folding.wiring.nodes) <= LARGEST_OPENED:
        return parts._replace(insides=_insides(folding, parts.ran, numbers))
    return parts


def _insides(outermost: Folding, ran: bool, numbers: Callable[[Value], Numbers] | None) -> Mapping[Id, Parts]:
    found: dict[Id, Parts] = {}
    left = MOST_IN_ALL
    waiting = deque([(Inside(outermost, {}), found)])
    while waiting:
        around, place = waiting.popleft()
        for k, inside in enumerate(insides(around.folding, MOST_IN_ONE, around.ports)):
            if inside is None:
                continue
            within: dict[Id, Parts] = {}
            parts = inside_of(inside, ran, numbers)._replace(insides=within)
            size = len(parts.boxes) + len(parts.marks)
            if size > left:
                return found
            left -= size
            place[Id("fold", (k,))] = parts
            waiting.append((inside, within))
    return found


def inside_of(inside: Inside, ran: bool, numbers: Callable[[Value], Numbers] | None = None) -> Parts:
    """The parts of the inside of a folded box, of a drawing that shows gradients if there `ran` a `backward()`."""
    nodes = inside.folding.wiring.nodes
    roots = [nodes[i] for i in sorted(inside.folding.wiring.roots)]
    reader = _Reader(roots, inside.folding, Request(), ran, numbers)
    parts = reader.parts()
    ports = {reader.ids[i]: label for i, label in inside.ports.items()}
    boxes = [Box(box.id, "port", ports[box.id], "", "", "constant") if box.id in ports else box for box in parts.boxes]
    marks = [mark for mark in parts.marks if mark.result not in ports]
    return parts._replace(boxes=tuple(boxes), marks=tuple(marks), note="")


class _Reader:
    """Reads a folded graph into parts, box by box in topological order."""

    def __init__(
        self,
        roots: Sequence[Value],
        folding: Folding,
        request: Request,
        ran: bool | None = None,
        numbers: Callable[[Value], Numbers] | None = None,
    ) -> None:
        self.roots, self.folding, self.request = roots, folding, request
        self.nodes, self.group = folding.wiring.nodes, folding.group
        self.given = given_names(self.nodes)
        self.shown: Sequence[Value | Numbers] = self.nodes if numbers is None else [*map(numbers, self.nodes)]
        self.ran = any(self.shown[i].grad != 0.0 for i in folding.wiring.roots) if ran is None else ran
        self.boxes: list[Box] = []
        self.marks: list[Mark] = []
        self.edges: list[Edge] = []
        self.between = Counter[tuple[Id, Id]]()  # uses between a folded box and another: one edge for all
        self.frames: dict[Modules, Frame] = {}
        drawn = [i for i, group in enumerate(self.group) if group is None]
        self.ids = {i: Id("value", (number,)) for number, i in enumerate(drawn)}
        self.folds = [Id("fold", (k,)) for k in range(len(folding.groups))]
        self.largest = max([theme.magnitude(self._coloured(self.shown[i])) or 0.0 for i in drawn], default=0.0)

    def parts(self) -> Parts:
        self.boxes += [self._folded(*pair) for pair in zip(self.folds, self.folding.groups, strict=True)]
        for i, node in enumerate(self.nodes):
            if self.group[i] is None:
                self._read(i, node)
        self._join()
        number = {id(self.nodes[i]): i for i in self.folding.wiring.roots}
        between = [Edge(*ends, None, "", times=times) for ends, times in self.between.items()]
        return Parts(
            tuple(self.boxes),
            tuple(self.marks),
            (*self.edges, *between),
            tuple(self.frames.values()),
            tuple([self._end(number[id(root)]) for root in self.roots]),
            self._note(),
            {self.nodes[i]: box for i, box in self.ids.items()},
            self.ran,
        )

    def _end(self, i: int) -> Id:
        """The box that a node is drawn as, or folded into."""
        group = self.group[i]
        return self.ids[i] if group is None else self.folds[group]

    # --- a node drawn as it is ---

    def _read(self, i: int, node: Value) -> None:
        box, frame = self.ids[i], self._frame(self.folding.frames[i])
        operands = self.folding.wiring.operands[i]
        constants = operands.count(CONSTANT)
        many = bool(self.folding.groups) and constants > FEW_CONSTANTS
        if many:
            self._constant(box, None, counted(constants, "constant"), frame, constants)
        for k, j in enumerate(operands):
            if j != CONSTANT and self.group[j] is None:
                self._operand(i, k, box, j)
            elif j == CONSTANT and not many:
                self._constant(box, k, shortened(node.operands[k]), frame)
        if node.op is not None:
            self.marks.append(Mark(node.op.name, node.op.symbol, box, self._dead(i), frame))
        self.boxes.append(self._box(box, i, frame))

    def _constant(self, result: Id, position: int | None, text: str, frame: Id | None, times: int = 1) -> None:
        """Put a constant, or many in one box, before the operation that it goes into."""
        box = Box(result.sibling("constant", position), "constant", "", text, "", frame=frame)
        self.boxes.append(box)
        self.edges.append(Edge(box.id, result, position, "", times=times))

    def _operand(self, i: int, k: int, box: Id, j: int) -> None:
        local = self.shown[i].local_gradients[k]
        gained = self._contribution(self.shown[i].grad, local, self.shown[j].grad)
        self.edges.append(Edge(self.ids[j], box, k, shortened(local), gained))

    def _contribution(self, upstream: Any, local: Any, arrived: Any) -> str:
        if not self.ran:
            return NOT_YET
        product = upstream * local
        if not (upstream or _is_finite(product)) and _is_finite(arrived):
            product = 0.0  # nothing was passed on to the node, so it passes nothing on
        return f"{shortened(upstream)} × {shortened(local)} = {shortened(product + 0.0)}"

    def _box(self, box: Id, i: int, frame: Id | None) -> Box:
        node, shown = self.nodes[i], self.shown[i]
        kind: Kind = "interior" if node.operands else "leaf"
        grad = NOT_YET if not self.ran and _is_zero(shown.grad) else shortened(shown.grad)
        wrong = [shortened(x).lstrip("-") for x in (shown.data, shown.grad) if theme.magnitude(x) is None]
        tone = "bad" if wrong else theme.tone(self._coloured(shown), self.largest)
        flag = f"{WRONG} {' '.join(dict.fromkeys(wrong))}" if wrong else self._zero(shown)
        label = node.label or within(self.folding.frames[i], self.given.get(node, ""))
        return Box(box, kind, label, shortened(shown.data), grad, tone, flag, frame, node is self.request.focus)

    def _coloured(self, node: Value | Numbers) -> Any:
        """The number that colours a node."""
        return node.grad if self.ran else node.data

    def _zero(self, node: Value | Numbers) -> str:
        return ("∅ zero grad" if self.ran else "∅ zero") if _is_zero(self._coloured(node)) else ""

    def _dead(self, i: int) -> str:
        """The flag of a ReLU that passes no gradient on."""
        return DEAD if self.nodes[i].op is relu and self.shown[i].local_gradients[0] is NOTHING else ""

    # --- folded boxes ---

    def _folded(self, box: Id, group: Group) -> Box:
        parameters, operations = self.folding.parameters(group), self.folding.operations(group)
        measured = self.folding.measured(group)
        counts = [
            (len(parameters), "parameter"),
            (self.folding.inputs(group), "input"),
            (operations, "operation"),
        ]
        lines = [group.title] * bool(group.title) + [counted(number, noun) for number, noun in counts if number]
        norm = _norm([size for i in measured if (size := theme.magnitude(self.shown[i].grad)) is not None])
        grad = f"{norm:.2g}" if self.ran or norm else NOT_YET
        return Box(box, "fold", "\n".join(lines), "", grad, "", self._troubles(group), self._frame(group.modules))

    def _troubles(self, group: Group) -> str:
        """How many nodes of a group are not finite, and how many of its ReLUs are dead."""
        nodes = [self.shown[i] for i in group.members]
        bad = sum([not (_is_finite(node.data) and _is_finite(node.grad)) for node in nodes])
        dead = sum([bool(self._dead(i)) for i in group.members])
        return ", ".join([f"{WRONG} {bad:,} nan or inf"] * bool(bad) + [f"✕ {dead:,} dead"] * bool(dead))

    def _join(self) -> None:
        """Count the uses that begin or end in a folded box."""
        if not self.folding.groups:
            return
        ends = [self._end(i) for i in range(len(self.nodes))]
        for end, group, operands in zip(ends, self.group, self.folding.wiring.operands, strict=True):
            for j in operands:
                if j != CONSTANT and ends[j] != end and (group is not None or self.group[j] is not None):
                    self.between[ends[j], end] += 1

    def _frame(self, modules: Modules) -> Id | None:
        if not modules:
            return None
        if modules not in self.frames:
            parent = self._frame(modules[:-1])
            self.frames[modules] = Frame(Id("frame", (len(self.frames),)), modules[-1], ".".join(modules), parent)
        return self.frames[modules].id

    def _note(self) -> str:
        if not self.folding.groups:
            return ""
        folded = counted(len(self.nodes) - len(self.ids), "value")
        boxes = f"{len(self.folding.groups):,} box{'es' * (len(self.folding.groups) != 1)}"
        opened = max([len(group.modules) for group in self.folding.groups])
        more = 1 + (opened if self.request.depth is None else self.request.depth)
        return f"{folded} folded into {boxes}: depth={more} or focus=value opens them"


def _norm(sizes: list[float]) -> float:
    """The Euclidean norm, without overflow or underflow of the squares."""
    largest = max(sizes, default=0.0)
    return largest * sum([(size / largest) ** 2 for size in sizes]) ** 0.5 if largest else 0.0


def _is_finite(number: Any) -> bool:
    return number - number == 0.0 if type(number) is float else theme.magnitude(number) is not None


def _is_zero(number: Any) -> bool:
    return theme.magnitude(number) == 0.0
