"""The daemons under test: real processes, kept running as Kubernetes would, scraped all the time."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from tests.faults.scrapes import parse
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
SCRAPE_S = 0.4
#: A daemon that has just been woken does not know yet what it has lost: it must go on saying so.
STABLE_S = 2.0
STREAM = "pairs"


@dataclass
class Incarnation:
    """One process of a replica.

    `ending` is what the harness did to it last ("kill", "term", "stop"), empty where it ended by itself.
    `samples`: (seconds since the start of the run, RSS in bytes, threads, descriptors).
    """

    number: int
    process: subprocess.Popen
    started: float
    failpoints: str
    ending: str = ""
    ended: float | None = None
    status: int | None = None
    stop_seconds: float | None = None
    samples: list = field(default_factory=list)


class Replica:
    """One place of a daemon: its settings, port and log stay, processes come and go."""

    def __init__(self, index, folder, settings):
        self.index = index
        self.name = f"replica{index}"
        self.config, self.log = folder / f"{self.name}.yaml", folder / f"{self.name}.log"
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.config.write_text(yaml.safe_dump({**settings, "web": {"listen_address": self.address}}))
        self.incarnations = []
        self.program = ("-m", "daemon")
        self.wanted = False
        self.stopped = False
        self.lock = threading.RLock()

    @property
    def current(self):
        """The newest process."""
        return self.incarnations[-1]

    @property
    def alive(self):
        """Whether the newest process runs (halted or not)."""
        return bool(self.incarnations) and self.current.process.poll() is None

    def start(self, failpoints=""):
        """Start a process; from now on one that ends is started again."""
        with self.lock:
            environment = dict(os.environ)
            if failpoints:
                environment["KLAXON_FAILPOINTS"] = failpoints
            command = [sys.executable, *self.program, "run", "--config.file", str(self.config)]
            with self.log.open("ab") as log:
                process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
            self.incarnations.append(Incarnation(len(self.incarnations), process, time.time(), failpoints))
            self.wanted, self.stopped = True, False

    def note_end(self):
        """Keep the status of a process that has ended; return whether it has."""
        with self.lock:
            if not self.incarnations or self.current.process.poll() is None:
                return False
            if self.current.ended is None:
                self.current.ended, self.current.status = time.time(), self.current.process.returncode
            return True

    def kill(self):
        """As the kernel does it."""
        with self.lock:
            self.wanted, self.current.ending = False, "kill"
            self.current.process.kill()
            self.current.process.wait(10)
            self.note_end()

    def terminate(self, timeout=20):
        """Ask it to end; return the seconds that it took, None where it had to be killed."""
        with self.lock:
            self.wanted, self.current.ending = False, "term"
            started = time.monotonic()
            self.current.process.terminate()
            try:
                self.current.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                return None
            self.current.stop_seconds = time.monotonic() - started
            self.note_end()
            return self.current.stop_seconds

    def halt(self):
        """SIGSTOP."""
        self.stopped = True
        self.current.process.send_signal(signal.SIGSTOP)

    def wake(self):
        """SIGCONT."""
        self.current.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def get(self, path, timeout=2):
        """Status and text of one HTTP request; status 0 where there is no answer."""
        try:
            try:
                answer = urllib.request.urlopen(f"http://{self.address}{path}", timeout=timeout)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:  # it may end in the middle of an answer
            return 0, str(error)

    def measure(self, begun):
        """Note memory, threads and descriptors of the newest process."""
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(self.current.process.pid)
            used = process.memory_info().rss, process.num_threads(), process.num_fds()
            self.current.samples.append((time.monotonic() - begun, *used))


class Fleet:
    """All replicas, one thread each that scrapes its replica and starts it again when it ended by itself."""

    def __init__(self, replicas, partitions, longest):
        self.replicas = replicas
        self.partitions = frozenset(range(partitions))
        self.longest = longest
        self.scrapes = []
        self.latest = {}
        self.ready = {}
        self.broken = None
        self._begun = time.monotonic()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(replica,), name=f"watch-{replica.name}", daemon=True)
            for replica in replicas
        ]

    def __enter__(self):
        for replica in self.replicas:
            replica.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        for thread in self._threads:
            thread.join(10)
        for replica in self.replicas:
            if replica.alive:
                replica.wake()
                replica.current.process.kill()
                replica.current.process.wait(10)
            replica.note_end()

    def recovered(self):
        """Whether every partition is owned once, all are ready, and the longest windows complete, newly published."""
        living = [replica for replica in self.replicas if replica.wanted]
        now, owned = time.time(), []
        for replica in living:
            scrape = self.latest.get(replica.index)
            current = scrape is not None and scrape.incarnation == replica.current.number
            if not current or now - scrape.published > 3 or self.ready.get(replica.index) != 200 or not replica.alive:
                return False
            owned += scrape.owned
            cells = [cell for (window, _), cell in scrape.windows.items() if window == self.longest]
            if scrape.owned and not (cells and all(cell.get("complete") == 1 for cell in cells)):
                return False
        return sorted(owned) == sorted(self.partitions)

    def wait_until_recovered(self, timeout):
        """Return the seconds until it held for STABLE_S on end; None where that did not begin in time."""
        started, since = time.monotonic(), None
        while since is not None or time.monotonic() - started < timeout:
            if self.broken is not None:
                raise RuntimeError("the harness itself failed") from self.broken
            now = time.monotonic()
            since = (since or now) if self.recovered() else None
            if since is not None and now - since >= STABLE_S:
                return since - started
            time.sleep(0.1)
        return None

    def state_in_words(self):
        """What each replica says of itself, for a report of a recovery that did not come."""
        lines = []
        for replica in self.replicas:
            scrape = self.latest.get(replica.index)
            owned = sorted(scrape.owned) if scrape else []
            incomplete = sorted({w for (w, _), c in scrape.windows.items() if c.get("complete") != 1}) if scrape else []
            age = f"{time.time() - scrape.published:.1f}" if scrape else "-"
            lines.append(
                f"{replica.name}: alive {replica.alive}, owns {owned}, incomplete {incomplete}, published {age} s ago, "
                f"readyz {replica.get('/readyz')}"
            )
        return "\n".join(lines)

    def _watch(self, replica):
        try:
            self._keep(replica)
        except BaseException as error:
            self.broken = error
            raise

    def _keep(self, replica):
        sampled = 0.0
        while not self._closing.is_set():
            started = time.monotonic()
            if replica.note_end():
                self.ready[replica.index] = 0
                with replica.lock:
                    if replica.wanted and not replica.alive:
                        replica.start()
            elif replica.incarnations and not replica.stopped:
                self._scrape(replica)
                if started - sampled > 2:
                    sampled = started
                    replica.measure(self._begun)
            self._closing.wait(max(0.05, SCRAPE_S - (time.monotonic() - started)))

    def _scrape(self, replica):
        incarnation = replica.current.number
        self.ready[replica.index] = replica.get("/readyz")[0]
        status, text = replica.get("/metrics")
        if status != 200 or replica.current.number != incarnation:
            return
        scrape = parse(text, at=time.time(), replica=replica.index, incarnation=incarnation, stream=STREAM)
        last = self.latest.get(replica.index)
        if scrape is None:
            return
        if last is None or (last.incarnation, last.published) != (scrape.incarnation, scrape.published):
            self.scrapes.append(scrape)
        self.latest[replica.index] = scrape
