"""Diagnosis: how large activations and gradients are, layer by layer, and a sentence for what is wrong with them.

>>> dead = LayerReport("hidden", "Layer", 8, mean=0.0, deviation=0.0, gradient=0.5, relus=8, dead=8, saturated=0.0)
>>> print(Diagnosis([dead]).flags[0].partition(";")[0])
hidden: 8 of 8 ReLUs give 0 on all rows and no longer learn
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, inf, isfinite, log10, nan
from typing import Any, NamedTuple


class LayerReport(NamedTuple):
    """What a layer gave on all rows.

    Attributes:
        name, kind: the path to it in the model, and its class.
        units: how many numbers it gives.
        mean, deviation: the mean of the absolute outputs, and the standard deviation of the outputs.
        gradient: the root mean square of the derivatives of a row's loss in the outputs.
        relus, dead: how many units are ReLUs, and how many of these gave 0 on all rows.
        saturated: the share, from 0 to 1, of outputs at the flat ends of tanh, sigmoid or softmax.
    """

    name: str
    kind: str
    units: int
    mean: float
    deviation: float
    gradient: float
    relus: int
    dead: int
    saturated: float


class Diagnosis:
    """The layers of a model in the order of their calls, and what is wrong with them.

    Attributes:
        layers: a LayerReport for each.
        flags: a sentence for each thing that is wrong, which says where, and what to do; none for a model in health.
    """

    def __init__(self, layers: Sequence[LayerReport]) -> None:
        self.layers = list(layers)
        self.flags = [*_faults_of_outputs(self.layers), *_faults_of_gradients(self.layers)]

    def plot(self) -> Any:
        """Draw sizes and shares with matplotlib, a line for each layer; return the list of both axes.

        Raises ImportError without matplotlib.
        """
        pyplot, layers = pyplot_or_raise(), self.layers
        figure = pyplot.figure(figsize=(9.6, 1.6 + 0.3 * len(layers)), layout="constrained")
        sizes, shares = figure.subplots(1, 2, sharey=True)
        names = [layer.name for layer in layers]
        for label, marker, column in [
            ("mean |output|", "o", [layer.mean for layer in layers]),
            ("gradient in outputs, RMS", "s", [layer.gradient for layer in layers]),
        ]:
            sizes.plot([x if 0.0 < x < inf else nan for x in column], names, marker=marker, label=label)  # log scale
        for label, offset, column in [
            ("dead ReLUs", -0.2, [100.0 * layer.dead / max(layer.relus, 1) for layer in layers]),
            ("saturated outputs", 0.2, [100.0 * layer.saturated for layer in layers]),
        ]:
            shares.barh([i + offset for i in range(len(layers))], column, height=0.4, label=label)
        sizes.set(xscale="log", xlabel="size", ylabel="layer")
        low, high = sizes.get_xlim()
        sizes.set_xlim(10.0 ** floor(log10(low)), 10.0 ** ceil(log10(high)))
        shares.set(xlim=(0.0, 100.0), xlabel="share in %")
        sizes.invert_yaxis()
        for ax in (sizes, shares):
            ax.grid(alpha=0.25)
            ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
        return [sizes, shares]

    def __repr__(self) -> str:
        table = [_TITLES, *map(_cells, self.layers)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
        return "\n".join([*lines, *(f"! {flag}" for flag in self.flags)])

    def _repr_html_(self) -> str:
        head, *rows = [
            "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
            for tag, cells in [("th", _TITLES), *(("td", _cells(layer)) for layer in self.layers)]
        ]
        body, flags = "".join(f"<tr>{row}</tr>" for row in rows), "".join(f"<li>{escape(x)}</li>" for x in self.flags)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><ul>{flags}</ul>"


_TITLES = ["layer", "class", "units", "mean |output|", "deviation", "gradient", "dead", "saturated"]


def _cells(layer: LayerReport) -> list[str]:
    sizes = [f"{x:.2g}" for x in (layer.mean, layer.deviation, layer.gradient)]
    dead = f"{layer.dead} of {layer.relus}" if layer.relus else ""
    return [layer.name, layer.kind, str(layer.units), *sizes, dead, f"{layer.saturated:.0%}" if layer.saturated else ""]


def _faults_of_outputs(layers: list[LayerReport]) -> Iterator[str]:
    for layer in layers:
        if not (isfinite(layer.mean) and isfinite(layer.gradient)):
            yield (
                f"{layer.name}: outputs or gradients are not finite; run it in autodiff.detect_anomaly(), which names "
                "the first operation that gave such a number"
            )
        elif layer.mean > 1e3:
            yield (
                f"{layer.name}: outputs explode, the mean of their sizes is {layer.mean:.1e}; draw smaller weights, as "
                "layers do by themselves, or scale inputs and targets to a variance of 1"
            )
        if layer.dead > layer.relus / 4:
            yield (
                f"{layer.name}: {layer.dead} of {layer.relus} ReLUs give 0 on all rows and no longer learn; start "
                'biases at 0, lower the learning rate, or use "leaky_relu"'
            )
        if layer.saturated > 0.5:
            yield (
                f"{layer.name}: {layer.saturated:.0%} of outputs are saturated, and pass hardly any gradient on; draw "
                'smaller weights, scale inputs to a variance of 1, or use "relu"'
            )


def _faults_of_gradients(layers: list[LayerReport]) -> Iterator[str]:
    """What happens to the gradient on its way from the last layer to the first."""
    if not layers or not 0.0 < layers[-1].gradient < inf:
        return
    last = layers[-1]
    ratios = {layer.name: layer.gradient / last.gradient for layer in layers}
    vanishing = [name for name, ratio in ratios.items() if ratio < 1e-3]
    exploding = [name for name, ratio in ratios.items() if 1e3 < ratio < inf]
    if vanishing:
        yield (
            f"{', '.join(vanishing)}: the gradient vanishes, down to {min(ratios.values()):.1e} of that in "
            f'{last.name}; use "relu" in place of "sigmoid" and "tanh", fewer layers, or nn.LayerNorm between them'
        )
    if exploding:
        yield (
            f"{', '.join(exploding)}: the gradient explodes, up to {max(ratios.values()):.1e} times that in "
            f"{last.name}; draw smaller weights, put nn.LayerNorm between layers, or clip gradients, fit(..., clip=1.0)"
        )


def pyplot_or_raise() -> Any:
    """matplotlib.pyplot. Raises ImportError that says what to install."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError('plots need matplotlib: python -m pip install "scalar-autodiff[train]"') from error
    return pyplot
