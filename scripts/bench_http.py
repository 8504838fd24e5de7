"""The rows `http` of scripts/bench: the REST API beside nginx alone, on loopback.

- Requests: `wrk` with 16 connections asks for /health and /jobs with a valid key; the daemon is held to
  one core (taskset), wrk to another one. nginx serves the very bytes of the answer as a file.
- Upload: a made file goes up in parts of 50 MB, one after the other, from one client. nginx stores
  the same parts by its dav module. What `finish` takes (check, ingest, seal) stands apart.
- Download: the whole tar of that archive, read to nowhere; nginx serves the same bytes as a file.
- Streams: 200 open event streams, and the daemon's memory with them.

One client does the same to both, so that it is the same share of both figures.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

PART_BYTES = 50_000_000
REQUESTS_SECONDS = 8
STREAMS = 200

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location /put/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Nginx:
    name = "nginx"

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()

    def start(self, cores=None):
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "root/put").mkdir(parents=True)
        (self.folder / "conf").write_text(NGINX.format(folder=self.folder, port=self.port))
        command = ["nginx", "-p", str(self.folder), "-c", str(self.folder / "conf")]
        self.process = subprocess.Popen(pinned(command, cores))
        wait_for(self.port)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def pinned(command, cores):
    return command if cores is None else ["taskset", "-c", cores, *command]


def wait_for(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


class Client:
    """One connection that asks with a key."""

    def __init__(self, port, key=None):
        self.http = http.client.HTTPConnection("127.0.0.1", port, blocksize=1 << 20)
        self.headers = {"X-BackupManager-Key": key} if key else {}

    def ask(self, method, path, body=None, kind=None, expect=(200, 201, 202, 204)):
        headers = dict(self.headers)
        if kind:
            headers["Content-Type"] = kind
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status not in expect:
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return text

    def json(self, method, path, value=None):
        body = None if value is None else json.dumps(value)
        return json.loads(self.ask(method, path, body, "application/json" if body else None))

    def drain(self, path):
        """Reads an answer to nowhere; its bytes."""
        self.http.request("GET", path, headers=self.headers)
        answer = self.http.getresponse()
        if answer.status != 200:
            sys.exit(f"GET {path}: {answer.status} {answer.read()[:500]!r}")
        total, buffer = 0, bytearray(1 << 20)
        while count := answer.readinto(buffer):
            total += count
        return total


def rate(port, path, key=None):
    """Answers in a second, as wrk counts them; it must not have seen an error."""
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{REQUESTS_SECONDS}s"]
    if key:
        command += ["-H", f"X-BackupManager-Key: {key}"]
    command.append(f"http://127.0.0.1:{port}{path}")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"wrk saw errors at {path}:\n{text}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])


class Served:
    """Our daemon with HTTP, jobs to list, and a key."""

    def __init__(self, daemon, cores):
        self.daemon, self.port = daemon, free_port()
        daemon.data.parent.mkdir(parents=True, exist_ok=True)
        daemon.start("--http", f"127.0.0.1:{self.port}", cores=cores)
        made = subprocess.run([daemon.program, "--data", str(daemon.data), "--json", "key", "create",
                               "bench"], capture_output=True, text=True, check=True).stdout
        self.key = re.search(r"\b[0-9a-f]{64}\b", made)[0]

    def client(self):
        return Client(self.port, self.key)


def requests(make_daemon, nginx, jobs=20):
    served = Served(make_daemon("requests"), "0")
    try:
        client = served.client()
        for number in range(jobs):
            spec = {"name": f"job{number}",
                    "config": {"type": "custom_dir", "source_path": str(Path(__file__).parent)}}
            client.json("POST", "/api/v1/jobs", spec)
            run = client.json("POST", f"/api/v1/jobs/{number + 1}/run")["run_id"]
            while client.json("GET", f"/api/v1/runs/{run}")["status"] == "running":
                time.sleep(0.02)
        nginx.start("0")
        print(f"\nrequests a second on one core, {jobs} jobs\n"
              f"  {'':10} {'ours':>8} {'nginx':>8} {'ratio':>6} {'bytes':>8}")
        for name in ("health", "jobs"):
            answer = client.ask("GET", f"/api/v1/{name}")
            (nginx.folder / "root" / name).write_bytes(answer)
            ours = rate(served.port, f"/api/v1/{name}", served.key)
            theirs = rate(nginx.port, f"/{name}")
            print(f"  {name:10} {ours:8.0f} {theirs:8.0f} {ours / theirs:6.2f} {len(answer):8}")
    finally:
        nginx.stop()
        served.daemon.stop()


def made_tar(path, size):
    """A tar of one file of bytes that do not compress."""
    with open(path.with_suffix(".raw"), "wb") as raw:
        block = os.urandom(1 << 20)
        for number in range(size >> 20):
            raw.write(hashlib.blake2b(number.to_bytes(8, "big")).digest() + block[64:])
    subprocess.run(["tar", "-b", "1", "-cf", path, "-C", path.parent, path.with_suffix(".raw").name], check=True)
    path.with_suffix(".raw").unlink()


def transfers(make_daemon, nginx, work, size, rounds):
    tar = work / "upload.tar"
    made_tar(tar, size)
    data = tar.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    parts = [data[at:at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]
    figures = {}

    def timed(row, tool, work):
        os.sync()
        started = time.monotonic()
        work()
        figures.setdefault((row, tool), []).append(time.monotonic() - started)

    for number in range(rounds):
        served = Served(make_daemon(f"transfers{number}"), None)
        nginx.start()
        try:
            client, theirs = served.client(), Client(nginx.port)
            start = {"filename": f"bench{number}.tar", "total_size": len(data),
                     "chunk_size": PART_BYTES, "checksum": digest}
            upload = client.json("POST", "/api/v1/archives/upload/start", start)["upload_id"]
            base = f"/api/v1/archives/upload/{upload}"

            def ours_up():
                for index, part in enumerate(parts):
                    client.ask("POST", f"{base}/chunk/{index}", part, "application/octet-stream")

            def theirs_up():
                for index, part in enumerate(parts):
                    theirs.ask("PUT", f"/put/part{index}", part)

            timed("upload", "nginx", theirs_up)
            timed("upload", "ours", ours_up)
            timed("finish", "ours", lambda: client.ask("POST", f"{base}/finish"))
            os.link(tar, nginx.folder / "root/whole.tar")
            path = f"/api/v1/archives/bench{number}/download"
            for _ in range(2):  # the first one fills both caches
                timed("download", "nginx", lambda: theirs.drain("/whole.tar"))
                timed("download", "ours", lambda: same(client.drain(path), len(data)))
            print(f"round {number + 1}: the daemon had {served.daemon.peak_mib():.0f} MiB at most")
        finally:
            nginx.stop()
            served.daemon.stop()
    print(f"\n{len(data) / 1e6:.0f} MB over HTTP, MB/s of the best round\n  {'':10} {'ours':>8} {'nginx':>8} "
          f"{'ratio':>6}")
    for row in ("upload", "finish", "download"):
        ours, theirs = (figures.get((row, tool)) for tool in ("ours", "nginx"))
        speed = [len(data) / 1e6 / min(walls) if walls else 0 for walls in (ours, theirs)]
        ratio = f"{speed[0] / speed[1]:6.2f}" if theirs else ""
        print(f"  {row:10} {speed[0]:8.0f} {speed[1]:8.0f} {ratio}")
    tar.unlink()


def same(found, wanted):
    if found != wanted:
        sys.exit(f"{found} bytes came of {wanted}")


def streams(make_daemon):
    served = Served(make_daemon("streams"), None)
    try:
        before = served.daemon.rss_mib()
        open_ = []
        for _ in range(STREAMS):
            one = socket.create_connection(("127.0.0.1", served.port))
            one.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nX-BackupManager-Key: "
                        f"{served.key}\r\n\r\n".encode())
            if b" 200 " not in one.recv(4096):
                sys.exit("a stream was refused")
            open_.append(one)
        print(f"\n{STREAMS} event streams: {before:.0f} MiB before, {served.daemon.rss_mib():.0f} with them")
    finally:
        served.daemon.stop()


def rows(make_daemon, work, scale, rounds):
    """All rows; `make_daemon(name)` gives a daemon that has not been started."""
    for program in ("nginx", "wrk", "taskset"):
        if not shutil.which(program):
            sys.exit(f"{program} is not installed (Debian: nginx, wrk, util-linux)")
    nginx = Nginx(work / "nginx")
    requests(make_daemon, nginx)
    transfers(make_daemon, nginx, work, int(2e9 * scale), rounds)
    streams(make_daemon)
    shutil.rmtree(nginx.folder, ignore_errors=True)
