# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Vanishing and exploding gradients
#
# From a chain of sigmoid neurons to networks of 30 layers: the factor by which each layer shrinks or stretches the
# gradient, measured against theory, the initialisers that make it 1, and clipping.
#
# The sources: Nielsen, *Neural networks and deep learning*, 2015, chapter 5, on the chain; Glorot and Bengio,
# *Understanding the difficulty of training deep feedforward neural networks*, 2010, equations 5, 6, 15 and 16; He,
# Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015, equations 9, 10 and 13 and figure 3; Pascanu, Mikolov and
# Bengio, *On the difficulty of training recurrent neural networks*, 2013, algorithm 1, on clipping. Last comes the
# question why weights start at random: Rumelhart, Hinton and Williams, *Learning internal representations by error
# propagation*, 1986, on breaking symmetry.

# %%
import math
import random
import warnings
from itertools import permutations, product

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq
from sklearn.datasets import load_digits

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## A chain of neurons
#
# The simplest deep network has one neuron per layer: aₗ = σ(zₗ) with zₗ = wₗ aₗ₋₁ + bₗ. By the chain rule the gradient
# in the first bias is a product with two factors for each layer further on (Nielsen):
#
# ∂C/∂b₁ = σ'(z₁) · w₂ σ'(z₂) · w₃ σ'(z₃) · … · ∂C/∂aₙ
#
# Now σ' is at most 1/4. With weights of size 1 or less each layer divides the gradient by 4 or more.

# %%
rng = random.Random(0)
w = [Value(rng.uniform(-1, 1), f"w{i}") for i in range(1, 11)]
b = [Value(rng.uniform(-1, 1), f"b{i}") for i in range(1, 11)]
a = Value(0.5, "a0")
zs = []
for wi, bi in zip(w, b, strict=True):
    zs.append(wi * a + bi)
    a = ad.sigmoid(zs[-1])
cost = (a - 1) ** 2 / 2
cost.backward()

slopes = [ad.sigmoid(z.data) * ad.sigmoid(-z.data) for z in zs]  # σ'(z) = σ(z) σ(-z)
factors = [wi.data * slope for wi, slope in zip(w, slopes, strict=True)]
for i, bi in enumerate(b):
    print(f"∂C/∂b{i + 1:<2} = {bi.grad:9.2e}")
    assert math.isclose(bi.grad, slopes[i] * math.prod(factors[i + 1 :]) * (a.data - 1), rel_tol=1e-13)
    assert abs(bi.grad) <= 0.25 ** (10 - i) * abs(a.data - 1)

# %% [markdown]
# Could larger weights help? The factor is w σ'(w a + b), and a larger w also makes z larger, where σ' is flat. Nielsen
# sets the exercise: the factor reaches 1 only if |w| ≥ 4, and then only for activations a in an interval of width
#
# 2/|w| · ln(|w| (1 + √(1 - 4/|w|)) / 2 - 1),
#
# which is greatest at |w| ≈ 6.9, with a value of about 0.45. So the window is narrow whatever the weight. Here b is
# -w/2, which puts its middle at a = 1/2.


# %%
def factor(w, a, b):
    return w * ad.sigmoid(w * a + b) * ad.sigmoid(-(w * a + b))


def width(w):
    return 2 / w * ad.log(w * (1 + ad.sqrt(1 - 4 / w)) / 2 - 1)


best = brentq(ad.grad(width), 5, 20, xtol=1e-12)  # where the derivative is 0
assert (round(best, 1), round(width(best), 2)) == (6.9, 0.45)
assert factor(4.0, 0.5, -2.0) == 1  # the highest point, w/4

for weight in (4.5, best, 20.0):  # from the middle to where the factor is 1
    edge = brentq(lambda a, w=weight: factor(w, a, -w / 2) - 1, 0.5, 2.5, xtol=1e-14)
    assert abs(2 * (edge - 0.5) - width(weight)) < 1e-12

