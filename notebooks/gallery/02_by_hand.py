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
# # Backpropagation by hand
#
# Two networks that were published with all their numbers are worked out again, to every printed digit, and the four
# equations of backpropagation are compared with the engine, layer by layer.
#
# - Matt Mazur, *A Step by Step Backpropagation Example*, 2015 (mattmazur.com): a 2-2-2 network, every factor of the
#   chain rule to nine digits, one step of gradient descent, then 10,000.
# - Tobias Hill, *Gradient descent and backpropagation*, 2018 (machinelearning.tobiashill.se): another 2-2-2 network, in
#   which the biases learn, too.
# - Michael Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 2, equations BP1 to BP4: the error of each layer
#   from the one above it; chapter 3 for the cross-entropy cost.
#
# Every printed number is reproduced, except one last digit, and the errors that the first example reports after its
# steps. Those come from a mistake, which is found below.

# %%
import matplotlib.pyplot as plt
import numpy as np

import autodiff as ad
import nn
from autodiff import Value, backprop
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Mazur's example, forward
#
# Two inputs, two hidden neurons, two outputs. A neuron is the sigmoid of the weighted sum of its inputs plus a bias.
# Here the biases are constants, so there are eight numbers to learn. The error is half the squared distance from the
# targets. The names are those of the article.

# %%
x, targets = [0.05, 0.10], [0.01, 0.99]
w = [Value(number, f"w{i}") for i, number in enumerate([0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55], 1)]


def mazur():
    """The hidden activations, the outputs and the error, with the weights as they now are."""
    w1, w2, w3, w4, w5, w6, w7, w8 = w
    h1, h2 = ad.sigmoid(ad.dot([w1, w2], x) + 0.35), ad.sigmoid(ad.dot([w3, w4], x) + 0.35)
    o1, o2 = ad.sigmoid(ad.dot([w5, w6], [h1, h2]) + 0.60), ad.sigmoid(ad.dot([w7, w8], [h1, h2]) + 0.60)
    error = ((targets[0] - o1) ** 2 + (targets[1] - o2) ** 2) / 2
    return (h1, h2), (o1, o2), error


(h1, h2), (o1, o2), error = mazur()
h1.label, h2.label, o1.label, o2.label, error.label = "h1", "h2", "o1", "o2", "E"

assert [f"{h.data:.9f}" for h in (h1, h2)] == ["0.593269992", "0.596884378"]
assert [f"{o.data:.9f}" for o in (o1, o2)] == ["0.751365070", "0.772928465"]
assert f"{o1.operands[0].data:.9f}" == "1.105905967"  # what enters the sigmoid of o1
assert [f"{(t - o.data) ** 2 / 2:.9f}" for t, o in zip(targets, (o1, o2), strict=True)] == [
    "0.274811083",
    "0.023560026",
]
assert f"{error.data:.9f}" == "0.298371109"

# %% [markdown]
# ## Mazur's example, backward
#
# What the article multiplies out over pages is one call here. In the picture each box has a number and, below it, the
# derivative of E with respect to it; the edges have the local gradients. Read it from E upwards: each gradient is the
# one below it times the number at the edge, and where several edges leave a box, the sum of these products.

# %%
error.backward()
ad.draw(error, direction="TB")

# %% [markdown]
# The article's own factors, for w5: how E changes with the output o1, the slope of its sigmoid, and their product, the
# **error** δ of that neuron, which is the derivative with respect to the weighted sum that enters the sigmoid.

# %%
weighted_sum = o1.operands[0]
w1, *_, w5, w6, w7, w8 = w

assert f"{o1.grad:.8f}" == "0.74136507"
assert f"{o1.local_gradients[0]:.9f}" == "0.186815602"
assert f"{weighted_sum.grad:.9f}" == "0.138498562"
assert f"{w5.grad:.9f}" == "0.082167041"

# %% [markdown]
# A weight of the first layer acts on E by two paths, through o1 and through o2. The chain rule multiplies along each
# path and adds the two up, as `explain` shows. The article adds them up at h1: 0.055399425 through the one output,
# -0.019049119 through the other. (The last digit should be an 8: the article multiplies rounded factors.)

# %%
by_o1, by_o2 = (o.operands[0].grad * weight.data for o, weight in ((o1, w5), (o2, w7)))

