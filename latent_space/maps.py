"""The maps stage of a run: coordinates and quality for every sample and instance, and pictures of the sample maps.

**Conventions**: coordinates are columns `<method>_x`, `<method>_y` of the table; rows whose latents are not finite, and
instances beyond the cap, have NaN there. Pictures show the loss as colour and size, both from its 2nd to its 98th
percentile, so that one outlier does not hide the rest.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from latent_space.map_cache import cached_map
from latent_space.neighbors import build_graph
from latent_space.population import Population
from latent_space.progress import track
from latent_space.projection import Method, project
from latent_space.projection_quality import map_quality, neighbors_kept
from latent_space.run_folder import replaced_files
from latent_space.space import N_NEIGHBORS, Space, sample_space

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap
    from matplotlib.lines import Line2D

Table = Literal["samples", "instances"]

MAPPED_METHODS: tuple[Method, ...] = ("umap", "tsne")
METHOD_NAMES = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
_MARKERS = {"training": "o", "validation": "^", "test": "s", "unlabeled": "D", "additional": "v"}
_INK, _GRAY = "#1c2430", "#8a919c"
_SMALLEST, _LARGEST = 14.0, 80.0


def add_maps(
    population: Population,
    *,
    space: Space | None = None,
    cache: Path | None = None,
    random_state: int = 0,
    max_instances: int = 5_000,
) -> Population:
    """Place all samples, and instances if they have latents, on UMAP and t-SNE maps.

    Parameters
    ----------
    population : Population
        With latents.
    space : Space, optional
        Of its samples, when it is known.
    cache : path, optional
        Folder where maps are kept, and found again for the same latents; see `map_cache`.
    random_state : int
        Seed of the maps and of the choice of instances.
    max_instances : int
        With more instances, a seeded choice of so many is mapped; the others have NaN.

    Returns
    -------
    Population
        With columns `umap_x`, `umap_y`, `umap_neighbors_kept` (how far the map can be trusted there), and the same for
        `tsne` (those of an earlier run are replaced), and in
        ``run["maps"]`` per method the quality and seconds, `n_mapped`, `n_neighbors`, and the same for ``instances``.

    Raises
    ------
    ValueError
        If the population has no latents.
    """
    if population.latents.shape[1] == 0:
        raise ValueError("population must have latents to be mapped; got none.")
    latents: dict[Table, npt.NDArray[np.float32]] = {"samples": population.latents}
    if population.instance_latents is not None and population.instance_latents.shape[1]:
        latents["instances"] = population.instance_latents
    facts: dict[str, dict[str, Any]] = {}
    for table, method in track([(table, method) for table in latents for method in (None, *MAPPED_METHODS)], "maps"):
        if method is None:
            start = time.perf_counter()
            if table == "samples":
                known = space or sample_space(population)
                rows, graph = known.rows, known.graph
            else:
                rows = _mappable(latents[table], max_instances, random_state)
                graph = build_graph(latents[table][rows], n_neighbors=N_NEIGHBORS)
            seconds = {"seconds": time.perf_counter() - start}
            facts[table] = {"n_mapped": len(rows), "n_neighbors": graph.n_neighbors, "graph": seconds}
            continue
        start = time.perf_counter()
        points = latents[table][rows]
        flat = (
            project(points, method=method, graph=graph, random_state=random_state)
            if cache is None
            else cached_map(cache, f"{table}-{method}", points, graph=graph, method=method, random_state=random_state)
        )
        quality = map_quality(points, flat, graph=graph)
        facts[table][method] = {**quality, "seconds": time.perf_counter() - start}
        columns = np.full((len(latents[table]), 3), np.nan, np.float32)
        columns[rows, :2], columns[rows, 2] = flat, neighbors_kept(points, flat, graph=graph)
        for name, column in zip(("x", "y", "neighbors_kept"), columns.T, strict=True):
            population = population.with_column(f"{method}_{name}", column, table=table, replace=True)
    samples = facts.pop("samples")
    return population.with_run(maps={**samples, **facts})


def _mappable(latents: npt.NDArray[np.float32], at_most: int, random_state: int) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(np.isfinite(latents).all(axis=1))
    if len(rows) <= at_most:
        return rows
    return np.sort(np.random.default_rng(random_state).choice(rows, at_most, replace=False))


def draw_maps(population: Population, run_dir: str | os.PathLike[str]) -> list[Path]:
    """Draw each map of the samples as a picture, coloured and sized by loss, with a marker per split.

    Parameters
    ----------
    population : Population
        As `add_maps` returns it.
    run_dir : path
        Where `umap.png` and `tsne.png` are written; made when it does not exist.

    Returns
    -------
    list of Path
        The pictures; none for a map that the population does not have.
    """
    folder = Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    methods = [method for method in MAPPED_METHODS if f"{method}_x" in population.samples]
    with replaced_files() as temporary_name:
        for method in methods:
            _draw_map(population, method, temporary_name(folder / f"{method}.png"))
    return [folder / f"{method}.png" for method in methods]


def loss_range(loss: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of the finite losses, apart by something; (0, 1) when there are none.

    Examples
    --------
    >>> loss_range(np.array([0.0, 50.0, 100.0, np.nan]))
    (2.0, 98.0)
    """
    finite = loss[np.isfinite(loss)]
    if not len(finite):
        return 0.0, 1.0
    low, high = (float(bound) for bound in np.percentile(finite, [2, 98]))
    return (low, high) if high > low else (low, low + 1)


