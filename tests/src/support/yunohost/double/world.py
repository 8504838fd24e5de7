"""The machine that the double plays on: a private root, its settings, its lock, and its faults.

ROOT/world.json   version, compress, free (bytes, or null for plenty), firewall, users, archives
                  (the archives folder, when it is not ROOT/home/yunohost.backup/archives)
ROOT/faults.json  what goes wrong, by name; absent: nothing
ROOT/calls.jsonl  every call: its arguments and the variables that matter

Faults: app_fails [APP], part_fails [PART], hang / die "lock" | "collect" | "archive" | "restore",
fail (text of an error before anything is done), traceback, no_json, garbage (what is printed for JSON),
noise (more lines, and bytes that are no text), impatient (a held lock counts as waited for long enough),
old_firewall (no `firewall open`), remove_fails (the app stays), silent_remove (rc 0, the app stays).
"""

import fcntl
import json
import os
import signal
import sys
import time

DEFAULTS = {
    "version": "12.1.25",
    "compress": 0,
    "free": None,
    "archives": None,
    "firewall": {"tcp": {"22": "SSH", "25": "SMTP", "80": "HTTP", "443": "HTTPS"}, "udp": {"53": "DNS"}},
    "users": ["alice", "bob"],
}

FRENCH = {
    "There is already a YunoHost operation running": "Une opération YunoHost est déjà en cours",
    "A backup archive with the name": "Une archive de sauvegarde avec le nom",
    "already exists": "existe déjà",
    "Not enough": "Espace insuffisant",
    "Backup created": "Sauvegarde créée",
    "Restoration completed": "Restauration terminée",
    "already installed": "déjà installées",
}


class Failure(Exception):
    """What YunoHost calls an error: one line, and exit code 1."""


class World:
    def __init__(self, root):
        self.root = root
        self.settings = {**DEFAULTS, **self._read("world.json")}
        self.faults = self._read("faults.json")
        self.backups = self.path("home/yunohost.backup")
        self.archives = self.settings["archives"] or os.path.join(self.backups, "archives")
        self.tmp = os.path.join(os.path.dirname(self.archives), "tmp")
        self.lock_file = self.path("run/moulinette_yunohost.lock")
        self.locked = False
        self.english = not (os.environ.get("LC_ALL") or os.environ.get("LANG") or "C").startswith("fr")

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def _read(self, name):
        try:
            with open(self.path(name)) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def save(self):
        with open(self.path("world.json"), "w") as file:
            json.dump(self.settings, file)

    def note(self, args):
        kept = ("LC_ALL", "LANG", "BACKUP_CORE_ONLY", "HOME")
        call = {"args": args, "env": {k: os.environ[k] for k in kept if k in os.environ}}
        with open(self.path("calls.jsonl"), "a") as file:
            file.write(json.dumps(call) + "\n")

    def _say(self, stream, level, text):
        if not self.english:
            for english, french in FRENCH.items():
                text = text.replace(english, french)
        stream.write(f"{level} {text}\n")
        stream.flush()

    def info(self, text):
        self._say(sys.stdout, "INFO", text)

    def success(self, text):
        self._say(sys.stdout, "SUCCESS", text)

    def warning(self, text):
        self._say(sys.stderr, "WARNING", text)

    def error(self, text):
        self._say(sys.stderr, "ERROR", text)

    def noise(self):
        if "noise" in self.faults:
            self.info("{ this is not the answer }")
            self.info("x" * 100_000)
            sys.stdout.buffer.write(b"INFO \xff\xfe bytes\r\n\n")
            sys.stdout.flush()
            self.warning("Une sauvegarde bruyante : é ✓")

    def at(self, place):
        """Where a fault may strike."""
        if self.faults.get("die") == place:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.faults.get("hang") == place:
            open(self.path("hanging"), "w").close()
            while True:
                signal.pause()

    def answer(self, value):
        if "no_json" in self.faults:
            return
        if "garbage" in self.faults:
            print(self.faults["garbage"])
        elif value is not None:
            print(json.dumps(value))

    def holders(self):
        try:
            with open(self.lock_file) as file:
                pids = [int(line) for line in file.read().split()]
        except (FileNotFoundError, ValueError):
            return []
        return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]

    def lock(self, seconds):
        """Waits for other operations; for ever without a number of seconds."""
        os.makedirs(os.path.dirname(self.lock_file), exist_ok=True)
        began = time.monotonic()
        while not self._try_lock():
            self.at("lock")
            waited = time.monotonic() - began
            if seconds is not None and (waited >= seconds or "impatient" in self.faults):
                raise Failure(
                    "There is already a YunoHost operation running. "
                    "Please wait for it to finish before running another one."
                )
            time.sleep(0.05)
        self.locked = True

    def _try_lock(self):
        with open(self.lock_file + ".guard", "w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            holders = self.holders()
            if any(pid in ancestors() for pid in holders):
                return True
            if holders:
                return False
            with open(self.lock_file, "w") as file:
                file.write(str(os.getpid()))
            return True

    def unlock(self):
        if self.locked and self.holders() == [os.getpid()]:
            os.unlink(self.lock_file)


def ancestors():
    """The processes that started this one: children of the lock's owner pass."""
    found, pid = set(), os.getppid()
    while pid > 1:
        found.add(pid)
        try:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            break
    return found
