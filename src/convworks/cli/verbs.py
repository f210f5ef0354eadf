"""The complete app: importing a module of commands adds them, in the order in which the help lists them."""

from convworks.cli import exchange
from convworks.cli.commands import app
from convworks.cli.experiments import common
from convworks.cli.help import plain_help
from convworks.cli.inference import common as inference
from convworks.cli.inference import compare, serve
from convworks.cli.models import taps
from convworks.cli.paths import expand_paths
from convworks.cli.restore import options as restore

__all__ = ["MODULES", "app"]

#: The modules with commands, besides `commands`.
MODULES = (exchange, common, inference, compare, serve, taps, restore)

expand_paths(app)
plain_help(app)
