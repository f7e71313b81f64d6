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
# # One neuron, three rules
#
# A neuron learns to tell 0 from 1 by the perceptron, the delta rule and logistic regression, and the theorem of each
# is checked: Novikoff's bound on mistakes, least squares, maximum likelihood.
#
# The score of a neuron is w · x + b, the weighted sum of its inputs plus a bias; the sign of the score is its answer.
# Three classic rules find the weights. Each lowers a loss of its own, and each has a theorem:
#
# - **The perceptron** (Rosenblatt, *The perceptron*, Psychological Review 65, 1958) finds a line that separates the
#   classes, where there is one, after at most (R / γ)² mistakes (Novikoff, *On convergence proofs on perceptrons*,
#   1962).
# - **The delta rule** (Widrow and Hoff, *Adaptive switching circuits*, 1960) tends to the least-squares solution.
# - **Logistic regression** (Cox, *The regression analysis of binary sequences*, 1958) tends to maximum likelihood.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from scipy.optimize import nnls
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import autodiff as ad
import nn
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Zeros and ones
#
# There are 360 pictures of the digits 0 and 1, of 8 × 8 pixels. To have something that can be drawn, take two numbers
# of each: how much ink is in the middle, where a 0 has its hole, and how much in the third column, where a 0 has its
# left side. The class y is -1 for a 0, and 1 for a 1.

# %%
pixels, digits = load_digits(n_class=2, return_X_y=True)
order = np.random.default_rng(0).permutation(len(digits))
pixels, y = pixels[order] / 16, 2.0 * digits[order] - 1
pictures = pixels.reshape(-1, 8, 8)
ink = np.column_stack([pictures[:, 2:6, 3:5].mean(axis=(1, 2)), pictures[:, :, 2].mean(axis=1)])
ink /= ink.max(axis=0)


def scatter(axes):
    for label, marker, colour, text in ((-1, "o", "C0", (0.2, 0.94, "zeros")), (1, "s", "C1", (0.42, 0.04, "ones"))):
        axes.plot(*ink[y == label].T, marker, color=colour, markersize=3.5, alpha=0.6, rasterized=True)
        axes.text(*text, color=colour, fontsize=12)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xlabel="ink in the middle", ylabel="ink in the third column")


def augmented(inputs, labels):
    """The samples y (x, 1): their products with the parameters (w, b) are y · score, above 0 where that is right."""
    return labels[:, None] * np.column_stack([inputs, np.ones(len(inputs))])


# %% [markdown]
# ## The perceptron
#
# Show the neuron one sample after the other. Where its answer is right, leave it alone; where it is wrong, that is
# y · score ≤ 0, add y x to the weights and y to the bias. That is a step of size 1 against the gradient of -y · score,
# which `backward()` finds. Go on until a whole sweep has had no mistake.


# %%
def perceptron(inputs, labels, bias=True):
    """Rosenblatt's rule, from zero, until a sweep has no mistake: the parameters after each mistake."""
    neuron = nn.Neuron(len(inputs[0]), "linear", init="zeros", bias=bias)
    sgd = nn.optim.SGD(neuron.parameters(), lr=1.0)
    path, before = [], -1
    while len(path) > before:
        before = len(path)
        for x, label in zip(inputs, labels, strict=True):
            score = neuron(x)
            if label * score.data <= 0:
                sgd.zero_grad()
                (-label * score).backward()
                sgd.step()
                path.append([p.data for p in neuron.parameters()])
    return np.array(path)


path = perceptron(ink, y)
samples = augmented(ink, y)
assert np.all(samples @ path[-1] > 0)  # all are right

# %% [markdown]
# The line where the score is 0, after each mistake, faint at first; the thick one is the last.

# %% tags=["picture"]
fig, axes = plt.subplots(figsize=(4.8, 3.4))
scatter(axes)
for age, (w1, w2, b) in zip(np.linspace(0, 1, len(path)), path, strict=True):
    if w2:  # else the line is upright, or there is none
        axes.axline((0, -b / w2), slope=-w1 / w2, color="k", alpha=0.6 * age**2, linewidth=0.8)
