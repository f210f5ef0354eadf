"""The type of callbacks for jobs of an experiment that have ended."""

from __future__ import annotations

from collections.abc import Callable

from convworks.experiments.job import Job, Outcome

Ended = Callable[[Job, Outcome], None]
