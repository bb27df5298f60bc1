"""The command's options, each declared once. Imports nothing heavy: `nas --help` needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ArchArg = Annotated[
    str,
    typer.Argument(
        metavar="ARCH", help="catalog name, timm:NAME, spec file, run folder or checkpoint"
    ),
]
RunArg = Annotated[Path, typer.Argument(metavar="RUN", help="run folder")]
_FORMS = "digits, cifar10, cifar100, class folders, Parquet, .tar shards, .npz, or hf:NAME"
Data = Annotated[str, typer.Option("--data", help=_FORMS)]
MaybeData = Annotated[str | None, typer.Option("--data", help=_FORMS)]
Evaluator = Annotated[
    str,
    typer.Option(
        "--evaluator",
        help="training; or imagenet, which predicts from measured networks, or a predictor's file",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", help="use at most this many images")]
ImageSize = Annotated[
    int | None, typer.Option("--image-size", help="pixels a side at which images are kept")
]
Out = Annotated[Path, typer.Option("--out", help="run folder")]
MaybeOut = Annotated[Path | None, typer.Option("--out", help="run folder, or folder to write to")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="of splits, samplers and trainings")]
Seeds = Annotated[
    int, typer.Option("--seeds", min=1, help="searches of this budget, with seeds from --seed on")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N")]
MaybeDevice = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N")]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="on a GPU: the same weights, bitwise, each time; slower"),
]
Track = Annotated[
    list[str] | None,
    typer.Option("--track", metavar="NAME", help="write curves for tensorboard, mlflow or both"),
]
Recipe = Annotated[str, typer.Option("--recipe", help="training recipe: a name, or a TOML file")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="replace a recipe value")
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, help="epochs of a full training [the recipe's]")
]
Preview = Annotated[
    Path | None,
    typer.Option("--preview", metavar="FILE.png", help="with --data: draw images of its classes"),
]
Ranks = Annotated[
    int,
    typer.Option("--ranks", help="processes that train one network together, with a GPU each"),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="trainings at once [1; with --ray: all that fit]"),
]
Ray = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="train on a Ray cluster: auto, or HOST:PORT"),
]
Cpus = Annotated[
    float | None, typer.Option("--cpus", help="cores of each of them [all, divided by --workers]")
]
Gpus = Annotated[
    float | None, typer.Option("--gpus", help="GPUs of each of them, as 1 or 0.25 [a fair share]")
]
Retries = Annotated[
    int | None, typer.Option("--retries", min=0, help="new starts after a lost worker [2]")
]
Loaders = Annotated[
    int | None,
    typer.Option("--loaders", min=0, help="processes that decode images too many for memory"),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="start from these trained weights (safetensors)")
]
Inherit = Annotated[
    bool,
    typer.Option("--inherit", help="grow from a smaller network's weights: those of --weights"),
]
GridInherit = Annotated[
    bool, typer.Option("--inherit", help="with --grid: candidates grow from the trained base")
]
InheritEpochs = Annotated[
    int | None,
    typer.Option("--inherit-epochs", min=1, help="of members that inherit [the recipe's]"),
]
Family = Annotated[
    bool,
    typer.Option(
        "--family", help="train a run's family, smaller first; --inherit: each from the one before"
    ),
]
Resume = Annotated[
    Path | None, typer.Option("--resume", metavar="RUN", help="go on with the training in a folder")
]
ResumeSearch = Annotated[
    Path | None, typer.Option("--resume", metavar="RUN", help="go on with the search in a folder")
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage", metavar="ADDRESS", help="of the studies: postgresql://… [a file in the folder]"
    ),
]
MaybeArch = Annotated[
    str | None,
    typer.Argument(
        metavar="ARCH", help="catalog name, timm:NAME, spec file, run folder or checkpoint"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]
Target = Annotated[
    str | None, typer.Option("--target-macs", help="T of the reward in MACs, as 2M or 0.4G")
]
TargetOf = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="AMOUNT", help="T of the reward in the --cost, as 5ms or 2GiB"
    ),
]
Cost = Annotated[
    str | None,
    typer.Option("--cost", help="weighed: macs, params, train_memory, latency or step_time"),
]
AtMost = Annotated[
    list[str] | None,
    typer.Option("--at-most", metavar="COST=AMOUNT", help="train no network that costs more"),
]
FrontCost = Annotated[
    str | None, typer.Option("--front-cost", help="cost of the Pareto front [the --cost]")
]
FrontRange = Annotated[
    str | None,
    typer.Option(
        "--front-range", metavar="LOW:HIGH", help="costs of --objective front [all; 1M:20M]"
    ),
]
Table = Annotated[
    Path | None,
    typer.Option("--table", help="latency or step time from a table of `nas bench blocks`"),
]
Space = Annotated[
    str, typer.Option("--space", help="mbconv, fused, mixed, a measured one, or your own TOML file")
]
MaybeSpace = Annotated[
    str | None, typer.Option("--space", help="list one space: by name, or your own TOML file")
]
Resolution = Annotated[
    int | None, typer.Option("--resolution", min=1, help="side of the input in pixels")
]
Width = Annotated[
    float, typer.Option("--width", min=0.05, max=20, help="multiplies the skeleton's channels")
]
Objective = Annotated[
    str,
    typer.Option(
        "--objective", help="soft, hard (MnasNet), v2 (EfficientNetV2), front or module:function"
    ),
]
Exponent = Annotated[
    float | None, typer.Option("--exponent", help="w of the reward [soft, v2: -0.07, hard: -1]")
]
Sampler = Annotated[
    str, typer.Option("--sampler", help="the sampler (`nas list --samplers` shows them)")
]
Trials = Annotated[int, typer.Option("--trials", min=1, help="networks to evaluate")]
Time = Annotated[str | None, typer.Option("--time", help="stop searching after 30m, 2h, …")]
TrainTime = Annotated[
    str | None,
    typer.Option("--train-time", help="stop searching once trainings took 2h, in all processes"),
]
TrialTime = Annotated[
    str | None, typer.Option("--trial-time", help="stop a trial that trains longer: it has failed")
]
WarmStart = Annotated[
    Path | None,
    typer.Option("--warm-start", metavar="RUN", help="begin with what another run's trials taught"),
]
Hints = Annotated[
    str | None,
    typer.Option(
        "--hints", metavar="SCORES", help="tell greybox zero-cost scores: zerocost, or by name"
    ),
]
HintsFirst = Annotated[
    int, typer.Option("--hints-first", min=0, help="train this many of the best by --hints first")
]
RandomBaseline = Annotated[
    bool,
    typer.Option("--random-baseline", help="search at random with the same budget as well"),
]
Confirm = Annotated[
    int, typer.Option("--confirm", min=0, help="best networks trained again before one is chosen")
]
SearchEpochs = Annotated[
    int, typer.Option("--search-epochs", min=1, help="epochs of one evaluation")
]
Halving = Annotated[
    str | None,
    typer.Option(
        "--halving", help="leave weak networks early: rungs of epochs, image-size or data"
    ),
]
Rungs = Annotated[
    int | None, typer.Option("--rungs", help="of --halving, the last one whole [up to 3 that fit]")
]
Reduction = Annotated[
    int | None, typer.Option("--reduction", help="each rung has so many times the one before [3]")
]
Ceiling = Annotated[
    float | None,
    typer.Option("--ceiling", help="highest accuracy possible: what cannot win is not trained"),
]
Alpha = Annotated[str, typer.Option("--alpha", help="range of α (depth), as 1:2")]
Beta = Annotated[str, typer.Option("--beta", help="range of β (width)")]
Gamma = Annotated[str, typer.Option("--gamma", help="range of γ (resolution)")]
Step = Annotated[float, typer.Option("--step", help="step of the grid")]
Tolerance = Annotated[float, typer.Option("--tolerance", help="bound on |α·β²·γ² − 2|")]
Candidates = Annotated[
    int | None,
    typer.Option("--candidates", min=1, help="train only this many, spread over the range"),
]
GridSeeds = Annotated[int, typer.Option("--grid-seeds", min=1, help="trainings of a candidate")]
GridEpochs = Annotated[int, typer.Option("--grid-epochs", min=1, help="epochs of each of them")]
Phi = Annotated[str, typer.Option("--phi", help="members of the family, as 0:3 or 0,0.5,1")]
MaxStride = Annotated[
    int | None,
    typer.Option("--max-stride", min=1, help="drop the earliest stride-2 steps beyond this total"),
]
Format = Annotated[str, typer.Option("--format", help="of spec, onnx, safetensors")]
