"""A program that serves HTTP for a test: started with a log of its own, waited for, and ended."""

import subprocess
import time
import urllib.request

import pytest

READY_SECONDS = 30


class WebServer:
    """One process that answers /-/ready at its address once it is ready, as Prometheus and Alertmanager do."""

    def __init__(self, name, command, address, folder):
        self.name, self.address, self.log = name, address, folder / f"{name.lower()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)

    def wait_until_ready(self):
        """Return once it is ready; fail the test with its log if it does not come to that."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"{self.name} ended with {self.process.returncode}:\n{self._said()}")
            try:
                with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"{self.name} is not ready after {READY_SECONDS} s:\n{self._said()}")

    def stop(self):
        """End the process, gently first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def _said(self):
        return self.log.read_text()[-4000:]
