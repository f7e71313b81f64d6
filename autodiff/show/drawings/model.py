"""Pictures of models: layers as columns of circles, weights as lines, wider the larger, blue or orange by their sign.

A model is known by its attributes, whatever its class: a layer has `neurons`, a neuron has weights `w` and perhaps a
bias `b`; both are found in attributes, lists and dicts, in order. Nothing is asked of Graphviz.

    >>> from types import SimpleNamespace
    >>> from autodiff import Value
    >>> neuron = SimpleNamespace(w=[Value(1.0), Value(-2.0)], b=Value(0.5), parameters=list)
    >>> print(ModelDrawing(neuron, layers_of(neuron)).text())
    layer            inputs  units  parameters  |w| up to  |grad| up to
    simplenamespace  2       1      3           2          0
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

from autodiff.show.drawings.drawing import Drawing
from autodiff.show.drawings.parts import Id
from autodiff.show.drawings.svg import NAMESPACE, AltText
from autodiff.show.words.numbers import counted, shortened
from autodiff.show.words.tables import Row, aligned
from autodiff.show.words.text import clipped, on_one_line, printable
from autodiff.show.words.theme import FONTS, Theme, colour, magnitude, tone
from autodiff.value import Value

MOST = 12  # units of a column that are all drawn; of more, the first and the last
FIRST, LAST = 5, 3
ACROSS, DOWN, RADIUS, MARGIN = 190.0, 32.0, 11.0, 50.0
THINNEST, THICKEST = 0.6, 3.2


class Layer(NamedTuple):
    """The weights of each unit, by input; its bias, if it has one; and the name of its activation."""

    name: str
    weights: list[list[Value]]
    biases: list[Value | None]
    activation: str

    @property
    def parameters(self) -> list[Value]:
        """The weights and biases, each as often as it is used."""
        return [*[w for row in self.weights for w in row], *[b for b in self.biases if b is not None]]


def layers_of(model: Any) -> list[Layer]:
    """The layers of a model, in order; none if it is not a model, or not made of layers."""
    if isinstance(model, type) or not callable(getattr(model, "parameters", None)):
        return []
    found, seen = list[Layer](), set[int]()
    stack: list[tuple[str, Any]] = [("", model)]
    while stack:
        name, thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        neurons = getattr(thing, "neurons", None) or [thing]
        if all(_is_neuron(neuron) for neuron in neurons):
            found.append(_layer(name or type(model).__name__.lower(), neurons))
        else:
            stack += [(f"{name}.{key}" if name else str(key), child) for key, child in reversed(_children(thing))]
    return found


def _is_neuron(thing: Any) -> bool:
    weights = getattr(thing, "w", None)
    return isinstance(weights, (list, tuple)) and bool(weights) and all(isinstance(w, Value) for w in weights)


def _layer(name: str, neurons: Sequence[Any]) -> Layer:
    biases = [getattr(neuron, "b", None) for neuron in neurons]
    activation = getattr(neurons[0], "activation", None)
    named = activation if isinstance(activation, str) else getattr(activation, "__name__", "")
    kept = [bias if isinstance(bias, Value) else None for bias in biases]
    return Layer(name, [list(neuron.w) for neuron in neurons], kept, named)


def _children(thing: Any) -> list[tuple[Any, Any]]:
    if isinstance(thing, dict):
        return list(thing.items())
    if isinstance(thing, (list, tuple)):
        return list(enumerate(thing))
    return list(vars(thing).items()) if callable(getattr(thing, "parameters", None)) else []


class ModelDrawing(Drawing):
    """A picture of a model's layers and weights; `draw(model)` makes it. Jupyter shows it as SVG.

    It shows the weights of the moment at which it is shown.
    """

    def __init__(self, model: Any, layers: Sequence[Layer], theme: Theme = "auto") -> None:
        self._name = on_one_line(type(model).__name__)
        self._layers = list(layers)
        self._theme = theme

    def text(self) -> str:
        """A table of the layers."""
        header = ("layer", "inputs", "units", "parameters", "|w| up to", "|grad| up to")
        return aligned([header, *map(_row, self._layers)], widest=100)

    def _summary(self) -> str:
        return f"{self._name}, a model of {counted(len(self._layers), 'layer')}"

    def _alt(self) -> AltText:
        sizes = " to ".join([f"{len(layer.weights):,}" for layer in self._layers])
        parameters = counted(len({p for layer in self._layers for p in layer.parameters}), "parameter")
        colours = "Lines are weights: blue positive, orange negative, wider is larger. Circles are coloured by bias."
        description = f"{len(self._layers[0].weights[0]):,} inputs to {sizes}; {parameters}. {colours}"
        titles = {str(element): title for element, title in _titles(self._layers)}
        return AltText(f"{self._name}, a model", description, titles)

    def _drawn(self) -> str:
        return _Picture(self._layers, self._theme).drawn()


def _row(layer: Layer) -> Row:
    sizes = [f"{number:,}" for number in (len(layer.weights[0]), len(layer.weights), len(layer.parameters))]
    weights = [w.data for row in layer.weights for w in row]
    return on_one_line(layer.name), *sizes, _up_to(weights), _up_to([p.grad for p in layer.parameters])


def _up_to(numbers: Sequence[Any]) -> str:
    """The largest magnitude, and how many numbers have none."""
    odd = sum(magnitude(number) is None for number in numbers)
    return f"{_largest(numbers):.3g}" + (f" ⚠ {odd:,} nan or inf" if odd else "")


def _largest(numbers: Sequence[Any]) -> float:
    return max([size for number in numbers if (size := magnitude(number)) is not None], default=0.0)


def _shown(units: int) -> list[int]:
    """The units of a column that are drawn, by number."""
    return list(range(units)) if units <= MOST else [*range(FIRST), *range(units - LAST, units)]


def _titles(layers: Sequence[Layer]) -> Iterator[tuple[Id, str]]:
    for k, layer in enumerate(layers):
        for j in _shown(len(layer.weights)):
            bias = layer.biases[j]
            said = f": bias {shortened(bias.data)}" if bias is not None else ""
            yield Id("unit", (k, j)), f"{layer.name} unit {j}{said}"
            for i in _shown(len(layer.weights[j])):
                w = layer.weights[j][i]
                numbers = f"{shortened(w.data)}, grad {shortened(w.grad)}"
                yield Id("weight", (k, j, i)), f"{layer.name} weight {i} of unit {j}: {numbers}"


class _Picture:
    """The picture as it is put together: columns from left to right, of inputs and of each layer."""

    def __init__(self, layers: Sequence[Layer], theme: Theme) -> None:
        self.layers, self.theme = layers, theme
        widths = [len(layers[0].weights[0]), *[len(layer.weights) for layer in layers]]
        self.rows = max(len(_shown(width)) + (width > MOST) for width in widths)
        self.largest = _largest([w.data for layer in layers for row in layer.weights for w in row])
        self.dashed = sum(magnitude(w.data) is None for layer in layers for row in layer.weights for w in row)
        self.bias = _largest([b.data for layer in layers for b in layer.biases if b is not None])
        self.width = max(2 * 60 + ACROSS * (len(widths) - 1), 440.0)
        self.height = 2 * MARGIN + DOWN * self.rows + 30
        size = {"width": f"{self.width * 0.75:g}pt", "height": f"{self.height * 0.75:g}pt"}
        box = f"0 0 {self.width:g} {self.height:g}"
        self.root = ElementTree.Element(f"{{{NAMESPACE}}}svg", {**size, "viewBox": box, "font-family": FONTS})
        self._add("rect", width=self.width, height=self.height, fill=colour("paper", theme))

    def drawn(self) -> str:
        """The <svg> element."""
        for k, layer in enumerate(self.layers):
            self._weights(k, layer)
        inputs = len(self.layers[0].weights[0])
        self._column(0, inputs, "inputs", counted(inputs, "input"))
        for k, layer in enumerate(self.layers):
            units = f"{len(layer.weights):,} × {layer.activation}" if layer.activation else f"{len(layer.weights):,}"
            self._column(k + 1, len(layer.weights), layer.name, units)
        self._legend()
        return ElementTree.tostring(self.root, encoding="unicode")

    def _weights(self, k: int, layer: Layer) -> None:
        width = len(layer.weights[0])
        for j in _shown(len(layer.weights)):
            for i in _shown(width):
                (x1, y1), (x2, y2) = self._place(k, i, width), self._place(k + 1, j, len(layer.weights))
                line = self._group(Id("weight", (k, j, i)))
                self._add("line", line, x1=x1, y1=y1, x2=x2, y2=y2, **self._stroke(layer.weights[j][i].data))

    def _stroke(self, weight: Any) -> dict[str, Any]:
        size = magnitude(weight)
        if not size:  # zero is thin and dashed, what is not finite wide and dashed
            wide = THINNEST if size == 0.0 else THICKEST
            return {"stroke": colour("line", self.theme), "stroke_width": wide, "stroke_dasharray": "2 4"}
        stroke = colour("negative line" if weight < 0 else "positive line", self.theme)
        wide = THINNEST + (THICKEST - THINNEST) * size / self.largest
        return {"stroke": stroke, "stroke_width": f"{wide:.2f}"}

    def _column(self, k: int, units: int, name: str, count: str) -> None:
        x, _ = self._place(k, 0, units)
        self._text(x, 22, clipped(name), font_size=12, font_weight="bold")
        self._text(x, 38, count)
        for j in _shown(units):
            _, y = self._place(k, j, units)
            fill = colour(self._fill(k, j), self.theme)
            look = {"fill": fill, "stroke": colour("line", self.theme)}
            self._add("circle", self._group(Id("unit", (k - 1, j))), stroke_width=1.2, cx=x, cy=y, r=RADIUS, **look)
        if units > MOST:
            _, y = self._place(k, FIRST - 1, units)
            paper = {"fill": colour("paper", self.theme), "rx": 4}
            self._add("rect", None, x=x - 46, y=y + DOWN - 10, width=92, height=20, **paper)
            self._text(x, y + DOWN + 4, f"⋮ {units - FIRST - LAST:,} more")

    def _fill(self, k: int, j: int) -> str:
        bias = self.layers[k - 1].biases[j] if k else None
        return "paper" if bias is None else tone(bias.data, self.bias)

    def _place(self, k: int, unit: int, units: int) -> tuple[float, float]:
        shown = len(_shown(units)) + (units > MOST)
        row = unit if units <= MOST or unit < FIRST else unit - units + shown
        left = (self.width - ACROSS * len(self.layers)) / 2
        return left + ACROSS * k, MARGIN + DOWN * (row + 0.5 + (self.rows - shown) / 2)

    def _legend(self) -> None:
        y, x = self.height - 24, self.width / 2 - 200
        for sign, words in ((1.0, "positive"), (-1.0, "negative")):
            self._add("line", None, x1=x, y1=y, x2=x + 28, y2=y, **self._stroke(sign * self.largest))
            self._text(x + 34, y + 4, words, text_anchor="start")
            x += 110
        self._text(x, y + 4, f"width: |weight| up to {self.largest:.3g}; circle: bias", text_anchor="start")
        if self.dashed:
            self._text(self.width / 2, y + 20, f"dashed: weight zero (thin), ⚠ {self.dashed:,} nan or inf (wide)")

    def _text(self, x: float, y: float, text: str, **look: Any) -> None:
        look = {"fill": colour("ink", self.theme), "font_size": 11, "text_anchor": "middle"} | look
        self._add("text", None, x=x, y=y, **look).text = printable(text)

    def _group(self, element: Id) -> ElementTree.Element:
        group = self._add("g", None, id=element, **{"class": element.element})
        ElementTree.SubElement(group, f"{{{NAMESPACE}}}title")
        return group

    def _add(self, tag: str, parent: ElementTree.Element | None = None, **attributes: Any) -> ElementTree.Element:
        written = {
            name.replace("_", "-"): f"{x:g}" if isinstance(x, float) else str(x) for name, x in attributes.items()
        }
        return ElementTree.SubElement(self.root if parent is None else parent, f"{{{NAMESPACE}}}{tag}", written)
