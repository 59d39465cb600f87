"""The door: every verb of ``glacier <verb> [config.yaml] [--field value]`` in one table.

``python -m glacier <verb>`` is the same, and so is ``python -m jobs.<verb>`` in a checkout.
"""

from __future__ import annotations

import io
import locale
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import glacier
from glacier.errors import DamagedError, GlacierError
from glacier.interrupts import run_program

if TYPE_CHECKING:
    from glacier.command import Stage

DISTRIBUTION = "glacier-maps"
"""Name on the package index."""

OVERWRITTEN = (
    f"glacier/__init__.py is not that of {DISTRIBUTION}: the package `glacier`, a library for "
    "command lines,\nwas installed over it or removed from it. Run `pip uninstall glacier "
    f"{DISTRIBUTION}`, then `pip install {DISTRIBUTION}`."
)
"""Said where two distributions share the folder and the last one has left nothing of ours."""


@dataclass(frozen=True)
class Verb:
    """What is done with a configuration."""

    summary: str
    """One line."""
    runs: str
    """Name in the public interface of what takes the configuration and counts failures."""
    example: str = "demo.yaml"
    """A configuration that ships and that shows the verb."""
    sections: tuple[str, ...] = ()
    """How the names of the fields begin that its help shows."""
    has_variants: bool = False
    """It trains every variant of the configuration."""
    has_stages: bool = False
    """It runs stages that are verbs, too."""


DRY_RUN = "--dry-run"
"""Flag of every verb: say what would be done, and what would be refused."""

PLACES = ("name", "storage", "results", "when_locked")
RUN = (*PLACES, "seed", "regions", "months", "cluster.")
SCENES = ("ingest.source", "ingest.cloud", "ingest.min", "ingest.platforms")
INGEST = (*SCENES, "ingest.mask", "ingest.max", "ingest.synthetic", "ingest.folder.holds",
          "ingest.folder.path", "ingest.folder.images")  # fmt: skip
PREPARE, SWEEP, MAPS = ("prepare.",), ("sweep.",), ("predict.encoder", "predict.folds", "series.")
BRIEF_SWEEP = ("sweep.enc", "sweep.protocol", "sweep.folds", "sweep.epochs", "sweep.steps",
               "sweep.batch_size", "sweep.learning", "sweep.schedule", "sweep.loss",
               "sweep.choose", "sweep.patience", "sweep.normalise", "sweep.flips",
               "sweep.precision", "sweep.cpus", "sweep.gpus", "sweep.random")  # fmt: skip
"""Fields in groups, by how their names begin."""

