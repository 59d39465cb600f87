"""Hostile folders, scenes and catalogues, as a configured source meets them."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from datetime import date
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.geo.raster import Grid, encode_cog
from glacier.settings.ingest import Ingest
from glacier.settings.regions import Region
from glacier.settings.stac import PLANETARY_COMPUTER, Stac
from glacier.sources.factory import open_source
from glacier.sources.hosts import refuse_address
from glacier.sources.stac_items import find_undated, keep_items, list_item, pick_items
from tests.support.hostile.files import Make, link_device, link_out, make_pipe, write_words
from tests.support.hostile.rasters import VRT_HTTP, pack_zeros, tile, tiles, write_tiff
from tests.support.hostile.row import Row, Trap
from tests.support.landsat_files import scenes_of, write_scene
from tests.support.loopback import serve_handler
from tests.support.tiny import VALUES, tiny_config
from tests.support.user_files import GRID, coordinates, write_month

JUNE, JULY = date(2014, 6, 1), date(2014, 7, 1)
REGION = {"name": "mendenhall"}


def fetch(made: tuple[Config, date]) -> Any:
    """As a worker does: what the source is, then a month of it."""
    config, month = made
    source = open_source(config)
    source.identity(config.regions[0])
    return source.fetch_month(config.regions[0], month)


def folder_config(trap: Trap, **folder: Any) -> Config:
    place = trap.folder / "files"
    place.mkdir(exist_ok=True)
    ingest = {"source": "folder", "folder": {"path": str(place)} | folder}
    return tiny_config(
        trap.folder / "run", regions=[REGION], ingest=ingest, prepare={"label": {"kind": "ndsi"}}
    )


# Month files.


def months(change: Make) -> Callable[[Trap], tuple[Config, date]]:
    """A folder with a good June, and a July by a function."""

    def make(trap: Trap) -> tuple[Config, date]:
        config = folder_config(trap)
        place = Path(config.ingest.folder.path)
        write_month(place, "2014-06.tif")
        change(place / "2014-07.tif", trap)
        return config, JULY

    return make


def region_folder(trap: Trap) -> tuple[Config, date]:
    """The region's own folder is a link out."""
    config = folder_config(trap)
    write_month(trap.secret.parent / "months", "2014-07.tif")
    (Path(config.ingest.folder.path) / "mendenhall").symlink_to(trap.secret.parent / "months")
    return config, JULY


def wide_month(path: Path, trap: Trap) -> None:
    """The right bands on a grid of 400 MB."""
    grid = Grid(GRID.crs, GRID.left_m, GRID.top_m, 30.0, 14_000, 14_000)
    write_tiff(path, height=grid.height, width=grid.width, **tiles(256, "zstd"))


def banded_month(path: Path, trap: Trap) -> None:
    """900 bands of other names beside the wanted ones."""
    more = {f"x{k}": np.zeros(GRID.shape, np.uint16) for k in range(900)}
    path.write_bytes(encode_cog({**coordinates(), **more}, GRID, {}))


def is_the_month(found: Any) -> bool:
    return isinstance(found, Composite) and list(found.bands) == ["SR_B3", "SR_B5"]


def month(
    name: str,
    change: Make,
    harmless: Callable[[Any], bool] | None = None,
) -> Row:
    return Row("month files", name, months(change), fetch, harmless, "2014-07.tif")


# The single image.


def image(file: str, prepare: Make = lambda *_: None) -> Callable[[Trap], Any]:
    """A configuration that names a band's file."""

    def make(trap: Trap) -> tuple[Config, date]:
        write_month(trap.folder, "outside.tif")
        name = trap.fill(file.replace("{folder}", str(trap.folder)))
        settings = {"month": "2014-07", "bands": {"SR_B3": {"file": name}}}
        config = folder_config(trap, images=[settings])
        prepare(Path(config.ingest.folder.path), trap)
        return config, JULY

    return make


def single(name: str, file: str, names: str, *prepare: Make) -> Row:
    return Row("single image", name, image(file, *prepare), fetch, None, names)


# Scenes.


@functools.cache
def scene_config() -> dict[str, Any]:
    (region,) = VALUES["regions"]
    few = {"synthetic": {"scenes_per_month": [2, 2]}}
    return {
        "regions": [region | {"pixel_m": 300}],
        "ingest": few,
        "prepare": {"label": {"kind": "ndsi"}},
    }