fig, axes = plt.subplots()
inputs = np.linspace(0, 1, 201)
for weight in (1.0, 4.0, best, 20.0):
    axes.plot(inputs, [factor(weight, x, -weight / 2) for x in inputs], label=f"w = {weight:.3g}")
axes.axhline(1, color="k", linestyle=":", linewidth=1)
axes.set(xlabel="activation a of the layer before", ylabel="factor w σ'(w a + b)", title="Above 1 the gradient grows")
axes.legend()
plt.show()

# %% [markdown]
# ## Wide layers: variances
#
# A layer of n inputs has y = f(W x) with independent weights of mean 0 and variance Var[W]. How large are its outputs,
# and how large the gradient ∂C/∂x that comes back? In the mean over the weights, squares are multiplied by n Var[W]:
# forward and, where layers are equally wide, backward (Glorot and Bengio, equations 5 and 6, for f near linear). A ReLU
# cuts one half of the outputs off, and with them one half of the gradient: the factor is ½ n Var[W] (He and others,
# equations 9 and 13).
#
# So after ten layers the mean square of signal and gradient is that factor to the power of ten. We measure it on 600
# networks with 32 neurons a layer. Compiled, the network is a function of its weights, and a **row** is another
# network.

# %%
LAYERS, WIDTH, NETWORKS = 10, 32, 600


def squares(activation):
    """A function of the weights of a network and of x and v: |y|² of its output y, and |∂C/∂x|² of C = v · y."""

    def measured(weights, x, v):
        def output(x):
            for matrix in weights:
                x = [activation(ad.dot(row, x)) for row in matrix]
            return x

        y, pullback = ad.vjp(output, x)
        [slope] = pullback(list(v))
        return ad.dot(y, y), ad.dot(slope, slope)

    return ad.compile(measured, rows=(0, 2))


def linear(x):
    return x


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


rng = np.random.default_rng(0)
x, v = unit(rng.normal(size=WIDTH)), unit(rng.normal(size=(NETWORKS, WIDTH)))
print("f       n Var[W]  factor  to the 10th        measured: |y|²         |∂C/∂x|²")
for f, gain, variance in [(linear, 1, 1 / 3), (linear, 1, 1), (ad.relu, 0.5, 1), (ad.relu, 0.5, 2), (ad.relu, 0.5, 4)]:
    bound = math.sqrt(3 * variance / WIDTH)  # U(-a, a) has the variance a² / 3
    weights = rng.uniform(-bound, bound, (NETWORKS, LAYERS, WIDTH, WIDTH))
    both = np.array(squares(f)(weights, x, v)) / (gain * variance) ** LAYERS
    means, errors = both.mean(axis=1), both.std(axis=1) / math.sqrt(NETWORKS)
    shown = "".join(f"{mean:10.2f} ± {error:.2f}" for mean, error in zip(means, errors, strict=True))
    print(f"{f.__name__:8}{variance:8.2f}{gain * variance:8.2f}{(gain * variance) ** LAYERS:13.2e}  times {shown}")
    assert np.all(abs(means - 1) < 3 * np.minimum(errors, 0.15))

# %% [markdown]
# Within three standard errors, forward and backward, at a width of only 32: the equations are means over weights, and
# hold at any width. (For ReLUs the backward one needs a v that is drawn anew for each network. The weights of the ReLUs
# that are on all lean towards the layer's input, so that with a single v their shares would not cancel.)
#
# What follows from the table is where weights should start. The common choice of the time, W from U(-1/√n, 1/√n), has n
# Var[W] = 1/3 (equation 15): the first row. **Glorot's** initialiser has Var[W] = 2/(nᵢₙ + nₒᵤₜ), the compromise
# between forward and backward, so that equal widths give factor 1. **He's** has Var[W] = 2/nᵢₙ, to make up for what the
# ReLU takes. In `nn` they are `init="glorot"` and `init="he"`, and each draws what it says:

# %%
for name, variance in [("glorot", 2 / (300 + 200)), ("he", 2 / 300), ("lecun", 1 / 300)]:
    drawn = np.array(nn.init.weights(name, random.Random(0), rows=200, columns=300))
    assert abs(np.var(drawn) / variance - 1) < 0.02
    assert 0.999 < np.max(abs(drawn)) / math.sqrt(3 * variance) <= 1  # uniform, up to the bound of equation 16

# %% [markdown]
# ## Thirty layers
#
# Now with tanh and sigmoid, too, and layer by layer, in single networks. After `backward()` every interior node knows
# its gradient, so that one pass shows what becomes of it on its way back through 30 layers. Each layer multiplies it by
# Wᵀ diag(f'), and so at most by the largest singular value of W, times the steepest slope of f. This holds without
# exception, and is asserted at each layer.
#
# What theory says of the mean square, a single network nearly has. It falls short by a few per cent a layer: the mean
# owes much to the few networks with large gradients; and away from 0 tanh and sigmoid are less steep than 1 and 1/4.

# %%
DEPTH = 30


def gradient_norms(activation, steepest, variance, seed, width=48):
    """|∂C/∂x| for the input x and for the outputs of each of 30 layers, where C = v · y."""
    rng, init = random.Random(seed), nn.init.normal(math.sqrt(variance / width))
    layers = [nn.Layer(width, width, activation, init=init, rng=rng) for _ in range(DEPTH)]
    x, v = unit(np.random.default_rng(seed).normal(size=(2, width)))
    outputs = [[Value(number) for number in 8 * x]]  # entries of size 1
    for layer in layers:
        outputs.append(layer(outputs[-1]))
    ad.dot(v, outputs[-1]).backward()
    norms = np.array([np.linalg.norm([h.grad for h in hs]) for hs in outputs])
    largest = np.array([np.linalg.norm([[w.data for w in unit.w] for unit in layer.neurons], 2) for layer in layers])
    assert np.all(norms[:-1] <= steepest * largest * norms[1:] * (1 + 1e-12))
    return norms


# activation, its steepest slope, n Var[W], and by which factor a layer should multiply the gradient
CASES = {
    "ReLU, 4/n": ("relu", 1, 4, math.sqrt(2)),
    "ReLU, 2/n (He)": ("relu", 1, 2, 1.0),
    "tanh, 1/n (Glorot)": ("tanh", 1, 1, 1.0),
    "ReLU, 1/n": ("relu", 1, 1, math.sqrt(1 / 2)),
    "tanh, 1/3n": ("tanh", 1, 1 / 3, math.sqrt(1 / 3)),
    "sigmoid, 1/n": ("sigmoid", 1 / 4, 1, 1 / 4),
}
curves = {}
for name, (activation, steepest, variance, _) in CASES.items():
    runs = [np.log10(gradient_norms(activation, steepest, variance, seed)) for seed in range(2)]
    curves[name] = np.mean(runs, axis=0)

# %%
print(f"{'':22}a layer multiplies by  theory")
for name, curve in curves.items():
    measured, theory = 10 ** ((curve[0] - curve[-1]) / DEPTH), CASES[name][3]
    print(f"{name:22}{measured:19.3f}  {theory:10.3f}")
    assert 0.85 * theory < measured < 1.02 * theory  # six seeds: 0.88 to 1.00 times theory

# %% tags=["picture"]
fig, axes = plt.subplots(figsize=(4.8, 3.6))
for colour, (name, curve) in enumerate(curves.items()):
    axes.plot(curve, f"C{colour}", linewidth=2)
    axes.plot([0, DEPTH], [DEPTH * math.log10(CASES[name][3]), 0], f"C{colour}:")
    place = {"ReLU, 2/n (He)": "bottom", "tanh, 1/n (Glorot)": "top"}.get(name, "center")
    axes.text(-0.5, curve[0], name, color=f"C{colour}", ha="right", va=place, fontsize=11)