assert [f"{share:.9f}" for share in (by_o1, by_o2, h1.grad)] == ["0.055399425", "-0.019049118", "0.036350306"]
assert f"{h1.local_gradients[0]:.9f}" == "0.241300709"
assert f"{w1.grad:.9f}" == "0.000438568"
assert ad.explain(error, w1).count == 2
ad.explain(error, w1)

# %% [markdown]
# Then each weight moves against its gradient, by 0.5 times as much. The article prints up to nine digits; programs that
# follow it print sixteen, and these agree, too.

# %%
sgd = nn.SGD(w, lr=0.5)
sgd.step()

printed = ["0.149780716", "0.19956143", "0.24975114", "0.29950229"]
printed += ["0.35891648", "0.408666186", "0.511301270", "0.561370121"]
digits = [0.1497807161327628, 0.19956143226552567, 0.24975114363236958, 0.29950228726473915]
digits += [0.35891647971788465, 0.4086661860762334, 0.5113012702387375, 0.5613701211079891]

assert [f"{weight.data:.{len(text) - 2}f}" for weight, text in zip(w, printed, strict=True)] == printed
np.testing.assert_allclose([weight.data for weight in w], digits, rtol=1e-14)
np.testing.assert_allclose(mazur()[-1].data, 0.29102777369359933, rtol=1e-14)
print("after one step E =", mazur()[-1].data)

# %% [markdown]
# ## Hill's example
#
# The cost has no half in it, the learning rate is 0.1, and the biases learn. This time the network is made of layers of
# `nn`, as one would write a network of any size.

# %%
inputs, wanted = [2.0, 3.0], [1.0, 0.2]
model = nn.Sequential(nn.Layer(2, 2, "sigmoid"), nn.Layer(2, 2, "sigmoid"))
# neuron by neuron: the weights, then the bias
at_first = [0.3, -0.4, 0.25, 0.2, 0.6, 0.45, 0.7, 0.5, 0.15, -0.3, -0.1, 0.35]
backprop.set_data(model.parameters(), at_first)

hidden, outputs = model.layers[0](inputs), model(inputs)
cost = ad.sum([(a - y) ** 2 for a, y in zip(outputs, wanted, strict=True)])
np.testing.assert_allclose([h.data for h in hidden], [0.41338242108267, 0.934010990508781], rtol=1e-14)
np.testing.assert_allclose([a.data for a in outputs], [0.712257432295742, 0.533097573871501], rtol=1e-14)
np.testing.assert_allclose(cost.data, 0.19374977898811957, rtol=1e-14)

cost.backward()
nn.SGD(model.parameters(), lr=0.1).step()
np.testing.assert_allclose([a.data for a in model(inputs)], [0.7187729999291985, 0.5238074518609882], rtol=1e-14)
print("outputs", [a.data for a in outputs], "\nthen   ", [a.data for a in model(inputs)], "\nwanted ", wanted)

# %% [markdown]
# ## The four equations
#
# The engine knows nothing of layers: it has a graph of scalars, and goes through it once. On paper one works layer by
# layer. Let aˡ be the activations of layer l, zˡ = Wˡ aˡ⁻¹ + bˡ its weighted sums, and δˡ = ∂C/∂zˡ its
# **error**. Then, with ⊙ for the product entry by entry,
#
# | | | |
# |---|---|---|
# | BP1 | δᴸ = ∂C/∂aᴸ ⊙ σ'(zᴸ) | the error of the last layer |
# | BP2 | δˡ = (Wˡ⁺¹)ᵀ δˡ⁺¹ ⊙ σ'(zˡ) | an error goes back through the weights |
# | BP3 | ∂C/∂bˡ = δˡ | |
# | BP4 | ∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ | a weight's gradient: what comes in, times the error of where it goes |
#
# With the cross-entropy cost C = -Σ (y ln a + (1 - y) ln(1 - a)) the slope of the sigmoid cancels, and BP1 becomes δᴸ =
# aᴸ - y. Here are the equations in numpy, without any graph:


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def four_equations(weights, biases, x, first_error):
    """The error δ, which is dC/db, and dC/dW of each layer; `first_error(a)` gives that of the last layer, BP1."""
    activations = [np.asarray(x)]
    for matrix, bias in zip(weights, biases, strict=True):
        activations.append(sigmoid(matrix @ activations[-1] + bias))
    errors = [first_error(activations[-1])]
    for matrix, a in zip(weights[:0:-1], activations[-2:0:-1], strict=True):
        errors.insert(0, matrix.T @ errors[0] * a * (1 - a))  # BP2; the slope of the sigmoid is a (1 - a)
    return errors, [np.outer(error, a) for error, a in zip(errors, activations, strict=False)]  # BP3, BP4


