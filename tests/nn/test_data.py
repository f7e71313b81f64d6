"""What is reached on data that scikit-learn brings along, by cross-validation: every row is held out once a repeat.

Each of the five folds of each repeat has a network of its own, drawn with a seed of its own; the mean over all of them
is what counts.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.needs import need_core

need_core()  # eagerly it takes minutes
datasets = pytest.importorskip("sklearn.datasets")

from sklearn.model_selection import KFold, StratifiedKFold  # noqa: E402
from sklearn.neural_network import MLPRegressor  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import nn  # noqa: E402

FOLDS = 5


class Settings(NamedTuple):
    """A network, how it is trained by AdamW in batches of 32, and the mean accuracy that it reaches at least."""

    build: Callable[[int], nn.Module]
    lr: float
    weight_decay: float
    epochs: int
    repeats: int
    accuracy: float


SETTINGS = {
    "digits": Settings(lambda seed: nn.MLP(64, [64, 10], seed=seed), 0.005, 0.3, 40, 1, 0.97),
    "iris": Settings(lambda seed: nn.Layer(4, 3, "linear", seed=seed), 0.05, 0.0, 500, 5, 0.96),
    "wine": Settings(lambda seed: nn.MLP(13, [16, 3], "tanh", seed=seed), 0.01, 0.1, 50, 5, 0.97),
    "breast_cancer": Settings(lambda seed: nn.MLP(30, [16, 2], "tanh", seed=seed), 0.01, 0.01, 50, 5, 0.96),
}


def folds(splitter: Any, repeats: int, rows: Any, targets: Any) -> Iterator[tuple[int, Any, Any, Any, Any]]:
    """Yield (seed, rows to train on, their targets, rows held out, their targets), the rows standardised."""
    for repeat in range(repeats):
        parts = splitter(FOLDS, shuffle=True, random_state=repeat).split(rows, targets)
        for fold, (training, held_out) in enumerate(parts):
            scaled = StandardScaler().fit(rows[training]).transform(rows)
            yield FOLDS * repeat + fold, scaled[training], targets[training], scaled[held_out], targets[held_out]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_accuracy_stated_is_reached_on_rows_held_out(name: str) -> None:
    build, lr, weight_decay, epochs, repeats, accuracy = SETTINGS[name]
    data = getattr(datasets, f"load_{name}")(return_X_y=True)
    reached = []
    for seed, rows, targets, unseen, answers in folds(StratifiedKFold, repeats, *data):
        model = build(seed)
        adam = nn.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
        nn.fit(model, rows, targets, loss=nn.cross_entropy, optimizer=adam, epochs=epochs, seed=seed, progress=False)
        reached.append(np.mean(nn.predict(model, unseen).argmax(1) == answers))
    print(f"{name}: {np.mean(reached):.2%}, from {min(reached):.1%} to {max(reached):.1%}")
    assert np.mean(reached) >= accuracy


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # scikit-learn would train longer
def test_the_error_on_diabetes_is_that_of_scikit_learns_regressor() -> None:
    """To 2 %: both are 10-8-1 networks with tanh, trained by Adam in batches of 32; first weights and order differ."""
    inputs, progression = datasets.load_diabetes(return_X_y=True)
    standardised = (progression - progression.mean()) / progression.std()
    ours, theirs = [], []
    for seed, rows, targets, unseen, answers in folds(KFold, 4, inputs, standardised):
        model = nn.MLP(10, [8, 1], "tanh", seed=seed)
        adam = nn.optim.Adam(model.parameters(), lr=0.005)
        nn.fit(model, rows, targets, loss=nn.mse, optimizer=adam, epochs=50, seed=seed, progress=False)
        ours.append(np.mean((nn.predict(model, unseen)[:, 0] - answers) ** 2))
        library = MLPRegressor(hidden_layer_sizes=(8,), **LIKE_OURS, random_state=seed).fit(rows, targets)
        theirs.append(np.mean((library.predict(unseen) - answers) ** 2))
    print(f"diabetes: R² {1 - np.mean(ours):.3f}, scikit-learn {1 - np.mean(theirs):.3f}")
    assert np.mean(ours) <= 1.02 * np.mean(theirs)


LIKE_OURS: dict[str, Any] = {
    "activation": "tanh",
    "alpha": 0.0,
    "batch_size": 32,
    "learning_rate_init": 0.005,
    "max_iter": 50,
    "n_iter_no_change": 1000,
}
