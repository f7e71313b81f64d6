"""The passes forward and backward as data for a script, which shows them step by step, on the numbers in the slots.

The script says what `animate` says: the captions here are those of its steps, with places for the numbers.

    >>> from autodiff import Value
    >>> from autodiff.show.drawings.reader import parts_of
    >>> from autodiff.show.live.program import program_of
    >>> from autodiff.show.words.names import names_of
    >>> x = Value(3.0, "x")
    >>> y = x * -2.0
    >>> film = film_of(y, program_of(y).nodes, parts_of(y).ids, names_of(y))
    >>> film["steps"][0]["made"], film["steps"][0]["numbers"].replace(PLACE, "?")
    ('x * (-2)', '?0, * (-2)')
"""

import re
from collections.abc import Mapping
from typing import Any

from autodiff.graph import leaves, topological_order
from autodiff.show.drawings.parts import Id
from autodiff.show.explanations.symbols import total
from autodiff.show.formulas.formula import operation
from autodiff.show.live.program import Slots
from autodiff.value import Value

PLACE = "\ue000"  # the place of a number, followed by its slot and a semicolon; by a comma where a negative number is
# in parentheses


def film_of(
    y: Value, nodes: Mapping[Value, Slots], ids: Mapping[Value, Id], names: Mapping[Value, str]
) -> dict[str, Any]:
    """The steps forward, the other way round the steps backward, and what is said at the ends.

    Args:
        y: the end of the graph.
        nodes: the slots of its Values; what an inner node was made from that is given has none.
        ids: the box of each Value.
        names: a name for each.
    """
    order = [node for node in topological_order(y) if node in nodes and nodes[node].locals]
    ends, inner = [x for x in leaves(y) if x in nodes], set(order)
    return {
        "steps": [_step(y, node, nodes, ids, names) for node in order],
        "result": {"name": names[y], "total": total(names[y], names[y]), "box": str(ids[y]), "slot": nodes[y].data},
        "leaves": [{"total": total(names[y], names[x]), "slot": nodes[x].gradient} for x in ends],
        "known": [str(ids[x]) for x in ids if x not in inner],
        "place": PLACE,
    }


def _step(
    y: Value, node: Value, nodes: Mapping[Value, Slots], ids: Mapping[Value, Id], names: Mapping[Value, str]
) -> dict[str, Any]:
    """The step of a node, both ways."""
    box, slots = ids[node], nodes[node]
    return {
        "box": str(box),
        "lit": [str(box), str(box.sibling("operation")), str(box.sibling("result"))],
        "name": names[node],
        "made": operation(node, names),
        "numbers": _on_places(node, {x: nodes[x].data for x in node.operands if isinstance(x, Value)}),
        "data": slots.data,
        "gradient": slots.gradient,
        "total": total(names[y], names[node]),
        "shares": [
            {
                "edge": str(box.sibling("operand", k)),
                "to": str(ids[x]),
                "total": total(names[y], names[x]),
                "local": local,
                "share": share,
                "optional": optional,
            }
            for k, (x, local, share, optional) in enumerate(zip(node.operands, *slots[2:], strict=True))
            if isinstance(x, Value)
        ],
    }


def _on_places(node: Value, slots: Mapping[Value, int]) -> str:
    """The operation on places for numbers."""
    plain, negative = [
        re.split(f"{sign}{PLACE}(\\d+);", operation(node, {x: f"{sign}{PLACE}{slot};" for x, slot in slots.items()}))
        for sign in ("", "-")
    ]
    made, wrapped = plain[0], False
    for i in range(1, len(plain), 2):  # texts and slots in turn; a negative number may have added parentheses around it
        wrapped = len(negative[i - 1]) > len(plain[i - 1]) + wrapped
        made += f"{PLACE}{plain[i]}{',' if wrapped else ';'}{plain[i + 1]}"
    return made
