"""A validation part taken from a training split, by group."""

from hashlib import sha256

from mmbench.sample import Dataset, Subset


def split_by_group(dataset: Dataset, fraction: float = 0.1) -> tuple[Subset, Subset]:
    """Split off about `fraction` of the groups: (rest, part).

    A group (an image, say) falls on one side with all of its samples. The side follows from a hash of the group's
    name alone, so it is the same for every model and seed, and does not move when samples are added.
    """
    rest: list[int] = []
    part: list[int] = []
    threshold = int(fraction * 2**32)
    for index in range(len(dataset)):
        sample = dataset[index]
        key = sample.id if sample.group is None else sample.group
        draw = int.from_bytes(sha256(key.encode()).digest()[:4], "big")
        (part if draw < threshold else rest).append(index)
    return Subset(dataset, rest), Subset(dataset, part)