axes.axline((0, -b / w2), slope=-w1 / w2, color="k", linewidth=2.5)
axes.set_title(f"A perceptron learns from {len(path)} mistakes")
plt.show()

# %% [markdown]
# ### Novikoff's bound
#
# Write x̂ for (x, 1), and w for weights and bias together. Let R be the length of the longest x̂, and u a vector of
# length 1 that separates the classes with **margin** γ: y u · x̂ ≥ γ for all samples. A mistake adds y x̂ to w. So
# u · w grows by at least γ. And |w|² grows by |x̂|² + 2 y w · x̂, which is at most R², because y w · x̂ ≤ 0 is what a
# mistake means. After k mistakes
#
# $$k \gamma \;\le\; u \cdot w \;\le\; |w| \;\le\; \sqrt{k}\, R, \qquad\text{so that}\qquad k \le (R / \gamma)^2.$$
#
# The u of the largest margin gives the best bound. It points from the origin to the nearest point of the convex hull of
# the y x̂, which non-negative least squares finds. Every inequality holds, after every mistake:


# %%
def largest_margin(samples):
    """The u of length 1 whose smallest product with a sample is largest, and that product."""
    shares, _ = nnls(np.vstack([samples.T, np.ones(len(samples))]), [0.0] * samples.shape[1] + [1.0])
    nearest = shares @ samples / shares.sum()
    u = nearest / np.linalg.norm(nearest)
    margin = np.min(samples @ u)
    assert abs(margin - np.linalg.norm(nearest)) < 1e-12  # no margin is larger than the distance of the hull
    return u, margin


u, margin = largest_margin(samples)
R = np.linalg.norm(samples, axis=1).max()
k = np.arange(1, len(path) + 1)
chain = {"k γ": k * margin, "u · w": path @ u, "|w|": np.linalg.norm(path, axis=1), "√k R": np.sqrt(k) * R}
assert np.all(np.diff(list(chain.values()), axis=0) >= 0)
assert len(path) <= (R / margin) ** 2
assert abs((R / margin) ** 2 - 2097.5) < 0.1
print(f"{len(path)} mistakes, at most {(R / margin) ** 2:,.1f} by the theorem")

fig, axes = plt.subplots(figsize=(6.4, 2.8))
for (name, lengths), style in zip(chain.items(), ("C1--", "C1", "C0", "C0--"), strict=True):
    axes.loglog(k, lengths, style, label=name)
axes.set(xlabel="mistakes k", title="Novikoff's proof in numbers")
axes.legend(reverse=True)
plt.show()

# %% [markdown]
# The bound is generous here, but it cannot be improved. Let each of n samples have one input that is 1, a different one
# each time, and the others 0, and let the neuron have no bias. Then what it learns from one sample says nothing about
# the next. It makes n mistakes, one for each sample, and (R / γ)² is n.

# %%
inputs, labels = np.eye(20), np.random.default_rng(0).choice([-1.0, 1.0], size=20)
mistakes = len(perceptron(inputs, labels, bias=False))
assert mistakes == 20
assert abs(largest_margin(labels[:, None] * inputs)[1] ** -2 - mistakes) < 1e-10

# %% [markdown]
# ## The delta rule
#
# Where no line separates the classes, the perceptron never comes to rest. The delta rule takes the score itself for the
# output, and lowers the mean of (score - y)² over all samples, right or wrong. As a function of the weights that is a
# paraboloid; its lowest point is the **least-squares solution**. A step on all n samples at once, at rate η, multiplies
# the distance to it by 1 - 2 η λ along each eigenvector of XᵀX / n with eigenvalue λ, where the rows of X are the x̂.
# With η = 1 / (2 λmax) one step is enough in the steepest direction, and in the flattest one a step leaves 1 - λmin /
# λmax of the distance.
#
# With one sample at a time, as the rule was first built, each sample pulls the weights its own way, and at a constant
# rate they never settle. A smaller rate brings them nearer, and one that falls as 1 / t lets them converge (Robbins and
# Monro, *A stochastic approximation method*, 1951).

