"""Plots of `swarm stats --html` as SVG that goes into a page: its colours are the page's, light or dark.

matplotlib draws with stand-ins for colours, which become CSS variables; text stays text. It is imported only when a
report is asked for; the optional extra `plot` installs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, filterwarnings

from swarm.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIB = 1024 * 1024

VARIABLES = {
    "#010203": "--ink", "#010204": "--faint", "#010205": "--one", "#010206": "--two", "#010207": "--three",
}  # fmt: skip
"""Stand-ins, and the variables of the page that they become."""

INK, FAINT, ONE, TWO, THREE = VARIABLES

LABELS_MAX = 24
"""Version names along an axis: of more, only every few are written."""

_UNWANTED = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")
_NUMBER = re.compile(r' (?:width|height)="[\d.]+pt"')


def check_plotting() -> None:
    """Raises UsageError where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError(
            "a report with plots needs matplotlib, which is not installed",
            hint="pip install 'swarm-replicator[plot]'; without --html there are tables and sparklines",
        )


def moved_chart(names: Sequence[str], data: Sequence[int], manifests: Sequence[int]) -> str:
    """Bars: what each step moves, data and manifest."""

    def paint(axes: Axes) -> None:
        places = range(len(names))
        axes.bar(places, _in_mib(data), color=ONE, label="data blocks")
        axes.bar(places, _in_mib(manifests), bottom=_in_mib(data), color=TWO, label="manifest")
        _name_versions(axes, names)
        axes.set_ylabel("MiB")
        _legend(axes)

    return _draw(paint, "What an update from the version before moves")


def growth_chart(names: Sequence[str], alone: Sequence[int], stored: Sequence[int]) -> str:
    """Lines: all versions one by one, and what a store holds of them, added up."""

    def paint(axes: Axes) -> None:
        places = range(len(names))
        axes.plot(places, _in_mib(alone), color=FAINT, marker="o", markersize=3, label="every version by itself")
        axes.plot(places, _in_mib(stored), color=ONE, marker="o", markersize=3, label="stored")
        _name_versions(axes, names)
        axes.set_ylabel("MiB, added up")
        _legend(axes, "upper left")

    return _draw(paint, "What the store holds")


def files_chart(paths: Sequence[str], new_bytes: Sequence[int]) -> str:
    """Bars lying down: the files that cost most, the first on top."""

    def paint(axes: Axes) -> None:
        places = range(len(paths))
        axes.barh(places, _in_mib(new_bytes), color=THREE)
        axes.set_yticks(list(places), [_shortened(path) for path in paths])
        axes.invert_yaxis()
        axes.set_xlabel("MiB of new blocks")

    return _draw(paint, "Files that cost most", height=1.2 + 0.28 * len(paths))


def what_if_chart(averages: Sequence[int], data: Sequence[int], manifests: Sequence[int], used: int | None) -> str:
    """Bars: what each average would have moved; the one in use is marked."""

    def paint(axes: Axes) -> None:
        places = range(len(averages))
        axes.bar(places, _in_mib(data), color=ONE, label="data blocks")
        axes.bar(places, _in_mib(manifests), bottom=_in_mib(data), color=TWO, label="manifests")
        names = [f"{one // 1024} KiB" + ("\nin use" if one == used else "") for one in averages]
        axes.set_xticks(list(places), names)
        axes.set_ylabel("MiB over all steps")
        _legend(axes)

    return _draw(paint, "What other averages would have moved")


def _draw(paint: Callable[[Axes], None], title: str, *, height: float = 3.4) -> str:
    """An `<svg>` element without a size of its own: the page decides how wide it is."""
    plot = _pyplot()
    style = {
        "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": title,
        "text.color": INK, "axes.labelcolor": INK,
        "axes.edgecolor": FAINT, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False,
        "legend.frameon": False, "axes.titlesize": 11, "axes.titlelocation": "left", "font.size": 9,
    }  # fmt: skip
    with plot.rc_context(style), catch_warnings():
        # The font that measures text may lack a sign of a file's name; the reader's will show it.
        filterwarnings("ignore", message="Glyph")
        figure, axes = plot.subplots(figsize=(8, height), layout="constrained")
        paint(axes)
        axes.set_title(title)
        text = StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        plot.close(figure)
    return _for_page(text.getvalue(), title)


def _for_page(svg: str, title: str) -> str:
    svg = _UNWANTED.sub("", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    svg = _FONT.sub(r"font: \1px system-ui, sans-serif", svg)
    svg = _NUMBER.sub("", svg, count=2)
    return svg.strip().replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def _name_versions(axes: Axes, names: Sequence[str]) -> None:
    every = -(-len(names) // LABELS_MAX) if names else 1
    places = list(range(0, len(names), every))
    slanted: dict[str, Any] = {"rotation": 40, "ha": "right"} if sum(map(len, names)) > 60 else {}
    axes.set_xticks(places, [_shortened(names[place], 24) for place in places], **slanted)


def _legend(axes: Axes, place: Literal["upper left", "upper right"] = "upper right") -> None:
    """Above what is drawn, so that it hides nothing."""
    axes.margins(y=0.18)
    axes.set_ylim(bottom=0)
    axes.legend(loc=place, ncols=2)


def _shortened(text: str, most: int = 44) -> str:
    return text if len(text) <= most else f"{text[: most // 3]}…{text[-(most - most // 3 - 1) :]}"


def _in_mib(values: Sequence[int]) -> list[float]:
    return [value / MIB for value in values]


def _pyplot() -> Any:
    check_plotting()
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    from matplotlib import pyplot  # noqa: PLC0415

    return pyplot
