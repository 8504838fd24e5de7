"""`backup restore`: the checks and the steps of the real one, on the private root."""

import os
import shutil
import subprocess
import tarfile

import apps
import machine
from archives import inner_info, load_info
from world import Failure

MARGIN = 100 << 20


def prefix_of(part):
    return "conf/" if part.startswith("conf_") else part.replace("_", "/") + "/"


def check(world, call, about):
    if not all(key in about for key in ("apps", "system", "created_at", "description")):
        raise KeyError("apps")
    if tuple(int(part) for part in about["from_yunohost_version"].split(".")[:3]) < (4, 2, 0):
        raise Failure("This archive is too old to be restored")
    free = world.settings["free"]
    if free is not None and free < about["size"] + MARGIN:
        raise Failure(
            f"Not enough space (space: {free} B, needed space: {about['size']} B, security margin: {MARGIN} B)"
        )


def wanted(world, call, about):
    everything = call.apps is None and call.system is None
    pick = {}
    for kind, asked in (("system", call.system), ("apps", call.apps)):
        there = about[kind]
        if everything or asked == []:
            pick[kind] = list(there)
        else:
            pick[kind] = [name for name in asked or [] if name in there]
            for name in set(asked or []) - set(there):
                world.error(f"The archive has no {name}")
    if pick["system"] and not call.force:
        raise Failure("Not a tty, can't do interactive prompts")
    there = [app for app in pick["apps"] if app in apps.installed(world)]
    if there:
        world.error(
            "The following apps can't be restored because they are already installed: " + ", ".join(there)
        )
        pick["apps"] = [app for app in pick["apps"] if app not in there]
    return pick


def unpack(path, work, pick):
    """Everything a target needs, with the trust of Debian 12: whatever the members say."""
    starts = ["hooks/", *map(prefix_of, pick["system"]), *(f"apps/{app}/" for app in pick["apps"])]
    with tarfile.open(path) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name in ("info.json", "backup.csv") or (name + "/").startswith(tuple(starts)):
                member.name = name
                tar.extract(member, work)


def find_restore_hook(world, part, declared, work):
    there = machine.find_hooks(world, "restore")
    if part in there:
        return world.path(there[part])
    if not declared:
        world.error(
            f"Restoration script for '{part}' not available in your system and not in the archive either"
        )
        return None
    names = [os.path.basename(path) for path in declared]
    for name in names:
        inside = os.path.join(work, "hooks/restore", name)
        if os.path.exists(inside):
            # It stays for later archives, as the real one leaves it.
            kept = world.path(os.path.join("/etc/yunohost/hooks.d/restore", name))
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            shutil.copy(inside, kept)
            return kept
    raise KeyError(part)


def restore_part(world, part, declared, work):
    hook = find_restore_hook(world, part, declared, work)
    if hook is None:
        return "Skipped"
    if part in world.faults.get("part_fails", []):
        world.error(f"The hook {part} failed")
        return "Error"
    env = {key: value for key, value in os.environ.items() if key != "HOME"}
    env |= {"YNH_BACKUP_DIR": work, "YNH_BACKUP_CSV": os.path.join(work, "backup.csv")}
    done = subprocess.run(["/bin/bash", "-x", hook, work], cwd=work, env=env, capture_output=True)
    return "Success" if done.returncode == 0 else "Error"


def restore_app(world, app, work):
    world.info(f"Restoring {app}…")
    if app in world.faults.get("app_fails", []):
        world.error(f"Could not restore {app}")
        return "Error"
    inside = os.path.join(work, "apps", app)
    for folder in sorted(os.listdir(os.path.join(inside, "backup"))):
        source = os.path.join(inside, "backup", folder)
        if os.path.isdir(source):
            shutil.copytree(source, world.path(folder), symlinks=True, dirs_exist_ok=True)
    shutil.copytree(os.path.join(inside, "settings"), world.path(os.path.join(apps.FOLDER, app)))
    return "Success"


def run(world, call):
    path, about = load_info(world, call.archive)
    world.noise()
    check(world, call, about)
    pick = wanted(world, call, about)
    world.info("Preparing archive for restoration…")
    inner = inner_info(path, call.archive)
    work = os.path.join(world.tmp, os.path.basename(call.archive))
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, mode=0o750)
    unpack(path, work, pick)
    world.at("restore")
    results = {"system": {}, "apps": {}}
    for part in pick["system"]:
        results["system"][part] = restore_part(world, part, inner["system"][part], work)
    for app in pick["apps"]:
        results["apps"][app] = restore_app(world, app, work)
    shutil.rmtree(work)
    states = [state for of in results.values() for state in of.values()]
    if not any(state in ("Success", "Warning") for state in states):
        world.info(
            "The operation 'Restore from a backup archive' could not be completed. Please share the full log "
            "of this operation using the command 'yunohost log share' to get help"
        )
        raise Failure("Nothing was restored")
    world.success("Restoration completed")
    return results
