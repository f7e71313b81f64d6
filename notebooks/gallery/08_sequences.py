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
# # Sequences: remembering, and why it is hard to learn
#
# A recurrent network unrolled through time, what becomes of its gradient over 200 steps, how an LSTM carries it, and
# two ways to train on sequences longer than memory.
#
# The sources: Werbos, *Backpropagation through time: what it does and how to do it*, 1990; Bengio, Simard and Frasconi,
# *Learning long-term dependencies with gradient descent is difficult*, 1994; Pascanu, Mikolov and Bengio, *On the
# difficulty of training recurrent neural networks*, 2013, section 2 and figure 6; Hochreiter and Schmidhuber, *Long
# short-term memory*, 1997, section 3 and experiment 4; Williams and Peng, *An efficient gradient-based algorithm for
# on-line training of recurrent network trajectories*, 1990, on truncation; Griewank, *Achieving logarithmic growth of
# temporal and spatial complexity in reverse automatic differentiation*, 1992, and Chen and others, *Training deep nets
# with sublinear memory cost*, 2016, on checkpoints.

# %%
import math
import random
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

import autodiff as ad
import nn
from autodiff.backprop import get_data, get_grads, set_data
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Unrolled, it is a deep network with shared weights
#
# A recurrent network reads one item after the other and keeps a state: hₜ = tanh(W [xₜ, hₜ₋₁] + b). Over T items that
# is a network of T layers which share their weights. So backpropagation **through time** is plain backpropagation, and
# the gradient in a weight is the sum of what it would be in each layer's own copy of it (Werbos). Here are five steps
# both ways: one cell for all of them, and a cell for each.


# %%
def shares_of_steps(make, items, loss_of):
    """The gradient of a loss of the last output in the weights of each step's own copy of a cell, a row for each."""
    copies, state = [make() for _ in items], None
    for cell, x in zip(copies, items, strict=True):
        output, state = cell(x, state)
    loss_of(output).backward()
    return np.array([get_grads(cell.parameters()) for cell in copies])


def new_cell():
    return nn.RNNCell(1, 3, seed=0)  # the same seed, so the same weights


items = [[0.5], [-1.0], [0.3], [0.8], [-0.2]]
shared = new_cell()
outputs, _ = nn.unroll(shared, items)
ad.sum(outputs[-1]).backward()
by_step = shares_of_steps(new_cell, items, ad.sum)
np.testing.assert_allclose(get_grads(shared.parameters()), by_step.sum(axis=0), rtol=1e-12, atol=1e-14)
print("share of each step in the gradient, its size:", np.linalg.norm(by_step, axis=1).round(3))

# %% [markdown]
# ## 200 steps back
#
# On its way back the gradient is multiplied, at each step, by Wᵀ diag(f'), where W is the recurrent part of the
# weights. Let γ be the steepest slope of f, 1 for tanh and 1/4 for the sigmoid, and λ the largest singular value of W.
# Then k steps back the gradient is at most (γ λ)ᵏ times as large: with λ < 1/γ it **vanishes**, exponentially fast, and
# λ > 1/γ is necessary for it to **explode** (Pascanu and others, equations 5 to 7). If W is orthogonal times λ and f
# linear, the bound is what happens.


# %%
def gradient_by_steps(activation, scale, steps=200, hidden=16):
    """|∂C/∂h| by how many steps h lies before C = v · h at the end; the cell's W is orthogonal, times scale."""
    rng = np.random.default_rng(0)
    cell = nn.RNNCell(1, hidden, activation, seed=0)
    recurrent = nn.init.weights(nn.init.orthogonal(scale), random.Random(0), hidden, hidden)
    for neuron, row in zip(cell.gate.neurons, recurrent, strict=True):
        set_data(neuron.w[1:], row)
    outputs, _ = nn.unroll(cell, 0.3 * rng.normal(size=(steps + 1, 1)))
    v = rng.normal(size=hidden)
    ad.dot(v / np.linalg.norm(v), outputs[-1]).backward()
    return np.array([np.linalg.norm([h.grad for h in hs]) for hs in reversed(outputs)])


