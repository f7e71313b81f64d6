"""A tour: one neuron's gradients, step by step and checked; then a network of such neurons reads handwritten digits.

An application: it stands above the engine and uses `nn`. `python -m autodiff` runs it.
"""

import random
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import autodiff
import nn
from autodiff import Value
from autodiff.app.shell import printable, save_drawing
from autodiff.app.version import engine

NEEDED = ("sklearn", "tqdm")
TRAIN_EXTRA = 'training needs scikit-learn and tqdm: python -m pip install "scalar-autodiff[train]"'


TICK = 0.5  # seconds


@contextmanager
def ticking(what: str) -> Iterator[None]:
    """Print what is under way, and a dot every half second until it is done."""
    over = threading.Event()

    def tick() -> None:
        with suppress(OSError):  # nobody reads: the next line of the tour finds out
            while not over.wait(TICK):
                print(".", end="", flush=True)

    thread = threading.Thread(target=tick, daemon=True)
    print(what, end=" ...", flush=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print(flush=True)


# --- one neuron ---


def neuron(w1: Any, x1: Any, w2: Any, x2: Any, b: Any) -> Any:
    """tanh(w1 x1 + w2 x2 + b), of floats or Values."""
    return autodiff.tanh(w1 * x1 + w2 * x2 + b)


POINT = {"w1": 0.8, "x1": 1.0, "w2": -0.6, "x2": 2.0, "b": 0.5}


def show_gradients() -> Value:
    """The neuron's output after backward(), having printed its graph and its gradients beside numerical ones."""
    inputs = {name: Value(number, name) for name, number in POINT.items()}
    out: Value = neuron(*inputs.values())
    out.label = "out"
    out.backward()
    print("One neuron, out = tanh(w1*x1 + w2*x2 + b). After out.backward() each node has\nits grad, d(out)/d(node):\n")
    print(autodiff.draw(out).text())
    print(f"\n{'':>8}{'backward()':>22}{'central difference':>22}")
    for name, value in inputs.items():
        print(f"{'d/d' + name:>8}{value.grad:>22.15f}{numerical(neuron, name):>22.15f}")
    return out


def numerical(f: Callable[..., float], name: str, h: float = 1e-5) -> float:
    """(f(p + h) - f(p - h)) / 2h along one coordinate; its error is of the order h²."""
    above = f(**{**POINT, name: POINT[name] + h})
    below = f(**{**POINT, name: POINT[name] - h})
    return (above - below) / (2 * h)


# --- digits ---

Sample = tuple[list[float], int]


def digits(seed: int) -> tuple[list[Sample], list[Sample]]:
    """Samples to train on and samples to test, 80 and 20 %: 64 pixels from 0 to 1, and the digit."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    samples = list(zip((pixels / 16.0).tolist(), labels.tolist(), strict=True))
    training, testing = train_test_split(samples, test_size=0.2, random_state=seed, stratify=labels)
    return training, testing


FEW = 2_000  # samples that are trained eagerly


def train_eagerly(model: nn.MLP, samples: list[Sample], seed: int) -> float | None:
    """Train a few samples, one by one; return samples a second, None after Ctrl-C."""
    from tqdm import tqdm

    sgd = nn.optim.SGD(model.parameters(), lr=0.02)
    rng = random.Random(seed)
    start = time.perf_counter()
    with tqdm(total=FEW, desc="eager", unit=" samples", mininterval=0.5) as progress:
        try:
            for _ in range(FEW):
                pixels, digit = rng.choice(samples)
                loss = nn.cross_entropy(model(pixels), digit)
                sgd.zero_grad()
                loss.backward()
                sgd.step()
                progress.update()
        except KeyboardInterrupt:
            progress.close()
            print(f"Stopped after {progress.n:,} samples; going on with the network as it is.")
            return None
    seconds = time.perf_counter() - start
    speed = FEW / seconds
    print(f"{FEW:,} samples in {seconds:.1f} s: {speed:,.0f} samples a second.")
    return speed


def train_compiled(model: nn.MLP, samples: list[Sample], epochs: int, seed: int, eagerly: float) -> None:
    """Train all samples by `nn.fit`; Ctrl-C ends it early."""
    times = [time.perf_counter()]
    history = nn.fit(
        model,
        [pixels for pixels, _ in samples],
        [digit for _, digit in samples],
        loss=nn.cross_entropy,
        optimizer=nn.optim.Adam(model.parameters(), lr=0.005),
        epochs=epochs,
        seed=seed,
        callbacks=[lambda event: times.append(time.perf_counter())],
        progress=True,
    )
    done = len(history["loss"])
    if done < epochs:
        print(f"Stopped after {done} of {epochs} epochs; going on with the network as it is.")
    if done > 1:  # the first includes tracing
        speed = len(samples) * (done - 1) / (times[-1] - times[1])
        print(f"{speed:,.0f} samples a second, {speed / eagerly:,.0f} times as fast.")


def answers(model: nn.MLP, samples: list[Sample]) -> list[int]:
    """The digit with the largest logit for each sample."""
    with autodiff.no_grad():
        return [max(range(10), key=model(pixels).__getitem__) for pixels, _ in samples]


# --- what it has learnt ---


def show_digits(samples: list[Sample], said: list[int]) -> Sample:
    """Print some digits, as blocks side by side, with what the network says; return the last, which it gets wrong."""
    width = 16
    count = max(1, (shutil.get_terminal_size().columns + 3) // (width + 3))
    right = [(sample, answer) for sample, answer in zip(samples, said, strict=True) if sample[1] == answer]
    wrong = [(sample, answer) for sample, answer in zip(samples, said, strict=True) if sample[1] != answer]
    shown = [*right[: count - len(wrong[:1])], *wrong[:1]]
    pictures = [blocks(pixels) for (pixels, _), _ in shown]
    notes = [f"says {said}" if said == digit else f"says {said}, it is {digit}" for (_, digit), said in shown]
    for parts in [*zip(*pictures, strict=True), notes]:
        print("   ".join(part.ljust(width) for part in parts).rstrip())
    return shown[-1][0]


def blocks(pixels: list[float]) -> list[str]:
    """8 x 8 pixels as 8 lines of 16 characters, the darker the more ink."""
    shades = " ░▒▓█"
    try:
        shades.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        shades = " .:*#"
    drawn = [2 * shades[round(pixel * (len(shades) - 1))] for pixel in pixels]
    return ["".join(drawn[i : i + 8]) for i in range(0, 64, 8)]


def explain_weight(model: nn.MLP, sample: Sample) -> None:
    """Print why the loss of a sample changes as it does with a weight, the one of its digit that matters most."""
    pixels, digit = sample
    logits = model(pixels)
    loss = nn.cross_entropy(logits, digit)
    loss.backward()
    weights = model.layers[-1].neurons[digit].w
    weight = max(weights, key=lambda w: abs(w.grad))
    index = weights.index(weight)
    output = logits[digit]
    loss.label, output.label, output.operands[0].label, weight.label = "L", "z", "s", "w"
    print(
        f"\nThe chain rule for that {digit}: L is its loss, z = s + b the logit of {digit},\n"
        f"and w the weight in s of hidden unit {index}.\n"
    )
    paths, _, _ = str(autodiff.explain(loss, weight)).partition("\n\n")  # the local gradients are wider than a terminal
    print("\n".join([line if len(line) <= 80 else textwrap.fill(line, 80) for line in paths.splitlines()]))
    way = "raise" if weight.grad < 0 else "lower"
    print(f"\nSo a step down the gradient would {way} w, and the logit z of {digit} with it.")


NEXT = """
Four things to try next:
  python -m autodiff "x**2 * exp(-x)" x=1.5 --order 2   a formula of your own
  python -m autodiff --epochs 200 --seed 1              longer, another start
  python -m pydoc nn.fit                                a model of your own
  notebooks/01_backpropagation.ipynb, then the gallery  every step, drawn\
"""


def take(epochs: int, seed: int, path: Path) -> int:
    """Run the tour, with the drawing saved at `path`; return the exit status."""
    out = show_gradients()
    try:
        with ticking("\nLaying out the graph"):
            saved = save_drawing(out, path)
    except BrokenPipeError:  # of the output, not of the drawing
        raise
    except OSError as error:
        print(printable(f"{path} cannot be written: {error}"), file=sys.stderr)
        return 2
    print(f"The neuron's graph is drawn in {printable(str(saved.resolve()))}\n")
    print(textwrap.fill(printable(engine()), 80))
    if any(find_spec(name) is None for name in NEEDED):
        print(f"\n{TRAIN_EXTRA}")
        return 1
    read_digits(epochs, seed)
    print(NEXT)
    return 0


def read_digits(epochs: int, seed: int) -> None:
    """Train a network eagerly, then compiled; show what it has learnt."""
    with ticking("\nImporting scikit-learn, for its handwritten digits"):
        training, testing = digits(seed)
    model = nn.MLP(64, [32, 10], seed=seed)
    print(
        f"{len(training):,} digits of 64 pixels; {len(model.parameters()):,} parameters in {model}.\n"
        "\nThe same backward(), eagerly: every number is a Value.",
        flush=True,
    )
    eagerly = train_eagerly(model, training, seed)
    if eagerly and epochs:
        print("\nThe same code, compiled: called once on Values, then run as a program.", flush=True)
        train_compiled(model, training, epochs, seed, eagerly)
    said = answers(model, testing)
    right = [digit == answer for (_, digit), answer in zip(testing, said, strict=True)]
    print(f"held-out accuracy {100 * sum(right) / len(right):.1f} %, on {len(right)} digits it has never seen\n")
    explain_weight(model, show_digits(testing, said))
