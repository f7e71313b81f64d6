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
# # Reading digits: how often to step, what to minimise, how not to memorise
#
# A network learns digits by batch, mini-batch and online descent, under two costs, with and without weight decay.
#
# Three choices are behind every training run, and each has its classic:
#
# - **How many rows make a step?** LeCun, Bottou, Orr, Müller, *Efficient BackProp*, 1998, section 4.1: data are
#   redundant, so a step that waits for all of them wastes most of its work.
# - **What is minimised?** Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 3: with the quadratic cost a
#   sigmoid neuron learns most slowly when it is most wrong; with the cross-entropy it does not.
# - **How large may weights grow?** Krogh and Hertz, *A simple weight decay can improve generalization*, 1992, and again
#   Nielsen's chapter 3: a penalty on large weights keeps a network from memorising.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

X, digits = load_digits(return_X_y=True)
X = X / 16  # 1,797 images of 8 x 8 pixels, from 0, white, to 1, black
X_train, X_test, y_train, y_test = train_test_split(X, digits, test_size=450, random_state=0, stratify=digits)
print(f"{len(X_train)} images to learn from, {len(X_test)} held out")

# %% [markdown]
# ## How many rows make a step?
#
# **Claimed** (*Efficient BackProp*, 4.1): suppose that 1,000 images are ten copies of the same 100. The mean gradient
# over all 1,000 is that over the 100, at ten times the work. Online descent, with a step after each row, gains as much
# from one epoch of the copies as from ten epochs of the 100. Real data do not repeat exactly, but the argument carries
# over as far as rows are alike.


# %%
def train(X, y, epochs, batch_size, lr, validation=None, shuffle=True, seed=0):
    model = nn.MLP(64, [32, 10], "tanh", seed=seed)
    sgd = nn.SGD(model.parameters(), lr=lr)
    # fmt: off
    history = nn.fit(model, X, y, loss=nn.cross_entropy, optimizer=sgd, epochs=epochs, batch_size=batch_size,
                     shuffle=shuffle, seed=seed, metrics=["accuracy"], validation=validation, progress=False)
    # fmt: on
    return np.array([parameter.data for parameter in model.parameters()]), history


once = X_train[:100], y_train[:100]
tenfold = np.tile(X_train[:100], (10, 1)), np.tile(y_train[:100], 10)

batch, _ = train(*once, epochs=1, batch_size=None, lr=0.5)
batch_on_copies, _ = train(*tenfold, epochs=1, batch_size=None, lr=0.5)
np.testing.assert_allclose(batch_on_copies, batch, rtol=0, atol=1e-12)  # ten times the work, the same step

online, _ = train(*once, epochs=10, batch_size=1, lr=0.01, shuffle=False)
online_on_copies, _ = train(*tenfold, epochs=1, batch_size=1, lr=0.01, shuffle=False)
assert (online_on_copies == online).all()  # one epoch of copies is ten epochs, bit for bit

# %% [markdown]
# What does a small batch lose? Its gradient is right on average, but noisy. Let gᵢ be the gradient of row i, g their
# mean over all N rows, and S² the mean of |gᵢ - g|². For the mean of B rows, drawn without replacement, the expected
# squared distance from g is exactly
#
# $$\frac{S^2}{B} \cdot \frac{N - B}{N - 1}$$
#
# (Cochran, *Sampling Techniques*, 1977, theorem 2.2). Four times the rows cost four times as much, but only halve the
# noise. One call gives the gradient of every row: the function is written for one row, and compiled for many.

# %%
model = nn.MLP(64, [32, 10], "tanh", seed=0)
row_gradient = ad.compile(
    lambda x, digit: ad.gradient(nn.cross_entropy(model(x), digit), model.parameters()), rows=(0, 1)
)
gradients = row_gradient(X_train, y_train)  # a row for each image, a column for each parameter
mean, rows = gradients.mean(axis=0), len(gradients)
spread = np.mean(np.sum((gradients - mean) ** 2, axis=1))

rng = np.random.default_rng(0)
sizes = np.array([1, 4, 16, 64, 256, 1024])
measured = []
for size in sizes:
    shares = np.zeros((1000, rows))  # a thousand batches, each as the share that every row has in it
    for batch in shares:
        batch[rng.choice(rows, size, replace=False)] = 1 / size
    measured.append(np.mean(np.sum((shares @ gradients - mean) ** 2, axis=1)))
expected = spread / sizes * (rows - sizes) / (rows - 1)
np.testing.assert_allclose(measured, expected, rtol=0.05)  # within 3 % for each of eight seeds
assert expected[2] > mean @ mean > expected[3]  # noise and gradient are equally long somewhere from 16 to 64 rows

