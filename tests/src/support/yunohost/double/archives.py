"""The archives folder: list, info and delete, with their ways around links and missing descriptions."""

import datetime
import json
import os
import tarfile

from world import Failure

CANNOT = "Could not load info for archive '{}'... The info.json file cannot be retrieved (or is not a valid json)."


def paths(world):
    """Archives by the base name of the real file; broken links are none."""
    found = []
    if not os.path.isdir(world.archives):
        return found
    for file in os.listdir(world.archives):
        path = os.path.join(world.archives, file)
        if file.endswith((".tar", ".tar.gz")) and os.path.exists(path):
            found.append(os.path.realpath(path))
    unique = sorted(set(found), key=os.path.getctime)
    return [(os.path.basename(path).removesuffix(".gz").removesuffix(".tar"), path) for path in unique]


def names(world):
    return [name for name, _ in paths(world)]


def file_of(world, name):
    plain = os.path.join(world.archives, f"{name}.tar")
    path = plain if os.path.lexists(plain) else plain + ".gz"
    if not os.path.lexists(path):
        raise Failure(f"Unknown local backup archive named '{name}'")
    if os.path.islink(path):
        if not os.path.exists(path):
            raise Failure(f"The archive '{name}' is a broken link")
        path = os.path.realpath(path)
    return path


def inner_info(path, name):
    """What the info.json inside says; it may lie anywhere."""
    try:
        with tarfile.open(path) as tar:
            for wanted in ("info.json", "./info.json"):
                if wanted in tar.getnames():
                    return json.load(tar.extractfile(wanted))
    except (tarfile.TarError, EOFError, OSError, ValueError):
        pass
    raise Failure(CANNOT.format(name))


def load_info(world, name):
    path = file_of(world, name)
    beside = os.path.join(world.archives, f"{name}.info.json")
    if not os.path.exists(beside):
        inner = inner_info(path, name)
        with open(beside, "w") as file:
            json.dump(inner, file)
    with open(beside) as file:
        return path, json.load(file)


def tell(world, name, details=False):
    path, about = load_info(world, name)
    created = datetime.datetime.fromtimestamp(about["created_at"], datetime.timezone.utc)
    size = about.get("size") or sum(member.size for member in tarfile.open(path))
    told = {"path": path, "created_at": created.isoformat(), "description": about["description"], "size": size}
    if details:
        sizes = about.get("size_details", {"apps": {}, "system": {}})
        told["apps"] = {
            app: {**of, "size": sizes["apps"].get(app, 0)} for app, of in about["apps"].items()
        }
        told["system"] = {
            part: {"paths": of, "size": sizes["system"].get(part, 0)} for part, of in about["system"].items()
        }
        told["from_yunohost_version"] = about.get("from_yunohost_version")
    return told


def list_all(world, call):
    if not call.with_info:
        return {"archives": names(world)}
    told = {}
    for name in names(world):
        try:
            told[name] = tell(world, name)
        except Failure as failure:
            world.warning(failure.args[0])
        except Exception as error:
            world.warning(f"Could not check infos for archive {name}: {error!r}")
    return {"archives": told}


def info(world, call):
    return tell(world, call.archive, call.with_details)


def delete(world, call):
    for name in call.archive:
        if name not in names(world):
            raise Failure(f"Unknown local backup archive named '{name}'")
        link = os.path.join(world.archives, f"{name}.tar")
        real = file_of(world, name)
        for path in (real, link, os.path.join(world.archives, f"{name}.info.json")):
            if os.path.lexists(path):
                os.unlink(path)
        world.success(f"Backup deleted: {name}")
