"""The weights of a bundle under the names of another library."""

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

TOLERANCE = 1e-3  # of the largest answer: what rounding may change


class Exported(NamedTuple):
    """A safetensors file, the peer's name of the network, and the modules of it that a bundle leaves out."""

    content: bytes
    name: str
    left_out: tuple[str, ...]


def export_weights(bundle: Bundle, peer: str) -> Exported:
    """Return the weights of a bundle under a peer's names.

    Raises InputError where the peer has no network that computes what the bundle's does.
    """
    entry, row = find_peer(peer, bundle.model.name, ours=True)
    name = next(theirs for theirs, known in entry.names.items() if known == row)
    state = {key: tensor.cpu() for key, tensor in with_survival(bundle.network).items()}
    require_sound(bundle.model.name, state, "export a bundle whose training did not diverge")
    _check_same(bundle, row, state, f"{peer}'s {name}")
    (candidate,) = candidates(name, peer)
    theirs = {candidate.names[key]: _as_theirs(entry, key, state[key]) for key in candidate.names}
    return Exported(save(theirs), name, tuple(modules(candidate.auxiliary.values())))


def _check_same(bundle: Bundle, row: str, state: State, what: str) -> None:
    """Refuse a network whose table, cut or head makes it compute something else than its row with a state: both run."""
    model, network = bundle.model, bundle.network
    assert isinstance(network, Network)  # others know no networks of your own
    if not (model.table or model.adapted):
        return
    given = bundle.preprocessing
    plain = without_auxiliary(create(row, Shape(classes=len(bundle.classes), channels=given.channels, size=given.size)))
    same = {key: tensor.shape for key, tensor in plain.state_dict().items()} == {k: t.shape for k, t in state.items()}
    if same:
        device = next(network.parameters()).device
        plain.load_state_dict(state)
        images = torch.randn(1, given.channels, *given.size, generator=torch.Generator().manual_seed(0)).to(device)
        with evaluating(network), evaluating(plain.to(device)), torch.no_grad():
            answers, others = network(images), plain(images)
        same = bool((answers - others).abs().max() <= TOLERANCE * others.abs().max())
    if not same:
        reason = f"{model.title} computes something else than {what}: its table, cut or head was changed"
        raise InputError("--format", reason, "export a bundle of the published network")


def _as_theirs(entry: Peer, key: str, tensor: Tensor) -> Tensor:
    """Return a tensor of ours as the peer has it."""
    side = entry.kernels.get(key)
    return (tensor if side is None else tensor.reshape(len(tensor), -1, side, side)).contiguous()
