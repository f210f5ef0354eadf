"""Exporting the weights of a bundle under the names of another library."""

from __future__ import annotations

from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from convworks.bundle.bundle import Bundle
from convworks.bundle.match import candidates, modules
from convworks.bundle.weights_file import State
from convworks.errors import InputError
from convworks.layers.mode import evaluating
from convworks.layers.network import Network, without_auxiliary
from convworks.layers.stochastic_depth import with_survival
from convworks.layers.values import require_sound
from convworks.models.catalogue import Shape, create
from convworks.models.published.peers import Peer, find_peer

TOLERANCE = 1e-3  # for rounding, relative to the largest output


class Exported(NamedTuple):
    """A safetensors file, the peer's name of the network, and the modules that a bundle omits."""

    content: bytes
    name: str
    left_out: tuple[str, ...]


def export_weights(bundle: Bundle, peer: str) -> Exported:
    """Return the weights of a bundle under a peer's names.

    Raises InputError if the peer has no network that computes the same as the bundle's.
    """
    entry, row = find_peer(peer, bundle.model.name, ours=True)
    name = next(renamed for renamed, peer_row in entry.names.items() if peer_row == row)
    state = {key: tensor.cpu() for key, tensor in with_survival(bundle.network).items()}
    require_sound(bundle.model.name, state, "export a bundle whose training did not diverge")
    _check_same(bundle, row, state, f"{peer}'s {name}")
    (candidate,) = candidates(name, peer)
    renamed = {candidate.names[key]: _as_theirs(entry, key, state[key]) for key in candidate.names}
    return Exported(save(renamed), name, tuple(modules(candidate.auxiliary.values())))


def _check_same(bundle: Bundle, row: str, state: State, what: str) -> None:
    """Raise InputError if a network with a changed table, cut or head computes other outputs than its plain row."""
    model, network = bundle.model, bundle.network
    assert isinstance(network, Network)  # peers have no networks of the user's own
    if not (model.table or model.adapted):
        return
    preprocessing = bundle.preprocessing
    shape = Shape(classes=len(bundle.classes), channels=preprocessing.channels, size=preprocessing.size)
    plain = without_auxiliary(create(row, shape))
    same = {key: tensor.shape for key, tensor in plain.state_dict().items()} == {k: t.shape for k, t in state.items()}
    if same:
        device = next(network.parameters()).device
        plain.load_state_dict(state)
        generator = torch.Generator().manual_seed(0)
        images = bundle.input.example(generator=generator, device=device)
        with evaluating(network), evaluating(plain.to(device)), torch.no_grad():
            outputs, expected = network(images), plain(images)
        same = bool((outputs - expected).abs().max() <= TOLERANCE * expected.abs().max())
    if not same:
        reason = f"{model.title} differs from {what}: its table, cut or head was changed"
        raise InputError("--format", reason, "export a bundle of the published network")


def _as_theirs(entry: Peer, key: str, tensor: Tensor) -> Tensor:
    """Return one of our tensors in the peer's shape."""
    side = entry.kernels.get(key)
    return (tensor if side is None else tensor.reshape(len(tensor), -1, side, side)).contiguous()
