"""Names from other libraries: each leads to the part of nn that does the same.

>>> raise missing("nn", "Linear")
Traceback (most recent call last):
AttributeError: module 'nn' has no attribute 'Linear'; write nn.Layer(nin, nout, "linear")
"""

import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

_UNROLL = "write nn.unroll(cell, xs), where cell is nn.RNNCell(nin, hidden) or nn.LSTMCell(nin, hidden)"
_CURVES = ("ELU", "GELU", "SiLU", "Sigmoid", "Softplus", "Tanh")
_INIT = "a layer takes init, the name of an initialiser, or one such as "


def _by_name(remarks: Mapping[str, str]) -> Mapping[str, str]:
    """The remark on each name, from remarks on several names at once."""
    return {name: remark for names, remark in remarks.items() for name in names.split()}


# The words of torch and Keras, each with the way to write it here.
ELSEWHERE = _by_name(
    {
        "Linear Dense": 'write nn.Layer(nin, nout, "linear")',
        "Model": "write a subclass of nn.Module",
        "Parameter Variable": "every autodiff.Value(...) in an attribute of a Module is a parameter",
        "Buffer": "write self.register_buffer(name, value) in a Module",
        "ModuleList ModuleDict ParameterList ParameterDict": "a plain list or dict in an attribute of a Module will do",
        **{
            name: f'it is a name: nn.Layer(nin, nout, "{ours}")'
            for name, ours in [("ReLU", "relu"), ("LeakyReLU", "leaky_relu"), *((x, x.lower()) for x in _CURVES)]
        },
        "Softmax LogSoftmax softmax": "it is a function: autodiff.softmax, autodiff.log_softmax",
        "RNN LSTM SimpleRNN SimpleRNNCell": _UNROLL,
        "GRU GRUCell": f"{_UNROLL}; a cell of your own is a function (x, state) -> (output, state)",
        "Conv1D": "write nn.Conv1d(in_channels, out_channels, kernel_size), of a row (channels, length)",
        "Conv2D": "write nn.Conv2d(in_channels, out_channels, kernel_size), of a row (channels, height, width)",
        "MaxPooling2D": "write nn.MaxPool2d(kernel_size)",
        "MaxPool1d MaxPooling1D": "write nn.MaxPool2d((1, k)), on [[line] for line in row]",
        "MultiheadAttention Attention": "write nn.MultiHeadAttention(width, heads)",
        "BatchNorm1d BatchNorm2d BatchNormalization": "rows are taken one by one; write nn.LayerNorm(width)",
        "LayerNormalization RMSNormalization": "write nn.LayerNorm(width), nn.RMSNorm(width)",
        "MSELoss MeanSquaredError mse_loss mean_squared_error": "write nn.mse(outputs, targets)",
        "L1Loss MeanAbsoluteError l1_loss mean_absolute_error": "write nn.mae(outputs, targets)",
        "HuberLoss Huber huber_loss": "write nn.huber(outputs, targets)",
        "SmoothL1Loss smooth_l1_loss": "it is nn.huber(outputs, targets, delta=beta), divided by beta",
        "CrossEntropyLoss CategoricalCrossentropy SparseCategoricalCrossentropy categorical_crossentropy "
        "sparse_categorical_crossentropy": "write nn.cross_entropy(logits, targets)",
        "BCELoss BinaryCrossentropy binary_crossentropy log_loss": (
            "write nn.binary_cross_entropy(probabilities, targets)"
        ),
        "BCEWithLogitsLoss": "write nn.binary_cross_entropy_with_logits(logits, targets)",
        "NLLLoss nll_loss": "write nn.nll(log_probabilities, targets)",
        "KLDivLoss KLDivergence kl_div": "write nn.kl_divergence(log_probabilities, targets)",
        "Hinge HingeLoss hinge_loss": "write nn.hinge(outputs, targets)",
        "MultiMarginLoss CategoricalHinge": "write nn.multiclass_hinge(outputs, targets)",
        **{name: f"it is nn.sklearn.{name}" for name in ("MLPClassifier", "MLPRegressor")},
        "EarlyStopping": 'write nn.fit(..., callbacks=[nn.early_stopping("val_loss", patience=5)])',
        "ModelCheckpoint": "write nn.fit(..., callbacks=[nn.checkpoint(path)])",
        "Callback": "a callback is a function of an nn.Event: nn.fit(..., callbacks=[function])",
        "no_grad": "write autodiff.no_grad()",
        "functional": "losses are functions of nn, activations of autodiff",
        "Input": "the first layer takes the number of inputs: nn.MLP(nin, [16, 1])",
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
        "weight kernel": "it is [neuron.w for neuron in layer.neurons], a row for each output",
        "get_weights": "write model.state_dict()",
        "set_weights": "write model.load_state_dict(state)",
        "add append": "write nn.Sequential(step, step, ...), with all steps",
        "requires_grad_ trainable requires_grad": "the optimizer trains the parameters it is given, and no others",
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

# The same of the arguments of fit.
ON_FIT = _by_name(
    {
        "lr learning_rate": "it is the optimizer's: optimizer=nn.optim.Adam(model.parameters(), lr=1e-3)",
        "validation_data validation_split eval_set": "write validation=(X, y)",
        "verbose": "write progress=True or progress=False",
        "criterion loss_fn": "write loss=nn.mse",
        "n_epochs num_epochs nb_epoch max_iter": "write epochs=10",
        "scheduler lr_scheduler": "write schedule=nn.schedules.cosine(lr, duration)",
        "random_state": "write seed=0",
        "sample_weight class_weight": "weigh in a loss of your own; a target may be a list, with the weight in it",
        "device": "numbers are Python's floats, on no device",
    }
)


def explained(function: Callable[_P, _R], example: str, elsewhere: Mapping[str, str]) -> Callable[_P, _R]:
    """The function, which answers an unknown or missing argument with the one to write.

    >>> explained(lambda *, seed=0: seed, "f(seed=1)", {})(sead=1)
    Traceback (most recent call last):
    TypeError: <lambda>() got an unexpected keyword argument 'sead'; did you mean seed?
    """
    form = signature(function)

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            form.bind(*args, **kwargs)
        except TypeError as error:
            unknown = [name for name in kwargs if name not in form.parameters]
            if not unknown:
                raise TypeError(f"{function.__name__}(): {error}; write {example}") from None
            like = [f"did you mean {name}?" for name in get_close_matches(unknown[0], form.parameters, 1)]
            remark = elsewhere.get(unknown[0]) or "".join(like) or f"it takes {', '.join(form.parameters)}"
            named = f"{function.__name__}() got an unexpected keyword argument {unknown[0]!r}"
            raise TypeError(f"{named}; {remark}") from None
        return function(*args, **kwargs)

    return call


def missing(module: str, name: str) -> AttributeError:
    """The AttributeError to raise for a name that a module of this package does not have.

    Of a name that nobody else has either, Python's prompt says which of the module's is most like it.

    >>> print(missing("nn.optim", "Adagrad"))
    module 'nn.optim' has no attribute 'Adagrad'; write nn.optim.Adam(model.parameters(), lr=1e-3)
    """
    remark = ELSEWHERE.get(name)
    message = f"module {module!r} has no attribute {name!r}"
    if remark is None:
        return AttributeError(message, name=name, obj=sys.modules.get(module))
    return AttributeError(f"{message}; {remark}", name=name, obj=None)
