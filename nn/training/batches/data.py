"""The rows of a data set: X and y as arrays of floats, whatever they came as; classes by number.

>>> data = Data.of([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["cat", "dog", "cat"])
>>> data.classes, data.y.tolist(), len(data)
(['cat', 'dog'], [0.0, 1.0, 0.0], 3)
"""

from collections.abc import Iterator, Sequence
from typing import Any

from nn.optional import optional

Table = tuple[Any, Any]  # floats, and the same as ints where all are; a list of arrays where rows differ in shape


class Data:
    """Rows and their targets.

    Attributes:
        X: an array with a row for each sample; rows of several shapes are a list of arrays.
        y: an array with a target for each; None without targets; targets of several shapes are a list of arrays.
        classes: the labels that the numbers in y stand for, None where y came as numbers.
        is_even: whether all rows have one shape, and all targets.

    Whole numbers, such as indices and classes, are handed over as ints where nothing is compiled.
    """

    def __init__(self, rows: Table, targets: Table, classes: list[Any] | None, as_lists: bool) -> None:
        (self.X, self._rows), (self.y, self._targets) = rows, targets
        self.classes, self._as_lists = classes, as_lists
        self.is_even = not isinstance(self.X, list) and not isinstance(self.y, list)

    @staticmethod
    def of(X: Any, y: Any = None, classes: Sequence[Any] | None = None) -> "Data":
        """The rows of lists, arrays or pandas frames. Rows of lists are handed to the model as lists.

        Args:
            X: a row for each sample: numbers, or lists or arrays of them, which may nest and differ in length.
            y: a target for each: numbers, or lists of them, or labels that are texts; None without targets.
            classes: the labels there are, in order; those in y, sorted, unless given.

        Raises TypeError for anything that is not a table of numbers, ValueError for no rows, numbers of rows that
        differ, numbers that are not finite, or a label that is none of the classes.
        """
        rows, as_lists, labels = _table("X", X), isinstance(X, (list, tuple)), _labels(y)
        if not len(rows[0]):
            raise ValueError("X has no rows; give at least one")
        if y is None:
            return Data(rows, (None, None), None, as_lists)
        known = None
        if labels is not None:
            known = sorted(set(labels)) if classes is None else list(classes)
            y = _numbered(labels, known)
        targets = _table("y", y)
        if len(targets[0]) != len(rows[0]):
            raise ValueError(f"X has {len(rows[0])} rows and y {len(targets[0])}; give a target for each row")
        return Data(rows, targets, known, as_lists)

    def __len__(self) -> int:
        return len(self.X)

    def row(self, i: int) -> Any:
        """Row i, as the model is handed it."""
        x = self._rows[i]
        return x if getattr(x, "ndim", 0) and not self._as_lists else x.tolist()

    def handed(self, x: Any) -> Any:
        """A row that is traced, as the model is handed it."""
        return x.tolist() if self._as_lists and hasattr(x, "tolist") else x

    def target(self, i: int) -> Any:
        """The target of row i."""
        return self._targets[i].tolist()

    def shape(self, i: int) -> Any:
        """A key that is equal for rows of one shape with targets of one shape; None if all are alike."""
        return None if self.is_even else (self.X[i].shape, self.y[i].shape)

    def groups(self, indices: Any) -> Iterator[Any]:
        """Yield the indices of rows that are alike in shape, in the order of their first ones."""
        if self.is_even:
            yield indices
            return
        groups: dict[Any, list[int]] = {}
        for i in indices.tolist():
            groups.setdefault(self.shape(i), []).append(i)
        yield from groups.values()

    def taken(self, indices: Any, x: Any = None, y: Any = None) -> tuple[Any, Any]:
        """Arrays of the rows with these indices, alike in shape, and of their targets; or fill x and y."""
        import numpy

        if self.is_even:
            return self.X.take(indices, 0, x, "clip"), self.y.take(indices, 0, y, "clip")
        return numpy.stack([self.X[i] for i in indices]), numpy.stack([self.y[i] for i in indices])


def _table(name: str, table: Any) -> Table:
    """The numbers of a table. Raises TypeError for anything else, ValueError for numbers that are not finite."""
    numpy = optional("numpy", "training")

    table = table.to_numpy() if hasattr(table, "to_numpy") else table
    if hasattr(table, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; give {name}.toarray()")
    has_rows = hasattr(type(table), "__len__") and getattr(table, "ndim", True)
    if isinstance(table, (str, bytes, dict, set)) or not has_rows:
        raise TypeError(f"{name} is a list, an array or a frame with a row for each sample, got {type(table).__name__}")
    if isinstance(table, numpy.ma.MaskedArray):  # whose mask the conversion would ignore
        table = numpy.ma.filled(table.astype(float), numpy.nan)
    try:
        return _numbers(name, table)
    except TypeError:
        if not isinstance(table, (list, tuple)) or not any(hasattr(row, "__len__") for row in table):
            raise
    floats, handed = zip(*[_numbers(f"{name}[{i}]", row) for i, row in enumerate(table)], strict=True)
    return list(floats), handed


def _numbers(name: str, table: Any) -> Table:
    import numpy

    try:
        array = numpy.asarray(table)
        array = numpy.array(array.tolist()) if array.dtype.kind == "O" else array
        if array.dtype.kind in "cmM":
            raise TypeError(array.dtype)
        floats = numpy.ascontiguousarray(array, dtype=float).reshape(array.shape)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} holds something that is no real number: {error}") from None
    finite = numpy.isfinite(floats)
    if not finite.all():
        at = ", ".join(map(str, numpy.argwhere(~finite)[0]))
        raise ValueError(f"{name}[{at}] is {floats[~finite][0]}; fill in or leave out what is missing")
    is_whole = array.dtype.kind in "iu" and (abs(floats) < 2.0**53).all()
    return floats, array.astype(int) if is_whole else floats


def _labels(y: Any) -> list[Any] | None:
    """The labels of rows that are texts, one column of a table too; None where y holds numbers."""
    y = y.to_numpy() if hasattr(y, "to_numpy") else y
    y = y[:, 0] if getattr(y, "shape", ())[1:] == (1,) else y
    listed = y.tolist() if hasattr(y, "tolist") else y
    if not isinstance(listed, (list, tuple)) or not any(isinstance(label, str) for label in listed):
        return None
    odd = [label for label in listed if not isinstance(label, str)]
    if odd:
        raise TypeError(f"y holds labels that are texts, and {odd[0]!r} among them; make all of them texts")
    return list(listed)


def _numbered(labels: list[Any], classes: Sequence[Any]) -> list[int]:
    numbers = {label: i for i, label in enumerate(classes)}
    unknown = next((label for label in labels if label not in numbers), None)
    if unknown is not None:
        raise ValueError(f"y has the label {unknown!r}, which is none of the classes trained on: {list(classes)}")
    return [numbers[label] for label in labels]
