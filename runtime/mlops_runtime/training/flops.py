"""Arithmetic of a model, and how much of it a device can do: the parts of model FLOPs utilisation (MFU).

MFU as in Chowdhery et al., PaLM (2022), appendix B: FLOPs that the model needs for its real tokens, over the dense peak
of the device. Padding, recomputation and logits that nobody asked for do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

DENSE_PEAKS = {
    "B200": 2250e12,
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "GH200": 989.4e12,
    "A100": 312e12,
    "A800": 312e12,
    "A40": 149.7e12,
    "A30": 165e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}
"""Dense bf16 FLOP/s with fp32 accumulation, by a part of the device's name; from NVIDIA's data sheets.

Their headline numbers are with sparsity, twice these.
"""


class Arithmetic(NamedTuple):
    """FLOPs of forward and backward pass of one model.

    Attributes:
        token: per token, but attention.
        target: per target token, for the output weights.
        square: per squared length of a record, for attention.
    """

    token: float
    target: float
    square: float

    def of(self, tokens: float, targets: float, squares: float) -> float:
        """FLOPs of some records."""
        return self.token * tokens + self.target * targets + self.square * squares


def arithmetic(network: Any) -> Arithmetic:
    """FLOPs of a network: 2 per weight forward, 2 for the gradient of the input, 2 for that of a weight in training.

    Ask before the network is sharded. Causal attention does half of the products.
    """
    from torch import nn

    head = network.get_output_embeddings() if hasattr(network, "get_output_embeddings") else None
    apart = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
    apart |= {id(head.weight)} if head is not None else set()
    token = 0.0
    for parameter in network.parameters():
        if parameter.ndim >= 2 and id(parameter) not in apart:
            token += (6 if parameter.requires_grad else 4) * parameter.numel()
    target = (6 if head.weight.requires_grad else 4) * head.weight.numel() if head is not None else 0
    config = network.config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    causal = 0.5 if head is not None else 1.0
    square = 12.0 * config.num_hidden_layers * config.num_attention_heads * width * causal
    return Arithmetic(token, target, square)


def peak(device: torch.device, precision: str) -> float | None:
    """Dense peak of a device in FLOP/s; None for a CPU, an unknown device, or fp32."""
    import torch

    if device.type != "cuda" or precision == "fp32":
        return None
    name = torch.cuda.get_device_name(device)
    return next((DENSE_PEAKS[part] for part in sorted(DENSE_PEAKS, key=len, reverse=True) if part in name), None)
