"""The pipeline with one of its two nodes lost in mid-sweep, and in peace on the node that is left.

    python tests/jobs/lose_node.py shared.yaml peaceful.yaml events.jsonl

Every epoch that a trial of the first run reports becomes a line of ``events.jsonl``.
"""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from glacier.cluster import quieten
from glacier.evaluation.results import Epoch
from glacier.flags import load_config
from glacier.pipeline import run_pipeline
from glacier.training import tuning

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}
TRIALS = 2
EPOCHS_BEFORE = 2
"""Epochs that both trials have done, and so are both running, when the node is lost."""


def watch(events: Path, lose_node: Callable[[], None]) -> None:
    """Write down every epoch, and lose a node once, when both trials are under way."""
    report, lost = tuning.LiveTable.on_trial_result, []

    def on_trial_result(
        self: tuning.LiveTable, iteration: int, trials: list[Any], trial: Any,
        result: dict[str, Any], **_: Any,
    ) -> None:  # fmt: skip
        report(self, iteration, trials, trial, result)
        row = Epoch(**result["epoch"])
        lines: list[dict[str, Any]] = [
            {
                "fold": result["fold"],
                "epoch": row.epoch,
                "seconds": row.seconds,
                "pid": result["pid"],
            }
        ]
        under_way = [row for row in self.rows.values() if row.epoch + 1 >= EPOCHS_BEFORE]
        if len(under_way) == TRIALS and not lost:
            lost.append(True)
            lose_node()
            lines.append({"lost": True})
        with events.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    tuning.LiveTable.on_trial_result = on_trial_result  # type: ignore[method-assign]


def main(shared: str, peaceful: str, events: str) -> int:
    """Run both; 0 when no unit failed."""
    report = tuning.LiveTable.on_trial_result
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    node = cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    quieten()
    try:
        watch(Path(events), lambda: cluster.remove_node(node, allow_graceful=False))
        failed = run_pipeline(load_config([shared], "With a node lost."))
        tuning.LiveTable.on_trial_result = report  # type: ignore[method-assign]
        return failed + run_pipeline(load_config([peaceful], "Peaceful."))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
