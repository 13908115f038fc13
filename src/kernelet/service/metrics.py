"""What Prometheus is told. One registry for each engine, so that two engines in one process do not collide."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kernelet.service.result import ExecutionResult

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The counters of one engine."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.sessions = Gauge("kernelet_sessions", "Sessions by state", ["state"], registry=registry)
        self.executions = Counter(
            "kernelet_executions", "Executions by how they ended", ["status", "cause", "surface"], registry=registry
        )
        self.execution_seconds = Histogram(
            "kernelet_execution_seconds", "How long executions ran", buckets=_SECONDS, registry=registry
        )
        self.queue_seconds = Histogram(
            "kernelet_queue_seconds", "How long executions waited for their turn", buckets=_SECONDS, registry=registry
        )
        self.start_seconds = Histogram(
            "kernelet_session_start_seconds", "From the request to a kernel that answers", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.interrupts = Counter("kernelet_interrupts", "Interrupts sent to kernels", registry=registry)
        self.kills = Counter("kernelet_kills", "Kernels that had to be killed", registry=registry)
        self.restarts = Counter(
            "kernelet_restarts", "Kernels replaced under their session", ["cause"], registry=registry
        )
        self.truncated = Counter("kernelet_truncated", "Executions whose output was cut", registry=registry)
        self.rejected = Counter(
            "kernelet_rejected", "Calls refused because a cap was reached", ["cap"], registry=registry
        )
        self.memory = Gauge("kernelet_kernel_memory_bytes", "Resident memory of all kernels", registry=registry)
        self.backend_up = Gauge("kernelet_backend_up", "Whether kernels can be started", registry=registry)
        self.zygote_up = Gauge("kernelet_zygote_up", "Whether the latest kernel was forked", registry=registry)

    def ended(self, result: ExecutionResult, surface: str) -> None:
        """Count an execution."""
        self.executions.labels(result.status, result.cause or "", surface).inc()
        self.execution_seconds.observe(result.timing.exec_ms / 1000)
        self.queue_seconds.observe(result.timing.queued_ms / 1000)
        if result.truncated:
            self.truncated.inc()

    def exposition(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
