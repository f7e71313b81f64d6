"""nn.sklearn: scikit-learn's own checks accept its estimators, its tools work with them, and they are as good."""

import os
import pickle
import signal
import subprocess
import sys
import warnings
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_linnerud
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import autodiff as ad
import nn
from nn.sklearn import MLPClassifier, MLPRegressor

FLOWERS, KINDS = load_iris(return_X_y=True)
FLOWERS = StandardScaler().fit_transform(FLOWERS)
TWO = KINDS < 2
QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "batch_size": 25,
    "learning_rate_init": 0.02,
    "max_iter": 30,
    "tol": 0.0,
    "n_iter_no_change": 1000,
}

pytestmark = pytest.mark.filterwarnings("ignore:.*epochs were not enough:sklearn.exceptions.ConvergenceWarning")


def classifier(**options: Any) -> Any:
    return MLPClassifier(**{**QUICK, "random_state": 0, **options})


def regressor(**options: Any) -> Any:
    return MLPRegressor(**{**QUICK, "random_state": 0, **options})


@parametrize_with_checks([MLPClassifier((16,), learning_rate_init=0.01), MLPRegressor((16,), learning_rate_init=0.01)])
def test_scikit_learn_accepts_it(estimator: Any, check: Any) -> None:
    check(estimator)


