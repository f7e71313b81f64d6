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
# # Circuits of numbers
#
# The expressions on which backpropagation is taught, from (x + y) z to micrograd's, are drawn, explained and perturbed;
# every value and gradient that was published for them is asserted.
#
# The sources: **the notes** are those of the Stanford course CS231n,
# [Backpropagation, Intuitions](https://cs231n.github.io/optimization-2/), **the slides** those of its lecture 4 (2017).
# **The guide** is A. Karpathy's [Hacker's guide to Neural Networks](https://karpathy.github.io/neuralnets/) (2014),
# chapter 1. **micrograd** stands for the README of [karpathy/micrograd](https://github.com/karpathy/micrograd) (2020).

# %%
import matplotlib.pyplot as plt
import numpy as np

import autodiff as ad
from autodiff import Value
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Two gates
#
# Notes and guide both have f = (x + y) z at x = -2, y = 5, z = -4, a circuit of two **gates**. A gate knows its output,
# and its **local gradients**: how fast the output changes with each of its inputs, whatever the rest of the circuit is.
# Claimed: f = -12, df/dx = -4, df/dy = -4, df/dz = 3.

# %% tags=["picture"]
x, y, z = Value(-2.0, "x"), Value(5.0, "y"), Value(-4.0, "z")
q = x + y
f = q * z
q.label, f.label = "q", "f"
f.backward()

assert f.data == -12
assert (x.grad, y.grad, z.grad) == (-4, -4, 3)
ad.draw(f)

# %% [markdown]
# Circles are gates, and the numbers at the edges are their local gradients: 1 for a sum, the other factor for a
# product. `backward()` went from right to left. Each gate multiplies the gradient of its output by its local gradients,
# and hands the products on to its inputs; that is the chain rule. In steps:

# %%
ad.backward_steps(f)

# %% [markdown]
# ### Perturb, and see
#
# df/dx = -4 says: move x by a small h, and f moves by about -4h. `what_if` computes anew what depends on x. As a
# function of one input alone, f is a straight line here, so "about" is "exactly", and h need not be small.


# %%
def change(output, moves):
    """The change of the output when each of these inputs moves by so much."""
    return ad.what_if(output, {v: v.data + move for v, move in moves.items()}).value - output.data


for h in (0.01, 1.0, 100.0):
    np.testing.assert_allclose([change(f, {v: h}) for v in (x, y, z)], [-4 * h, -4 * h, 3 * h], rtol=1e-12)
ad.what_if(f, {x: x.data + 0.01})

# %% [markdown]
# Now all three at once. The guide moves each input by h = 0.01 times its own gradient, to (-2.04, 4.96, -3.97), and
# claims that f becomes -11.59. By hand it is (3 - 8h)(-4 + 3h) = -12 + 41h - 24h². The 41 is the squared length of the
# gradient. The 24h² is what a gradient does not know: the moves change the local gradients, too.

# %%
assert abs(f.data + change(f, {v: 0.01 * v.grad for v in (x, y, z)}) - -11.5924) < 1e-14
ad.what_if(f, {v: v.data + 0.01 * v.grad for v in (x, y, z)})

# %% [markdown]
# The guide's first strategy, before it has gradients, is to try random moves and keep the best. Here are 2,000 of them,
# all of the same length. To first order a move d raises f by gradient · d, which is largest where d has the direction
# of the gradient. By Taylor's theorem the true rise differs from that by at most |d|² λ / 2, where λ is the largest
# absolute eigenvalue of the Hessian (√2, the same everywhere). At length 0.01 that is next to nothing, and no random
# move beats the gradient; at length 1 some do.

# %%
gradient = np.array([v.grad for v in (x, y, z)])
length = np.linalg.norm(gradient)
hessian = ad.hessian(lambda v: (v[0] + v[1]) * v[2])([-2.0, 5.0, -4.0])
curvature = abs(np.linalg.eigvalsh(hessian)).max()
assert abs(curvature - np.sqrt(2)) < 1e-14

directions = np.random.default_rng(0).normal(size=(2000, 3))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
winners = []
for size in (0.01, 1.0):
    rises = np.array([change(f, dict(zip((x, y, z), size * d, strict=True))) for d in directions])
    assert abs(rises - size * directions @ gradient).max() < size**2 * curvature / 2
    winners.append(sum(rises > change(f, {v: size * v.grad / length for v in (x, y, z)})))
assert winners[0] == 0 < winners[1]

h = np.linspace(0, 2, 101)
along = [change(f, {v: size * v.grad for v in (x, y, z)}) for size in h]
np.testing.assert_allclose(along, 41 * h - 24 * h**2, rtol=0, atol=1e-12)

fig, (left, right) = plt.subplots(1, 2)
left.plot(directions @ gradient / length, rises, ".", color="C4", markersize=2, label="a random move", rasterized=True)
left.plot([-1, 1], [-length, length], "C5", linewidth=1, label="gradient · d")
left.plot(1, length - 24 / 41, "o", label="along the gradient")
left.set(xlabel="cosine of the angle with the gradient", ylabel="rise of f", title="Moves of length 1")
left.legend()
right.plot(h, along, label="41h - 24h²")
right.plot(h, 41 * h, "C5", linewidth=1, label="first order, 41h")
right.set(xlabel="h", ylabel="rise of f", title="Moves by h times the gradient", ylim=(-20, 30))
right.legend()
plt.show()

