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
# # Leaky abstractions: what a chain of products does to gradients
#
# Saturated sigmoids, dead ReLUs, an exploding RNN, a clip that hides its goal from Q-learning: shown, found, mended.
#
# Backpropagation is a **leaky abstraction**: whoever stacks layers and trusts that gradients will come is surprised by
# networks that do not learn, though no line of their code raises an error (Karpathy, *Yes you should understand
# backprop*, 2016). All four examples of that article are here. They have one cause: the chain rule multiplies, and a
# factor is 0, or many are small, or many are large. `nn.diagnose` names each of them.

# %%
import random

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

pixels, digits = load_digits(return_X_y=True)
pixels, digits = pixels[:400], digits[:400]  # from 0, white, to 16, black

# %% [markdown]
# ## Saturated sigmoids
#
# **Claimed:** the local gradient of a sigmoid z is z (1 - z). It is 1/4 at most, where z is 1/2, so each sigmoid on the
# way takes three quarters of the gradient or more. Where weights or inputs are large, z is close to 0 or 1 and the
# local gradient close to 0: then it stops there, and the weights before it do not learn.

# %%
assert ad.grad(ad.sigmoid)(0.0) == 0.25
assert ad.grad(ad.grad(ad.sigmoid))(0.0) == 0.0 > ad.grad(ad.grad(ad.grad(ad.sigmoid)))(0.0)  # a maximum


def sigmoids(x, depth):
    for _ in range(depth):
        x = ad.sigmoid(x)
    return x


for depth in range(1, 11):
    assert 0 < ad.grad(lambda x, depth=depth: sigmoids(x, depth))(0.0) <= 0.25**depth

# %% [markdown]
# A network on raw pixels, from 0 to 16, with weights of standard deviation 1, beside one on pixels from 0 to 1 with
# Glorot's weights:


# %%
def local_gradients(model, X):
    z = nn.predict(model.layers[0], X)
    return (z * (1 - z)).ravel()


saturated = nn.MLP(64, [32, 10], "sigmoid", init=nn.init.normal(1.0), seed=0)
healthy = nn.MLP(64, [32, 10], "sigmoid", init="glorot", seed=0)
found = nn.diagnose(saturated, pixels, digits, nn.cross_entropy)
print(found)
assert found.layers[0].saturated > 0.9
assert "of outputs are saturated, and pass hardly any gradient on" in found.flags[0]
assert nn.diagnose(healthy, pixels / 16, digits, nn.cross_entropy).flags == []

fig, axes = plt.subplots(figsize=(5, 2.8))
bins = np.linspace(0, 0.25, 26)
axes.hist(local_gradients(saturated, pixels), bins, density=True, label="raw pixels, wide weights")
axes.hist(local_gradients(healthy, pixels / 16), bins, density=True, alpha=0.8, label="scaled pixels, Glorot's weights")
axes.set(xlabel="local gradient z (1 - z)", ylabel="density", title="What the first layer lets through")
axes.legend()
plt.show()

# %%
stopped, passing = np.median(local_gradients(saturated, pixels)), np.median(local_gradients(healthy, pixels / 16))
print(f"median of the local gradients: {stopped:.1e} and {passing:.2f}")
assert stopped < 1e-9
assert passing > 0.2  # both true of each of five seeds

# %% [markdown]
# ## Dead ReLUs
#
# **Claimed:** a ReLU that gives 0 on every row of the data has the gradient 0 on every row, so its weights never change
# again: it is dead. A rate that is too high kills many in a few steps.
#
# In a first layer, whose inputs do not change, that is so to the last bit. After five epochs at each rate we count the
# dead, and then train one of these networks for twenty more at a moderate rate.


# %%
def network_after(rate, activation="relu", seed=0):
    model = nn.MLP(64, [32, 10], activation, seed=seed)
    sgd = nn.SGD(model.parameters(), lr=rate)
    nn.fit(model, pixels / 16, digits, loss=nn.cross_entropy, optimizer=sgd, epochs=5, progress=False, seed=seed)
    return model


def parameters_of_the_dead(model):
    alive = nn.predict(model.layers[0], pixels / 16).any(axis=0)
    neurons = zip(model.layers[0].neurons, alive, strict=True)
    return [parameter for neuron, lives in neurons if not lives for parameter in neuron.parameters()]


