"""The widget: sliders in a live notebook, whose kernel computes what follows them. It needs anywidget."""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff.show.drawings import svg
from autodiff.show.live.moving import Moving, Slider, described, framed, sliding_script
from autodiff.show.live.program import written

ANSWER = '<div data-part="answer"></div>'
INSTALL = 'These sliders need anywidget to move in a live notebook: pip install "scalar-autodiff[notebook]"'


def widget_of(sliders: Sequence[Slider], at: Callable[[dict[Any, float]], Any], moving: Moving | None) -> Any:
    """The widget of a graph, whose drawing follows, or else of the table that `at` answers with.

    Raises ModuleNotFoundError, with what to install, where anywidget is missing.
    """
    try:
        import anywidget
        import traitlets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{INSTALL}. Without it, sliders.at({{x: 1.5}}) answers the same.", name=error.name
        ) from error

    def answered(numbers: Sequence[float]) -> str:
        html: str = at({s.key: float(x) for s, x in zip(sliders, numbers, strict=True)})._repr_html_()
        return html

    def slots(numbers: Sequence[float]) -> list[float | str]:
        return [] if moving is None else [*map(written, moving.values([*map(float, numbers)]))]

    class SlidersWidget(anywidget.AnyWidget):
        """Sliders, and what follows them; `numbers` are theirs, in order."""

        _esm = sliding_script("widget.js")
        html: Any = traitlets.Unicode("").tag(sync=True)
        data: Any = traitlets.Dict({}).tag(sync=True)
        numbers: Any = traitlets.List([]).tag(sync=True)
        slots: Any = traitlets.List([]).tag(sync=True)
        answer: Any = traitlets.Unicode("").tag(sync=True)

        @traitlets.observe("numbers")
        def _moved(self, change: Any) -> None:
            self.slots, self.answer = slots(change["new"]), answered(change["new"])

    start, prefix = [slider.start for slider in sliders], svg.new_prefix()
    if moving is None:
        html, data = framed(prefix, "Sliders", summary="What changed", table=ANSWER), {"sliders": described(sliders)}
    else:
        html, data = moving.element(prefix, "What changed", ANSWER, scripts=False), moving.data()
    return SlidersWidget(
        html=html, data={"results": [], **data}, numbers=start, slots=slots(start), answer=answered(start)
    )
