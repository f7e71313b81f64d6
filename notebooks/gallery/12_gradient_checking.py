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
# # Gradient checking
#
# Backpropagation is checked by finite differences, whose errors make a V, and by complex steps, on published functions
# and a network; a planted wrong rule, which training does not notice, is found.
#
# Four sources: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review
# 40, 1998, 110-112. J. Martins, P. Sturdza, J. Alonso, The complex-step derivative approximation, ACM TOMS 29, 2003,
# 245-262. Press et al., Numerical Recipes, 3rd edition, 2007, section 5.7. **The notes**: Stanford's course CS231n,
# [Learning](https://cs231n.github.io/neural-networks-3/#gradcheck), on gradient checks.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import autodiff as ad
from autodiff import Value
from autodiff.testing import check_grads, complex_step, finite_differences
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

EPS = np.finfo(float).eps  # 2.2e-16, the distance from 1 to the next number

# %% [markdown]
# ## Published derivatives
#
# Squire and Trapp try their method on x^(9/2), whose derivative at 1.5 is 18.600812734259759, and on
# eˣ / (sin³x + cos³x): 3.62203. Martins and his colleagues take the root of that denominator: 4.05342789389862.
# `backward()` must give these digits, but for a few roundings in the last one.
#
# So must the **complex step**, f'(x) = Im f(x + ih) / h. Its error is of order h², as the central difference's below,
# but it subtracts nothing; so h can be 1e-200, and the error is gone. `complex_step` runs the recorded graph with
# complex numbers, and uses no rule of a derivative.


# %%
def root(x):
    return ad.exp(x) / ad.sqrt(ad.sin(x) ** 3 + ad.cos(x) ** 3)


published = [
    (lambda x: x**4.5, 18.600812734259759, 5e-15),
    (lambda x: ad.exp(x) / (ad.sin(x) ** 3 + ad.cos(x) ** 3), 3.62203, 2e-6),
    (root, 4.05342789389862, 5e-15),
]
for f, slope, precision in published:
    x = Value(1.5, "x")
    y = f(x)
    y.backward()
    np.testing.assert_allclose(x.grad, slope, rtol=precision)
    for step in (1e-8, 1e-20, 1e-200):
        np.testing.assert_allclose(complex_step(y, [x], step=step)[0], x.grad, rtol=5e-15)
    print(f"{x.grad!r:20} {ad.formula(y)}")

# %% [markdown]
# ## The V
#
# Real steps have two errors. Of the Taylor series the forward difference (f(x + h) - f(x)) / h misses f'' h/2, the
# central one, (f(x + h) - f(x - h)) / 2h, only f''' h²/6: that grows with h. And the values of f are rounded, by some
# ε |f|, which is divided by h: that shrinks with h. Numerical Recipes puts the best h at about ε^(1/2) for the forward
# difference, with an error of about ε^(1/2), and at ε^(1/3) for the central one, with an error of ε^(2/3).
#
# A single rounding error is a matter of chance, so these are root mean squares over 200 points around 1.5. All points
# and steps are multiples of 2⁻⁴⁸, so that x + h is exact. f'' and f''' come from the engine, too, so that not only the
# two orders can be asserted but also their constants.

# %%
points = 1.5 + np.arange(-100, 100) / 1024
steps = 2.0 ** -np.arange(1, 49)
derivatives = root, ad.grad(root), ad.grad(ad.grad(root)), ad.grad(ad.grad(ad.grad(root)))
f, *others = [ad.compile(derivative, rows=0) for derivative in derivatives]
slopes, bends, twists = [derivative(points) for derivative in others]


def rms(errors):
    return np.sqrt(np.mean(errors**2))


forward = np.array([rms((f(points + h) - f(points)) / h / slopes - 1) for h in steps])
central = np.array([rms((f(points + h) - f(points - h)) / (2 * h) / slopes - 1) for h in steps])


def log_slope(x, y, low, high):
    """Return the slope in a plot with logarithmic axes, where x is between low and high."""
    inside = (x > low) & (x < high)
    return np.polyfit(np.log(x[inside]), np.log(y[inside]), 1)[0]


for errors, order, rising in ((forward, 1, (1e-6, 1e-3)), (central, 2, (1e-4, 1e-2))):
    best = EPS ** (1 / (order + 1))
    assert abs(log_slope(steps, errors, *rising) - order) < 0.01
    assert abs(log_slope(steps, errors, 1e-14, 1e-10) + 1) < 0.05
    assert best / 4 < steps[errors.argmin()] < best * 4
    assert best**order / 4 < errors.min() < best**order * 4
np.testing.assert_allclose(forward[15], rms(bends / slopes) * steps[15] / 2, rtol=1e-3)
np.testing.assert_allclose(central[9], rms(twists / slopes) * steps[9] ** 2 / 6, rtol=1e-3)

