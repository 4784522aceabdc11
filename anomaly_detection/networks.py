"""The networks of the neural detectors: layers only.

**Conventions**: inputs and outputs are scaled rows, float32. Reconstructing networks map windows (n, window_size,
n_channels) to their reconstruction and the latent (n, latent_dim). Forecasting networks are causal: from rows
(n, n_steps, n_channels) they give, after every step, the forecast of the next row and the hidden state
(n, n_steps, n_hidden).

References
----------
Bai S., Kolter J. Z., Koltun V.: An empirical evaluation of generic convolutional and recurrent networks for sequence
modeling. 2018.
Kingma D. P., Welling M.: Auto-encoding variational Bayes. ICLR 2014.
Salimans T., Kingma D. P.: Weight normalization. NIPS 2016.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Linear-ReLU-Dropout layers down to a linear latent, mirrored up again."""

    def __init__(
        self, window_size: int, n_channels: int, hidden_dims: Sequence[int], latent_dim: int, dropout: float
    ) -> None:
        super().__init__()
        n_inputs = window_size * n_channels
        self.encoder = _layers([n_inputs, *hidden_dims], dropout)
        self.to_latent = nn.Linear([n_inputs, *hidden_dims][-1], latent_dim)
        self.decoder = _layers([latent_dim, *reversed(hidden_dims)], dropout)
        self.to_output = nn.Linear([latent_dim, *reversed(hidden_dims)][-1], n_inputs)

    def encode(self, windows: Tensor) -> Tensor:
        """Return the latent: (n, latent_dim)."""
        latent: Tensor = self.to_latent(self.encoder(windows.flatten(1)))
        return latent

    def decode(self, latent: Tensor, shape: torch.Size) -> Tensor:
        """Return windows of `shape`."""
        output: Tensor = self.to_output(self.decoder(latent))
        return output.reshape(-1, shape[1], shape[2])

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction and the latent."""
        latent = self.encode(windows)
        return self.decode(latent, windows.shape), latent


class VariationalAutoencoder(Autoencoder):
    """An autoencoder whose encoder gives a normal distribution; `forward` goes through its mean."""

    def __init__(
        self, window_size: int, n_channels: int, hidden_dims: Sequence[int], latent_dim: int, dropout: float
    ) -> None:
        super().__init__(window_size, n_channels, hidden_dims, latent_dim, dropout)
        self.to_log_variance = nn.Linear(self.to_latent.in_features, latent_dim)

    def sample(self, windows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a sampled reconstruction, and the Kullback-Leibler divergence of the latent from N(0, 1), (n,)."""
        hidden = self.encoder(windows.flatten(1))
        mean, log_variance = self.to_latent(hidden), self.to_log_variance(hidden).clamp(-20, 20)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return self.decode(mean + noise * (0.5 * log_variance).exp(), windows.shape), divergence


class Forecaster(nn.Module):
    """A causal network; `receptive_field` is how many rows a forecast depends on, None where on all before.

    It also keeps what normal rows look like once it has been trained, with its weights: their mean `normal`,
    (n_channels,), and the `limits` of two mean squares, (2,): of the forecast error and the deviation from the mean.
    """

    receptive_field: int | None = None
    normal: Tensor
    limits: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("normal", torch.zeros(n_channels))
        self.register_buffer("limits", torch.ones(2))


class TCN(Forecaster):
    """Residual blocks of two causal, dilated, weight-normed convolutions each; dilation 2^i in block i."""

    def __init__(self, n_channels: int, *, channels: int, n_layers: int, kernel_size: int, dropout: float) -> None:
        super().__init__(n_channels)
        widths = [n_channels] + [channels] * n_layers
        self.blocks = nn.Sequential(
            *(
                _CausalBlock(widths[i], widths[i + 1], kernel_size=kernel_size, dilation=2**i, dropout=dropout)
                for i in range(n_layers)
            )
        )
        self.to_output = nn.Linear(channels, n_channels)
        self.receptive_field = 1 + 2 * (kernel_size - 1) * (2**n_layers - 1)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return a forecast after every step, and the hidden state."""
        hidden = self.blocks(rows.transpose(1, 2)).transpose(1, 2)
        return self.to_output(hidden), hidden


class LSTM(Forecaster):
    """Stacked LSTM layers and a linear output."""

    def __init__(self, n_channels: int, *, hidden_dim: int, n_layers: int, dropout: float) -> None:
        super().__init__(n_channels)
        self.lstm = nn.LSTM(
            n_channels, hidden_dim, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0
        )
        self.to_output = nn.Linear(hidden_dim, n_channels)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return a forecast after every step, and the hidden state."""
        hidden, _ = self.lstm(rows)
        return self.to_output(hidden), hidden


class _CausalBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, *, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.pad = (kernel_size - 1) * dilation
        self.first = _NormedConvolution(n_in, n_out, kernel_size, dilation)
        self.second = _NormedConvolution(n_out, n_out, kernel_size, dilation)
        self.shortcut = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor) -> Tensor:
        hidden = rows
        for convolution in (self.first, self.second):
            padded = nn.functional.pad(hidden, (self.pad, 0))
            hidden = self.dropout(torch.relu(convolution(padded)))
        return torch.relu(hidden + self.shortcut(rows))


class _NormedConvolution(nn.Module):
    """A convolution whose kernels are directions times lengths (Salimans and Kingma, 2016).

    Torch's own cannot be copied and exported without harm to the original.
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        start = nn.Conv1d(n_in, n_out, kernel_size)
        assert start.bias is not None
        self.dilation = dilation
        self.direction = nn.Parameter(start.weight.detach().clone())
        self.length = nn.Parameter(self.direction.detach().norm(dim=(1, 2), keepdim=True))
        self.bias = nn.Parameter(start.bias.detach().clone())

    def forward(self, rows: Tensor) -> Tensor:
        weight = self.direction * (self.length / self.direction.norm(dim=(1, 2), keepdim=True))
        return nn.functional.conv1d(rows, weight, self.bias, dilation=self.dilation)


def _layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