def test_scikit_learn_accepts_it_in_the_mode_of_scipy_that_is_set_at_the_start() -> None:
    """The checks that scikit-learn skips unless scipy was loaded with SCIPY_ARRAY_API=1."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "check_array_api_input"]
    run = subprocess.run(command, env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True)
    none_collected = 5  # an older scikit-learn has no such check
    assert run.returncode in (0, none_collected), run.stdout
    assert "skipped" not in run.stdout


# --- what it computes ---


def test_labels_of_any_kind_come_back() -> None:
    for labels in (np.array(["setosa", "versicolor", "virginica"]), np.array([-1, 5, 7]), np.array([0.0, 1.0, 2.0])):
        fitted = classifier().fit(FLOWERS, labels[KINDS])
        assert fitted.classes_.tolist() == labels.tolist()
        assert fitted.predict(FLOWERS).dtype == labels.dtype
        assert fitted.score(FLOWERS, labels[KINDS]) > 0.9
    assert classifier().fit(FLOWERS, KINDS == 0).predict(FLOWERS).dtype == bool


def test_probabilities_are_those_of_the_network() -> None:
    fitted = classifier().fit(FLOWERS, KINDS)
    expected = [ad.softmax(fitted.model_(row)) for row in FLOWERS[:20].tolist()]
    found = fitted.predict_proba(FLOWERS[:20])
    np.testing.assert_allclose(found, [[p.data for p in row] for row in expected], rtol=1e-12)
    np.testing.assert_allclose(np.log(found), fitted.predict_log_proba(FLOWERS[:20]), rtol=1e-9)
    assert (fitted.decision_function(FLOWERS) == nn.predict(fitted.model_, FLOWERS)).all()


def test_two_classes_take_one_output() -> None:
    fitted = classifier().fit(FLOWERS[TWO], KINDS[TWO])
    scores, probabilities = fitted.decision_function(FLOWERS), fitted.predict_proba(FLOWERS)
    assert scores.shape == (150,)
    np.testing.assert_allclose(probabilities[:, 1], [ad.sigmoid(z) for z in scores], rtol=1e-12)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (fitted.predict(FLOWERS) == (scores > 0)).all()


def test_logarithms_of_probabilities_are_finite_where_they_are_zero() -> None:
    fitted = classifier().fit(FLOWERS, KINDS)
    far = FLOWERS[:1] * 1e6
    assert fitted.predict_proba(far).min() == 0.0
    assert np.isfinite(fitted.predict_log_proba(far)).all()


def test_the_arrays_of_weights_make_the_network() -> None:
    fitted = classifier(activation="tanh").fit(FLOWERS, KINDS)
    hidden = np.tanh(FLOWERS @ fitted.coefs_[0] + fitted.intercepts_[0])
    logits = hidden @ fitted.coefs_[1] + fitted.intercepts_[1]
    np.testing.assert_allclose(logits, fitted.decision_function(FLOWERS), rtol=1e-10)


def test_scikit_learns_names_of_activations_mean_the_same() -> None:
    for theirs, ours in (("identity", "linear"), ("logistic", "sigmoid")):
        one, other = (classifier(activation=name).fit(FLOWERS, KINDS) for name in (theirs, ours))
        assert one.model_.state_dict() == other.model_.state_dict()


def test_several_outputs_are_fitted_together() -> None:
    X, y = load_linnerud(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), StandardScaler().fit_transform(y)
    fitted = regressor(max_iter=300).fit(X, y)
    assert fitted.predict(X).shape == y.shape
    assert fitted.score(X, y) > 0.6
    with pytest.warns(DataConversionWarning):
        assert regressor().fit(X, y[:, :1]).predict(X).shape == (len(X),)


# --- when it ends ---


def test_training_ends_when_the_loss_has_settled() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = classifier(max_iter=500, tol=1e-2, n_iter_no_change=5).fit(FLOWERS, KINDS)
    assert fitted.n_iter_ < 500
    assert min(fitted.loss_curve_[:-5]) - min(fitted.loss_curve_[-5:]) <= 1e-2


def test_too_few_epochs_are_warned_of() -> None:
    with pytest.warns(ConvergenceWarning, match="3 epochs were not enough for loss to settle; raise max_iter"):
        assert classifier(max_iter=3).fit(FLOWERS, KINDS).n_iter_ == 3


def test_early_stopping_returns_to_the_best_score_of_the_rows_held_out() -> None:
    options = {"early_stopping": True, "max_iter": 500, "n_iter_no_change": 10, "validation_fraction": 0.2}
    fitted = classifier(**options).fit(FLOWERS, KINDS)
    scores = fitted.history_["val_accuracy"]
    assert fitted.n_iter_ == len(scores) == np.argmax(scores) + 11
    fitted = regressor(**options).fit(FLOWERS, FLOWERS[:, 0])
    assert fitted.n_iter_ == np.argmin(fitted.history_["val_loss"]) + 11


def test_ctrl_c_ends_a_whole_search_and_leaves_what_was_fitted() -> None:
    class Interrupted(MLPClassifier):  # type: ignore[misc]
        def _loss(self, outputs: Any, target: Any) -> Any:
            if hasattr(self, "rehearsed"):
                signal.raise_signal(signal.SIGINT)
            self.rehearsed = True
            return super()._loss(outputs, target)

    estimator = Interrupted(**QUICK)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(FLOWERS, KINDS)
    assert estimator.predict(FLOWERS).shape == KINDS.shape


# --- a part at a time ---


def test_parts_of_an_epoch_continue_each_other() -> None:
    """Eagerly, because a part is small; and compiled, because all of them are many rows."""
    online = classifier(shuffle=False, batch_size=50)
    for _ in range(30):
        for start in range(0, 150, 50):
            online.partial_fit(FLOWERS[start : start + 50], KINDS[start : start + 50], classes=[0, 1, 2])
    whole = classifier(shuffle=False, batch_size=50).fit(FLOWERS, KINDS)
    np.testing.assert_allclose(online.predict_proba(FLOWERS), whole.predict_proba(FLOWERS), rtol=1e-9)
    assert online.n_iter_ == len(online.loss_curve_) == 90
    assert (online.history_.compiled, whole.history_.compiled) == (False, True)


def test_a_pickle_goes_on_as_the_original_does() -> None:
    for original in (classifier().fit(FLOWERS, KINDS), regressor().fit(FLOWERS, KINDS)):
        other = pickle.loads(pickle.dumps(original))
        assert (original.predict(FLOWERS) == other.predict(FLOWERS)).all()
        for estimator in (original, other):
            estimator.partial_fit(FLOWERS, KINDS)
        assert original.model_.state_dict() == other.model_.state_dict()


def test_fit_begins_anew() -> None:
    estimator = classifier()
    first = estimator.fit(FLOWERS, KINDS).model_.state_dict()
    estimator.partial_fit(FLOWERS, KINDS)
    assert estimator.fit(FLOWERS, KINDS).model_.state_dict() == first
    assert estimator.n_iter_ == 30
    other = classifier(random_state=np.random.RandomState(0)).fit(FLOWERS, KINDS)
    assert other.model_.state_dict() == first


def test_partial_fit_is_told_its_classes_once() -> None:
    with pytest.raises(ValueError, match="the first call of partial_fit takes classes"):
        classifier().partial_fit(FLOWERS, KINDS)
    estimator = classifier().partial_fit(FLOWERS[:50], KINDS[:50], classes=[1, 0])
    with pytest.raises(ValueError, match=r"y has the label 2, which is none of the classes \[0 1\]"):
        estimator.partial_fit(FLOWERS, KINDS)
    with pytest.raises(ValueError, match="partial_fit knows no early_stopping"):
        classifier(early_stopping=True).partial_fit(FLOWERS, KINDS, classes=[0, 1, 2])


# --- with scikit-learn's tools ---


def test_pipelines_and_grids_find_the_better_option() -> None:
    pipeline = make_pipeline(StandardScaler(), classifier())
    search = GridSearchCV(pipeline, {"mlpclassifier__max_iter": [1, 40]}, cv=3).fit(*load_iris(return_X_y=True))
    assert search.best_params_ == {"mlpclassifier__max_iter": 40}
    assert search.best_score_ > 0.9


def test_cross_validation_scores_both() -> None:
    assert cross_val_score(classifier(), FLOWERS, KINDS, cv=3).min() > 0.9
    folds = KFold(3, shuffle=True, random_state=0)
    assert cross_val_score(regressor(), FLOWERS, FLOWERS.sum(axis=1), cv=folds).min() > 0.8


def test_probabilities_can_be_calibrated() -> None:
    calibrated = CalibratedClassifierCV(classifier(), cv=3).fit(FLOWERS, KINDS)
    assert calibrated.predict_proba(FLOWERS).shape == (150, 3)
    assert calibrated.score(FLOWERS, KINDS) > 0.9


def test_boundaries_are_displayed() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    fitted = classifier().fit(FLOWERS[:, :2], KINDS)
    display = DecisionBoundaryDisplay.from_estimator(fitted, FLOWERS[:, :2], response_method="predict")
    assert set(np.unique(display.response)) == {0, 1, 2}
    matplotlib.pyplot.close("all")


def test_frames_bring_the_names_of_their_columns() -> None:
    pytest.importorskip("pandas")
    frame, labels = load_iris(return_X_y=True, as_frame=True)
    fitted = classifier().fit(frame, labels)
    assert fitted.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[frame.columns[::-1]])


def test_clones_have_the_options_alone() -> None:
    copy = clone(classifier(alpha=0.25).fit(FLOWERS, KINDS))
    assert copy.alpha == 0.25
    with pytest.raises(NotFittedError):
        copy.predict(FLOWERS)


# --- as scikit-learn's own ---


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
@pytest.mark.parametrize(("solver", "rtol"), [("sgd", 1e-9), ("adam", 1e-5)])  # Adam's eps is added elsewhere
def test_from_the_same_weights_it_goes_where_scikit_learns_own_goes(activation: str, solver: str, rtol: float) -> None:
    options = {**QUICK, "activation": activation, "solver": solver, "alpha": 0.5, "shuffle": False, "batch_size": 50}
    problems = [("MLPClassifier", KINDS), ("MLPClassifier", KINDS == 0)]
    problems += [("MLPRegressor", FLOWERS[:, 0]), ("MLPRegressor", FLOWERS[:, :3])]
    for name, y in problems:
        ours = getattr(nn.sklearn, name)(**options, random_state=0).fit(FLOWERS, y)
        theirs = getattr(neural_network, name)(**options, warm_start=True).set_params(max_iter=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs.fit(FLOWERS, y)
            first = clone(ours).set_params(learning_rate_init=1e-300, max_iter=1).fit(FLOWERS, y)
            theirs.coefs_, theirs.intercepts_ = first.coefs_, first.intercepts_
            theirs.set_params(max_iter=30).fit(FLOWERS, y)
        for mine, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
            np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol)


def scores(kind: Any, X: Any, y: Any, **options: Any) -> Any:
    """Return the held-out scores with five seeds."""
    X, held_X, y, held_y = train_test_split(X, y, test_size=0.3, random_state=0)
    options = {"batch_size": 32, "tol": 0.0, "n_iter_no_change": 1000, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = [kind(**options, random_state=seed).fit(X, y) for seed in range(5)]
    return np.array([estimator.score(held_X, held_y) for estimator in fitted])


@pytest.mark.parametrize("solver", [{}, {"solver": "sgd", "learning_rate_init": 0.01}])
def test_digits_are_told_as_well_as_by_scikit_learns_classifier(solver: Any) -> None:
    """The means of five seeds, each of which spreads by 0.005."""
    X, y = load_digits(return_X_y=True)
    options = {"hidden_layer_sizes": (32,), "max_iter": 20, **solver}
    ours, theirs = (scores(kind, X / 16, y, **options) for kind in (MLPClassifier, neural_network.MLPClassifier))
    assert min(ours.mean(), theirs.mean()) > 0.94
    assert abs(ours.mean() - theirs.mean()) < 0.005


@pytest.mark.parametrize(("alpha", "spread"), [(1.0, 0.02), (10.0, 0.003)])
def test_diabetes_is_told_as_well_as_by_scikit_learns_regressor(alpha: float, spread: float) -> None:
    """The means of five seeds, which spread the less, the more alpha holds the weights."""
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    options = {"hidden_layer_sizes": (16,), "max_iter": 100, "alpha": alpha}
    ours, theirs = (scores(kind, X, y, **options) for kind in (MLPRegressor, neural_network.MLPRegressor))
    assert abs(ours.mean() - theirs.mean()) < spread


# --- what it refuses ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1.0}, "alpha == -1.0, must be >= 0"),
        ({"learning_rate_init": 0.0}, "learning_rate_init == 0.0, must be > 0"),
        ({"max_iter": 0}, "max_iter == 0, must be >= 1"),
        ({"tol": -1e-3}, "tol == -0.001, must be >= 0"),
        ({"n_iter_no_change": 0}, "n_iter_no_change == 0, must be >= 1"),
        ({"validation_fraction": 1.0}, "validation_fraction == 1.0, must be < 1"),
        ({"solver": "lbfgs"}, "solver is 'adam' or 'sgd', got 'lbfgs'"),
        ({"activation": "swish"}, "no activation is called 'swish'"),
        ({"hidden_layer_sizes": (8, 0)}, "nout is a whole number of at least 1, got 0"),
        ({"hidden_layer_sizes": 2.5}, "nout is a whole number of at least 1, got 2.5"),
        ({"batch_size": 0}, "batch_size == 0, must be >= 1"),
        ({"batch_size": "big"}, "batch_size must be an instance of int, not str"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        classifier(**options).fit(FLOWERS, KINDS)


def test_rows_and_labels_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classifier().fit(FLOWERS, FLOWERS[:, 0])
    with pytest.raises(ValueError, match="2 classes or more, got one class, 'a'"):
        classifier().fit(FLOWERS, ["a"] * 150)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        classifier().fit(FLOWERS, KINDS).predict(FLOWERS[:, :3])
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="dense data is required"):
        classifier().fit(sparse.csr_matrix(FLOWERS), KINDS)


def test_nn_loads_scikit_learn_when_it_is_asked_for() -> None:
    code = (
        "import sys, nn; assert 'sklearn' not in sys.modules; nn.sklearn.MLPClassifier; assert 'sklearn' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "nn.sklearn")
    with pytest.raises(ImportError, match=r"python -m pip install \"scalar-autodiff\[train\]\""):
        import_module("nn.sklearn")
