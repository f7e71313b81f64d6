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
# # Second derivatives
#
# You know gradients: they say which way is down. Second derivatives say how the ground bends, and with that how far to
# walk. After this notebook you will be able to differentiate a gradient, minimise with Newton's method, use the
# curvature of functions whose table of second derivatives is too large to write down, and say in advance which learning
# rates make gradient descent fail. It runs in well under a minute.

# %%
from itertools import pairwise
from math import cos, sin
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import autodiff as ad
from autodiff import Value
from autodiff.show import exercise, follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## A gradient is a graph, too
#
# `backward()` leaves numbers behind. `ad.gradient(y, x)` gives the same number as a `Value`: the arithmetic of the
# chain rule has been recorded, as any arithmetic is. Here is the graph of y = x sin x, and then, drawn from top to
# bottom, that of its derivative.

# %%
x = Value(2.0, "x")
y = x * ad.sin(x)
y.label = "y"
ad.draw(y)

# %%
dy = ad.gradient(y, x)
dy.label = "dy/dx"
ad.draw(dy, direction="TB")

# %% [markdown]
# It is sin x + x cos x, the product rule. And as it is a graph that starts at `x`, it can be differentiated again, as
# often as you like.

# %%
ddy = ad.gradient(dy, x)
print("dy/dx   ", dy.data, "  by hand", sin(2) + 2 * cos(2))
print("d²y/dx² ", ddy.data, " by hand", 2 * cos(2) - 2 * sin(2))

# %% [markdown]
# Of a function, `ad.grad(f)` is the derivative as a function, so `ad.grad(ad.grad(f))` is the second derivative. Where
# it is positive the curve bends up, where it is negative it bends down. A minimum is where the slope is zero and the
# curve bends up.


# %%
def wave(x):
    return x * ad.sin(x)


slope, bend = ad.grad(wave), ad.grad(ad.grad(wave))
xs = np.linspace(0, 8, 161)

fig, axes = plt.subplots(figsize=(8, 3.4))
axes.axhline(0, color="0.7", linewidth=1)
axes.plot(xs, [wave(x) for x in xs], "k", linewidth=2, label="f(x) = x sin x")
axes.plot(xs, [slope(x) for x in xs], "C0", label="slope f'(x)")
axes.plot(xs, [bend(x) for x in xs], "C1", label="bend f''(x)")
axes.fill_between(xs, -9, 9, where=[bend(x) > 0 for x in xs], color="C1", alpha=0.12, label="bends up")
axes.set(xlabel="x", ylim=(-9, 9))
axes.legend(loc="lower left", ncols=2)
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Newton's method
#
# Gradient descent needs a learning rate, because a slope alone does not say where it ends. Slope and bend together do:
# they describe a parabola, and a parabola's minimum is at distance -slope / bend. To go there, and to do the same again
# from where you are then, is **Newton's method**.
#
# For a function of several numbers the slope is the gradient g, and the bend is the **Hessian** H, the matrix of all
# second derivatives. The step p to the minimum of the paraboloid solves H p = -g.
#
# Rosenbrock's function is a valley that bends, much steeper across than along. Its minimum is at (1, 1).


# %%
def rosenbrock(x):
    return sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))


value_and_gradient = ad.value_and_grad(rosenbrock)
gradient = ad.grad(rosenbrock)
hessian = ad.hessian(rosenbrock)

start = np.array([-1.2, 1.0])
value, g = value_and_gradient(start)
print("value   ", value)
print("gradient", g)
print("Hessian")
print(hessian(start))

# %% [markdown]
# Newton's method is two lines of linear algebra. On the way we keep every point.


# %%
def newton(x, tolerance=1e-8):
    path = [x]
    while np.linalg.norm(g := gradient(x)) > tolerance:
        x = x + np.linalg.solve(hessian(x), -g)
        path.append(x)
    return path


full_steps = newton(start)
print("step  value")
for step, point in enumerate(full_steps):
    print(f"{step:4}  {rosenbrock(point):.3g}")

# %% [markdown]
# Six steps! But look at the second one: the value jumps from 5 to over 1,000. A full step trusts the paraboloid however
# far away its bottom is, and that far away the function is a different one. Here it came back; in general nothing says
# that it does. Two precautions make the method safe, and both are plain:
#
# - **A line search.** If the step does not lower the value by a fair share of what the slope promises, halve it.
# - **A damped Hessian.** Where the ground bends down in some direction, the paraboloid has no bottom, and a step to
#   where it is level may lead uphill. Add a multiple of the identity, so that it bends up everywhere. On this path that
#   is never needed; from (0.5, 2), high above the valley, it is.


