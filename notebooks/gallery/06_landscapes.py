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
# # Landscapes, and the ways down
#
# Gradient descent, momentum, Nesterov, Rprop and Adam on ravines, plateaus, saddles and many minima, held to what is
# proved of them; Levenberg-Marquardt to a NIST problem's certified digits.
#
# A loss is a landscape over its parameters, and a gradient knows the slope where you stand, nothing else. How fast the
# ways down are is known exactly for a few model landscapes. Sources: Polyak, *Some methods of speeding up the
# convergence of iteration methods*, 1964; Nesterov, *Introductory lectures on convex optimization*, 2004, section 2.2;
# Riedmiller and Braun, *The RPROP algorithm*, 1993; Kingma and Ba, *Adam*, 2015; Lee et al., *Gradient descent only
# converges to minimizers*, 2016; Robbins and Monro, *A stochastic approximation method*, 1951; Dixon and Szegő, *The
# global optimization problem: an introduction*, 1978; NIST, *Statistical reference datasets*, 1998.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import least_squares
from scipy.special import expi

import autodiff as ad
from autodiff import Value
from nn.optim import SGD, Adam, Rprop, schedules
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is


def descend(f, start, optimizer, steps):
    """Return the points on the way, the start among them, one a row."""
    point = [Value(x) for x in start]
    optimizer = optimizer(point)
    path = [start]
    for _ in range(steps):
        optimizer.zero_grad()
        f(point).backward()
        optimizer.step()
        path.append([x.data for x in point])
    return np.array(path)


# %% [markdown]
# ## Ravines: the condition number
#
# Near a minimum every smooth landscape is a quadratic bowl, Σ λᵢxᵢ²/2 in the right coordinates. Where the largest
# curvature L is much above the least, μ, the bowl is a **ravine**, and κ = L/μ is its **condition number**. A step
# multiplies xᵢ by 1 - lr λᵢ: the steep direction bounds lr, and the flat one has to wait. What is proved:
#
# - **Gradient descent** at its best rate, lr = 2/(μ + L), comes nearer by the factor (κ - 1)/(κ + 1) with every step,
#   in the steepest and the flattest direction alike; it needs on the order of κ steps for a digit.
# - **Heavy ball** (Polyak's momentum), with lr = 4/(√L + √μ)² and momentum ρ², where ρ = (√κ - 1)/(√κ + 1): the
#   distance is (1 + ck) ρᵏ after k steps, where c follows from the first step. It needs on the order of √κ steps.
# - **Nesterov**, with lr = 1/L and momentum ρ, is as fast in order, and for all convex functions with curvatures
#   between μ and L, not only for quadratic ones: f falls below (1 - 1/√κ)ᵏ (f₀ + μ|x₀|²/2) (theorem 2.2.3). The
#   optimiser keeps the point where the gradient is taken, yₖ; the theorem is on the step from there, yₖ - ∇f(yₖ)/L.


# %%
def bowl(curvatures, x):
    return sum(curvature * xi**2 / 2 for curvature, xi in zip(curvatures, x, strict=True))


def methods(kappa):
    """Return the three methods, each at its best for curvatures from 1 to kappa."""
    rho = (kappa**0.5 - 1) / (kappa**0.5 + 1)
    return {
        "gradient descent": partial(SGD, lr=2 / (1 + kappa)),
        "heavy ball": partial(SGD, lr=4 / (kappa**0.5 + 1) ** 2, momentum=rho**2),
        "Nesterov": partial(SGD, lr=1 / kappa, momentum=rho, nesterov=True),
    }


kappa = 100.0
rho = (kappa**0.5 - 1) / (kappa**0.5 + 1)
k = np.arange(201)
paths = {name: descend(partial(bowl, [1, kappa]), [1.0, 1.0], how, 200) for name, how in methods(kappa).items()}

factor = (kappa - 1) / (kappa + 1)
np.testing.assert_allclose(paths["gradient descent"], np.stack([factor**k, (-factor) ** k], axis=1), rtol=1e-12)

for i, (curvature, root) in enumerate([(1, rho), (kappa, -rho)]):
    c = (1 - 4 / (kappa**0.5 + 1) ** 2 * curvature) / root - 1
    np.testing.assert_allclose(paths["heavy ball"][:, i], (1 + c * k) * root**k, rtol=0, atol=1e-12)

