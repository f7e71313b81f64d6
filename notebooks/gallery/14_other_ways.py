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
# # Other ways than backpropagation
#
# Synthetic gradients, predictive coding and activation relaxation learn digits beside backpropagation; the cosines of
# their updates with the gradient are measured, and their limits asserted.
#
# In backpropagation each layer waits until the error has come back to it. Three systems claim to do without:
#
# - **Synthetic gradients**: a layer that *guesses* its gradient is updated at once (Jaderberg et al., *Decoupled neural
#   interfaces using synthetic gradients*, ICML 2017).
# - **Predictive coding**: neurons that settle until they predict each other learn by local rules, which approximate
#   backpropagation (Whittington and Bogacz, *An approximation of the error backpropagation algorithm in a predictive
#   coding network with local Hebbian synaptic plasticity*, Neural Computation 29, 2017).
# - **Activation relaxation**: neurons whose equilibrium *is* the gradient (Millidge, Tschantz, Seth and Buckley,
#   *Activation relaxation: a local dynamical approximation to backpropagation in the brain*, 2020, arXiv:2009.05359).
#
# The papers learn MNIST and larger tasks. Here are 8 × 8 digits, so their theory is checked, not their error rates.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import autodiff as ad
import nn
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

pixels, digits = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(pixels / 16, digits, test_size=450, random_state=0, stratify=digits)
T = np.eye(10)[y]  # targets, one-hot
WIDTHS = [32, 32, 32, 10]
EPOCHS, BATCHES = 24, len(X) // 32


def network(seed):
    return nn.MLP(64, WIDTHS, activation="tanh", seed=seed).layers


# %% [markdown]
# ## What a layer can do alone
#
# Layer l computes the state xₗ from the state below, xₗ₋₁; x₀ is the picture, x₄ the output. The loss is half the
# squared distance of x₄ from the target, and gₗ its gradient with respect to xₗ. A layer that is *told* gₗ knows the
# rest: it differentiates one number, gₗ · xₗ, in which gₗ is a constant. The derivative with respect to its weights is
# their gradient, and that with respect to xₗ₋₁ is gₗ₋₁ = Jᵀ gₗ, where J is the Jacobian of the layer.


# %%
def weighted(layer, x, g):
    return ad.dot(layer(x), g)


forward = ad.compile(lambda layer, x: layer(x), rows=1)
to_input = ad.compile(ad.grad(weighted, 1), rows=(1, 2))  # Jᵀ g
to_weights = ad.compile(weighted, rows=(1, 2), reduce="mean").backward  # adds to the grad of the layer's weights


def states(layers, x):
    xs = [x]
    for layer in layers:
        xs.append(forward(layer, xs[-1]))
    return xs


# %% [markdown]
# Backpropagation computes the g from the top, where it is output minus target, downwards. The other ways below differ
# in **where the g come from**. First a check of these layers, one at a time, against the gradient of the whole loss.


# %%
def chain(layers, xs, g):
    """Return g₁ to g₄, given x₀ to x₃ and g₄."""
    gs = [g]
    for layer, x in zip(layers[:0:-1], xs[:0:-1], strict=True):
        gs.insert(0, to_input(layer, x, gs[0]))
    return gs


def learn_from(layers, xs, gs):
    for layer, x, g in zip(layers, xs, gs, strict=True):
        to_weights(layer, x, g)


def backprop(layers, x, target):
    *xs, output = states(layers, x)
    learn_from(layers, xs, chain(layers, xs, output - target))


def loss(layers, x, target):
    return len(target) / 2 * nn.mse(nn.Sequential(*layers)(x), target)


def updates(learn, layers, *args):
    """Return what a way of learning adds to the weights' grad, as a vector for each layer."""
    for layer in layers:
        layer.zero_grad()
    learn(layers, *args)
    return [np.array([weight.grad for weight in layer.parameters()]) for layer in layers]


whole = ad.compile(loss, rows=(1, 2), reduce="mean").backward
for by_layers, at_once in zip(*[updates(way, network(0), X, T) for way in (backprop, whole)], strict=True):
    np.testing.assert_allclose(by_layers, at_once, rtol=0, atol=1e-13)

# %% [markdown]
# All ways start from the same weights, see the same batches of 32 and have the same learning rate. After each epoch we
# take the **cosine of update and gradient** on 256 pictures, layer by layer, and the share of test digits read right.


