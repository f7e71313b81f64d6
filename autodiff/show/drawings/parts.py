"""The parts of a drawing, as plain data: a computation graph read once, before anything is said of looks.

A box is a number: a Value, a constant operand, or what a large part of the graph was folded into. A mark is the
operation that made a box. An edge leads from an operand's box to the mark (to the box itself, if it is folded) and
carries the local gradient. A frame is a module, around what was made in it. Numbers are already text here, so that
every drawing shows the same digits; a box's tone is their sign and magnitude, as a drawing colours them.

Names say what belongs together. Values are numbered in topological order: box n2 was made by mark o2, to which edges
e2-0, e2-1, ... lead from its operands, in order; c2-1 is an operand that is a constant, and the edge r2 leads from the
mark to the box. Folded boxes are g0, g1, ..., frames f0, f1, ... The same graph has the same parts.

    >>> from autodiff import Value
    >>> parts = parts_of(Value(3.0, "x") * 2.0)
    >>> [box.name for box in parts.boxes], parts.marks[0].symbol
    (['n0', 'c1-1', 'n1'], '×')
    >>> parts.edges[0].name, parts.edges[0].operand, parts.edges[0].mark, parts.edges[0].local_gradient
    ('e1-0', 'n0', 'o1', '2')
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from autodiff.nothing import NOTHING
from autodiff.primitives import relu
from autodiff.show.folding.fold import Folding, Request, folded
from autodiff.show.folding.groups import Group
from autodiff.show.folding.wiring import CONSTANT, Path
from autodiff.show.words import theme
from autodiff.show.words.numbers import NOT_YET, counted, shortened
from autodiff.value import Value

Kind = Literal["leaf", "interior", "constant", "fold"]

WRONG = "⚠"
FEW_CONSTANTS = 8  # of one operation beside a folded graph; more become one box


class Box(NamedTuple):
    """A number, or many folded into one. A constant has no label and no grad: both are empty.

    Of a folded box the label has the lines that say what is in it. `flag` says what is to be noticed: nan, inf, zero.
    """

    name: str
    kind: Kind
    label: str
    data: str
    grad: str
    tone: str = ""
    flag: str = ""
    frame: str = ""
    focus: bool = False


class Mark(NamedTuple):
    """The operation that made the box named `result`; a dead ReLU is flagged."""

    name: str
    operation: str
    symbol: str
    result: str
    flag: str = ""
    frame: str = ""


class Edge(NamedTuple):
    """A box as an operand of a mark, with d(result)/d(operand): empty for a constant, to which no gradient flows.

    `contribution` is what the operand's grad gained: upstream x local. `mark` is a box where the operation is folded.
    `times` says how many uses an edge to or from a folded box stands for.
    """

    name: str
    operand: str
    mark: str
    local_gradient: str
    contribution: str = ""
    times: int = 1


class Frame(NamedTuple):
    """A module, in the frame named `parent`: its own name, and with those around it."""

    name: str
    label: str
    title: str
    parent: str


class Parts(NamedTuple):
    """All of a drawing, in topological order. Edges stand in the order of operands; roots are names of boxes.

    `note` says how to open what was folded; `names` has the box of each Value that is drawn as it is; `ran` whether
    there was a `backward()`.
    """

    boxes: tuple[Box, ...]
    marks: tuple[Mark, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...] = ()
    roots: tuple[str, ...] = ()
    note: str = ""
    names: dict[Value, str] = {}  # noqa: RUF012 - of a tuple, never changed
    ran: bool = False


def parts_of(roots: Value | Sequence[Value], request: Request | None = None) -> Parts:
    """Return the parts of the graph that ends in a root, or several, as its numbers are now.

    Raises ValueError if the graph does not have the node to focus on.
    """
    roots = [roots] if isinstance(roots, Value) else roots
    request = request or Request(collapse="never")
    return _Reader(roots, folded(roots, request), request).parts()


class _Reader:
    """Reads a folded graph into parts, box by box in topological order."""

    def __init__(self, roots: Sequence[Value], folding: Folding, request: Request) -> None:
        self.roots, self.folding, self.request = roots, folding, request
        self.nodes, self.group = folding.wiring.nodes, folding.group
        self.ran = any(root.grad != 0.0 for root in roots)
        self.boxes: list[Box] = []
        self.marks: list[Mark] = []
        self.edges: list[Edge] = []
        self.between = Counter[tuple[str, str]]()  # uses between a folded box and another: one edge for all
        self.frames: dict[Path, Frame] = {}
        drawn = [i for i, group in enumerate(self.group) if group is None]
        self.names = {i: f"n{number}" for number, i in enumerate(drawn)}
        self.largest = max([theme.magnitude(self._coloured(self.nodes[i])) or 0.0 for i in drawn], default=0.0)

    def parts(self) -> Parts:
        groups = self.folding.groups
        self.boxes += [self._folded(f"g{k}", group) for k, group in enumerate(groups)]
        for i, node in enumerate(self.nodes):
            if self.group[i] is None:
                self._read(i, node)
        self._join()
        number = {id(self.nodes[i]): i for i in self.folding.wiring.roots}
        return Parts(
            tuple(self.boxes),
            tuple(self.marks),
            (*self.edges, *[Edge(f"e-{a}-{b}", a, b, "", times=times) for (a, b), times in self.between.items()]),
            tuple(self.frames.values()),
            tuple([self._name(number[id(root)]) for root in self.roots]),
            self._note(),
            {self.nodes[i]: name for i, name in self.names.items()},
            self.ran,
        )

    def _name(self, i: int) -> str:
        group = self.group[i]
        return self.names[i] if group is None else f"g{group}"

    # --- a node drawn as it is ---

    def _read(self, i: int, node: Value) -> None:
        name, frame = self.names[i], self._frame(self.folding.frames[i])
        mark = f"o{name[1:]}"
        constants = self.folding.wiring.operands[i].count(CONSTANT)
        many = bool(self.folding.groups) and constants > FEW_CONSTANTS
        if many:
            self.boxes.append(Box(f"c{name[1:]}", "constant", "", counted(constants, "constant"), "", frame=frame))
            self.edges.append(Edge(f"e{name[1:]}", f"c{name[1:]}", mark, "", times=constants))
        for k, j in enumerate(self.folding.wiring.operands[i]):
            if not many if j == CONSTANT else self.group[j] is None:
                self._edge(i, k, j, node, frame)
        if node.op is not None:
            self.marks.append(Mark(mark, node.op.name, node.op.symbol, name, _dead(node), frame))
        self.boxes.append(self._box(name, node, frame))

    def _edge(self, i: int, k: int, j: int, node: Value, frame: str) -> None:
        number, local = self.names[i][1:], node.local_gradients[k]
        if j == CONSTANT:
            constant = Box(f"c{number}-{k}", "constant", "", shortened(node.operands[k]), "", frame=frame)
            self.boxes.append(constant)
            self.edges.append(Edge(f"e{number}-{k}", constant.name, f"o{number}", ""))
        else:
            shown = self._contribution(node.grad, local, self.nodes[j].grad)
            self.edges.append(Edge(f"e{number}-{k}", self.names[j], f"o{number}", shortened(local), shown))

    def _contribution(self, upstream: Any, local: Any, arrived: Any) -> str:
        if not self.ran:
            return NOT_YET
        product = upstream * local
        if not (upstream or _is_finite(product)) and _is_finite(arrived):
            product = 0.0  # nothing was passed on to the node, so it passes nothing on
        return f"{shortened(upstream)} × {shortened(local)} = {shortened(product)}"

    def _box(self, name: str, node: Value, frame: str) -> Box:
        kind: Kind = "interior" if node.operands else "leaf"
        grad = NOT_YET if not self.ran and _is_zero(node.grad) else shortened(node.grad)
        flag, focus = self._flag(node), node is self.request.focus
        tone = "bad" if flag.startswith(WRONG) else theme.tone(self._coloured(node), self.largest)
        return Box(name, kind, node.label, shortened(node.data), grad, tone, flag, frame, focus)

    def _coloured(self, node: Value) -> Any:
        """Return the number that colours a node."""
        return node.grad if self.ran else node.data

    def _flag(self, node: Value) -> str:
        wrong = [shortened(x).lstrip("-") for x in (node.data, node.grad) if theme.magnitude(x) is None]
        if wrong:
            return f"{WRONG} {' '.join(dict.fromkeys(wrong))}"
        return ("∅ zero grad" if self.ran else "∅ zero") if _is_zero(self._coloured(node)) else ""

    # --- what is folded ---

    def _folded(self, name: str, group: Group) -> Box:
        parameters, operations = self.folding.parameters(group), self.folding.operations(group)
        measured = parameters or [self.nodes[i] for i in group.members]
        counts = [
            (len(parameters), "parameter"),
            (self.folding.inputs(group), "input"),
            (operations, "operation"),
        ]
        lines = [group.title, *[counted(number, noun) for number, noun in counts if number]]
        norm = _norm([size for node in measured if (size := theme.magnitude(node.grad)) is not None])
        grad = f"{norm:.2g}" if self.ran or norm else NOT_YET
        lines.append(f"|grad| {grad}")
        label = "\n".join([line for line in lines if line])
        return Box(name, "fold", label, "", grad, "", self._troubles(group), self._frame(group.path))

    def _troubles(self, group: Group) -> str:
        """Return how many of a group's nodes are not finite, and how many ReLUs are dead."""
        nodes = [self.nodes[i] for i in group.members]
        bad = sum([not (_is_finite(node.data) and _is_finite(node.grad)) for node in nodes])
        dead = sum([bool(_dead(node)) for node in nodes])
        return ", ".join([f"{WRONG} {bad:,} nan or inf"] * bool(bad) + [f"✕ {dead:,} dead"] * bool(dead))

    def _join(self) -> None:
        """Count the uses that begin or end in a folded box."""
        if not self.folding.groups:
            return
        boxes = [f"g{k}" for k in range(len(self.folding.groups))]
        ends = [self.names[i] if group is None else boxes[group] for i, group in enumerate(self.group)]
        count = self.between
        for name, group, operands in zip(ends, self.group, self.folding.wiring.operands, strict=True):
            into = f"o{name[1:]}" if group is None else name
            for j in operands:
                if j != CONSTANT and ends[j] != name and (group is not None or self.group[j] is not None):
                    count[ends[j], into] += 1

    def _frame(self, path: Path) -> str:
        if not path:
            return ""
        if path not in self.frames:
            parent = self._frame(path[:-1])
            self.frames[path] = Frame(f"f{len(self.frames)}", path[-1], ".".join(path), parent)
        return self.frames[path].name

    def _note(self) -> str:
        if not self.folding.groups:
            return ""
        folded = counted(len(self.nodes) - len(self.names), "value")
        boxes = f"{len(self.folding.groups):,} box{'es' * (len(self.folding.groups) != 1)}"
        opened = max([len(group.path) for group in self.folding.groups])
        more = 1 + (opened if self.request.depth is None else self.request.depth)
        return f"{folded} folded into {boxes}: depth={more} or focus=value opens them"


def _dead(node: Value) -> str:
    """Return "dead" for a ReLU that passes no gradient on."""
    return "✕ dead" if node.op is relu and node.local_gradients[0] is NOTHING else ""


def _norm(sizes: list[float]) -> float:
    """Return the Euclidean norm, without overflow or underflow of the squares."""
    largest = max(sizes, default=0.0)
    return largest * sum([(size / largest) ** 2 for size in sizes]) ** 0.5 if largest else 0.0


def _is_finite(number: Any) -> bool:
    return number - number == 0.0 if type(number) is float else theme.magnitude(number) is not None


def _is_zero(number: Any) -> bool:
    return theme.magnitude(number) == 0.0