ys, curvatures = paths["Nesterov"], np.array([1, kappa])
xs = np.concatenate([ys[:1], ys[:-1] * (1 - curvatures / kappa)])
np.testing.assert_allclose(ys[1:], xs[1:] + rho * (xs[1:] - xs[:-1]), rtol=0, atol=1e-12)  # as Nesterov wrote it
heights = bowl(curvatures, xs.T)
assert np.all(heights <= (1 - kappa**-0.5) ** k * (heights[0] + xs[0] @ xs[0] / 2))

# %%
KAPPAS = np.array([10, 32, 100, 316, 1000])


def steps_needed(kappa, name):
    """Count the steps to a millionth of the way, from (1, 1)."""
    path = descend(partial(bowl, [1, kappa]), [1.0, 1.0], methods(kappa)[name], 10 * int(kappa))
    return int(np.argmax(np.linalg.norm(path, axis=1) < 1e-6))


fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.8))
for i, (name, path) in enumerate(paths.items()):
    needed = [steps_needed(kappa, name) for kappa in KAPPAS]
    slope = np.polyfit(np.log(KAPPAS), np.log(needed), 1)[0]
    assert abs(slope - (1.0 if name == "gradient descent" else 0.5)) < 0.06
    left.semilogy(np.linalg.norm(path, axis=1), f"C{i}")
    right.loglog(KAPPAS, needed, f"C{i}o-", label=f"{name}: slope {slope:.2f}")
left.semilogy(k, factor**k, "k:", linewidth=1)
left.semilogy(k, rho**k, "k:", linewidth=1)
left.text(95, 1, "((κ - 1)/(κ + 1))ᵏ")
left.text(58, 1e-9, "ρᵏ")
left.set(xlabel="step", ylabel="distance to the minimum", title="A ravine of κ = 100", ylim=(1e-13, 5))
right.set(xlabel="condition number κ", ylabel="steps to a distance of 10⁻⁶", title="κ steps, or √κ")
right.legend()
plt.show()

# %% [markdown]
# ## Ravines that lie askew: Rprop and Adam
#
# The methods so far know no coordinates: turn the ravine, and their paths turn along. **Rprop** looks only at the sign
# of each coordinate's slope, so that scaling the loss changes nothing. **Adam** divides each slope by its running size,
# so that its first step moves each coordinate by lr (section 2.1 of its paper). Along the axes, that mends a ravine:
# each coordinate is scaled by itself. In one that lies askew, every coordinate mixes steep and flat.


# %%
def rotate(degrees, x):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return c * x[0] + s * x[1], c * x[1] - s * x[0]


def turned(degrees, x):
    """Return the height in a ravine of κ = 100 whose floor lies at an angle to the first axis."""
    return bowl([1, 100], rotate(degrees, x))


def walk(degrees, how):
    """Return path and heights from the point that is (1, 1) in the ravine's own coordinates."""
    path = descend(partial(turned, degrees), rotate(-degrees, [1.0, 1.0]), how, 1000)
    return path, turned(degrees, path.T)


fig, axes = plt.subplots(figsize=(4.6, 3.2))
xs, ys = np.meshgrid(np.linspace(-0.3, 1.4, 60), np.linspace(-0.2, 1.4, 60))
axes.contour(xs, ys, turned(30, [xs, ys]), np.geomspace(0.05, 200, 7), colors="0.8", linewidths=0.8)
axes.plot(0, 0, "k*", markersize=9)
ways = methods(100.0) | {"Rprop": partial(Rprop, lr=0.05), "Adam": partial(Adam, lr=0.05)}
for name, how in ways.items():
    (_, along), (path, askew) = walk(0, how), walk(30, how)
    steps_along, steps_askew = (np.flatnonzero(heights > 1e-6)[-1] + 1 for heights in (along, askew))
    print(f"{name:16} {steps_along:4} steps to a height of 1e-6 along the axes, {steps_askew:4} askew")
    if name in ("Rprop", "Adam"):
        assert steps_askew > 2 * steps_along  # 3 to 5 times as many, from each of three starts
        axes.plot(*path[:200].T, ".-", linewidth=1, markersize=3, label=name, rasterized=True)
    else:
        np.testing.assert_allclose(along, askew, rtol=0, atol=1e-10)