# %%
X = np.column_stack([ink, np.ones(len(y))])
solution = np.linalg.lstsq(X, y, rcond=None)[0]
slowest, _, steepest = np.linalg.eigvalsh(X.T @ X / len(y))


def delta_rule(lr, epochs, **settings):
    """Gradient descent on the squared error: the parameters after each epoch."""
    neuron, path = nn.Neuron(2, "linear", init="zeros"), []
    note = [lambda event: path.append([p.data for p in neuron.parameters()])]
    sgd = nn.optim.SGD(neuron.parameters(), lr=lr)
    nn.fit(neuron, ink, y, loss=nn.mse, optimizer=sgd, epochs=epochs, callbacks=note, progress=False, **settings)
    return np.array(path)


runs = {
    "all samples at once": delta_rule(0.5 / steepest, 2000, batch_size=None),
    "one by one, η = 0.02": delta_rule(0.02, 100, batch_size=1),
    "one by one, η = 0.005": delta_rule(0.005, 100, batch_size=1),
    "one by one, η falls as 1 / t": delta_rule(0.1, 100, batch_size=1, schedule=lambda t: 0.1 / (1 + t)),
}
distances = {name: np.linalg.norm(path - solution, axis=1) for name, path in runs.items()}
fig, axes = plt.subplots()
for name, distance in distances.items():
    axes.semilogy(distance[:500], label=name)
axes.set(xlabel="epoch", ylabel="distance from least squares")
axes.legend()
plt.show()

batch, *one_by_one = distances.values()
large, small, falling = (distance[50:].mean() for distance in one_by_one)
np.testing.assert_allclose(runs["all samples at once"][-1], solution, rtol=0, atol=1e-11)
assert abs((batch[400] / batch[300]) ** 0.01 - (1 - slowest / steepest)) < 1e-10
assert falling < small / 3 < large / 6  # so with nine other seeds, too
assert np.sum(samples @ solution <= 0) == 1

# %% [markdown]
# The last assertion shows a weakness: there are lines that separate all samples, but the least-squares line gets one
# wrong. For a target of 1 it counts a score of 3 as no better than one of -1, so samples that are right anyway pull on
# it, too.
#
# ## Logistic regression
#
# The third rule takes the sigmoid σ of the score for the probability of a 1, and minimises -log of the probability of
# the right answer. Then a sample that is clearly right costs little, and one that is wrong pulls with limited force:

# %%
rules = {  # loss, and output
    "perceptron": (lambda score, y: ad.relu(-y * score), np.sign),
    "delta rule": (lambda score, y: (y - score) ** 2 / 4, lambda score: score),
    "logistic": (lambda score, y: ad.softplus(-y * score), lambda score: np.tanh(score / 2)),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.8))
scores = np.linspace(-3, 3, 120)
for name, (loss, output) in rules.items():
    slopes = {target: np.array([ad.grad(loss)(score, target) for score in scores]) for target in (-1.0, 1.0)}
    for target, slope in slopes.items():
        np.testing.assert_allclose(slope, (output(scores) - target) / 2, rtol=0, atol=1e-15)
    left.plot(scores, [loss(score, 1.0) for score in scores], label=name)
    right.plot(scores, slopes[1.0], label=name)
left.set(xlabel="score, where y = 1", title="Loss of a sample")
right.set(xlabel="score, where y = 1", title="Its slope")
left.legend()
plt.show()

# %% [markdown]
# The slope in the score is half of **output minus target** under all three rules; the cell has asserted it. The output
# is the sign of the score, the score, or 2 σ(score) - 1 = tanh(score / 2), and the gradient in the weights is the slope
# times x. One rule, three activations.
#
# Where a line separates the classes the likelihood has no maximum: doubling the weights always raises it. So one adds
# λ |w|² to the mean loss. On all 64 pixels, with λ = 1 / 2n, which is scikit-learn's C = 1, Newton's method with the
# engine's second derivatives finds scikit-learn's coefficients.


