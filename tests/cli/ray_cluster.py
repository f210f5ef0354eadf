"""A Ray cluster of one machine, started as Ray's documentation says."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import environment


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Start a head with `ray start --head`; the processes below find it by RAY_ADDRESS."""
    port = free_port()
    words = ["--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    ray = Path(sys.executable).with_name("ray")  # that of this environment, which need not be activated
    command = [str(ray), "start", *words, "--disable-usage-stats"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True) as head:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
            yield
        head.terminate()  # it ends what it has started
        try:
            head.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
