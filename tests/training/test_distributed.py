"""Several processes train as one does: started by torchrun, on processors, over gloo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from squares import write_squares

from convworks.cli.main import run
from convworks.config import override
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.recipes import recipe
from convworks.training.run import prepare
from convworks.training.world import World

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
TRAIN = ["--model", "resnet20", "--deterministic", "--set", "precision=float32", "--epochs", "4"]
SMOOTH = ["--set", "training.schedule={'kind':'constant','rate':0.001}", "--set", "training.batch_size=24"]
SIZE = ["--set", "data.size=(32, 32)"]
TOGETHER = ["--set", "training.batch_norm=synchronised", "--set", "augment.mixup=0.4"]
#: A network of few layers with batch normalisation: each of them makes the processes wait for each other.
UNEVEN = ["--model", "convnet_color", "--epochs", "2"]
UNEVEN += ["--set", "training.batch_size=9", "--set", "training.accumulation=3"]
OFTEN = ["--set", "training.checkpoint_seconds=0.05"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without flat areas: where inputs are equal, rounding decides which way a maximum goes."""
    folder, rng = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for label in "abc":
        (folder / label).mkdir()
        for number in range(45):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def start(processes: int, *arguments: object, restarts: int = 0) -> subprocess.Popen[str]:
    launcher = [*TORCHRUN, "--nproc-per-node", str(processes), "--max-restarts", str(restarts), "-m"]
    command = [*(launcher if processes > 1 else [sys.executable, "-m"]), "convworks", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def train(processes: int, *arguments: object) -> str:
    """Train in several processes, which take seconds to start; a single one is this process."""
    if processes == 1:
        assert run(["train", *map(str, arguments)]) == 0
        return ""
    process = start(processes, *arguments)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


@pytest.fixture(scope="module")
def pair(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes answer that accumulate uneven parts with a common batch normalisation, to their end."""
    out = tmp_path_factory.mktemp("pair") / "run"
    options = [*TRAIN, *SMOOTH, *TOGETHER, *UNEVEN, *OFTEN]
    answer: dict[str, Any] = json.loads(train(2, "--data", noise, *options, "--out", out, "--json"))
    return answer


def last(run: Path) -> dict[str, torch.Tensor]:
    return load_file(max((run / "checkpoints").glob("*.safetensors")))


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    weights = [name for name in a if name.startswith("network.") and a[name].is_floating_point()]
    return max(float((a[name] - b[name]).abs().max() / a[name].abs().max().clamp(min=1e-3)) for name in weights)


def check_same(single: Path, distributed: Path, processes: int, tolerance: float) -> None:
    """Check that several processes trained what one did, up to rounding."""
    before, after = rows(single), rows(distributed)
    assert before[-1]["step"] == after[-1]["step"] >= 20
    assert [row["train_loss"] for row in after] == pytest.approx([row["train_loss"] for row in before], rel=1e-3)
    assert distance(last(single), last(distributed)) < tolerance
    assert json.loads((distributed / "run.json").read_text())["processes"] == processes


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_weights_of_few_layers_are_those_of_one_process(processes: int, noise: Path, tmp_path: Path) -> None:
    """Rounding stays rounding."""
    options = ["--data", noise, *TRAIN, *SMOOTH, *TOGETHER, "--model", "lenet5_modern", *SIZE]
    train(1, *options, "--out", tmp_path / "one")
    train(processes, *options, "--out", tmp_path / "many")
    check_same(tmp_path / "one", tmp_path / "many", processes, 1e-5)


@pytest.mark.slow
def test_masks_augmentation_and_dropout_are_those_of_one_process(tmp_path: Path) -> None:
    squares = write_squares(tmp_path / "squares", 120)
    table = {"widths": [4, 8], "normalisation": "instance", "dropout": 0.3}
    changes = [f"model.table={table}", "training.accumulation=2", "training.optimizer={'kind': 'sgd'}"]
    changes += ["augment={'flip': True, 'elastic': {}, 'affine': {'rotate': 20}, 'border': 'reflect'}"]
    words = [word for change in changes for word in ("--set", change)]
    options = ["--data", squares, *TRAIN, *SMOOTH, "--model", "unet_padded", *words]
    train(1, *options, "--out", tmp_path / "one")
    train(2, *options, "--set", "training.accumulation=1", "--out", tmp_path / "two")
    check_same(tmp_path / "one", tmp_path / "two", 2, 1e-5)


@pytest.mark.slow
def test_weights_of_many_layers_are_near_those_of_one_process(noise: Path, tmp_path: Path) -> None:
    """Every rectifier that rounding pushes over its edge changes the gradient.

    What the layers compute is tested in tests/layers/normalisation/test_synchronised.py.
    """
    options = ["--data", noise, *TRAIN, *SMOOTH, *TOGETHER, *SIZE]
    train(1, *options, "--out", tmp_path / "one")
    train(2, *options, "--out", tmp_path / "many")
    check_same(tmp_path / "one", tmp_path / "many", 2, 0.1)


def test_the_answer_is_that_of_the_first_process(pair: dict[str, Any]) -> None:
    assert {"run", "bundle", "validation", "seconds"} <= pair.keys()
    assert len(rows(Path(pair["run"]))) == 2


EVALUATE = """
import json, sys
import torch
from functools import partial
from convworks.data.samples import Samples
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.tasks.classification import CLASSIFICATION
from convworks.training.validation import validate
from convworks.training.world import joined
from types import SimpleNamespace

with joined("cpu") as world:
    found = []
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 7))
    images, labels = torch.randint(0, 256, (257, 3, 2, 2), dtype=torch.uint8), torch.randint(0, 7, (257,))
    for n in range(1, 258):
        setup = SimpleNamespace(
            world=world, evaluated=network, precision=torch.float32, classes=7,
            input=input_of(Preprocessing(size=(2, 2), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.2,) * 3)),
            validation=Samples(images=images[:n], targets=labels[:n]), loss=torch.nn.functional.cross_entropy,
            task=CLASSIFICATION, corruption=None, config=SimpleNamespace(data=SimpleNamespace(corruption=None)),
        )
        found.append(validate(setup))
    if world.rank == 0:
        print(json.dumps(found))
