"""The two ways in which drawn tokens attend agree, so that memory and machine decide between them, not the answer."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
import torch
from mlops_runtime.serving.engines.local import attention
from mlops_runtime.serving.engines.local.attention import Cache, Group, Step, slot_attention
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

SLOTS, HEADS, LONGEST, WIDTH = 3, 2, 16, 8
PLACES = torch.tensor([5, 11, 2])


class Layer:
    """As much of a network's layer as attention looks at."""

    layer_idx = 0
    is_causal = True


@pytest.mark.parametrize("scaling", [None, 0.7])
@pytest.mark.parametrize("window", [None, 4])
def test_adding_up_and_sdpa_agree(monkeypatch: pytest.MonkeyPatch, window: int | None, scaling: float | None) -> None:
    called = Mock(side_effect=scaled_dot_product_attention)
    monkeypatch.setattr(attention, "attend", called)
    added = attended(window, scaling)
    assert not called.called
    monkeypatch.setattr(attention, "PRODUCTS", 0)
    torch.testing.assert_close(added, attended(window, scaling), rtol=1e-5, atol=1e-6)
    assert called.call_count == 2


def attended(window: int | None, scaling: float | None) -> Tensor:
    """A step of drawn tokens over a cache of other lengths; a group with a mask and one without."""
    chance = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(1, HEADS, SLOTS, WIDTH, generator=chance) for _ in range(3))
    cache = Cache(SLOTS, LONGEST)
    for held in cache.layer(0, key, value, window):
        held.copy_(torch.randn(held.shape, generator=chance))
    seen = (torch.arange(12) <= PLACES[:2, None])[:, None, None]
    step = Step(cache, torch.arange(SLOTS), PLACES, [Group(0, 2, 12, seen), Group(2, 3, 3, None)], [])
    found, _ = slot_attention(Layer(), query, key, value, None, step=step, scaling=scaling, sliding_window=window)
    return found
