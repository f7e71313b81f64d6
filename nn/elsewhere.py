"""What other libraries call the parts of nn: a name that is not here leads to ours.

>>> raise missing("nn", "Linear")
Traceback (most recent call last):
AttributeError: module 'nn' has no attribute 'Linear'; write nn.Layer(nin, nout, "linear")
"""

import sys
from collections.abc import Mapping

_CONTAINER = "a plain list or dict in an attribute of a Module will do"
_ACTIVATION = 'an activation is a name, in nn.Layer(nin, nout, "relu") and nn.Sequential(..., "relu"), or a function'
_ADAM = "write nn.optim.Adam(model.parameters(), lr=1e-3)"
_SCHEDULES = {
    "constant(lr)": "ConstantLR",
    "step(lr, every)": "StepLR",
    "exponential(lr, gamma)": "ExponentialLR ExponentialDecay",
    "inverse_time(lr, decay)": "InverseTimeDecay",
    "linear(lr, duration)": "LinearLR PolynomialLR PolynomialDecay",
    "cosine(lr, duration)": "CosineAnnealingLR CosineDecay",
    "warm_up(schedule, duration)": "SequentialLR",
    "ReduceOnPlateau(lr)": "ReduceLROnPlateau",
}
_GLOROT = 'write init="glorot", or nn.init.glorot(normal=True)'
_HE = 'write init="he", or nn.init.he(normal=True)'
_LECUN = 'write init="lecun", or nn.init.lecun(normal=True)'
_INPLACE = "initialisers change nothing in place: a layer takes init="

_LOSSES = {
    "mse(outputs, targets)": "MSELoss MeanSquaredError mse_loss mean_squared_error",
    "mae(outputs, targets)": "L1Loss MeanAbsoluteError l1_loss mean_absolute_error",
    "huber(outputs, targets)": "HuberLoss Huber huber_loss",
    "huber(outputs, targets, delta=beta), divided by beta": "SmoothL1Loss smooth_l1_loss",
    "cross_entropy(logits, targets)": "CrossEntropyLoss CategoricalCrossentropy SparseCategoricalCrossentropy",
    "binary_cross_entropy(probabilities, targets)": "BCELoss BinaryCrossentropy binary_crossentropy log_loss",
    "binary_cross_entropy_with_logits(logits, targets)": "BCEWithLogitsLoss",
    "nll(log_probabilities, targets)": "NLLLoss nll_loss",
    "kl_divergence(log_probabilities, targets)": "KLDivLoss KLDivergence kl_div kl_loss",
    "hinge(outputs, targets)": "Hinge HingeLoss hinge_loss",
    "multiclass_hinge(outputs, targets)": "MultiMarginLoss CategoricalHinge multi_margin_loss",
    "metrics.accuracy(outputs, target)": "Accuracy BinaryAccuracy CategoricalAccuracy accuracy accuracy_score",
}
_RECURRENT = "write nn.unroll(cell, xs), where cell is nn.RNNCell(nin, hidden) or nn.LSTMCell(nin, hidden)"
_ONE_ROW = "it takes one row, channels first: "