fig, axes = plt.subplots()
axes.loglog(sizes, np.sqrt(measured), "o", label="1,000 batches of each size")
axes.loglog(sizes, np.sqrt(expected), "C1", label="expected", zorder=0)
axes.axhline(np.linalg.norm(mean), color="C7", linestyle=":", label="length of the gradient itself")
axes.set(xlabel="rows in a batch", ylabel="distance from the gradient", title="The noise of a batch's gradient")
axes.legend()
plt.show()

# %% [markdown]
# From some tens of rows on, the noise is smaller than the gradient, which is enough to know where down is. So a middle
# way should win. Here are the three side by side, from the same weights, each at the rate of a grid that suits it. For
# the seconds, each epoch is taken to last as long as the quickest one, so that other work on the machine matters less:

# %% tags=["picture"]
kinds = {"online": (1, 0.02, 8), "batches of 32": (32, 0.2, 20), "whole batch": (None, 0.75, 100)}
histories = {
    name: train(X_train, y_train, epochs, batch_size, lr, validation=(X_test, y_test))[1]
    for name, (batch_size, lr, epochs) in kinds.items()
}

fig, panels = plt.subplots(1, 2, figsize=(4.4, 2.8), sharey=True)
for colour, (name, history) in enumerate(histories.items()):
    epochs = np.arange(1, history.epochs + 1)
    panels[0].semilogx(epochs, history["val_loss"], f"C{colour}")
    panels[1].semilogx(epochs * min(history["seconds"]), history["val_loss"], f"C{colour}", label=name)
panels[0].set(xlabel="epochs", ylabel="held-out loss", title="Per epoch", ylim=(0, 2.5))
panels[1].set(xlabel="seconds", title="Per second")
panels[1].legend()
plt.show()

