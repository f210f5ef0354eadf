"""What is called when a job of an experiment has ended."""

from __future__ import annotations

from collections.abc import Callable

from convworks.experiments.job import Job, Outcome

Ended = Callable[[Job, Outcome], None]
