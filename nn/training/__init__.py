"""Training: from the first numbers of a model to a file.

    fit          `fit`: its arguments, checked and put together
    loop         epochs of batches, each a step of the optimiser
    batches      loss, metrics and gradient of a batch, compiled where that can be; where not, why
    callbacks    functions that are called as training goes on: early stopping, checkpoints
    history      the figures of each epoch
    progress     a bar
    interrupts   Ctrl-C
    minimize     `minimize` and `least_squares`: all data at once, by scipy
    predict      `predict`: the outputs for many rows
    plots        pictures of classifiers
    diagnosis    `diagnose`: layers that do not learn, and why
    saving       `save` and `load`

The history of a training says whether it ran compiled, and if not, why; `batches` decides.
"""

from nn.training.callbacks import Event, checkpoint, each_batch, early_stopping
from nn.training.diagnosis.diagnose import diagnose
from nn.training.fit import fit
from nn.training.history import History
from nn.training.plots import plot_boundary, plot_confusion
from nn.training.predict import predict
from nn.training.saving.files import SavedFileError as SavedFileError
from nn.training.saving.save import load, save

__all__ = [
    "Event",
    "History",
    "checkpoint",
    "diagnose",
    "each_batch",
    "early_stopping",
    "fit",
    "load",
    "plot_boundary",
    "plot_confusion",
    "predict",
    "save",
]
