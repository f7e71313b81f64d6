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
# ways down are is known exactly for a few model landscapes. Sources: Polyak, Some methods of speeding up the
# convergence of iteration methods, 1964; Nesterov, Introductory lectures on convex optimization, 2004, section 2.2;
# Riedmiller and Braun, The RPROP algorithm, 1993; Kingma and Ba, Adam, 2015; Lee and others, Gradient descent only
# converges to minimizers, 2016; Lessard, Recht and Packard, Analysis and design of optimization algorithms via
# integral quadratic constraints, 2016; Robbins and Monro, A stochastic approximation method, 1951; Dixon and Szegő,
# The global optimization problem: an introduction, 1978; NIST, Statistical reference datasets, nonlinear regression,
# 1998.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import least_squares
from scipy.special import expi

import autodiff as ad
from autodiff import Value
from nn.optim import SGD, Adam, Rprop, schedules


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
# - **Gradient descent** at its best rate, lr = 2/(μ + L), brings every step nearer by the factor (κ - 1)/(κ + 1), in
#   both the steepest and the flattest direction; it needs on the order of κ steps for a digit.
# - **Heavy ball** (Polyak's momentum), with lr = 4/(√L + √μ)² and momentum ρ², where ρ = (√κ - 1)/(√κ + 1): the
#   distance is (1 + ck) ρᵏ after k steps, where c follows from the first step. It needs on the order of √κ steps.
# - **Nesterov**, with lr = 1/L and momentum ρ, is as fast in order, and for all convex functions with curvatures
#   between μ and L, not only for quadratic ones: f falls below (1 - 1/√κ)ᵏ (f₀ + μ|x₀|²/2) (theorem 2.2.3).


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
    np.testing.assert_allclose(paths["heavy ball"][:, i], (1 + c * k) * root**k, atol=1e-12)

# %% [markdown]
# Nesterov's theorem is about all curvatures between μ and L at once, so it is tried on thirty. The optimiser keeps the
# point where the gradient is taken, yₖ; the theorem speaks of the step from there, xₖ₊₁ = yₖ - ∇f(yₖ)/L.

# %%
curvatures = np.geomspace(1, kappa, 30)
ys = descend(partial(bowl, curvatures), np.ones(30).tolist(), methods(kappa)["Nesterov"], 200)
xs = np.concatenate([ys[:1], ys[:-1] * (1 - curvatures / kappa)])
heights = xs**2 @ curvatures / 2
bound = (1 - kappa**-0.5) ** k * (heights[0] + xs[0] @ xs[0] / 2)
assert (heights <= bound).all()
np.testing.assert_allclose(ys[1:], xs[1:] + rho * (xs[1:] - xs[:-1]), atol=1e-12)  # Nesterov's scheme as he wrote it

# %% [markdown]
# The heavy ball's rate is proved for quadratic bowls, and more than that is not true. Lessard, Recht and Packard's
# counterexample (section 4.6) has curvature 25 but between 1 and 2, where it is 1. At its best settings for 1 and 25,
# the heavy ball never arrives: it ends in a cycle of three points, 792/1225, -2208/1225 and 2592/1225.


# %%
def bent(p):
    (x,) = p
    return ad.where(x < 1, 12.5 * x**2, ad.where(x < 2, x**2 / 2 + 24 * x - 12, 12.5 * x**2 - 24 * x + 36))


ends = {name: descend(bent, [3.3], how, 300)[-3:, 0] for name, how in methods(25.0).items()}
np.testing.assert_allclose(sorted(1225 * ends["heavy ball"]), [-2208, 792, 2592], rtol=1e-12)
assert abs(ends["Nesterov"]).max() < 1e-9
assert abs(ends["gradient descent"]).max() < 1e-9

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
    if name == "gradient descent":
        assert needed == np.ceil(np.log(2**0.5 / 1e-6) / -np.log((KAPPAS - 1) / (KAPPAS + 1))).tolist()
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
# The methods so far know no coordinates: turn the ravine, their paths turn along. **Rprop** looks at nothing but the
# sign of each coordinate's slope, so that scaling the loss changes nothing; **Adam** divides each slope by its running
# size, so that its first step moves each coordinate by lr (section 2.1 of its paper). Along the axes, that mends a
# ravine: each coordinate is scaled by itself. In one that lies askew every coordinate mixes steep and flat.


# %%
def turned(degrees, x):
    """Return the height in a ravine of kappa = 100 whose floor lies at an angle to the first axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return bowl([1, 100], [c * x[0] + s * x[1], c * x[1] - s * x[0]])


def walk(degrees, how):
    """Return path and heights from the point that is (1, 1) in the ravine's own coordinates."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    path = descend(partial(turned, degrees), [c - s, s + c], how, 1000)
    return path, turned(degrees, path.T)


fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.6))
xs, ys = np.meshgrid(np.linspace(-0.3, 1.4, 60), np.linspace(-0.2, 1.5, 60))
left.contour(xs, ys, turned(30, [xs, ys]), np.geomspace(0.05, 200, 7), colors="0.8", linewidths=0.8)
left.plot(0, 0, "k*", markersize=9)
ways = methods(100.0) | {"Rprop": partial(Rprop, lr=0.05), "Adam": partial(Adam, lr=0.05)}
for i, (name, how) in enumerate(ways.items()):
    (_, along), (path, askew) = walk(0, how), walk(30, how)
    right.semilogy(along, f"C{i}", label=name)
    if name in ("Rprop", "Adam"):
        steps_along, steps_askew = (np.flatnonzero(heights > 1e-6)[-1] for heights in (along, askew))
        assert steps_askew > 2 * steps_along  # 3 to 5 times as many, from each of three starts
        left.plot(*path[:200].T, f"C{i}.-", linewidth=1, markersize=3, label=name)
        right.semilogy(askew, f"C{i}:", label=f"{name}, askew")
    else:
        np.testing.assert_allclose(along, askew, atol=1e-10)
left.set(xlabel="x₁", ylabel="x₂", title="A ravine askew", aspect="equal")
right.set(xlabel="step", ylabel="height", ylim=(1e-9, 1e3), xlim=(-10, 700), title="Along the axes, and askew")
left.legend(loc="lower right")
right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

by_sign = [descend(lambda x, c=c: c * turned(30, x), [1.0, 1.0], ways["Rprop"], 300) for c in (1, 1000)]
np.testing.assert_array_equal(*by_sign)
first = descend(partial(turned, 30), [1.0, 1.0], ways["Adam"], 1)
np.testing.assert_allclose(abs(first[1] - first[0]), 0.05, rtol=1e-6)

# %% [markdown]
# ## Plateaus and saddles
#
# Where the slope is small, gradient descent is slow however far it has to go. Two classics, with their times:
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
# Let the loss be the mean of (x - ξ)²/2 over samples ξ, taken one at a time. Its minimum is the samples' mean.
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

# %% [markdown]
# ## Many minima: restarts, and a map of the basins
#
# Descent finds the minimum of the **basin** that it starts in. The six-hump camel of Dixon and Szegő has six minima, of
# which two are global: -1.0316 at (0.0898, -0.7126) and (-0.0898, 0.7126). Compiled, the slope at 24,321 starts at once
# is one call. If a share p of all starts lies in the best basins, n random restarts find it with chance 1 - (1 - p)ⁿ.


# %% tags=["picture"]
def camel(p):
    x, y = p
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


slopes = ad.compile(ad.grad(camel), rows=0)
across, along = np.meshgrid(np.linspace(-2, 2, 201), np.linspace(-1, 1, 121))
starts = np.stack([across, along], axis=-1).reshape(-1, 2)
ends = starts.copy()
for _ in range(500):
    ends -= 0.02 * slopes(ends)

stays = (starts == 0).all(axis=1)  # the middle of the map is a saddle, level to the last bit
minima, basin = np.unique(ends[~stays].round(6), axis=0, return_inverse=True)
order = np.argsort([camel(minimum) for minimum in minima])
assert len(minima) == 6
assert all(np.linalg.eigvalsh(ad.hessian(camel)(minimum))[0] > 0 for minimum in minima)
best = minima[order[:2]]
np.testing.assert_allclose(sorted(best.tolist()), [[-0.0898, 0.7126], [0.0898, -0.7126]], atol=1e-4)
assert all(abs(camel(minimum) + 1.0316) < 5e-5 for minimum in best)

is_best = np.isin(basin, order[:2])
found = np.random.default_rng(0).choice(is_best, size=(10_000, 5)).any(axis=1).mean()
print(f"the best basins cover {is_best.mean():.1%} of the map; five restarts find one in {found:.1%} of 10,000 trials")
assert abs(found - (1 - (1 - is_best.mean()) ** 5)) < 0.01

fig, axes = plt.subplots(figsize=(5.4, 3.1))
colours = np.full(len(starts), 6)
colours[~stays] = np.argsort(order)[basin]
axes.imshow(colours.reshape(across.shape), cmap="Paired", alpha=0.6, extent=(-2, 2, -1, 1), origin="lower", vmax=11)
axes.contour(across, along, camel([across, along]), np.linspace(-1, 6, 11), colors="k", linewidths=0.5)
for minimum in minima:
    axes.plot(*minimum, "k*", markersize=9)
    axes.annotate(f"{camel(minimum):.3f}", minimum, (0, 6), textcoords="offset points", ha="center", fontsize=11)
