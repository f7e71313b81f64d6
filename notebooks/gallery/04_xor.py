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
# # XOR and exam scores
#
# Two small sigmoid networks: one learns XOR, which no single neuron can, from hundreds of random starts; the other
# predicts exam scores, its gradient checked and its cost minimised by BFGS.
#
# - **XOR** is 1 where one of its two inputs is 1, and not both. A neuron cannot compute it (Minsky and Papert,
#   *Perceptrons*, 1969); a network with hidden neurons learns it (Rumelhart, Hinton and Williams, *Learning internal
#   representations by error propagation*, in *Parallel Distributed Processing*, 1986, pages 330 to 333).
# - **Exam scores** is the example of the video series *Neural Networks Demystified* (Welch Labs, 2014), with the three
#   students of Shamdasani, *Build a flexible neural network with backpropagation in Python*, 2017 (dev.to).

# %%
import random

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linprog

import autodiff as ad
import nn
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
TARGETS = [0.0, 1.0, 1.0, 0.0]

# %% [markdown]
# ## Not by one neuron
#
# A neuron would need b ≤ 0, w₁ + b > 0, w₂ + b > 0 and w₁ + w₂ + b ≤ 0. The two in the middle add up to
# w₁ + w₂ + 2b > 0, the other two to ≤ 0. That is a contradiction, so there is no such neuron: the linear program of
# the four inequalities is infeasible. The loss of logistic regression is convex, so it has one minimum, wherever one
# starts. Here that is to give up: all weights 0, the answer 1/2, the loss log 2.

# %%
rows = [[(1 - 2 * target) * x for x in (*point, 1.0)] for point, target in zip(INPUTS, TARGETS, strict=True)]
assert linprog([0, 0, 0], A_ub=rows, b_ub=[-1e-6] * 4, bounds=(None, None)).status == 2  # infeasible

neuron = nn.Neuron(2, "linear", seed=0)
fit = nn.minimize(
    neuron,
    lambda neuron, x, target: nn.binary_cross_entropy_with_logits(neuron(x), target),
    "trust-exact",
    data=(INPUTS, TARGETS),
    tol=1e-9,
)
np.testing.assert_allclose([p.data for p in neuron.parameters()], 0, atol=1e-8)
assert abs(fit.fun - np.log(2)) < 1e-12

# %% [markdown]
# ## Two hidden neurons, from 400 starts
#
# The network has two hidden neurons and one output neuron, all sigmoid, and nine weights, biases included. Its error
# is E = ½ Σ (target - output)² over the four points. Each sweep goes through all four, and changes the weights by -η
# times the gradient plus 0.9 times the last change, the chapter's momentum.
#
# It is written for one network. Compiled with `rows`, it runs for many at once: each row is a network of its own. All
# its weights start at random, uniformly between -r and r.


# %%
def hidden(w, x):
    return [ad.sigmoid(ad.dot(row, x) + b) for row, b in zip(w["w1"], w["b1"], strict=True)]


def two_layers(w, x):
    return ad.sigmoid(ad.dot(w["w2"], hidden(w, x)) + w["b2"])


def error(network, w):
    return 0.5 * ad.sum([(target - network(w, x)) ** 2 for x, target in zip(INPUTS, TARGETS, strict=True)])