axes.set_xlim(-21, DEPTH)
axes.set_xticks([0, 10, 20, 30])
axes.set_yticks([-15, -10, -5, 0, 5], ["10⁻¹⁵", "10⁻¹⁰", "10⁻⁵", "1", "10⁵"])
axes.set(xlabel="layer, from the input, 0, to the output, 30", ylabel="size of the gradient")
axes.set_title("A gradient on its way back; dotted: theory", fontsize=12)
plt.show()

# %% [markdown]
# ## What the factor decides
#
# He and others trained a network of 30 layers of ReLUs: with their initialiser it learned, with Var[W] = 1/n it stalled
# completely (figure 3). The same at our size: 30 hidden layers of 32, a thousand digits, stochastic gradient descent.
# `nn.diagnose` tells how large the gradient in the outputs of each layer is, before and after.

# %%
X, digits = load_digits(return_X_y=True)
X, digits = (X[:1000] - X.mean()) / X.std(), digits[:1000]


def train(model, lr, epochs, **settings):
    sgd = nn.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    settings |= {"loss": nn.cross_entropy, "metrics": ["accuracy"], "progress": False}
    return nn.fit(model, X, digits, optimizer=sgd, epochs=epochs, **settings)


def gradients_by_layer(model):
    return [layer.gradient for layer in nn.diagnose(model, X[:6], digits[:6], nn.cross_entropy).layers]


fig, (left, right) = plt.subplots(1, 2)
for name, init in [("He, 2/n", "he"), ("1/n", "lecun")]:
    model = nn.MLP(64, [32] * DEPTH + [10], "relu", init=init, seed=0)
    before = gradients_by_layer(model)
    history = train(model, lr=0.02, epochs=5, clip=1.0)
    after = gradients_by_layer(model)
    print(f"{name:8} loss {history['loss'][-1]:.2f}, right {history['accuracy'][-1]:.0%}")
    colour = left.plot(range(1, 6), history["loss"], label=name)[0].get_color()
    right.semilogy(before, ":", color=colour, label=f"{name}, before")
    right.semilogy(after, color=colour, label=f"{name}, after")
    if init == "he":  # five seeds: 36 % to 49 %
        assert history["accuracy"][-1] > 0.25
        assert before[0] > 0.02 * before[-1]
    else:  # none of three did
        assert abs(history["loss"][-1] - math.log(10)) < 0.02
        assert before[0] < 1e-3 * before[-1]
left.axhline(math.log(10), color="k", linestyle=":", linewidth=1)
left.set(xlabel="epoch", ylabel="loss", title="30 layers; dotted: the loss of guessing")
left.legend()
right.set(xlabel="layer", ylabel="gradient, root mean square", title="The gradient, layer by layer")
right.legend()
plt.show()

# %% [markdown]
# ## Clipping
#
# If the gradient explodes, one step throws the weights far away, and the next one further. **Clipping by norm**
# shortens a gradient that is too long to a given length, and keeps its direction (Pascanu and others, algorithm 1).
# Here are 14 layers whose weights are drawn twice as wide as 1/√n, with and without.


# %%
def explosive(seed=0):
    return nn.MLP(64, [32] * 14 + [10], "relu", init=lambda rng, nin, nout: rng.gauss(0, 2 / math.sqrt(nin)), seed=seed)


model = explosive()
nn.cross_entropy(model(X[0]), digits[0]).backward()
gradient = np.array([p.grad for p in model.parameters()])
norm = nn.optim.clip_by_norm(1.0)(model.parameters())
clipped = np.array([p.grad for p in model.parameters()])
print(f"norm {norm:.0f}, clipped {np.linalg.norm(clipped):.6f}")
assert math.isclose(norm, np.linalg.norm(gradient))
assert 0.999999 < np.linalg.norm(clipped) <= 1 < norm / 100
np.testing.assert_allclose(clipped, gradient / norm, rtol=1e-6)  # the same direction

clipped_history = train(explosive(), lr=0.01, epochs=4, clip=1.0)
print("with clipping:   ", clipped_history)
try:
    train(explosive(), lr=0.01, epochs=6)
except FloatingPointError as error:
    print("without clipping:", str(error).partition(":")[0])
