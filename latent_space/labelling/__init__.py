"""Which samples to label next, and the measured curve that says whether it pays."""

from latent_space.labelling.prediction import PredictedError, predict_error
from latent_space.labelling.ranking import select_for_labelling

__all__ = ["PredictedError", "predict_error", "select_for_labelling"]