def scenes(
    change: Callable[[dict[str, Path], Trap], None], whole: int = 0
) -> Callable[[Trap], tuple[Config, date]]:
    """A folder of one scene, changed by a function, beside so many good ones."""

    def make(trap: Trap) -> tuple[Config, date]:
        values, place = scene_config(), trap.folder / "files"
        made = tiny_config(trap.folder / "run", **values)
        found = scenes_of(made, JULY)[: 1 + whole]
        files = [write_scene(place, made, scene) for scene in found]
        change(files[0], trap)
        ingest = {"source": "folder", "folder": {"path": str(place), "holds": "scenes"}}
        return tiny_config(trap.folder / "run", **values | {"ingest": ingest}), JULY

    return make


def mtl_of(files: dict[str, Path]) -> Path:
    (path,) = files["QA_PIXEL"].parent.glob("*_MTL.txt")
    return path


def put(find: Callable[[dict[str, Path]], Path], how: Make) -> Any:
    """Make one of a scene's files anew."""

    def change(files: dict[str, Path], trap: Trap) -> None:
        path = find(files)
        path.unlink()
        how(path, trap)

    return change


def band_of(files: dict[str, Path]) -> Path:
    return files["SR_B4"]


def qa_of(files: dict[str, Path]) -> Path:
    return files["QA_PIXEL"]


def hidden_pipe(files: dict[str, Path], trap: Trap) -> None:
    """A pipe by the name of facts beside a band."""
    os.mkfifo(f"{files['SR_B4']}.aux.xml")


def link_folder(files: dict[str, Path], trap: Trap) -> None:
    (trap.folder / "files" / "more").symlink_to(trap.secret.parent)


def scene(
    name: str,
    change: Callable[[dict[str, Path], Trap], None],
    names: str = "LC08_L2SP_057019",
    harmless: Callable[[Any], bool] | None = None,
    whole: int = 0,
) -> Row:
    return Row("scenes", name, scenes(change, whole), fetch, harmless, names)


def leaves_one_out(found: Any) -> bool:
    """Whether the month is made of the other scene, and says so."""
    return isinstance(found, Composite) and len(found.skipped) == 1 and len(found.scene_ids) == 1


# Catalogues.

ITEM = {
    "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": [],
    "id": "LC08_L2SP_057019_20140701_02_T1", "collection": "landsat-c2-l2",
    "bbox": [-134.62, 58.42, -134.42, 58.59], "geometry": None,
    "properties": {"datetime": "2014-07-01T20:00:00Z", "platform": "landsat-8"},
}  # fmt: skip
ASSETS = ("blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel")


def catalogue(
    href: str, item: dict[str, Any] | None = None, **answer: Any
) -> Callable[[Trap], Any]:
    """A catalogue on the loopback whose items lie at an address.

    {url} is the canary by another name of the loopback, {own} the catalogue itself.
    """

    def make(trap: Trap) -> Any:
        return trap, href, item or {}, answer

    return make


def ask_catalogue(made: Any) -> Any:
    """Search the catalogue and read a month of what it lists."""
    trap, href, changes, answer = made
    replies: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path.startswith("/go"):
                self.send_response(302)
                self.send_header("Location", f"{canary_by_name(trap)}/gone")
                self.end_headers()
                return
            if self.command == "POST":
                self.rfile.read(int(self.headers["Content-Length"]))
            body = replies["search" if "search" in self.path else self.path]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = do_GET

    with serve_handler(Handler) as own:

        def fill(text: str) -> str:
            return (
                text.replace("{url}", canary_by_name(trap)).replace("{own}", own)
                .replace("{secret}", str(trap.secret)).replace("{port}", trap.url.split(":")[2])
            )  # fmt: skip

        item = ITEM | {"assets": {name: {"href": href} for name in ASSETS}} | changes
        page = {"type": "FeatureCollection", "features": [item], "links": []} | answer
        landing = {
            "type": "Catalog", "stac_version": "1.0.0", "id": "x", "description": "x",
            "conformsTo": ["https://api.stacspec.org/v1.0.0/core",
                           "https://api.stacspec.org/v1.0.0/item-search"],
            "links": [{"rel": "search", "href": answer.get("search", "{own}/search"),
                       "method": "POST", "type": "application/geo+json"}],
        }  # fmt: skip
        replies["/"] = fill(json.dumps(landing)).encode()
        replies["search"] = fill(json.dumps(page)).encode()
        bomb = write_tiff(trap.folder / "bomb.TIF", height=16_000, width=16_000, blockysize=16_000,
                          sparse_ok=True, compress="deflate")  # fmt: skip
        replies["/bomb.TIF"] = bomb.read_bytes()
        replies["/vrt.TIF"] = VRT_HTTP.replace("{url}", canary_by_name(trap)).encode()
        ingest = {"source": "stac", "stac": {"url": own}}
        values = scene_config() | {"ingest": ingest}
        return fetch((tiny_config(trap.folder / "run", **values), JULY))


