"""``glacier models share|list|show|fetch``: trained models to others, and from others."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from glacier.flags import load_config
from glacier.progress import say
from glacier.releases.index import Release, SharedModel, read_card, read_release

ABOUT = """Pass trained models on, and take them from others. ADDRESS is a folder, an object store
(s3://, gs://) or a web address, such as that of a release on GitHub.

  glacier models share run.yaml ADDRESS --licence CC-BY-4.0   add the models that a run maps with
  glacier models list ADDRESS                                 what is offered there
  glacier models show ADDRESS NAME                            the card of a model, and its checksum
  glacier models fetch ADDRESS NAME [--into data/fetched]     bring a model here

A fetched model maps by --predict.sweep, whose value fetch prints. Its checksum is compared with the
list's, or with --sha256, and its weights with their network; what does not fit is refused, and
nothing of it stays. No code of it is run. Exit codes: 0 it was done, 2 it cannot be done."""


def run_models(argv: Sequence[str]) -> int:
    """Answer the arguments of the verb; returns its exit code.

    Raises:
        GlacierError: It cannot be done; the message says why.
    """
    parser = make_parser()
    try:
        given, rest = parser.parse_known_args(list(argv))
        if rest and given.do != "share":
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
    except SystemExit as stop:
        return int(stop.code or 0)
    if given.do == "share":
        from glacier.releases.share import share_run  # late: it takes a second

        share_run(load_config([given.config, *rest]), given.address, given.licence)
    elif given.do == "list":
        for line in describe_release(read_release(given.address)):
            say(line)
    elif given.do == "show":
        model = read_release(given.address).find(given.name, given.address)
        for line in describe_shared(model):
            say(line)
        say("")
        say(read_card(given.address, model))
    else:
        from glacier.releases.fetch import fetch_model  # late: it builds networks

        sweep = fetch_model(given.address, given.name, given.into, given.sha256)
        say(f"models: map with it by --predict.sweep {sweep}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """What may follow the verb."""
    parser = argparse.ArgumentParser(
        "glacier models", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="do", required=True, metavar="share|list|show|fetch")
    share = kinds.add_parser("share", help="add the models of a run to a release")
    share.add_argument("config", help="the run, with a finished sweep")
    share.add_argument("address", help="folder or object store of the release")
    share.add_argument("--licence", required=True, help="of the weights, such as CC-BY-4.0")
    for name, told in (("list", "what is offered"), ("show", "the card of a model"),
                       ("fetch", "bring a model here")):  # fmt: skip
        kind = kinds.add_parser(name, help=told)
        kind.add_argument("address", help="folder, object store or web address of a release")
        if name != "list":
            kind.add_argument("name", help="of the model")
        if name == "fetch":
            kind.add_argument("--into", default="data/fetched", help="folder for fetched models")
            kind.add_argument("--sha256", default="", help="that the model's file must have")
    return parser


def describe_release(release: Release) -> Iterator[str]:
    """Lines on all models of a release."""
    if not release.models:
        yield "models: none is offered there"
    for model in release.models:
        yield (
            f"{model.name}: {', '.join(model.encoders)}, {model.folds} folds, "
            f"{', '.join(model.bands)} at {model.pixel_m[0]:.4g} m, {model.bytes / 1e6:.1f} MB, "
            f"{model.licence}"
        )


def describe_shared(model: SharedModel) -> Iterator[str]:
    """Lines on one model."""
    taken = f" ({', '.join(model.sensors)})" if model.sensors else ""
    yield from describe_release(Release(models=(model,)))
    yield f"learned from {', '.join(model.regions)}, {model.first} to {model.last}{taken}"
    yield model.sentence
    if model.warning:
        yield model.warning
    yield f"{model.file}: sha256 {model.sha256}"
