"""What moves with sliders: a graph, its numbers for those of the sliders, and the element of HTML that shows them.

Where a program can have the graph, its script computes the numbers in the page; else the kernel does, and `reason` says
why.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from html import escape
from itertools import chain, islice, product
from random import Random
from string import Template
from typing import Any, NamedTuple

from autodiff.show.drawings import render
from autodiff.show.drawings.pages import PAGES, files_of, json_of, still, styled
from autodiff.show.explanations.hypotheses import KEPT, chose_for_good
from autodiff.show.explanations.symbols import total
from autodiff.show.live.engine import engine_script
from autodiff.show.live.kernel import Recorded
from autodiff.show.live.picture import Picture
from autodiff.show.live.program import LiveProgram, program_of
from autodiff.show.live.written_out import KernelOnlyError
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.text import printable
from autodiff.value import Value

MOST_OPERATIONS = 20_000  # of a graph that a page has as a program: some megabytes
MOST_VERSIONS = 64  # of a drawing, laid out to see how long its numbers get
ROOM = 5_000  # boxes in all those versions

FIGURE = '<figure role="group" aria-label="Drawing" tabindex="0" style="margin: 0">\n{}\n</figure>'
HERE = "autodiff.show.live"


class Slider(NamedTuple):
    """A number that may change: its key, its name, its present value, and the range in which it moves."""

    key: Any
    name: str
    now: float
    low: float
    high: float

    @property
    def start(self) -> float:
        """Where the slider stands at first: at its present value, or at the end that is nearest to it; nan is low."""
        return min(max(self.low, self.now), self.high)


class Moving:
    """The graph that ends in y, moved by sliders over some of its Values: one for each, in order."""

    def __init__(self, y: Value, inputs: Sequence[Value], sliders: Sequence[Slider]) -> None:
        self._y, self._inputs, self.sliders = y, list(inputs), list(sliders)
        self._names = {**{x: slider.name for x, slider in zip(inputs, sliders, strict=True)}, **names_of(y)}
        self.title = f"Sliders of {self._names[y]}"

    @cached_property
    def _evaluated(self) -> tuple[LiveProgram | Recorded, str]:
        """The graph with slots, and why it is no program."""
        try:
            live = program_of(self._y, self._inputs)
        except KernelOnlyError as error:
            return Recorded(self._y, self._inputs), str(error)
        if len(live.program.codes) > MOST_OPERATIONS:
            reason = f"a graph of {len(live.program.codes):,} instructions is too large for a page"
            return Recorded(self._y, self._inputs), reason
        return live, ""

    @property
    def reason(self) -> str:
        """Why a page cannot compute what the sliders move; empty where it can."""
        return self._evaluated[1]

    def values(self, numbers: Sequence[float]) -> list[float]:
        """The numbers in all slots, for those of the sliders."""
        graph = self._evaluated[0]
        return graph.evaluate([*numbers, *[x.data for x in graph.inputs[len(numbers) :]]])

    # --- the element ---

    def element(self, prefix: str, summary: str, table: str, whole: bool = False, scripts: bool = True) -> str:
        """The element of HTML: the sliders, the result, the drawing, and a table.

        Args:
            prefix: the beginning of all ids in the element.
            summary: what the table is called.
            table: what stands below the drawing.
            whole: whether the picture itself stands in it, in a page that nobody cleans, or its still image.
            scripts: whether its own script stands in it, which computes what the sliders move.
        """
        start = self.values([slider.start for slider in self.sliders])
        return framed(
            prefix,
            self.title,
            result=self._result(start),
            picture=FIGURE.format(self._drawn(start, prefix, whole)),
            summary=summary,
            table="\n".join([table, *[f'<p class="note">{escape(printable(note))}</p>' for note in self._notes()]]),
            script=self._script(prefix) if scripts and not self.reason else "",
        )

    def _notes(self) -> list[str]:
        kept = [KEPT] if chose_for_good(self._names) else []
        return [*kept, f"{self.reason[0].upper()}{self.reason[1:]}."] if self.reason else kept

    def _drawn(self, start: Sequence[float], prefix: str, whole: bool) -> str:
        try:
            drawn = self._picture.svg(start, self._others(), prefix)
        except render.RenderError as error:
            return f"<p>{escape(str(error))}</p>"
        return drawn if whole else still(drawn, self._picture.alt(self._picture.at(start)))

    @cached_property
    def _picture(self) -> Picture:
        return Picture(self._y, self._evaluated[0].nodes)

    def _others(self) -> Iterator[list[float]]:
        """Values for other numbers of the sliders: ends, corners and points between them, the same each time."""
        ends, random = [slider[-2:] for slider in self.sliders], Random(0)
        start = [slider.start for slider in self.sliders]
        alone = [
            [*start[:i], number, *start[i + 1 :]]
            for i, (low, high) in enumerate(ends)
            for number in (low, high, round(low / 2 + high / 2), *([0.0] if low < 0.0 < high else []))
        ]
        within = ([random.uniform(low, high) for low, high in ends] for _ in range(MOST_VERSIONS))
        versions = chain(alone, product(*ends), within)
        for numbers in islice(versions, max(4, min(MOST_VERSIONS, ROOM // len(self._names)))):
            yield self.values(numbers)

    def _results(self) -> list[tuple[str, int | None]]:
        """What is said of the numbers: names and slots of y, and of its derivatives in what the sliders move."""
        nodes, y = self._evaluated[0].nodes, self._names[self._y]
        slopes = [(total(y, self._names[x]), nodes[x].gradient) for x in self._inputs]
        return [(y, nodes[self._y].data), *slopes]

    def _result(self, values: Sequence[float]) -> str:
        shown = [(name, 0.0 if slot is None else values[slot] + 0.0) for name, slot in self._results()]
        return ", ".join([f"{name} = {shortened(number)}" for name, number in shown])

    def data(self) -> dict[str, Any]:
        """What the script knows of the sliders and of the picture, for JSON."""
        return {
            "sliders": described(self.sliders),
            "results": [{"name": name, "slot": slot} for name, slot in self._results()],
            "picture": self._picture.data(),
            "film": self._picture.film(),
        }

    def _script(self, prefix: str) -> str:
        live = self._evaluated[0]
        assert isinstance(live, LiveProgram)
        data = json_of({**self.data(), "program": live.data()})
        script = sliding_script("page.js").replace("ROOT", _root(prefix))
        return f'<script type="application/json" data-part="data">{data}</script>\n<script>{{\n{script}}}</script>'


def described(sliders: Iterable[Slider]) -> list[dict[str, Any]]:
    """What a script knows of the sliders."""
    return [{"name": s.name, "low": s.low, "high": s.high, "now": s.start} for s in sliders]


def framed(
    prefix: str, title: str, *, result: str = "", picture: str = "", summary: str, table: str, script: str = ""
) -> str:
    """The element around it all; the picture, the table and the script are HTML."""
    root = _root(prefix)
    return Template(files_of(HERE, "sliders.html")).substitute(
        root=root,
        title=escape(printable(title)),
        style=styled(files_of(PAGES, "frame.css", "zoom.css") + files_of(HERE, "sliders.css"), root, "auto"),
        result=escape(printable(result)),
        picture=picture,
        summary=escape(summary),
        table=table,
        script=script,
    )


def _root(prefix: str) -> str:
    """The id of the element."""
    return f"{prefix}-sliders"


def sliding_script(last: str) -> str:
    """The script of pages and widgets, which has this file at its end."""
    shared = files_of(PAGES, "inline.js", "zoom.js")
    return engine_script() + shared + files_of(HERE, "follow.js", "film.js", "sliders.js", last)