def _draw_map(population: Population, method: Method, path: Path) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    samples = population.samples
    samples = samples[np.isfinite(samples[f"{method}_x"].to_numpy(np.float64))]
    loss = _losses(samples)
    mapping = ScalarMappable(Normalize(*loss_range(loss), clip=True), _colors())
    figure = Figure(figsize=(9, 7.6), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    _scatter(axes, samples, method, mapping)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    axes.spines[:].set_color("#d5d9e0")
    title = f"{METHOD_NAMES[method]} of {len(samples):,} samples"
    axes.set_title(title, loc="left", fontsize=16, color=_INK, weight="bold", pad=26)
    quality = quality_sentence(population.run.get("maps", {}).get(method, {}))
    axes.text(0, 1.02, quality, transform=axes.transAxes, fontsize=10.5, color="#5b6472")
    if np.isfinite(loss).any():
        bar = figure.colorbar(mapping, ax=axes, shrink=0.6, aspect=32, pad=0.02, extend="both")
        bar.set_label("loss (colour and size)", color=_INK, fontsize=10.5)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelcolor="#5b6472", labelsize=9.5)
    if len(samples):
        legend = axes.legend(
            handles=_legend_handles(samples), loc="upper left", bbox_to_anchor=(-0.01, -0.005), ncols=5, frameon=False
        )
        for text in legend.get_texts():
            text.set_color(_INK)
    figure.savefig(path, dpi=150)


def _scatter(axes: "Axes", samples: "pd.DataFrame", method: Method, mapping: "ScalarMappable") -> None:
    """Draw the samples without a loss as hollow gray points, and over them the others, the worst on top."""
    loss = _losses(samples)
    places = samples[[f"{method}_x", f"{method}_y"]].to_numpy(np.float64)
    split = _splits(samples)
    for layer, with_loss in enumerate((False, True), start=2):
        for name in _in_order(split):
            rows = np.flatnonzero((split == name) & (np.isfinite(loss) == with_loss))
            if not len(rows):
                continue
            rows = rows[np.argsort(loss[rows], kind="stable")]
            share = mapping.norm(loss[rows]) if with_loss else np.zeros(len(rows))
            style: dict[str, Any] = {"facecolors": "none", "edgecolors": _GRAY, "linewidths": 0.7, "alpha": 0.75}
            if with_loss:
                style = {"facecolors": mapping.to_rgba(loss[rows]), "edgecolors": "white", "linewidths": 0.4}
            axes.scatter(
                places[rows, 0],
                places[rows, 1],
                s=_SMALLEST + (_LARGEST - _SMALLEST) * np.asarray(share),
                marker=_MARKERS.get(name, "P"),
                zorder=layer,
                **style,
            )


def _legend_handles(samples: "pd.DataFrame") -> "list[Line2D]":
    from matplotlib.lines import Line2D

    split, loss = _splits(samples), _losses(samples)
    shape: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "none", "markeredgecolor": _GRAY, "markersize": 6}
    handles = [
        Line2D([], [], marker=_MARKERS.get(name, "P"), label=f"{_plain(name)} ({(split == name).sum():,})", **shape)
        for name in _in_order(split)
    ]
    if np.isnan(loss).any():
        handles.append(Line2D([], [], linestyle="none", label=f"hollow: no loss ({np.isnan(loss).sum():,})"))
    return handles


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib reads formulas between dollars


def _splits(samples: "pd.DataFrame") -> npt.NDArray[np.str_]:
    return samples["split"].to_numpy(str) if "split" in samples else np.full(len(samples), "samples")


def _in_order(split: npt.NDArray[np.str_]) -> list[str]:
    present = set(split.tolist())
    return [name for name in _MARKERS if name in present] + sorted(present - set(_MARKERS))


def _losses(samples: "pd.DataFrame") -> npt.NDArray[np.float64]:
    return samples["loss"].to_numpy(np.float64) if "loss" in samples else np.full(len(samples), np.nan)


def _colors() -> "Colormap":
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    # Plasma without its yellow end, which white paper swallows.
    return ListedColormap(colormaps["plasma"](np.linspace(0, 0.88, 256)))


def quality_sentence(quality: dict[str, Any]) -> str:
    """Say in one line how far a map can be trusted, from the figures of `map_quality`; "" when there are none.

    Examples
    --------
    >>> quality_sentence({"trustworthiness": 0.953, "neighbors_kept": 0.321, "distance_correlation": None})
    'trustworthiness 0.953  ·  neighbours kept 32 %'
    """
    known = {key: value for key, value in quality.items() if isinstance(value, float) and np.isfinite(value)}
    parts = []
    if "trustworthiness" in known:
        parts.append(f"trustworthiness {known['trustworthiness']:.3f}")
    if "neighbors_kept" in known:
        parts.append(f"neighbours kept {100 * known['neighbors_kept']:.0f} %")
    if "distance_correlation" in known:
        parts.append(f"distance correlation {known['distance_correlation']:.2f}")
    return "  ·  ".join(parts)
