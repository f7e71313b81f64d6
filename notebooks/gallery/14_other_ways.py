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
# Synthetic gradients, predictive coding and activation relaxation learn digits beside backpropagation; how far their
# updates are from the gradient is measured, and where theory says it, asserted.
#
# In backpropagation each layer waits until the error has come back to it. Three systems claim to do without:
#
# - **Synthetic gradients**: a layer that *guesses* its gradient is updated at once (Jaderberg et al., *Decoupled neural
#   interfaces using synthetic gradients*, ICML 2017; Czarnecki et al., *Understanding synthetic gradients and decoupled
#   neural interfaces*, ICML 2017).
# - **Predictive coding**: neurons that settle until they predict each other learn by local rules, which for certain
#   parameters tend to backpropagation (Whittington and Bogacz, *An approximation of the error backpropagation algorithm
#   in a predictive coding network with local Hebbian synaptic plasticity*, Neural Computation 29, 2017).
# - **Activation relaxation**: neurons whose equilibrium *is* the gradient (Millidge, Tschantz, Seth and Buckley,
#   *Activation relaxation: a local dynamical approximation to backpropagation in the brain*, 2020, arXiv:2009.05359).
#
# The papers learn MNIST and larger tasks, here are 8 × 8 digits: their error rates are not repeated, their theory is.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binom
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import autodiff as ad
import nn

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
# Layer l makes its state xₗ of the one below, xₗ₋₁; x₀ is the picture, x₄ the output. The loss L is half the squared
# distance of x₄ from the target. Let gₗ be the gradient of L in xₗ. A layer that is *told* gₗ knows the rest: the chain
# rule through one layer is the derivative of one number, gₗ · xₗ, in which gₗ counts as a constant. Its derivative in
# the weights is their gradient, and in xₗ₋₁ it is gₗ₋₁ = Jₗᵀ gₗ, with J the layer's Jacobian.


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
# Backpropagation provides the g in order, from the top, where it is output minus target. The other ways below are such
# functions, too, and differ in **where the g come from**. First a check against the gradient of the whole loss.


# %%
def chain(layers, xs, g):
    """Return the g of x₁ to x₄, given the last."""
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


def outputs(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def loss(layers, x, target):
    return ad.sum([(output - t) ** 2 for output, t in zip(outputs(layers, x), target, strict=True)]) / 2


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
# take the **cosine between update and gradient** on 256 pictures, layer by layer, and count the test digits read right.


# %%
def cosines(learn, layers, x, target):
    pairs = zip(updates(learn, layers, x, target), updates(backprop, layers, x, target), strict=True)
    return [u @ g / np.linalg.norm(u) / np.linalg.norm(g) for u, g in pairs]


def train(learn, measured=None, epochs=EPOCHS, seed=0, lr=0.1):
    """Return the layers and, for each epoch, the cosines and the share right; `measured` is `learn` for one batch."""
    layers, rng = network(seed), np.random.default_rng(seed)
    sgd = nn.SGD([weight for layer in layers for weight in layer.parameters()], lr)
    cosine, right = [], []
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(X)), BATCHES):
            sgd.zero_grad()
            learn(layers, X[batch], T[batch])
            sgd.step()
        cosine.append(cosines(measured or learn, layers, X[:256], T[:256]))
        right.append(np.mean(states(layers, X_test)[-1].argmax(axis=1) == y_test))
    return layers, np.array(cosine), np.array(right)


runs = {"backpropagation": train(backprop)}
trained = train(backprop, epochs=3)[0]  # the network on which theory is tested

# %% [markdown]
# ## Synthetic gradients: guess
#
# Above each layer but the last stands a **guesser**, a linear layer that predicts g from the layer's output and the
# target. A layer that gets a message computes its output, is updated by the *guess* of its g, and sends the output on.
# It also knows now what the guess below should have been, Jᵀ g, and teaches that guesser by the delta rule. Only the
# top layer sees an error; the others learn from guesses that learn from guesses. As in the paper, all guesses are zero
# at first.
#
# In a `tick` each layer works on the message that was sent to it one tick ago: four layers work on four batches.