VERBS = {
    "pipeline": Verb(
        "From scenes to maps in one driver; what is complete is not done again.",
        "run_pipeline",
        has_stages=True,
        sections=(*RUN, *INGEST, *PREPARE, *BRIEF_SWEEP, *MAPS),
    ),
    "ingest": Verb(
        "Region and months -> one cloud-masked composite a month, in the archive.",
        "run_ingest",
        sections=("ingest.", *RUN),
    ),
    "prepare": Verb(
        "Archive -> labelled samples in Parquet, with quick looks of every month.",
        "run_prepare",
        sections=(*PREPARE, "ingest.source", *RUN),
    ),
    "sweep": Verb(
        "Samples -> one trained model per encoder and fold, side by side on Ray.",
        "run_sweep",
        sections=(*SWEEP, *RUN),
    ),
    "report": Verb(
        "A finished sweep -> the comparison, as one HTML page and its tables.",
        "run_report",
        sections=PLACES,
    ),
    "predict": Verb(
        "Models and images -> probability and class of every pixel, as GeoTIFFs.",
        "run_predict",
        sections=("predict.", *PLACES, "cluster."),
    ),
    "series": Verb(
        "Maps -> outlines of all dates, area by year with its uncertainty, and a page.",
        "run_series",
        sections=(*MAPS, "predict.sweep", "predict.registry", *PLACES, "cluster."),
    ),
    "latest": Verb(
        "Months that came after a run -> its maps, series and page; trains nothing.",
        "run_latest",
        sections=("latest.", *SCENES, *MAPS, "predict.registry", *PLACES, "cluster."),
    ),
    "learn": Verb(
        "New labelled months -> a candidate for what serves, which a gate lets serve or not.",
        "run_learn",
        sections=("learn.", *PLACES, "seed", "cluster."),
    ),
    "monitor": Verb(
        "A run's months beside the same season of other years -> alarms, and a page of them.",
        "run_monitor",
        sections=("monitor.", "predict.sweep", *PLACES, "cluster."),
    ),
    "explain": Verb(
        "A map, or a place on it -> what decided it, in numbers, pictures and words.",
        "run_explain",
        sections=("explain.", "predict.encoder", "predict.folds", "predict.sweep", *PLACES),
    ),
    "export": Verb(
        "Models -> ONNX and PyTorch files for other programs, held against the models.",
        "run_export",
        sections=("export.", *PLACES),
    ),
    "serve": Verb(
        "A run's models and maps -> an HTTP service with a page, for others.",
        "run_serve",
        sections=(
            "serve.",
            "predict.encoder",
            "predict.sweep",
            "predict.registry",
            *PLACES,
            "cluster.address",
        ),
    ),
    "study": Verb(
        "Run the variants of one configuration and compare them.",
        "run_study",
        "leakage.yaml",
        ("variants", *RUN, *SCENES, *PREPARE, *SWEEP),
        has_variants=True,
    ),
    "continual": Verb(
        "Compare strategies that learn task after task without forgetting.",
        "run_continual",
        "continual.yaml",
        ("continual.", "sweep.folds", "prepare.size", "prepare.blocks", *RUN),
    ),
    "claims": Verb(
        "Test what the published experiment claims.",
        "run_claims",
        "claims.yaml",
        ("variants", *RUN, *SCENES, *PREPARE, *SWEEP),
        has_variants=True,
    ),
}
"""All that takes a configuration. A new one is an entry here and a file in ``jobs/``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that the first argument names.

    Args:
        argv: Arguments after the program's name; None: those of the process.

    Returns:
        As :func:`glacier.command.run_command`; 2 where no verb was named, 1 where another package
        has written over this one.
    """
    if argv is None:
        return run_program(lambda: main(read_arguments()))
    name, *rest = argv or [""]
    if not hasattr(glacier, "__version__"):
        print(OVERWRITTEN, file=sys.stderr)
        return 1
    try:
        return dispatch(name, rest)
    except BrokenPipeError:
        return mute_output()