# %%
def cosines(learn, layers, x, target):
    pairs = zip(updates(learn, layers, x, target), updates(backprop, layers, x, target), strict=True)
    return [u @ g / np.linalg.norm(u) / np.linalg.norm(g) for u, g in pairs]


def train(learn, helpers=(), fixed=0, epochs=EPOCHS, seed=0):
    """Return the layers and, for each epoch, the cosines and the share right.

    Helpers are layers that learn along; the first `fixed` layers stay as they are.
    """
    layers, rng = network(seed), np.random.default_rng(seed)
    sgd = nn.SGD([weight for layer in [*layers[fixed:], *helpers] for weight in layer.parameters()], lr=0.1)
    cosine, right = [], []
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(X)), BATCHES):
            sgd.zero_grad()
            learn(layers, X[batch], T[batch])
            sgd.step()
        cosine.append(cosines(learn, layers, X[:256], T[:256]))
        right.append(np.mean(states(layers, X_test)[-1].argmax(axis=1) == y_test))
    return layers, np.array(cosine), np.array(right)


# %% [markdown]
# ## Synthetic gradients: guess
#
# Above each layer but the last stands a **guesser**, a linear layer that predicts g from the layer's output and the
# target. As soon as a layer has computed its output, it is updated by the *guess* of its g. It then also knows what the
# guess below should have been, Jᵀ g, and teaches that guesser by the delta rule. Only the top layer sees an error; the
# others learn from guesses that learn from guesses. As in the paper, all guesses are zero at first.


# %%
guessers = [nn.Layer(width + 10, width, "linear", init="zeros") for width in WIDTHS[:-1]]


def synthetic(layers, x, target):
    for i, layer in enumerate(layers):
        output = forward(layer, x)
        g = forward(guessers[i], np.hstack([output, target])) if i < len(guessers) else output - target
        to_weights(layer, x, g)
        if i > 0:
            seen = np.hstack([x, target])
            to_weights(guessers[i - 1], seen, forward(guessers[i - 1], seen) - to_input(layer, x, g))
        x = output


# %% [markdown]
# That no layer waits can be tested: the update of the first layer **must not depend on the layers above it**. We
# replace them by others, with new random weights: the update stays the same to the last bit, the gradient does not.

# %%
runs = {"backpropagation": train(backprop), "synthetic gradients": train(synthetic, guessers)}
layers = runs["synthetic gradients"][0]
replaced = [layers[0], *network(seed=1)[1:]]
first, other = [updates(synthetic, these, X, T)[0] for these in (layers, replaced)]
np.testing.assert_array_equal(first, other)
first, other = [updates(backprop, these, X, T)[0] for these in (layers, replaced)]
assert np.linalg.norm(first - other) > 0.5 * np.linalg.norm(first)

# %% [markdown]
# ## Predictive coding: settle
#
# Let the hidden states be free. Each layer predicts the state above it. The prediction errors εₗ are state minus
# prediction, and the **energy** F is half the sum of their squares. Picture and target are held, the hidden states run
# downhill on F until they rest, and then the weights take a step downhill, too. Both need only their neighbours:
#
# - a state moves by -∂F/∂xₗ = -εₗ + Jᵀ εₗ₊₁: its own error pulls it back, the error above pushes it;
# - a layer's weights get ∂F/∂w, the derivative of -εₗ · prediction, in which εₗ counts as a constant.
#
# At rest εₗ = Jᵀ εₗ₊₁: backpropagation's recursion, with -ε in the place of g. Only `energy` is written down; the
# engine differentiates it, and what it finds are these local rules.


# %%
def energy(layers, xs, variance=1.0):
    *hidden, output = [
        ad.sum([(state - prediction) ** 2 for state, prediction in zip(above, layer(x), strict=True)])
        for layer, x, above in zip(layers, xs, xs[1:], strict=False)
    ]
    return (ad.sum(hidden) + output / variance) / 2


downhill = ad.compile(ad.grad(energy, 1), rows=1)
hebbian = ad.compile(energy, rows=1, reduce="mean").backward


def settle(layers, x, target, steps, variance=1.0, rate=0.2):
    xs = [*states(layers, x)[:-1], target]
    for _ in range(steps):
        slopes = downhill(layers, tuple(xs), variance)
        xs[1:-1] = [x - rate * slope for x, slope in zip(xs[1:-1], slopes[1:-1], strict=True)]
    return tuple(xs)


