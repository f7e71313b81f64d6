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
        if len(key) != len(value):
            raise ValueError(f"MultiHeadAttention expects a value for each key, got {len(key)} and {len(value)}")
        shares = self._shares(query, key, mask)
        values = self._by_head([self.value.outputs(x) for x in value])
        heads = [[_mean(v, share) for share in of_head] for v, of_head in zip(values, shares, strict=True)]
        return [self.output.outputs([x for part in parts for x in part]) for parts in zip(*heads, strict=True)]

    def weights(self, query: Vectors, key: Vectors | None = None, mask: Any = None) -> list[list[list[Any]]]:
        """weights[head][i][j]: how much query i attends to key j in a head; 0 where it does not see it.

        Those of a query sum to 1. Arguments and errors are those of a call. torch gives them with need_weights=True and
        average_attn_weights=False.

        >>> attention = MultiHeadAttention(2, 1, causal=True, seed=0)
        >>> [[[first, other], _]] = attention.weights([[1.0, 0.0], [0.0, 1.0]])
        >>> first.data, other
        (1.0, 0.0)
        """
        key = query if key is None else key
        return [
            [[share.get(j, 0.0) for j in range(len(key))] for share in of_head]
            for of_head in self._shares(query, key, mask)
        ]

    def _shares(self, query: Vectors, key: Vectors, mask: Any) -> list[list[dict[int, Any]]]:
        """For each head and query, the softmax of its scores, by the positions of the keys that it may see."""
        queries, keys = [self.query.outputs(x) for x in query], [self.key.outputs(x) for x in key]
        seen = self._seen(len(queries), len(keys), mask)
        return [
            [_softmax_of_scores(x, k, those) for x, those in zip(q, seen, strict=True)]
            for q, k in zip(self._by_head(queries), self._by_head(keys), strict=True)
        ]

    def _by_head(self, vectors: list[list[Any]]) -> list[list[list[Any]]]:
        """Each head's columns of all vectors."""
        d = self.width // self.heads
        return [[x[start : start + d] for x in vectors] for start in range(0, self.width, d)]

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


def _softmax_of_scores(query: list[Any], keys: list[list[Any]], seen: dict[int, Any]) -> dict[int, Any]:
    """The softmax of the scores of the keys that a query sees: q k / sqrt(d)."""

    def score(j: int, sees: Any) -> Any:
        match = autodiff.dot(query, keys[j]) / math.sqrt(len(query))
        return autodiff.where(sees, match, -math.inf) if isinstance(sees, Value) else match

    return dict(zip(seen, autodiff.softmax([score(j, sees) for j, sees in seen.items()]), strict=True))


def _mean(values: list[list[Any]], share: dict[int, Any]) -> list[Any]:
    """The mean of the values at some positions, weighted."""
    weights = list(share.values())
    return [autodiff.dot(weights, [values[j][i] for j in share]) for i in range(len(values[0]))]