def mute_output() -> int:
    """Write no more, since the reader, such as ``head``, has seen enough; returns the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def dispatch(name: str, rest: Sequence[str]) -> int:
    """Answer the first argument; the rest are those of the verb that it names."""
    if name in ("--help", "-h"):
        print(describe_verbs())
    elif name == "--version":
        print(f"{DISTRIBUTION} {glacier.__version__}")
    elif name in VERBS or name in ASIDES:
        return run_verb(name, rest)
    else:
        print(correct_verb(name) if name else describe_verbs(), file=sys.stderr)
        return 2
    return 0


def run_verb(name: str, argv: Sequence[str] | None = None) -> int:
    """Run a verb as a command.

    Args:
        name: The verb.
        argv: Arguments after the verb; None: those of the process, whose program is the verb.

    Returns:
        As :func:`glacier.command.run_command`.
    """
    if argv is None:
        return run_program(lambda: run_verb(name, read_arguments()))
    try:
        return ASIDES[name][1](argv) if name in ASIDES else run_configured(name, argv)
    except BrokenPipeError:
        return mute_output()


def run_configured(name: str, argv: Sequence[str]) -> int:
    """Run a verb that takes a configuration; returns its exit code."""
    from glacier.command import run_command  # late: it takes half a second

    verb = VERBS[name]
    return run_command(
        argv, describe_verb(name), make_stage(name, verb), {DRY_RUN: partial(dry_run, name)},
        partial(begin, name), verb.sections,
    )  # fmt: skip


def make_stage(name: str, verb: Verb) -> Stage:
    """What a verb runs, with a log of it."""
    run = late(verb.runs)

    def stage(config: glacier.Config) -> int:
        """Run the verb, and log what it does."""
        from glacier.job_log import open_log  # late: it takes half a second
        from glacier.progress import enter_stage

        with open_log(config, name) as log, nullcontext() if verb.has_stages else enter_stage(name):
            if verb.has_stages:
                from glacier.predictions import log_plan

                log_plan(config, log)
            log.failed_units = run_all(config, run, verb.has_variants)
        return log.failed_units

    return stage


def run_all(config: glacier.Config, run: Stage, has_variants: bool) -> int:
    """Run a stage, or a stage that trains the variants of a configuration."""
    if not has_variants:
        return run(config)
    from glacier.pipeline import run_variants  # late, as above

    return run_variants(config, run)


def dry_run(name: str, config: glacier.Config) -> int:
    """Say what a verb would do."""
    return glacier.dry_run(config, name)


def begin(name: str, config: glacier.Config) -> None:
    """Say that a verb has begun, then look whether it can come to an end.

    Raises:
        ConfigError: It cannot.
    """
    months = f"{config.months.first} to {config.months.last}"
    regions = f"{len(config.regions)} region{'s' if len(config.regions) > 1 else ''}"
    print(f"{name}: {config.name}, {regions}, {months}; looking at what it needs", flush=True)
    from glacier.checks import refuse_run  # late: it takes a second

    refuse_run(config, name)


def read_arguments() -> list[str]:
    """Arguments of the process, once it reads and writes as it should."""
    speak_utf8()
    return sys.argv[1:]


def speak_utf8() -> None:
    """Read and write UTF-8 whatever the locale says, and print what the terminal can show.

    Python decides at its start how it reads files and their names, so it is started again, once,
    where it has decided otherwise. Workers of Ray inherit what is set here.
    """
    here = locale.getpreferredencoding(False).lower().replace("-", "")
    if here != "utf8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.environ.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:replace")
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def late(runs: str) -> Stage:
    """A stage that is imported once it is run, when the configuration is known to be good."""

    def stage(config: glacier.Config) -> int:
        """Import the stage and run it; where an earlier stage left damage, go back to that."""
        run: Stage = getattr(glacier, runs)
        try:
            return run(config)
        except DamagedError as error:  # of a file that an earlier stage has made
            from glacier.pipeline import go_back

            return go_back(config, run, error)

    return stage


def describe_verb(name: str) -> str:
    """What a verb does, and how it is typed."""
    verb = VERBS[name]
    typed = f"    glacier {name} {verb.example}"
    dry = f"{typed} {DRY_RUN}   says what would be done and refused; does nothing"
    return "\n".join([verb.summary, "", typed, dry])


def summaries() -> dict[str, str]:
    """Every verb and its line, in the order in which they are shown."""
    lines = {name: verb.summary for name, verb in VERBS.items()}
    return lines | {name: summary for name, (summary, _) in ASIDES.items()}


def describe_verbs() -> str:
    """Every verb with its line."""
    rows = "\n".join(f"    {name:<12}{summary}" for name, summary in summaries().items())
    return (
        "Where the ice is, and which model to trust.\n\n"
        "usage: glacier <verb> [config.yaml] [--field value]\n"
        "       glacier --help | --version\n\n"
        f"{rows}\n\n"
        "`glacier <verb> --help` lists the fields of a verb, `glacier <verb> --help all` all. Exit "
        "codes:\n0 all is well, 1 units failed, 2 the configuration, the verb or the machine is "
        "not up to it,\n130 or 143 interrupted."
    )


def correct_verb(name: str) -> str:
    """What to say to a verb that there is not."""
    from glacier.wording import nearest

    return f"no verb {name!r}{nearest(name, [*VERBS, *ASIDES])} `glacier --help` lists all"


def show_configs(argv: Sequence[str]) -> int:
    """Print the configurations that ship, each with what it runs and where it lies."""
    from glacier.shipped import describe_configuration, list_shipped

    if argv:
        return explain_aside(argv, f"usage: glacier configs\n\n{ASIDES['configs'][0]}")
    for name, path in list_shipped().items():
        print(f"{name:<24}{describe_configuration(path)}\n{'':<24}{path}")
    print("\nGiven by its bare name (`glacier pipeline demo.yaml`), such a file is found; copy one "
          "to change it.")  # fmt: skip
    return 0


def show_completion(argv: Sequence[str]) -> int:
    """Print a script by which a shell completes verbs, fields and file names."""
    from glacier.completion import SHELLS, write_completion

    if len(argv) != 1 or argv[0] not in SHELLS:
        how = [
            f"usage: glacier completion {'|'.join(SHELLS)}", "", ASIDES["completion"][0], "",
            '    bash   eval "$(glacier completion bash)" in ~/.bashrc',
            "    zsh    glacier completion zsh > _glacier, in a folder of $fpath",
        ]  # fmt: skip
        return explain_aside(argv, "\n".join(how))
    flags = dict.fromkeys(VERBS, (DRY_RUN,))
    print(write_completion(argv[0], summaries(), flags))
    return 0


def show_runs(argv: Sequence[str]) -> int:
    """Print what runs have left."""
    from glacier.runs import run_list

    return run_plainly("list", partial(run_list, argv))


def remove_runs(argv: Sequence[str]) -> int:
    """Remove what runs have left."""
    from glacier.runs import run_clean

    return run_plainly("clean", partial(run_clean, argv))


def run_plainly(name: str, work: Callable[[], int]) -> int:
    """Run what looks at places that a flag names; a bad place is a sentence, and exit code 2."""
    try:
        return work()
    except GlacierError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def verify_runs(argv: Sequence[str]) -> int:
    """Say which files that runs have left are not as they were written."""
    from glacier.verify import run_verify

    return run_plainly("verify", partial(run_verify, argv))


def tell_status(argv: Sequence[str]) -> int:
    """Say what the last job of a run is doing or has done."""
    from glacier.status import run_status

    return run_plainly("status", partial(run_status, argv))


def predict_run(argv: Sequence[str]) -> int:
    """Say what a run will take."""
    from glacier.predictions import run_plan

    return run_plainly("plan", partial(run_plan, argv))


def examine_machine(argv: Sequence[str]) -> int:
    """Say whether this machine is fit for a run."""
    from glacier.health import run_doctor

    return run_plainly("doctor", partial(run_doctor, argv))


def correct_outlines(argv: Sequence[str]) -> int:
    """Offer outlines to people to be corrected, or take them back."""
    from glacier.corrections.command import run_corrections

    return run_plainly("corrections", partial(run_corrections, argv))


def keep_registry(argv: Sequence[str]) -> int:
    """Show a registry of models, or change which of them serves."""
    from glacier.registry.command import run_registry

    return run_plainly("registry", partial(run_registry, argv))


def score_masks(argv: Sequence[str]) -> int:
    """Score masks of any method on real places."""
    from glacier.places import run_places

    return run_plainly("places", partial(run_places, argv))


def pass_models(argv: Sequence[str]) -> int:
    """Pass trained models on, or take them from others."""
    from glacier.releases.command import run_models

    return run_plainly("models", partial(run_models, argv))


def explain_aside(argv: Sequence[str], usage: str) -> int:
    """Print how a verb without a configuration is typed: asked for, or by mistake."""
    asked = argv[:1] in (["--help"], ["-h"])
    print(usage, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


ASIDES: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "doctor": ("Say whether this machine, or a cluster, is fit for a run.", examine_machine),
    "plan": ("Predict what a run will take: time, memory, bytes, cost.", predict_run),
    "status": ("Say what the last job of a run is doing or has done.", tell_status),
    "corrections": ("Offer outlines to be corrected by people; take them back.", correct_outlines),
    "registry": ("Show which model serves; promote one that waits; roll back.", keep_registry),
    "models": ("Pass trained models on; list, show and fetch those of others.", pass_models),
    "places": ("Score masks of any method on real places.", score_masks),
    "configs": ("List the run configurations that ship, and where they lie.", show_configs),
    "list": ("Show what runs have left in storage and results.", show_runs),
    "clean": ("Remove what a run has left.", remove_runs),
    "verify": ("Hold every file of storage and results against its checksum.", verify_runs),
    "completion": ("Print what makes bash or zsh complete verbs and fields.", show_completion),
}
"""Verbs that run no stage of a configuration: summary, and what they run."""
