"""What other libraries call the parts of nn: a name that is not here leads to ours.

>>> raise missing("nn", "Linear")
Traceback (most recent call last):
AttributeError: module 'nn' has no attribute 'Linear'; write nn.Layer(nin, nout, "linear")
"""

import sys
from collections.abc import Mapping

_UNROLL = "write nn.unroll(cell, xs), where cell is nn.RNNCell(nin, hidden) or nn.LSTMCell(nin, hidden)"
_INIT = "a layer takes init, the name of an initialiser, or one such as "


def _by_name(remarks: Mapping[str, str]) -> Mapping[str, str]:
    """Return what to say of each name, from the names of which it is said."""
    return {name: remark for names, remark in remarks.items() for name in names.split()}


# The words of torch and Keras, and what to write.
ELSEWHERE = _by_name(
    {
        "Linear Dense": 'write nn.Layer(nin, nout, "linear")',
        "Model": "write a subclass of nn.Module",
        "Parameter Variable": "every autodiff.Value(...) in an attribute of a Module is a parameter",
        "Buffer": "write self.register_buffer(name, value) in a Module",
        "ModuleList ModuleDict ParameterList ParameterDict": "a plain list or dict in an attribute of a Module will do",
        "ReLU LeakyReLU ELU GELU SiLU Sigmoid Softplus Tanh": 'it is a name: nn.Layer(nin, nout, "relu")',
        "Softmax LogSoftmax softmax": "it is a function: autodiff.softmax, autodiff.log_softmax",
        "RNN LSTM SimpleRNN SimpleRNNCell": _UNROLL,
        "GRU GRUCell": f"{_UNROLL}; a cell of your own is a function (x, state) -> (output, state)",
        "Conv1D": "write nn.Conv1d(in_channels, out_channels, kernel_size), of a row (channels, length)",
        "Conv2D": "write nn.Conv2d(in_channels, out_channels, kernel_size), of a row (channels, height, width)",
        "MaxPooling2D": "write nn.MaxPool2d(kernel_size)",
        "MaxPool1d MaxPooling1D": "write nn.MaxPool2d((1, k)), on [[line] for line in row]",
        "MultiheadAttention Attention": "write nn.MultiHeadAttention(width, heads)",
        "LayerNormalization RMSNormalization": "write nn.LayerNorm(width), nn.RMSNorm(width)",
        "MSELoss MeanSquaredError mse_loss": "write nn.mse(outputs, targets)",
        "L1Loss MeanAbsoluteError l1_loss": "write nn.mae(outputs, targets)",
        "HuberLoss Huber huber_loss": "write nn.huber(outputs, targets)",
        "SmoothL1Loss smooth_l1_loss": "it is nn.huber(outputs, targets, delta=beta), divided by beta",
        "CrossEntropyLoss CategoricalCrossentropy": "write nn.cross_entropy(logits, targets)",
        "BCELoss BinaryCrossentropy log_loss": "write nn.binary_cross_entropy(probabilities, targets)",
        "BCEWithLogitsLoss": "write nn.binary_cross_entropy_with_logits(logits, targets)",
        "NLLLoss nll_loss": "write nn.nll(log_probabilities, targets)",
        "KLDivLoss KLDivergence kl_div": "write nn.kl_divergence(log_probabilities, targets)",
        "Hinge HingeLoss hinge_loss": "write nn.hinge(outputs, targets)",
        "MultiMarginLoss CategoricalHinge": "write nn.multiclass_hinge(outputs, targets)",
        **{name: f"it is nn.sklearn.{name}" for name in ("MLPClassifier", "MLPRegressor")},
        "EarlyStopping": 'write nn.fit(..., callbacks=[nn.early_stopping("val_loss", patience=5)])',
        "ModelCheckpoint": "write nn.fit(..., callbacks=[nn.checkpoint(path)])",
        "Callback": "a callback is a function of an nn.Event: nn.fit(..., callbacks=[function])",
        "DataLoader Dataset TensorDataset": "write nn.fit(model, X, y, batch_size=32, ...)",
        "Accuracy BinaryAccuracy CategoricalAccuracy accuracy": "write nn.metrics.accuracy(outputs, target)",
        **{name: f"it is nn.optim.{name}" for name in ("Adam", "AdamW", "RMSprop", "Rprop", "Optimizer")},
        "Adagrad Adadelta Adamax NAdam RAdam Nadam Lion": "write nn.optim.Adam(model.parameters(), lr=1e-3)",
        "LBFGS": "write nn.minimize(model, loss), for a loss of all data as a function of the model",
        "lr_scheduler LearningRateScheduler ConstantLR LinearLR CosineDecay": "schedules are functions: nn.schedules",
        "StepLR": "write nn.schedules.step(lr, every)",
        "ExponentialLR ExponentialDecay": "write nn.schedules.exponential(lr, gamma)",
        "CosineAnnealingLR": "write nn.schedules.cosine(lr, duration)",
        "ReduceLROnPlateau": "write nn.schedules.ReduceOnPlateau(lr)",
        "clip_grad_norm_ clip_grad_norm clipnorm": "write nn.optim.clip_by_norm(max_norm)",
        "clip_grad_value_ clipvalue": "write nn.optim.clip_by_value(limit)",
        "L1 l1_penalty": "write nn.l1(parameters, strength)",
        "L2 l2_penalty": "write nn.l2(parameters, strength)",
        "xavier_uniform_ xavier_normal_ glorot_uniform glorot_normal": f"{_INIT}nn.init.glorot(normal=True)",
        "kaiming_uniform_ kaiming_normal_ he_uniform he_normal": f"{_INIT}nn.init.he(normal=True)",
        "zeros_ ones_ uniform_ normal_ orthogonal_ constant_": f"{_INIT}nn.init.constant(value)",
    }
)

# The same of the attributes of a Module.
ON_MODULES = _by_name(
    {
        "forward": "it is __call__: write model(x)",
        "to cpu cuda double float half": "its numbers are Python's floats, on no device",
        "params weights trainable_variables": "write model.parameters()",
        "children named_modules named_children": "write model.modules(), or model.summary()",
        "buffers non_trainable_variables": "write model.named_buffers()",
        "get_config extra_repr": "write model.config()",
        "save save_weights load load_weights": "write nn.save(path, model) and nn.load(path)",
        "fit compile": "write nn.fit(model, X, y, loss=nn.mse, optimizer=..., epochs=...)",
        "predict": "write nn.predict(model, X)",
        "evaluate score": "write nn.fit(..., validation=(X, y)), or give nn.predict(model, X) to sklearn.metrics",
        "apply initialize": "layers take init, the name of an initialiser",
    }
)


def missing(module: str, name: str) -> AttributeError:
    """Return the AttributeError to raise for a name that a module of this package does not have.

    Of a name that nobody else has either, Python's prompt says which of the module's is most like it.

    >>> print(missing("nn.optim", "Adagrad"))
    module 'nn.optim' has no attribute 'Adagrad'; write nn.optim.Adam(model.parameters(), lr=1e-3)
    """
    remark = ELSEWHERE.get(name)
    message = f"module {module!r} has no attribute {name!r}"
    if remark is None:
        return AttributeError(message, name=name, obj=sys.modules.get(module))
    return AttributeError(f"{message}; {remark}", name=name, obj=None)
