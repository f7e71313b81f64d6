"""A tour: one neuron's gradients, step by step and checked; then a network of such neurons reads handwritten digits.

An application: it stands above the engine and uses `nn`. `python -m autodiff --help` explains it.
"""

import argparse
import io
import os
import random
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import autodiff
import nn
from autodiff import Value

TRAIN_EXTRA = 'training needs scikit-learn and tqdm: python -m pip install "scalar-autodiff[train]"'


def neuron(w1: Any, x1: Any, w2: Any, x2: Any, b: Any) -> Any:
    """Return tanh(w1 x1 + w2 x2 + b), of floats or Values."""
    return autodiff.tanh(w1 * x1 + w2 * x2 + b)


POINT = {"w1": 0.8, "x1": 1.0, "w2": -0.6, "x2": 2.0, "b": 0.5}


def show_gradients() -> Value:
    """Return the neuron's output after backward(), having printed its graph and its gradients beside numerical ones."""
    inputs = {name: Value(number, name) for name, number in POINT.items()}
    out: Value = neuron(*inputs.values())
    out.label = "out"
    out.backward()
    print("One neuron, out = tanh(w1*x1 + w2*x2 + b), and d(out)/d(node) on each node after out.backward():\n")
    print(autodiff.draw(out).text())
    print(f"\n{'':>8}{'backward()':>22}{'central difference':>22}")
    for name, value in inputs.items():
        print(f"{'d/d' + name:>8}{value.grad:>22.15f}{numerical(neuron, name):>22.15f}")
    return out


def numerical(f: Callable[..., float], name: str, h: float = 1e-5) -> float:
    """Return (f(p + h) - f(p - h)) / 2h along one coordinate; its error is of the order h²."""
    above = f(**{**POINT, name: POINT[name] + h})
    below = f(**{**POINT, name: POINT[name] - h})
    return (above - below) / (2 * h)


Sample = tuple[list[float], int]


def digits(seed: int) -> tuple[list[Sample], list[Sample]]:
    """Return (training, held out) samples, 80 and 20 %: 64 pixels from 0 to 1, and the digit."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    samples = list(zip((pixels / 16.0).tolist(), labels.tolist(), strict=True))
    training, held_out = train_test_split(samples, test_size=0.2, random_state=seed, stratify=labels)
    return training, held_out


def train(model: nn.MLP, samples: list[Sample], epochs: int, seed: int) -> None:
    """Train by SGD, one sample a step, the learning rate falling to zero; Ctrl-C ends it early."""
    from tqdm import tqdm

    sgd = nn.SGD(model.parameters())
    rng = random.Random(seed)
    order = (sample for _ in range(epochs) for sample in rng.sample(samples, len(samples)))
    steps = epochs * len(samples)
    with tqdm(order, total=steps, desc="training", unit=" samples", mininterval=0.5) as progress:
        smoothed = 2.3  # -log(1/10), the loss of a guess
        try:
            for i, (pixels, digit) in enumerate(progress):
                sgd.lr = 0.05 * (1 - i / steps)
                loss = nn.cross_entropy(model(pixels), digit)
                sgd.zero_grad()
                loss.backward()
                sgd.step()
                smoothed += 0.01 * (loss.data - smoothed)
                if i % 100 == 0:
                    progress.set_postfix(loss=f"{smoothed:.3f}", refresh=False)
        except KeyboardInterrupt:
            progress.close()
            print(f"Stopped after {progress.n} of {steps} samples; going on with the network as it is.")


def accuracy(model: nn.MLP, samples: list[Sample]) -> float:
    """Return the share of samples whose digit has the largest logit."""
    with autodiff.no_grad():
        right = [max(range(10), key=model(pixels).__getitem__) == digit for pixels, digit in samples]
    return sum(right) / len(right)


def save_drawing(out: Value, path: Path) -> None:
    """Write the drawing of the neuron, and say where; without a renderer, its dot source."""
    drawing = autodiff.draw(out)
    try:
        saved = drawing.save(path)
    except RuntimeError as error:
        print(error)
        saved = drawing.save(path.with_suffix(".dot"))
    print(f"\nThe neuron's graph is drawn in {saved.resolve()}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m autodiff",
        description="A tour of scalar automatic differentiation: the graph of one neuron as text, its gradients beside "
        "numerical ones; then a network of 42 neurons is trained on 1,437 handwritten digits and tested on 360 others. "
        "Ctrl-C ends the training early and goes on with what there is.",
    )
    parser.add_argument("--epochs", type=int, default=12, help="passes over the training digits (default: 12)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the weights and the order (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("neuron.svg"),
        help="the drawing: .svg, .png, .html or .dot (default: neuron.svg)",
    )
    options = parser.parse_args(arguments)
    if options.epochs < 0:
        parser.error(f"--epochs is at least 0, got {options.epochs}")
    if options.out.suffix not in (".svg", ".png", ".html", ".dot"):
        parser.error(f"--out ends in .svg, .png, .html or .dot, got {options.out}")
    if not options.out.absolute().parent.is_dir():
        parser.error(f"--out is in a directory that does not exist: {options.out.absolute().parent}")
    if options.out.is_dir():
        parser.error(f"--out is a directory: {options.out.absolute()}")
    if not 0 <= options.seed < 2**32:
        parser.error(f"--seed is from 0 to 2**32 - 1, got {options.seed}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tour; return the exit status."""
    options = parse(arguments)
    out = show_gradients()
    try:
        save_drawing(out, options.out)
    except OSError as error:
        print(f"{options.out} cannot be written: {error}", file=sys.stderr)
        return 2
    if find_spec("sklearn") is None or find_spec("tqdm") is None:
        print(f"\n{TRAIN_EXTRA}")
        return 1
    training, held_out = digits(options.seed)
    model = nn.MLP(64, [32, 10], seed=options.seed)
    print(
        f"\nThe same backward() through {model}, {len(model.parameters()):,} parameters, on {len(training)} digits:\n"
    )
    train(model, training, options.epochs, options.seed)
    print(f"\nAccuracy on {len(held_out)} digits it has never seen: {accuracy(model, held_out):.1%}")
    return 0


def run() -> int:
    """Run the tour as a program does: any terminal, any pipe, Ctrl-C at any moment."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without the tree's lines shows ? for them
    try:
        return main()
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(run())
