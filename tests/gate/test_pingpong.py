"""Chunks and blocks of two sides that take turns."""

import pytest

from mmbench.gate.pingpong import Block, Chunk, log_ratios


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


def test_what_runs_in_the_middle_of_a_block_is_faster_and_that_cancels():
    slow, fast = ({"x": 0.0104}, {"x": 0.0104}), ({"x": 0.0104}, {"x": 0.0100})
    blocks = [Block(slow, fast), Block(fast, slow)] * 3
    assert log_ratios(blocks) == pytest.approx([0.0] * 6)


def test_blocks_without_time_in_a_part_are_left_out():
    with_, without = ({"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 1.0}), ({"x": 1.0}, {"x": 1.0})
    blocks = [Block(with_, with_), Block(with_, without), Block(with_, with_)]
    assert log_ratios(blocks, "y") == pytest.approx([0.0, 0.0])
    assert log_ratios(blocks, "x") == pytest.approx([0.0] * 3)
