"""All verbs: the modules whose commands add themselves to the app."""

from convworks.cli import exchange  # noqa: F401
from convworks.cli.commands import app
from convworks.cli.experiments import common  # noqa: F401
from convworks.cli.inference import compare  # noqa: F401
from convworks.cli.models import taps  # noqa: F401
from convworks.cli.paths import expand_paths

__all__ = ["app"]

expand_paths(app)
