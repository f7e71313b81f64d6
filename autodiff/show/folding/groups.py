"""Groups: the nodes that were folded into one box, and its title: a module by its name, a pattern by its operations."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from autodiff.show.folding.patterns import period
from autodiff.show.folding.steps import STEP
from autodiff.show.folding.wiring import Modules, Wiring
from autodiff.show.words.numbers import counted

SHORT = 8  # operations that a title names one by one


class Key(NamedTuple):
    """The reason why nodes are one group.

    `of` identifies the group among its kind. For a module it is the modules around it and its name; for a pattern, its
    number or its copy's, and whether it follows the focus; for leaves, their users, None if these differ too much.
    """

    kind: Literal["module", "pattern", "leaves"]
    of: Any


class Group(NamedTuple):
    """Nodes that are drawn as one box, by their numbers, in the frame of `modules`."""

    title: str
    members: list[int]
    modules: Modules


def group_of(wiring: Wiring, key: Key, members: list[int]) -> Group:
    """The group of the nodes that share a key."""
    if key.kind == "module":
        return Group(_module_title(wiring, key.of, members), members, key.of[:-1])
    if key.kind == "pattern":
        return Group(_pattern_title(wiring, members), members, _shared([wiring.modules[i] for i in members]))
    shared = key.of is None or len(key.of) > 1
    return Group((steps_of(key.of or ()) or "shared") if shared else "", members, ())


def steps_of(users: Iterable[Any]) -> str:
    """The name of the module of which all users are steps, empty if they are not.

    >>> steps_of([Key("module", ("cell, t = 1",)), Key("module", ("cell, t = 2",))]), steps_of([7])
    ('cell', '')
    """
    places = {_without_steps(user.of) if isinstance(user, Key) and user.kind == "module" else () for user in users}
    return places.pop()[-1] if len(places) == 1 and () not in places else ""


def _without_steps(modules: Modules) -> Modules:
    """The names of a step, or of what is in one, without which it is; none of what is in no step."""
    return tuple([name.partition(STEP)[0] for name in modules]) if STEP in "".join(modules) else ()


def _module_title(wiring: Wiring, modules: Modules, members: list[int]) -> str:
    """The name of a module, and the modules directly in it, such as "layers.0\n16 neurons"."""
    depth = len(modules)
    inner = dict.fromkeys(wiring.modules[i][depth] for i in members if len(wiring.modules[i]) > depth)
    names = Counter(_stem(name) for name in inner)
    return "\n".join([modules[-1], *[counted(number, name) for name, number in names.items()]])


def _stem(name: str) -> str:
    """The singular of a list that a module stands in, "neuron" for "neurons.3"; other names without their step.

    >>> _stem("neurons.3"), _stem("attention"), _stem("cell, t = 2")
    ('neuron', 'attention', 'cell')
    """
    name = name.partition(STEP)[0]
    stem, _, index = name.rpartition(".")
    return stem.rpartition(".")[2].removesuffix("s") if index.isdigit() and stem else name


def _pattern_title(wiring: Wiring, members: list[int]) -> str:
    """How often which operations repeat: "32 × (dot → add → tanh)", or which are commonest if nothing does."""
    operations = [wiring.nodes[i].op.name for i in members if wiring.operands[i]]  # type: ignore[union-attr]
    tally = Counter(operations)
    if len(tally) == 1:
        return f"{len(operations):,} × {operations[0]}"
    if size := _size_of_copies(wiring, members):
        copy = " → ".join(_one_copy(wiring, members))
        return copy if len(operations) == size else f"{len(operations) // size:,} × ({copy})"
    step = period(operations)
    if step <= SHORT and len(operations) >= 2 * step:
        return f"{len(operations) // step:,} × ({' → '.join(operations[:step])})"
    shown = [f"{number:,} {name}" for name, number in tally.most_common(3)]
    return ", ".join(shown) + (", ..." if len(tally) > 3 else "")


def _size_of_copies(wiring: Wiring, members: list[int]) -> int:
    """The number of operations in each connected piece of a pattern; 0 if they differ, or are many."""
    operations = [i for i in members if wiring.operands[i]]
    used = {j for i in operations for j in wiring.operands[i]}
    ends = sum([i not in used for i in operations])
    if len(operations) % ends or len(operations) // ends > SHORT:
        return 0
    inside, end = set(operations), dict[int, int]()
    for i in reversed(operations):
        end.setdefault(i, i)
        end.update((j, end[i]) for j in wiring.operands[i] if j in inside)
    sizes = set(Counter(end.values()).values())
    return sizes.pop() if len(sizes) == 1 else 0


def _one_copy(wiring: Wiring, members: list[int]) -> list[str]:
    """The operations of the last copy in a pattern, in order."""
    inside, copy = set(members), set[int]()
    for i in reversed(members):
        if wiring.operands[i] and (not copy or i in copy):
            copy.add(i)
            copy.update(j for j in wiring.operands[i] if j in inside and wiring.operands[j])
    return [wiring.nodes[i].op.name for i in sorted(copy)]  # type: ignore[union-attr]


def _shared(places: Iterable[Modules]) -> Modules:
    places = list(places)
    return places[0] if len(set(places)) == 1 else ()
