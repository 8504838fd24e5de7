"""Installed apps: a folder in /etc/yunohost/apps each, with manifest, settings and scripts."""

import os
import shutil
import tomllib

from world import Failure

FOLDER = "/etc/yunohost/apps"


def installed(world):
    folder = world.path(FOLDER)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def folder_of(world, app):
    if app not in installed(world):
        known = ", ".join(installed(world))
        raise Failure(f"Could not find {app} in the list of installed apps: {known}")
    return world.path(os.path.join(FOLDER, app))


def settings(world, app):
    """The plain keys of settings.yml, which are what matters here."""
    found = {}
    with open(os.path.join(folder_of(world, app), "settings.yml")) as file:
        for line in file:
            key, colon, value = line.rstrip("\n").partition(": ")
            if colon and not key.startswith((" ", "-")):
                found[key] = value
    return found


def manifest(world, app):
    with open(os.path.join(folder_of(world, app), "manifest.toml"), "rb") as file:
        return tomllib.load(file)


def has_scripts(world, app):
    scripts = os.path.join(folder_of(world, app), "scripts")
    return all(os.path.exists(os.path.join(scripts, name)) for name in ("backup", "restore"))


def describe(world, app, full=False):
    about, of = manifest(world, app), settings(world, app)
    told = {
        "id": app,
        "name": about["name"],
        "description": about["description"]["en"],
        "version": about["version"],
    }
    if "domain" in of:
        told["domain_path"] = of["domain"] + of.get("path", "/")
    if full:
        told |= {
            "upgrade": {"status": "url_required"},
            "settings": of,
            "manifest": about,
            "from_catalog": {},
            "logo": None,
            "is_webapp": "domain" in of,
            "is_default": False,
            "supports_change_url": False,
            "supports_backup_restore": has_scripts(world, app),
            "supports_multi_instance": False,
            "supports_config_panel": False,
            "supports_purge": True,
            "permissions": {},
            "label": about["name"],
        }
    return told


def list_all(world, call):
    return {"apps": [describe(world, app, call.full) for app in installed(world)]}


def info(world, call):
    return describe(world, call.app, call.full)


def remove(world, call):
    for app in call.app:
        folder, of = folder_of(world, app), settings(world, app)
        world.info(f"Removing {app}…")
        if "remove_fails" in world.faults:
            raise Failure(f"{app} was not properly removed")
        if "silent_remove" in world.faults:
            world.warning(f"{app} was not properly removed")
            continue
        gone = [of.get("install_dir")] + ([of.get("data_dir")] if call.purge else [])
        for path in filter(None, gone):
            shutil.rmtree(world.path(path), ignore_errors=True)
        shutil.rmtree(folder)
        world.success(f"{app} uninstalled")
