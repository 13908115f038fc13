"""What is measured. A metric is a function with a docstring; put it in a module of this package, list it in METRICS.

The function gets a `Session`, and returns samples for each of its rows. It raises `Fault` when an answer is lost, and
calls `session.fault(...)` when an answer is wrong but the time still stands: either way the cell is marked.
"""

from benchmarks.metrics.busy import control_busy, heartbeat, subshell
from benchmarks.metrics.debugger import debugger
from benchmarks.metrics.definition import Metric, Row, Samples
from benchmarks.metrics.fleet import fleet
from benchmarks.metrics.idle import idle
from benchmarks.metrics.interrupts import interrupt_await, interrupt_busy, interrupt_sleep
from benchmarks.metrics.questions import comm, complete, inspect, is_complete
from benchmarks.metrics.roundtrip import control_info, execute, kernel_info, silent
from benchmarks.metrics.scaling import growth, subshells, threads_print
from benchmarks.metrics.start import shutdown, start
from benchmarks.metrics.throughput import (
    buffers,
    displays,
    images,
    large_buffer,
    os_system,
    pipelined,
    pipelined_5000,
    prints,
    shell_command,
    writes,
)

__all__ = ["METRICS", "SECTIONS", "Metric", "Row", "Samples"]

SECTIONS: dict[str, tuple[Metric, ...]] = {
    "Start-up": (start, fleet),
    "Idle": (idle,),
    "Latency": (execute, silent, kernel_info, control_info, is_complete, complete, inspect, comm),
    "While the main thread is busy": (heartbeat, control_busy, subshell),
    "Throughput": (
        pipelined,
        pipelined_5000,
        prints,
        writes,
        displays,
        images,
        buffers,
        large_buffer,
        shell_command,
        os_system,
    ),
    "Interrupt and shutdown": (interrupt_busy, interrupt_sleep, interrupt_await, shutdown),
    "Scaling": (growth, threads_print, subshells),
    "Debugger": (debugger,),
}
"""The parts of the table."""

METRICS: dict[str, Metric] = {metric.name: metric for section in SECTIONS.values() for metric in section}
"""By name, in the order of the table. Those that need a kernel alone are measured before those that take turns."""
