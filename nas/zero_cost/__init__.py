"""Zero-cost scores: what an untrained network and a batch of images tell of its accuracy."""

from nas.zero_cost.batch import Batch
from nas.zero_cost.scores import SCORES
from nas.zero_cost.scoring import WARM_SCORES, check_scores, scores_of, warm_start

__all__ = ["SCORES", "WARM_SCORES", "Batch", "check_scores", "scores_of", "warm_start"]