axes.set(xlabel="x₁", ylabel="x₂", title="A ravine askew: the first 200 steps", aspect="equal")
axes.legend(loc="lower right")
plt.show()

by_sign = [descend(lambda x, c=c: c * turned(30, x), [1.0, 1.0], ways["Rprop"], 300) for c in (1, 1000)]
np.testing.assert_array_equal(*by_sign)
first = descend(partial(turned, 30), [1.0, 1.0], ways["Adam"], 1)
np.testing.assert_allclose(abs(first[1] - first[0]), 0.05, rtol=1e-6)

# %% [markdown]
# ## Plateaus and saddles
#
# Where the slope is small, gradient descent is slow. Two classics, with the times they take:
#
# - **A plateau.** The well 1 - exp(-x²/2) has the slope x exp(-x²/2): far out, next to none. For small steps descent
#   follows dx/dt = -slope, so from r to 1 it takes the time ∫ exp(x²/2)/x dx = (Ei(r²/2) - Ei(1/2))/2, where Ei is the
#   exponential integral: it explodes with the distance.
# - **A saddle.** x²/2 + y⁴/4 - y²/2 is level at (0, 0), a minimum along x, a maximum along y. Descent that starts
#   exactly on the ridge y = 0 ends at the saddle. From y = ε it leaves, ε growing by the factor 1 + lr a step, so that
#   each tenth of ε costs log 10 / log(1 + lr) more steps. Ridges have no area: from almost every start descent ends in
#   a minimum (Lee et al.), only late. Momentum β grows by the larger root of z² - (1 + β + lr) z + β.
#
# The steps of Rprop and Adam do not depend on the size of the slope, and so small slopes do not hold them up.


# %%
def well(p):
    return 1 - ad.exp(-(p[0] ** 2) / 2)


def saddle(p):
    x, y = p
    return x**2 / 2 + y**4 / 4 - y**2 / 2


sgd = partial(SGD, lr=0.1)
hasty = {"gradient descent": sgd, "momentum 0.9": partial(SGD, lr=0.1, momentum=0.9)}
hasty |= {"Rprop": partial(Rprop, lr=0.01), "Adam": partial(Adam, lr=0.1)}
distances = np.array([2.0, 2.5, 3.0, 3.5, 4.0])
epsilons = np.logspace(-6, -1, 6)
on_plateau, at_saddle = {}, {}
for name, how in hasty.items():
    on_plateau[name] = [np.argmax(descend(well, [r], how, 2500)[:, 0] < 1) for r in distances]
    at_saddle[name] = [np.argmax(descend(saddle, [1.0, y], how, 200)[:, 1] > 0.5) for y in epsilons]

times = (expi(distances**2 / 2) - expi(0.5)) / 2
np.testing.assert_allclose(on_plateau["gradient descent"], times / 0.1, rtol=0.1)
ridge = descend(saddle, [1.0, 0.0], sgd, 300)
assert (ridge[:, 1] == 0).all()
assert abs(ridge[-1, 0]) < 1e-12
growth = {"gradient descent": 1.1, "momentum 0.9": np.roots([1, -(1 + 0.9 + 0.1), 0.9]).max()}
for name, per_step in growth.items():
    more = -np.polyfit(np.log10(epsilons[:4]), at_saddle[name][:4], 1)[0]
    assert abs(more - np.log(10) / np.log(per_step)) < 0.5, (name, more)
for name in ("Rprop", "Adam"):
    assert np.ptp(at_saddle[name]) <= 3
    assert max(on_plateau[name]) < 40

fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.8))
for name in hasty:
    left.semilogy(distances, on_plateau[name], "o-", label=name)
    right.semilogx(epsilons, at_saddle[name], "o-", label=name)
left.semilogy(distances, times / 0.1, "k:", label="exponential integral")
left.set(xlabel="distance of the start", ylabel="steps until |x| < 1", title="Out of a plateau")
right.set(xlabel="distance of the start from the ridge", ylabel="steps until |y| > 0.5", title="Away from a saddle")
left.legend()
plt.show()

