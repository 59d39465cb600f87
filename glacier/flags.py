"""One YAML file plus command-line flags -> a checked configuration.

    config = load_config(["jobs/demo.yaml", "--sweep.epochs", "3"], about="Train the models.")

The flags are derived from the models of ``config`` and ``settings``: a parameter is written once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.field_faults import correct_field, describe
from glacier.field_help import describe_fields, list_models
from glacier.settings.regions import Region, RegionFile
from glacier.shipped import find_configuration, list_shipped


class Settings(Config, BaseSettings):
    """The configuration as pydantic-settings reads it: flags over file, nothing else."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, cli_avoid_json=True, cli_exit_on_error=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the values given by :func:`load_config` alone: no environment, no secrets."""
        return (init_settings,)


ReadFile = Callable[[RegionFile], Sequence[Region]]
"""What makes regions of an entry that names a vector file."""


def load_config(
    argv: Sequence[str],
    about: str = "",
    read_file: ReadFile | None = None,
    sections: Collection[str] | None = None,
) -> Config:
    """Read the file that the first argument names and apply the flags after it.

    Args:
        argv: ``[file, "--field", "value", ...]``; ``--help`` prints fields and exits 0, ``--help
            all`` every field. The bare name of a configuration that ships, such as ``demo.yaml``,
            is found from anywhere.
        about: What the command does, for its help.
        read_file: Called for regions that name a vector file; None: they are refused.
        sections: How the names of the fields begin that ``--help`` shows; None: all.

    Raises:
        ConfigError: The file or a flag is wrong; the message has a line for every fault.
        SystemExit: Help was asked for.
    """
    if not argv or "--help" in argv or "-h" in argv:
        print(
            f"{about.strip()}\n\nThe first argument is the configuration file, or the name of one "
            "that ships (glacier\nconfigs). Any field in it can be set by a flag, shown with what "
            "it takes and [its default]:\n"
        )
        print(describe_fields(None if "all" in argv else sections))
        raise SystemExit(0)
    if argv[0].startswith("-"):
        raise ConfigError(f"the first argument is {argv[0]!r}: it must be the configuration file")
    path, flags = str(find_configuration(argv[0])), list(argv[1:])
    values = read_yaml(path)
    check_flags(flags)
    values = read_flags(values, flags)
    if read_file is not None and isinstance(values.get("regions"), list):
        values["regions"] = list(read_regions(values["regions"], read_file, path))
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(describe(error, path))) from None
    check_variants(config, path)
    return config


def check_variants(config: Config, path: str) -> None:
    """Refuse a variant that is no configuration, or that changes what all variants share.

    Raises:
        ConfigError: With the variant, the field, its value and what is allowed.
    """
    shared = ("name", "storage", "results", "cluster", "variants", "repeats")
    for name, changes in config.variants.items():
        where = f"{path}: variants.{name}"
        for field, value in changes.items():
            if field.partition(".")[0] in shared:
                raise ConfigError(
                    f"{where}: {field} = {value!r}: all variants share {', '.join(shared)}; set it "
                    "for the whole file"
                )
        try:
            config.variant(name)
        except ValidationError as error:
            raise ConfigError("\n".join(describe(error, where))) from None
    check_repeats(config, path)


def check_repeats(config: Config, path: str) -> None:
    """Refuse repeats of variants that are not there, or of encoders that none of them has.

    Raises:
        ConfigError: With the field, its value and what is allowed.
    """
    wanted, known = config.repeats, list(config.variants)
    if wanted is None:
        return
    if odd := [name for name in config.repeated if name not in known]:
        raise ConfigError(
            f"{path}: repeats.variants names {', '.join(odd)}, and variants are "
            f"{', '.join(known)}: correct it, or leave it out"
        )
    if known and known[0] not in config.repeated:
        raise ConfigError(
            f"{path}: repeats.variants lacks {known[0]}, the first variant, which all others are "
            "compared with: add it"
        )
    for name in config.repeated:
        run = config.variant(name)
        if run.training_seed in wanted.seeds:
            raise ConfigError(
                f"{path}: repeats.seeds has {run.training_seed}, from which {name} is trained "
                "anyway: leave it out"
            )
        if wanted.encoders and not set(wanted.encoders) & set(run.sweep.encoders):
            raise ConfigError(
                f"{path}: repeats.encoders {', '.join(wanted.encoders)}: {name} has "
                f"{', '.join(run.sweep.encoders)}; name one of them, or leave {name} out of "
                "repeats.variants"
            )


