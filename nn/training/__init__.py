"""Training: what a model goes through from its first numbers to a file."""

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
