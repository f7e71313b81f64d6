"""The rows of a data set: X and y as arrays of floats, whatever they came as; classes by number.

>>> data = Data.of([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["cat", "dog", "cat"])
>>> data.classes, data.y.tolist(), len(data)
(['cat', 'dog'], [0.0, 1.0, 0.0], 3)
"""

from collections.abc import Iterator, Sequence
from typing import Any


class Data:
    """Rows and their targets.

    Attributes:
        X: an array with a row for each sample; rows of several shapes are a list of arrays.
        y: an array with a target for each; None without targets; targets of several shapes are a list of arrays.
        classes: the labels that the numbers in y stand for, None where y came as numbers.
        as_lists: whether X came as lists, so that a row is handed to the model as one.

    Whole numbers, such as indices and classes, are handed over as ints where nothing is compiled.
    """

    def __init__(self, X: Any, y: Any, classes: list[Any] | None, as_lists: bool, whole: tuple[bool, bool]) -> None:
        self.X, self.y, self.classes, self.as_lists = X, y, classes, as_lists
        self._whole = whole
        several = [part for part in (X, y) if isinstance(part, list)]
        keys = list(zip(*[[x.shape for x in part] for part in several], strict=True))
        self._shapes = keys if several else None

    @staticmethod
    def of(X: Any, y: Any = None, classes: Sequence[Any] | None = None) -> "Data":
        """Return the rows of lists, arrays or pandas frames.

        Args:
            X: a row for each sample: numbers, or lists or arrays of them, which may nest and differ in length.
            y: a target for each: numbers, or lists of them, or labels that are texts; None without targets.
            classes: the labels there are, in order; those in y, sorted, unless given.

        Raises TypeError for what is no table of numbers, ValueError for no rows, numbers of rows that differ, numbers
        that are not finite, or a label that is none of the classes.
        """
        rows = _array("X", X)
        if not len(rows):
            raise ValueError("X has no rows; give at least one")
        as_lists = isinstance(X, (list, tuple))
        if y is None:
            return Data(rows, None, None, as_lists, (_is_whole(X), False))
        labels = _labels(y)
        if labels is not None:
            classes = sorted(set(labels)) if classes is None else list(classes)
            targets: Any = _numbered(labels, classes)
        else:
            targets, classes = _array("y", y), None
        if len(targets) != len(rows):
            raise ValueError(f"X has {len(rows)} rows and y {len(targets)}; give a target for each row")
        return Data(rows, targets, classes, as_lists, (_is_whole(X), classes is not None or _is_whole(y)))

    def __len__(self) -> int:
        return len(self.X)

    @property
    def is_even(self) -> bool:
        """Whether all rows have one shape, and all targets."""
        return self._shapes is None

    def row(self, i: int) -> Any:
        """Return row i, as the model is handed it."""
        x = self.X[i].astype(int) if self._whole[0] else self.X[i]
        return x.tolist() if self.as_lists or not getattr(x, "ndim", 0) else x

    def target(self, i: int) -> Any:
        """Return the target of row i."""
        return (self.y[i].astype(int) if self._whole[1] else self.y[i]).tolist()

    def groups(self, indices: Any) -> Iterator[Any]:
        """Yield the indices of rows that are alike in shape, in the order of their first ones."""
        if self._shapes is None:
            yield indices
            return
        groups: dict[Any, list[int]] = {}
        for i in indices.tolist():
            groups.setdefault(self._shapes[i], []).append(i)
        yield from groups.values()

    def taken(self, indices: Any) -> tuple[Any, Any]:
        """Return arrays of the rows with these indices, which are alike in shape, and of their targets."""
        import numpy

        def of(part: Any) -> Any:
            return numpy.stack([part[i] for i in indices]) if isinstance(part, list) else part[indices]

        return of(self.X), of(self.y)


def _array(name: str, table: Any) -> Any:
    """Return an array of finite floats, or a list of arrays where rows differ in shape."""
    import numpy

    table = table.to_numpy() if hasattr(table, "to_numpy") else table
    if hasattr(table, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; give {name}.toarray()")
    has_rows = hasattr(type(table), "__len__") and getattr(table, "ndim", True)
    if isinstance(table, (str, bytes, dict, set)) or not has_rows:
        raise TypeError(f"{name} is a list, an array or a frame with a row for each sample, got {type(table).__name__}")
    kind = getattr(table, "dtype", None)
    if getattr(kind, "kind", None) in {"c", "m", "M"}:
        raise TypeError(f"{name} holds {kind}, which is no real number; make columns of real numbers of it")
    if isinstance(table, numpy.ma.MaskedArray):  # whose mask the conversion would ignore
        table = numpy.ma.filled(table.astype(float), numpy.nan)
    try:
        array = numpy.ascontiguousarray(table, dtype=float)
    except (TypeError, ValueError) as error:
        if isinstance(table, (list, tuple)) and any(hasattr(row, "__len__") for row in table):
            return _uneven(name, table)
        raise TypeError(f"{name} holds something that is no number: {error}") from None
    return _finite(name, array)


def _is_whole(table: Any) -> bool:
    """Whether a table holds integers that floats can hold, and nothing else."""
    import numpy

    if hasattr(table, "dtypes") and hasattr(table, "columns"):
        if any(getattr(kind, "kind", None) not in {"i", "u"} for kind in table.dtypes):
            return False
        table = table.to_numpy(int)
    if isinstance(table, (list, tuple)) and any(hasattr(row, "__len__") for row in table):
        return all(map(_is_whole, table))
    array = numpy.asarray(table)
    return array.dtype.kind in "iu" and bool((abs(array.astype(float)) < 2.0**53).all())


def _uneven(name: str, table: Any) -> list[Any]:
    import numpy

    rows = []
    for i, row in enumerate(table):
        try:
            rows.append(_finite(f"{name}[{i}]", numpy.ascontiguousarray(row, dtype=float)))
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}[{i}] is no row of numbers: {error}") from None
    return rows


def _finite(name: str, array: Any) -> Any:
    import numpy

    finite = numpy.isfinite(array)
    if not finite.all():
        at = ", ".join(map(str, numpy.argwhere(~finite)[0]))
        raise ValueError(f"{name}[{at}] is {array[~finite][0]}; fill in or leave out what is missing")
    return array


def _labels(y: Any) -> list[Any] | None:
    """Return the labels of rows that are texts, one column of a table too; None where y holds numbers."""
    y = y.to_numpy() if hasattr(y, "to_numpy") else y
    y = y[:, 0] if getattr(y, "shape", ())[1:] == (1,) else y
    listed = y.tolist() if hasattr(y, "tolist") else y
    if isinstance(listed, (list, tuple)) and any(isinstance(label, str) for label in listed):
        odd = [label for label in listed if not isinstance(label, str)]
        if odd:
            raise TypeError(f"y holds labels that are texts, and {odd[0]!r} among them; make all of them texts")
        return list(listed)
    return None


def _numbered(labels: list[Any], classes: Sequence[Any]) -> Any:
    import numpy

    numbers = {label: float(i) for i, label in enumerate(classes)}
    unknown = next((label for label in labels if label not in numbers), None)
    if unknown is not None:
        raise ValueError(f"y has the label {unknown!r}, which is none of the classes trained on: {list(classes)}")
    return numpy.array([numbers[label] for label in labels])