# %% tags=["picture"]
x = Value(1.5, "x")
y = root(x)
y.backward()
imaginary = np.array([abs(complex_step(y, [x], step=h)[0] / x.grad - 1) for h in steps])
assert abs(log_slope(steps, imaginary, 1e-6, 1e-2) - 2) < 0.01

plt.loglog(steps, forward, "o-", label="forward difference")
plt.loglog(steps, central, "s-", label="central difference")
plt.loglog(steps, np.maximum(imaginary, EPS / 4), "^-", label="complex step")
for order in (1, 2):
    plt.axvline(EPS ** (1 / (order + 1)), color="0.6", linewidth=1, linestyle=":", zorder=0)
    plt.annotate(f"ε^(1/{order + 1})", (EPS ** (1 / (order + 1)), 3), ha="center", fontsize=11)
plt.xlabel("step h", fontsize=12)
plt.ylabel("relative error of the slope", fontsize=12)
plt.legend(fontsize=11)
plt.show()

# %% [markdown]
# The complex step has the central difference's error h²/6 f''', and no other; where it is 0 or a rounding, it is drawn
# at ε/4.
#
# At its best the central difference has ten digits. Extrapolation to h = 0, from steps that are not small, has 13, and
# says how far to trust it (Numerical Recipes, the same section). It is what `check_grads`, below, compares with.

# %%
slope, error = finite_differences(root, (1.5,))
assert 1e-11 < central.min() < 1e-10
assert abs(slope / 4.053427893898621 - 1) < 1e-13
assert abs(slope - 4.053427893898621) <= error < 1e-11
print(f"{slope} ± {error:.0e}")

# %% [markdown]
# ## Kinks
#
# The notes warn of kinks, with relu at -1e-6. Its derivative there is 0, but a step of 1e-5 goes over the kink at 0,
# and the difference is 0.45. `check_grads` makes its steps smaller until they agree. At 0 itself there is nothing to
# agree on, and it says so.


# %%
def complaint(f, x):
    """Return what check_grads has to say against the derivatives of f at x, or an empty text."""
    try:
        check_grads(f, (x,))
    except AssertionError as error:
        return str(error).partition("\nTo run")[0]
    return ""


h = 1e-5
assert ad.grad(ad.relu)(-1e-6) == 0
assert abs((ad.relu(-1e-6 + h) - ad.relu(-1e-6 - h)) / (2 * h) - 0.45) < 1e-12
assert complaint(ad.relu, -1e-6) == ""
assert "undecided" in complaint(ad.relu, 0.0)

# %% [markdown]
# ## A network
#
# A network for digits has 1,210 parameters, and the numerical gradient takes two losses for each. The notes compare by
# |analytic - numerical| / (|analytic| + |numerical|), and are content with 1e-7. They advise to **use few samples**:
# more samples have more kinks, and a step over one of them is no mistake of the gradient, but looks like one.


# %%
def compiled(activation):
    """Return the mean loss of a network over rows of data, and its gradient in the weights."""

    def loss(w, x, target):
        hidden = [activation(ad.dot(row, x) + b) for row, b in zip(w["w1"], w["b1"], strict=True)]
        logits = [ad.dot(row, hidden) + b for row, b in zip(w["w2"], w["b2"], strict=True)]
        return ad.logsumexp(logits) - ad.dot(target, logits)

    return [ad.compile(f, rows=(1, 2), reduce="mean") for f in (loss, ad.grad(loss))]


def numerical_gradient(f, w, h, *data):
    """Return the central differences of f in each number of the arrays of w."""
    slopes = {name: np.empty_like(array) for name, array in w.items()}
    for name, array in w.items():
        for i, number in np.ndenumerate(array):
            array[i] = number + h
            above = f(w, *data)
            array[i] = number - h
            slopes[name][i] = (above - f(w, *data)) / (2 * h)
            array[i] = number
    return slopes


def relative_error(a, b):
    a, b = [np.concatenate([array.ravel() for array in slopes.values()]) for slopes in (a, b)]
    return np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b))


def start(seed):
    rng = np.random.default_rng(seed)
    normal = {"w1": rng.normal(0, 1 / 8, (16, 64)), "w2": rng.normal(0, 1 / 4, (10, 16))}
    return normal | {"b1": np.zeros(16), "b2": np.zeros(10)}


pixels, digits = load_digits(return_X_y=True)
X, Y = pixels / 16, np.eye(10)[digits]
w = start(seed=0)
sizes = np.logspace(-9, -1, 17)
errors = []
for activation, samples in ((ad.tanh, 3), (ad.relu, 3), (ad.relu, 30)):
    f, gradient = compiled(activation)
    data = X[:samples], Y[:samples]
    errors.append([relative_error(gradient(w, *data), numerical_gradient(f, w, h, *data)) for h in sizes])
    plt.loglog(sizes, errors[-1], "o-", label=f"{activation.__name__}, {samples} samples")
