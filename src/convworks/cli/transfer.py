"""`convworks transfer`."""

from __future__ import annotations

from convworks.api.request import RunRequest
from convworks.api.transfer import run_transfer
from convworks.cli.answer import Answer
from convworks.cli.train import answer


def run(bundle: str, request: RunRequest, *, cut: str | None, freeze: str | None, head: str | None) -> Answer:
    """Transfer, and return where the results are."""
    return answer(run_transfer(bundle, request, cut=cut, freeze=freeze, head=head))