"""


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_every_sample_is_evaluated_once_for_any_number(processes: int, tmp_path: Path) -> None:
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    results = []
    for count in (1, processes):
        launcher = [*TORCHRUN, "--nproc-per-node", str(count)] if count > 1 else [sys.executable]
        done = subprocess.run(
            [*launcher, str(tmp_path / "evaluate.py")], env=environment(), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout.splitlines()[-1]))
    for single, distributed in zip(*results, strict=True):
        assert {k: v for k, v in single.items() if k != "loss"} == {k: v for k, v in distributed.items() if k != "loss"}
        assert single["loss"] == pytest.approx(distributed["loss"], rel=1e-6)


def children(pid: int) -> Iterator[int]:
    """The processes below one, however deep, with what they run."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
            if parent == pid:
                yield int(entry.name)
                yield from children(int(entry.name))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the processes under /proc")
def test_a_killed_process_is_replaced_and_the_run_ends_the_same(
    pair: dict[str, Any], noise: Path, tmp_path: Path
) -> None:
    options = ["--data", noise, *TRAIN, *SMOOTH, *TOGETHER, *UNEVEN, *OFTEN]
    process = start(2, *options, "--out", tmp_path / "killed", restarts=2)
    until = time.monotonic() + 60
    while not list((tmp_path / "killed").glob("checkpoints/*.json")) and time.monotonic() < until:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    ranks = {pid: environ(pid).get("RANK") for pid in children(process.pid)}
    victim = next(pid for pid, rank in ranks.items() if rank == "1")
    os.kill(victim, signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    whole, killed = last(Path(pair["run"])), last(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    keys = ("epoch", "train_loss", "validation_loss", "validation_top1")
    assert [[row[key] for key in keys] for row in rows(Path(pair["run"]))] == [
        [row[key] for key in keys] for row in rows(tmp_path / "killed")
    ]
    time.sleep(1)
    assert not [pid for pid in ranks if Path(f"/proc/{pid}").exists() and environ(pid).get("RANK")]


def environ(pid: int) -> dict[str, str]:
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(entry.partition("=")[::2] for entry in content.split("\0") if "=" in entry)


def test_a_run_that_may_be_restarted_needs_a_place(tmp_path: Path) -> None:
    process = start(2, "--epochs", "1", restarts=1)
    _, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "--out: is needed" in errors


def test_another_number_of_processes_cannot_go_on(pair: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--resume", pair["run"], "--epochs", "+1"]) == 2
    assert "processes is 1, in the run 2" in capsys.readouterr().err


@pytest.mark.parametrize("processes", [2, 4])
def test_batches_that_leave_a_process_without_samples_are_refused(processes: int) -> None:
    """What is refused before the processes have anything to tell each other."""
    config = override(recipe("digits/default"), ["training.batch_size=1", "device=cpu"])
    with pytest.raises(InputError, match=rf"1 gives batches of 1, too few for {processes} processes"):
        prepare(World(size=processes), config, open_source("digits"))


@pytest.mark.slow
def test_batches_too_small_for_the_processes(noise: Path, tmp_path: Path) -> None:
    process = start(2, "--data", noise, *TRAIN, "--set", "training.batch_size=1", "--out", tmp_path / "run")
    _, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "1 gives batches of 1, too few for 2 processes" in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ip") is None or os.geteuid() != 0, reason="makes network namespaces")
def test_two_hosts(noise: Path, tmp_path: Path) -> None:
    """Two network namespaces joined by a cable, a torchrun in each; they share the disk."""
    hosts = {"cwa": "10.77.0.1", "cwb": "10.77.0.2"}
    commands = [f"ip netns add {host}" for host in hosts]
    commands += ["ip link add vcwa type veth peer name vcwb"]
    for host, address in hosts.items():
        commands += [f"ip link set v{host} netns {host}", f"ip -n {host} addr add {address}/24 dev v{host}"]
        commands += [f"ip -n {host} link set v{host} up", f"ip -n {host} link set lo up"]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)
        options = ["--data", noise, *TRAIN, *SMOOTH, *TOGETHER]
        train(2, *options, "--out", tmp_path / "one-host")
        running = []
        for rank, host in enumerate(hosts):
            launcher = ["ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
            launcher += ["--nproc-per-node", "1", "--node-rank", str(rank), "--master-addr", hosts["cwa"]]
            launcher += ["--master-port", "29555", "-m", "convworks", "train", *map(str, options)]
            variables = {**environment(), "GLOO_SOCKET_IFNAME": f"v{host}"}
            running.append(subprocess.Popen([*launcher, "--out", str(tmp_path / "two-hosts")], env=variables))
        assert [process.wait(timeout=200) for process in running] == [0, 0]
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host], capture_output=True, check=False)
    one_host, two_hosts = last(tmp_path / "one-host"), last(tmp_path / "two-hosts")
    assert all(torch.equal(one_host[name], two_hosts[name]) for name in one_host)
