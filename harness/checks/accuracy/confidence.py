"""Judges a claim while its images are still coming in: when is a part of them enough? Pure functions.

Of N images an unknown K are classified right; after n of them, drawn without replacement, k were. With a beta-binomial
prior on K, written BB(N, a, b), the posterior of K - k is BB(N - n, a + k, b + n - k), and the counts K with
prior(K) / posterior(K) < 1 / alpha hold the true one after every image at once, with a chance of at least 1 - alpha:
the ratio at the truth is a nonnegative martingale that starts at 1 (Waudby-Smith & Ramdas, "Confidence sequences for
sampling without replacement", NeurIPS 2020), and so rarely reaches 1 / alpha (Ville 1939). It may therefore be
checked at any time, and the run stopped at any time for any reason.

All of it rests on the order. Every order of the images must be as likely as any other and fixed before the first
result: folder by folder, a true claim of a network that is poor at the first classes would be refuted, and shuffling
again after an unwelcome verdict is one more chance to be wrong. N are the images that count in the end: those that
cannot be decoded are not in N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from harness.core.text import plural

#: Greatest chance that a true claim is ever refuted, or a false one ever held true, before all images were seen.
#:
#: Per claim, not corrected for how many there are. The verdict on a cell must not depend on which other cells
#: were requested with it, and its text gives the chance for that one claim. In return, of a row with
#: two true claims up to 0.02 are expected to be refuted, of a table with seven such rows up to 0.14, and the chance
#: that any is cannot be more than that; that the claims share images and a shuffle changes neither. In 4,000 simulated
#: runs over 50,000 images, looked at every 250, 0.5 to 0.7 % of true claims were refuted. To avoid that,
#: divide ALPHA by the number of claims, which for 14 takes a third more images to refute a gap of 1 point, or evaluate
#: all images.
ALPHA = 0.01
#: Images that the prior weighs as much as, in addition to the uniform one: BB(N, 1 + 256 p, 1 + 256 (1 - p)), most
#: likely at the documented share p, with a standard deviation of 2.5 points at 80 %. Any prior that is fixed before
#: the first image is valid, regardless of the truth; it only sets what is found early. A network that misses
#: a claim is rarely far from it, and the uniform prior spends weight on shares that are not expected. Medians of 400
#: simulated runs with a claim of 80 % of 50,000 images, looked at every 100, with the uniform prior in brackets: 1
#: point less is refuted after 14,000 images (18,400), 2 after 4,400 (5,900), 5 after 900 (1,000), 20 after 200 (100).
#: With 1,024 in place of 256, 1 point takes 13,500 and 5 points 1,200.
PRIOR_IMAGES = 256

Decision = Literal["refuted", "holds"]


@dataclass(frozen=True)
class Standing:
    """How a claim stands after a part of the images, or after all."""

    population: int  #: images that the claim is about
    seen: int  #: of these, in shuffled order
    right: int  #: of those seen
    allowed: tuple[float, float]  #: least and greatest count of the population that agrees with the claim
    possible: tuple[int, int]  #: least and greatest count of the population in the confidence set
    decision: Decision | None  #: None: more images could tell
    alpha: float  #: greatest chance that the truth is ever outside of `possible`

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest count of the population, were all images that were not seen wrong, or all right."""
        return self.right, self.right + self.population - self.seen

    @property
    def certain(self) -> bool:
        """No image that was not seen could change the decision."""
        return decision(self.bounds, self.allowed) is not None


def judge(allowed: tuple[float, float], population: int, seen: int, right: int, alpha: float = ALPHA) -> Standing:
    """The standing of the claim whose counts of `population` images are `allowed`, see accuracy.allowed_counts().

    Refuted where no allowed count is left in the confidence set, true where no other is. Once all images were seen
    the set is their count alone. Raises ValueError for numbers that no run can give.
    """
    if not (0 <= right <= seen <= population and population > 0 and 0 < alpha < 1):
        raise ValueError(f"{right} right of {seen} seen of {population} images at a level of {alpha}")
    possible = confidence_set(population, seen, right, prior(allowed, population), alpha)
    return Standing(population, seen, right, allowed, possible, decision(possible, allowed), alpha)


def prior(allowed: tuple[float, float], population: int) -> tuple[float, float]:
    """a and b of the prior; it knows the claim and none of the images."""
    share = min(max(sum(allowed) / 2 / population, 0.0), 1.0)
    return 1 + PRIOR_IMAGES * share, 1 + PRIOR_IMAGES * (1 - share)


def confidence_set(population: int, seen: int, right: int, prior: tuple[float, float], alpha: float) -> tuple[int, int]:
    """Least and greatest number of right images in the population that is not refuted at the level `alpha`.

    All counts between the two belong to it: the hypergeometric likelihood, the only part of the ratio that depends on
    the count, has a single peak. There the ratio is at most 1, so that the set is never empty.
    """
    counts = np.arange(right, right + population - seen + 1)
    left = counts[log_ratio(counts, population, seen, right, prior) < -math.log(alpha)]
    return int(left[0]), int(left[-1])


def log_ratio(
    counts: npt.ArrayLike, population: int, seen: npt.ArrayLike, right: npt.ArrayLike, prior: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """log of prior / posterior at `counts`, each from 0 to `population`; infinite at those that are no longer possible.

    What the two beta-binomials have in common is cancelled, which leaves, with B the beta function,
    C(N, K) / C(N - n, K - k) * B(a + k, b + n - k) / B(a, b).
    """
    N, K, n, k = population, *(np.asarray(numbers) for numbers in (counts, seen, right))
    a, b = prior
    weight = special.betaln(a + k, b + n - k) - special.betaln(a, b)
    ratio: npt.NDArray[np.float64] = _log_choose(N, K) - _log_choose(N - n, K - k) + weight
    return ratio


def _log_choose(of: Any, chosen: Any) -> Any:
    """log of the binomial coefficient; minus infinity where more than all or fewer than none are chosen."""
    return special.gammaln(of + 1) - special.gammaln(chosen + 1) - special.gammaln(of - chosen + 1)


def decision(counts: tuple[int, int], allowed: tuple[float, float]) -> Decision | None:
    """What follows where the count is one of those from the first to the second."""
    low, high = allowed
    if max(counts[0], math.ceil(low)) > min(counts[1], math.floor(high)):
        return "refuted"
    return "holds" if low <= counts[0] and counts[1] <= high else None


def sentence(standing: Standing) -> str:
    """What was seen, what follows, and how sure that is."""
    low, high = standing.allowed
    documented = f"documented {_number((low + high) / 2)} ± {_number((high - low) / 2)}"
    whole = plural(standing.population, "image")
    found = f"{standing.right:,} right"
    decision = standing.decision or "undecided"
    if standing.seen == standing.population:
        return f"{decision} after all {whole}: {found}, {documented}"
    first, last = standing.bounds if standing.certain else standing.possible
    surely = "regardless of the rest" if standing.certain else _guarantee(standing)
    part = ", confirmed on a part of the images" if standing.decision == "holds" else ""
    return (
        f"{decision} after {standing.seen:,} of {whole} in shuffled order{part}: {found}; "
        f"between {first:,} and {last:,} of all are right ({surely}), {documented}"
    )


def _guarantee(standing: Standing) -> str:
    wrong = {"refuted": "true claims", "holds": "false claims", None: "claims"}[standing.decision]
    return f"prior-posterior ratio, valid at any stopping time, wrong for at most {100 * standing.alpha:g} % of {wrong}"


def _number(count: float) -> str:
    return f"{count:,.2f}".rstrip("0").rstrip(".")