def predictive_coding(layers, x, target, steps=20, variance=1.0):
    hebbian(layers, settle(layers, x, target, steps, variance), variance)


trained = train(backprop, epochs=3)[0]  # the network on which theory is tested, with one batch
x, target = X[:32], T[:32]
*below, output = states(trained, x)


def update(learn, *args):
    return np.concatenate(updates(learn, trained, *args))


xs = settle(trained, x, target, steps=5)  # on the way to rest
slopes = downhill(trained, xs)
e = [above - forward(layer, x) for layer, x, above in zip(trained, xs, xs[1:], strict=False)]
for i in (1, 2, 3):
    np.testing.assert_allclose(slopes[i], e[i - 1] - to_input(trained[i], xs[i], e[i]), rtol=0, atol=1e-13)
local = update(learn_from, xs[:-1], [-rows for rows in e])
np.testing.assert_allclose(update(predictive_coding, x, target, 5), local, rtol=0, atol=1e-13)

# %% [markdown]
# Does the update tend to the gradient? The recursion is right, but the states have moved until they came to rest, and
# the error that is left at the top is less than output minus target: the hidden layers explain a part of it away.
#
# - Whittington and Bogacz divide the output's ε² by a **variance** σ². As σ² grows, the states move less and less, and
#   σ² times the update tends to the gradient; the deviation falls as 1/σ².
# - That the **error** is small is not enough. Near 0 everything is linear in it, and the hidden layers explain away the
#   same part of it, however small it is. Here, with σ² = 1, the update tends to nearly the direction of the gradient,
#   but to a quarter of its length.


# %%
def deviation(limit, many):
    return [np.linalg.norm(one - limit) / np.linalg.norm(limit) for one in many]


exact = chain(trained, below, output - target)
gradient = update(learn_from, below, exact)
shares = np.logspace(0, -3, 5)
vaguer = [update(predictive_coding, x, target, 600, 1 / s) / s for s in shares]
nearer = [update(predictive_coding, x, output + s * (target - output), 600) / s for s in shares]
by_variance, by_error = deviation(gradient, vaguer), deviation(gradient, nearer)

fig, axes = plt.subplots()
axes.loglog(shares, by_variance, "o-", label="variance σ² = 1 / s")
axes.loglog(shares, by_error, "o-", label="error multiplied by s")
axes.set(xlabel="s", ylabel="relative deviation from the gradient", title="What predictive coding tends to")
axes.legend(loc="lower right")
plt.show()

assert abs(np.log(by_variance[-2] / by_variance[-1]) / np.log(shares[-2] / shares[-1]) - 1) < 0.02  # slope 1
assert by_variance[-1] < 0.005
assert abs(by_error[-1] / by_error[-2] - 1) < 0.001
length, limit = np.linalg.norm(gradient), np.linalg.norm(nearer[-1])
assert nearer[-1] @ gradient > 0.95 * limit * length
assert abs(limit / length - 0.25) < 0.03

# %% [markdown]
# ## Activation relaxation: become the gradient
#
# Which dynamics rest at gₗ = Jᵀ gₗ₊₁? The plainest: dgₗ/dt = -gₗ + Jᵀ gₗ₊₁, with J as it was in the forward pass and
# the top held at output minus target. The neurons themselves do it: their activations start where the forward pass left
# them, **relax**, and at rest are the gradient. That is the paper's claim. All layers relax at the same time, in steps
# of size r. The distance of g₃ from its limit shrinks by the factor 1 - r in each; those of g₂ and g₁ follow. With
# r = 1 this is backpropagation itself, done after three steps.


# %%
def relax(layers, xs, gs, steps, rate):
    """Relax g₁ to g₄, each pulled by the one above; the last is held."""
    for _ in range(steps):
        pulls = [to_input(layer, x, above) for layer, x, above in zip(layers[1:], xs[1:], gs[1:], strict=True)]
        gs = [*[(1 - rate) * g + rate * pull for g, pull in zip(gs, pulls, strict=False)], gs[-1]]
    return gs


def activation_relaxation(layers, x, target):
    *xs, output = states(layers, x)
    learn_from(layers, xs, relax(layers, xs, [*xs[1:], output - target], steps=20, rate=0.5))


path = [[*below[1:], exact[-1]]]
for _ in range(100):
    path.append(relax(trained, below, path[-1], steps=1, rate=0.3))
