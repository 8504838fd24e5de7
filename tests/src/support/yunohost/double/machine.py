"""Hooks, versions, settings, users and the firewall."""

import os

from world import Failure


def hooks(world, call):
    return {"hooks": sorted(find_hooks(world, call.action))}


def find_hooks(world, action):
    """The hooks of an action: their names, and their files as YunoHost calls them."""
    found = {}
    for folder in ("/usr/share/yunohost/hooks", "/etc/yunohost/hooks.d"):
        inside = os.path.join(folder, action)
        if os.path.isdir(world.path(inside)):
            for file in sorted(os.listdir(world.path(inside))):
                found[file.partition("-")[2]] = os.path.join(inside, file)
    return found


def versions(world, call):
    of = {"yunohost": world.settings["version"], "yunohost-admin": "12.1.9", "yunohost-portal": "12.1.2"}
    of |= {"moulinette": "12.1.1", "ssowat": "12.1.1"}
    return {name: {"version": version, "repo": "stable"} for name, version in of.items()}


def setting(world, call):
    if call.key != "misc.backup.backup_compress_tar_archives":
        raise Failure(f"The global setting {call.key} is unknown")
    return world.settings["compress"]


def users(world, call):
    def user(name):
        mail = f"{name}@example.tld"
        return {"username": name, "fullname": name.title(), "mail": mail, "mailbox-quota": "0"}

    return {"users": {name: user(name) for name in world.settings["users"]}}


def firewall(world, call):
    open_ports = world.settings["firewall"]
    if not call.raw:
        return {"tcp": sorted(int(port) for port in open_ports["tcp"])}

    def ports(protocol):
        told = {"open": True, "upnp": False}
        return {port: {**told, "comment": why} for port, why in open_ports[protocol].items()}

    return {"router_forwarding_upnp": False, "tcp": ports("tcp"), "udp": ports("udp")}


def open_port(world, call):
    if not 0 < int(call.port) < 65536:
        raise Failure(f"Invalid port {call.port}")
    world.settings["firewall"][call.protocol][call.port] = call.comment
    world.save()
    world.success("Firewall reloaded")


def allow_port(world, call):
    for protocol in ("tcp", "udp"):
        if call.protocol in (protocol.upper(), "Both"):
            world.settings["firewall"][protocol][call.port] = ""
    world.save()
    world.success("Firewall reloaded")