numbers = np.reshape(at_first, (2, 2, 3))  # of Hill's example: layer, neuron, weights and bias
errors, slopes = four_equations(numbers[:, :, :2], numbers[:, :, 2], inputs, lambda a: 2 * (a - wanted) * a * (1 - a))
by_engine = np.reshape(backprop.get_grads(model.parameters()), (2, 2, 3))
np.testing.assert_allclose(by_engine[:, :, 2], errors, rtol=1e-14)
np.testing.assert_allclose(by_engine[:, :, :2], slopes, rtol=1e-14)

# %% [markdown]
# That was a network of two layers. Now take six, of four neurons each, with random weights, and both costs. For the
# engine the network is written out as it is defined, and after `backward()` the errors δ are the `grad` of the weighted
# sums. In the picture each ring is a gradient by the engine, each dot the same one by the equations.


# %%
def quadratic(outputs, wanted):
    return ad.sum([(a - y) ** 2 for a, y in zip(outputs, wanted, strict=True)]) / 2


def cross_entropy(outputs, wanted):
    return -ad.sum([y * ad.log(a) + (1 - y) * ad.log(1 - a) for a, y in zip(outputs, wanted, strict=True)])


rng = np.random.default_rng(0)
weights, biases = rng.normal(size=(6, 4, 4)), rng.normal(size=(6, 4))
start, goal = rng.normal(size=4), rng.uniform(size=4)
COSTS = {  # by the engine, and BP1
    "Quadratic cost": (quadratic, lambda a: (a - goal) * a * (1 - a)),
    "Cross-entropy cost": (cross_entropy, lambda a: a - goal),
}

fig, panels = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
for axes, (name, (cost_of, first_error)) in zip(panels, COSTS.items(), strict=True):
    W = [[[Value(number) for number in row] for row in matrix] for matrix in weights]
    b = [[Value(number) for number in bias] for bias in biases]
    z, a = [], start
    for matrix, bias in zip(W, b, strict=True):
        z.append([ad.dot(row, a) + number for row, number in zip(matrix, bias, strict=True)])
        a = [ad.sigmoid(number) for number in z[-1]]
    cost_of(a, goal).backward()

    errors, slopes = four_equations(weights, biases, start, first_error)
    for layer in range(6):
        by_engine = [[number.grad for number in row] for row in W[layer]]
        np.testing.assert_allclose(by_engine, slopes[layer], rtol=1e-12)
        np.testing.assert_allclose([number.grad for number in b[layer]], errors[layer], rtol=1e-12)
        np.testing.assert_allclose([number.grad for number in z[layer]], errors[layer], rtol=1e-12)
        places = layer + np.linspace(0.6, 1.4, 16)
        circles, dots = {"markersize": 6, "fillstyle": "none"}, {"markersize": 3, "color": "0.5"}
        axes.semilogy(places, np.abs(by_engine).ravel(), f"oC{layer}", rasterized=True, **circles)
        axes.semilogy(places, np.abs(slopes[layer]).ravel(), ".", rasterized=True, **dots)
    assert np.mean(np.abs(errors[0])) < np.mean(np.abs(errors[5])) / 10
    axes.set(xlabel="layer", title=name)
panels[0].set_ylabel("|∂C/∂w|")
plt.show()

# %% [markdown]
# All 192 derivatives agree to twelve digits, and so do the errors and the derivatives in the biases. The errors shrink
# on their way back, to less than a tenth here, because each layer multiplies them by the slope of a sigmoid, which is
# at most 1/4.
#
# ## Numbers made by a mistake
#
# Back to Mazur's example. After one step, the article says, the error is 0.291027924. It is 0.291027774. After 10,000
# steps the article has 0.0000351085, and in an earlier version 0.000035085, with the outputs 0.015912196 and
# 0.984065734. It should be 0.000035102, 0.015913620 and 0.984064274. Here it is trained by the engine, and by the four
# equations twice, once with a mistake in the line `inner = ...`.


