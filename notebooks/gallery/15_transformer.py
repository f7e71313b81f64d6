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
# # A transformer, taken apart
#
# A language model of 4,192 scalars: its gradient is checked, what attention can and cannot do is asserted, it is
# trained to beat every bigram model, and makes up words.
#
# The architecture is the decoder of Vaswani et al., *Attention is all you need* (2017), without an encoder to look at.
# Before each block stands RMSNorm (Zhang and Sennrich, *Root mean square layer normalization*, 2019), where GPT-2 has
# its layer norms (Radford et al., *Language models are unsupervised multitask learners*, 2019, section 2.3). Size and
# training are those of Karpathy's *microgpt* (2026): 27 tokens, one layer of width 16, four heads, a context of 16.

# %%
import random
import re
import sys
from itertools import pairwise
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import xlogy

import autodiff as ad
import nn
from autodiff.graph import topological_order
from autodiff.show import follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Documents
#
# Two lists of words come with every Python: the names of the modules of its standard library, and the words of its
# language reference, which `help()` shows. A fifth of them is held out: the model never trains on it. A letter is a
# number from 1 to 26, and 0 is the boundary, with which each document begins and ends. The target at each position is
# the token that comes next.


# %%
def tokens(word):
    return [0, *[ord(letter) - ord("a") + 1 for letter in word], 0]


def inputs_and_targets(words):
    return [tokens(word)[:-1] for word in words], [tokens(word)[1:] for word in words]


