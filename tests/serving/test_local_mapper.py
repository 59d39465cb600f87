"""Models that take over while images are mapped: each answer is wholly of one of them."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from glacier import store
from glacier.errors import ConfigError, GlacierError
from glacier.serving.answer import FILES, ImageLimits, Mapper
from glacier.serving.local_mapper import LocalMapper
from tests.support.served import serve_config, write_image, write_sweep

LIMITS = ImageLimits(pixels=10**7, memory_mb=4000, deadline_s=60)


async def map_many(mapper: Mapper, image: Path, folder: Path, stop: asyncio.Event) -> list[str]:
    """Map one image after the other; which model each answer says, and which made its files."""
    found = []
    while not stop.is_set():
        folder.mkdir(exist_ok=True)
        answer = await mapper.map_image(image, folder, LIMITS)
        rasters = b"".join((folder / name).read_bytes() for name in sorted(FILES))
        found.append(f"{answer.model.sha256} {store.checksum(rasters)} {answer.area_km2}")
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_models_are_swapped_under_load_and_no_answer_is_a_mix(tmp_path: Path) -> None:
    first, second = (write_sweep(tmp_path, f"made-{k:08d}", seed=k, folds=1) for k in (1, 2))
    broken = write_sweep(tmp_path, "made-00000003", seed=3, folds=1)
    config = serve_config(tmp_path, first)
    (weights,) = (tmp_path / "models/made-00000003").rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    image = write_image(tmp_path / "i.tif", (120, 120))

    async def serve() -> list[str]:
        mapper, stop = await LocalMapper.start(config), asyncio.Event()
        names = [model.id for model in await mapper.list_models()]
        assert mapper.model.id == names[0] and len(names) == 3
        assert [name.partition("+")[0] for name in names] == [
            place.rpartition("/")[2] for place in (first, second, broken)
        ]
        load = [
            asyncio.create_task(map_many(mapper, image, tmp_path / f"out{k}", stop))
            for k in range(3)
        ]
        await asyncio.sleep(1)
        with pytest.raises(ConfigError, match=r"no model 'x/\.\./y'"):
            await mapper.promote("x/../y")
        with pytest.raises(GlacierError, match="cannot answer"):
            await mapper.promote(names[2])
        assert mapper.model.id == names[0]
        assert (await mapper.promote(names[1])).id == names[1] == mapper.model.id
        before = {w.pid for pool in mapper.leaving.values() for w in pool.workers}
        await asyncio.gather(*mapper.leaving)
        assert not any(Path(f"/proc/{pid}").exists() for pid in before)
        await asyncio.sleep(1)
        stop.set()
        found = await asyncio.gather(*load)
        pids = [worker.pid for worker in mapper.pool.workers]
        await mapper.close()
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        return [answer for answers in found for answer in answers]

    counts = Counter(asyncio.run(serve()))
    assert len(counts) == 2 and min(counts.values()) > 3  # one kind of answer by each model
    assert len({kind.split()[0] for kind in counts}) == len({kind.split()[1] for kind in counts})
