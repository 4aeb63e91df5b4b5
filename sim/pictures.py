"""Three pictures of a run as SVG: when machines finished, where bytes came from, how rare the rarest block was.

matplotlib is imported only here and only when a picture is asked for; the optional extra `plot` installs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.recorder import Recording
from sim.report import MIB, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PlottingMissingError(Exception):
    """The plotting library is not installed; the text says how to install it."""


def draw(report: Report, recording: Recording, directory: Path) -> list[Path]:
    """Writes the pictures and returns their paths. Raises PlottingMissingError, OSError."""
    plot = _pyplot()
    directory.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, paint in (("finishes", _finishes), ("sources", _sources), ("rarity", _rarity)):
        figure, axes = plot.subplots(figsize=(7, 4), layout="constrained")
        paint(axes, report, recording)
        axes.set_xlabel("virtual seconds")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        path = directory / f"{report.scenario}-{report.seed}-{name}.svg"
        # No date and fixed ids: the same run draws the same bytes.
        with plot.rc_context({"svg.hashsalt": "swarm"}):
            figure.savefig(path, format="svg", metadata={"Date": None})
        plot.close(figure)
        paths.append(path)
    return paths


def _pyplot() -> Any:
    try:
        import matplotlib as mpl  # noqa: PLC0415
    except ImportError as error:
        raise PlottingMissingError(
            "pictures need matplotlib, which is not installed: pip install 'swarm-replicator[plot]'"
        ) from error
    mpl.use("svg")
    from matplotlib import pyplot  # noqa: PLC0415

    return pyplot


def _finishes(axes: Axes, report: Report, recording: Recording) -> None:
    count = len(recording.finishes)
    axes.step(recording.finishes, [100 * (place + 1) / count for place in range(count)], where="post", label="finished")
    axes.axvline(report.limit_s, color="gray", linestyle="--", label="fluid limit")
    axes.set_ylabel("% of those that finished")
    axes.set_title(f"{report.scenario}, seed {report.seed}: {report.finished} of {report.expected} finished")
    axes.legend(loc="upper left")


def _sources(axes: Axes, report: Report, recording: Recording) -> None:
    sources = {"seeder": recording.seeder_bytes, "store": recording.store_bytes, "peers": recording.peer_bytes}
    shown = {name: [each / MIB for each in values] for name, values in sources.items() if values[-1]}
    axes.stackplot(recording.times, *shown.values(), labels=list(shown))
    axes.set_ylabel("MiB sent so far")
    axes.set_title(f"Bytes by source: the origin gave {report.origin_ratio:.3f} copies")
    axes.legend(loc="upper left")


def _rarity(axes: Axes, report: Report, recording: Recording) -> None:
    axes.plot(recording.times, recording.typical, label="the block in the middle")
    axes.plot(recording.times, recording.rarest, label="the rarest block")
    axes.set_ylabel(f"machines that have it, of {report.peers}")
    axes.set_title("Rarity")
    axes.legend(loc="upper left")