# torch's and Keras's word for it, and what to write.
ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("Linear", "Dense"), 'write nn.Layer(nin, nout, "linear")'),
    "Model": "write a subclass of nn.Module",
    **dict.fromkeys(("Parameter", "Variable"), "every autodiff.Value(...) in an attribute of a Module is a parameter"),
    "Buffer": "write self.register_buffer(name, value) in a Module",
    **dict.fromkeys(("ModuleList", "ModuleDict", "ParameterList", "ParameterDict"), _CONTAINER),
    **dict.fromkeys(
        ("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Softplus", "Tanh", "Activation"), _ACTIVATION
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax", "softmax"), "it is a function: autodiff.softmax, autodiff.log_softmax"),
    **dict.fromkeys(("RNN", "LSTM", "SimpleRNN", "SimpleRNNCell"), _RECURRENT),
    **dict.fromkeys(
        ("GRU", "GRUCell"), f"{_RECURRENT}; a cell of your own is a function (x, state) -> (output, state)"
    ),
    "Conv1D": f"write nn.Conv1d(in_channels, out_channels, kernel_size); {_ONE_ROW}(channels, length)",
    "Conv2D": f"write nn.Conv2d(in_channels, out_channels, kernel_size); {_ONE_ROW}(channels, height, width)",
    **dict.fromkeys(("Conv3d", "Conv3D"), "there are nn.Conv1d and nn.Conv2d, over one axis and over two"),
    "MaxPooling2D": "write nn.MaxPool2d(kernel_size)",
    **dict.fromkeys(("MaxPool1d", "MaxPooling1D"), "write nn.MaxPool2d((1, k)), on [[line] for line in row]"),
    **dict.fromkeys(
        ("AvgPool2d", "AveragePooling2D"), "nn.MaxPool2d takes the largest; a mean is autodiff.mean(numbers)"
    ),
    **dict.fromkeys(("MultiheadAttention", "Attention"), "write nn.MultiHeadAttention(width, heads)"),
    **dict.fromkeys(("functional", "F"), "functions are autodiff.relu, autodiff.softmax, ..., and losses nn.mse, ..."),
    **{name: f"it is a function: nn.{call}" for call, names in _LOSSES.items() for name in names.split()},
    **{name: f"it is nn.optim.{name}" for name in ("Adam", "AdamW", "RMSprop", "Rprop", "Optimizer")},
    **{name: f"it is nn.schedules.{call}" for call, names in _SCHEDULES.items() for name in names.split()},
    **dict.fromkeys(("lr_scheduler", "LearningRateScheduler"), "schedules are functions of time: nn.schedules"),
    **dict.fromkeys(("clip_grad_norm_", "clip_grad_norm", "clipnorm"), "write nn.optim.clip_by_norm(max_norm)"),
    **dict.fromkeys(("clip_grad_value_", "clipvalue"), "write nn.optim.clip_by_value(limit)"),
    **dict.fromkeys(("L1", "l1_penalty"), "write nn.l1(parameters, strength)"),
    **dict.fromkeys(("L2", "l2_penalty"), "write nn.l2(parameters, strength)"),
    **dict.fromkeys(("Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Nadam", "Lion"), _ADAM),
    "LBFGS": "write nn.minimize(model, loss), for a loss of all data as a function of the model",
    **dict.fromkeys(("xavier", "xavier_uniform", "xavier_uniform_", "xavier_normal", "xavier_normal_"), _GLOROT),
    **dict.fromkeys(("glorot_uniform", "glorot_normal"), _GLOROT),
    **dict.fromkeys(("kaiming", "kaiming_uniform", "kaiming_uniform_", "kaiming_normal", "kaiming_normal_"), _HE),
    **dict.fromkeys(("he_uniform", "he_normal"), _HE),
    **dict.fromkeys(("lecun_uniform", "lecun_normal"), _LECUN),
    **{f"{name}_": f'{_INPLACE}"{name}"' for name in ("zeros", "ones", "uniform", "normal", "orthogonal")},
    "constant_": f"{_INPLACE}nn.init.constant(value)",
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), "write nn.LayerNorm(width), nn.RMSNorm(width)"),
    **dict.fromkeys(("BatchNorm1d", "BatchNormalization"), "rows are seen one at a time; write nn.LayerNorm(width)"),
    **dict.fromkeys(("AlphaDropout", "Dropout1d", "Dropout2d", "SpatialDropout1D"), "write nn.Dropout(p)"),
}

# The same of the attributes of a Module.
_FLOATS = "its numbers are Python's floats, on no device"
ON_MODULES: Mapping[str, str] = {
    "forward": "it is __call__: write model(x)",
    **dict.fromkeys(("to", "cpu", "cuda", "double", "float", "half"), _FLOATS),
    **dict.fromkeys(("params", "weights", "trainable_variables"), "write model.parameters()"),
    **dict.fromkeys(("children", "named_modules", "named_children"), "write model.modules(), or model.summary()"),
    **dict.fromkeys(("buffers", "non_trainable_variables"), "write model.named_buffers()"),
    **dict.fromkeys(("get_config", "extra_repr"), "write model.config()"),
    **dict.fromkeys(("save", "save_weights", "load", "load_weights"), "write nn.save(path, model) and nn.load(path)"),
    **dict.fromkeys(("fit", "compile"), "write nn.fit(model, X, y, loss=nn.mse, optimizer=..., epochs=...)"),
    "predict": "write nn.predict(model, X)",
    **dict.fromkeys(("apply", "initialize"), "layers take init, the name of an initialiser"),
}


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