back = np.arange(201)
cells = [("linear", 1.05), ("linear", 1.0), ("linear", 0.95), ("tanh", 1.0), ("tanh", 1.5), ("sigmoid", 3.0)]
gradients = {cell: gradient_by_steps(*cell) for cell in cells}
for (activation, scale), norms in gradients.items():
    bound = (scale / 4 if activation == "sigmoid" else scale) ** back
    assert np.all(norms <= bound * (1 + 1e-12))
    if activation == "linear":
        np.testing.assert_allclose(norms, bound, rtol=1e-12)
    print(f"{activation:8} λ = {scale:<4}  200 steps back {norms[200]:.2e}, bound {bound[200]:.2e}")

# %% [markdown]
# The linear networks meet the bound to 12 digits. With tanh, λ = 1 is not enough to keep a gradient; at λ = 1.5 it
# explodes, though far more slowly than the bound.

# %%
assert gradients["tanh", 1.0][200] < 1e-2 < 1e2 < gradients["tanh", 1.5][200] < 1e-20 * 1.5**200

# %% tags=["picture"]
fig, axes = plt.subplots(figsize=(4.8, 3.4))
for colour, ((activation, scale), norms) in enumerate(gradients.items()):
    axes.semilogy(norms, f"C{colour}", linewidth=2)
    if activation != "sigmoid":
        below = (activation, scale) in [("tanh", 1.5), ("linear", 0.95)]
        place = {"va": "top" if below else "bottom", "fontsize": 11, "color": f"C{colour}"}
        axes.text(203, norms[-1], f"{activation}, λ = {scale}", **place)
axes.text(70, 1e-11, "sigmoid, λ = 3", color="C5", fontsize=11)
axes.set(xlim=(0, 320), ylim=(1e-13, 1e7), xlabel="steps back in time", ylabel="size of the gradient")
axes.set_xticks([0, 50, 100, 150, 200])
axes.set_title("What is left of a gradient", fontsize=12)
plt.show()

# %% [markdown]
# This is why it is hard to learn what is far apart (Bengio and others). To hold a bit for long, the state must be drawn
# back to where it was, so that noise is forgotten. But then a small change of the state is forgotten as well, and that
# is what a gradient measures.
#
# ## The cliff
#
# Where gradients explode, the error has cliffs. Pascanu and others show one in the smallest of all recurrent networks,
# xₜ = w σ(xₜ₋₁) + b (figure 6). Here it starts at 1/2, and is to be at 0.7 after 50 steps. On the line b = 1/2 - w
# σ(1/2) the state stays at 1/2, and each step multiplies a small change by r = w σ'(1/2). So the slope in b is known
# there: ∂x₅₀/∂b = 1 + r + … + r⁴⁹.


# %%
def after_50_steps(w, b):
    x = 0.5
    for _ in range(50):
        x = w * ad.sigmoid(x) + b
    return x


def error(w, b):
    return (after_50_steps(w, b) - 0.7) ** 2


def on_the_cliff(w):
    return 0.5 - w * ad.sigmoid(0.5)


slope_in_b = ad.compile(ad.grad(after_50_steps, argnums=1))
for w in (3.0, 4.0, 4.5, 5.0):
    r = w * ad.sigmoid(0.5) * ad.sigmoid(-0.5)
    slope = slope_in_b(w, on_the_cliff(w))
    print(f"w = {w}: r = {r:.3f}, ∂x₅₀/∂b = {slope:10.3f}")
    assert math.isclose(slope, (r**50 - 1) / (r - 1), rel_tol=1e-8)

# %% [markdown]
# Now gradient descent in b, at w = 4.5. The minimum lies on the cliff. A step from the steep part throws b far away;
# with the gradient clipped to 1 it cannot go further than the learning rate, and stays.