# %%
def step_by_step(W1, W2, too_early, steps=10_000):
    """The error before each step and after the last, and the outputs then; biases stay as they are."""
    errors = []
    for _ in range(steps + 1):
        h = sigmoid(W1 @ x + 0.35)
        o = sigmoid(W2 @ h + 0.60)
        errors.append(np.sum((o - targets) ** 2) / 2)
        outer = (o - targets) * o * (1 - o)
        W2_then = W2 - 0.5 * np.outer(outer, h)
        inner = (W2_then if too_early else W2).T @ outer * h * (1 - h)  # BP2 asks for the weights of the forward pass
        W1, W2 = W1 - 0.5 * np.outer(inner, x), W2_then
    return errors, o


first, second = np.array([[0.15, 0.20], [0.25, 0.30]]), np.array([[0.40, 0.45], [0.50, 0.55]])
right, o_right = step_by_step(first, second, too_early=False)
wrong, o_wrong = step_by_step(first, second, too_early=True)

backprop.set_data(w, [*first.flat, *second.flat])
errors = []
for _ in range(10_000):
    _, outputs, error = mazur()
    errors.append(error.data)
    sgd.zero_grad()
    error.backward()
    sgd.step()
_, outputs, error = mazur()
errors.append(error.data)

np.testing.assert_allclose(errors, right, rtol=1e-11)
np.testing.assert_allclose([o.data for o in outputs], o_right, rtol=1e-12)
np.testing.assert_allclose(errors[10_000], 3.510187782978859e-05, rtol=1e-11)
assert [f"{o.data:.9f}" for o in outputs] == ["0.015913620", "0.984064274"]

# what was printed: the hidden layer's gradient by output weights that had been updated already
assert f"{wrong[1]:.9f}" == "0.291027924"
assert f"{wrong[10_000]:.9f}" == "0.000035085"
assert [f"{o:.9f}" for o in o_wrong] == ["0.015912196", "0.984065734"]
# the later number is right: it is the error that the last of the 10,000 steps starts from
assert f"{right[9_999]:.10f}" == "0.0000351085"
print(f"E after one step     {right[1]:.9f}, printed 0.291027924, too early {wrong[1]:.9f}")
print(f"E after 10,000 steps {right[-1]:.9f}, printed 0.000035085, too early {wrong[-1]:.9f}")

# %% [markdown]
# All digits fit if the gradients of the hidden layer are computed with output weights that have been updated already,
# which the article's own text warns against. Only 0.0000351085, of the later version, is right: it is the error from
# which the last step starts. Weights change little in a step, so training succeeds with the mistake, too, and the error
# after the first step differs only from its seventh digit on: such a mistake is hard to see. With `backward()` it
# cannot be made, as all gradients are there before any weight moves.
#
# The picture shows how much the error differs at each step. At step 5 the difference changes its sign.

# %%
difference = np.divide(wrong, right) - 1
assert np.abs(difference).max() < 1e-3
assert np.all(difference[1:5] > 0)
assert np.all(difference[5:] < 0)

fig, axes = plt.subplots()
axes.loglog(np.arange(1, 10_001), np.abs(difference[1:]))
axes.set(xlabel="steps", ylabel="relative difference", title="How far updating too early puts the error off")
plt.show()

# %% tags=["picture"]
fig, axes = plt.subplots(figsize=(4.4, 3.2))
passes = np.arange(1, 10_001)
axes.loglog(passes, errors[:-1], label="engine")
axes.loglog(passes, right[:-1], "--", label="four equations")
printed = [(1, "0.298371109", (1, 0.6)), (2, "0.291027924", (1.3, 0.1)), (10_000, "0.0000351085", (300, 2e-5))]
for at, text, place in printed:
    axes.plot(at, float(text), "oC5")
    axes.text(*place, text, color="C5")
axes.set(xlabel="forward pass", ylabel="error E", ylim=(1e-5, 2), title="10,000 steps, and the printed numbers")
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## Where to go on
#
# [One neuron, three rules](03_one_neuron.ipynb) trains the smallest network of all, by rules that are older. The chain
# rule from its beginning is in [Backpropagation, one number at a time](../01_backpropagation.ipynb).
