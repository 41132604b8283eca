"""Beam search: of all texts, word by word, the most probable one that is found."""

from collections.abc import Callable

import torch
from torch import Tensor

from mmbench.profile.stage import stage


def beam_search(ask: Callable[[Tensor, Tensor], Tensor], begin: Tensor, end: int, longest: int) -> Tensor:
    """Keep K texts a sample, each time those that one more word leaves most probable, until the best has ended.

    K = 1 takes the most probable word each time. Samples do not see each other. The first word belongs to the stage
    `prefill`, each one after it is an entry of `decode`.

    Args:
        ask: gives logits [B · K, W] of the next word. It is told which row of its last call each text goes on from,
            [B · K], and that text's last word, [B · K]; text k of sample b is row b · K + k.
        begin: the word before the first, [B, K].
        end: the word after the last.
        longest: words of a text at most.

    Returns:
        Words [B, T] of each sample's best text; what follows an `end` means nothing.
    """
    size, beam = begin.shape
    first = torch.arange(size, device=begin.device).unsqueeze(1) * beam
    rows, words = torch.arange(size * beam, device=begin.device), begin
    texts = begin.new_empty(size, beam, 0)
    ended = torch.zeros_like(begin, dtype=torch.bool)
    # The rows of a sample are alike before the first word, so all but one start as impossible.
    score = torch.full(begin.shape, -torch.inf, device=begin.device)
    score[:, 0] = 0.0
    for number in range(longest):
        with stage("decode" if number else "prefill"):
            gain = ask(rows, words.flatten()).float().log_softmax(dim=1).view(size, beam, -1)
            # A text that has ended goes on in one way alone, which costs nothing.
            gain = gain.masked_fill(ended.unsqueeze(-1), -torch.inf)
            gain[..., end].masked_fill_(ended, 0.0)
            score, best = (score.unsqueeze(-1) + gain).flatten(1).topk(beam)
            origin, words = best // gain.shape[-1], best % gain.shape[-1]
            rows = (first + origin).flatten()
            texts = torch.cat([texts.gather(1, origin.unsqueeze(-1).expand_as(texts)), words.unsqueeze(-1)], dim=-1)
            ended = words == end
            # The best stands first, and more words only make a text less probable.
            done = bool(ended[:, 0].all())
        if done:
            break
    return texts[:, 0]