# %%
class Decoupled:
    def __init__(self, lr=0.1):
        self.guessers = [nn.Layer(width + 10, width, "linear", init="zeros") for width in WIDTHS[:-1]]
        self.sgd = nn.SGD([weight for guesser in self.guessers for weight in guesser.parameters()], lr)
        self.inbox = {}

    def work(self, i, layer, x, target):
        """Layer i handles a message; return the one for the layer above."""
        output = forward(layer, x)
        top = i == len(self.guessers)
        g = output - target if top else forward(self.guessers[i], np.hstack([output, target]))
        to_weights(layer, x, g)
        if i > 0:
            guesser, seen = self.guessers[i - 1], np.hstack([x, target])
            to_weights(guesser, seen, forward(guesser, seen) - to_input(layer, x, g))
        return output, target

    def tick(self, layers, x, target, order=(0, 1, 2, 3)):
        self.sgd.zero_grad()
        self.inbox[0] = x, target
        self.inbox = {i + 1: self.work(i, layers[i], *self.inbox[i]) for i in order if i in self.inbox}
        self.sgd.step()

    def one_batch(self, layers, x, target):
        """The updates for one batch, all the way up: to measure them."""
        for i, layer in enumerate(layers):
            x, target = self.work(i, layer, x, target)


# %% [markdown]
# That nobody waits can be tested: within a tick **it must not matter which layer works first**. After an epoch from the
# bottom to the top, and one from the top to the bottom, the weights are the same to the last bit.

# %%
up, down = Decoupled(), Decoupled()
upwards = train(up.tick, up.one_batch, epochs=1)[0]
downwards = train(lambda *batch: down.tick(*batch, order=(3, 2, 1, 0)), down.one_batch, epochs=1)[0]
assert [layer.state_dict() for layer in upwards] == [layer.state_dict() for layer in downwards]

# %% [markdown]
# **What can a guesser know?** The last layer is linear and the loss quadratic, so g₃ = Wᵀ (W x₃ + b - target) is affine
# in what its guesser sees, and a linear guess can be exact (as in Czarnecki et al.'s linear networks). Further down are
# tanhs on the way, and the best linear guess, by least squares, leaves a part of g₂ and a larger one of g₁ unexplained.

# %%
xs = states(trained, X)
g, explained = xs[-1] - T, {}
for i in (3, 2, 1):
    g = to_input(trained[i], xs[i], g)
    seen = np.hstack([xs[i], T])  # T's rows add up to 1: so the guess has a bias
    explained[i] = 1 - np.sum((g - seen @ np.linalg.lstsq(seen, g, rcond=None)[0]) ** 2) / np.sum(g**2)
    print(f"the best linear guess explains {explained[i]:.4f} of g{i}")
assert abs(explained[3] - 1) < 1e-12
assert 0.9 < explained[1] < explained[2] < 0.999

# %% [markdown]
# Now train. Backpropagation takes eight ticks for a batch, four up and four down; here a batch is done with every tick,
# and after as many ticks more digits are right, with each of six seeds. Yet the updates of the first layers point
# anywhere, at first even away from the gradient. The guesses are not so much bad as late: when the weights are **held
# still** and only the guessers learn on, the cosines rise at once.

# %%
decoupled = Decoupled()
runs["synthetic gradients"] = layers, cosine, right = train(decoupled.tick, decoupled.one_batch)
still = []
for _ in range(5):
    for batch in np.array_split(np.random.default_rng(0).permutation(len(X)), BATCHES):
        decoupled.tick(layers, X[batch], T[batch])
    still.append(cosines(decoupled.one_batch, layers, X[:256], T[:256]))

