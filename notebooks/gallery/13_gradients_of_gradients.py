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
# # Gradients of gradients
#
# Newton's and Halley's methods with their error constants, Newton's fractal basins, a network's Hessian spectrum by
# Lanczos, the edge of stability, and a critic trained through its own gradient.
#
# A gradient is arithmetic, too, so it has a gradient. What that buys is the subject of some classics. Sources: Newton,
# *De methodis fluxionum*, 1671 (see Ypma, *Historical development of the Newton-Raphson method*, 1995); Halley, *A new,
# exact and easy method of finding the roots of equations*, 1694; Cayley, *The Newton-Fourier imaginary problem*, 1879;
# Dauphin et al., *Identifying and attacking the saddle point problem in high-dimensional non-convex optimization*,
# 2014; Pearlmutter, *Fast exact multiplication by the Hessian*, 1994; Cohen et al., *Gradient descent on neural
# networks typically occurs at the edge of stability*, 2021; Sagun et al., *Empirical analysis of the Hessian of
# over-parametrized neural networks*, 2017; Gulrajani et al., *Improved training of Wasserstein GANs*, 2017.

# %%
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, make_moons

import autodiff as ad
import nn
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Newton and Halley: two and three times the digits
#
# Newton's own example is x³ - 2x - 5 = 0, from 2. His first correction is 0.1, his second -0.0054. If e is the error
# before a step, that after it is close to C e², where C = f''/(2f') at the root: the number of right digits doubles.
# Halley's method uses f'' as well and leaves D e³, where D = (f''/(2f'))² - f'''/(6f'): it triples. These constants,
# too, are made of derivatives of derivatives, up to the third order.


# %%
def cubic(x):
    return x**3 - 2 * x - 5


slope = ad.grad(cubic)
bend = ad.grad(slope)
twist = ad.grad(bend)


def newton(x):
    return x - cubic(x) / slope(x)


def halley(x):
    return x - 2 * cubic(x) * slope(x) / (2 * slope(x) ** 2 - cubic(x) * bend(x))


ROOT = 2.0945514815423265
c = bend(ROOT) / (2 * slope(ROOT))
d = c**2 - twist(ROOT) / (6 * slope(ROOT))
assert newton(2.0) == 2.1
assert f"{newton(2.1) - 2.1:.4f}" == "-0.0054"

for method, steps, order, constant in ((newton, 3, 2, c), (halley, 2, 3, d)):
    x = [2.0]
    for _ in range(steps):
        x.append(method(x[-1]))
    errors = np.array(x) - ROOT
    ratios = errors[1:] / errors[:-1] ** order
    print(f"{method.__name__}: errors", *[f"{error:.1e}" for error in errors], end="; ")
    print(f"each over the one before to the {order}:", *[f"{r:.4f}" for r in ratios], f"; predicted {constant:.4f}")
    assert abs(ratios[-1] / constant - 1) < 0.001

# %% [markdown]
# ## In the plane: fractal basins, and saddles
#
# To find where a gradient g is 0, Newton's method steps by -H⁻¹g, with H the Hessian. Take the real part of z⁴/4 - z as
# a function of x and y. Its gradient is 0 at the three cube roots of 1, and the step **is** the one for z³ = 1 in
# complex numbers, so the basins are the fractal that Cayley asked about. All three points are saddles, with eigenvalues
# 3 and -3, and Newton's method goes to them all the same: it looks for level ground, not for low ground. Dauphin et al.
# warn of this for the training of networks. In the picture a darker shade means fewer steps.


# %%
def height(p):
    x, y = p
    return (x**4 - 6 * x**2 * y**2 + y**4) / 4 - x


