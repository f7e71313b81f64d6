"""Multi-layer perceptrons as estimators of scikit-learn: for its pipelines, grid searches, calibration, displays.

`MLPClassifier` and `MLPRegressor` are an `nn.MLP` that `nn.fit` trains. Names, defaults and meanings are those of
scikit-learn's estimators of the same names, which have more options; `model_` is the network, for all that nn and
autodiff do with one. This module, unlike the others of nn, loads scikit-learn.

>>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "yes", "no"]
>>> classifier = MLPClassifier((8,), learning_rate_init=0.1, tol=0.01, random_state=0).fit(X, y)
>>> classifier.predict(X).tolist(), classifier.model_
(['no', 'yes', 'yes', 'no'], MLP(2, [8, 1], 'relu'))
"""

import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import nn

try:
    import numpy
    from scipy.special import log_softmax, softmax
    from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin, is_classifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, check_scalar, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f'nn.sklearn needs scikit-learn 1.6 or newer: python -m pip install "scalar-autodiff[train]" ({error})'
    ) from None

_ALIASES = {"identity": "linear", "logistic": "sigmoid"}
_RANGES: dict[str, tuple[type, float, float | None, str]] = {
    "alpha": (Real, 0, None, "left"),
    "learning_rate_init": (Real, 0, None, "neither"),
    "max_iter": (Integral, 1, None, "left"),
    "tol": (Real, 0, None, "left"),
    "validation_fraction": (Real, 0, 1, "neither"),
    "n_iter_no_change": (Integral, 1, None, "left"),
}
_WORTH_COMPILING = 64  # rows, over all epochs; of fewer, tracing takes longer than training on them