# %%
def descend(clip, w=4.5, b=-2.0, lr=0.01, steps=200):
    path = [b]
    for _ in range(steps):
        slope = error_and_slope(w, b)[1]
        b -= lr * max(-clip, min(clip, slope))
        path.append(b)
    return np.array(path)


error_and_slope = ad.compile(ad.value_and_grad(error, argnums=1))
paths = {"plain": descend(math.inf), "clipped": descend(1.0)}
longest = {name: np.max(abs(np.diff(path))) for name, path in paths.items()}
assert longest["plain"] > 1
assert longest["clipped"] <= 0.01 * (1 + 1e-12)  # the learning rate
assert np.all(abs(paths["clipped"][-100:] - on_the_cliff(4.5)) < 0.02)

fig, (left, right) = plt.subplots(1, 2)
bs = np.linspace(-2.8, -1.8, 401)
left.plot(bs, [error_and_slope(4.5, b)[0] for b in bs], "k")
left.set(xlabel="b", ylabel="error", title="The error at w = 4.5")
for name, path in paths.items():
    right.plot(path, label=f"{name}, longest step {longest[name]:.2g}")
right.set(xlabel="step", ylabel="b", ylim=(-3, 7), title="Gradient descent")
right.legend()
plt.show()

# %% [markdown]
# ## The constant error carousel
#
# Hochreiter and Schmidhuber's remedy is a state that is only added to: cₜ = cₜ₋₁ + i g. The gates i and o and the
# candidate g are layers on the item and the previous output hₜ₋₁, and in their training an error that reaches these
# layers goes no further back. Then the error in c stays the same for any number of steps: ∂cₜ/∂cₜ₋₁ = 1, exactly. In
# the code below `detach` cuts the other ways off.
#
# Today's LSTM has a forget gate f, too, cₜ = f cₜ₋₁ + i g (Gers, Schmidhuber and Cummins, *Learning to forget*, 2000).
# Along the cell the gradient is now multiplied by f at each step, and how far it reaches depends on f's bias: at 1 the
# gate starts at σ(1) = 0.73, and 0.73²⁰⁰ is 10⁻²⁷. To remember for T steps, f should be about 1 - 1/T, which is a
# bias of log(T - 1) (Tallec and Ollivier, *Can recurrent neural networks warp time?*, 2018).


# %%
def cell_step(cell, x, h, c, forgets):
    """The step of an LSTM in which h passes no gradient back; also returns the forget gates."""
    z = [x, *(number.detach() for number in h)]
    f = cell.forget(z) if forgets else [ad.Value(1.0)] * len(c)
    i, g, o = cell.input(z), cell.candidate(z), cell.output(z)
    c = [fj * cj + ij * gj for fj, cj, ij, gj in zip(f, c, i, g, strict=True)]
    return [oj * ad.tanh(cj) for oj, cj in zip(o, c, strict=True)], c, f


print("gradient 200 steps back along the cell:")
for name, bias in [("no forget gate", None), ("bias 1", 1.0), ("bias log 199", math.log(199))]:
    cell, remembered = nn.LSTMCell(1, 4, seed=0), np.ones(4)
    set_data([neuron.b for neuron in cell.forget.neurons], [bias or 0.0] * 4)
    h = start = [ad.Value(0.0) for _ in range(4)]
    c = start
    for x in np.random.default_rng(1).normal(size=200):
        h, c, f = cell_step(cell, x, h, c, forgets=bias is not None)
        remembered *= get_data(f)
    ad.sum(c).backward()
    carried = [number.grad for number in start]
    print(f"{name:15}", *(f"{gradient:8.1e}" for gradient in carried))
    np.testing.assert_allclose(carried, remembered, rtol=1e-12)
    if bias is None:
        assert carried == [1.0] * 4

