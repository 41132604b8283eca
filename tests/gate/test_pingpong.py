"""Chunks and blocks of two sides that take turns."""

import pytest

from mmbench.gate.pingpong import Block, Chunk, log_ratios, play


@pytest.mark.parametrize(
    ("iteration_s", "iterations", "settle"),
    [(0.0001, 100, True), (0.003, 4, True), (0.02, 1, True), (0.05, 1, False), (3.0, 1, False), (0.0, 1000, True)],
)
def test_a_chunk_is_short_and_settles_where_the_caches_matter(iteration_s, iterations, settle):
    chunk = Chunk.lasting(0.01, iteration_s)
    assert (chunk.iterations, chunk.settle) == (iterations, settle)
    assert chunk.seconds == pytest.approx((iterations + settle) * iteration_s)


def test_blocks_fill_the_time_and_are_never_too_few():
    assert Chunk(1, True, 0.02).blocks(20, 4.0) == 50
    assert Chunk(1, False, 1.0).blocks(20, 4.0) == 20
    assert Chunk(1000, True, 0.0).blocks(20, 4.0) == 20


class Worker:
    """Answers as a worker does, with the number of its chunk as seconds, and notes its turns."""

    def __init__(self, name, turns):
        self._name, self._turns = name, turns

    def ask(self, request, timeout_s):
        self._turns.append(self._name)
        return {"x": float(len(self._turns))}


def test_sides_take_turns_so_that_neither_comes_first_more_often():
    turns = []
    blocks = play(Worker("a", turns), Worker("b", turns), "throughput", Chunk(1, True, 0.01), 4, 60.0)
    assert "".join(turns) == "abbabaababbabaab"
    of_each = [([part["x"] for part in block.base], [part["x"] for part in block.head]) for block in blocks]
    assert of_each == [([1, 4], [2, 3]), ([6, 7], [5, 8]), ([9, 12], [10, 11]), ([14, 15], [13, 16])]


def test_what_runs_in_the_middle_of_a_block_is_faster_and_that_cancels():
    slow, fast = ({"x": 0.0104}, {"x": 0.0104}), ({"x": 0.0104}, {"x": 0.0100})
    blocks = [Block(slow, fast), Block(fast, slow)] * 3
    assert log_ratios(blocks) == pytest.approx([0.0] * 6)


def test_blocks_without_time_in_a_part_are_left_out():
    with_, without = ({"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 1.0}), ({"x": 1.0}, {"x": 1.0})
    blocks = [Block(with_, with_), Block(with_, without), Block(with_, with_)]
    assert log_ratios(blocks, "y") == pytest.approx([0.0, 0.0])
    assert log_ratios(blocks, "x") == pytest.approx([0.0] * 3)
