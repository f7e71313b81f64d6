"""compile: a function of Values, run at the speed of arrays.

    >>> from autodiff import exp
    >>> @compile
    ... def neuron(w, x, b):
    ...     return 1.0 / (1.0 + exp(-(w[0] * x[0] + w[1] * x[1] + b)))
    >>> round(neuron([2.0, -3.0], [-1.0, -2.0], -3.0), 10)
    0.7310585786
    >>> print(neuron.listing())
    inputs  x0 x1 x2 x3 x4
    v6 = mul x0 x2
    v7 = mul x1 x3
    v8 = add v6 v7
    v9 = add v8 x4
    v10 = neg v9
    v11 = exp v10
    v12 = add 1.0 v11
    v13 = div 1.0 v12
    outputs v13

Here is what users call; the package says which room does what.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from typing import Any

from autodiff.backprop import mend_grads, one_pass_at_a_time
from autodiff.compiler.calls.arguments import Arguments, HoldsValuesError, holds_values, lift
from autodiff.compiler.calls.eagerly import eagerly, is_eager, lowered
from autodiff.compiler.calls.entries import Calls, Entries, serve_calls
from autodiff.compiler.calls.methods import Bindable, copied
from autodiff.compiler.calls.options import Options
from autodiff.compiler.prepared import Prepared
from autodiff.compiler.rows import added, by_version, reduced, stacked
from autodiff.compiler.versions.dispatch import Dispatcher
from autodiff.compiler.versions.stats import Stats
from autodiff.compiler.versions.version import Version
from autodiff.structures.structure import is_array
from autodiff.system.forks import renewed


def compile(
    f: Callable[..., Any] | None = None,
    *,
    rows: int | Sequence[int] = (),
    reduce: str | None = None,
    backend: str = "auto",
    threads: int = 1,
) -> Any:
    """f compiled: a function that takes and returns floats and arrays where f takes and returns Values.

    Args:
        f: the function. Leave it out to use `compile` as a decorator with options.
        rows: the positions, counted from 0, of the arguments that have many rows, where f is written for one.
        reduce: "mean" or "sum" over the rows, taken in the same pass; None stacks the results. It is of all
            that f returns: were that new weights, their mean is what a step along the mean gradient gives, but not a
            step of Adam, which needs that gradient first.
        backend: "native", the core, which is fast; "python", which needs none; "auto", the core where there is one.
        threads: the number of threads that share the rows. Results are the same to the last bit for any number.

    At the first call for each structure of the arguments f is called once, on Values that stand for the numbers. What
    it does to them becomes a program, which runs from then on, without f. So f must do the same to any numbers, but for
    its choices: `where` selects at every run; an `if` on a Value is checked at every run, and where it goes the other
    way, that way through f is traced, too. Leaf Values that f closes over, such as the parameters of a model, are read
    at every run. A node that f closes over is computed anew from its leaves, unless its `.data` had been assigned by
    the first call: then that is read. All else stays as it was at the first call: plain numbers that f closes over, the
    `.data` and `.grad` that it reads of a Value outside, its random numbers, and the Values that names and attributes
    stand for.

    It composes with transforms: write `compile(grad(f))`. A compiled function that is given Values calls f itself, and
    so can be differentiated, to any order, drawn and explained like f: `grad(compile(f))` is grad(f), and as slow. No
    derivative is compiled for it: a program would have to give those in all inputs and of every order, whether asked
    for or not. Plain numbers among the arguments may be others at the next call, so that they are no constants in it: a
    0.0 there is no structural zero, as it is in eager code, and gives nan beside an infinite derivative.

    While f is traced, `isinstance(x, Value)` holds for its numbers as it does for Values; `type(x) is Value` does not.

    In a class it is a method, which has `backward`, `prepare`, `listing` and `stats`, too; the object is argument 0. A
    deep copy of an object that holds `compile(self.loss)` runs and trains the copy.

    Arguments are numbers and lists, tuples, dicts, dataclasses and arrays of numbers, by position or keyword. The
    attributes of other objects, such as settings, are read at every call: f gets one of their class in which the real
    numbers are traced; another whole number or text makes another program. An object that holds Values, such as a
    model, is handed over as it is, and so is anything else, such as a bool or a function: it has programs of its own,
    which equal texts, ranges, frozensets and Paths share. The programs for the 256 structures and things used last are
    kept: a lambda made anew for each call is traced at each. A number that shapes the code, such as a length or an
    index, is bound beforehand, as in `compile(functools.partial(f, n=3))`; as an argument it would be traced.

    With rows, an array has them along its first axis, a list is a list of rows, and each member of a tuple or dict has
    them. Results are stacked, in arrays where rows come in arrays, in lists where they come in lists. A number becomes
    as many; an array, and a list of numbers, arrays or lists that are alike, gets an axis for the rows before its own;
    each member of a tuple, a dict or any other list is stacked.

    Raises TypeError or ValueError for options or arguments that are none of these; TracingError, a TypeError, where f
    looks at a number (`x.data`, float(x), an index), assigns to a Value, or calls backward().

    >>> from autodiff import value_and_grad
    >>> def loss(w, x, y):
    ...     return (w["slope"] * x + w["offset"] - y) ** 2
    >>> step = compile(value_and_grad(loss), rows=(1, 2), reduce="mean")
    >>> step({"slope": 1.0, "offset": 0.0}, [1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    (9.666666666666666, {'slope': -13.333333333333334, 'offset': -6.0})
    """
    options = Options.checked(rows, reduce, backend, threads)
    return (lambda f: Compiled(f, options)) if f is None else Compiled(f, options)


@serve_calls
class Compiled(Bindable, Calls):
    """A compiled function: call it as the one it was made of. Made by `compile`.

    Calls come to these methods, the plain way, where no entry of the native core serves them.
    """

    def __init__(self, f: Callable[..., Any], options: Options) -> None:
        if not callable(f):
            raise TypeError(f"compile takes a function, got {type(f).__name__} {f!r}; write compile(f), then call that")
        update_wrapper(self, f, updated=())  # a model's attributes are not ours
        self._dispatcher = Dispatcher(f, getattr(f, "__name__", type(f).__name__), options)
        self._set_up()

    def _set_up(self) -> None:
        self.f, self.name, self.options = self._dispatcher.f, self._dispatcher.name, self._dispatcher.options
        self._entries = Entries()
        self.serve_by(self._entries.served)
        renewed(self._dispatcher)

    # --- runs ---

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result of f, in floats and arrays."""
        given = self._taken(args, kwargs)
        if given is None:
            return self._eagerly(args, kwargs)
        if given.rows is None:
            version, outputs = self._dispatcher.run(given)
            result = version.build(outputs)
        else:
            result = self._of_rows(given)
        self._entries.note(given, self._dispatcher)
        return result

    def _of_rows(self, given: Arguments) -> Any:
        groups = by_version(self._dispatcher, given)
        if self.options.reduce is None:
            return stacked(groups, given, self.options)
        (version, total), *others = reduced(groups, given, self.options)
        for _, outputs in others:
            total = added(total, outputs)
        return version.build(total)

    def backward(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result of f, one number, whose derivatives are added to the grad of the leaf Values that f closes over.

        It adds the same as `f(*args).backward()`, in one run. With rows, the result is their mean or sum.

        >>> from autodiff import Value
        >>> w = Value(3.0)
        >>> square = compile(lambda x: w * w * x)
        >>> square.backward(2.0), w.grad
        (18.0, 12.0)
        """
        served = self.served_backward(*args, **kwargs)
        if served is not NotImplemented:
            return served
        if self.options.rows and self.options.reduce is None:
            raise ValueError(f"{self.name}.backward of many rows needs one number: compile with reduce='mean' or 'sum'")
        given = self._taken(args, kwargs, backward=True)
        if given is None:
            output = self._eagerly(args, kwargs, lowering=False)
            output.backward()
            return output.data
        if given.rows is None:
            runs = [self._dispatcher.run(given)]
        else:
            groups = by_version(self._dispatcher, given)
            runs = reduced(groups, given, self.options)
        total = -0.0
        with one_pass_at_a_time:
            mend_grads([leaf for version, _ in runs for leaf in version.differentiated])
            for version, outputs in runs:
                value, *slopes = outputs.tolist() if is_array(outputs) else outputs
                total += value
                for leaf, slope in zip(version.differentiated, slopes, strict=True):
                    leaf.grad += slope
        self._entries.note(given, self._dispatcher)
        return total

    def prepare(self, /, *args: Any, updates: Mapping[int | str, Any] | None = None, **kwargs: Any) -> Prepared:
        """A call with these arguments that can be repeated, by one thread at a time. It needs numpy.

        Each call reads the arrays as they are then, and fills its results, which are arrays, anew.

        >>> import numpy as np
        >>> from autodiff import grad
        >>> x = np.array([3.0, 4.0])
        >>> length = compile(lambda x: (x[0] * x[0] + x[1] * x[1]) ** 0.5).prepare(x)
        >>> x[:] = 5.0, 12.0
        >>> length(), float(length.results)
        (None, 13.0)

        With updates, members of the result replace arguments, in place, at the end of each call that succeeds. The
        dict gives, for the position or name of an argument, the index or key of the member, a tuple of them to reach
        further in, or () for the result itself. Such an argument is an array of float64, or a structure of them, which
        stand in `results`, too; what replaces a dict goes by its keys. `prepare` itself changes no argument.

        Results stay the same arrays, so they can be arguments of another prepared call. Time is spared where all that
        can change is the numbers in arrays of float64 in C order. Where a list or dict holds a number, f closes over
        Values, or rows are told apart by an `if`, each call is one of the function, and its result is copied.

        >>> w, rate = np.array([1.0, -2.0]), 0.25
        >>> descent = compile(lambda w: w - rate * 2.0 * w).prepare(w, updates={0: ()})
        >>> descent(), descent(), w.tolist()
        (None, None, [0.25, -0.5])

        So training is two calls, repeated: the mean gradient over a batch, and what the optimiser makes of it. The next
        batch is written into x and y; `nn.optim` has such steps as `on_arrays`.

        >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 11.0])
        >>> slopes = compile(grad(lambda w, x, y: (w @ x - y) ** 2), rows=(1, 2), reduce="mean").prepare(w, x, y)
        >>> def heavy_ball(state, slopes):
        ...     velocity = 0.9 * state["velocity"] - 0.02 * slopes
        ...     return {"w": state["w"] + velocity, "velocity": velocity}
        >>> state = {"w": w, "velocity": np.zeros(2)}
        >>> step = compile(heavy_ball).prepare(state, slopes.results, updates={0: ()})
        >>> for _ in range(500):
        ...     slopes()
        ...     step()
        >>> w.round(6).tolist()
        [1.0, 2.0]
        """
        try:
            Arguments.of(args, kwargs, self.options.rows)
        except HoldsValuesError:
            message = f"{self.name}.prepare takes numbers and arrays, got Values; call the function itself"
            raise TypeError(message) from None
        return Prepared(self, self._dispatcher, args, kwargs, updates or {})

    def _taken(self, args: tuple[Any, ...], kwargs: dict[str, Any], backward: bool = False) -> Arguments | None:
        """The numbers in the arguments; None where f itself is to be called."""
        if is_eager():
            return None
        try:
            return Arguments.of(args, kwargs, self.options.rows, backward)
        except HoldsValuesError:
            return None

    def _eagerly(self, args: tuple[Any, ...], kwargs: dict[str, Any], lowering: bool = True) -> Any:
        """The result of f itself: Values for Values; for plain numbers, as inside detect_anomaly(), plain numbers."""
        if self.f is None:
            raise RuntimeError(f"{self.name} was pickled, so it takes plain numbers only; compile the function again")
        result = eagerly(self.f, self.options, lift(args), lift(kwargs))
        any_values = any(holds_values(x) for x in (*args, *kwargs.values()))
        return lowered(result) if lowering and not any_values else result

    # --- what there is to know ---

    def _versions(self) -> list[Version]:
        versions = self._dispatcher.all()
        if not versions:
            raise RuntimeError(
                f"{self.name} has no program yet: it is traced at its first call, for the structure of its arguments"
            )
        return versions

    def listing(self, limit: int | None = 200, nests: bool = False) -> str:
        """The programs as text, an instruction a line, at most `limit` of each; None for all of them.

        With nests, the loops that the native core makes of the instructions. Raises RuntimeError before the first call.

        >>> double = compile(lambda xs: [x + x for x in xs])
        >>> double([1.0, 2.0, 3.0])
        [2.0, 4.0, 6.0]
        >>> print(double.listing(limit=2))
        inputs  x0 x1 x2
        v3 = add x0 x0
        v4 = add x1 x1
        ... 1 more
        outputs v3 v4 v5
        """
        return "\n\n".join([version.listing(limit, nests) for version in self._versions()])

    def stats(self) -> Stats:
        """The time that compiling took, and the size of what it made. Raises RuntimeError before the first call."""
        return Stats.of(self._versions(), self.options.backend)

    def __repr__(self) -> str:
        count = sum(map(len, self._dispatcher.versions.values()))
        return f"<compiled {self.name}: {count} program{'s' * (count != 1)}>"

    def __copy__(self) -> "Compiled":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        """A function of the copies of the objects that f is bound to, or closes over; itself where there are none."""
        if self.f is None or (f := copied(self.f, memo)) is self.f:
            return self
        return Compiled(f, self.options)

    def __getstate__(self) -> dict[str, Any]:
        """The programs, without f, which may be a lambda."""
        from autodiff.compiler.programs import saved  # takes some milliseconds

        versions = self._dispatcher.versions
        if not versions:
            raise TypeError(f"{self.name} has no program to pickle yet: call it first, on arguments like those to come")
        seal = saved.seal_of(self.options, versions)
        state = {"name": self.name, "options": self.options, "versions": versions, "seal": seal}
        return {**state, "__doc__": self.__doc__, "__name__": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from autodiff.compiler.programs import saved

        saved.check_seal(state.get("seal"), state.get("options"), state.get("versions"))
        self._dispatcher = Dispatcher(None, state["name"], state["options"], state["versions"])
        self.__doc__, self.__name__ = state["__doc__"], state["__name__"]
        self._set_up()