# %% [markdown]
# ## Noise, and why learning rates decay
#
# Let the loss be the mean of (x - ξ)²/2 over samples ξ, taken one at a time. Its minimum is at the mean of ξ.
# At a constant rate x never settles: its variance about the minimum stays lr σ²/(2 - lr), where σ² is that of ξ. With
# lr = 1/k in step k, which Robbins and Monro's two conditions allow (the sum of the rates is infinite, that of their
# squares finite), descent **is** the running mean of all samples so far, to the last rounding: its error falls as σ/√k.


# %%
def follow(samples, schedule):
    """Take one step for each sample, from 0, and return where each led."""
    x = Value(0.0)
    optimizer = SGD([x], lr=1.0)
    path = []
    for t, sample in enumerate(samples.tolist()):
        optimizer.lr = schedule(t)
        x.grad = 0.0
        ((x - sample) ** 2 / 2).backward()
        optimizer.step()
        path.append(x.data)
    return np.array(path)


samples = np.random.default_rng(0).normal(3.0, 1.0, size=20_000)
steady = follow(samples, schedules.constant(0.1))
decaying = follow(samples, schedules.inverse_time(1.0))  # 1 / (1 + t)
np.testing.assert_allclose(decaying, np.cumsum(samples) / np.arange(1, 20_001), rtol=1e-12)
variance = np.mean((steady[100:] - 3.0) ** 2)
assert abs(variance / (0.1 / 1.9) - 1) < 0.2  # of ten seeds the furthest was off by 5 %
assert abs(decaying[-1] - 3.0) < 3 / 20_000**0.5

k = np.unique(np.geomspace(1, 20_000, 400).astype(int))
fig, axes = plt.subplots(figsize=(5.4, 3))
axes.loglog(k, abs(steady[k - 1] - 3.0), linewidth=1, label="lr = 0.1")
axes.loglog(k, abs(decaying[k - 1] - 3.0), label="lr = 1/k")
axes.loglog(k, k**-0.5, "k:", linewidth=1, label="σ/√k")
axes.set(xlabel="step k", ylabel="distance to the mean", title="A constant rate never settles", ylim=(1e-4, 4))
axes.legend(loc="lower left", ncols=3)
plt.show()

# %% [markdown]
# ## Many minima: restarts, and a map of the basins
#
# Descent finds the minimum of the **basin** that it starts in. The six-hump camel of Dixon and Szegő has six minima, of
# which two are global: -1.0316 at (0.0898, -0.7126) and (-0.0898, 0.7126). Compiled, the slopes of all descents are one
# call: from a grid of 24,000 starts they draw the map of the basins. If a share p of the map leads to the best minima,
# n **random restarts** find one of them with chance 1 - (1 - p)ⁿ: here are 2,000 trials of three.


# %% tags=["picture"]
def camel(p):
    x, y = p
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


slopes = ad.compile(ad.grad(camel), rows=0)


def ends_of(starts):
    points = starts.copy()
    for _ in range(500):
        points -= 0.02 * slopes(points)
    return points.round(6)


across, along = np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-1, 1, 120))  # without (0, 0), a saddle
starts = np.stack([across, along], axis=-1).reshape(-1, 2)
minima, basin = np.unique(ends_of(starts), axis=0, return_inverse=True)
order = np.argsort([camel(minimum) for minimum in minima])
assert len(minima) == 6
assert all(np.linalg.eigvalsh(ad.hessian(camel)(minimum))[0] > 0 for minimum in minima)
best = minima[order[:2]]
np.testing.assert_allclose(sorted(best.tolist()), [[-0.0898, 0.7126], [0.0898, -0.7126]], rtol=0, atol=1e-4)
assert all(abs(camel(minimum) + 1.0316) < 5e-5 for minimum in best)

share = np.isin(basin, order[:2]).mean()
restarts = np.random.default_rng(0).uniform([-2, -1], [2, 1], size=(6000, 2))
found = (camel(ends_of(restarts).T) < -1.03).reshape(2000, 3).any(axis=1).mean()
print(f"the best basins are {share:.1%} of the map; of 2,000 trials of three restarts {found:.1%} find one")
assert abs(found - (1 - (1 - share) ** 3)) < 0.03  # five standard deviations

