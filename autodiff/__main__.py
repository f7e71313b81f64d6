"""`python -m autodiff`: an expression with its derivatives; without one, the tour. `--help` explains both."""

import argparse
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from autodiff.app import shell, tour, version
from autodiff.expression import FUNCTIONS

_DRAWINGS = (".svg", ".png", ".pdf", ".html", ".dot")

_DESCRIPTION = """\
With an expression: its value and derivatives, each beside a numerical one, and the graph if asked for.

  python -m autodiff "tanh(w*x + b)" w=2 x=1 b=0.5
  python -m autodiff "tanh(w*x + b)" w=2 x=1 b=0.5 --wrt w x --draw neuron.svg
  python -m autodiff "where(x > 0, x*log(x), 0)" x=1/3 --order 2

Without one, a tour of scalar automatic differentiation: the graph of one neuron as text, its gradients beside
numerical ones; then a network of 42 neurons is trained on 1,437 handwritten digits, eagerly and compiled, and tested on
360 others. Ctrl-C ends a training early and goes on with what there is.

  python -m autodiff
  python -m autodiff --epochs 4 --out neuron.png
"""

_EPILOG = """\
An expression holds names, numbers, + - * / // % ** and parentheses, lists such as sum([x, y]), comparisons in
where(x > 0, x, 0), pi and e, tau, inf and nan, and these functions:

{functions}

Exit status: 0; 2 for a mistake in what was asked for; 1 where derivatives disagree, or the tour cannot train.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose messages do nothing to a terminal, whatever the words are that they repeat."""

    def error(self, message: str) -> NoReturn:
        super().error(shell.printable(message))

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file)  # which says so where it cannot be written


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; a mistake in them ends the program, with status 2."""
    functions = textwrap.fill(" ".join(FUNCTIONS), 110, initial_indent="  ", subsequent_indent="  ")
    parser = _Parser(
        prog="python -m autodiff",
        usage='%(prog)s ["expression" name=number ...] [options]',
        description=_DESCRIPTION,
        epilog=_EPILOG.format(functions=functions),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "words", nargs="*", metavar="expression name=number", help="one word: quote it; then its numbers"
    )
    parser.add_argument("--version", action="store_true", help="the version, and whether the native core runs")
    ours = parser.add_argument_group("of an expression")
    ours.add_argument("--wrt", nargs="+", metavar="name", help="differentiate by these names (default: all)")
    ours.add_argument("--order", type=int, choices=(1, 2), help="2: second derivatives, too (default: 1)")
    ours.add_argument("--draw", type=Path, metavar="file", help="the graph's drawing: .svg, .png, .pdf, .html or .dot")
    tours = parser.add_argument_group("of the tour")
    tours.add_argument("--epochs", type=int, help="passes of compiled training over the digits (default: 30)")
    tours.add_argument("--seed", type=int, help="of the split, the weights and the order (default: 0)")
    tours.add_argument(
        "--out", type=Path, metavar="file", help="the drawing: .svg, .png, .pdf, .html or .dot (default: neuron.svg)"
    )
    words = sys.argv[1:] if arguments is None else arguments
    # argparse takes "-x**2" for an option, but nothing that has a space in it
    options = parser.parse_intermixed_args([f" {word}" if _is_negative(word) else word for word in words])
    _check(parser, options)
    return options


def _is_negative(word: str) -> bool:
    return word.startswith("-") and not word.startswith("--") and word != "-h"


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse options that do not fit each other, or files that cannot be; fill in what was left out."""
    strangers = ("epochs", "seed", "out") if options.words else ("wrt", "order", "draw")
    for name in strangers:
        if getattr(options, name) is not None:
            parser.error(
                f"--{name} is of the tour; leave the expression out, or the option"
                if options.words
                else f'--{name} needs an expression, such as "x**2" x=3'
            )
    options.epochs = 30 if options.epochs is None else options.epochs
    options.seed = options.seed or 0
    options.out = options.out or Path("neuron.svg")
    if options.epochs < 0:
        parser.error(f"--epochs is at least 0, got {options.epochs}")
    if not 0 <= options.seed < 2**32:
        parser.error(f"--seed is from 0 to 2**32 - 1, got {options.seed}")
    name, path = ("draw", options.draw) if options.words else ("out", options.out)
    if path is not None:
        _check_path(parser, name, path)


def _check_path(parser: argparse.ArgumentParser, name: str, path: Path) -> None:
    if path.suffix not in _DRAWINGS:
        parser.error(f"--{name} ends in .svg, .png, .pdf, .html or .dot, got {path}")
    if not path.absolute().parent.is_dir():
        parser.error(f"--{name} is in a directory that does not exist: {path.absolute().parent}")
    try:
        is_directory = path.is_dir()
    except OSError as error:  # too long a name
        parser.error(f"--{name}: {error.strerror}: {path}")
    if is_directory:
        parser.error(f"--{name} is a directory: {path.absolute()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tour, or what an expression asks for; return the exit status."""
    options = options_of(arguments)
    if options.version:
        print(shell.printable(version.report()))
        return 0
    if not options.words:
        return tour.take(options.epochs, options.seed, options.out)
    expression, *assignments = options.words
    wrt = [word for word in options.wrt or () if "=" not in word]
    assignments += [word for word in options.wrt or () if "=" in word]  # --wrt takes all words that follow it
    try:
        return shell.calculate(expression, assignments, wrt, options.order or 1, options.draw)
    except (shell.ExpressionError, shell.UsageError) as error:
        print(shell.printable(f"python -m autodiff: {error}"), file=sys.stderr)
        return 2


def run() -> int:
    """Run as a program does: any terminal, any pipe, a full disk, Ctrl-C at any moment."""
    if sys.stdout is None:  # closed by the shell, >&-; a file that is opened would stand in its place
        return _failed("standard output is closed")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the tree's lines shows ? for them
    try:
        status = _status()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _abandon(sys.stdout)
        return 141
    except OSError as error:  # a full disk
        _abandon(sys.stdout)
        return _failed(f"the output cannot be written: {error.strerror}")


def _status() -> int:
    try:
        return main()
    except SystemExit as end:  # after --help, or a mistake in the options
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130


def _failed(message: str) -> int:
    with suppress(OSError, AttributeError):  # nobody may be listening there, either
        print(f"python -m autodiff: {message}", file=sys.stderr)
    return 1


def _abandon(stream: TextIO) -> None:
    """Let what is still to be written to a stream go nowhere, also when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(run())