axes.set(xlabel="x", ylabel="y", title="Six minima, and the starts that lead to each")
plt.show()

# %% [markdown]
# ## Ascent: the maximum of a likelihood
#
# To climb is to descend on the negative: `maximize=True` turns the slopes round. The likelihood of a normal
# distribution is highest at the mean and the standard deviation of the data, which have closed forms to compare with.

# %%
heights = np.random.default_rng(1).normal(170.0, 8.0, size=100)
z = ((heights - 165) / 10).tolist()


def log_likelihood(p, sign=1):
    mean, log_sd = p
    return sign * ad.mean([-(((x - mean) * ad.exp(-log_sd)) ** 2) / 2 - log_sd for x in z])


climb = descend(log_likelihood, [0.0, 0.0], partial(SGD, lr=0.3, maximize=True), 300)
np.testing.assert_array_equal(climb, descend(partial(log_likelihood, sign=-1), [0.0, 0.0], partial(SGD, lr=0.3), 300))
np.testing.assert_allclose([165 + 10 * climb[-1, 0], 10 * np.exp(climb[-1, 1])], [heights.mean(), heights.std()], 1e-12)

# %% [markdown]
# ## Sums of squares: Levenberg-Marquardt, to certified digits
#
# Where the loss is a sum of squared residuals, JᵀJ of their Jacobian J is nearly its curvature, for the price of first
# derivatives. Levenberg and Marquardt solve (JᵀJ + D) step = -Jᵀr, with a damping D that leads from that towards short
# steps of gradient descent. NIST certifies the solutions of 27 problems to 11 digits. This one, MGH10, is Meyer's of
# 1970, of "higher difficulty": y = b₁ exp(b₂ / (x + b₃)) at 16 points. The first of NIST's two starts is 357 times as
# large as the solution in b₁, and 72 times in b₃.

# %%
temperature = np.arange(50.0, 126.0, 5.0).tolist()
resistance = [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
certified = ["5.6096364710E-03", "6.1813463463E+03", "3.4522363462E+02"]
certified_deviations = [1.5687892471e-04, 2.3309021107e01, 7.8486103508e-01]
certified_sum = "8.7945855171E+01"


def residuals(b):
    return [b[0] * ad.exp(b[1] / (x + b[2])) - y for x, y in zip(temperature, resistance, strict=True)]


def sum_of_squares(b):
    return ad.sum([r**2 for r in residuals(b)])


def levenberg_marquardt(start, jacobian):
    """Return all points at which there were residuals taken, the solution last."""
    tried = []

    def noting(b):
        tried.append(b.copy())
        return residuals(b)

    exacting = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    found = least_squares(noting, start, jac=jacobian, method="lm", x_scale="jac", max_nfev=2000, **exacting)
    return np.array([*tried, found.x])


def errors(points):
    return np.max(abs(points / np.array(certified, float) - 1), axis=-1)


fig, axes = plt.subplots(figsize=(6.4, 3))
for i, start in enumerate([[2.0, 400_000.0, 25_000.0], [0.02, 4000.0, 250.0]]):
    differences = levenberg_marquardt(start, "2-point")
    exact = levenberg_marquardt(start, ad.jacobian(residuals))
    b = exact[-1]
    b = b - np.linalg.solve(ad.hessian(sum_of_squares)(b), ad.grad(sum_of_squares)(b))  # a Newton step
    assert errors(exact[-1]) < 3e-9 < 1e-8 < errors(differences[-1])
    assert [f"{x:.10E}" for x in b] == certified
    assert f"{sum_of_squares(b):.10E}" == certified_sum
    r = np.linalg.qr(ad.jacobian(residuals)(b), mode="r")
    deviations = np.linalg.norm(np.linalg.inv(r), axis=1) * np.sqrt(sum_of_squares(b) / (16 - 3))
    np.testing.assert_allclose(deviations, certified_deviations, rtol=1e-9)

    axes.semilogy(errors(differences), f"C{i}:", label=f"start {i + 1}, differences")
    axes.semilogy(errors(exact), f"C{i}", label=f"start {i + 1}, exact Jacobian")
    axes.semilogy(len(exact), errors(b), f"C{i}*", markersize=9)
axes.set(xlabel="evaluations of the residuals", ylabel="largest relative error", title="Meyer's problem: to 11 digits")
axes.legend(ncols=2)
plt.show()

# %% [markdown]
# The sum of squares is flat at its minimum, where its rounding hides the last digits of b; its slope has no such limit.
# So both stop early, differences a digit or two before the exact Jacobian. The stars are **one Newton step** more, with
# the exact gradient and Hessian: all 11 certified digits of the three parameters and of the sum of squares, and the
# parameters' standard deviations to 10⁻⁹.
