"""A tour: one neuron's gradients, step by step and checked; then a network of such neurons reads handwritten digits.

An application: it stands above the engine and uses `nn`. `python -m autodiff` runs it.
"""

import random
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import autodiff
import nn
from autodiff import Value
from autodiff.shell import printable, save_drawing

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

    sgd = nn.SGD(model.parameters(), lr=0.01)
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


def take(epochs: int, seed: int, path: Path) -> int:
    """Run the tour, with the drawing saved at `path`; return the exit status."""
    out = show_gradients()
    try:
        saved = save_drawing(out, path)
    except OSError as error:
        print(printable(f"{path} cannot be written: {error}"), file=sys.stderr)
        return 2
    print(f"\nThe neuron's graph is drawn in {printable(str(saved.resolve()))}")
    if find_spec("sklearn") is None or find_spec("tqdm") is None:
        print(f"\n{TRAIN_EXTRA}")
        return 1
    training, held_out = digits(seed)
    model = nn.MLP(64, [32, 10], seed=seed)
    print(
        f"\nThe same backward() through {model}, {len(model.parameters()):,} parameters, on {len(training)} digits:\n"
    )
    train(model, training, epochs, seed)
    print(f"\nAccuracy on {len(held_out)} digits it has never seen: {accuracy(model, held_out):.1%}")
    return 0
