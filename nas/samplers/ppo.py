"""MnasNet's controller: a recurrent network that writes architectures, trained by PPO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from torch import Tensor, nn

from nas.samplers.base import StudySampler, finished, sign, value
from nas.samplers.columns import Columns

__all__ = ["Controller", "PPOSampler"]

HIDDEN = 100
TEMPERATURE, TANH = 5.0, 2.5  # keep first choices near uniform (Pham et al., arXiv:1802.03268)
BATCH, EPOCHS, CLIP = 20, 5, 0.2
LEARNING_RATE, ENTROPY = 0.0035, 1e-3
BASELINE = 0.95  # share of the moving average of rewards that stays


class Controller(nn.Module):
    """Writes one choice after another: an LSTM that is told the choice before.

    `sizes` are the numbers of options, in the order in which they are chosen.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.start = nn.Parameter(torch.zeros(HIDDEN))
        self.embed = nn.ModuleList(nn.Embedding(size, HIDDEN) for size in sizes)
        self.cell = nn.LSTMCell(HIDDEN, HIDDEN)
        self.heads = nn.ModuleList(nn.Linear(HIDDEN, size) for size in sizes)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(
        self, rows: Tensor | None, *, count: int = 1, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns rows (N, choices), their log-probabilities (N,) and the entropy at each (N,).

        Without `rows`, `count` of them are drawn.
        """
        number = count if rows is None else len(rows)
        told = self.start.expand(number, HIDDEN)
        state = (torch.zeros(number, HIDDEN), torch.zeros(number, HIDDEN))
        chosen: list[Tensor] = []
        log_probability, entropy = torch.zeros(number), torch.zeros(number)
        for place, (embed, head) in enumerate(zip(self.embed, self.heads, strict=True)):
            state = self.cell(told, state)
            logits = TANH * torch.tanh(head(state[0]) / TEMPERATURE)
            log_shares = logits.log_softmax(dim=1)
            if rows is None:
                taken = torch.multinomial(log_shares.exp(), 1, generator=generator)[:, 0]
            else:
                taken = rows[:, place]
            log_probability = log_probability + log_shares.gather(1, taken[:, None])[:, 0]
            entropy = entropy - (log_shares.exp() * log_shares).sum(1)
            chosen.append(taken)
            told = embed(taken)
        return torch.stack(chosen, dim=1), log_probability, entropy


class _Learner:
    """Trains a controller on one batch of rows and rewards after another."""

    def __init__(self, sizes: tuple[int, ...], seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.controller = Controller(sizes)
        self.optimizer = torch.optim.Adam(self.controller.parameters(), lr=LEARNING_RATE)
        self.baseline: float | None = None

    def learn(self, rows: Tensor, rewards: Tensor) -> None:
        """Takes PPO's clipped steps (Schulman et al., arXiv:1707.06347, eq. 7)."""
        mean = float(rewards.mean())
        if self.baseline is None:
            self.baseline = mean
        advantage = rewards - self.baseline
        advantage = advantage / (advantage.std(correction=0) + 1e-8)
        self.baseline = BASELINE * self.baseline + (1 - BASELINE) * mean
        with torch.no_grad():
            _, before, _ = self.controller(rows)
        for _ in range(EPOCHS):
            _, now, entropy = self.controller(rows)
            ratio = (now - before).exp()
            gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
            loss = -(gain + ENTROPY * entropy).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


class PPOSampler(StudySampler):
    """Suggests what a controller writes after learning from every full batch of finished trials.

    MnasNet's search (Tan et al., arXiv:1807.11626, section 4.2): a batch of networks is drawn from
    a recurrent policy, and PPO raises the expected reward. The published text gives no learning
    rate or batch; those here are ours. All is learnt again from the study when it must be, so the
    same seed and study give the same suggestion; what was learnt last is kept to spare that.
    Numeric parameters are drawn at random.
    """

    def _suggest(self, study: Study, space: dict[str, BaseDistribution]) -> dict[str, Any]:
        listed = {n: d for n, d in space.items() if isinstance(d, CategoricalDistribution)}
        rest = Columns({n: d for n, d in space.items() if n not in listed})
        done = [trial for trial in finished(study) if listed.keys() <= trial.params.keys()]
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        rng = np.random.default_rng([self._seed, len(done), len(running)])
        drawn = rest.decode(rest.sample(rng, 1)[0])
        if not listed:
            return drawn
        columns = Columns(listed)
        learner = _learnt(columns, done, self._seed, sign(study))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        with torch.no_grad():
            rows, _, _ = learner.controller(None, generator=generator)
        return {**drawn, **columns.decode(rows[0].numpy())}


def _learnt(columns: Columns, done: list[FrozenTrial], seed: int, sign: int) -> _Learner:
    full = len(done) // BATCH * BATCH
    rows = columns.encode([trial.params for trial in done[:full]]).astype(np.int64)
    rewards = sign * np.array([value(trial) for trial in done[:full]])
    return _replayed(tuple(columns.sizes.tolist()), seed, rows, rewards)


_last: dict[tuple[Any, ...], tuple[bytes, _Learner]] = {}


def _replayed(sizes: tuple[int, ...], seed: int, rows: np.ndarray, rewards: np.ndarray) -> _Learner:
    """Returns a learner that has seen the batches in order; goes on from the last where it can."""
    known, learner = _last.get((sizes, seed), (b"", None))
    told = [r.tobytes() + v.tobytes() for r, v in zip(rows, rewards, strict=True)]
    whole = b"".join(told)
    if learner is None or not whole.startswith(known):
        known, learner = b"", _Learner(sizes, seed)
    seen = len(known) // len(told[0]) if told else 0
    for start in range(seen, len(rows), BATCH):
        batch = slice(start, start + BATCH)
        learner.learn(torch.from_numpy(rows[batch]), torch.from_numpy(rewards[batch]).float())
    _last.clear()
    _last[sizes, seed] = (whole, learner)
    return learner