# %% [markdown]
# ## A sigmoid neuron, from small gates and from one
#
# The notes take apart 1 / (1 + exp(-(w₀x₀ + w₁x₁ + w₂))), at w = (2, -3, -3) and x = (-1, -2). Their figure shows, to
# two digits, the values -1.00, 0.37, 1.37, 0.73 and the gradients -0.20, -0.53, -0.53, 1.00. Their code, run, gives the
# output 0.7310585786, and the gradients (-0.1966119, -0.3932239, 0.1966119) of w and (0.3932239, -0.5898358) of x.

# %%
w0, w1, w2, x0, x1 = map(Value, (2.0, -3.0, -3.0, -1.0, -2.0), ("w₀", "w₁", "w₂", "x₀", "x₁"))
minus = -(w0 * x0 + w1 * x1 + w2)
power = ad.exp(minus)
below = 1 + power
out = 1 / below
out.label = "out"
out.backward()

wires = [minus, power, below, out]
assert [round(v.data, 2) for v in wires] == [-1.0, 0.37, 1.37, 0.73]
assert [round(v.grad, 2) for v in wires] == [-0.2, -0.53, -0.53, 1.0]
slopes = [v.grad for v in (w0, w1, w2, x0, x1)]
assert abs(out.data - 0.7310585786) < 1e-10
np.testing.assert_allclose(slopes, [-0.1966119, -0.3932239, 0.1966119, 0.3932239, -0.5898358], rtol=0, atol=5e-8)
ad.draw(out, direction="TB")

# %% [markdown]
# What counts as a gate is a matter of convenience, say the notes. The last four can be one, the sigmoid s, whose local
# gradient is s (1 - s). The numbers are the same, but one gate is safer: at -1000, exp overflows between the small
# gates, and their chain rule multiplies 0 by infinity.


# %%
def whole(p):
    return ad.sigmoid(p[0] * p[3] + p[1] * p[4] + p[2])


np.testing.assert_allclose(ad.grad(whole)([2.0, -3.0, -3.0, -1.0, -2.0]), slopes, rtol=1e-14)
assert abs(w2.grad - out.data * (1 - out.data)) < 1e-15
assert ad.grad(ad.sigmoid)(-1000.0) == 0
assert np.isnan(ad.grad(lambda t: 1 / (1 + ad.exp(-t)))(-1000.0))

# %% [markdown]
# The guide's own neuron is s(ax + by + c) at (a, b, c, x, y) = (1, 2, -3, -1, 3). Claimed: it gives 0.8808, its
# gradient is (-0.105, 0.315, 0.105, 0.105, 0.210), and after a step of 0.01 along the gradient it gives 0.8825. (These
# are the first four digits; rounded, it would be 0.8826. By hand it is s(2 + 16k + 5k²), with k = 0.01 s (1 - s).)

# %%
a, b, c, x, y = neuron = list(map(Value, (1.0, 2.0, -3.0, -1.0, 3.0), "abcxy"))
s = ad.sigmoid(a * x + b * y + c)
s.backward()
after = s.data + change(s, {v: 0.01 * v.grad for v in neuron})
k = 0.01 * s.data * (1 - s.data)

assert round(s.data, 4) == 0.8808
assert [round(v.grad, 3) for v in neuron] == [-0.105, 0.315, 0.105, 0.105, 0.210]
assert int(after * 1e4) == 8825
assert abs(after - 1 / (1 + np.exp(-(2 + 16 * k + 5 * k**2)))) < 1e-15

# %% [markdown]
# ## What gates do to a gradient
#
# The notes show what three gates do in 2 (x y + max(z, w)) at (3, -4, 2, -1). A **sum** hands its gradient unchanged to
# all its inputs. A **maximum** routes it to the larger input and gives nothing to the other. A **product** swaps: each
# factor receives the other one, times the gradient. Claimed: -20, with gradients -8, 6, 2, 0.

# %%
x, y, z, w = Value(3.0, "x"), Value(-4.0, "y"), Value(2.0, "z"), Value(-1.0, "w")
f = 2 * (x * y + ad.maximum(z, w))
f.label = "f"
f.backward()

assert f.data == -20
assert (x.grad, y.grad, z.grad, w.grad) == (-8, 6, 2, 0)
ad.draw(f)

# %% [markdown]
# ## A matrix times a vector
#
# The slides' example is f = |Wx|², with W = [[0.1, 0.5], [-0.3, 0.8]] and x = (0.2, 0.4). Claimed: Wx = (0.22, 0.26),
# f = 0.116, df/dW = [[0.088, 0.176], [0.104, 0.208]], df/dx = (-0.112, 0.636); in matrices df/dW = 2 (Wx) xᵀ and
# df/dx = 2 Wᵀ(Wx). In scalars it is two dot products, squared and added, and needs no rule for matrices.