# %% [markdown]
# ## Remembering, learned
#
# Does it help? Bengio and others have a **latch** problem: a sequence of noise begins with 1 or -1, and at its end the
# network must say which. Hochreiter and Schmidhuber object that guessing weights at random can solve so easy a task.
# Their **adding** problem (experiment 4) is harder: of the numbers in a sequence two are marked, here one in each half,
# and the answer is 1/2 + their sum / 4. It is right if it is off by less than 0.04. Whoever always says 1/2 has a mean
# squared error of 1/24.


# %%
class Reader(nn.Module):
    """A cell that reads a sequence, and a neuron that answers from its last output."""

    def __init__(self, cell, seed):
        self.cell, self.answer = cell, nn.Neuron(cell.hidden, "linear", seed=seed)

    def __call__(self, items):
        outputs, _ = nn.unroll(self.cell, items)
        return self.answer(outputs[-1])


def rnn(width, steps, seed):
    return Reader(nn.RNNCell(width, 8, seed=seed), seed)


def lstm(width, steps, seed):
    cell = nn.LSTMCell(width, 8, seed=seed)
    set_data([neuron.b for neuron in cell.forget.neurons], [math.log(steps - 1)] * 8)
    return Reader(cell, seed)


def adding(steps, rows, rng):
    numbers, marks, row = rng.uniform(-1, 1, (rows, steps)), np.zeros((rows, steps)), np.arange(rows)
    first, second = rng.integers(0, steps // 2, rows), rng.integers(steps // 2, steps, rows)
    marks[row, first] = marks[row, second] = 1
    return np.stack([numbers, marks], axis=-1), 0.5 + (numbers[row, first] + numbers[row, second]) / 4


def answers(model, training, X):
    adam = nn.optim.Adam(model.parameters(), lr=0.01)
    nn.fit(model, *training, loss=nn.mse, optimizer=adam, epochs=12, batch_size=25, clip=1.0, progress=False)
    return nn.predict(model, X)[:, 0]


rng = np.random.default_rng(0)
lengths, rights, squares = [4, 8, 12, 25, 50], {rnn: [], lstm: []}, {rnn: [], lstm: []}
for steps in lengths:
    training, (X, y) = adding(steps, 2000, rng), adding(steps, 500, rng)
    for make in (rnn, lstm):
        given = np.array([answers(make(2, steps, seed), training, X) for seed in (0, 1)])
        rights[make].append(np.mean(abs(given - y) < 0.04))
        squares[make].append(np.mean((given - y) ** 2, axis=1))
print("steps      ", *(f"{steps:6}" for steps in lengths))
for make, right in rights.items():
    print(f"{make.__name__:4}, right", *(f"{share:6.0%}" for share in right))
# Of six starts each, on two sets of data, at 50 steps:
assert np.min(squares[rnn][-1]) > 0.9 / 24  # the RNN has 0.99/24 to 1.06/24, no better than 1/2
assert np.max(squares[lstm][-1]) < 0.1 / 24  # the LSTM has 0.006/24 to 0.039/24
assert rights[rnn][0] > 0.7
assert rights[rnn][-1] < 0.3 < 0.55 < rights[lstm][-1]

fig, axes = plt.subplots()
for make, right in rights.items():
    axes.plot(lengths, right, "o-", label=make.__name__.upper())
axes.set(xlabel="steps in a sequence", ylabel="right, of 500 new sequences", ylim=(0, 1.03), title="The adding problem")
axes.yaxis.set_major_formatter(PercentFormatter(1))
axes.legend()
plt.show()

# %% [markdown]
# ## Cutting time into pieces
#
# Through T steps the graph holds T steps. Truncated backpropagation lets the numbers of the state go on from one piece
# of k steps to the next, and its gradient not (Williams and Peng); `nn.unroll(..., truncate=k)` does it. Of the shares
# of all steps, as above, what is left at the end of the last piece is those of the last k. In the LSTM below, which can
# remember 200 steps, that is another direction.

# %%
items = 0.5 * np.random.default_rng(0).normal(size=(200, 1))


def final_loss(output):
    return nn.mse(output, [0.5] * 8)


shares = shares_of_steps(lambda: lstm(1, 200, seed=0).cell, items, final_loss)
full, losses = shares.sum(axis=0), set()
cosines = {}
for k in (1, 2, 5, 10, 20, 50, 100, 200):
    cell = lstm(1, 200, seed=0).cell
    outputs, _ = nn.unroll(cell, items, truncate=k)
    loss = final_loss(outputs[-1])
    loss.backward()
    losses.add(loss.data)
    gradient = np.array(get_grads(cell.parameters()))
    np.testing.assert_allclose(gradient, shares[-k:].sum(axis=0), rtol=1e-10, atol=1e-14)
    cosines[k] = gradient @ full / np.linalg.norm(gradient) / np.linalg.norm(full)
print("cosine with the whole gradient:", *(f"{k} steps {cosine:.2f}," for k, cosine in cosines.items()))
assert len(losses) == 1  # the numbers go on, to the last bit
assert cosines[1] < 0.5 < cosines[100] < 0.8 < cosines[200]

# %% [markdown]
# A checkpoint gives up nothing but time: of a piece only the state at its start is kept, and the backward pass computes
# the piece again. With T/k pieces of k steps the memory is a T/k + b k, which is least where k is √T times a constant,
# and is then 2 √(a b T) (Chen and others; with checkpoints inside of checkpoints it grows only as log T, Griewank). The
# numbers are the same, and so is the gradient, but for the order of additions. `tracemalloc` measures the most that is
# held at any time. (Of a large piece more is held than the plain graph has: the piece, and the sweeps over it.)

# %%
T = 2000
inputs = np.sin(np.arange(T)).tolist()
cell = nn.RNNCell(1, 4, seed=0)


def piece(h, *items):
    return nn.unroll(cell, [[item] for item in items], h)[1]


def measured(piece, k):
    """Loss, gradient, and the most memory in kB, of T steps in pieces of k."""
    for parameter in cell.parameters():
        parameter.grad = 0.0
    tracemalloc.start()
    h = [0.0] * 4
    for start in range(0, T, k):
        h = piece(h, *inputs[start : start + k])
    loss = ad.sum(h)
    loss.backward()
    most = tracemalloc.get_traced_memory()[1] / 1000
    tracemalloc.stop()
    return loss.data, np.array(get_grads(cell.parameters())), most


value, gradient, whole = measured(piece, T)
sizes, most = [10, 20, 50, 100, 200, 400, 1000], []
for k in sizes:
    same, close, memory = measured(ad.checkpoint(piece), k)
    assert same == value
    np.testing.assert_allclose(close, gradient, rtol=1e-12, atol=1e-12)
    most.append(memory)
print(f"whole graph {whole:.0f} kB; in pieces:", *(f"{k}: {memory:.0f}" for k, memory in zip(sizes, most, strict=True)))
assert min(most) < whole / 3
assert 20 <= sizes[np.argmin(most)] <= 200  # √T is 45

fig, axes = plt.subplots()
axes.semilogx(sizes, most, "o-", label="checkpoints")
axes.axhline(whole, color="k", linestyle=":", label="the whole graph")
axes.axvline(math.sqrt(T), color="0.7", linewidth=1)
axes.text(math.sqrt(T) * 1.05, 100, "√T")
axes.set(xlabel="steps in a piece", ylabel="most memory held, kB", ylim=(0, None), title=f"{T:,} steps there and back")
axes.legend()
plt.show()

# %% [markdown]
# ## Where to go on
#
# [Convolution, and what the network looks at](09_convolution.ipynb) shares weights between places, as this one did
# between times. How to write a module such as `Reader` is in [Write a module](../how_to/write_a_module.md).