fig, axes = plt.subplots(figsize=(4.2, 2.7))
colours = np.argsort(order)[basin].reshape(across.shape)
axes.imshow(colours, cmap="Paired", alpha=0.6, extent=(-2, 2, -1, 1), origin="lower", vmax=11)
axes.contour(across, along, camel([across, along]), np.linspace(-1, 6, 11), colors="k", linewidths=0.5)
for minimum in minima:
    axes.plot(*minimum, "k*", markersize=9)
    away = (0, -15 if minimum[1] > 0 else 6)
    axes.annotate(f"{camel(minimum):.2f}", minimum, away, textcoords="offset points", ha="center", fontsize=11)
axes.set(xlabel="x", ylabel="y", title="Six minima, and the starts that lead to each")
plt.show()

# %% [markdown]
# ## Ascent: the maximum of a likelihood
#
# To climb is to descend on the negative: `maximize=True` turns the slopes round. The likelihood of a normal
# distribution is highest at the mean and the standard deviation of the data.

# %%
heights = np.random.default_rng(1).normal(170.0, 8.0, size=100)
z = ((heights - 165) / 10).tolist()


def log_likelihood(p):
    mean, log_sd = p
    return ad.mean([-(((x - mean) * ad.exp(-log_sd)) ** 2) / 2 - log_sd for x in z])


climb = descend(log_likelihood, [0.0, 0.0], partial(SGD, lr=0.3, maximize=True), 300)
fitted = [165 + 10 * climb[-1, 0], 10 * np.exp(climb[-1, 1])]
np.testing.assert_allclose(fitted, [heights.mean(), heights.std()], rtol=1e-12)

# %% [markdown]
# ## Sums of squares: Levenberg-Marquardt, to certified digits
#
# Where the loss is a sum of squared residuals, JᵀJ of their Jacobian J is nearly its curvature, for the price of first
# derivatives. Levenberg and Marquardt solve (JᵀJ + D) step = -Jᵀr, with a damping D that leads from that towards short
# steps of gradient descent. NIST certifies the solutions of 27 problems to 11 digits. This one, MGH10, is Meyer's of
# 1970, of "higher difficulty": y = b₁ exp(b₂ / (x + b₃)) at 16 points. The first of NIST's two starts is 357 times as
# large as the solution in b₁, and 72 times in b₃.
#
# The sum of squares is flat at its minimum, where its rounding hides the last digits of b; its slope has no such limit.
# So Levenberg-Marquardt may stop before the last digits are right. **One Newton step** more, with the exact gradient
# and Hessian, gives all 11 that are certified.


# %%
temperature = np.arange(50.0, 126.0, 5.0).tolist()
resistance = [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
certified = ["5.6096364710E-03", "6.1813463463E+03", "3.4522363462E+02"]


def residuals(b):
    return [b[0] * ad.exp(b[1] / (x + b[2])) - y for x, y in zip(temperature, resistance, strict=True)]


def sum_of_squares(b):
    return ad.sum([r**2 for r in residuals(b)])


def largest_error(b):
    return np.max(abs(b / np.array(certified, float) - 1))


exacting = {"method": "lm", "x_scale": "jac", "max_nfev": 2000, "xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
for start in ([2.0, 400_000.0, 25_000.0], [0.02, 4000.0, 250.0]):
    found = least_squares(residuals, start, jac=ad.jacobian(residuals), **exacting)
    b = found.x - np.linalg.solve(ad.hessian(sum_of_squares)(found.x), ad.grad(sum_of_squares)(found.x))
    print(f"{found.nfev} evaluations to a relative error of {largest_error(found.x):.0e}; one Newton step more:", *b)
    assert largest_error(start) > 1
    assert largest_error(found.x) < 1e-7
    assert [f"{x:.10E}" for x in b] == certified
    np.testing.assert_allclose(sum_of_squares(b), 8.7945855171e01, rtol=1e-11)

# %% [markdown]
# ## Where to go on
#
# [Vanishing and exploding gradients](07_vanishing.ipynb) is about what depth does to a gradient. What curvature says of
# learning rates is in [Second derivatives](../second_order.ipynb).