# %%
def damped(h):
    """Return h, or where it does not bend up everywhere, h plus the multiple of the identity that makes it so."""
    lowest = np.linalg.eigvalsh(h)[0]
    return h if lowest > 0 else h + (1 - lowest) * np.eye(len(h))


def line_search(x, value, g, p):
    """Return x + p, or with p halved until the value falls by a part of what the slope promises."""
    while rosenbrock(x + p) > value + 1e-4 * (g @ p):
        p = p / 2
    return x + p


def safe_newton(x, tolerance=1e-8):
    path = [x]
    value, g = value_and_gradient(x)
    while np.linalg.norm(g) > tolerance:
        x = line_search(x, value, g, np.linalg.solve(damped(hessian(x)), -g))
        value, g = value_and_gradient(x)
        path.append(x)
    return path


def gradient_descent(x, rate, steps):
    path = [x]
    for _ in range(steps):
        x = x - rate * gradient(x)
        path.append(x)
    return path


paths = {
    "gradient descent, rate 0.001": gradient_descent(start, rate=0.001, steps=10_000),
    "Newton, full steps": full_steps,
    "Newton, line search": safe_newton(start),
    "Newton, line search, from (0.5, 2)": safe_newton(np.array([0.5, 2.0])),
}
print(f"{'':36}{'steps':>6}  {'highest value':>15}  distance to the minimum")
for name, path in paths.items():
    highest = max(rosenbrock(point) for point in path[1:])
    print(f"{name:36}{len(path) - 1:6}  {highest:15.3g}  {np.linalg.norm(path[-1] - 1):.1e}")

# %% [markdown]
# After 10,000 steps gradient descent is still on its way, and at twice the rate it would not arrive at all (the last
# section says why). With a line search Newton's method takes more steps than without, and the value never rises.

# %%
columns, rows = np.linspace(-1.6, 1.6, 161), np.linspace(-0.6, 1.8, 121)
heights = [[rosenbrock((a, b)) for a in columns] for b in rows]

fig, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
for axes, name in zip(panels, ["gradient descent, rate 0.001", "Newton, line search"], strict=True):
    path = np.array(paths[name])
    axes.contour(columns, rows, heights, levels=np.logspace(-1, 3, 13), colors="0.65", linewidths=0.7)
    axes.plot(*path.T, "C0.-" if len(path) < 100 else "C0", linewidth=1.5)
    axes.plot(*path[0], "ko", label="start")
    axes.plot(1, 1, "C3*", markersize=12, label="minimum")
    axes.set(xlabel="x₁", title=f"{name}: {len(path) - 1:,} steps")
panels[0].set_ylabel("x₂")
panels[0].legend(loc="lower left")
fig.tight_layout()
plt.show()

# %% [markdown]
# Gradient descent falls into the valley at once, and then creeps along it. Newton's steps follow the bend.
#
# Near the minimum the paraboloid is nearly the function itself, and something remarkable happens: **the number of
# correct digits about doubles with each step**. This is called quadratic convergence. Gradient descent wins its digits
# one by one, each of them at the cost of thousands of steps.

# %%
print("Newton, line search      gradient descent")
print("step  correct digits     step    correct digits")
newton_tail = list(enumerate(paths["Newton, line search"]))[-6:]
descent_part = list(enumerate(paths["gradient descent, rate 0.001"]))[::2000]
for (i, near), (j, far) in zip(newton_tail, descent_part, strict=True):
    digits = [max(0.0, -np.log10(np.linalg.norm(point - 1))) for point in (near, far)]
    print(f"{i:4}  {digits[0]:14.1f}     {j:6,}  {digits[1]:14.1f}")

# %% [markdown]
# ## Curvature without the Hessian
#
# With n inputs the Hessian has n² entries: with a thousand inputs, a million. Often you do not need them one by one,
# but only H v, its product with a direction v: how the gradient changes on a small step along v. `ad.hvp(f)(x, v)`
# computes it without the matrix, as the gradient of one number, the slope along v. If v has length 1, then v · H v is
# the **curvature along v**, the second derivative on the way in that direction.

# %%
rng = np.random.default_rng(0)
x, v = rng.normal(size=10), rng.normal(size=10)
v /= np.linalg.norm(v)
product = ad.hvp(rosenbrock)(x, v)
h = 1e-5
print("v · H v                       ", v @ product)
print("with the whole Hessian        ", v @ ad.hessian(rosenbrock)(x) @ v)
print("difference of gradients along v", v @ (gradient(x + h * v) - gradient(x - h * v)) / (2 * h))

