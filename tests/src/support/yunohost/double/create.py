"""`backup create`: what apps and parts declare, then a tar in the order of the real one."""

import csv
import json
import os
import re
import shutil
import tarfile
import time

import apps
import machine
from archives import names
from world import Failure

PARTS = {
    "data_home": "data/home",
    "data_mail": "data/mail",
    "data_multimedia": "data/multimedia",
    "conf_ldap": "conf/ldap",
    "conf_ynh_settings": "conf/ynh",
    "conf_ynh_certs": "conf/ynh/certs",
    "conf_manually_modified_files": "conf/manually_modified_files",
}
NAME = re.compile(r"^[\w\-\._]{1,50}(?<!\.)$")


def targets(world, wanted, there, unknown):
    """Each target with its state so far, and a line for those that do not exist."""
    states = {}
    for target in there if wanted == [] else wanted or []:
        states[target] = "Unknown" if target in there else "Skipped"
        if target not in there:
            world.error(unknown.format(target))
    return states


def app_paths(world, app):
    of = apps.settings(world, app)
    if "domain" in of:
        yield f"/etc/nginx/conf.d/{of['domain']}.d/{app}.conf"
    yield of["install_dir"]
    if "data_dir" in of:
        if os.environ.get("BACKUP_CORE_ONLY"):
            world.info(f"{of['data_dir']} will not be saved, because 'BACKUP_CORE_ONLY' is set.")
        else:
            yield of["data_dir"]


def collect_app(world, app, work):
    world.info(f"Collecting files to be backed up for {app}…")
    if not apps.has_scripts(world, app):
        world.warning(f"The app {app} has no backup script. It will be ignored.")
        return "Skipped", []
    inside = os.path.join(work, "apps", app)
    os.makedirs(os.path.join(inside, "backup"), mode=0o700)
    world.info("Declaring files to be backed up...")
    if app in world.faults.get("app_fails", []):
        world.error(f"Could not back up {app}")
        shutil.rmtree(inside)
        return "Error", []
    found = []
    for path in app_paths(world, app):
        if not os.path.exists(world.path(path)):
            world.error(f"Could not find {path}")
            return "Error", []
        found.append((world.path(path), f"apps/{app}/backup{path}"))
        # The helpers make the parents of what they declare, and these are in the tar too.
        os.makedirs(os.path.join(work, f"apps/{app}/backup{os.path.dirname(path)}"), exist_ok=True)
    with open(os.path.join(inside, "backup", "db.sql"), "w") as file:
        file.write("-- dump\n")
    shutil.copytree(apps.folder_of(world, app), os.path.join(inside, "settings"))
    return "Success", found


def collect_part(world, part):
    if part in world.faults.get("part_fails", []):
        world.error(f"The hook {part} failed")
        return "Error", []
    folder = world.path(f"home/{part}")
    inside = PARTS.get(part, part.replace("_", "/"))
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return "Success", [(os.path.join(folder, file), f"{inside}/{file}") for file in files]


def size_of(path):
    if os.path.isdir(path) and not os.path.islink(path):
        return os.path.getsize(path) + sum(size_of(entry.path) for entry in os.scandir(path))
    return os.lstat(path).st_size


def collect(world, call, work):
    hooks = machine.find_hooks(world, "backup")
    everything = call.apps is None and call.system is None
    wanted = ([], []) if everything else (call.system, call.apps)
    system = targets(world, wanted[0], list(hooks), "The backup hook '{}' is unknown")
    of_apps = targets(world, wanted[1], apps.installed(world), "{} will not be saved")
    files, restores, sizes = [], [], {"system": {}, "apps": {}}
    for part in [part for part, state in system.items() if state == "Unknown"]:
        system[part], found = collect_part(world, part)
        if system[part] == "Success":
            sizes["system"][part] = sum(size_of(path) for path, _ in found)
            restores.append(os.path.basename(hooks[part]))
            files += found
    world.at("collect")
    for app in [app for app, state in of_apps.items() if state == "Unknown"]:
        of_apps[app], found = collect_app(world, app, work)
        if of_apps[app] == "Success":
            inside = os.path.join(work, "apps", app)
            sizes["apps"][app] = size_of(inside) + sum(size_of(path) for path, _ in found)
            files += found
    return {"system": system, "apps": of_apps}, sizes, files, restores


def describe(world, call, sizes):
    hooks = machine.find_hooks(world, "backup")
    told = {app: apps.describe(world, app) for app in sizes["apps"]}
    short = ("version", "name", "description")
    return {
        "description": call.description,
        "created_at": int(time.time()),
        "size": sum(sum(of.values()) for of in sizes.values()),
        "size_details": sizes,
        "apps": {app: {key: of[key] for key in short} for app, of in told.items()},
        "system": {part: [hooks[part]] for part in sizes["system"]},
        "from_yunohost_version": world.settings["version"],
    }


def write_tar(world, path, work, files, app_names):
    with tarfile.open(path, "w:gz" if path.endswith(".gz") else "w") as tar:
        for at, (source, inside) in enumerate(files):
            tar.add(source, arcname=inside)
            if at == len(files) // 2:
                tar.fileobj.flush()
                world.at("archive")
        for name in ["backup.csv", "info.json"] + [f"apps/{app}" for app in app_names]:
            tar.add(os.path.join(work, name), arcname=name)


def prepare(world, call, work):
    if not NAME.match(call.name or ""):
        raise Failure("Must be a valid filename with max 30 characters, alphanumeric and -_. characters only")
    if call.name in names(world):
        raise Failure(f"A backup archive with the name '{call.name}' already exists.")
    for folder in (os.path.dirname(world.archives), world.archives):
        os.makedirs(folder, exist_ok=True, mode=0o770)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, mode=0o750)


def hooks_into(world, work, restores):
    """The restore hooks of the parts, beside what they restore."""
    there = machine.find_hooks(world, "restore")
    for file in restores:
        part = file.partition("-")[2]
        if part in there:
            yield world.path(there[part]), f"hooks/restore/{file}"


def run(world, call):
    work = os.path.join(world.tmp, call.name or "")
    prepare(world, call, work)
    world.noise()
    results, sizes, files, restores = collect(world, call, work)
    if not sizes["system"] and not sizes["apps"]:
        shutil.rmtree(work)
        raise Failure("Failed to collect files to be backed up")
    about = describe(world, call, sizes)
    if call.dry_run:
        return {"size": about["size"], "size_details": sizes}
    world.info("Creating a backup archive from the collected files…")
    free = world.settings["free"]
    if free is not None and free < about["size"]:
        shutil.rmtree(work)
        raise Failure(f"Not enough free space on '{os.path.dirname(world.archives)}'")
    world.info(f"The archive will contain about {about['size'] // 1024}KB of data.")
    files += hooks_into(world, work, restores)
    with open(os.path.join(work, "backup.csv"), "w", newline="") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_ALL)
        rows.writerows((source.removeprefix(world.root), inside) for source, inside in files)
    for file in (os.path.join(work, "info.json"), os.path.join(world.archives, f"{call.name}.info.json")):
        with open(file, "w") as out:
            json.dump(about, out)
    ending = ".tar.gz" if world.settings["compress"] else ".tar"
    folder = call.output_directory or world.archives
    path = os.path.join(folder, call.name + ending)
    write_tar(world, path, work, files, sizes["apps"])
    link = os.path.join(world.archives, call.name + ".tar")
    if path != link:
        os.symlink(path, link)
    shutil.rmtree(work)
    world.success(f"Backup created: {call.name}")
    return {"name": call.name, "size": about["size"], "results": results}
