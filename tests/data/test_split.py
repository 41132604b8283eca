"""The validation part: by group, by name alone."""

import pytest

from mmbench.data.split import split_by_group
from mmbench.sample import Sample


def samples(groups, per_group=3):
    """Samples of several groups, dealt out in turn so that no group is contiguous."""
    return [
        Sample(f"{turn}-{group}", {}, group=f"image/{group}") for turn in range(per_group) for group in range(groups)
    ]


def ids(part):
    return [part[index].id for index in range(len(part))]


def groups(part):
    return {part[index].group for index in range(len(part))}


def test_groups_fall_on_one_side_and_nothing_is_lost():
    data = samples(200)
    rest, part = split_by_group(data, 0.3)
    assert not groups(rest) & groups(part)
    assert sorted(ids(rest) + ids(part)) == sorted(sample.id for sample in data)
    position = {sample.id: index for index, sample in enumerate(data)}
    assert ids(part) == sorted(ids(part), key=position.get)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_fraction_of_groups(fraction):
    _, part = split_by_group(samples(4000, per_group=1), fraction)
    # Four standard deviations of a binomial.
    assert abs(len(part) - 4000 * fraction) < 4 * (4000 * fraction * (1 - fraction)) ** 0.5


def test_appended_samples_move_nothing():
    before, after = split_by_group(samples(100), 0.2), split_by_group(samples(150) + samples(100)[:7], 0.2)
    assert groups(before[0]) <= groups(after[0])
    assert groups(before[1]) <= groups(after[1])


def test_larger_fraction_contains_the_smaller():
    assert groups(split_by_group(samples(300), 0.1)[1]) < groups(split_by_group(samples(300), 0.3)[1])


def test_order_does_not_matter():
    assert groups(split_by_group(samples(100))[1]) == groups(split_by_group(samples(100)[::-1])[1])


def test_side_follows_from_the_hash_of_the_name():
    """Reference: sha256sum of the names; 'a' begins with ca978112, 'd' with 18ac3e73, 'b' with 3e23e816."""
    data = [Sample(name, {}, group=name) for name in "abd"]
    assert ids(split_by_group(data, 0x18AC3E74 / 2**32)[1]) == ["d"]
    assert ids(split_by_group(data, 0x18AC3E73 / 2**32)[1]) == []
    assert ids(split_by_group(data, 0.5)[1]) == ["b", "d"]


def test_without_groups_each_sample_is_its_own():
    data = [Sample(str(number), {}) for number in range(500)]
    rest, part = split_by_group(data, 0.2)
    assert len(rest) + len(part) == 500
    assert 60 < len(part) < 140