# %% [markdown]
# What does it cost? We compare with the time that it takes to record f itself, on Values. Rosenbrock's Hessian is
# mostly zeros, and `ad.hessian` makes use of that; so that it cannot, we take the logarithm of the function, which has
# the same minimum and a Hessian without zeros. Absolute times say more about the machine than about the method, so here
# are ratios: the four are measured one right after the other, several times over, and of each ratio the median is
# shown.


# %%
def dense(x):
    return ad.log1p(rosenbrock(x))


def seconds(f, *args):
    begin = perf_counter()
    f(*args)
    return perf_counter() - begin


print("  n  gradient / f  hvp / f  Hessian / f")
for n in (10, 20, 40, 80, 160):
    x, v = rng.normal(size=n), rng.normal(size=n)
    values = [Value(number) for number in x]
    ratios = []
    for _ in range(15):
        once = seconds(dense, values)
        calls = [(ad.grad(dense), x), (ad.hvp(dense), x, v), (ad.hessian(dense), x)]
        ratios.append([seconds(*call) / once for call in calls])
    print("{:3}  {:12.1f}  {:7.1f}  {:11.1f}".format(n, *np.median(ratios, axis=0)))

# %% [markdown]
# The gradient costs a few evaluations, and the product with the Hessian some ten or twenty, however many inputs there
# are. The whole Hessian costs more and more.
#
# ### Newton's method by products alone
#
# The equation H p = -g can be solved by conjugate gradients, which asks for nothing but products of H with a vector.
# scipy has that method under the name Newton-CG, and takes our functions as they are:

# %%
x0 = np.full(10, -1.2)
x0[1::2] = 1.0
result = minimize(ad.value_and_grad(rosenbrock), x0, jac=True, hessp=ad.hvp(rosenbrock), method="Newton-CG", tol=1e-8)
print(result.message)
print("steps", result.nit, "  gradients", result.njev, "  products with the Hessian", result.nhev)
print(f"distance to the minimum {np.linalg.norm(result.x - 1):.1e}")

# %% [markdown]
# ## The shape of the valley
#
# The eigenvectors of the Hessian are the directions in which the ground bends most and least, and the eigenvalues λ are
# the curvatures along them. On the left is the larger of the two over the whole plane. The crosses show the directions
# at points of the valley's floor: the steep one in red, across, and the flat one in blue, along. On the right is the
# smaller curvature: where it is negative the ground is no bowl but a saddle, and Newton's method needs its damping.

# %%
columns, rows = np.linspace(-1.6, 1.6, 41), np.linspace(-0.6, 1.8, 31)
eigenvalues = np.array([[np.linalg.eigvalsh(hessian(np.array([a, b]))) for a in columns] for b in rows])

fig, panels = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
for axes, i, title in [(panels[0], 1, "The larger curvature"), (panels[1], 0, "The smaller curvature")]:
    largest = abs(eigenvalues[..., i]).max()
    style = {"cmap": "PuOr_r", "vmin": -largest, "vmax": largest, "shading": "gouraud"}
    colours = axes.pcolormesh(columns, rows, eigenvalues[..., i], **style)
    fig.colorbar(colours, ax=axes)
    axes.plot(columns, columns**2, "k--", linewidth=0.8, label="floor of the valley")
    axes.set(xlabel="x₁", title=title, aspect="equal", ylim=(-0.6, 1.8))
for a in (-1.2, -0.8, -0.4, 0.0, 0.4, 0.8, 1.2):
    point = np.array([a, a**2])
    _, directions = np.linalg.eigh(hessian(point))
    for direction, colour in zip(directions.T, ["C0", "C3"], strict=True):
        panels[0].plot(*np.transpose([point - 0.15 * direction, point + 0.15 * direction]), colour, linewidth=2)
panels[0].set_ylabel("x₂")
panels[1].legend(loc="lower right")
fig.tight_layout()
plt.show()

# %%
print("   x₁   smaller λ   larger λ   ratio   2 / larger λ")
for a in (-1.2, -0.6, 0.0, 0.6, 1.0):
    low, high = np.linalg.eigvalsh(hessian(np.array([a, a**2])))
    print(f"{a:5.1f}   {low:9.2f}   {high:8.1f}   {high / low:5,.0f}   {2 / high:12.5f}")

