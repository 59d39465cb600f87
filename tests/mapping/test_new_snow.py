"""New snow on ground that is bare in late summer, whatever a map says."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from glacier import store
from glacier.errors import RasterError
from glacier.geo.raster import Grid, encode_cog
from glacier.landsat import digital_number
from glacier.mapping import new_snow
from glacier.mapping.new_snow import Month, measure_new_snow

WHITE, BARE, UNSEEN = 1, 0, -1
LATE = (8, 9)


def write(folder: Path, month: str, codes: NDArray[np.int64], **changes) -> Month:
    """A month that shows snow, bare ground, or nothing."""
    swir1 = np.where(codes == WHITE, 0.05, 0.4)
    bands = {"SR_B3": np.full(codes.shape, 0.5), "SR_B5": np.full(codes.shape, 0.5), "SR_B6": swir1}
    numbers = {n: digital_number(np.where(codes == UNSEEN, np.nan, v)) for n, v in bands.items()}
    for name in changes.pop("without", ()):
        del numbers[name]
    grid = Grid("EPSG:32608", 500_000, 6_500_000, changes.get("pixel_m", 30), *codes.shape)
    path = folder / f"{month}.tif"
    path.write_bytes(encode_cog(numbers, grid, {}))
    return date.fromisoformat(f"{month}-01"), str(path), store.checksum_file(path)


def ground(white_columns: int) -> NDArray[np.int64]:
    """20 columns of which the last 10 are always ice, and some of the others white."""
    codes = np.full((12, 20), BARE)
    codes[:, 10:] = WHITE
    codes[:, :white_columns] = WHITE
    return codes


def test_snow_is_measured_on_what_late_summers_show_bare(tmp_path: Path) -> None:
    months = [
        write(tmp_path, "2014-05", ground(10)),
        write(tmp_path, "2014-08", ground(0)),
        write(tmp_path, "2015-09", ground(3)),
        write(tmp_path, "2016-08", ground(0)),
    ]
    found = measure_new_snow(months, LATE)
    assert list(found.values()) == [1.0, 0.0, 0.3, 0.0]  # ice that never melts is not among it


def test_strips_of_any_height_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codes = [np.where(rng.random((12, 20)) < 0.1, UNSEEN, ground(k)) for k in (0, 4, 1)]
    names = ("2014-08", "2014-10", "2015-08")
    months = [write(tmp_path, *each) for each in zip(names, codes, strict=True)]
    whole = measure_new_snow(months, LATE)
    monkeypatch.setattr(new_snow, "STACK_BYTES", 3 * 20 * 5)
    assert measure_new_snow(months, LATE) == whole


def test_a_month_that_shows_no_bare_ground_says_nothing(tmp_path: Path) -> None:
    hidden = ground(0)
    hidden[:, :10] = UNSEEN
    months = [write(tmp_path, "2014-08", ground(0)), write(tmp_path, "2014-09", hidden)]
    assert list(measure_new_snow(months, LATE).values()) == [0.0, None]


def test_without_a_band_or_a_late_summer_nothing_is_known(tmp_path: Path) -> None:
    spring = write(tmp_path, "2014-05", ground(0))
    assert measure_new_snow([spring], LATE) == {spring[0]: None}
    lacking = write(tmp_path, "2014-08", ground(0), without=("SR_B6",))
    assert measure_new_snow([spring, lacking], LATE) == {spring[0]: None, lacking[0]: None}


def test_months_of_other_grids_are_refused_by_name(tmp_path: Path) -> None:
    first = write(tmp_path, "2014-08", ground(0))
    other = write(tmp_path, "2014-09", ground(0), pixel_m=60)
    with pytest.raises(RasterError, match=r"2014-09\.tif and .*2014-08\.tif do not lie on one"):
        measure_new_snow([first, other], LATE)
