"""Hostile vector files."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
from pyarrow import parquet
from shapely.geometry import box

from glacier.geo.divides import read_divides
from glacier.geo.raster import Grid
from glacier.geo.regions import read_regions
from glacier.geo.vector_files import checksum_files
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import burn_outlines, read_outlines
from glacier.settings.regions import RegionFile
from tests.support.hostile.files import (
    GRIDS,
    SPECIAL,
    Make,
    link_device,
    link_out,
    make_pipe,
    named,
    text,
    write_words,
)
from tests.support.hostile.row import Row, Trap

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 40, 50)
SHAPE = box(500025, 6499425, 500625, 6500025)
"""20 x 20 pixels of the grid."""


def read_vector(path: str) -> Any:
    """As samples do: the checksum of the file, then its outlines on a grid."""
    checksum_files(path)
    return burn_outlines(read_outlines(VectorFile(path)), GRID)


def read_inventory(path: str) -> Any:
    """As a series does: the checksum of the file, then its divides on a grid."""
    checksum_files(path)
    return read_divides(VectorFile(path, setting="series.inventory_"), GRID)


def is_the_square(found: Any) -> bool:
    """Whether the outlines are those that the file shows, and no others."""
    return int(found.mask.sum()) == 400


def table(**columns: list) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(columns or {"Name": ["a"]}, geometry=[SHAPE], crs=GRID.crs)


def degrees() -> geopandas.GeoDataFrame:
    return table().to_crs(4326)


VRT = """<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{source}</SrcDataSource>
<SrcLayer>a</SrcLayer></OGRVRTLayer></OGRVRTDataSource>"""
VRT_HTTP = VRT.replace("{source}", "/vsicurl/{url}/a.gpkg")
VRT_FILE = VRT.replace("{source}", "{secret}")
VRT_SQL = VRT_FILE.replace("<SrcLayer>a</SrcLayer>", "<SrcSQL>select * from a</SrcSQL>")
KML = """<?xml version="1.0"?>{doctype}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{more}
<Placemark><name>a</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates>
</LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>"""
LAUGHS = (
    "<!DOCTYPE kml ["
    + "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "lol"}">' for k in range(10))
    + "]>"
)


def kml(doctype: str = "", more: str = "", name: str = "a.kml") -> Callable[[Trap], str]:
    ring = " ".join(f"{x},{y}" for x, y in degrees().geometry[0].exterior.coords)
    return text(name, KML.format(doctype=doctype, more=more, ring=ring))


def geojson(crs: str = "", pad: int = 0) -> Callable[[Trap], str]:
    """A GeoJSON of the square, with a member ``crs`` of its own."""
    body = json.loads(table().to_json())
    body.pop("crs", None)
    rest = json.dumps(body)[1:]
    return text("a.geojson", "{" + (f'"crs":{" " * pad}{crs},' if crs else "") + rest)


def write_gpkg(trap: Trap, name: str = "a.gpkg") -> Path:
    path = trap.folder / name
    table().to_file(path, driver="GPKG", layer="a")
    return path


def gpkg(*statements: str) -> Callable[[Trap], str]:
    """A maker of a GeoPackage that SQL has changed; {url} and {secret} are put in."""

    def make(trap: Trap) -> str:
        path = write_gpkg(trap)
        with sqlite3.connect(path) as database:
            database.create_function("ST_IsEmpty", 1, lambda _: 0)
            database.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                database.execute(trap.fill(statement))
        database.close()
        return str(path)

    return make


def view(sql: str) -> Callable[[Trap], str]:
    """A GeoPackage whose layer is a view by this SQL."""
    return gpkg(
        "ALTER TABLE a RENAME TO base", f"CREATE VIEW a AS {sql}",
    )  # fmt: skip


def schema(kind: str, name: str, sql: str) -> str:
    """SQL that writes a row into the schema, whether or not this SQLite would take it."""
    quoted = sql.replace("'", "''")
    return f"INSERT INTO sqlite_master VALUES ('{kind}', '{name}', '{name}', 0, '{quoted}')"


def shapefile(change: Make) -> Callable[[Trap], str]:
    """A maker of a Shapefile that a function has changed."""

    def make(trap: Trap) -> str:
        path = trap.folder / "a.shp"
        table().to_file(path)
        change(path, trap)
        return str(path)

    return make


def replace(ending: str, how: Make) -> Make:
    """Make a sidecar anew."""

    def change(path: Path, trap: Trap) -> None:
        place = path.with_suffix(ending)
        place.unlink(missing_ok=True)
        how(place, trap)

    return change


def poke(ending: str, at: int, data: bytes) -> Make:
    """Overwrite bytes of a part."""

    def change(path: Path, trap: Trap) -> None:
        place = path.with_suffix(ending)
        whole = bytearray(place.read_bytes())
        whole[at : at + len(data)] = data
        place.write_bytes(whole)

    return change


def zipped(fill: Callable[[zipfile.ZipFile, Path, Trap], None]) -> Callable[[Trap], str]:
    """A maker of a zip file: ``fill`` gets it open, and the folder of a Shapefile."""

    def make(trap: Trap) -> str:
        parts = trap.folder / "parts"
        parts.mkdir()
        table().to_file(parts / "a.shp")
        with zipfile.ZipFile(trap.folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            fill(archive, parts, trap)
        shutil.rmtree(parts)
        return str(trap.folder / "a.zip")

    return make


def add_parts(archive: zipfile.ZipFile, parts: Path, under: str = "", name: str = "a") -> None:
    for part in sorted(parts.iterdir()):
        archive.write(part, f"{under}{name}{part.suffix}")


def add_link(archive: zipfile.ZipFile, parts: Path, trap: Trap) -> None:
    add_parts(archive, parts)
    member = zipfile.ZipInfo("a.cpg2")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, str(trap.secret))


def add_bomb(archive: zipfile.ZipFile, parts: Path, trap: Trap) -> None:
    add_parts(archive, parts)
    with archive.open("large.dbf", "w", force_zip64=True) as out:
        for _ in range(256):
            out.write(bytes(1 << 20))


def add_many(archive: zipfile.ZipFile, parts: Path, trap: Trap) -> None:
    add_parts(archive, parts)
    for k in range(60_000):
        archive.writestr(zipfile.ZipInfo(f"{k}"), b"")


def lie_about_size(trap: Trap) -> str:
    """A zip file whose .dbf unpacks to 64 MB, of which its directory tells 10 bytes."""
    path = zipped(lambda a, p, t: add_parts(a, p))(trap)
    with zipfile.ZipFile(path) as archive:
        rest = {n: archive.read(n) for n in archive.namelist() if not n.endswith(".dbf")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in rest.items():
            archive.writestr(name, data)
        archive.writestr("a.dbf", bytes(1 << 26))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole.replace(struct.pack("<L", 1 << 26), struct.pack("<L", 10)))
    return path


def encrypt(trap: Trap) -> str:
    """A zip file whose members claim to be encrypted."""
    path = zipped(lambda a, p, t: add_parts(a, p))(trap)
    whole = bytearray(Path(path).read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = whole.find(mark)
        while place >= 0:
            whole[place + at] |= 1
            place = whole.find(mark, place + 1)
    Path(path).write_bytes(whole)
    return path


def flatgeobuf(change: Callable[[bytearray], None]) -> Callable[[Trap], str]:
    def make(trap: Trap) -> str:
        path = trap.folder / "a.fgb"
        table().to_file(path, driver="FlatGeobuf")
        whole = bytearray(path.read_bytes())
        change(whole)
        path.write_bytes(whole)
        return str(path)

    return make


def claim_features(whole: bytearray) -> None:
    """Set the number of features, which is the one 8-byte word of 1 in the header."""
    at = whole.find(struct.pack("<Q", 1), 12)
    assert 0 < at < 400
    whole[at : at + 8] = struct.pack("<Q", 1 << 40)


def name_crs(whole: bytearray) -> None:
    """The CRS of the header as an address in its text, without a code."""
    code, at = whole.find(struct.pack("<i", 32608)), whole.find(b"PROJCRS")
    assert 0 < code < at
    whole[code : code + 4] = bytes(4)
    words = b"http://127.0.0.1:9/crs"
    whole[at : at + len(words)] = words


def geoparquet(change: Callable[[pa.Table], pa.Table], **options: Any) -> Callable[[Trap], str]:
    def make(trap: Trap) -> str:
        path = trap.folder / "a.parquet"
        table().to_parquet(path)
        parquet.write_table(change(parquet.read_table(path)), path, **options)
        return str(path)

    return make


def repeat_rows(rows: int) -> Callable[[pa.Table], pa.Table]:
    """The same row so many times, which a dictionary stores once."""

    def change(rows_of: pa.Table) -> pa.Table:
        again = [
            pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), column.chunk(0))
            for column in rows_of.columns
        ]
        return pa.table(again, names=rows_of.column_names).replace_schema_metadata(
            rows_of.schema.metadata
        )

    return change


def stretch_cells(rows: pa.Table) -> pa.Table:
    """A thousand rows, whose names are the same text of a megabyte."""
    many = repeat_rows(1000)(rows)
    long = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(1000, np.int32)), pa.array(["x" * (1 << 20)])
    )
    return many.set_column(0, "Name", long)


def set_crs(crs: Any) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        facts = json.loads(rows.schema.metadata[b"geo"])
        facts["columns"]["geometry"]["crs"] = crs
        return rows.replace_schema_metadata({b"geo": json.dumps(facts).encode()})

    return change


def make_sparse(path: Path, trap: Trap) -> None:
    with path.open("wb") as file:
        file.write(b"SQLite format 3\0")
        file.truncate(1 << 40)


def open_elsewhere(link: bool) -> Callable[[Trap], str]:
    """A GeoPackage beside which lies a journal, or a link by the name of one."""

    def make(trap: Trap) -> str:
        path = write_gpkg(trap)
        if link:
            Path(f"{path}-wal").symlink_to(trap.secret)
        else:
            names = str(trap.secret).encode()
            head = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + struct.pack(">5L", 0, 1, 1, 512, 4096)
            end = names + struct.pack(">2L", len(names), sum(names)) + head[:8]
            Path(f"{path}-journal").write_bytes(head.ljust(512, b"\0") + b"\0\0\0\1" + end)
        return str(path)

    return make


def truncate(trap: Trap) -> str:
    path = write_gpkg(trap)
    path.write_bytes(path.read_bytes()[:20_000])
    return str(path)


def read_names(path: str) -> list[str]:
    return [region.name for region in read_regions(RegionFile(file=path, column="Name"))]


def dot_names(trap: Trap) -> str:
    path = trap.folder / "a.gpkg"
    names = ["../../etc/passwd", "..", "/abs", "a\\b", "C:x", "a\n../b", "."]
    shapes = [box(-134.6, 58.4, -134.5, 58.45)] * len(names)
    geopandas.GeoDataFrame({"Name": names}, geometry=shapes, crs=4326).to_file(path)
    return str(path)


def are_plain(names: list[str]) -> bool:
    return len(names) == 7 and all(name.replace("-", "").isalnum() for name in names)


def vector(
    name: str, make: Callable[[Trap], Any], harmless: Callable[[Any], bool] | None = None
) -> Row:
    return Row("vector", name, make, read_vector, harmless)


GML = """<ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml"
xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
xsi:schemaLocation="http://ogr.maptools.org/ {url}/a.xsd"><gml:featureMember><ogr:a>
<ogr:geometryProperty xlink:href="{url}/a.gml"/></ogr:a></gml:featureMember>
</ogr:FeatureCollection>"""
LINK = '{"type":"link","properties":{"href":"{url}/crs","type":"ogcwkt"}}'
GEOCODE = "ogr_geocode('a', 'geometry', 'SERVICE=OSM_NOMINATIM', 'QUERY_TEMPLATE={url}/%s')"
HIDDEN = LINK.replace("link", "\\u006cink")

WHOLE = (
    vector("OGR VRT that names an address, called .gpkg", text("a.gpkg", VRT_HTTP)),
    vector("OGR VRT that names another file, called .geojson", text("a.geojson", VRT_FILE)),
    vector("OGR VRT with SQL, called .vrt", text("a.vrt", VRT_SQL)),
    vector("OGR VRT that names an address, called .kml", text("a.kml", VRT_HTTP)),
    vector(
        "OGR VRT that names an address, called .fgb, after white space",
        text("a.fgb", "\n \n" + VRT_HTTP),
    ),
    vector(
        "WFS description", text("a.xml", "<OGRWFSDataSource><URL>{url}</URL></OGRWFSDataSource>")
    ),
    vector(
        "WFS capabilities",
        text(
            "a.xml",
            '<?xml version="1.0"?><wfs:WFS_Capabilities '
            'version="2.0.0" xmlns:wfs="http://www.opengis.net/wfs/2.0"/>',
        ),
    ),
    vector(
        "OAPIF landing page",
        text(
            "a.json",
            '{"links":[{"rel":"data","href":"{url}/c","type":'
            '"application/json"}],"conformsTo":["http://www.opengis.net/spec/ogcapi-features-1"]}',
        ),
    ),
    vector(
        "OAPIF collection",
        text(
            "a.json",
            '{"id":"a","links":[{"rel":"items","href":"{url}/c",'
            '"type":"application/geo+json"}],"itemType":"feature"}',
        ),
    ),
    vector(
        "STAC catalogue",
        text(
            "a.json",
            '{"type":"Catalog","id":"a","stac_version":"1.0.0",'
            '"links":[{"rel":"child","href":"{url}/c"}]}',
        ),
    ),
    vector("TopoJSON", text("a.json", '{"type":"Topology","objects":{},"arcs":[]}')),
    vector(
        "ESRI JSON that goes on at an address",
        text(
            "a.json",
            '{"geometryType":"esriGeometryPolygon","exceededTransferLimit":true,"features":[]}',
        ),
    ),
    vector("CSV", text("a.csv", 'n,WKT\n1,"POINT (1 1)"\n')),
    vector(
        "CSV called .gpkg with a VRT beside it",
        lambda t: (text("a.vrt", VRT_HTTP)(t), text("a.gpkg", 'n,WKT\n1,"POINT (1 1)"\n')(t))[1],
    ),
    vector("GML with a schema and a shape at addresses", text("a.gml", GML)),
    vector("GML called .kml", text("a.kml", GML)),
    vector("GPX", text("a.gpx", '<?xml version="1.0"?><gpx version="1.1"/>')),
    vector(
        "MapInfo table that names another file",
        text("a.tab", '!table\n!version 300\nDefinition Table\n File "{secret}"\n Type NATIVE\n'),
    ),
    vector("MapInfo interchange", text("a.mif", 'Version 300\nCharset "Neutral"\nDelimiter ","\n')),
    vector("PostgreSQL dump", text("a.sql", "-- a dump\nCREATE TABLE a (n int);\n")),
    vector("GeoJSON in gzip", text("a.gpkg", gzip.compress(b"{}"))),
    vector("text", text("a.gpkg", "hello")),
    vector("nothing", text("a.gpkg", "")),
    vector(
        "KML with a network link",
        kml(more="<NetworkLink><Link><href>{url}/a.kml</href></Link></NetworkLink>"),
        is_the_square,
    ),
    vector(
        "KML with a style and an overlay at addresses",
        kml(
            more="<styleUrl>{url}/s.kml#s"
            "</styleUrl><GroundOverlay><Icon><href>{url}/i.png</href></Icon></GroundOverlay>"
        ),
        is_the_square,
    ),
    vector(
        "KML with an external entity",
        kml('<!DOCTYPE kml [<!ENTITY x SYSTEM "{secret}">]>', "<name>&x;</name>"),
    ),
    vector("KML with an external document type", kml('<!DOCTYPE kml SYSTEM "{url}/a.dtd">')),
    vector("KML with a billion laughs", kml(LAUGHS, "<name>&l9;</name>")),
    vector(
        "KML with a document type after a long comment",
        kml(f"<!--{'-x' * 50_000}--><!DOCTYPE kml SYSTEM '{{url}}/a.dtd'>"),
    ),
    vector(
        "KML in UTF-16",
        text("a.gpkg", KML.format(doctype="", more="", ring="").encode("utf-16")),
    ),
    vector(
        "KML with 100,000 folders in each other",
        kml(more="<Folder>" * 100_000 + "</Folder>" * 100_000),
    ),
    vector("KMZ with a network link", zipped(lambda a, p, t: a.writestr("doc.kml", KML))),
    vector("GeoJSON whose CRS is an address", geojson(LINK)),
    vector(
        "GeoJSON whose CRS is an address, by type url",
        geojson('{"type":"url","properties":{"url":"{url}/crs"}}'),
    ),
    vector("GeoJSON whose CRS is an address, in other words and with an escape", geojson(HIDDEN)),
    vector("GeoJSON whose CRS is an address far behind its name", geojson(LINK, 300_000)),
    vector(
        "GeoJSON whose CRS is an address within spaces",
        geojson(LINK.replace("{", "{" + " " * 100_000, 1)),
    ),
    vector(
        "GeoJSON whose CRS is named by an address",
        geojson('{"type":"name","properties":{"name":"{url}/crs"}}'),
        lambda _: True,
    ),
    vector(
        "GeoJSON whose CRS is named by a file",
        geojson('{"type":"name","properties":{"name":"{secret}"}}'),
        lambda _: True,
    ),
    vector(
        "GeoJSON with a million brackets",
        text(
            "a.geojson",
            '{"type":"FeatureCollection",'
            '"features":[{"type":"Feature","geometry":{"type":"Polygon","coordinates":'
            + "["
            * 1_000_000,
        ),
    ),
    vector(
        "GeoJSON with corners beyond all numbers",
        text("a.geojson", '{"type":"Polygon","coordinates":[[[1e999,0],[0,1],[1,1],[1e999,0]]]}'),
    ),
    vector("GeoJSON cut short", text("a.geojson", '{"type":"FeatureCollection","features":[{"ty')),
    vector(
        "GeoPackage with a view that asks an address",
        view(f"SELECT fid, {GEOCODE} AS geom FROM base"),
    ),
    vector(
        "GeoPackage with a view without end",
        view(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
            "SELECT i + 1 FROM n) SELECT i AS fid, geom FROM n, base"
        ),
    ),
    vector(
        "GeoPackage with a view by a standard name as layer",
        gpkg(
            "CREATE VIEW st_geometry_columns AS SELECT * FROM a",
            "UPDATE gpkg_contents SET table_name = 'st_geometry_columns'",
            "PRAGMA foreign_keys = OFF",
        ),
    ),
    vector(
        "GeoPackage with a virtual table of another file",
        gpkg(schema("table", "b", "CREATE VIRTUAL TABLE b USING VirtualOGR('{secret}')")),
    ),
    vector(
        "GeoPackage with a virtual table at an address",
        gpkg(
            schema("table", "b", "CREATE VIRTUAL TABLE b USING VirtualOGR('/vsicurl/{url}/a.gpkg')")
        ),
    ),
    vector(
        "GeoPackage with a computed column",
        gpkg("ALTER TABLE a ADD COLUMN x TEXT GENERATED ALWAYS AS (upper(Name)) VIRTUAL"),
    ),
    vector(
        "GeoPackage with a trigger that attaches another file",
        gpkg("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT load_extension('{secret}'); END"),
        is_the_square,
    ),
    vector(
        "GeoPackage that claims a quadrillion rows",
        gpkg("UPDATE gpkg_ogr_contents SET feature_count = 1000000000000000"),
        is_the_square,
    ),
    vector(
        "GeoPackage whose CRS is an address",
        gpkg(
            "UPDATE gpkg_spatial_ref_sys SET definition "
            "= '{url}/crs', organization = 'x', organization_coordsys_id = 1"
        ),
    ),
    vector(
        "GeoPackage whose CRS reads a grid file",
        gpkg(
            "UPDATE gpkg_spatial_ref_sys SET "
            f"definition = '{GRIDS}', organization = 'x', organization_coordsys_id = 1"
        ),
    ),
    vector("GeoPackage cut short", truncate),
    vector("GeoPackage with a journal that names another file", open_elsewhere(link=False)),
    vector("GeoPackage with a journal that is a link out", open_elsewhere(link=True)),
    vector(
        "SQLite database of another kind",
        named(
            "a.gpkg",
            lambda p, _: sqlite3.connect(p).execute("CREATE TABLE a (n)").connection.close(),
        ),
    ),
    vector("Shapefile whose .dbf is a link out", shapefile(replace(".dbf", link_out))),
    vector("Shapefile whose .prj is a link out", shapefile(replace(".prj", link_out))),
    vector("Shapefile whose .dbf is a pipe", shapefile(replace(".dbf", make_pipe))),
    vector("Shapefile whose .prj is a pipe", shapefile(replace(".prj", make_pipe))),
    vector(
        "Shapefile with a pipe as its index",
        shapefile(replace(".qix", make_pipe)),
        is_the_square,
    ),
    vector(
        "Shapefile whose .cpg is a device",
        shapefile(replace(".cpg", link_device)),
        is_the_square,
    ),
    vector(
        "Shapefile whose CRS is an address", shapefile(replace(".prj", write_words("{url}/crs")))
    ),
    vector(
        "Shapefile whose CRS reads a grid file",
        shapefile(replace(".prj", write_words(GRIDS))),
    ),
    vector(
        "Shapefile whose .shx claims two billion shapes",
        shapefile(poke(".shx", 24, struct.pack(">i", 0x7FFFFFF0))),
    ),
    vector(
        "Shapefile whose .dbf claims two billion rows",
        shapefile(poke(".dbf", 4, struct.pack("<i", 0x7FFFFFF0))),
        is_the_square,
    ),
    vector(
        "Shapefile whose ring claims two billion corners",
        shapefile(poke(".shp", 100 + 8 + 40, struct.pack("<i", 0x7FFFFFF0))),
    ),
    vector(
        "Shapefile called .gpkg",
        lambda t: shutil.move(shapefile(lambda p, _: None)(t), t.folder / "a.gpkg").__str__(),
    ),
    *(vector(name, named("a.gpkg", make)) for name, make in SPECIAL.items()),
    vector("sparse file of a terabyte", named("a.gpkg", make_sparse)),
    vector(
        "zip file with a member above it",
        zipped(lambda a, p, t: (add_parts(a, p), a.writestr("../../b.shp", "x"))),
    ),
    vector(
        "zip file whose Shapefile lies above it", zipped(lambda a, p, t: add_parts(a, p, "../"))
    ),
    vector(
        "zip file with a member at the root",
        zipped(lambda a, p, t: (add_parts(a, p), a.writestr("/tmp/glacier-b", "x"))),
    ),
    vector(
        "zip file with a member of Windows' root",
        zipped(lambda a, p, t: (add_parts(a, p), a.writestr("C:\\b.shp", "x"))),
    ),
    vector("zip file with a link", zipped(add_link)),
    vector("zip file of 256 MB in 300 kB", zipped(add_bomb)),
    vector("zip file of 60,000 members", zipped(add_many)),
    vector("zip file that lies about a size", lie_about_size),
    vector("zip file that is encrypted", encrypt),
    vector(
        "zip file with two Shapefiles",
        zipped(lambda a, p, t: (add_parts(a, p), add_parts(a, p, name="b"))),
    ),
    vector("zip file with an OGR VRT alone", zipped(lambda a, p, t: a.writestr("a.vrt", VRT_HTTP))),
    vector(
        "zip file with an OGR VRT called .shp",
        zipped(lambda a, p, t: [a.writestr(f"a.{e}", VRT_HTTP) for e in ("shp", "shx", "dbf")]),
    ),
    vector(
        "zip file cut short",
        lambda t: (lambda p: (Path(p).write_bytes(Path(p).read_bytes()[:300]), p)[1])(
            zipped(lambda a, p, t: add_parts(a, p))(t)
        ),
    ),
    vector("FlatGeobuf that claims a trillion rows", flatgeobuf(claim_features)),
    vector("FlatGeobuf whose CRS is an address", flatgeobuf(name_crs), lambda _: True),
    vector("FlatGeobuf cut short", flatgeobuf(lambda whole: whole.__delitem__(slice(200, None)))),
    vector(
        "FlatGeobuf whose header claims two gigabytes",
        flatgeobuf(lambda whole: whole.__setitem__(slice(8, 12), struct.pack("<I", 1 << 31))),
    ),
    vector(
        "GeoParquet of ten million equal rows",
        geoparquet(repeat_rows(10_000_000), store_schema=False),
    ),
    vector(
        "GeoParquet of a gigabyte of equal cells", geoparquet(stretch_cells, store_schema=False)
    ),
    vector("Parquet without shapes", geoparquet(lambda rows: rows.replace_schema_metadata({}))),
    vector(
        "GeoParquet whose CRS reads a grid file",
        geoparquet(set_crs("+proj=utm +zone=8 +ellps=GRS80 +nadgrids=/etc/passwd +units=m")),
    ),
    vector("GeoParquet whose CRS is an address", geoparquet(set_crs("http://127.0.0.1:9/crs"))),
    vector("Parquet that begins as one and ends as none", text("a.parquet", b"PAR1" + bytes(99))),
    vector("address of GDAL's web file system", lambda t: f"/vsicurl/{t.url}/a.gpkg"),
    vector("address of GDAL's zip file system", lambda t: f"/vsizip/{t.secret}/a.shp"),
    vector("connection of GDAL's WFS", lambda t: f"WFS:{t.url}"),
    vector("GeoJSON in place of a path", lambda t: '{"type":"Point","coordinates":[1,1]}'),
    Row("names", "vector file whose glaciers are called ../..", dot_names, read_names, are_plain),
)
"""Vector files of outlines or of regions."""

ROWS = (
    *WHOLE,
    *(
        Row("inventory", f"{row.name}, as an inventory", row.make, read_inventory)
        for row in WHOLE
        if row.kind == "vector" and row.harmless is None
    ),
)
"""All of them."""