# %% [markdown]
# ### What this says about the learning rate
#
# On a paraboloid, gradient descent multiplies the distance to the bottom, along each eigenvector, by 1 - rate · λ. That
# shrinks if the rate is below 2 / λ, and grows if it is above. The steepest direction sets the limit: **above 2 / λmax
# gradient descent diverges**. The flattest direction sets the time it takes: its factor, 1 - rate · λmin, is close to 1
# when the ratio of the two is large. That is why 10,000 steps were not enough.
#
# An experiment at the minimum of Rosenbrock's function: start a hair's breadth away, in the steepest direction.

# %%
minimum = np.ones(2)
curvatures, directions = np.linalg.eigh(hessian(minimum))
limit = 2 / curvatures[-1]
print(f"2 / λmax = {limit:.6f}")

print("rate / limit  distance at first  after 40 steps")
fig, axes = plt.subplots(figsize=(8, 3.8))
for share, style in [(0.9, "C0:"), (0.97, "C0--"), (0.99, "C0"), (1.01, "C3"), (1.03, "C3--"), (1.1, "C3:")]:
    path = gradient_descent(minimum + 1e-4 * directions[:, -1], share * limit, steps=40)
    distances = [abs(directions[:, -1] @ (point - minimum)) for point in path]
    axes.semilogy(distances, style, label=f"{share} · 2 / λmax")
    print(f"{share:12}  {distances[0]:17.1e}  {distances[-1]:14.1e}")
axes.set(xlabel="step", ylabel="distance, steepest direction", title="Rates just below and just above 2 / λmax")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
fig.tight_layout()
plt.show()

# %% [markdown]
# At the rates in red it leaves the minimum. On a paraboloid it would go to infinity; this valley is less steep further
# along the floor, and there it stays, where 2 / λmax is about the rate:

# %%
rate = 1.1 * limit
end = gradient_descent(minimum + 1e-4 * directions[:, -1], rate, steps=2000)[-1]
print("rate             ", rate)
print("after 2,000 steps", end)
print("2 / λmax there   ", 2 / np.linalg.eigvalsh(hessian(end))[-1])

# %% [markdown]
# In many dimensions λmax is to be had without the Hessian. Multiply a vector by H again and again, and it turns into
# the direction of the largest curvature: the **power iteration**, one `hvp` at a time.

# %%
v = rng.normal(size=10)
for _ in range(50):
    v = ad.hvp(rosenbrock)(result.x, v / np.linalg.norm(v))
print("largest curvature, power iteration", np.linalg.norm(v))
print("largest eigenvalue of the Hessian ", np.linalg.eigvalsh(hessian(result.x))[-1])

# %% [markdown]
# ## Exercises
#
# Write your answer in place of the dots, and run the cell: it says whether the answer is right. Three digits are
# enough.

# %% [markdown]
# **1.** What is the third derivative of f(x) = x sin x? Write it down, as a function of x.


# %% tags=["exercise"]
def third(x):
    return ...


exercise(
    third,
    ad.grad(ad.grad(slope)),
    hint="f' is sin x + x cos x, f'' is 2 cos x - x sin x. Once more, with the product rule.",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def third(x):
#     return -3 * sin(x) - x * cos(x)
# ```
#
# </details>

# %% [markdown]
# **2.** The Hessian of f(x) = 2 x₁² + 8 x₂² + x₁ x₂, as a list of rows?

# %% tags=["exercise"]
rows = ...

exercise(
    rows,
    ad.hessian(lambda x: 2 * x[0] ** 2 + 8 * x[1] ** 2 + x[0] * x[1])([1.0, 1.0]),
    hint="On the diagonal stand the second derivatives in one number, beside it those in both.",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# rows = [[4, 1], [1, 16]]
# ```
#
# </details>

# %% [markdown]
# **3.** Above which learning rate does gradient descent on 2 x₁² + 8 x₂² diverge?

# %% tags=["exercise"]
rate = ...

exercise(
    rate,
    2 / 16,
    hint="The largest curvature sets the limit.",
    mistakes={
        0.5: "That is the limit of x₁; x₂ is steeper.",
        0.25: "The curvature is the second derivative: of 8 x² it is 16.",
    },
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# rate = 2 / 16
# ```
#
# </details>

# %% [markdown]
# ## Where to go on
#
# `ad.jacobian`, `ad.jvp` and `ad.vjp` are the derivatives of functions that give more than one number. All of them
# nest: `ad.grad(ad.grad(ad.grad(f)))` is a third derivative. This is the last of the five; the
# [gallery](gallery/README.md) applies them all.