distances = np.array([deviation(exact[i], [gs[i] for gs in path]) for i in range(3)])
assert np.all(distances[:, 70:] < 1e-6)
np.testing.assert_allclose(distances[2, :40], distances[2, 0] * 0.7 ** np.arange(40), rtol=1e-8)
for g, limit in zip(relax(trained, below, path[0], steps=3, rate=1.0), exact, strict=True):
    np.testing.assert_array_equal(g, limit)

fig, axes = plt.subplots()
axes.semilogy(distances.T, label=["g₁", "g₂", "g₃"])
axes.set(xlabel="steps of size 0.3", ylabel="relative distance", title="Activations relax to the gradient")
axes.legend()
plt.show()

# %% [markdown]
# Predictive coding obeys the same equation if predictions and J are **held fixed** as they were in the forward pass
# (Millidge, Tschantz and Buckley, *Predictive coding approximates backprop along arbitrary computation graphs*, 2020):
# then dεₗ/dt is dxₗ/dt = -εₗ + Jᵀ εₗ₊₁, and the errors at rest are the gradient, but for the sign.

# %%
xs = [*below, target]
for _ in range(200):
    e = [x - prediction for x, prediction in zip(xs, [*below, output], strict=True)]
    for i in (1, 2, 3):
        xs[i] = xs[i] - 0.3 * (e[i] - to_input(trained[i], below[i], e[i + 1]))
for error, g in zip(e[1:], exact, strict=True):
    np.testing.assert_allclose(-error, g, rtol=0, atol=1e-12)

# %% [markdown]
# ## Side by side
#
# For comparison, in one more network **only the last layer** learns, above three random ones.

# %%
runs["predictive coding"] = train(predictive_coding)
runs["activation relaxation"] = train(activation_relaxation)
runs["last layer only"] = train(backprop, fixed=3)
right = {name: share[-1] for name, (_, _, share) in runs.items()}
cosine = {name: cosine for name, (_, cosine, _) in runs.items()}
for name in runs:
    means = " ".join(f"{mean:5.2f}" for mean in cosine[name].mean(axis=0))
    print(f"{name:22} {right[name]:.1%} right; cosines of layers 1 to 4, mean over epochs: {means}")

# %% tags=["picture"]
epochs = range(1, EPOCHS + 1)
fig, axes = plt.subplots(figsize=(4, 3))
for name, colour, height in [
    ("activation relaxation", "C3", 1.07),
    ("predictive coding", "C2", 0.7),
    ("synthetic gradients", "C1", -0.98),
]:
    axes.plot(epochs, cosine[name][:, 0], colour)
    axes.text(EPOCHS, height, name, color=colour, fontsize=12, ha="right")
axes.set(xlabel="epoch", ylabel="cosine with the gradient", ylim=(-1.05, 1.25))
axes.set_title("Is the update of layer 1 the gradient?")
plt.show()

# %%
fig, axes = plt.subplots()
for (name, (_, _, share)), style in zip(runs.items(), ("-", "-", "-", "--", "k:"), strict=True):
    axes.plot(epochs, share, style, label=name)
axes.set(xlabel="epoch", ylabel="share of test digits right", ylim=(0.6, 1), title="How well do they learn?")
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# - **Activation relaxation** is backpropagation in more steps; the curves are the same.
# - **Predictive coding** has nearly the gradient's direction, most of all far below the output. It is slow because its
#   updates are short.
# - **Synthetic gradients** are the furthest from the gradient: in the first epochs the updates of layer 1 even point
#   away from it. They teach it all the same, if less well.
#
# So an update need not be the gradient to teach. The margins below hold with each of five seeds.

# %%
assert right["backpropagation"] > 0.95
assert abs(right["activation relaxation"] - right["backpropagation"]) < 0.01
assert right["last layer only"] < 0.88 < min(right["predictive coding"], right["synthetic gradients"])
assert cosine["activation relaxation"].min() > 0.9999
assert cosine["predictive coding"][:, :2].min() > 0.8
assert cosine["predictive coding"][:, 3].mean() < 0.75
assert cosine["synthetic gradients"][:5, 0].mean() < 0

# %% [markdown]
# ## Where to go on
#
# [A transformer, taken apart](15_transformer.ipynb) is trained by gradients again, and is the last of the gallery. How
# to write an optimiser of your own is in [Write a loss, an optimiser](../how_to/write_a_loss.md).