plt.axhline(1e-7, color="0.6", linewidth=1, linestyle=":", zorder=0)
plt.annotate("content below", (0.15, 6e-8), ha="right", va="top")
plt.xlabel("step h")
plt.ylabel("relative error")
plt.title("The numerical gradient of a network of 1,210 parameters")
plt.legend()
plt.show()

# of eight starts, at h = 1e-5 none is above 6e-10, and at 1e-2, with 30 samples, none below 6e-3
assert sum(array.size for array in w.values()) == 1210
assert max(row[8] for row in errors) < 2e-9
assert errors[0][14] < 1e-4 < 1e-3 < errors[2][14]

# %% [markdown]
# ## A planted bug
#
# Let somebody give tanh the derivative of arctan, 1 / (1 + x²) in place of 1 - tanh²x. Near 0 both are about 1 - x²,
# and everywhere they have the same sign. Training does not suffer: the loss even falls a little faster, and the network
# reads as many digits.

# %%
wrong_tanh = ad.primitive("wrong_tanh", evaluate=ad.tanh, partials=[lambda out, x: 1 / (1 + x * x)])
(f, right), (_, wrong) = compiled(ad.tanh), compiled(wrong_tanh)


def train(gradient):
    """Return the loss after each epoch on 500 samples, and the share of the others that is read as it should be."""
    w, losses = start(seed=0), []
    for _ in range(8):
        for batch in np.split(np.arange(500), 25):
            slopes = gradient(w, X[batch], Y[batch])
            w = {name: w[name] - 0.3 * slopes[name] for name in w}
        losses.append(f(w, X[:500], Y[:500]))
    scores = np.tanh(X[500:] @ w["w1"].T + w["b1"]) @ w["w2"].T + w["b2"]
    return losses, np.mean(scores.argmax(axis=1) == digits[500:])


(right_losses, right_read), (wrong_losses, wrong_read) = train(right), train(wrong)
print(f"read as they should be: {right_read:.1%} with the right rule, {wrong_read:.1%} with the wrong one")
# of five starts: losses 1 to 3 % lower, at most 0.4 points more or fewer are read
assert wrong_losses[-1] < right_losses[-1]
assert right_read > 0.85
assert abs(right_read - wrong_read) < 0.01

# %% [markdown]
# The check finds it, with an error of 1 %, where the right rule has 1e-10. But it depends on where one looks. The rules
# differ by x⁴/3 near 0: there half the first weights mean a sixteenth of the error, and with small ones the wrong rule
# passes.
# The notes advise to check not at the start but in a "characteristic mode of operation", after some training.

# %%
scales, data = 2.0 ** np.arange(-6, 3), (X[:3], Y[:3])
right_errors, wrong_errors = [], []
for scale in scales:
    scaled = w | {"w1": scale * w["w1"]}
    numerical = numerical_gradient(f, scaled, 1e-5, *data)
    right_errors.append(relative_error(right(scaled, *data), numerical))
    wrong_errors.append(relative_error(wrong(scaled, *data), numerical))

assert max(right_errors) < 1e-9
assert wrong_errors[1] < 1e-7 < 5e-3 < wrong_errors[6] < 2e-2  # a factor of 1/32, and of 1
assert abs(log_slope(scales, np.array(wrong_errors), 0, 0.1) - 4) < 0.05

fig, (losses, checks) = plt.subplots(1, 2)
losses.plot(range(1, 9), right_losses, "o-", label="right rule")
losses.plot(range(1, 9), wrong_losses, "s--", color="C5", label="wrong rule")
losses.set(xlabel="epoch", ylabel="loss", title="Training does not tell", ylim=(0, None))
losses.legend()
checks.loglog(scales, right_errors, "o-", label="right rule")
checks.loglog(scales, wrong_errors, "s--", color="C5", label="wrong rule")
checks.axhline(1e-7, color="0.6", linewidth=1, linestyle=":", zorder=0)
checks.set(xlabel="factor on the first weights", ylabel="relative error", title="The check does")
checks.legend()
plt.show()

# %% [markdown]
# The primitive alone is checked in one line, and a table says what is off. Here, too, the point matters: at 0.01 the
# two rules differ by 3e-9, less than the 1e-8 that is tolerated.

# %%
assert complaint(ad.tanh, 0.5) == ""
assert complaint(wrong_tanh, 0.01) == ""
assert "is wrong" in complaint(wrong_tanh, 0.5)
print(complaint(wrong_tanh, 0.5))

# %% [markdown]
# ## Where to go on
#
# [Gradients of gradients](13_gradients_of_gradients.ipynb) differentiates twice and more. How a function, a rule or a
# module of your own is checked is in [Test my gradients](../how_to/test_gradients.md).