def canary_by_name(trap: Trap) -> str:
    """The canary by a name that is not the catalogue's."""
    return trap.url.replace("127.0.0.1", "localhost")


def listed(name: str, href: str, names: str = "LC08_L2SP_057019", **more: Any) -> Row:
    return Row("catalogue", name, catalogue(href, **more), ask_catalogue, None, names)


def refuse(address: str, url: str = PLANETARY_COMPUTER) -> Callable[[Trap], Any]:
    return lambda trap: (address, Stac(url=url))


def read_item(changes: Any) -> Any:
    """Keep a changed item as a search does, and pick July's: scenes, and faults by name."""
    kept = keep_items([ITEM | {"assets": {}}, changes], Stac(), PLANETARY_COMPUTER)
    find_undated(kept, "landsat")
    items = [list_item(item) for item in kept["features"]]
    return pick_items(items, JULY, Ingest(source="stac"))


def leaves_it_out(found: Any) -> bool:
    """Whether none but the plain item is read, or the changed one with a fault."""
    files, faults = found
    return len(files) <= 1 and all(isinstance(reason, str) for reason in faults.values())


def item(name: str, changes: Any) -> Row:
    return Row("catalogue", name, lambda _: changes, read_item, leaves_it_out)


def address(name: str, where: str, names: str) -> Row:
    return Row(
        "catalogue", name, refuse(where), lambda made: refuse_address(*made), None, names
    )  # fmt: skip


def name_region(name: str) -> Any:
    return Region(name=name)


