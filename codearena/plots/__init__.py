"""Charts of logged steps: `draw_charts`, behind `codearena plot`. Needs matplotlib, the extra `plot`."""

from codearena.plots.draw import CHARTS, draw_charts

__all__ = ["CHARTS", "draw_charts"]
