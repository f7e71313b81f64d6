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
# A language model of 4,192 scalars is held to differences, to a bigram table and to what attention must and cannot do;
# then it makes up words.
#
# The architecture is the decoder of Vaswani et al., *Attention is all you need* (2017), with the norms before each
# block (Radford et al., *Language models are unsupervised multitask learners*, 2019, section 2.3) and RMSNorm in their
# place (Zhang and Sennrich, 2019). Size and training are those of Karpathy's *microgpt* (2026): 27 tokens, one layer of
# width 16, four heads, a context of 16, 4,192 parameters, one document a step. Bigram tables of text are as old as
# Shannon's *A mathematical theory of communication* (1948, section 3).

# %%
import random
import re
import sys
from itertools import pairwise
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np

import autodiff as ad
import nn
from autodiff.graph import topological_order

# %% [markdown]
# ## Documents
#
# Two lists of words come with every Python: the names of the modules of its standard library, and the words of its
# language reference, which `help()` shows. A fifth of each is held out: the model never trains on them.


# %%
def split(words, seed=0):
    """Return four fifths of the words, and the others."""
    words = random.Random(seed).sample(sorted(words), len(words))
    return words[len(words) // 5 :], words[: len(words) // 5]


names, held_out_names = split({name for name in sys.stdlib_module_names if re.fullmatch("[a-z]{3,10}", name)})
words, held_out_words = split(set(re.findall(r"\b[a-z]{3,10}\b", " ".join(topics.values()))))
print(f"{len(names)} names of modules: {', '.join(names[:7])}, ...")
print(f"{len(words):,} words: {', '.join(words[:7])}, ...")

# %% [markdown]
# A letter is a number from 1 to 26, and 0 is the boundary, with which each document begins and ends. The target at each
# position is the token that comes next.


# %%
def tokens(word):
    return [0, *[ord(letter) - ord("a") + 1 for letter in word], 0]


def inputs_and_targets(words):
    return [tokens(word)[:-1] for word in words], [tokens(word)[1:] for word in words]


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
        drawn = {"rng": random.Random(seed), "init": lambda rng, nin, nout: rng.gauss(0.0, 0.08)}
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
# Untrained, it should have no opinion: a guess among 27 has a loss of ln 27 = 3.296. The scores are small and random,
# so it is a little worse (over six seeds by 0.03 to 0.09).

# %%
with ad.no_grad():
    at_first = np.mean([loss(model(x), y).data for x, y in zip(*inputs_and_targets(names), strict=True)])
print(f"loss at first {at_first:.3f}, ln 27 = {np.log(27):.3f}")
assert 0 < at_first - np.log(27) < 0.15

# %% [markdown]
# ## Is the gradient right?
#
# All of it: each of the 4,192 slopes is held to a central difference, (L(w + h) - L(w - h)) / 2h, whose own error is
# some 10⁻¹⁰ here. The compiled loss closes over the model, and reads its parameters at every call.

# %%
(x,), (y,) = inputs_and_targets(["string"])
of_string = ad.compile(lambda: loss(model(x), y))
of_string.backward()
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

# %% [markdown]
# A letter that is not read has no part in it: in the table of letters, the rows of the six letters and of the boundary
# have a gradient, and in that of positions the first seven rows. The others are exactly 0. How large is the graph that
# the chain rule went through? An inner product is one node here; with a node for each product and sum there are 50,000.

# %%
touched = [[any(p.grad for p in row) for row in table.weight] for table in (model.letters, model.positions)]
assert touched == [[letter in x for letter in range(27)], [position < 7 for position in range(16)]]

graph = topological_order(loss(model(x), y))
operations = sum(max(1, len(node.operands) - 1) for node in graph)
print(f"{len(graph):,} nodes, which stand for {operations:,} operations on one or two numbers")
assert 50_000 < operations < 60_000

# %% [markdown]
# ## What attention must and cannot do
#
# **It does not look ahead**, or the model would copy its targets and learn nothing. "We need to prevent leftward
# information flow" (Vaswani et al., section 3.2.3). The chain rule can say whether it does: the log-probability of each
# target is differentiated by the vector of each position. What comes later must have the derivative 0; not about 0, but
# 0. And what came before must not be 0, or the model could do without it.


# %%
def log_probabilities(x):
    return [-nn.cross_entropy(z, target) for z, target in zip(model.continued(x), y, strict=True)]


@ad.no_grad()
def vectors(tokens):
    return np.array([[v.data for v in vector] for vector in model.embedded(tokens)])


influence = np.linalg.norm(ad.compile(ad.jacobian(log_probabilities))(vectors(x)), axis=-1)  # target, position
assert np.all(influence[np.triu_indices(7, 1)] == 0.0)
assert np.all(influence[np.tril_indices(7)] > 0.0)

# %% [markdown]
# **It does not know order**, since a mean is the same in any order. "In order for the model to make use of the order of
# the sequence, we must inject some information" (section 3.5). So without the table of positions, the last position of
# this one layer must give the same scores when the letters before it change places. With the table it must not.


# %%
@ad.no_grad()
def last_scores(model, word):
    return np.array([z.data for z in model(tokens(word)[:-1])[-1]])


without_positions = Transformer(seed=0)
for p in without_positions.positions.parameters():
    p.data = 0.0
same = last_scores(without_positions, "string"), last_scores(without_positions, "rtsing")
np.testing.assert_allclose(*same, rtol=0, atol=1e-14)
assert np.abs(last_scores(model, "string") - last_scores(model, "rtsing")).max() > 1e-3

# %% [markdown]
# ## What is to be beaten
#
# A **bigram** model looks at one letter and gives each next one the share that it had in the documents. Cross-entropy
# has its minimum where the probabilities are the shares, so that no model that sees but one letter can have a lower
# loss on these documents: a lower loss proves that more is used. On held-out words a pair never seen would cost an
# infinite loss, so each gets a small count in advance: the one that is best for the held-out words themselves, to the
# bigrams' advantage. (The loss is a mean over documents of means over positions; pairs count accordingly.)


# %%
def pairs(words):
    counts = np.zeros((27, 27))
    for document in map(tokens, words):
        for pair in pairwise(document):
            counts[pair] += 1 / (len(document) - 1) / len(words)
    return counts


def bigram_loss(words, counts):
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    return -sum(share * np.log(shares[pair]) for pair, share in np.ndenumerate(pairs(words)) if share)


def bigram_bounds(words, held_out):
    """Return the least loss of any bigram model on the words, and of the best smoothed one on the held-out words."""
    smoothed = [bigram_loss(held_out, pairs(words) + extra / len(words)) for extra in np.logspace(-3, 0, 31)]
    return bigram_loss(words, pairs(words)), min(smoothed)


bounds = {"names": bigram_bounds(names, held_out_names), "words": bigram_bounds(words, held_out_words)}
for name, (own, others) in bounds.items():
    print(f"bigrams of {name}: {own:.3f} on their own, {others:.3f} at best on those held out")

# %% [markdown]
# ## Training on the names
#
# Adam by microgpt's settings, one document a step, the rate falling to zero in a straight line. `fit` compiles a
# program for each length of a document.


# %%
def trained(words, held_out, epochs, seed=0):
    model = Transformer(seed)
    history = nn.fit(
        model,
        *inputs_and_targets(words),
        loss=loss,
        optimizer=nn.optim.Adam(model.parameters(), betas=(0.85, 0.99)),
        schedule=nn.schedules.linear(0.01, duration=epochs),
        epochs=epochs,
        batch_size=1,
        validation=inputs_and_targets(held_out),
        progress=False,
    )
    return model, history


_, history = trained(names, held_out_names, epochs=15)
own, others = bounds["names"]

fig, axes = plt.subplots()
epochs = np.arange(1, 16)
axes.plot(epochs, history["loss"], "C0o-", label="names it trains on")
axes.plot(epochs, history["val_loss"], "C1o-", label="held-out names")
for bound, colour, text in ((own, "C0", "no bigram model can be lower"), (others, "C1", "best bigram model, held out")):
    axes.axhline(bound, color=colour, linestyle="--", linewidth=1)
    axes.annotate(text, (15, bound), xytext=(0, -3), textcoords="offset points", ha="right", va="top", color=colour)
axes.set(
    xlabel="epoch", ylabel="loss, nats a token", title="First it learns how names are built, then the names by heart"
)
axes.legend()
plt.show()

# %% [markdown]
# On its own names it gets far below what any bigram model can reach (with six seeds by 0.75 to 0.84): it uses more than
# the last letter. But what does it use it for? On the held-out names it is at best a little better than the bigrams, by
# 0.03 to 0.13, and then gets worse, by 0.43 to 0.67 in the end: it learns the list by heart, which has fewer letters
# than it has parameters.

# %%
assert history["loss"][-1] < own - 0.5
assert abs(min(history["val_loss"]) - others) < 0.25
assert history["val_loss"][-1] > others + 0.25
assert len(model.parameters()) > sum(map(len, names))

# %% [markdown]
# ## Training on the words
#
# The cure is no trick but data: the same model and settings, and thirteen times as many documents. Two epochs are
# enough, and it beats the bigrams on words that it has never seen. (With six seeds by 0.19 to 0.22.)

# %%
model, history = trained(words, held_out_words, epochs=2)
_, others = bounds["words"]
print(f"loss on held-out words: {history['val_loss'][-1]:.3f}; best bigram model {others:.3f}")
assert history["val_loss"][-1] < others - 0.1

# %% [markdown]
# ## What it looks at
#
# Each row says how one position shares out its attention over the letters so far; · is the boundary. No head was told
# what to look for.

# %%
word = "expression"
x, y = tokens(word)[:-1], tokens(word)[1:]
attention = np.array(ad.compile(lambda x: model.attention.weights(model.norm(x)))(vectors(x)))  # head, query, key
np.testing.assert_allclose(attention.sum(axis=-1), 1.0, rtol=0, atol=1e-14)
assert np.all(attention[:, *np.triu_indices(len(x), 1)] == 0.0)

fig, panels = plt.subplots(2, 2, figsize=(6, 6), sharex=True, sharey=True)
for head, (axes, shares) in enumerate(zip(panels.flat, attention, strict=True), 1):
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(f"head {head}")
    axes.set_xticks(range(len(x)), "·" + word)
    axes.set_yticks(range(len(x)), "·" + word)
fig.supxlabel("letter that is attended to")
fig.supylabel("position that attends")
plt.show()

# %% [markdown]
# Weights alone do not tell what a letter does to the result. The chain rule does: this is the influence from above, now
# of the trained model. The diagonal is the last letter, which is all that a bigram model has; what is to the left of it
# is what attention brings.

# %% tags=["picture"]
influence = np.linalg.norm(ad.compile(ad.jacobian(log_probabilities))(vectors(x)), axis=-1)
assert np.all(influence[np.triu_indices(len(x), 1)] == 0.0)

fig, axes = plt.subplots(figsize=(4.4, 4.4))
axes.imshow(influence, cmap="Blues")
axes.set_xticks(range(len(x)), "·" + word, fontsize=13)
axes.set_yticks(range(len(x)), word + "·", fontsize=13)
axes.set_xlabel("letter read", fontsize=12)
axes.set_ylabel("letter to be guessed", fontsize=12)
axes.set_title("Which letters decide a guess", fontsize=13)
plt.show()

# %% [markdown]
# ## New words
#
# To make up a word, begin with the boundary, draw the next token by its probability, and go on until the boundary comes
# up. Adding Gumbel noise to the scores and taking the largest draws by softmax. A thousand words grow at once; as a
# position only looks back, one program of eleven positions serves for all lengths.


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
shown = [word + "*" * (word in words) for word in invented if len(word) > 4]
for start in range(0, 40, 8):
    print("".join(f"{word:12}" for word in shown[start : start + 8]))

# %% [markdown]
# A star marks a word that it was trained on. Nearly all are new. Are they English, of a kind? The judge is a bigram
# table of the held-out words, which the model has never seen. To have letters in good proportion is not enough for it:
# the same words with their letters shuffled are the control.

# %%
rng = random.Random(0)
shuffled = ["".join(rng.sample(word, len(word))) for word in invented]
judge = pairs(held_out_words) + 0.1 / len(held_out_words)
losses = [bigram_loss(those, judge) for those in (held_out_words, invented, shuffled)]
print("by the judge: held-out words {:.2f}, invented {:.2f}, shuffled {:.2f}".format(*losses))
new = np.mean([word not in words for word in invented])
print(f"{new:.0%} of {len(invented)} are not among the words it was trained on")
assert losses[1] < losses[2] - 0.5
assert new > 0.7
