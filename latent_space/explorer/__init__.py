"""Population -> one self-contained HTML page."""

from latent_space.explorer.explorer import write_report

__all__ = ["write_report"]