in_time = runs["backpropagation"][2][: EPOCHS // 8]  # in as many ticks
fig, (ticks, angles) = plt.subplots(1, 2, figsize=(8, 3.2))
ticks.plot(BATCHES * np.arange(1, EPOCHS + 1), right, label="synthetic gradients")
ticks.plot(8 * BATCHES * np.arange(1, len(in_time) + 1), in_time, "o-", label="backpropagation")
ticks.set(xlabel="ticks", ylabel="share of test digits right", title="No layer waits for another")
ticks.legend()
angles.plot(range(1, EPOCHS + 6), [*cosine, *still], label=["layer 1", "layer 2", "layer 3", "layer 4"])
angles.axvspan(EPOCHS + 0.5, EPOCHS + 5, color="0.92")
angles.set(xlabel="epoch", ylabel="cosine of update and gradient", title="In grey, weights are held still")
angles.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

assert right[-1] > in_time[-1] + 0.01
assert cosine[:5, 0].mean() < 0
assert np.all(still[-1][:3] > np.array([0.75, 0.85, 0.95]))

# %% [markdown]
# ## Predictive coding: settle
#
# Let the hidden states be free. Each layer predicts the state above it; ε is how far that is off, and the **energy** F
# half the sum of all ε². Picture and target are held, the hidden states run downhill until they rest, and then the
# weights take a step downhill, too. Both need to know only their neighbours:
#
# - a state moves by -∂F/∂xₗ = -εₗ + Jᵀ εₗ₊₁: its own error pulls it back, the error above pushes it;
# - a layer's weights get ∂F/∂w, the derivative of -εₗ · prediction, in which εₗ counts as a constant.
#
# At rest εₗ = Jᵀ εₗ₊₁: backpropagation's recursion, with -ε in the place of g. `energy` is what we write down; its
# derivatives are the engine's, and are these local rules.


# %%
def errors(layers, xs):
    predictions = [layer(x) for layer, x in zip(layers, xs, strict=False)]
    return [[a - b for a, b in zip(x, p, strict=True)] for x, p in zip(xs[1:], predictions, strict=True)]


def energy(layers, xs, variance=1.0):
    *hidden, output = [ad.dot(e, e) / 2 for e in errors(layers, xs)]
    return ad.sum(hidden) + output / variance


downhill = ad.compile(ad.grad(energy, 1), rows=1)
hebbian = ad.compile(energy, rows=1, reduce="mean").backward
errors_of = ad.compile(errors, rows=1)


def settle(layers, x, target, steps, variance=1.0, rate=0.2):
    xs = [*states(layers, x)[:-1], target]
    for _ in range(steps):
        slopes = downhill(layers, tuple(xs), variance)
        xs[1:-1] = [x - rate * slope for x, slope in zip(xs[1:-1], slopes[1:-1], strict=True)]
    return tuple(xs)


def predictive_coding(layers, x, target, steps=20, variance=1.0):
    hebbian(layers, settle(layers, x, target, steps, variance), variance)


def update(learn, *args):
    return np.concatenate(updates(learn, trained, *args))


x, target = X[:32], T[:32]
for steps in (5, 1500):  # on the way, and at rest
    xs = settle(trained, x, target, steps)
    slopes, e = downhill(trained, xs), errors_of(trained, xs)
    for i in (1, 2, 3):
        np.testing.assert_allclose(slopes[i], e[i - 1] - to_input(trained[i], xs[i], e[i]), rtol=0, atol=1e-13)
    local = update(learn_from, xs[:-1], [-rows for rows in e])
    np.testing.assert_allclose(update(predictive_coding, x, target, steps), local, rtol=0, atol=1e-13)
assert max(abs(slope).max() for slope in slopes[1:-1]) < 1e-12

# %% [markdown]
# Does its update tend to the gradient? Let e be output minus target in the forward pass, Aₗ the Jacobian of the output
# in xₗ, and let F divide the output's ε² by a **variance** σ². For small errors all is linear: the other εₗ move the
# output by Aₗ εₗ, which leaves ε₄ = -e - Σ Aₗ εₗ, and F is least where εₗ = Aₗᵀ ε₄ / σ². Together:
#
#     -ε₄ / σ² = S⁻¹ e    with    S = σ² I + Σ Aₗ Aₗᵀ
#
# So the update is what backpropagation makes of S⁻¹ e in the place of e, and
#
# - as **σ² grows**, S tends to σ² I and σ² times the update to the gradient: Whittington and Bogacz's claim;
# - as the **error shrinks** with σ² = 1, the update tends to the gradient for S⁻¹ e, and *not* to that for e: here it
#   has nearly the same direction, but a quarter of the length.
#
# The deviations should shrink as 1 / σ² and in proportion to the error: slope 1 in the picture.

# %%
*below, output = states(trained, x)
jacobian = ad.compile(ad.jacobian(outputs, 1), rows=1)
A = [np.array(jacobian(trained[i:], below[i])) for i in (1, 2, 3)]
S = np.eye(10) + sum(a @ a.transpose(0, 2, 1) for a in A)
solved = np.linalg.solve(S, (output - target)[..., None])[..., 0]


def at_rest(target, variance=1.0):
    return update(predictive_coding, x, target, 600, variance)


def deviation(limit, many):
    return [np.linalg.norm(one - limit) / np.linalg.norm(limit) for one in many]


exact = chain(trained, below, output - target)
gradient, for_solved = update(learn_from, below, exact), update(learn_from, below, chain(trained, below, solved))
shares = np.logspace(0, -3, 5)
nearer = [at_rest(output + s * (target - output)) / s for s in shares]
vaguer = [at_rest(target, variance=1 / s) / s for s in shares]
curves = [deviation(gradient, nearer), deviation(gradient, vaguer), deviation(for_solved, nearer)]

fig, axes = plt.subplots()
names = ["error × s: from the gradient", "σ² = 1 / s: from the gradient", "error × s: from the gradient for S⁻¹ e"]
axes.loglog(shares, np.transpose(curves), "o-", label=names)
axes.set(xlabel="s", ylabel="relative deviation of the update", title="What predictive coding tends to")
axes.legend(loc="lower right")
plt.show()

by_error, by_variance, from_solved = np.diff(np.log(curves))[:, -1] / np.diff(np.log(shares))[-1]
assert curves[0][-1] > 0.5
length, other_length = np.linalg.norm(gradient), np.linalg.norm(for_solved)
assert gradient @ for_solved > 0.95 * length * other_length
assert abs(other_length / length - 0.25) < 0.03
assert abs(by_error) < 1e-3
assert abs(by_variance - 1) < 0.02
assert abs(from_solved - 1) < 1e-3

# %% [markdown]
# ## Activation relaxation: become the gradient
#
# Which dynamics rest at gₗ = Jᵀ gₗ₊₁? The plainest: dgₗ/dt = -gₗ + Jᵀ gₗ₊₁, with J as it was in the forward pass and
# the top held at output minus target. The neurons themselves do it: their activations start where the forward pass left
# them, **relax**, and at rest are the gradient. That is the paper's claim.
#
# From another start, zero, one can say more. After steps of size r, a layer d below the top has a share of its gradient
# that obeys share(d) ← (1 - r) share(d) + r share(d - 1). So does the chance of *at least d heads* with every toss of a
# coin that shows heads with probability r: that is the share. **The direction is right from step d on**; what takes
# time is the length. And r = 1 is backpropagation: done after three steps.


# %%
def relax(layers, xs, gs, steps, rate, pull=to_input):
    """Relax the g of x₁ to x₄ at the same time, each pulled by the one above; the last is held."""
    for _ in range(steps):
        pulls = [pull(layer, x, above) for layer, x, above in zip(layers, xs[1:], gs[1:], strict=True)]
        gs = [*[(1 - rate) * g + rate * pulled for g, pulled in zip(gs, pulls, strict=False)], gs[-1]]
    return gs


def activation_relaxation(layers, x, target, above=None, pull=to_input):
    *xs, output = states(layers, x)
    gs = relax(above or layers[1:], xs, [*xs[1:], output - target], steps=20, rate=0.5, pull=pull)
    learn_from(layers, xs, gs)
    return xs, gs


activations, zeros = [*below[1:], exact[-1]], [*np.zeros((3, 32, 32)), exact[-1]]
relaxed, in_three = relax(trained[1:], below, activations, 200, 0.3), relax(trained[1:], below, zeros, 3, 1.0)
for g, at_once, limit in zip(relaxed, in_three, exact, strict=True):
    np.testing.assert_allclose(g, limit, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(at_once, limit)

fig, axes = plt.subplots()
steps = np.arange(41)
for i, limit in enumerate(exact[:-1]):
    for start, style in ((activations, ":"), (zeros, "-")):
        gs = [relax(trained[1:], below, start, n, 0.3)[i] for n in steps]
        axes.semilogy(steps, deviation(limit, gs), f"C{i}{style}", label=f"g{i + 1}" if start is zeros else None)
    heads = binom.sf(2 - i, steps, 0.3)  # the chance of more than 2 - i
    np.testing.assert_allclose(gs, np.multiply.outer(heads, limit), rtol=0, atol=1e-13)
axes.set(xlabel="steps of size 0.3", ylabel="relative distance from the gradient")
axes.set_title("Relaxing to the gradient, from zero and (dotted) from the activations")
axes.legend()
plt.show()

# %% [markdown]
# Predictive coding obeys the same equation if predictions and J are **held** as they were in the forward pass
# (Millidge, Tschantz and Buckley, *Predictive coding approximates backprop along arbitrary computation graphs*, 2020):
# then dxₗ/dt is dεₗ/dt, ε starts at zero, and what it finds is the gradient.

# %%
xs = [*below, target]
for _ in range(200):
    held = [x - prediction for x, prediction in zip(xs, [*below, output], strict=True)]
    for i in (1, 2, 3):
        xs[i] = xs[i] - 0.3 * (held[i] - to_input(trained[i], below[i], held[i + 1]))
for e, g in zip(held[1:], exact, strict=True):
    np.testing.assert_allclose(-e, g, rtol=0, atol=1e-12)

# %% [markdown]
# **Loosened.** Jᵀ needs the weights of the layer above, transposed, and the derivatives of its tanhs, which no neuron
# below could know. The paper shows that both can go. Here neurons relax to B gₗ₊₁, where B are backward weights of
# their own, random at first, which learn by the rule of the forward ones, transposed.


# %%
backward = [nn.Layer(width, 32, "linear", bias=False, seed=width + i) for i, width in enumerate(WIDTHS[1:])]
backward_sgd = nn.SGD([weight for layer in backward for weight in layer.parameters()], lr=0.1)


def loosened(layers, x, target):
    return activation_relaxation(layers, x, target, backward, pull=lambda layer, x, g: forward(layer, g))


def loosened_and_learning(layers, x, target):
    xs, gs = loosened(layers, x, target)
    backward_sgd.zero_grad()
    learn_from(backward, gs[1:], xs[1:])
    backward_sgd.step()


# %% [markdown]
# ## Side by side

# %%
runs["predictive coding"] = train(predictive_coding)
runs["activation relaxation"] = train(activation_relaxation)
runs["relaxation, loosened"] = train(loosened_and_learning, loosened)
for name, (_, cosine, right) in runs.items():
    means = " ".join(f"{mean:5.2f}" for mean in cosine.mean(axis=0))
    print(f"{name:22} {right[-1]:.1%} right; cosines of layers 1 to 4, mean over epochs: {means}")

# %% tags=["picture"]
fig, axes = plt.subplots(figsize=(4.4, 3.6))
for name, (_, cosine, _) in runs.items():
    axes.plot(range(1, EPOCHS + 1), cosine[:, 0], "--" if name == "activation relaxation" else "-", label=name)
axes.set(xlabel="epoch", ylabel="cosine with the gradient", title="Is the update of layer 1 the gradient?")
fig.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# And this is what they learn, beside a network of which **only the last layer** learns, above random ones. What the
# others reach beyond that, their first three layers have learned.


# %%
def last_only(layers, x, target):
    *_, last, output = states(layers, x)
    to_weights(layers[-1], last, output - target)


fig, axes = plt.subplots()
for name, (_, _, right) in runs.items():
    axes.plot(range(1, EPOCHS + 1), right, "--" if name == "activation relaxation" else "-", label=name)
last_layer = train(last_only, backprop)[2]
axes.plot(range(1, EPOCHS + 1), last_layer, "0.7", label="last layer only")
axes.set(xlabel="epoch", ylabel="share of test digits right", ylim=(0.6, 1), title="How well do they learn?")
axes.legend(loc="lower right", ncols=2)
plt.show()

# %% [markdown]
# - **Activation relaxation** is backpropagation in more steps; the curves are the same.
# - **Predictive coding** has the gradient's direction, most of all far below the output. It is slow because its updates
#   are short: of the error, S⁻¹ e remains.
# - **Loosened relaxation** learns nearly as well, though its cosines are about 0.4.
# - **Synthetic gradients** are the furthest from the gradient, and learn all the same, in an eighth of the ticks.
#
# So an update need not be the gradient to teach. The margins below hold with each of six seeds.

# %%
right = {name: run[2][-1] for name, run in runs.items()}
cosine = {name: run[1] for name, run in runs.items()}
assert right["backpropagation"] > 0.95
assert last_layer[-1] < 0.88 < min(right.values())
assert cosine["activation relaxation"].min() > 0.9999
assert abs(right["activation relaxation"] - right["backpropagation"]) < 0.01
assert cosine["predictive coding"][:, :2].min() > 0.8
assert cosine["predictive coding"][:, 3].mean() < 0.75
assert np.all(abs(cosine["relaxation, loosened"].mean(axis=0)[:3] - 0.4) < 0.15)
assert right["relaxation, loosened"] > right["backpropagation"] - 0.04
