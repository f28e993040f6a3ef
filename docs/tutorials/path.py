# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # The path and its certificate
#
# The paper selects features by Eq. 1: least squares with a bound on the l1 norm of the weights,
#
# > minimise ‖X w − l‖² subject to ‖w‖₁ ≤ μ,
#
# for one class at a time; `l` is 1 for the images of the class and 0 for others. How many features come out
# depends on μ, so `vebi` solves it for *every* μ at once, exactly, and proves each solution.

# %%
import matplotlib.pyplot as plt
import numpy as np

from vebi.selection import Accumulator, certify, solve

rng = np.random.default_rng(0)
n, m = 300, 40
x = rng.random((n, m))
labels = np.arange(n) % 3
x[np.arange(n), labels] += 0.5  # features 0, 1 and 2 say something of the class
x[np.arange(n), labels + 10] += 0.2  # features 10, 11 and 12 less

accumulator = Accumulator(m, 3)
accumulator.add(x, labels)
statistics = accumulator.result()  # X'X and X'l: all that the problem depends on
paths, objective, gap = solve(statistics, mus=[0.2, 1.0, 2.0])

# %% [markdown]
# A path is piecewise linear in μ: between two breakpoints, at which a feature enters or leaves, every weight moves
# along a straight line. So the breakpoints hold the solution at any μ.

# %%
path = paths[0]
weights = path.weights()  # (breakpoints, features)
print(f"{len(path)} breakpoints up to μ = {path.mu_max:g}")
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
for feature in np.flatnonzero(weights.any(axis=0)):
    named = feature in (0, 10)
    axes.plot(
        path.l1_norm,
        weights[:, feature],
        color={0: "#004488", 10: "#bb5566"}.get(feature, "#cccccc"),
        label=f"feature {feature}" if named else None,
        zorder=3 if named else 1,
    )
axes.set(xlabel="μ", ylabel="weight", title="The path of class 0")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The solution at a μ between breakpoints is a linear interpolation, and zeros are exactly zero:

# %%
w = path.weights_at(1.23)
print("features with a weight at μ = 1.23:", np.flatnonzero(w).tolist())
print("‖w‖₁ =", np.abs(w).sum().round(12))

# %% [markdown]
# ## The certificate
#
# A solver may stop early, and a wrong solution looks like any other. The duality gap tells: with the gradient
# g = 2 X'(X w − l), no weights within the bound can have an objective that is lower by more than
# w'g + μ ‖g‖∞. Divided by the objective it is the *relative gap*, an upper bound on how far the solution is from
# the best one.

# %%
proof = certify(
    statistics.gram, statistics.cross[:, 0], float(statistics.counts[0]), w[None], np.array([1.23])
)
print(f"relative gap of our solution: {proof.relative_gap[0]:.1e}")

spoiled = w.copy()
spoiled[np.flatnonzero(w)[0]] *= 0.99  # one weight wrong by a hundredth
proof = certify(
    statistics.gram,
    statistics.cross[:, 0],
    float(statistics.counts[0]),
    spoiled[None],
    np.array([1.23]),
)
print(f"with one weight off by 1 %:   {proof.relative_gap[0]:.1e}")

# %% [markdown]
# ## Compared with a solver that stops
#
# The authors' code calls spgl1, which goes step by step and stops at a tolerance of its own, or after 10,000
# steps: on real descriptors, whose columns nearly depend on each other, often long before it has converged. The
# certificate does not care who solved the problem:

# %%
_, _, gap_path = solve(statistics, mus=[0.2, 1.0, 2.0])
_, _, gap_spgl1 = solve(statistics, mus=[0.2, 1.0, 2.0], solver="spgl1")
print("largest relative gap, path: ", f"{gap_path.max():.1e}")
print("largest relative gap, spgl1:", f"{gap_spgl1.max():.1e}")

# %% [markdown]
# On the command line `vebi select DESCRIPTORS.h5 --mu 1,10,100 --out DIR` does the same for a file with `X` (N, m)
# and `labels` (N). How to read the column `relative_gap` of its table:
# [reading a certificate](../how-to/certificate.md).
