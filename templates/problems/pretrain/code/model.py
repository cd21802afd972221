"""A GPT-2-like decoder. Shapes: B windows, T tokens, C width, H heads, D = C / H, V vocabulary."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from config import Config


class Attention(nn.Module):
    """Causal self-attention with H heads."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]"""
        q = self.split(self.query(x))
        k = self.split(self.key(x))
        v = self.split(self.value(x))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        joined = mixed.transpose(1, 2).flatten(2)
        return self.output(joined)

    def split(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, H, T, D]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class MLP(nn.Module):
    """Two layers with a GELU between them, applied to each token alone."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden = int(config.mlp_ratio * config.width)
        self.expand = nn.Linear(config.width, hidden)
        self.output = nn.Linear(hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]"""
        inner = self.expand(x)
        inner = F.gelu(inner)
        return self.output(inner)


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.width)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]"""
        attended = self.attention(self.attention_norm(x))
        x = x + attended
        fed = self.mlp(self.mlp_norm(x))
        x = x + fed
        return x


class GPT(nn.Module):
    """Token and position embeddings, blocks, and a head tied to the token embedding."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        self.initialise()

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, T] token ids -> [B, T, V] logits of each next token; T is at most the context."""
        x = self.tokens(tokens)
        x = x + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        logits = self.head(x)
        return logits

    def initialise(self) -> None:
        """Normal weights, zero biases; layers that write to the residual stream start smaller."""
        std = self.config.init_std
        output_std = std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("output.weight"):
                nn.init.normal_(parameter, std=output_std)
            elif parameter.dim() >= 2:
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


def build(config: Config) -> GPT:
    """The model for `config`, freshly initialised from torch's global generator."""
    return GPT(config)
