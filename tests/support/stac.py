"""STAC files held against the published schemas: those of the core always, without a network.

The schemas of extensions belong to others and are no part of this repository. Where the folder
``stac_schemas`` lies beside the real data, with the files as they are published, they count too.
"""

import json
from pathlib import Path
from typing import Any

import pystac
from pystac.validation.stac_validator import JsonSchemaSTACValidator

FOLDER = "stac_schemas"


def check_core(plain: dict[str, Any]) -> None:
    """Hold a file against the schema of the core, which pystac brings along.

    Raises:
        STACValidationError: It is not valid.
    """
    kind = pystac.STACObjectType(plain["type"])
    JsonSchemaSTACValidator().validate_core(plain, kind, plain["stac_version"])


def check_extensions(plain: dict[str, Any], folder: Path) -> None:
    """Hold an item against the schema of every extension that it names.

    Args:
        plain: The item.
        folder: Of the schemas.

    Raises:
        STACValidationError: It is not valid.
    """
    validator = JsonSchemaSTACValidator()
    for path in folder.glob("*.json"):
        schema = json.loads(path.read_bytes())
        validator.schema_cache[schema["$id"].rstrip("#")] = schema
    for extension in plain["stac_extensions"]:
        assert extension in validator.schema_cache, f"{extension} is not in {folder}"
        validator.validate_extension(plain, pystac.STACObjectType.ITEM, "1.1.0", extension)