rates = [0.1, 0.3, 1.0, 1.5, 3.0]
dead = {}
for activation in ("relu", "leaky_relu"):
    models = [network_after(rate, activation) for rate in rates]
    dead[activation] = [len(parameters_of_the_dead(model)) // 65 for model in models]
print("rate       ", rates)
print("dead, of 32", dead["relu"])
assert dead["relu"][0] <= 4
assert dead["relu"][-1] >= 30  # both true of each of five seeds
assert dead["leaky_relu"] == [0] * len(rates)

model = network_after(1.5)  # 28 or more are dead with each of eight seeds
found = nn.diagnose(model, pixels / 16, digits, nn.cross_entropy)
print(found)
assert found.layers[0].dead == dead["relu"][3] >= 24
assert found.flags[0].startswith(f"layers.0: {found.layers[0].dead} of 32 ReLUs give 0 on all rows and no longer learn")

doomed = parameters_of_the_dead(model)
before = [parameter.data for parameter in doomed]
sgd = nn.SGD(model.parameters(), lr=0.1)
nn.fit(model, pixels / 16, digits, loss=nn.cross_entropy, optimizer=sgd, epochs=20, progress=False)
assert [parameter.data for parameter in doomed] == before  # bit for bit

fig, axes = plt.subplots(figsize=(5, 2.8))
for activation, label in (("relu", "ReLU"), ("leaky_relu", "leaky ReLU")):
    axes.plot(rates, dead[activation], "o-", label=label)
axes.set(xlabel="learning rate", ylabel="dead neurons, of 32", title="After five epochs")
axes.legend()
plt.show()

# %% [markdown]
# A leaky ReLU has a slope of 0.01 where it is negative, so that a neuron that was thrown far off can come back.
#
# ## An exploding RNN
#
# **Claimed:** a recurrent network multiplies by the same matrix at each step, and its gradient by the transpose at each
# step back. Where the network is linear, the gradient explodes if the largest absolute eigenvalue is above 1, and
# vanishes if it is below. The smallest example is a number w: from h ← w h + x comes dh(T)/dh(0) = w to the power of T.


# %%
def read(w, xs, h=0.0):
    for x in xs:
        h = w * h + x
    return h


xs = np.random.default_rng(0).uniform(0, 1, 50).tolist()
for w in (0.9, 1.0, 1.1):
    slope = ad.grad(lambda h, w=w: read(w, xs, h))(0.0)
    print(f"w = {w}  dh(50)/dh(0) = {slope:9.5f}")
    np.testing.assert_allclose(slope, w**50, rtol=1e-12)

# %% [markdown]
# Let read(w, xs) / 50 learn to be the mean of what is read, as it is at w = 1. The loss is a valley with a wall on its
# right (Pascanu, Mikolov, Bengio, *On the difficulty of training recurrent neural networks*, 2013, section 2.3). From
# the wall, the first step goes far out of the picture, and the second one beyond 10¹⁰⁰. With the gradient clipped to a
# length of 1 (their algorithm 1) the same rate leads to the bottom.


# %%
def squared_error(w):
    return (read(w, xs) / 50 - np.mean(xs).item()) ** 2


def descend(w, clip=None, steps=100, rate=0.002):
    w, path = Value(w), [w]
    sgd = nn.SGD([w], lr=rate)
    for _ in range(steps):
        sgd.zero_grad()
        squared_error(w).backward()
        if clip is not None:
            clip([w])
        sgd.step()
        path.append(w.data)
    return path


fallen, clipped_path = descend(1.1, steps=2), descend(1.1, clip=nn.optim.clip_by_norm(1.0))
print("without clipping", fallen)
print("with clipping   ", clipped_path[-1], "after 100 steps")
assert abs(fallen[1]) > 2
assert abs(fallen[2]) > 1e100
assert abs(clipped_path[-1] - 1) < 1e-3

ws = np.linspace(0.7, 1.12, 200)
fig, axes = plt.subplots(figsize=(5, 2.8))
axes.semilogy(ws, [squared_error(w) for w in ws], "C7", label="loss")
axes.semilogy(
    clipped_path[::4], [squared_error(w) for w in clipped_path[::4]], "o", label="steps with clipping, every fourth"
)
axes.annotate(f"without: the first\nstep ends at w = {fallen[1]:.0f}", (1.1, squared_error(1.1)), xytext=(0.86, 30),
              arrowprops={"arrowstyle": "<-"})  # fmt: skip
axes.set(xlabel="w", ylabel="loss", title="A valley with a wall", ylim=(1e-6, 1e3))
axes.legend(loc="lower left")
plt.show()


# %%
class Reader(nn.Module):
    """A linear RNN of four units, with w times the identity as its matrix, and a layer that reads its last state."""

    def __init__(self, w):
        matrix = nn.init.Whole(lambda rng, rows, columns: np.c_[np.ones(rows), w * np.eye(rows)].tolist())
        self.cell = nn.RNNCell(1, 4, "linear", init=matrix)
        self.out = nn.Layer(4, 1, "linear", seed=0)

    def __call__(self, row):
        outputs, _ = nn.unroll(self.cell, [[x] for x in row])
        return self.out(outputs[-1])


rows = np.random.default_rng(1).normal(size=(20, 60))
found = nn.diagnose(Reader(1.2), rows, rows.mean(axis=1), nn.mse)
print(found)
assert any(flag.startswith("cell.gate: the gradient explodes, up to ") for flag in found.flags)
assert nn.diagnose(Reader(1.0), rows, rows.mean(axis=1), nn.mse).flags == []

# %% [markdown]
# ## Clipping a value, where its gradient was meant
#
# **Claimed** (Karpathy, from an implementation of deep Q-learning; the same had been found in another one, deep_q_rl,
# issue 46, 2015): to be robust against large errors, one clips the error δ to [-1, 1] before it is squared. But the
# local gradient of a clip is 0 outside of its bounds: the gradient vanishes just where the error is large. What was
# meant is to clip the gradient. That is Huber's loss, δ²/2 within the bounds and |δ| - 1/2 outside, whose slope is
# clip(δ, -1, 1).
#
# The issue shows the gradient of Σ clip(a, -1, 1)² for a = -2, -1.75, ..., 1.75. Here it is:

# %%
a = np.arange(-2, 2, 0.25)
slopes = ad.grad(lambda a: ad.sum([ad.clip(x, -1, 1) ** 2 for x in a]))(a)
published = [0, 0, 0, 0, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 0, 0, 0]
assert slopes.tolist() == published
assert ad.grad(lambda a: nn.huber(a, np.zeros(16), reduction="sum"))(a).tolist() == np.clip(a, -1, 1).tolist()

fig, panels = plt.subplots(1, 2, figsize=(6.4, 2.6))
errors = np.linspace(-3, 3, 241)
losses = {"clipped error, squared": lambda e: ad.clip(e, -1, 1) ** 2 / 2, "Huber": lambda e: nn.huber(e, 0.0)}
for (name, loss), style in zip(losses.items(), ("-", "--"), strict=True):
    panels[0].plot(errors, [loss(e) for e in errors], style, label=name)
    panels[1].plot(errors, [ad.grad(loss)(e) for e in errors], style)
panels[0].set(xlabel="error δ", title="Loss")
panels[1].set(xlabel="error δ", title="Slope")
panels[0].legend()
plt.show()

# %% [markdown]
# What does that do to an agent? This one walks at random through a small world, where a step costs 0.1, the goal G is
# worth 10, the pit X costs 10, and both end the walk. Q-learning (Watkins and Dayan, *Q-learning*, 1992) keeps a number
# Q(s, move) for each move in each cell s. After a move that earned r and led to s' it takes a step of gradient descent,
# which brings that number nearer to its target, r + γ max Q(s', ·), where the discount γ is 0.9. The numbers are
# Values, and all of them 0 at first.

# %%
WORLD = ["....G", ".#.#X", ".....", "S#..."]
MOVES = {"↑": (-1, 0), "→": (0, 1), "↓": (1, 0), "←": (0, -1)}
CELLS = [(row, column) for row in range(4) for column in range(5) if WORLD[row][column] != "#"]
START, GOAL, PIT = (3, 0), (0, 4), (1, 4)
WALKED = [cell for cell in CELLS if cell not in (GOAL, PIT)]
DISCOUNT = 0.9


def move(cell, name, prize):
    """Return the next cell and the reward; into a wall, one stays."""
    ahead = (cell[0] + MOVES[name][0], cell[1] + MOVES[name][1])
    ahead = ahead if ahead in CELLS else cell
    return ahead, {GOAL: prize, PIT: -prize}.get(ahead, -prize / 100)


def clipped_loss(q, target):
    return ad.clip(target - q, -1, 1) ** 2 / 2


def q_learning(loss, prize, steps=20_000, rate=0.5, seed=0):
    """Walk at random and learn from it; return Q."""
    Q = {cell: {name: Value(0.0) for name in MOVES} for cell in CELLS}
    rng = random.Random(seed)
    cell = START
    for _ in range(steps):
        name = rng.choice(list(MOVES))
        ahead, reward = move(cell, name, prize)
        target = reward + DISCOUNT * max(q.data for q in Q[ahead].values())
        q = Q[cell][name]
        loss(q, target).backward()
        q.data -= rate * q.grad
        q.grad = 0.0
        cell = ahead if ahead in WALKED else rng.choice(WALKED)
    return {cell: {name: q.data for name, q in row.items()} for cell, row in Q.items()}


def optimal(prize, sweeps=100):
    """Return the Q that Bellman's equation holds for, by value iteration: no gradients."""
    Q = {cell: dict.fromkeys(MOVES, 0.0) for cell in CELLS}
    for _ in range(sweeps):
        after = {cell: {name: move(cell, name, prize) for name in MOVES} for cell in WALKED}
        best = {cell: max(row.values()) for cell, row in Q.items()}
        Q |= {cell: {name: r + DISCOUNT * best[s] for name, (s, r) in row.items()} for cell, row in after.items()}
    return Q


def walk(Q, cell=START):
    """Return the cells on the way of an agent that always takes the move it thinks best."""
    path = [cell]
    while cell in WALKED and len(path) < 30:
        cell, _ = move(cell, max(Q[cell], key=Q[cell].get), prize=10.0)
        path.append(cell)
    return path


def furthest(Q, P):
    return max(abs(Q[cell][name] - P[cell][name]) for cell in CELLS for name in MOVES)


best, by_clip, by_huber = optimal(10.0), q_learning(clipped_loss, 10.0), q_learning(nn.huber, 10.0)
assert furthest(by_huber, best) < 1e-12
six_steps = 0.1 * sum(DISCOUNT**k for k in range(6))
assert abs(by_huber[START]["↑"] - (10 * DISCOUNT**6 - six_steps)) < 1e-12
assert walk(by_huber)[-1] == GOAL
assert len(walk(by_huber)) == 8

goal_move, pit_move = by_clip[0, 3]["→"], by_clip[2, 4]["↑"]
assert goal_move == pit_move == 0.0  # never moved, by not one bit
assert walk(by_clip)[-1] == PIT

# %% tags=["picture"]
fig, panels = plt.subplots(1, 2, figsize=(4.8, 2.5))
for axes, Q, title in ((panels[0], by_clip, "Clipped error"), (panels[1], by_huber, "Huber's loss")):
    worth = np.full((4, 5), np.nan)
    for cell in WALKED:
        worth[cell] = max(Q[cell].values())
        axes.text(*cell[::-1], f"{worth[cell]:.1f}", ha="center", va="center", color="0.1", zorder=3)
    for cell, letter in ((GOAL, "G"), (PIT, "X")):
        axes.text(*cell[::-1], letter, ha="center", va="center", zorder=3, weight="bold", size=13)
    axes.imshow(worth, cmap="Blues", vmin=-1, vmax=18)
    ys, xs = np.transpose(walk(Q))
    axes.plot(xs, ys, "C1", linewidth=14, alpha=0.6, solid_capstyle="round", solid_joinstyle="round")
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
plt.show()

# %% [markdown]
# The numbers say what each cell is worth to the agent, max Q; the line is the way that it goes; gaps are walls. With
# Huber's loss Q becomes the solution of Bellman's equation. With the clipped error the agent learns what steps cost,
# from small errors. But a step into the goal has an error of 10, and one into the pit of -10: no gradient, at any
# visit, and both stay worth 0. It cannot tell one from the other, goes where fewer steps lead, and ends in the pit.
#
# How could that go unnoticed? Deep Q-learning played Atari games with rewards cut to -1, 0 or 1 (Mnih et al., 2015), so
# that most errors are small. With a prize of 1 all of ours are, and both losses do the same to the last bit:

# %%
small = q_learning(clipped_loss, 1.0)
assert small == q_learning(nn.huber, 1.0)
assert furthest(small, optimal(1.0)) < 1e-12

# %% [markdown]
# Again `nn.diagnose` sees it: a loss that is not 0, and yet has no slope.


# %%
class Table(nn.Module):
    """Q as a model: rows are a cell's number and a move's."""

    def __init__(self):
        self.q = [[Value(0.0) for _ in MOVES] for _ in WALKED]

    def __call__(self, row):
        return self.q[int(row[0])][int(row[1])]


rows = [[i, j] for i in range(len(WALKED)) for j in range(4)]
rewards = [move(cell, name, 10.0)[1] for cell in WALKED for name in MOVES]
found = nn.diagnose(Table(), rows, rewards, clipped_loss)
print(*found.flags)
assert (found.mute, found.rows) == (2, 60)  # one move leads to the goal, and one into the pit
assert nn.diagnose(Table(), rows, rewards, nn.huber).flags == []

# %% [markdown]
# ## Where to go on
#
# [Gradient checking](12_gradient_checking.ipynb) finds rules that are wrong. How a drawing marks a dead relu, and an
# infinity, is in [Reading graphs](../02_reading_graphs.ipynb).