else:
    raise AssertionError("it should explode")
assert clipped_history["accuracy"][-1] > 0.15  # five seeds: 21 % to 42 %; unclipped, three of three exploded

# %% [markdown]
# ## Why weights start at random
#
# The right size of weights could be had without chance, if all were the same number. But neurons with the same weights
# compute the same, get the same gradient, and stay the same: a layer of them is one neuron. `nn` warns of it. Learning
# cannot break a symmetry that the start does not break (Rumelhart, Hinton and Williams). The equality is exact, to the
# last bit.

# %%
starts = {"all alike": nn.init.constant(0.1), "zeros": "zeros", "random": "glorot"}
trained = {}
for name, init in starts.items():
    with warnings.catch_warnings(record=True, action="always") as caught:
        model = nn.MLP(64, [8, 10], "tanh", init=init, seed=0)
    history = train(model, lr=0.02, epochs=5)
    trained[name] = np.array([[w.data for w in unit.w] for unit in model.layers[0].neurons])
    right = history["accuracy"][-1]
    different = len(np.unique(trained[name], axis=0))
    print(f"{name:10} right {right:.0%}, different neurons {different} of 8")
    assert len(caught) == (name != "random")
    assert different == (8 if name == "random" else 1)
    assert right > 0.8 if name == "random" else right < 0.4  # five seeds: 89 % to 95 %, and 21 % to 23 %
    if caught:
        warning = caught[0].message
print("the warning:", warning)
assert np.all(trained["zeros"] == 0)  # weights of 0 pass no gradient on: only the last biases learn
assert np.any(trained["all alike"] != 0.1)  # these have learned, all the same

fig, panels = plt.subplots(2, 8, figsize=(6.4, 2.2))
for row, name in zip(panels, ["all alike", "random"], strict=True):
    scale = abs(trained[name]).max()
    for axes, weights in zip(row, trained[name], strict=True):
        axes.imshow(weights.reshape(8, 8), cmap="PuOr", vmin=-scale, vmax=scale)
        axes.set(xticks=[], yticks=[])
    row[0].set_title(f"{name} at the start")
fig.supxlabel("what each of 8 hidden neurons has learned: weights of the 64 pixels", fontsize=9)
plt.show()

# %% [markdown]
# A random start picks one of many equal solutions. Hidden neurons in another order are the same network, and its
# gradient comes in that order, too. With tanh, a neuron with all its signs changed does the same, as tanh(-z) =
# -tanh(z). So each minimum has 2ⁿ n! copies, and no others if no neuron is superfluous (Sussmann, *Uniqueness of the
# weights for minimal feedforward nets with a given input-output map*, 1992). Here are all orders and all signs of four
# neurons. Their weights are sixteenths, so that sums have no rounding, and the equality is exact.


# %%
def loss(units, x, f):
    """Of a network with one hidden layer, given as a list of units: weights, bias, weight of the output."""
    return (ad.sum([out * f(ad.dot(w, x) + b) for w, b, out in units]) - 1) ** 2


numbers = np.random.default_rng(0).integers(-16, 17, (4, 5)) / 16
units = [(row[:3].tolist(), float(row[3]), float(row[4])) for row in numbers]
x = [1.0, 0.5, -0.25]
value, gradient = ad.value_and_grad(loss)(units, x, ad.relu)
for order in permutations(range(4)):
    assert ad.value_and_grad(loss)([units[i] for i in order], x, ad.relu) == (value, [gradient[i] for i in order])
value = loss(units, x, ad.tanh)
for signs in product([-1, 1], repeat=4):
    flipped = [([s * wi for wi in w], s * b, s * out) for s, (w, b, out) in zip(signs, units, strict=True)]
    assert loss(flipped, x, ad.tanh) == value

# %% [markdown]
# ## Where to go on
#
# [Sequences](08_sequences.ipynb) meets the same factors again, one for each step in time. How a drawing marks a
# gradient that does not arrive is in [Reading graphs](../02_reading_graphs.ipynb).