class _Perceptron(BaseEstimator):  # type: ignore[misc]
    """The base of both: options, training, the network's numbers."""

    model_: Any

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str | None = "auto",
        learning_rate_init: float = 1e-3,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    @property
    def coefs_(self) -> list[Any]:
        """The weights of each layer, an array of shape (inputs, outputs)."""
        return [numpy.array([[w.data for w in neuron.w] for neuron in layer.neurons]).T for layer in self.model_.layers]

    @property
    def intercepts_(self) -> list[Any]:
        """The biases of each layer, an array with one number for each output."""
        return [numpy.array([neuron.b.data for neuron in layer.neurons]) for layer in self.model_.layers]

    def _check(self) -> None:
        """Raise TypeError or ValueError for an invalid option; nn checks the others."""
        for name, (kind, least, most, ends) in _RANGES.items():
            check_scalar(getattr(self, name), name, kind, min_val=least, max_val=most, include_boundaries=ends)
        if self.batch_size not in ("auto", None):
            check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        if self.solver not in ("adam", "sgd"):
            raise ValueError(f"solver is 'adam' or 'sgd', got {self.solver!r}")

    def _make(self, outputs: int) -> Self:
        """Make the network and its optimiser, as the options have them."""
        self._check()
        self._random = check_random_state(self.random_state)
        hidden = self.hidden_layer_sizes
        widths = [*(hidden if isinstance(hidden, Iterable) else [hidden]), outputs]
        activation = _ALIASES.get(str(self.activation), self.activation)
        self.model_ = nn.MLP(self.n_features_in_, widths, activation, seed=self._seed())
        neurons = [neuron for layer in self.model_.layers for neuron in layer.neurons]
        weights = [w for neuron in neurons for w in neuron.w]
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": [neuron.b for neuron in neurons]}]
        self._optimizer = (
            nn.optim.Adam(groups, lr=self.learning_rate_init)
            if self.solver == "adam"
            else nn.optim.SGD(groups, lr=self.learning_rate_init, momentum=0.9, nesterov=True)
        )
        self.n_iter_, self.loss_curve_ = 0, list[float]()
        return self

    def _seed(self) -> int:
        return int(self._random.randint(2**31 - 1))

    def _train(self, X: Any, y: Any) -> Self:
        """Train until the loss, or the score of the rows held out, gets no better, max_iter epochs at most."""
        validation = None
        if self.early_stopping:
            share, stratify = self.validation_fraction, y if is_classifier(self) else None
            X, rows, y, targets = train_test_split(X, y, test_size=share, random_state=self._random, stratify=stratify)
            validation = rows, targets
        monitor, mode = self._score if self.early_stopping else ("loss", "min")
        patience, restore = self.n_iter_no_change, bool(self.early_stopping)
        enough = nn.early_stopping(monitor, patience=patience, min_delta=self.tol, mode=mode, restore=restore)
        self._descend(X, y, self.max_iter, validation=validation, callbacks=[enough])
        if self.history_.stopped is None:
            warnings.warn(
                f"{self.max_iter} epochs were not enough for {monitor} to settle; raise max_iter",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _go_on(self, X: Any, y: Any) -> Self:
        """Train for one epoch."""
        if self.early_stopping:
            raise ValueError("partial_fit knows no early_stopping, which takes more than one epoch; use fit")
        self._descend(X, y, 1)
        return self

    def _descend(self, X: Any, y: Any, epochs: int, **options: Any) -> None:
        most: Any = 200 if self.batch_size == "auto" else self.batch_size or len(X)
        size = min(most, len(X))
        self._optimizer.param_groups[0]["weight_decay"] = self.alpha / size
        self.history_ = nn.fit(
            self.model_,
            X,
            y,
            loss=self._loss,
            optimizer=self._optimizer,
            epochs=epochs,
            batch_size=size,
            shuffle=self.shuffle,
            seed=self._seed(),
            metrics=self._metrics,
            compile="auto" if epochs * len(X) >= _WORTH_COMPILING else False,
            progress=bool(self.verbose),
            **options,
        )
        self.n_iter_ += self.history_.epochs
        self.loss_curve_ += self.history_["loss"]
        if self.history_.stopped == "interrupted":  # else a grid search would go on with its next fit
            raise KeyboardInterrupt

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        return nn.predict(self.model_, validate_data(self, X, reset=False, dtype=float))


class MLPClassifier(ClassifierMixin, _Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that tells classes apart, trained on cross-entropy.

    With two classes the network has one output, the log-odds of the second; with more, a logit for each.

    Args:
        hidden_layer_sizes: the width of each hidden layer.
        activation: of the hidden layers, a name in `nn.layers.ACTIVATIONS`, or scikit-learn's "identity", "logistic".
        solver: "adam", or "sgd", with Nesterov's momentum of 0.9.
        alpha: strength of the L2 penalty, at least 0: to the slope of a weight w, not of a bias, w alpha / batch_size
            is added. The loss is shown without it.
        batch_size: how many rows a step takes, at least 1; "auto" is 200, None all of them.
        learning_rate_init: the learning rate, above 0.
        max_iter: how often to go through all rows, at most; at least 1.
        shuffle: whether each epoch takes the rows in an order of its own.
        random_state: of weights, of the order of rows and of which are held out: None, a number, a
            `numpy.random.RandomState`.
        tol: training ends when the loss has not become smaller by more than this, at least 0, ...
        n_iter_no_change: ... within so many epochs, at least 1.
        verbose: whether to show a bar of progress, which takes tqdm.
        early_stopping: whether to hold out rows, to watch their score (accuracy; the loss, in a regressor) in the
            place of the loss, and to return to where it was best.
        validation_fraction: how many to hold out, between 0 and 1.

    Attributes:
        classes_: the labels, sorted.
        model_: the `nn.MLP`.
        history_: the `nn.History` of the last call of `fit` or `partial_fit`.
        n_iter_, loss_curve_: how many epochs there were, and the loss of each.
        coefs_, intercepts_: the weights and biases of each layer, as arrays.
        n_features_in_, feature_names_in_: the number of columns of X, and their names where it has texts for names.

    >>> MLPClassifier(hidden_layer_sizes=(16, 16), activation="tanh")
    MLPClassifier(activation='tanh', hidden_layer_sizes=(16, 16))
    """

    _metrics, _score = ("accuracy",), ("val_accuracy", "max")

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network. Return self.

        Args:
            X: a table of numbers, a row for each sample.
            y: a label for each: texts, whole numbers, booleans.

        Raises ValueError or TypeError for rows, labels or options that are none, in scikit-learn's words where it has
        them, and FloatingPointError where training diverges. Warns with ConvergenceWarning where max_iter ended it.
        """
        X, y = self._checked(X, y, reset=True)
        return self._begin(numpy.unique(y))._train(X, self._numbered(y))

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch, on from where the last call of `partial_fit` or `fit` ended. Return self.

        Args:
            X, y: as of `fit`.
            classes: all labels that there will be; the first call needs them.

        Raises as `fit` does; ValueError for a label that is none of the classes, and with early_stopping.
        """
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit takes classes, all the labels that there will be")
        X, y = self._checked(X, y, reset=first)
        if first:
            self._begin(numpy.unique(classes))
        return self._go_on(X, self._numbered(y))

    def decision_function(self, X: Any) -> Any:
        """The log-odds of the second of two classes for each row; of more, logits of shape (rows, classes)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict(self, X: Any) -> Any:
        """The label of each row that is most probable."""
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, in an array of shape (rows, classes)."""
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithms of `predict_proba`, finite where a probability is too small to be."""
        return log_softmax(self._logits(X), axis=1)

    def _logits(self, X: Any) -> Any:
        scores = self.decision_function(X)
        return numpy.stack([numpy.zeros(len(scores)), scores], axis=1) if scores.ndim == 1 else scores

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, reset=reset, dtype=float)
        check_classification_targets(y)
        return X, y

    def _begin(self, classes: Any) -> Self:
        if len(classes) < 2:
            raise ValueError(f"MLPClassifier takes labels of 2 classes or more, got one class, {classes.tolist()[0]!r}")
        self._make(1 if len(classes) == 2 else len(classes))
        self.classes_ = classes
        return self

    def _numbered(self, y: Any) -> Any:
        unknown = y[~numpy.isin(y, self.classes_)].tolist()
        if unknown:
            raise ValueError(f"y has the label {unknown[0]!r}, which is none of the classes {self.classes_}")
        return numpy.searchsorted(self.classes_, y)

    def _loss(self, outputs: Any, target: Any) -> Any:
        loss = nn.binary_cross_entropy_with_logits if len(self.classes_) == 2 else nn.cross_entropy
        return loss(outputs, target)


class MLPRegressor(RegressorMixin, MultiOutputMixin, _Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that tells numbers, trained on half of the squared error, summed over outputs.

    Arguments and attributes are those of MLPClassifier, without classes_.

    >>> X = [[i / 10] for i in range(10)]
    >>> regressor = MLPRegressor((), learning_rate_init=0.1, n_iter_no_change=50, random_state=0)
    >>> regressor.fit(X, [2.0 * x + 1.0 for [x] in X]).predict([[2.0]]).round(1)
    array([5.])
    """

    _metrics, _score = (), ("val_loss", "min")

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network. Return self.

        Args:
            X: a table of numbers, a row for each sample.
            y: a number for each, or as many numbers for each.

        Raises and warns as `MLPClassifier.fit` does.
        """
        X, y = self._checked(X, y, reset=True)
        return self._make(y[0].size)._train(X, y)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one epoch, on from where the last call of `partial_fit` or `fit` ended. Return self.

        Arguments and errors are those of `fit`; ValueError with early_stopping.
        """
        first = not hasattr(self, "model_")
        X, y = self._checked(X, y, reset=first)
        if first:
            self._make(y[0].size)
        return self._go_on(X, y)

    def predict(self, X: Any) -> Any:
        """The number of each row, in an array with one axis; of several outputs, of shape (rows, outputs)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, reset=reset, dtype=float, multi_output=True, y_numeric=True)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _loss(self, outputs: Any, target: Any) -> Any:
        return 0.5 * nn.mse(outputs, target, reduction="sum")
