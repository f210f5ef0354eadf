"""Beginning a restoration: the size, the tiles and the network; or reopening one that another process kept."""

from __future__ import annotations

from convworks.errors import InputError
from convworks.hardware import choose_device, choose_precision, keep_memory
from convworks.models.catalogue import facts
from convworks.restoration.computation import Computation
from convworks.restoration.material import Material
from convworks.restoration.plan import Budget, fitted_tiles, plan
from convworks.restoration.request import Request
from convworks.restoration.saved import Saved, reopen
from convworks.restoration.session import Keeper, Session
from convworks.restoration.tiles import divide


def opened(material: Material, request: Request, keeper: Keeper, budget: Budget, saved: Saved | None) -> Session:
    """Return the session of a picture at the size that the budget allows, or at the one that it was begun with.

    Raises InputError for a picture or a budget that is too small.
    """
    device = choose_device(request.device)
    keep_memory(device)
    computation = Computation(
        model=request.network,
        channels=2 if request.fitting.grid else facts(request.network).shape.channels,
        classes=material.pixels.shape[2],
        device=device,
        precision=choose_precision(request.precision, device),
    )
    if saved is None:
        size = plan(material, request, computation, budget)
    else:
        if request.minutes < saved[1]["minutes"]:
            reason = f"is less than the {saved[1]['minutes']:g} that it was begun with"
            raise InputError(f"--minutes {request.minutes:g}", reason, "give at least as many")
        if "guided" in saved[1] or saved[1].get("block", 0) != request.fitting.block:
            reason = f"{material.name} was begun by an earlier version, whose fits began otherwise"
            raise InputError("--resume", reason, "give --overwrite to restore it anew")
        budget.used = max(saved[1]["seconds"], saved[1]["shown"]["seconds"])
        height, width = saved[1]["size"]
        size = height, width
    reduced = material.reduced(size, request.factor)
    tiles = divide(size, request.factor)
    fitted = fitted_tiles(reduced, tiles, request)
    session = Session(
        material=reduced,
        request=request,
        computation=computation,
        tiles=tiles,
        fitted=fitted,
        budget=budget,
        keeper=keeper,
        before=reduced.enlarged(request.factor),
    )
    if saved is not None:
        reopen(session, saved)
        return session
    if size != material.size:
        session.note(smaller(size, material.size, request))
    return session


def smaller(size: tuple[int, int], whole: tuple[int, int], request: Request) -> str:
    """Return the line that says at which size a picture is restored."""
    texts = [f"{width:,}x{height:,}" for height, width in (size, whole)]
    return f"restored at {texts[0]} of {texts[1]} pixels: --minutes {request.minutes:g} allows no more"
