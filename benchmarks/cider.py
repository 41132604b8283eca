"""What CIDEr-D costs beside pycocoevalcap's `Cider`, on the same tokenised captions.

Made-up captions, seeded: words by Zipf's law, about 11 a caption, references of an image alike. Both run in one
process, alternating in the order ABBA; each round gives one ratio. Must hold: the median ratio is at most 1.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from pycocoevalcap.cider.cider import Cider

from mmbench.metrics.captions import Captions
from mmbench.metrics.cider_d import cider_d

_WORDS = 10_000


def main() -> None:
    """Measure and print."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, default=5000)
    options.add_argument("--references", type=int, default=5, help="of each image")
    options.add_argument("--rounds", type=int, default=3, help="rounds of four runs")
    chosen = options.parse_args()
    captions = make_captions(chosen.images, chosen.references)
    np.testing.assert_allclose(of_mmbench(captions), of_pycocoevalcap(captions), rtol=1e-9, atol=1e-12)
    ratios: list[float] = []
    for number in range(1, chosen.rounds + 1):
        order = (of_pycocoevalcap, of_mmbench, of_mmbench, of_pycocoevalcap)
        a1, b1, b2, a2 = (seconds(run, captions) for run in order)
        ratios.append((b1 + b2) / (a1 + a2))
        print(f"round {number}: pycocoevalcap {a1:.3f} {a2:.3f} s, mmbench {b1:.3f} {b2:.3f} s, ratio {ratios[-1]:.3f}")
    print(f"{chosen.images:,} images with {chosen.references} references: ratio {median(ratios):.3f}")


def make_captions(images: int, references: int, seed: int = 0) -> Captions:
    """Captions of an image share a sentence in which each replaces half of the words."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, _WORDS + 1)
    share /= share.sum()
    texts = []
    for _ in range(images):
        sentence = rng.choice(_WORDS, size=11, p=share)
        lengths = np.maximum(rng.poisson(11, size=references + 1), 5)
        captions = [
            np.where(rng.random(k) < 0.5, np.resize(sentence, k), rng.choice(_WORDS, k, p=share)) for k in lengths
        ]
        texts.append([" ".join(f"w{word}" for word in words) for words in captions])
    return Captions([candidate for candidate, *_ in texts], [others for _, *others in texts])


def of_mmbench(captions: Captions) -> np.ndarray:
    """CIDEr-D of each image."""
    return cider_d(captions)


def of_pycocoevalcap(captions: Captions) -> np.ndarray:
    """The same by the reference implementation."""
    _, scores = Cider().compute_score(
        dict(enumerate(captions.references)), {i: [text] for i, text in enumerate(captions.candidates)}
    )
    return scores


def seconds(run: Callable[[Captions], np.ndarray], captions: Captions) -> float:
    """Time one run."""
    start = perf_counter()
    run(captions)
    return perf_counter() - start


if __name__ == "__main__":
    main()