# %%
def logistic_regression(inputs, labels, penalty):
    """The neuron that minimises the mean logistic loss plus the penalty, a function of the neuron."""

    def loss(neuron, x, target):
        return nn.binary_cross_entropy_with_logits(neuron(x), target) + penalty(neuron)

    neuron = nn.Neuron(len(inputs[0]), "linear", init="zeros")
    nn.minimize(neuron, loss, "trust-ncg", tol=1e-12, data=(inputs, (labels + 1) / 2))
    return neuron


found = logistic_regression(pixels, y, lambda neuron: nn.l2(neuron.w, 0.5 / len(y)))
reference = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12).fit(pixels, y)
np.testing.assert_allclose([w.data for w in found.w], reference.coef_[0], rtol=0, atol=1e-10)
np.testing.assert_allclose(found.b.data, reference.intercept_[0], rtol=0, atol=1e-10)

# %% [markdown]
# As λ goes to 0 the weights grow, and their direction tends to that of the **largest margin**, Novikoff's u (Rosset,
# Zhu and Hastie, *Margin maximizing loss functions*, 2003). The bias belongs to the penalty here, as it does to |u|.

# %%
angles = []
for penalty in (1e-3, 1e-6, 1e-9, 1e-12):
    neuron = logistic_regression(ink, y, lambda neuron, penalty=penalty: nn.l2(neuron.parameters(), penalty))
    w = np.array([p.data for p in neuron.parameters()])
    length = np.linalg.norm(w)
    angles.append(np.degrees(np.arccos(w @ u / length)))
    print(f"λ = {penalty:.0e}  |w, b| = {length:5.1f}  {angles[-1]:.3f} degrees from u")
assert angles == sorted(angles, reverse=True)
assert angles[-1] < 0.1

# %% [markdown]
# ## What a neuron looks for
#
# All three rules on the 64 pixels, with 240 pictures to learn from. A neuron has a weight for each pixel, so its
# weights are a picture: ink on blue speaks for a 1, ink on orange for a 0.

# %%
shown, labels = pixels[:240], y[:240]
path = perceptron(shown, labels)
linear = nn.Neuron(64, "linear", init="zeros")
sgd = nn.optim.SGD(linear.parameters(), lr=0.01)
nn.fit(linear, shown, labels, loss=nn.mse, optimizer=sgd, epochs=100, progress=False)
logistic = logistic_regression(shown, labels, lambda neuron: nn.l2(neuron.w, 0.5 / len(shown)))
found = {"perceptron": path[-1]}
for name, neuron in (("delta rule", linear), ("logistic", logistic)):
    found[name] = np.array([p.data for p in neuron.parameters()])

fig, panels = plt.subplots(1, 5, figsize=(6.4, 1.6))
for axes, label in zip(panels, (-1, 1), strict=False):
    axes.imshow(pictures[y == label][0])
signs = LinearSegmentedColormap.from_list("signs", ["C1", "white", "C0"])
for axes, (name, w) in zip(panels[2:], found.items(), strict=True):
    axes.imshow(w[:64].reshape(8, 8), cmap=signs, vmin=-abs(w).max(), vmax=abs(w).max())
for axes, title in zip(panels, ("a 0", "a 1", *found), strict=True):
    axes.set_title(title)
    axes.axis("off")
plt.show()

# %% [markdown]
# All three look for ink in the middle and none around it, and read the other 120 pictures without a mistake. In 64
# dimensions there is more room between the classes than in 2: Novikoff's bound is 57 instead of 2,097.

# %%
samples = augmented(pixels, y)
right = {name: np.mean(samples[240:] @ w > 0) for name, w in found.items()}
bound = np.sum(samples[:240] ** 2, axis=1).max() / largest_margin(samples[:240])[1] ** 2
print(*[f"{name}: {share:.1%} right." for name, share in right.items()])
print(f"perceptron: {len(path)} mistakes, at most {bound:.1f} by the theorem")
assert min(right.values()) == 1  # 97.5 % at least with seven other splits
assert len(path) <= bound < 57

# %% [markdown]
# ## Where to go on
#
# [XOR and exam scores](04_xor.ipynb) begins with what no single neuron can learn. How networks of many are trained, and
# looked into, is in [Train a network](../03_train_an_mlp.ipynb).
