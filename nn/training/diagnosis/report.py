"""Diagnosis: how large activations and gradients are, layer by layer, and a sentence for each fault.

>>> dead = LayerReport("hidden", "Layer", 8, mean=0.0, deviation=0.0, gradient=0.5, relus=8, dead=8, saturated=0.0)
>>> print(Diagnosis([dead]).flags[0].partition(";")[0])
hidden: 8 of 8 ReLUs give 0 on all rows and no longer learn
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, inf, isfinite, log10, nan
from typing import Any, NamedTuple

from nn.modules import tables
from nn.optional import optional


class LayerReport(NamedTuple):
    """The outputs of a layer on all rows.

    Attributes:
        name, kind: its name in the model, and its class.
        units: how many numbers it gives.
        mean, deviation: the mean of the absolute outputs, and the standard deviation of the outputs.
        gradient: the root mean square of the derivatives of a row's loss in the outputs.
        relus, dead: how many units are ReLUs, and how many of these gave 0 on all rows.
        saturated: the share, from 0 to 1, of outputs at the flat ends of tanh or sigmoid.
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


# The faults of a layer: a test, and the sentence for it.
_FAULTS: list[tuple[Callable[[LayerReport], bool], str]] = [
    (
        lambda layer: not (isfinite(layer.mean) and isfinite(layer.gradient)),
        "{0.name}: outputs or gradients are not finite; run it in autodiff.detect_anomaly(), which names the first "
        "operation that gave such a number",
    ),
    (
        lambda layer: 1e3 < layer.mean < inf,
        "{0.name}: outputs explode, the mean of their sizes is {0.mean:.1e}; draw smaller weights, as layers do by "
        "themselves, or scale inputs and targets to a variance of 1",
    ),
    (
        lambda layer: layer.dead > layer.relus / 4,
        "{0.name}: {0.dead} of {0.relus} ReLUs give 0 on all rows and no longer learn; start biases at 0, lower the "
        'learning rate, or use "leaky_relu"',
    ),
    (
        lambda layer: layer.saturated > 0.5,
        "{0.name}: {0.saturated:.0%} of outputs are saturated, and pass hardly any gradient on; draw smaller weights, "
        'scale inputs to a variance of 1, or use "relu"',
    ),
]
_HEADER = ("layer", "class", "units", "mean |output|", "deviation", "gradient", "dead", "saturated")


class Diagnosis:
    """The layers of a model in the order of their calls, and their faults.

    Attributes:
        layers: a LayerReport for each.
        mute, rows: how many rows have a loss that is not 0 and has no slope in the outputs, and how many there are.
        flags: a sentence for each fault, with its place and a remedy; none for a healthy model.
    """

    def __init__(self, layers: Sequence[LayerReport], mute: int = 0, rows: int = 0) -> None:
        self.layers, self.mute, self.rows = list(layers), mute, rows
        self.flags = [text.format(layer) for layer in layers for is_wrong, text in _FAULTS if is_wrong(layer)]
        self.flags += _faults_of_gradients(self.layers)
        if mute:
            self.flags.append(
                f"loss: on {mute} of {rows} rows it is not 0, and yet passes no gradient to the outputs: these teach "
                "nothing; do not clip or round an error, but clip gradients, fit(..., clip=1.0), or use nn.huber"
            )

    def plot(self) -> list[Any]:
        """Draw sizes and shares with matplotlib, a line for each layer; return both axes.

        Raises ImportError without matplotlib.
        """
        pyplot, layers = optional("matplotlib.pyplot", "plot"), self.layers
        figure = pyplot.figure(figsize=(9.6, 1.6 + 0.3 * len(layers)), layout="constrained")
        sizes, shares = figure.subplots(1, 2, sharey=True)
        for label, marker, column in [
            ("mean |output|", "o", [layer.mean for layer in layers]),
            ("gradient in outputs, RMS", "s", [layer.gradient for layer in layers]),
        ]:
            shown = [x if 0.0 < x < inf else nan for x in column]  # the axis is logarithmic
            sizes.plot(shown, [layer.name for layer in layers], marker=marker, label=label)
        for label, offset, column in [
            ("dead ReLUs", -0.2, [100.0 * layer.dead / max(layer.relus, 1) for layer in layers]),
            ("saturated outputs", 0.2, [100.0 * layer.saturated for layer in layers]),
        ]:
            shares.barh([i + offset for i in range(len(layers))], column, height=0.4, label=label)
        sizes.set(xscale="log", xlabel="size", ylabel="layer")
        low, high = sizes.get_xlim()
        sizes.set_xlim(10.0 ** floor(log10(low)), 10.0 ** ceil(log10(high)))  # of less, labels run into each other
        shares.set(xlim=(0.0, 100.0), xlabel="share in %")
        sizes.invert_yaxis()
        for ax in (sizes, shares):
            ax.grid(alpha=0.25)
            ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
        return [sizes, shares]

    def __repr__(self) -> str:
        return "\n".join([tables.text(self._rows()), *(f"! {flag}" for flag in self.flags)])

    def _repr_html_(self) -> str:
        flags = "".join(f"<li>{escape(flag)}</li>" for flag in self.flags)
        return f"{tables.html(self._rows(), 'layers in the order of their calls')}<ul>{flags}</ul>"

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [_HEADER]
        for layer in self.layers:
            sizes = [f"{x:.2g}" for x in (layer.mean, layer.deviation, layer.gradient)]
            dead = f"{layer.dead} of {layer.relus}" if layer.relus else ""
            saturated = f"{layer.saturated:.0%}" if layer.saturated else ""
            rows.append((layer.name, layer.kind, str(layer.units), *sizes, dead, saturated))
        return rows


def _faults_of_gradients(layers: list[LayerReport]) -> Iterator[str]:
    """Yield remarks on a gradient that vanishes or explodes on its way from the last layer to the first."""
    if not layers or not 0.0 < layers[-1].gradient < inf:
        return
    last = layers[-1]
    ratios = {layer.name: layer.gradient / last.gradient for layer in layers}
    vanishing = {name: ratio for name, ratio in ratios.items() if ratio < 1e-3}
    exploding = {name: ratio for name, ratio in ratios.items() if 1e3 < ratio < inf}
    is_blocked = any(layer.relus and layer.dead == layer.units for layer in layers)  # which has a flag of its own
    if vanishing and not is_blocked:
        yield (
            f"{', '.join(vanishing)}: the gradient vanishes, down to {min(vanishing.values()):.1e} of that in "
            f'{last.name}; use "relu" with init="he" in place of "sigmoid" and "tanh", fewer layers, or nn.LayerNorm '
            "between them"
        )
    if exploding:
        yield (
            f"{', '.join(exploding)}: the gradient explodes, up to {max(exploding.values()):.1e} times that in "
            f"{last.name}; draw smaller weights, put nn.LayerNorm between layers, or clip gradients, fit(..., clip=1.0)"
        )
