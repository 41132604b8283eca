"""What VQA accuracy costs over a plain loop that looks each answer up in a dict and counts those that match.

200,000 questions with ten answers each, made from a seed: answers follow Zipf's law over some thousand phrases, about
45 % of the questions are unanimous, and people differ in case, articles and punctuation. Both run in one process,
alternating in the order ABBA. Must hold: the median ratio is under 3. The first time, when every distinct text must be
normalised, is measured apart.
"""

import random
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from itertools import accumulate
from time import perf_counter

import numpy as np
from overhead import spread

from mmbench.metrics import vqa_text
from mmbench.metrics.vqa_accuracy import VQAAccuracy
from mmbench.sample import Prediction, Sample

Question = tuple[Prediction, Sample]


def main() -> None:
    """Measure and print."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--questions", type=int, default=200_000)
    options.add_argument("--phrases", type=int, default=6_000, help="different answers, before people vary them")
    options.add_argument("--rounds", type=int, default=5, help="rounds of four passes")
    chosen = options.parse_args()
    questions = make(chosen.questions, chosen.phrases)
    texts = {text for _, sample in questions for text in sample.target} | {p.value for p, _ in questions}
    known = {text: vqa_text.normalize(text) for text in texts}
    first, _ = measure(lambda: of_mmbench(questions))
    measure(lambda: by_hand(questions, known))
    ratios: list[float] = []
    for number in range(1, chosen.rounds + 1):
        (a1, plain), (b1, value), (b2, _), (a2, _) = (
            measure(run)
            for run in (
                lambda: by_hand(questions, known),
                lambda: of_mmbench(questions),
                lambda: of_mmbench(questions),
                lambda: by_hand(questions, known),
            )
        )
        ratios.append((b1 + b2) / (a1 + a2))
        print(f"round {number}: dict {a1:.3f} {a2:.3f} s, mmbench {b1:.3f} {b2:.3f} s, ratio {ratios[-1]:.2f}")
    unanimous = sum(len(set(sample.target)) == 1 for _, sample in questions) / len(questions)
    print(f"{len(questions):,} questions, {len(texts):,} different texts, {unanimous:.0%} unanimous")
    print(f"mean of {value:.4f}, of the plain loop {plain:.4f}; first pass {first:.3f} s")
    print(f"ratio {spread(ratios)}")


def measure(run: Callable[[], float]) -> tuple[float, float]:
    """Seconds of one pass, and what it found."""
    start = perf_counter()
    found = run()
    return perf_counter() - start, found


def by_hand(questions: Sequence[Question], known: dict[str, str]) -> float:
    """Look up, count, average: no leave-one-out, no unanimity rule, no row."""
    total = 0.0
    for prediction, sample in questions:
        wanted = known[prediction.value]
        matches = 0
        for answer in sample.target:
            if known[answer] == wanted:
                matches += 1
        total += min(1.0, matches / 3)
    return total / len(questions)


def of_mmbench(questions: Sequence[Question]) -> float:
    """A row for each question, then the mean."""
    metric = VQAAccuracy()
    rows = [metric.row(prediction, sample) for prediction, sample in questions]
    return metric.aggregate({"score": np.array([score for (score,) in rows])})


def make(count: int, phrases: int) -> list[Question]:
    """Questions as people answer them; the strings are separate objects, as those read from a file are."""
    rng = random.Random(0)  # noqa: S311  # a seeded sequence, no secret
    nouns = [f"{a} {b}" if number % 3 else a for number, (a, b) in enumerate(_pairs(phrases, rng))]
    vocabulary = ["yes", "no", "2", "1", "white", "none", *nouns][:phrases]
    weights = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    questions = []
    for number in range(count):
        right = rng.choices(vocabulary, cum_weights=weights)[0]
        if rng.random() < 0.45:
            answers = [right] * 10
        else:
            others = rng.choices(vocabulary, cum_weights=weights, k=3)
            answers = [_vary(right if rng.random() < 0.6 else rng.choice(others), rng) for _ in range(10)]
        said = right if rng.random() < 0.6 else rng.choices(vocabulary, cum_weights=weights)[0]
        separate = [answer.encode().decode() for answer in answers]
        questions.append((Prediction(_vary(said, rng)), Sample(str(number), {}, separate)))
    return questions


def _pairs(count: int, rng: random.Random) -> list[tuple[str, str]]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(count)]
    return list(zip(words, rng.sample(words, count), strict=True))


def _vary(answer: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.86:
        return answer
    forms = (answer.capitalize(), f"{answer}.", f"the {answer}", f"{answer}!", answer.replace(" ", "-"), f" {answer}")
    return rng.choice(forms)


if __name__ == "__main__":
    main()
