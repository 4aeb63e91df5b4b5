"""Two pictures of a race as one SVG: when each consumer finished, and how much all of them had received by when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.outcome import Outcome


def draw(outcomes: Sequence[Outcome], title: str, path: Path) -> None:
    """Every run is a line, and each consumer's finish a dot. Needs matplotlib (the extra `plot`)."""
    import matplotlib as mpl  # noqa: PLC0415  # 0.4 s, for who wants a picture

    mpl.use("svg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (finishes, received) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    names = list(dict.fromkeys(one.contestant for one in outcomes))
    colors = {name: f"C{number}" for number, name in enumerate(names)}
    for one in outcomes:
        place, color = names.index(one.contestant), colors[one.contestant]
        finishes.scatter([s / one.limit_s for s in one.finished_s], [place] * len(one.finished_s), color=color, s=18)
        received.plot([s / one.limit_s for s, _ in one.progress], [share for _, share in one.progress], color=color)
    finishes.axvline(1.0, color="gray", linestyle="--")
    finishes.set_yticks(range(len(names)), names)
    finishes.set_ylim(len(names) - 0.5, -0.5)
    finishes.set_xlabel("each consumer's finish, from start / fluid limit")
    received.axvline(1.0, color="gray", linestyle="--")
    received.set_xlabel("time from start / fluid limit")
    received.set_ylabel("received / needed, all consumers")
    for name, color in colors.items():
        received.plot([], [], color=color, label=name)
    received.legend()
    for axes in (finishes, received):
        axes.set_xlim(left=0)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context({"svg.hashsalt": "swarm"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