gradient_and_hessian = ad.compile(lambda p: (ad.grad(height)(p), ad.hessian(height)(p)), rows=0)
ROOTS = np.array([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
for root in ROOTS:
    np.testing.assert_allclose(np.linalg.eigvalsh(ad.hessian(height)(root)), [-3, 3], rtol=1e-12)

axis = np.linspace(-1.5, 1.5, 300)  # without 0, where the Hessian is
points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
z = points @ [1, 1j]
steps = np.zeros(len(points))
for k in range(100):  # of which the slowest start needs 45
    g, h = gradient_and_hessian(points)
    points = points - np.linalg.solve(h, g[:, :, None])[:, :, 0]
    if k == 0:
        np.testing.assert_allclose(points @ [1, 1j], z - (z**3 - 1) / (3 * z**2), rtol=1e-9)
    steps += np.linalg.norm(g, axis=1) > 1e-6
distances = np.linalg.norm(points[:, None] - ROOTS, axis=2)
assert distances.min(axis=1).max() < 1e-12

fig, axes = plt.subplots(figsize=(4.2, 4))
colours = plt.get_cmap("tab20c")(4 * distances.argmin(axis=1) + np.digitize(steps, [6, 9, 13]))
axes.imshow(colours.reshape(300, 300, 4), extent=(-1.5, 1.5, -1.5, 1.5), origin="lower")
axes.plot(*ROOTS.T, "*", color="0.1", markersize=10)  # dark on the picture, which stays
axes.set(xlabel="x", ylabel="y", title="The saddle that Newton's method finds")
plt.show()

# %% [markdown]
# ## Products with the Hessian, exactly
#
# A network with n parameters has n² second derivatives. The product of the Hessian and a vector v is the derivative of
# the gradient along v. Pearlmutter computes it exactly, for the price of a few gradients, whatever n is. The network
# below reads digits of 4 × 4 pixels. It has 280 parameters, all in one vector, few enough to compare with the whole H.

# %%
pictures, digits = load_digits(return_X_y=True)
X = pictures[:200].reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16) / 16  # 2 × 2 pixels become one
X -= X.mean(axis=0)
Y = np.eye(10)[digits[:200]]
PIXELS, HIDDEN = 16, 10
SPLIT = HIDDEN * (PIXELS + 1)


def outputs(w, x):
    """Return the ten outputs for one picture; the first weight of each neuron is its bias."""
    hidden = [ad.tanh(row[0] + ad.dot(row[1:], x)) for row in w[:SPLIT].reshape(HIDDEN, PIXELS + 1)]
    return [row[0] + ad.dot(row[1:], hidden) for row in w[SPLIT:].reshape(10, HIDDEN + 1)]


def loss(w, x, target):
    return ad.sum([(output - t) ** 2 for output, t in zip(outputs(w, x), target, strict=True)]) / 2


value_and_slopes = ad.compile(ad.value_and_grad(loss), rows=(1, 2), reduce="mean")
times_hessian = ad.compile(ad.hvp(loss), rows=(1, 2), reduce="mean")
hessian = ad.compile(ad.hessian(loss), rows=(1, 2), reduce="mean")


def start(seed):
    rng = np.random.default_rng(seed)
    w1, w2 = rng.normal(0, 0.25, (HIDDEN, PIXELS + 1)), rng.normal(0, 0.1, (10, HIDDEN + 1))
    w1[:, 0] = w2[:, 0] = 0
    return np.concatenate([w1.ravel(), w2.ravel()])


w, v = start(0), np.random.default_rng(1).normal(size=280)
exact = times_hessian(w, X, Y, v)
np.testing.assert_allclose(exact, hessian(w, X, Y) @ v, rtol=0, atol=1e-13)


def slope_of_slopes(h):
    return (value_and_slopes(w + h * v, X, Y)[1] - value_and_slopes(w - h * v, X, Y)[1]) / (2 * h)


differences = []
print("h       relative difference of the product from a quotient of gradients")
for h in 10.0 ** np.arange(-8, -2):
    differences.append(np.linalg.norm(slope_of_slopes(h) - exact) / np.linalg.norm(exact))
    print(f"{h:.0e}   {differences[-1]:.0e}")
assert 1e-12 < min(differences) < 1e-9  # no h gives the quotient all the digits that the product has

of_product = min(repeat(lambda: times_hessian(w, X, Y, v), number=20))
of_gradient = min(repeat(lambda: value_and_slopes(w, X, Y), number=20))
print(f"a product takes {of_product / of_gradient:.0f} gradients' time")
assert of_product < 20 * of_gradient

# %% [markdown]
# ## The edge of stability
#
# On a quadratic with the largest curvature λ, descent at a rate lr above 2/λ diverges. Cohen et al. watched λ, the
# **sharpness**, while networks were trained by full-batch gradient descent. They found that it rises by itself until it
# is 2/lr, and then hovers right at that or just above; the loss goes up and down from step to step, and yet falls in
# the long run. So it is the rate that chooses the sharpness. λ comes from Lanczos' method, scipy's `eigsh`, which asks
# for nothing but products.


# %% tags=["picture"]
def largest_eigenvalues(w, count):
    matrix = LinearOperator((280, 280), matvec=lambda v: times_hessian(w, X, Y, v.ravel()), dtype=float)
    return eigsh(matrix, k=count, which="LA", v0=np.ones(280), return_eigenvectors=False)


def descend(w, lr, steps, every):
    """Return the weights at the end, the loss of each step, and the sharpness of some."""
    losses, sharpness = [], []
    for step in range(steps):
        value, slopes = value_and_slopes(w, X, Y)
        losses.append(value)
        if step % every == 0:
            sharpness.append(largest_eigenvalues(w, 1)[0])
        w = w - lr * slopes
    return w, np.array(losses), np.array(sharpness)


fig, axes = plt.subplots(figsize=(4.2, 2.9))
for i, lr in enumerate([0.4, 0.6, 0.8]):
    _, losses, sharpness = descend(start(0), lr, steps=6000, every=50)
    ratio, rises = sharpness[60:].mean() / (2 / lr), np.mean(np.diff(losses) > 0)
    print(f"lr {lr}: {ratio:.3f} of 2/lr; {rises:.0%} of steps upwards; loss {losses[0]:.3f} to {losses[-1]:.3f}")
    assert sharpness[0] < 0.6 * 2 / lr
    assert 0.97 < ratio < 1.06  # of three seeds and three rates, from 1.00 to 1.03
    assert rises > 0.05
    assert losses[-1] < 0.3 * losses[0]
    axes.plot(50 * np.arange(len(sharpness)), sharpness, f"C{i}")
    axes.axhline(2 / lr, color=f"C{i}", linestyle=":")
    axes.text(6000, 2 / lr - 0.15, f"lr = {lr}", color=f"C{i}", ha="right", va="top", fontsize=12)
axes.set(xlabel="step", ylabel="sharpness λ", ylim=(0, 6), title="The sharpness rises to 2 / lr (dotted)")
plt.show()

# %% [markdown]
# ## The spectrum of a trained network
#
# Sagun et al. found that most eigenvalues of a trained network's Hessian are nearly 0, and that about as many as there
# are classes stand out. For squared error one can see which: H is nearly the mean of JᵀJ over the pictures, where J,
# the Jacobian of the outputs, has ten rows. The rows of the mean J span ten directions, and the ten leading
# eigenvectors of H nearly span the same. Here is all of H, by `ad.hessian` compiled for one picture and averaged over
# 200; the twelve largest eigenvalues by products alone; and the squared singular values of the mean J.

# %%
trained, losses, _ = descend(start(0), 0.2, steps=2000, every=2000)
matrix = hessian(trained, X, Y)
spectrum = np.linalg.eigvalsh(matrix)[::-1]
lanczos = np.sort(largest_eigenvalues(trained, 12))[::-1]
np.testing.assert_allclose(lanczos, spectrum[:12], rtol=1e-10)
np.testing.assert_array_equal(matrix, matrix.T)
ratios = spectrum[:20] / spectrum[1:21]
assert np.argmax(ratios) == 9  # the widest gap is after the tenth, from each of six seeds
assert np.median(abs(spectrum)) < 0.01 * spectrum[0]

jacobians = ad.compile(ad.jacobian(outputs), rows=1)(trained, X)  # 200 of 10 × 280
gauss_newton = np.mean(jacobians.transpose(0, 2, 1) @ jacobians, axis=0)
assert np.linalg.norm(matrix - gauss_newton) < 0.02 * np.linalg.norm(matrix)
_, stretches, directions = np.linalg.svd(jacobians.mean(axis=0), full_matrices=False)
cosines = np.linalg.svd(directions @ np.linalg.eigh(matrix)[1][:, -10:])[1]  # of the principal angles
print(f"between the ten directions of the mean J and those of H the least cosine is {cosines.min():.4f}")
assert cosines.min() > 0.99  # from six seeds at least 0.994

fig, axes = plt.subplots(figsize=(6, 3))
axes.plot(np.arange(1, 281), spectrum, ".", label="all 280, of the Hessian")
axes.plot(np.arange(1, 13), lanczos, "o", color="C1", markersize=9, fillstyle="none", label="12, by Lanczos")
axes.plot(np.arange(1, 11), stretches**2, "+", color="C2", markersize=9, label="10, of the mean J")
axes.axvline(10.5, color="0.7", linestyle=":", linewidth=1)
axes.set(xlabel="rank", ylabel="eigenvalue of H", xscale="log", title="Ten stand out, one for each output")
axes.legend()
plt.show()

# %% [markdown]
# ## Training through a gradient: the Wasserstein critic
#
# The Wasserstein distance W of two sets of points is the least mean distance over which one can be carried onto the
# other. It is also the largest difference of means, E f(a) - E f(b), of any function f that nowhere rises more steeply
# than 1. Gulrajani et al. train a network as f, the **critic**, with a penalty λ (|∇f| - 1)² at points between the two
# sets (equation 3), so that each step is a gradient through a gradient. In a module `ad.grad(self.net)` is a layer like
# any other, and `nn.fit` compiles both orders into one program. By their proposition 1, the best f rises straight from
# b to a along the best pairs.
#
# The penalty leaves a bias, which can be derived. Let f be the best function times s: of sW - λ (s - 1)² the best s is
# 1 + W/(2λ), so that is the steepness to expect, not 1. And whatever else a network can do, it can scale its last
# layer; where that no longer pays, E f(a) - E f(b) = 2λ E (|∇f| - 1) |∇f|. W is known here: the sets are two moons of
# 100 points, and `linear_sum_assignment` finds the best pairs.


# %%
class Critic(nn.Module):
    def __init__(self, seed):
        self.net = nn.MLP(2, [32, 32, 1], activation="tanh", seed=seed)

    def __call__(self, row):
        """Return how much higher the first point is than the second, and the steepness at the third."""
        return [self.net(row[:2]) - self.net(row[2:4]), ad.norm(ad.grad(self.net)(row[4:]))]


def trained_critic(penalty, seed=0):
    critic = Critic(seed)
    nn.fit(
        critic, rows, np.zeros(len(rows)),
        loss=lambda outputs, _: -outputs[0] + penalty * (outputs[1] - 1) ** 2,
        optimizer=nn.optim.Adam(critic.parameters()),
        schedule=nn.schedules.cosine(0.01, duration=20),
        epochs=20, batch_size=100, progress=False,
    )  # fmt: skip
    return critic


def height_difference(critic):
    return nn.predict(critic.net, upper).mean() - nn.predict(critic.net, lower).mean()


points, labels = make_moons(200, noise=0.05, random_state=0)
upper, lower = points[labels == 0], points[labels == 1]
costs = cdist(upper, lower)
i, j = linear_sum_assignment(costs)
wasserstein = costs[i, j].mean()

rng = np.random.default_rng(0)
a, b = upper[rng.integers(100, size=4000)], lower[rng.integers(100, size=4000)]
u = rng.uniform(size=(4000, 1))
rows = np.hstack([a, b, u * a + (1 - u) * b])
critics = {penalty: trained_critic(penalty) for penalty in (0, 3, 10, 100)}
print(f"W = {wasserstein:.4f}; without a penalty the difference grows to {height_difference(critics[0]):.0f}")
assert height_difference(critics[0]) > 10 * wasserstein
for penalty in (3, 10, 100):
    differences, steepness = nn.predict(critics[penalty], rows).T
    predicted = 1 + wasserstein / (2 * penalty)
    estimate = height_difference(critics[penalty]) / steepness.mean()
    print(f"λ = {penalty:3}: steepness {steepness.mean():.4f}, predicted {predicted:.4f}; W estimated {estimate:.3f}")
    assert abs(steepness.mean() / predicted - 1) < 0.01  # of nine runs the furthest was off by 0.2 %
    assert abs(2 * penalty * np.mean((steepness - 1) * steepness) / differences.mean() - 1) < 0.03
    assert abs(estimate / wasserstein - 1) < 0.06  # by 3.5 %

# %%
critic = critics[10]
uphill = ad.compile(ad.grad(critic.net), rows=0)((upper[i] + lower[j]) / 2)
ways = upper[i] - lower[j]
cosines = np.sum(uphill * ways, axis=1) / np.linalg.norm(uphill, axis=1) / np.linalg.norm(ways, axis=1)
print(f"cosine between the slope and the way of a pair: {cosines.mean():.3f}, the least {cosines.min():.3f}")
assert cosines.min() > 0.9

xs, ys = np.meshgrid(np.linspace(-1.4, 2.4, 60), np.linspace(-0.9, 1.4, 40))
f = nn.predict(critic.net, np.stack([xs, ys], axis=-1).reshape(-1, 2)).reshape(xs.shape)
fig, axes = plt.subplots(figsize=(6, 3.2))
axes.contour(xs, ys, f, 24, colors="0.5", alpha=0.5, linewidths=0.8)
axes.plot([upper[i, 0], lower[j, 0]], [upper[i, 1], lower[j, 1]], "k", linewidth=0.3)
axes.plot(*upper.T, "o", label="a")
axes.plot(*lower.T, "o", label="b")
axes.set(xlabel="x", ylabel="y", aspect="equal", title="Level lines of the critic are crossed by the best pairs")
axes.legend()
plt.show()

# %% [markdown]
# ## Where to go on
#
# [Other ways than backpropagation](14_other_ways.ipynb) learns without the gradient. Second derivatives from their
# beginning, with the graph of a gradient drawn, are in [Second derivatives](../second_order.ipynb).
