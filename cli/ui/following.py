"""A follower's notices as sentences. Pure, as `wording`."""

from __future__ import annotations

from cli.ui.wording import plural, printable, said_by, sources
from swarm.agent.follow_notices import FirstAsked, Flipped, Following, FollowNotice, HookEnd, HookEnded, Moved, Standing
from swarm.config.quantities import show_duration, show_size


def follow_lines(notice: FollowNotice) -> list[str]:
    """What is said of it; of the first byte asked nothing."""
    match notice:
        case Moved():
            return [moved_line(notice)]
        case Flipped():
            return [flipped_line(notice)]
        case HookEnded():
            return [hook_line(notice)]
        case Following():
            return [following_line(notice)]
        case FirstAsked():
            return []


def moved_line(moved: Moved) -> str:
    """Where the channel points now, since when, and who said so."""
    source = "pushed by the tracker" if moved.source == "push" else said_by(moved.source)
    versions = f"; {plural(moved.behind_versions, 'version')} behind" if moved.behind_versions else ""
    tag = f" ({printable(moved.tag)})" if not moved.dataset.endswith(f":{moved.tag}") else ""
    ago = show_duration(max(0.0, (moved.heard - moved.time) / 1000))
    return f"{printable(moved.dataset)} is {moved.digest[:16]}{tag} since {ago} ({source}){versions}"


def flipped_line(flipped: Flipped) -> str:
    """What is current now, what was before, and what it took."""
    before = f", was {flipped.previous[:16]}" if flipped.previous else ""
    if flipped.digest is None:
        return f"{printable(flipped.dest)} is gone: there is no version to go back to{before}"
    if flipped.is_back:
        return f"{printable(flipped.dest)} is back at {flipped.digest[:16]}{before}"
    shares = sources(flipped.bytes_peer, flipped.bytes_origin, flipped.bytes_local)
    moved = f", {show_size(flipped.bytes_peer + flipped.bytes_origin)} moved: {shares}" if shares else ""
    took = f" ({show_duration(flipped.seconds)}{moved})"
    return f"{printable(flipped.dest)} is {flipped.digest[:16]}{before}{took}"


def hook_line(ended: HookEnded) -> str:
    """How the hook ended."""
    if ended.outcome is HookEnd.DONE:
        return f"the hook has done its work in {show_duration(ended.seconds)}"
    how = "is missing" if ended.outcome is HookEnd.MISSING else ended.outcome
    return f"the hook of {ended.digest[:16]} {how}: {printable(ended.reason)}"


def following_line(following: Following) -> str:
    """How things stand."""
    name = printable(following.dataset)
    why = f": {printable(following.waiting)}" if following.waiting else ""
    match following.state:
        case Standing.CURRENT:
            by = {"push": "a tracker pushes", "store": "the store is polled"}
            heard = " and ".join(by[one] for one in following.told_by) or "the neighbours are asked"
            return f"{name} is current; {heard}"
        case Standing.BEHIND:
            return f"{name} is {_behind(following)}{why}"
        case Standing.REFUSED:
            return f"{name} is {_behind(following)}{why}"
        case Standing.WAITING:
            if following.behind_s:
                return f"{name} is {_behind(following)}{why}"
            return f"{name} waits{why}" if why else f"{name} is asked for"


def _behind(following: Following) -> str:
    versions = f"{plural(following.behind_versions, 'version')}, " if following.behind_versions else ""
    return f"behind by {versions}{show_duration(following.behind_s)}"
