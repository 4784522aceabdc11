"""The YOLOv5-seg network in plain torch: backbone, feature pyramid, and a head for boxes, classes and masks.

**Conventions**: images are (B, 3, H, W) float RGB in [0, 1] with H and W multiples of 32. Anchors are (3, 3, 2) widths
and heights in pixels of the input, one row of three per stride. In training the network returns raw logits, so that the
loss is computed from numbers a sigmoid has not yet rounded; `ExportForm` returns what a YOLOv5-seg ONNX file returns:
decoded boxes in pixels, rows ordered P3, P4, P5 and anchor-major (anchor, y, x) inside each.

Layer for layer the graph is that of Ultralytics YOLOv5 v7 segmentation models, with the same number of parameters;
the bias that says how rare objects are is set for the size of the images instead of for 640 pixels.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Width = Literal["n", "s"]
STRIDES = (8, 16, 32)
N_ANCHORS = 3
N_COEFFICIENTS = 32
_WIDTH_MULTIPLES: dict[str, float] = {"n": 0.25, "s": 0.5}
_DEPTH_MULTIPLE = 0.33
_OBJECTS_PER_IMAGE = 8


class _ConvBlock(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2 if padding is None else padding, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.03)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.activation(self.norm(self.conv(features)))
        return result


class _Bottleneck(nn.Module):
    """1x1 then 3x3 convolution, added to the input in the backbone."""

    def __init__(self, n_channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.reduce = _ConvBlock(n_channels, n_channels)
        self.expand = _ConvBlock(n_channels, n_channels, 3)
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.expand(self.reduce(features))
        return features + result if self.shortcut else result


class _C3(nn.Module):
    """Cross-stage partial block: half of the channels pass through bottlenecks, half around them."""

    def __init__(self, n_in: int, n_out: int, n_blocks: int = 1, *, shortcut: bool = True) -> None:
        super().__init__()
        hidden = n_out // 2
        self.through = _ConvBlock(n_in, hidden)
        self.around = _ConvBlock(n_in, hidden)
        self.merge = _ConvBlock(2 * hidden, n_out)
        self.blocks = nn.Sequential(*(_Bottleneck(hidden, shortcut=shortcut) for _ in range(n_blocks)))

    def forward(self, features: Tensor) -> Tensor:
        both = torch.cat((self.blocks(self.through(features)), self.around(features)), 1)
        result: Tensor = self.merge(both)
        return result


class _SPPF(nn.Module):
    """Spatial pyramid pooling: three 5x5 maxima in a row see what 5x5, 9x9 and 13x13 maxima would."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.reduce = _ConvBlock(n_in, n_in // 2)
        self.merge = _ConvBlock(4 * (n_in // 2), n_out)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, features: Tensor) -> Tensor:
        levels = [self.reduce(features)]
        for _ in range(3):
            levels.append(self.pool(levels[-1]))
        result: Tensor = self.merge(torch.cat(levels, 1))
        return result


class _Prototypes(nn.Module):
    """The masks' basis: `N_COEFFICIENTS` images at a quarter of the input, which each object's coefficients mix."""

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _ConvBlock(n_in, hidden, 3),
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            _ConvBlock(hidden, hidden, 3),
            _ConvBlock(hidden, N_COEFFICIENTS),
        )

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.layers(features)
        return result


class _Backbone(nn.Module):
    """The image's features at strides 8, 16 and 32."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.to_p3 = nn.Sequential(
            _ConvBlock(3, c1, 6, 2, 2),
            _ConvBlock(c1, c2, 3, 2),
            _C3(c2, c2, _depth(3)),
            _ConvBlock(c2, c3, 3, 2),
            _C3(c3, c3, _depth(6)),
        )
        self.to_p4 = nn.Sequential(_ConvBlock(c3, c4, 3, 2), _C3(c4, c4, _depth(9)))
        self.to_p5 = nn.Sequential(_ConvBlock(c4, c5, 3, 2), _C3(c5, c5, _depth(3)), _SPPF(c5, c5))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p3 = self.to_p3(images)
        p4 = self.to_p4(p3)
        return p3, p4, self.to_p5(p4)


class _Pyramid(nn.Module):
    """Path aggregation: what each stride sees, passed down to the finest and up again."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        c3, c4, c5 = channels
        n = _depth(3)
        self.upsample = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.reduce5, self.top_down4 = _ConvBlock(c5, c4), _C3(2 * c4, c4, n, shortcut=False)
        self.reduce4, self.top_down3 = _ConvBlock(c4, c3), _C3(2 * c3, c3, n, shortcut=False)
        self.shrink3, self.bottom_up4 = _ConvBlock(c3, c3, 3, 2), _C3(2 * c3, c4, n, shortcut=False)
        self.shrink4, self.bottom_up5 = _ConvBlock(c4, c4, 3, 2), _C3(2 * c4, c5, n, shortcut=False)

    def forward(self, p3: Tensor, p4: Tensor, p5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reduced5 = self.reduce5(p5)
        reduced4 = self.reduce4(self.top_down4(torch.cat((self.upsample(reduced5), p4), 1)))
        out3 = self.top_down3(torch.cat((self.upsample(reduced4), p3), 1))
        out4 = self.bottom_up4(torch.cat((self.shrink3(out3), reduced4), 1))
        return out3, out4, self.bottom_up5(torch.cat((self.shrink4(out4), reduced5), 1))


class YoloSeg(nn.Module):
    """YOLOv5-seg of width "n" (1.9 million parameters) or "s" (7.4 million).

    Parameters
    ----------
    n_classes : int
        At least 1.
    width : "n" or "s"
        A quarter or half of the channels of the full network; depth .33 in both.
    anchors : sequence of 3 rows of 3 (width, height) pairs, flat or nested
        Pixels of the input.
    image_size : int
        Side of the images to come; decides only the initial objectness.

    Raises
    ------
    ValueError
        If an argument is outside of what is described above.

    Examples
    --------
    >>> from armbench_segmentation.config import COCO_ANCHORS
    >>> raw, prototypes = YoloSeg(2, "n", COCO_ANCHORS)(torch.zeros(1, 3, 64, 64))
    >>> [tuple(level.shape) for level in raw], tuple(prototypes.shape)
    ([(1, 3, 8, 8, 39), (1, 3, 4, 4, 39), (1, 3, 2, 2, 39)], (1, 32, 16, 16))
    """

    anchors: Tensor

    def __init__(
        self, n_classes: int, width: Width, anchors: Sequence[Sequence[float]], *, image_size: int = 640
    ) -> None:
        super().__init__()
        if n_classes < 1:
            raise ValueError(f"n_classes must be at least 1; got {n_classes}.")
        if width not in _WIDTH_MULTIPLES:
            raise ValueError(f"width must be 'n' or 's'; got {width!r}.")
        self.n_classes, self.width = n_classes, width
        self.n_outputs = 5 + n_classes + N_COEFFICIENTS
        self.register_buffer("anchors", _checked_anchors(anchors))
        channels = [_channels(n, width) for n in (64, 128, 256, 512, 1024)]
        self.backbone = _Backbone(channels)
        self.pyramid = _Pyramid(channels[2:])
        self.heads = nn.ModuleList(nn.Conv2d(n, N_ANCHORS * self.n_outputs, 1) for n in channels[2:])
        self.prototypes = _Prototypes(channels[2], _channels(256, width))
        self._expect_few_objects(image_size)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Raw logits per stride, each (B, 3, H / stride, W / stride, 5 + n_classes + 32), and the prototypes."""
        levels = self.pyramid(*self.backbone(images))
        raw = [self._by_anchor(head(level)) for head, level in zip(self.heads, levels, strict=True)]
        return raw, self.prototypes(levels[0])

    def _by_anchor(self, output: Tensor) -> Tensor:
        height, width = output.shape[-2:]
        return output.view(-1, N_ANCHORS, self.n_outputs, height, width).permute(0, 1, 3, 4, 2)

    def _expect_few_objects(self, image_size: int) -> None:
        """Start from the odds of meeting an object in a cell: otherwise the first epochs only unlearn false alarms."""
        for head, stride in zip(self.heads, STRIDES, strict=True):
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            bias = head.bias.detach().view(N_ANCHORS, -1)
            bias[:, 4] += min(math.log(_OBJECTS_PER_IMAGE / (image_size / stride) ** 2), 0.0)
            bias[:, 5 : 5 + self.n_classes] += math.log(0.6 / (self.n_classes - 0.99999))


class ExportForm(nn.Module):
    """The network as its ONNX file shows it: decoded rows and prototypes for square images of one size.

    Parameters
    ----------
    network : YoloSeg
        Its weights are shared, not copied.
    image_size : int
        A multiple of 32.
    """

    def __init__(self, network: YoloSeg, image_size: int) -> None:
        super().__init__()
        if image_size < STRIDES[-1] or image_size % STRIDES[-1]:
            raise ValueError(f"image_size must be a positive multiple of {STRIDES[-1]}; got {image_size}.")
        self.network = network
        self.n_classes, self.n_outputs = network.n_classes, network.n_outputs
        for level, stride in enumerate(STRIDES):
            self.register_buffer(f"corners{level}", _cell_corners(image_size // stride), persistent=False)
            sizes = network.anchors[level].view(1, N_ANCHORS, 1, 1, 2)
            self.register_buffer(f"sizes{level}", sizes, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, 5 + n_classes + 32) rows of cx, cy, w, h, objectness, classes, coefficients; (B, 32, S/4, S/4)."""
        raw, prototypes = self.network(images)
        return torch.cat([self._rows(level, logits) for level, logits in enumerate(raw)], 1), prototypes

    def _rows(self, level: int, logits: Tensor) -> Tensor:
        corners, sizes = getattr(self, f"corners{level}"), getattr(self, f"sizes{level}")
        centres = (2 * logits[..., :2].sigmoid() - 0.5 + corners) * STRIDES[level]
        extents = (2 * logits[..., 2:4].sigmoid()) ** 2 * sizes
        scores, coefficients = logits[..., 4 : 5 + self.n_classes].sigmoid(), logits[..., 5 + self.n_classes :]
        rows = torch.cat((centres, extents, scores, coefficients), 4)
        n_rows = N_ANCHORS * corners.shape[2] * corners.shape[3]
        return rows.reshape(-1, n_rows, self.n_outputs)


def _cell_corners(n_cells: int) -> Tensor:
    """(1, 1, n, n, 2) x, y of each cell's upper left corner, in cells."""
    steps = torch.arange(n_cells, dtype=torch.float32)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack((columns, rows), 2).view(1, 1, n_cells, n_cells, 2)


def _checked_anchors(anchors: Sequence[Sequence[float]]) -> Tensor:
    tensor = torch.as_tensor(anchors, dtype=torch.float32)
    if tensor.numel() != len(STRIDES) * N_ANCHORS * 2 or not bool((tensor > 0).all()):
        raise ValueError(f"anchors must be 3 rows of 3 positive width, height pairs; got {anchors!r}.")
    return tensor.reshape(len(STRIDES), N_ANCHORS, 2).clone()


def _channels(full: int, width: Width) -> int:
    return math.ceil(full * _WIDTH_MULTIPLES[width] / 8) * 8


def _depth(full: int) -> int:
    return max(round(full * _DEPTH_MULTIPLE), 1)