# %%
W = [[Value(0.1, "w₁₁"), Value(0.5, "w₁₂")], [Value(-0.3, "w₂₁"), Value(0.8, "w₂₂")]]
x = [Value(0.2, "x₁"), Value(0.4, "x₂")]
product = [ad.dot(row, x) for row in W]
norm2 = ad.sum([p**2 for p in product])
norm2.label = "|Wx|²"
norm2.backward()

Wx, dx, dw = [p.data for p in product], [v.grad for v in x], [[v.grad for v in row] for row in W]
np.testing.assert_allclose([*Wx, norm2.data], [0.22, 0.26, 0.116], rtol=1e-14)
np.testing.assert_allclose(dw, [[0.088, 0.176], [0.104, 0.208]], rtol=1e-14)
np.testing.assert_allclose(dx, [-0.112, 0.636], rtol=1e-14)
np.testing.assert_allclose(dw, 2 * np.outer(Wx, [0.2, 0.4]), rtol=1e-14)
np.testing.assert_allclose(dx, 2 * np.transpose([[0.1, 0.5], [-0.3, 0.8]]) @ Wx, rtol=1e-14)
ad.draw(norm2)

# %% [markdown]
# x₁ forks: it goes into both dot products. **Gradients add up at forks**, one summand for each path to the output, and
# each the product of the local gradients along its path. These two have opposite signs:

# %%
contributions = [path.contribution for path in ad.explain(norm2, x[0]).paths]
np.testing.assert_allclose(contributions, [-0.156, 0.044], rtol=1e-14)
ad.explain(norm2, x[0])

# %% [markdown]
# ## micrograd's expression
#
# micrograd's README has an expression that uses all of micrograd's operations, and its inputs many times. Claimed:
# g = 24.7041, dg/da = 138.8338, dg/db = 645.5773. By hand: at a = -4, b = 2 one relu is off and the other on, so that
# e = 3a + 4b + 3 - 12 (ab + b³) - (b - a) = -7. Its derivatives are 4 - 12b = -20 and 3 - 12a - 36b² = -93, and with
# g = e²/2 + 10/e² those of g are (e - 20/e³) times as much. From g to a there are 24 paths. The drawing shows the
# expression as far as e.

# %%
a, b = Value(-4.0, "a"), Value(2.0, "b")
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + ad.relu(b + a)
d += 3 * d + ad.relu(b - a)
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
e.label = "e"
g.backward()

assert (round(g.data, 4), round(a.grad, 4), round(b.grad, 4)) == (24.7041, 138.8338, 645.5773)
assert e.data == -7
np.testing.assert_allclose(g.data, 49 / 2 + 10 / 49, rtol=1e-15)
np.testing.assert_allclose([a.grad, b.grad], (-7 + 20 / 7**3) * np.array([-20, -93]), rtol=1e-14)
assert ad.explain(g, a).count == 24
ad.draw(e, direction="TB", show="data")

# %% [markdown]
# ## How far can a gradient be trusted?
#
# If one input moves by h, the output moves by about slope · h. By Taylor's theorem that misses about h² / 2 times the
# second derivative, which is the `gradient` of a gradient. This holds for every circuit, but how small h has to be
# differs: micrograd's expression has a pole at a = -4.35, where e = 0, so that its tangent soon fails on that side.

# %%
circuits = [("micrograd's g, in a", g, a), ("sigmoid neuron, in w₁", out, w1), ("|Wx|², in w₂₁", norm2, W[1][0])]
sizes = np.logspace(-4, -1, 13)
assert abs(e.data + change(e, {a: -0.35})) < 1e-13

fig, (left, right) = plt.subplots(1, 2)
moves = np.linspace(-0.33, 0.33, 100)
left.plot(a.data + moves, [g.data + change(g, {a: move}) for move in moves], label="g")
left.plot(a.data + moves, g.data + a.grad * moves, "C5", linewidth=1, label="tangent")
left.plot(a.data, g.data, "o", color="C5")
left.set(xlabel="a", ylabel="g", title="micrograd's expression")
left.legend(loc="upper center")
for name, output, x in circuits:
    missed = np.array([change(output, {x: h}) - x.grad * h for h in sizes])
    taylor = ad.gradient(ad.gradient(output, x), x).data / 2 * sizes**2
    small = sizes < 2e-3
    np.testing.assert_allclose(missed[small], taylor[small], rtol=0.01)
    right.loglog(sizes, abs(missed), "o", label=name)
    right.loglog(sizes, abs(taylor), "0.6", linewidth=1, zorder=0)
right.set(xlabel="h", ylabel="|change - slope · h|", ylim=(1e-13, 10), title="What the slope misses: f'' h² / 2")
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Where to go on
#
# [Backpropagation by hand](02_by_hand.ipynb) does with two whole networks what was done here with gates. What colours
# and marks mean, and what else `explain` and `what_if` tell, is in [Reading graphs](../02_reading_graphs.ipynb).