def read_regions(entries: list[Any], read_file: ReadFile, path: str) -> Iterator[Any]:
    """The entries of ``regions``, with plain regions in place of those that name a file.

    Raises:
        ConfigError: An entry that names a file is wrong, or its glaciers cannot be had.
    """
    for at, entry in enumerate(entries):
        if not (isinstance(entry, dict) and "file" in entry):
            yield entry
            continue
        where = f"{path}: regions.{at}"
        try:
            yield from read_file(RegionFile.model_validate(entry))
        except ValidationError as error:
            raise ConfigError("\n".join(describe(error, where, RegionFile))) from None
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error


class PlainLoader(yaml.SafeLoader):
    """YAML whose numbers are those that people write, and whose ids are as they are written.

    YAML 1.1 makes 458 of ``00712`` and 750 of ``12:30``; here both stay text, as in YAML 1.2. What
    stands in a list under ``ids`` is text whatever it looks like: ``1.10`` and ``NO`` are names.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; the plain members of a list under ``ids`` are text."""
        for key, value in node.value:
            if key.value == "ids" and isinstance(value, yaml.SequenceNode):
                for item in value.value:
                    if isinstance(item, yaml.ScalarNode) and item.tag != f"{TAG}null":
                        item.tag = f"{TAG}str"
        return super().construct_mapping(node, deep)


TAG = "tag:yaml.org,2002:"
NUMBERS = {
    "int": r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)$",
    "float": r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|nan)$",
}
"""YAML 1.1's numbers without those to the base of 8 and of 60."""

PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(TAG) not in NUMBERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for kind, pattern in NUMBERS.items():
    PlainLoader.add_implicit_resolver(TAG + kind, re.compile(pattern), list("-+.0123456789"))


def read_yaml(path: str) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file is missing, is not YAML, or holds no mapping.
    """
    if not Path(path).is_file():
        known = sorted(str(p) for p in Path(path).parent.glob("*.yaml"))
        if Path(path).name in list_shipped():
            known.append(f"{Path(path).name}, which ships")
        elif Path(path).name == path:
            known += list_shipped()
        hint = f"; there are {', '.join(known)}" if known else ""
        raise ConfigError(f"no configuration file {path}{hint}")
    try:
        values = yaml.load(Path(path).read_bytes().decode("utf-8-sig"), PlainLoader)
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: 2014-13-01
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, wanted fields and values")
    return values


def read_flags(values: dict[str, Any], flags: list[str]) -> dict[str, Any]:
    """Values of the file with those of the flags laid over them, not yet checked.

    Raises:
        ConfigError: A flag has no value or cannot be parsed.
    """
    prog = "glacier <verb> <config.yaml>"
    try:
        source = CliSettingsSource[Any](Settings, cli_parse_args=flags, cli_prog_name=prog)
        return dict(overlay(values, source()))
    except (ValueError, SystemError) as error:
        raise ConfigError(f"flags {' '.join(flags)}: {error}") from None


def overlay(below: Any, above: Any) -> Any:
    """Nested mappings merged, the upper one's values winning."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: overlay(below.get(key), value) for key, value in above.items()}


def check_flags(flags: list[str]) -> None:
    """Refuse a flag that names no field.

    Raises:
        ConfigError: With the flag, its value and the nearest spelling.
    """
    known = list(field_names(Config))
    for at, flag in enumerate(flags):
        if not flag.startswith("--"):
            continue
        name, _, inline = flag[2:].partition("=")
        if name not in known:
            value = inline or (flags[at + 1] if at + 1 < len(flags) else "")
            raise ConfigError(f"--{name} {value}: no such field{correct_field(name, known)}")


def field_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of all fields of a model and of the models within it."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in list_models(field.annotation):
            yield from field_names(inner, f"{prefix}{name}.")