ROWS = (
    month("VRT that names an address", write_words(VRT_HTTP)),
    month("link out of the folder", link_out),
    month("pipe", make_pipe),
    month("link to a device without end", link_device),
    month("grid of 400 MB where the others have 240 bytes", wide_month),
    month("900 bands beside those that are wanted", banded_month, is_the_month),
    Row(
        "month files", "the region's folder is a link out", region_folder, fetch, None, "mendenhall"
    ),
    single("a file above the folder", "../outside.tif", "outside.tif"),
    single("a file by its whole path", "{folder}/outside.tif", "outside.tif"),
    single("an address of GDAL's web file system", "/vsicurl/{url}/a.tif", "a.tif"),
    single("an address", "{url}/a.tif", "a.tif"),
    single(
        "a link out",
        "a.tif",
        "a.tif",
        lambda p, t: (p / "a.tif").symlink_to(t.folder / "outside.tif"),
    ),
    single("a pipe", "a.tif", "a.tif", lambda p, t: make_pipe(p / "a.tif", t)),
    scene("MTL file that is a pipe", put(mtl_of, make_pipe), "MTL"),
    scene("MTL file that is a link out", put(mtl_of, link_out), "MTL"),
    scene("MTL file that is a device", put(mtl_of, link_device), "MTL"),
    scene(
        "MTL file of 10 GB, sparse",
        put(mtl_of, lambda p, t: (p.touch(), os.truncate(p, 10 << 30))),
        "MTL",
    ),
    scene(
        "MTL file with an hour and a sun that are none",
        put(mtl_of, write_words('SUN_ELEVATION = 9.9.9\nSCENE_CENTER_TIME = "99:99:99"\n')),
        harmless=lambda found: isinstance(found, Composite | Empty),
    ),
    scene("band that is a link out", put(band_of, link_out)),
    scene(
        "band that is a link out, beside a good scene",
        put(band_of, link_out),
        harmless=leaves_one_out,
        whole=1,
    ),
    scene("band that is a pipe", put(band_of, make_pipe), "057019"),
    scene(
        "band that is a VRT",
        put(band_of, write_words(VRT_HTTP)),
    ),
    scene(
        "quality band that is a VRT",
        put(qa_of, write_words(VRT_HTTP)),
    ),
    scene(
        "quality band of 400 MB in 40 kB",
        put(qa_of, lambda p, t: p.write_bytes(tile(20_480, 20_480, pack_zeros(40)))),
    ),
    scene(
        "band on another grid, of 1.5 GB",
        put(
            band_of,
            lambda p, t: write_tiff(p, height=28_000, width=28_000, **tiles(256, "zstd")),
        ),
    ),
    scene("no quality band", lambda files, t: files["QA_PIXEL"].unlink()),
    scene(
        "numbers of another kind",
        put(band_of, lambda p, t: write_tiff(p, dtype="float64")),
    ),
    scene(
        "facts beside a band that are a pipe",
        hidden_pipe,
        harmless=lambda found: isinstance(found, Composite | Empty),
    ),
    scene("folder that is a link out", link_folder, "more"),
    listed("item whose files lie on this machine", "file://{secret}", "not on the web"),
    listed("item whose files lie on this machine, by path", "{secret}", "not on the web"),
    listed(
        "item whose files lie in GDAL's web file system", "/vsicurl/{url}/a.TIF", "not on the web"
    ),
    listed("item whose files lie in a bucket", "s3://bucket/a.TIF", "not on the web"),
    listed("item whose files lie on another host", "{url}/a.TIF", "another host"),
    listed(
        "item whose files lie on another host, behind a name of its own",
        "http://127.0.0.1@localhost:{port}/a.TIF",
        "another host",
    ),
    listed("item whose files lie by number", "http://2130706433:{port}/a.TIF", "another host"),
    listed(
        "item whose files lie on the loopback of IPv6", "http://[::1]:{port}/a.TIF", "another host"
    ),
    listed(
        "item whose files are relative to an address of its own",
        "a.TIF",
        "not on the web|another host",
        item={"links": [{"rel": "self", "href": "{url}/item.json"}]},
    ),
    listed("file that is a VRT", "{own}/vrt.TIF"),
    listed("file of 500 MB in one block, in 1 kB", "{own}/bomb.TIF"),
    listed(
        "next page on another host",
        "{own}/vrt.TIF",
        "another host",
        links=[{"rel": "next", "href": "{url}/search", "method": "POST", "body": {}}],
    ),
    listed(
        "next page on this machine",
        "{own}/vrt.TIF",
        "not on the web",
        links=[{"rel": "next", "href": "file://{secret}"}],
    ),
    listed("search on another host", "{own}/vrt.TIF", "another host", search="{url}/search"),
    listed(
        "search that leads on to another host", "{own}/vrt.TIF", "another host", search="{own}/go"
    ),
    address(
        "an address on the loopback where the catalogue is not",
        "http://127.0.0.1:8080/a",
        "127.0.0.1",
    ),
    address("an address of the cloud's own metadata", "http://169.254.169.254/latest", "169.254"),
    address("an address with brackets that do not close", "http://[::1/a", "::1"),
    address(
        "a host that only ends like the signed one",
        "https://evilblob.core.windows.net/a",
        "evilblob",
    ),
    item("item that is a number", 7),
    item("item without bands", ITEM | {"assets": {}}),
    item(
        "item with a time that is none",
        ITEM | {"properties": {"datetime": "yesterday"}, "assets": {}},
    ),
    item("item twice", ITEM | {"assets": {}}),
    item(
        "item of another processing level",
        ITEM | {"id": "LC08_L1TP_057019_20140701_02_T1", "assets": {}},
    ),
    item(
        "item of other numbers",
        ITEM
        | {
            "assets": {
                "red": {
                    "href": "https://a.blob.core.windows.net/x",
                    "raster:bands": [{"scale": 0.0001, "offset": 0}],
                }
            }
        },
    ),
    item("item whose properties are a list", ITEM | {"properties": [], "assets": {}}),
    item("item whose assets are a text", ITEM | {"assets": "x"}),
    *(
        Row(
            "names", f"region called {name!r}", lambda _, name=name: name, name_region, None, "name"
        )
        for name in ("../x", "/etc", "a/b", "..", "a\0b", "a\nb", "")
    ),
)
"""All of them."""
