"""MultiHeadAttention: each query takes a weighted mean of values, weighted by how well their keys match it.

>>> attention = MultiHeadAttention(4, 2, causal=True, seed=0)
>>> y = attention([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
>>> len(y), len(y[0]), len(attention.parameters())
(2, 4, 80)
"""

import math
import random
from collections.abc import Sequence
from typing import Any

import autodiff
from autodiff import Value
from nn.init import Init, generator
from nn.layers.arguments import whole_number
from nn.layers.configured import Configured
from nn.layers.dense import Layer

Vectors = Sequence[Sequence[Any]]


class MultiHeadAttention(Configured):
    """Attention of several heads: softmax(Q K' / sqrt(d)) V, each on its d = width / heads columns of Q, K and V.

    Q, K and V are linear layers of queries, keys and values, lists of vectors; another one takes the outputs of the
    heads, side by side. In torch's names, the weights of the layers `query`, `key` and `value`, a neuron a row, are the
    three parts of in_proj_weight and in_proj_bias, one below the other, and `output` is out_proj.

    Args:
        width: of the vectors, a multiple of heads.
        heads: how many there are, at least 1.
        causal: whether query i sees the keys up to i alone.
        bias: whether the layers have one.
        seed, rng, init: as in Neuron.

    Source: Vaswani et al., Attention is all you need, 2017, section 3.2.

    >>> attention = MultiHeadAttention(2, 1, seed=0)
    >>> one, other = attention([[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5]])
    >>> [y.data for y in one] == [y.data for y in other]  # there is one key to attend to
    True
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        seed: int | None = None,
        rng: random.Random | None = None,
        init: Init = None,
    ) -> None:
        self.width, self.heads = whole_number("width", width), whole_number("heads", heads)
        self.causal, self.bias = bool(causal), bool(bias)
        if width % heads:
            raise ValueError(f"width is a multiple of heads, got {width} and {heads}")
        rng = generator(seed, rng)
        self.query, self.key, self.value, self.output = [
            Layer(width, width, "linear", bias=bias, rng=rng, init=init, name=f"MultiHeadAttention.{name}")
            for name in ("query", "key", "value", "output")
        ]

    def __call__(
        self, query: Vectors, key: Vectors | None = None, value: Vectors | None = None, mask: Any = None
    ) -> list[list[Any]]:
        """A vector for each query.

        Args:
            query: lists of numbers of the width, or an array of shape (queries, width).
            key: the same for keys; the queries themselves unless given, which is self-attention.
            value: one for each key; the keys themselves unless given.
            mask: mask[i][j] says whether query i sees key j, bools or numbers that are 0 for no, as in Keras; torch's
                attn_mask is its opposite. In a compiled function it may be data: a query that sees nothing gives nan.

        Raises ValueError for vectors of another width, too few or too many values, a mask of another shape, or one by
        which a query sees nothing.
        """
        key = query if key is None else key
        value = key if value is None else value
        queries = [self.query.outputs(x) for x in query]
        keys, values = [self.key.outputs(x) for x in key], [self.value.outputs(x) for x in value]
        if len(keys) != len(values):
            raise ValueError(f"MultiHeadAttention expects a value for each key, got {len(keys)} and {len(values)}")
        seen, d = self._seen(len(queries), len(keys), mask), self.width // self.heads
        heads = []
        for columns in [slice(start, start + d) for start in range(0, self.width, d)]:
            q, k, v = [[x[columns] for x in vectors] for vectors in (queries, keys, values)]
            heads.append([_attended(query, k, v, those) for query, those in zip(q, seen, strict=True)])
        return [self.output.outputs([x for part in parts for x in part]) for parts in zip(*heads, strict=True)]

    def _seen(self, queries: int, keys: int, mask: Any) -> list[dict[int, Any]]:
        """The keys that each query may see, by position, each with its entry in the mask.

        Keys that are hidden whatever the data are left out; a Value in a mask decides at every run.
        """
        rows = [[True] * keys] * queries if mask is None else [list(row) for row in mask]
        if [len(row) for row in rows] != [keys] * queries:
            raise ValueError(
                f"mask expects a row of {keys}, one for each key, for each of {queries} queries, got {len(rows)} rows "
                f"of lengths {sorted({len(row) for row in rows})}"
            )
        ends = range(1, queries + 1) if self.causal else [keys] * queries
        seen = [
            {j: sees for j, sees in enumerate(row[:end]) if isinstance(sees, Value) or sees}
            for row, end in zip(rows, ends, strict=True)
        ]
        if {} in seen:
            raise ValueError(f"query {seen.index({})} sees no key; a mask expects at least one true entry in each row")
        return seen


def _attended(query: list[Any], keys: list[list[Any]], values: list[list[Any]], seen: dict[int, Any]) -> list[Any]:
    """The mean of the values of the keys that a query sees, each weighted by the softmax of its score."""

    def score(j: int, sees: Any) -> Any:
        match = autodiff.dot(query, keys[j]) / math.sqrt(len(query))
        return autodiff.where(sees, match, -math.inf) if isinstance(sees, Value) else match

    weights = autodiff.softmax([score(j, sees) for j, sees in seen.items()])
    return [autodiff.dot(weights, [values[j][i] for j in seen]) for i in range(len(query))]
