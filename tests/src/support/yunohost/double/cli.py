"""The command line: global flags anywhere, argparse errors with code 2, the lock for what changes things."""

import argparse

import apps
import archives
import create
import machine
import restore
from world import Failure


def parser():
    top = argparse.ArgumentParser(prog="yunohost")
    kinds = top.add_subparsers(dest="kind", required=True)

    def command(kind, name, run, locks=False):
        if kind not in groups:
            groups[kind] = kinds.add_parser(kind).add_subparsers(dest="name", required=True)
        made = groups[kind].add_parser(name)
        made.set_defaults(run=run, locks=locks)
        return made

    groups = {}
    made = command("backup", "create", create.run, locks=True)
    made.add_argument("-n", "--name")
    made.add_argument("-d", "--description", default="")
    made.add_argument("-o", "--output-directory")
    made.add_argument("--methods", nargs="*")
    made.add_argument("--system", nargs="*")
    made.add_argument("--apps", nargs="*")
    made.add_argument("--dry-run", action="store_true")
    made = command("backup", "restore", restore.run, locks=True)
    made.add_argument("archive")
    made.add_argument("--system", nargs="*")
    made.add_argument("--apps", nargs="*")
    made.add_argument("--force", action="store_true")
    made = command("backup", "list", archives.list_all)
    made.add_argument("-i", "--with-info", action="store_true")
    made = command("backup", "info", archives.info)
    made.add_argument("archive")
    made.add_argument("-d", "--with-details", action="store_true")
    command("backup", "delete", archives.delete, locks=True).add_argument("archive", nargs="*")
    command("app", "list", apps.list_all).add_argument("-f", "--full", action="store_true")
    made = command("app", "info", apps.info)
    made.add_argument("app")
    made.add_argument("-f", "--full", action="store_true")
    made = command("app", "remove", apps.remove, locks=True)
    made.add_argument("app", nargs="+")
    made.add_argument("-p", "--purge", action="store_true")
    command("hook", "list", machine.hooks).add_argument("action")
    command("tools", "versions", machine.versions)
    command("settings", "get", machine.setting).add_argument("key")
    command("user", "list", machine.users)
    command("firewall", "list", machine.firewall).add_argument("-r", "--raw", action="store_true")
    made = command("firewall", "open", machine.open_port, locks=True)
    made.add_argument("port")
    made.add_argument("comment")
    made.add_argument("-p", "--protocol", choices=["tcp", "udp"], default="tcp")
    made.add_argument("--upnp", action="store_true")
    made.add_argument("--no-reload", action="store_true")
    made = command("firewall", "allow", machine.allow_port, locks=True)
    made.add_argument("protocol", choices=["TCP", "UDP", "Both"])
    made.add_argument("port")
    return top


def main(world, args):
    world.note(args)
    front = argparse.ArgumentParser(add_help=False)
    front.add_argument("--output-as", choices=["json", "plain", "none"])
    front.add_argument("--timeout", type=int)
    front.add_argument("--quiet", action="store_true")
    front.add_argument("--debug", action="store_true")
    flags, args = front.parse_known_args(args)
    if "old_firewall" in world.faults and args[:2] == ["firewall", "open"]:
        front.error("argument command: invalid choice: 'open'")
    call = parser().parse_args(args)
    if flags.output_as != "json":
        raise Failure("the double prints JSON only: --output-as json")
    if "fail" in world.faults and call.locks:
        raise Failure(world.faults["fail"])
    if "traceback" in world.faults and call.locks:
        raise KeyError("70-data_custom")
    if call.locks:
        world.lock(flags.timeout)
    world.answer(call.run(world, call))
    return 0
