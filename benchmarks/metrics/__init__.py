"""What is measured. A metric is a function with a docstring; put it in a module of this package, list it in METRICS.

The function gets a `Session`, and returns samples for each of its rows. It raises `Fault` when an answer is lost, and
calls `session.fault(...)` when an answer is wrong but the time still stands: either way the cell is marked.
"""

from benchmarks.metrics.definition import Metric, Row, Samples
from benchmarks.metrics.idle import idle
from benchmarks.metrics.roundtrip import control_info, execute, kernel_info, silent
from benchmarks.metrics.start import shutdown, start

__all__ = ["METRICS", "Metric", "Row", "Samples"]

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (start, idle, shutdown, execute, silent, kernel_info, control_info)
}
"""By name, in the order of measurement and of the table."""
