"""Sliders: one for each number that may change, and the result; a widget in a live notebook, a table elsewhere.

The widget computes in the running kernel, by `at`, at every move. It needs anywidget; nothing else here does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Table

INSTALL = "The sliders need anywidget: pip install anywidget. Without it, sliders.at({x: 1.5}) answers the same."


class Slider(NamedTuple):
    """A number that may change: its key, its name, its present value, and the range in which it moves."""

    key: Any
    name: str
    now: float
    low: float
    high: float


class Sliders:
    """Sliders over a graph or a function. Made by `what_if(y, {x: (low, high)})`.

    >>> from autodiff import Value, what_if
    >>> x, w = Value(2.0, "x"), Value(3.0, "w")
    >>> sliders = what_if(x * w, {x: (0.0, 4.0), w: (-1.0, 1.0)})
    >>> sliders
    Sliders
    slider  low  result  now  result  high  result
    x         0       0    2       6     4      12
    w        -1      -2    3       6     1       2
    >>> sliders.at({x: 4.0, w: 1.0}).value
    4.0
    """

    def __init__(self, sliders: Sequence[Slider], at: Callable[[dict[Any, float]], Any]) -> None:
        self.sliders = list(sliders)
        self._at = at

    def at(self, changes: Mapping[Any, float]) -> Any:
        """The result for these numbers, as by `what_if(y, {x: 1.5})`; sliders that are not named stay.

        Raises ValueError for a key that no slider moves.
        """
        known = {slider.key: slider.now for slider in self.sliders}
        for key in changes:
            if key not in known:
                names = ", ".join([slider.name for slider in self.sliders])
                raise ValueError(f"there is no slider for {key!r}; those here move {names}")
        return self._at({**known, **changes})

    def _table(self) -> Table:
        now = shortened(self.at({}).value)
        rows = []
        for key, name, number, low, high in self.sliders:
            there = [shortened(self.at({key: end}).value) for end in (low, high)]
            rows.append((name, shortened(low), there[0], shortened(number), now, shortened(high), there[1]))
        header = ("slider", "low", "result", "now", "result", "high", "result")
        return Table("Sliders", header, rows, numbers={1, 2, 3, 4, 5, 6})

    def __str__(self) -> str:
        return self._table().text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self._table().html()

    def widget(self) -> Any:
        """A widget for a live notebook: values and gradients follow the sliders.

        Raises ModuleNotFoundError, with what to install, where anywidget is missing.
        """
        try:
            import anywidget
            import traitlets
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(INSTALL, name=error.name) from error
        shown = self._shown

        class SlidersWidget(anywidget.AnyWidget):
            """Sliders, and the table of the result; `values` are theirs, in order."""

            _esm = _SCRIPT
            sliders: Any = traitlets.List([]).tag(sync=True)
            values: Any = traitlets.List([]).tag(sync=True)
            table = traitlets.Unicode("").tag(sync=True)

            @traitlets.observe("values")
            def _moved(self, change: Any) -> None:
                self.table = shown(change["new"])

        numbers = [min(max(slider.now, slider.low), slider.high) for slider in self.sliders]
        described = [{"name": s.name, "low": s.low, "high": s.high} for s in self.sliders]
        return SlidersWidget(sliders=described, values=numbers, table=shown(numbers))

    def _shown(self, values: Sequence[float]) -> str:
        answer = self.at({slider.key: float(value) for slider, value in zip(self.sliders, values, strict=True)})
        html: str = answer._repr_html_()
        return html


_SCRIPT = """
function render({ model, el }) {
  const table = document.createElement("div");
  const show = () => { table.innerHTML = model.get("table"); };
  model.get("sliders").forEach((slider, i) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const output = document.createElement("output");
    label.style.cssText = "display: flex; gap: 0.75em; align-items: center; margin: 0.25em 0";
    input.style.cssText = "flex: 1; max-width: 24em";
    Object.assign(input, { type: "range", min: slider.low, max: slider.high, step: "any" });
    input.value = model.get("values")[i];
    const write = () => { output.textContent = Number(input.value).toPrecision(4); };
    input.addEventListener("input", () => {
      const values = [...model.get("values")];
      values[i] = Number(input.value);
      model.set("values", values);
      model.save_changes();
      write();
    });
    write();
    label.append(slider.name, input, output);
    el.append(label);
  });
  model.on("change:table", show);
  show();
  el.append(table);
}
export default { render };
"""