def starts(shapes, r, seed=0, count=400):
    """The weights of many networks, a row for each."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-r, r, (count, *shape)) for name, shape in shapes.items()}


def train(network, w, lr, sweeps):
    """Gradient descent with momentum, all rows at once: the weights, and the four outputs after each sweep."""
    step = ad.compile(ad.value_and_grad(lambda w: error(network, w)), rows=[0])
    outputs = ad.compile(lambda w: [network(w, x) for x in INPUTS], rows=[0])
    change = {name: 0.0 * array for name, array in w.items()}
    history = []
    for _ in range(sweeps):
        _, slopes = step(w)
        change = {name: 0.9 * change[name] - lr * slopes[name] for name in w}
        w = {name: w[name] + change[name] for name in w}
        history.append(outputs(w))
    return w, np.array(history)


def shapes_with(size):
    """The shapes of the weights where there are so many hidden neurons."""
    return {"w1": (size, 2), "b1": (size,), "w2": (size,), "b2": ()}


w, history = train(two_layers, starts(shapes_with(2), r=0.5), lr=0.5, sweeps=4000)
errors = 0.5 * ((TARGETS - history) ** 2).sum(axis=2)  # a row for each sweep, a column for each start
found, stuck = errors[-1] < 0.01, abs(errors[-1] - 1 / 4) < 0.01
groups = (("found", found, "C0"), ("stuck at 1/4", stuck, "C1"), ("others", ~(found | stuck), "C3"))

fig, axes = plt.subplots()
for name, which, colour in groups:
    axes.plot([], [], colour, label=f"{which.sum()} {name}")
    axes.semilogx(errors[:, which][:, :40], colour, alpha=0.5, linewidth=0.8)
axes.set(xlabel="sweeps through the four points", ylabel="error E", ylim=(0, 0.65), xlim=(10, 4000))
axes.legend()
plt.show()
np.testing.assert_allclose(errors[20:30], 1 / 2, rtol=0, atol=0.02)  # the plateau
assert np.mean(found) > 0.9  # 92 to 96 % with five other seeds

# %% [markdown]
# Every curve rests on a plateau at first, E = 1/2, where all four outputs are 1/2. Then most fall to 0. Some stay at
# 1/4: they have two points right, and answer 1/2 at the other two, as the chapter found, too. But it met only two such
# cases in hundreds of runs, one of which, it says, is escaped at rates of 0.5 and more. At this rate of 0.5 we meet
# **more**, 4 to 8 in a hundred; there are fewer of them with smaller starts, as the picture after the next shows. The
# others, at E = 1/3, have one point right, and give the other three their mean, 2/3 or 1/3.
#
# They are not in a minimum. From every point of weight space there is a path to E = 0 on which the error only falls
# (Sprinkhuizen-Kuyper and Boers, *The local minima of the error surface of the 2-2-1 XOR network*, 1999). They are in
# troughs, whose floors sink towards 1/4 as the weights go to infinity: their error still falls, at every step.

# %%
np.testing.assert_allclose(np.sort(history[-1][stuck], axis=1), [[0, 0.5, 0.5, 1]] * stuck.sum(), rtol=0, atol=0.02)
assert np.all(np.diff(errors[2000:, stuck], axis=0) < 0)
assert np.all(errors[-1, stuck] > 1 / 4)
np.testing.assert_allclose(errors[-1, ~(found | stuck)], 1 / 3, rtol=0, atol=0.01)
one_right = np.sort(history[-1][~(found | stuck)], axis=1)
np.testing.assert_allclose(one_right, [[0, 2 / 3, 2 / 3, 2 / 3]] * len(one_right), rtol=0, atol=0.02)

# %% [markdown]
# ## What the hidden neurons represent
#
# One of the networks that found it. On the left is its output over the plane of the inputs, from 0, blue, to 1,
# yellow; circles are the points that should give 1. On the right are the same four points as the output neuron sees
# them: their coordinates are the outputs of the two hidden neurons. One of these has learned NAND, the other NOR.
# (0, 1) and (1, 0) have come to lie in one place, and a straight line separates that from the other two.

# %% tags=["picture"]
one = {name: array[found][0] for name, array in w.items()}
axis = np.linspace(-0.3, 1.3, 60)
grid = np.array([[x1, x2] for x2 in axis for x1 in axis])
surface = ad.compile(two_layers, rows=[1])(one, grid).reshape(60, 60)
seen = np.array(ad.compile(hidden, rows=[1])(one, np.array(INPUTS)))

fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2), subplot_kw={"aspect": "equal"})
left.contourf(axis, axis, surface, levels=np.linspace(0, 1, 11), cmap="cividis", alpha=0.7)
left.set(xlabel="x₁", ylabel="x₂", title="Output")
right.axline((0, -one["b2"] / one["w2"][1]), slope=-one["w2"][0] / one["w2"][1], color="k")
right.set(xlabel="hidden neuron 1", ylabel="hidden neuron 2", title="Hidden space", xlim=(-0.3, 1.3), ylim=(-0.3, 1.3))
for axes, points in ((left, np.array(INPUTS)), (right, seen)):
    for point, target in zip(points, TARGETS, strict=True):
        axes.plot(*point, "o" if target else "s", color="C1" if target else "C0", markersize=9, markeredgecolor="k")
for i, name in ((0, "(0, 0)"), (1, "(0, 1), (1, 0)"), (3, "(1, 1)")):
    right.annotate(name, seen[i], (0, -15), textcoords="offset points", ha="center")
plt.show()

np.testing.assert_array_equal(np.round(seen), [[1, 1], [1, 0], [1, 0], [0, 0]])
assert np.all(abs(history[-1][found][0] - TARGETS) < 0.05)

# %% [markdown]
# ## Starts, shapes, sizes
#
# The chapter's first solution has **one** hidden neuron, and the inputs go directly to the output, too. For this
# network it is proved that all minima are global (Sprinkhuizen-Kuyper and Boers, *The error surface of the simplest XOR
# network has only global minima*, Neural Computation 8, 1996), so from nearly every start it should learn XOR, given
# time. In 4,000 sweeps nearly all do. Those that do not are still on the plateau, where the starts are small, or
# saturated, where they are large.
#
# With **more** hidden neurons XOR is learned sooner. The chapter reports that the number of presentations until each
# point has an error of 0.01 is 280 - 33 log₂ H for H hidden neurons, on average, at η = 0.25 (Chauvin, page 333). It
# does not say with which starts. With momentum, starts between -1 and 1, and a sweep through all four points for a
# presentation, we measure that, to a tenth, for 4 to 32 neurons. For 2 we measure a third more, and a fifth of the
# starts does not arrive.


# %%
def direct(w, x):
    h = ad.sigmoid(ad.dot(w["w1"], x) + w["b1"])
    return ad.sigmoid(ad.dot(w["direct"], x) + w["w2"] * h + w["b2"])


def share_found(network, shapes, r):
    _, history = train(network, starts(shapes, r, count=200), lr=0.5, sweeps=4000)
    return np.mean(np.all(abs(history[-1] - TARGETS) < 0.5, axis=1))


ranges = [0.3, 0.5, 1.0, 2.0]
one_hidden = {"w1": (2,), "b1": (), "w2": (), "b2": (), "direct": (2,)}
shares = {
    "1 hidden neuron, and direct": [share_found(direct, one_hidden, r) for r in ranges],
    "2 hidden neurons": [share_found(two_layers, shapes_with(2), r) for r in ranges],
}
sizes = np.array([2, 4, 8, 16, 32])
arriving, needed = [], []
for size in sizes:
    _, history = train(two_layers, starts(shapes_with(size), r=1.0, count=100), lr=0.25, sweeps=1500)
    learned = np.all(0.5 * (history - TARGETS) ** 2 < 0.01, axis=2)
    arrived = learned.any(axis=0)
    arriving.append(arrived.mean())
    needed.append(np.mean(1 + learned.argmax(axis=0)[arrived]))
    print(f"{size:2} hidden neurons: {arriving[-1]:4.0%} arrive, after {needed[-1]:3.0f} presentations on average")

fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3))
for name, share in shares.items():
    left.plot(ranges, share, "o-", label=name)
left.set_xscale("log", base=2)
left.set(xlabel="starts between -r and r", ylabel="share that learns XOR", ylim=(0, 1.05))
left.set_xticks(ranges, ranges)
left.legend()
formula = 280 - 33 * np.log2(sizes)
right.plot(sizes, formula, "k--", label="280 - 33 log₂ H")
right.plot(sizes, needed, "C1o-", label="measured")
right.set_xscale("log", base=2)
right.set(xlabel="hidden neurons H", ylabel="presentations", ylim=(0, 400), xticks=sizes, xticklabels=sizes)
right.legend()
plt.show()
assert min(shares["1 hidden neuron, and direct"]) > 0.9  # 94 % with five other seeds
assert shares["2 hidden neurons"] == sorted(shares["2 hidden neurons"], reverse=True)
assert shares["2 hidden neurons"][0] > 0.9 > 0.8 > shares["2 hidden neurons"][-1]
np.testing.assert_allclose(needed[1:], formula[1:], rtol=0.1)  # with three other seeds, too
assert 1.2 < needed[0] / formula[0] < 1.45
assert 0.7 < arriving[0] < 0.9
assert min(arriving[1:]) == 1

# %% [markdown]
# ## Exam scores
#
# Three students slept and studied for so many hours, and had these scores. What will 4 hours of sleep and 8 of study
# bring?
#
# Hours and points are different units, and a sigmoid cannot say 92, so both are **scaled** by their maxima, points by
# 100. The network has three hidden neurons; all neurons are sigmoid, and there are no biases. Its cost is J = ½ Σ
# (y - output)². Its gradient g is **checked** first, against central differences n, by the measure of the series,
# |g - n| / |g + n|, which should be below 1e-8.

# %%
hours, scores = np.array([[2.0, 9.0], [1.0, 5.0], [3.0, 6.0]]), np.array([92.0, 86.0, 89.0])
students = list(zip((hours / hours.max(axis=0)).tolist(), (scores / 100).tolist(), strict=True))
question = [4 / 3, 8 / 9]


def new_model(seed):
    settings = {"bias": False, "init": nn.init.normal(1.0), "rng": random.Random(seed)}
    return nn.Sequential(nn.Layer(2, 3, "sigmoid", **settings), nn.Layer(3, 1, "sigmoid", **settings))


def cost(model, decay=0.0):
    return 0.5 * ad.sum([(y - model(x)) ** 2 for x, y in students]) + nn.l2(model.parameters(), 0.5 * decay)


def central_difference(f, p, h=1e-4):
    here = p.data
    p.data = here + h
    above = f().data
    p.data = here - h
    below = f().data
    p.data = here
    return (above - below) / (2 * h)


model = new_model(seed=0)
cost(model).backward()
g = np.array([p.grad for p in model.parameters()])
n = np.array([central_difference(lambda: cost(model), p) for p in model.parameters()])
assert np.linalg.norm(g - n) / np.linalg.norm(g + n) < 1e-8

# %% [markdown]
# BFGS, which builds up an estimate of the Hessian from the gradients that it meets, brings J to 0: the network says 92,
# 86 and 89. It also says what (4, 8) will bring. But it has nine weights and has seen three students. Forty starts give
# forty networks that all fit to a thousandth of a point, and **do not agree** on the fourth student.
#
# The series adds ½ λ |w|² to the cost, with λ = 0.0001 (and takes the mean in J, where we take the sum). Then the fit
# is off by 2 points at most, and there are two minima left, with two answers. With ten times that λ there is one: all
# starts agree.

# %%
decays, answers, misses = (0.0, 1e-4, 1e-3), [], []
for decay in decays:
    models = [new_model(seed) for seed in range(40)]
    for model in models:
        nn.minimize(model, lambda model, decay=decay: cost(model, decay), "BFGS", tol=1e-9)
    answers.append(np.array([100 * model(question).data for model in models]))
    misses.append(max(100 * abs(y - model(x).data) for model in models for x, y in students))
    low, high = min(answers[-1]), max(answers[-1])
    print(f"λ = {decay:<6g}  (4, 8): {low:.2f} to {high:.2f}  off the three scores by {misses[-1]:.2f} at most")

fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3))
slept, studied = np.linspace(0, 5, 40), np.linspace(0, 10, 40)
grid = np.array([[a / 3, b / 9] for b in studied for a in slept])
lines = left.contour(
    slept, studied, 100 * nn.predict(models[0], grid).reshape(40, 40), levels=range(83, 93), colors="0.55"
)
left.clabel(lines, fontsize=8)
left.plot(*hours.T, "C1o", markersize=7)
for place, score in zip(hours, scores, strict=True):
    left.annotate(f"{score:.0f}", place, (5, 4), textcoords="offset points", color="C1", fontsize=12)
left.plot(4, 8, "k*", markersize=10)
left.set(xlabel="hours slept", ylabel="hours studied", title="Predicted score, λ = 0.001")
jitter = np.random.default_rng(0).uniform(-0.2, 0.2, 40)
for i, answer in enumerate(answers):
    right.plot(i + jitter, answer, "o", alpha=0.6)
right.set(
    xticks=range(3), xticklabels=[f"λ = {decay:g}" for decay in decays], ylabel="score at (4, 8)", title="Forty starts"
)
plt.show()

assert misses[0] < 0.001  # one of 200 other starts ended 1.4 points off
assert misses[1] < 2
assert np.ptp(answers[0]) > 2  # 3 to 10 points with 40 other starts, five times
np.testing.assert_array_equal(np.unique(answers[1].round(2)), [90.85, 91.13])
np.testing.assert_allclose(answers[2], 90.3544, rtol=0, atol=1e-3)

# %% [markdown]
# ## Where to go on
#
# [Reading digits](05_digits.ipynb) goes on with hundreds of pictures in place of four rows. How scipy's minimisers are
# given exact gradients is in [Use scipy](../how_to/use_scipy.md).
