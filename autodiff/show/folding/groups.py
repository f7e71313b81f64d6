"""What was folded into one box, and what that is called: a module by its name, repeated structure by its operations."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from autodiff.show.folding.repeats import period
from autodiff.show.folding.wiring import Path, Wiring
from autodiff.show.words.numbers import counted

SHORT = 8  # operations that a title names one by one


class Group(NamedTuple):
    """Nodes that are drawn as one box, by their numbers, in the frame at `path`."""

    title: str
    members: list[int]
    path: Path


def group_of(wiring: Wiring, key: Any, members: list[int]) -> Group:
    """Return the group of the nodes that share a key: the path of a module, ("part", ...) or ("leaves", users)."""
    kind = key[0] if len(key) == 2 else None
    if kind == "part" and isinstance(key[1], tuple):
        return Group(_part_title(wiring, members), members, _shared_path([wiring.paths[i] for i in members]))
    if kind == "leaves" and not isinstance(key[1], str):
        return Group("shared" if key[1] is None or len(key[1]) > 1 else "", members, ())
    return Group(_module_title(wiring, key, members), members, key[:-1])


def _module_title(wiring: Wiring, path: Path, members: list[int]) -> str:
    """Return the name of a module, and what is directly in it, such as "layers.0\n16 neurons"."""
    depth = len(path)
    inner = dict.fromkeys(wiring.paths[i][depth] for i in members if len(wiring.paths[i]) > depth)
    names = Counter(_stem(name) for name in inner)
    return "\n".join([path[-1], *[counted(number, name) for name, number in names.items()]])


def _stem(name: str) -> str:
    """Return what a child of a list is, in the singular: "neuron" of "neurons.3"; of other names themselves.

    >>> _stem("neurons.3"), _stem("attention")
    ('neuron', 'attention')
    """
    stem, _, index = name.rpartition(".")
    return stem.rpartition(".")[2].removesuffix("s") if index.isdigit() and stem else name


def _part_title(wiring: Wiring, members: list[int]) -> str:
    """Return how often which operations repeat: "32 × (dot → add → tanh)", or which are commonest if nothing does."""
    operations = [wiring.nodes[i].op.name for i in members if wiring.operands[i]]  # type: ignore[union-attr]
    tally = Counter(operations)
    if len(tally) == 1:
        return f"{len(operations):,} × {operations[0]}"
    if size := _size_of_copies(wiring, members):
        chain_of = " → ".join(_one_copy(wiring, members))
        return chain_of if len(operations) == size else f"{len(operations) // size:,} × ({chain_of})"
    step = period(operations)
    if step <= SHORT and len(operations) >= 2 * step:
        return f"{len(operations) // step:,} × ({' → '.join(operations[:step])})"
    shown = [f"{number:,} {name}" for name, number in tally.most_common(3)]
    return ", ".join(shown) + (", ..." if len(tally) > 3 else "")


def _size_of_copies(wiring: Wiring, members: list[int]) -> int:
    """Return how many operations each connected piece of a part has, 0 if they differ, or are many."""
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
    """Return the operations of the last copy in a part, in order."""
    inside, copy = set(members), set[int]()
    for i in reversed(members):
        if wiring.operands[i] and (not copy or i in copy):
            copy.add(i)
            copy.update(j for j in wiring.operands[i] if j in inside and wiring.operands[j])
    return [wiring.nodes[i].op.name for i in sorted(copy)]  # type: ignore[union-attr]


def _shared_path(paths: Iterable[Path]) -> Path:
    paths = list(paths)
    return paths[0] if len(set(paths)) == 1 else ()
