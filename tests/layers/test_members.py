"""Networks side by side, and the mean of what they answer."""

from __future__ import annotations

import torch
from torch import nn

from convworks.layers.members import Mean, Member, Members


def test_members_read_the_same_images_and_are_averaged() -> None:
    first, second = nn.Linear(6, 3), nn.Linear(6, 3)
    images = torch.randn(4, 1, 2, 3)
    members = Members([nn.Sequential(nn.Flatten(), first), nn.Sequential(nn.Flatten(), second)])
    logits = members(images)
    rows = images.flatten(1)
    assert [name for name, _ in members.named_children()] == ["member1", "member2"]
    torch.testing.assert_close(Member(0)(logits), first(rows))
    torch.testing.assert_close(Member(1)(logits), second(rows))
    torch.testing.assert_close(Mean()(logits), (first(rows) + second(rows)) / 2)


def test_the_mean_of_logits_answers_like_the_product_of_probabilities() -> None:
    logits = torch.randn(5, 3, 4)
    product = logits.softmax(2).prod(1) ** (1 / 3)
    torch.testing.assert_close(Mean()(logits).softmax(1), product / product.sum(1, keepdim=True))