modules = {name for name in sys.stdlib_module_names if re.fullmatch("[a-z]{3,10}", name)}
documents = sorted(modules.union(re.findall(r"\b[a-z]{3,10}\b", " ".join(topics.values()))))
random.Random(0).shuffle(documents)
held_out, words = documents[: len(documents) // 5], documents[len(documents) // 5 :]
print(f"{len(words):,} words: {', '.join(words[:12])}, ...")
print("zlib:", tokens("zlib"))

# %% [markdown]
# ## The model
#
# A token and its position become a vector each, and their sum is normalised. **Attention** gives each position a
# weighted mean of what stands at the positions so far; then a small MLP works on each position alone. Both add to the
# vector and replace nothing (the *residual stream*). The last layer gives 27 scores.


# %%
def added(xs, ys):
    return [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(xs, ys, strict=True)]


class Transformer(nn.Module):
    def __init__(self, seed, width=16, context=16):
        drawn = {"rng": random.Random(seed), "init": nn.init.normal(0.08)}
        self.letters = nn.Embedding(27, width, **drawn)
        self.positions = nn.Embedding(context, width, **drawn)
        self.norm = nn.RMSNorm(width, eps=1e-5, elementwise_affine=False)
        self.attention = nn.MultiHeadAttention(width, heads=4, causal=True, bias=False, **drawn)
        self.up = nn.Layer(width, 4 * width, "relu", bias=False, **drawn)
        self.down = nn.Layer(4 * width, width, "linear", bias=False, **drawn)
        self.scores = nn.Layer(width, 27, "linear", bias=False, **drawn)

    def embedded(self, tokens):
        return self.norm(added(self.letters(tokens), self.positions(range(len(tokens)))))

    def continued(self, x):
        x = added(x, self.attention(self.norm(x)))
        x = added(x, [self.down(self.up(vector)) for vector in self.norm(x)])
        return [self.scores(vector) for vector in x]

    def __call__(self, tokens):
        return self.continued(self.embedded(tokens))


def loss(scores, targets):
    """Return -log of the probability of the right token, the mean over the positions."""
    return ad.mean([nn.cross_entropy(z, target) for z, target in zip(scores, targets, strict=True)])


model = Transformer(seed=0)
print(model.summary())
assert len(model.parameters()) == 4192

# %% [markdown]
# ## Is the gradient right?
#
# All of it: each of the 4,192 slopes is compared with a central difference, (L(w + h) - L(w - h)) / 2h, whose own error
# is some 10⁻¹⁰ here. The compiled loss closes over the model, and reads its parameters at every call.
#
# An inner product is one node of the graph here; counted as products and sums, there are over 50,000 operations. The
# loss is about ln 27 so far, that of a guess among 27.

# %%
(x,), (y,) = inputs_and_targets(["string"])
of_string = ad.compile(lambda: loss(model(x), y))
assert abs(of_string.backward() - np.log(27)) < 0.15
slopes = np.array([p.grad for p in model.parameters()])


def difference(parameter, h=1e-5):
    number = parameter.data
    parameter.data = number + h
    above = of_string()
    parameter.data = number - h
    below = of_string()
    parameter.data = number
    return (above - below) / (2 * h)


differences = np.array([difference(p) for p in model.parameters()])
print(f"largest slope {abs(slopes).max():.3f}, largest disagreement {abs(slopes - differences).max():.1e}")
np.testing.assert_allclose(slopes, differences, rtol=0, atol=1e-8)

graph = topological_order(loss(model(x), y))
operations = sum(max(1, len(node.operands) - 1) for node in graph)
print(f"{len(graph):,} nodes, or {operations:,} operations on one or two numbers each")
assert 50_000 < operations < 60_000

# %% [markdown]
# ## What attention must and cannot do
#
# **It must not look ahead**, or the model could copy its targets: "We need to prevent leftward information flow"
# (Vaswani et al., section 3.2.3). Differentiate the log-probability of each target by the vector at each position: for
# a later position the derivative must be exactly 0; up to the target's own it must not, or letters would go unused.


# %%
def influence(model, word):
    """Return the norm of the gradient of each target's log-probability in the vector at each position."""
    (x,), (y,) = inputs_and_targets([word])

    def log_probabilities(vectors):
        return [-nn.cross_entropy(z, target) for z, target in zip(model.continued(vectors), y, strict=True)]

    vectors = ad.compile(model.embedded)(x)
    return np.linalg.norm(ad.compile(ad.jacobian(log_probabilities))(vectors), axis=-1)  # target, position


assert np.all(influence(model, "string")[np.triu_indices(7, 1)] == 0.0)
assert np.all(influence(model, "string")[np.tril_indices(7)] > 0.0)

# %% [markdown]
# **It cannot know order**, since a mean is the same in any order: "in order for the model to make use of the order of
# the sequence, we must inject some information" (section 3.5). So without the table of positions, the last position of
# this one layer must give the same scores when the letters before it change places. With the table it must not.


# %%
def change(model):
    """Return how far the scores at the last letter move when letters before it change places."""
    string, rtsing = (np.array(ad.compile(model)(tokens(word)[:-1])[-1]) for word in ("string", "rtsing"))
    return abs(string - rtsing).max()


without_positions = Transformer(seed=0)
for p in without_positions.positions.parameters():
    p.data = 0.0
print(f"without positions {change(without_positions):.1e}, with them {change(model):.1e}")
assert change(without_positions) < 1e-13
assert change(model) > 1e-3

# %% [markdown]
# ## What is to be beaten
#
# A **bigram** model looks at one letter and gives each next one the share that it had in the documents (Shannon, *A
# mathematical theory of communication*, 1948, section 3). Cross-entropy has its minimum where the probabilities are the
# shares, so no model that sees but one letter can have a lower loss on these documents: a lower loss proves that more
# is used. On held-out words a pair never seen would cost an infinite loss, so each gets a small count in advance: the
# one that is best for the held-out words themselves, to the bigrams' advantage.


# %%
def pairs(words):
    """Return the share of each pair of tokens; each word counts the same, as it does in the model's loss."""
    shares = np.zeros((27, 27))
    for document in map(tokens, words):
        for pair in pairwise(document):
            shares[pair] += 1 / (len(document) - 1) / len(words)
    return shares


def bigram_loss(words, table):
    return -xlogy(pairs(words), table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300)).sum()


least = bigram_loss(words, pairs(words))
smoothed = [pairs(words) + count / len(words) for count in np.logspace(-3, 0, 31)]
least_on_held_out = min(bigram_loss(held_out, table) for table in smoothed)

# %% [markdown]
# ## Training
#
# Adam with microgpt's settings, one document a step, the rate falling to zero in a straight line. `fit` compiles a
# program for each length of a document.

# %%
model = Transformer(seed=0)
nn.fit(
    model,
    *inputs_and_targets(words),
    loss=loss,
    optimizer=nn.optim.Adam(model.parameters(), betas=(0.85, 0.99)),
    schedule=nn.schedules.linear(0.01, duration=3),
    epochs=3,
    batch_size=1,
    progress=False,
)

