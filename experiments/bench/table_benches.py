"""The benches that read or fill a table, by name."""

from __future__ import annotations

from experiments.bench.latency import bench_blocks, bench_latency
from experiments.bench.predictor import bench_predictor
from experiments.bench.table_options import TableOptions
from experiments.bench.timing import Rows
from experiments.progress import ConsoleReporter

__all__ = ["TABLE_BENCHES", "table_bench"]

TABLE_BENCHES = {"blocks": bench_blocks, "latency": bench_latency, "predictor": bench_predictor}


def table_bench(bench: str, options: TableOptions, *, quiet: bool) -> dict[str, Rows]:
    """Runs a bench of a table, with its progress on stderr unless `quiet`."""
    if quiet:
        return {bench: TABLE_BENCHES[bench](options)}
    with ConsoleReporter() as reporter:
        return {bench: TABLE_BENCHES[bench](options, reporter)}