# %%
print(f"{'to a held-out loss of 0.3':26}{'epochs':>7}{'steps':>8}{'ms':>7}{'right at best':>15}")
needed = {}
for name, history in histories.items():
    epoch = needed[name] = 1 + int(np.argmax(np.array(history["val_loss"]) < 0.3))
    steps = epoch * -(-rows // (kinds[name][0] or rows))
    milliseconds = 1000 * epoch * min(history["seconds"])
    print(f"{name:26}{epoch:7}{steps:8,}{milliseconds:7.0f}{max(history['val_accuracy']):15.1%}")

online, middle, whole = needed.values()
assert online < middle < whole / 3  # true of each of six seeds, as is the next
assert min(max(history["val_accuracy"]) for history in histories.values()) > 0.94

# %% [markdown]
# Per epoch the one that steps most often wins. Per second, on the machine that ran this, it comes last: its steps wait
# for each other, while the rows of a batch are computed side by side. Mini-batches have the best of both. All three
# read about equally well.
#
# ## What is minimised?
#
# **Claimed** (Nielsen, chapter 3, "The cross-entropy cost function"): one sigmoid neuron a = σ(w x + b) is to learn to
# answer the input 1 with 0, by gradient descent at a rate of 0.15, with the quadratic cost (a - y)² / 2. From w = 0.6,
# b = 0.9 it says 0.82 at first, and about 0.09 after 300 epochs. From w = b = 2 it says 0.98, is more wrong, and hardly
# learns for the first 150 epochs. With the cross-entropy -(y ln a + (1 - y) ln(1 - a)) it learns at once.


# %%
def quadratic(a, y):
    return (a - y) ** 2 / 2


def cross_entropy(a, y):
    return -(y * ad.log(a) + (1 - y) * ad.log(1 - a))


def learn(cost, w, b, rate=0.15, epochs=300):
    """What the neuron says before each epoch and after the last one."""
    parameters = w, b = Value(w), Value(b)
    sgd = nn.SGD(parameters, lr=rate)
    said = []
    for _ in range(epochs):
        a = ad.sigmoid(w * 1.0 + b)
        sgd.zero_grad()
        cost(a, 0.0).backward()
        sgd.step()
        said.append(a.data)
    return [*said, ad.sigmoid(w * 1.0 + b).data]


starts = {"from w = 0.6, b = 0.9": (0.6, 0.9), "from w = b = 2": (2.0, 2.0)}
curves = {cost: [learn(cost, *start) for start in starts.values()] for cost in (quadratic, cross_entropy)}

titles = {quadratic: "Quadratic cost", cross_entropy: "Cross-entropy"}
fig, panels = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for axes, (cost, title) in zip(panels, titles.items(), strict=True):
    for name, said in zip(starts, curves[cost], strict=True):
        axes.plot(said, label=name)
    axes.set(xlabel="epoch", title=title, ylim=(0, 1))
panels[0].set_ylabel("what the neuron says")
panels[1].legend()
plt.show()

# %%
wrong, very_wrong = curves[quadratic]
assert [round(a, 2) for a in (wrong[0], wrong[300], very_wrong[0])] == [0.82, 0.09, 0.98]  # the numbers of the book
assert very_wrong[300] < 0.21 < 0.93 < very_wrong[150]
assert [round(said[150], 2) for said in curves[cross_entropy]] == [0.02, 0.03]  # wherever it started from

# %% [markdown]
# The book notes a rate of 0.005 for the cross-entropy. At that rate we measure 0.42 and 0.78 after 300 epochs, which is
# less progress than with the quadratic cost at 0.15. The costs have different scales, so equal rates mean little; the
# shape of the curves is what counts. From w = b = 2, the quadratic cost makes the output fall fastest late, the
# cross-entropy early.

# %%
assert [round(learn(cross_entropy, *start, rate=0.005)[300], 2) for start in starts.values()] == [0.42, 0.78]
assert np.argmin(np.diff(very_wrong)) > 150  # the epoch of the steepest fall
assert np.argmin(np.diff(curves[cross_entropy][1])) < 30

# %% [markdown]
# **Why.** The chain rule has three factors, dC/dw = dC/da · ∂a/∂z · ∂z/∂w. With the quadratic cost it reads
# (a - y) σ'(z) x, and σ'(z) = a (1 - a) is almost 0 where the neuron is sure, rightly or wrongly: it is **saturated**.
# With the cross-entropy dC/da = (a - y) / (a (1 - a)), and the small factor cancels: dC/dw = (a - y) x.
#
# For y = 0 and x = 1 the first is a² (1 - a). That grows up to a = 2/3, at z = ln 2, where it is 4/27, and from there
# on a neuron that is more wrong learns more slowly.

# %%
zs = np.linspace(-6, 6, 121)
slopes = {cost: ad.grad(lambda z, cost=cost: cost(ad.sigmoid(z), 0.0)) for cost in (quadratic, cross_entropy)}
a = 1 / (1 + np.exp(-zs))
np.testing.assert_allclose([slopes[quadratic](z) for z in zs], a**2 * (1 - a), rtol=1e-12)
np.testing.assert_allclose([slopes[cross_entropy](z) for z in zs], a, rtol=1e-12)
assert abs(slopes[quadratic](np.log(2)) - 4 / 27) < 1e-14
assert abs(ad.grad(slopes[quadratic])(np.log(2))) < 1e-14  # the slope of the slope: it is largest there

fig, axes = plt.subplots(figsize=(5, 2.8))
for cost, name in ((quadratic, "quadratic"), (cross_entropy, "cross-entropy")):
    axes.plot(a, [slopes[cost](z) for z in zs], label=name)
axes.plot(2 / 3, 4 / 27, "ko")
axes.annotate("2/3", (2 / 3, 4 / 27), xytext=(0, 8), textcoords="offset points", ha="center")
axes.set(xlabel="what the neuron says; right is 0", ylabel="dC/dw", title="How fast it learns, by how wrong it is")
axes.legend()
plt.show()

# %% [markdown]
# The same happens in a network with sigmoid outputs. Here every weight starts as the book's did at first, normally
# distributed with a standard deviation of 1, which saturates many neurons. Each cost has the rate that suits it best
# among 1, 2, 4 and 8.


# %%
def quadratic_cost(logits, target):
    return ad.sum([quadratic(ad.sigmoid(z), y) for z, y in zip(logits, target, strict=True)])


def cross_entropy_cost(logits, target):
    return nn.binary_cross_entropy_with_logits(logits, target, reduction="sum")


def read(cost, rate, seed=0):
    model = nn.MLP(64, [32, 10], "sigmoid", seed=seed, init=nn.init.normal(1.0))
    one_hot = np.eye(10)
    sgd = nn.SGD(model.parameters(), lr=rate)
    # fmt: off
    return nn.fit(model, X_train, one_hot[y_train], loss=cost, optimizer=sgd, epochs=15, batch_size=10, seed=seed,
                  metrics=["accuracy"], validation=(X_test, one_hot[y_test]), progress=False)
    # fmt: on


slow, fast = (read(cost, rate)["val_accuracy"] for cost, rate in ((quadratic_cost, 4.0), (cross_entropy_cost, 1.0)))

fig, axes = plt.subplots(figsize=(5, 2.8))
axes.plot(range(1, 16), slow, label="quadratic")
axes.plot(range(1, 16), fast, label="cross-entropy")
axes.set(xlabel="epoch", ylabel="right on held-out images", ylim=(0, 1), title="The slowdown of saturated outputs")
axes.legend()
plt.show()

# %%
print(f"after 1 epoch    quadratic {slow[0]:.1%}   cross-entropy {fast[0]:.1%}")
print(f"after 15 epochs  quadratic {slow[-1]:.1%}   cross-entropy {fast[-1]:.1%}")
assert fast[0] > slow[0] + 0.05  # true of each of five seeds, as is the next
assert abs(fast[-1] - slow[-1]) < 0.03

# %% [markdown]
# In the end they read equally well: what the quadratic cost takes is time.
#
# ## How large may weights grow?
#
# **Claimed** (Nielsen, chapter 3, "Overfitting and regularization"): with few images a network learns them by heart.
# Trained on 1,000 MNIST images, it reads all of these, and at best 82.27 % of others; with weight decay, 87.1 %. Weight
# decay adds λ/2 times the sum of the squares of all weights, but not of the biases, to the cost, so that each step
# shrinks the weights:
#
# $$w \to (1 - \eta\lambda)\, w - \eta\, \frac{\partial C}{\partial w}$$
#
# Here are 200 of our images, with all others held out.

# %%
X_few, X_others, y_few, y_others = train_test_split(X, digits, train_size=200, random_state=0, stratify=digits)


def memorise(decay, init, epochs=300, seed=0):
    model = nn.MLP(64, [32, 10], "tanh", seed=seed, init=init)
    neurons = [neuron for layer in model.layers for neuron in layer.neurons]
    weights, biases = [w for neuron in neurons for w in neuron.w], [neuron.b for neuron in neurons]
    sgd = nn.SGD([{"params": weights, "weight_decay": decay}, {"params": biases}], lr=0.1)
    # fmt: off
    history = nn.fit(model, X_few, y_few, loss=nn.cross_entropy, optimizer=sgd, epochs=epochs, batch_size=10,
                     metrics=["accuracy"], validation=(X_others, y_others), seed=seed, progress=False)
    # fmt: on
    return history, np.array([w.data for w in weights])


wide = nn.init.normal(1.0)  # the book's start
plain, large = memorise(0.0, wide)
decayed, small = memorise(0.003, wide)
glorot, medium = memorise(0.0, "glorot")

titles = "Without weight decay", "With weight decay"
fig, panels = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for axes, history, title in zip(panels, (plain, decayed), titles, strict=True):
    axes.plot(history["accuracy"], label="the 200 images")
    axes.plot(history["val_accuracy"], label="all others")
    axes.set(xlabel="epoch", title=title, ylim=(0.5, 1.01))
panels[0].set_ylabel("right")
panels[1].legend(loc="lower right")
plt.show()

# %%
print(f"{'':25}{'own images':>12}{'others':>9}{'|w|²':>8}")
runs = {"wide start": (plain, large), "wide start, decay": (decayed, small), "Glorot's start": (glorot, medium)}
for name, (history, weights) in runs.items():
    print(f"{name:25}{history['accuracy'][-1]:12.1%}{history['val_accuracy'][-1]:9.1%}{np.sum(weights**2):8.0f}")

assert plain["accuracy"][-1] == decayed["accuracy"][-1] == glorot["accuracy"][-1] == 1  # each knows its own by heart
misread, misread_decayed, misread_glorot = (1 - run["val_accuracy"][-1] for run in (plain, decayed, glorot))
assert 1.6 < misread / misread_decayed < 2.8  # 1.9 with five seeds of six, 2.4 with the other
assert misread_glorot < misread_decayed + 0.02  # less by 1 % with four seeds of six, the same with two
assert np.sum(small**2) < np.sum(large**2) / 10

# %% [markdown]
# All three read every image of their own. Of the others, the network without decay misreads about twice as many as the
# one with it: that is the claim. But look at the last row. Glorot's start draws weights with a standard deviation of
# √(2 / 96) = 0.14 in the first layer and √(2 / 42) = 0.22 in the second, instead of 1, and without any decay it reads
# the others at least as well. Decay repaired what should not have been that large to begin with.
#
# One step shows that `weight_decay` is the formula above, and is the penalty λ/2 |w|²:

# %%
rate, decay = 0.1, 0.003
layer = nn.Layer(64, 10, "linear", init=wide, seed=0)
weights = [w for neuron in layer.neurons for w in neuron.w]
before = np.array([w.data for w in weights])
loss = nn.cross_entropy(layer(X_few[0].tolist()), y_few[0])
slopes = np.array([slope.data for slope in ad.gradient(loss, weights)])
penalised = np.array([slope.data for slope in ad.gradient(loss + nn.l2(weights, decay / 2), weights)])
loss.backward()
nn.SGD(weights, lr=rate, weight_decay=decay).step()
after = np.array([w.data for w in weights])
np.testing.assert_allclose(after, (1 - rate * decay) * before - rate * slopes, rtol=0, atol=1e-15)
np.testing.assert_allclose(after, before - rate * penalised, rtol=0, atol=1e-15)

# %% [markdown]
# ## Where to go on
#
# [Landscapes, and the ways down](06_landscapes.ipynb) is about the steps themselves, on ground that can be seen.
# How `fit` and compiled gradients become fast is in [Compile](../04_compile.ipynb).