compiled = ad.compile(lambda x, y: loss(model(x), y))
on_words, on_held_out = (np.mean([*map(compiled, *inputs_and_targets(those))]) for those in (words, held_out))
print(f"on its own words: {on_words:.3f}, no bigram model below {least:.3f}")
print(f"on held-out words: {on_held_out:.3f}, bigrams smoothed at best {least_on_held_out:.3f}")

assert on_words < least - 0.1
assert on_held_out < least_on_held_out - 0.1

# %% [markdown]
# It gets below what any bigram model can reach (with six seeds by 0.24 to 0.27), so it uses more than the last letter.
# Nor has it just learned its list by heart: it beats the smoothed bigrams on words that it never saw (by 0.2 to 0.25).
#
# ## What it looks at
#
# Each row shows how one position shares out its attention over the letters so far; · is the boundary.

# %%
word = "expression"
vectors = ad.compile(model.embedded)(tokens(word)[:-1])
attention = np.array(ad.compile(lambda x: model.attention.weights(model.norm(x)))(vectors))  # head, query, key
np.testing.assert_allclose(attention.sum(axis=-1), 1.0, rtol=0, atol=1e-14)
assert np.all(attention[:, *np.triu_indices(11, 1)] == 0.0)

fig, panels = plt.subplots(2, 2, figsize=(6, 6), sharex=True, sharey=True)
for head, (axes, shares) in enumerate(zip(panels.flat, attention, strict=True), 1):
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=f"head {head}")
    axes.set_xticks(range(11), "·" + word)
    axes.set_yticks(range(11), "·" + word)
fig.supxlabel("letter that is attended to")
fig.supylabel("position that attends")
plt.show()

# %% [markdown]
# Weights alone do not tell what a letter does to the result. The influence from above does, now of the trained model.
# On the diagonal is the last letter, which is all that a bigram model sees; left of it is what attention adds.

# %% tags=["picture"]
fig, axes = plt.subplots(figsize=(3.2, 3.2))
axes.imshow(influence(model, word), cmap="Blues")
axes.set_xticks(range(11), "·" + word)
axes.set_yticks(range(11), word + "·")
axes.set(xlabel="letter read", ylabel="letter to be guessed", title="Which letters decide a guess")
plt.show()

# %% [markdown]
# ## New words
#
# To make up a word, begin with the boundary, draw the next token by its probability (the largest of scores with Gumbel
# noise is such a draw), and go on until the boundary comes up. A temperature below 1, which divides the scores, makes
# what is likely likelier still. A position only looks back, so one program of eleven positions serves for all lengths.


# %%
@ad.compile(rows=0)
def scores_of(tokens):
    return np.array(model(tokens))


def made_up(count, temperature, longest=10, seed=0):
    rng = np.random.default_rng(seed)
    drawn = np.zeros((count, longest + 2), int)
    for at in range(longest + 1):
        scores = scores_of(drawn[:, :-1])[:, at] / temperature
        drawn[:, at + 1] = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    ended = [row[: row.index(0)] for row in drawn[:, 1:].tolist() if 0 in row]
    return ["".join(chr(ord("a") + token - 1) for token in row) for row in ended if row]


invented = made_up(1000, temperature=0.6)
shown = [word for word in invented if len(word) > 4]
for start in range(0, 40, 8):
    print("".join(f"{word:12}" for word in shown[start : start + 8]))

# %% [markdown]
# Hardly any is a word that it was trained on. Are they English, of a kind? The judge is a bigram table of the held-out
# words, and the control the same words with their letters shuffled.

# %%
rng = random.Random(0)
shuffled = ["".join(rng.sample(word, len(word))) for word in invented]
judge = pairs(held_out) + 0.1 / len(held_out)
real, by_model, control = (bigram_loss(those, judge) for those in (held_out, invented, shuffled))
new = np.mean([word not in words for word in invented])
print(f"by the judge: held-out words {real:.2f}, invented {by_model:.2f}, shuffled {control:.2f}")
print(f"{new:.0%} of {len(invented)} are not among the words it was trained on")
assert by_model < control - 0.5
assert new > 0.7

# %% [markdown]
# ## Where to go on
#
# This is the last notebook of the gallery. The [how-to pages](../how_to/index.md) are for work of your own: a module, a
# loss, a test, a model that leaves the machine. How such a model is compiled is in [Compile](../04_compile.ipynb).
