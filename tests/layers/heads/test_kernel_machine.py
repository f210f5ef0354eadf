"""The machine with a kernel against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from convworks.layers.heads.kernel_machine import KernelMachine, allocate_vectors
from convworks.training.svm.fit import fit_rbf


def problem(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    labels = np.arange(60) % classes
    centres = rng.normal(size=(classes, 7))
    return centres[labels] + rng.normal(size=(60, 7)), labels, rng.normal(size=(40, 7)) * 2


def machine(classes: int, x: np.ndarray, labels: np.ndarray) -> KernelMachine:
    svm = fit_rbf(x, labels, cost=2.0, gamma=0.1)
    machine_layer = KernelMachine(7, classes).double()
    state = machine_layer.state_dict() | {
        name: torch.as_tensor(value) for name, value in zip(svm._fields, svm, strict=True)
    }
    allocate_vectors(machine_layer, state)
    machine_layer.load_state_dict(state)
    return machine_layer


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_it_decides_as_scikit_learn_does(classes: int) -> None:
    x, labels, others = problem(classes)
    oracle = SVC(C=2.0, gamma=0.1, decision_function_shape="ovr", break_ties=classes > 2).fit(x, labels)
    logits = machine(classes, x, labels)(torch.from_numpy(others)).numpy()
    expected = oracle.decision_function(others)
    if classes == 2:
        expected = np.stack([-expected, expected], 1)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-6)
    assert (logits.argmax(1) == oracle.predict(others)).all()


def test_decisions_of_pairs_are_those_of_shape_ovo() -> None:
    x, labels, others = problem(4)
    oracle = SVC(C=2.0, gamma=0.1, decision_function_shape="ovo").fit(x, labels)
    machine_layer = machine(4, x, labels)
    np.testing.assert_allclose(
        machine_layer.decisions(torch.from_numpy(others)).numpy(), oracle.decision_function(others), atol=1e-6
    )


def test_it_begins_without_vectors_and_takes_those_of_a_file() -> None:
    x, labels, others = problem(3)
    machine_layer = machine(3, x, labels)
    network = torch.nn.Sequential(torch.nn.Flatten(), KernelMachine(7, 3).double())
    assert network(torch.from_numpy(others)).shape == (40, 3)
    state = {f"1.{name}": value for name, value in machine_layer.state_dict().items()}
    allocate_vectors(network, state)
    network.load_state_dict(state)
    assert torch.equal(network(torch.from_numpy(others)), machine_layer(torch.from_numpy(others)))


def test_bfloat16_around_it_changes_nothing() -> None:
    x, labels, others = problem(3)
    machine_layer = machine(3, x, labels)
    with torch.autocast("cpu", torch.bfloat16):
        output = machine_layer(torch.from_numpy(others))
    assert torch.equal(output, machine_layer(torch.from_numpy(others)))


def test_it_is_traced_for_batches_of_any_size() -> None:
    x, labels, others = problem(3)
    machine_layer = machine(3, x, labels).eval()
    samples = torch.from_numpy(others)
    traced = torch.export.export(
        machine_layer, (samples[:3],), dynamic_shapes={"features": {0: torch.export.Dim("batch")}}
    ).module()
    for count in (1, 40):
        torch.testing.assert_close(traced(samples[:count]), machine_layer(samples[:count]))
