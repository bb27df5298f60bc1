"""The options of timing, each declared once; None means that it was not given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="images at once [memory: 1; timing: cpu 16, cuda 128]"),
]
Latency = Annotated[
    bool, typer.Option("--latency", help="time it instead: latency, throughput, training step")
]
Device = Annotated[
    str | None, typer.Option("--device", help="timing: auto, cpu, cuda or cuda:N [auto]")
]
Against = Annotated[
    str | None, typer.Option("--against", metavar="ARCH", help="compare its latency with ARCH's")
]
PredictFrom = Annotated[
    Path | None, typer.Option("--table", help="predict it, from a table of `nas bench blocks`")
]
Time = Annotated[str | None, typer.Option("--time", help="time each for so long [2s]")]
NoStep = Annotated[
    bool | None, typer.Option("--no-step", help="leave out the training step", show_default=False)
]

Table = Annotated[
    Path | None, typer.Option("--table", help="blocks, latency, predictor: the table's file")
]
Space = Annotated[str | None, typer.Option("--space", help="blocks: of this space [mixed]")]
Side = Annotated[
    int | None, typer.Option("--resolution", min=1, help="blocks: side of the input [224]")
]
Classes = Annotated[
    int | None, typer.Option("--classes", min=1, help="blocks: the classifier's outputs [1000]")
]
BlockBatch = Annotated[
    int | None, typer.Option("--batch", min=1, help="blocks: images at once [1; training 16, 128]")
]
Training = Annotated[
    bool | None, typer.Option("--training", help="blocks: training steps, not inference")
]
Visits = Annotated[
    int | None, typer.Option("--visits", min=1, help="blocks: runs of each at least [5]")
]
StopAfter = Annotated[
    str | None,
    typer.Option("--time", help="blocks: stop after 10m, …; recipes, progressive: each training"),
]
ContestData = Annotated[
    str | None, typer.Option("--data", help="recipes, progressive: what is trained on")
]
ContestLimit = Annotated[
    int | None, typer.Option("--limit", min=1, help="recipes, progressive: training images [all]")
]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="recipes, progressive: trainings each [3]")
]
Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep", help="recipes, progressive: file of what is done; run again, it goes on"
    ),
]
Fit = Annotated[
    Path | None,
    typer.Option("--fit", metavar="FILE", help="predictor: fit it to the whole table, write it"),
]
