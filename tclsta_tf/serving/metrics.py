"""Numbers for Prometheus. Labels take few values: routes, statuses and signatures, never what a client sends."""

import prometheus_client
from prometheus_client import core, platform_collector, process_collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CLIPS = (1, 2, 4, 8, 16, 32, 64)
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = core.CollectorRegistry()
        process_collector.ProcessCollector(registry=self.registry)
        platform_collector.PlatformCollector(registry=self.registry)
        self._requests = prometheus_client.Counter(
            "tclsta_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self._latency = prometheus_client.Histogram(
            "tclsta_request_seconds",
            "Time from a request's header to its answer.",
            ["route"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._batches = prometheus_client.Histogram(
            "tclsta_batch_clips", "Clips in a call of the model.", ["signature"], registry=self.registry, buckets=_CLIPS
        )
        self._model = prometheus_client.Histogram(
            "tclsta_model_seconds",
            "Time of a call of the model.",
            ["signature"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.waiting = prometheus_client.Gauge(
            "tclsta_requests_in_work", "Requests in work or waiting.", ["kind"], registry=self.registry
        )
        self.body_bytes = prometheus_client.Gauge(
            "tclsta_body_bytes", "Bytes of bodies in memory.", registry=self.registry
        )
        self.video_frames = prometheus_client.Counter(
            "tclsta_video_frames", "Frames of uploaded videos that were read.", registry=self.registry
        )
        self.load_seconds = prometheus_client.Gauge(
            "tclsta_model_load_seconds", "Time it took to load and warm the model.", registry=self.registry
        )
        self.ready = prometheus_client.Gauge("tclsta_model_ready", "1 where the model answers.", registry=self.registry)

    def observe_request(self, route: str, status: int | str, seconds: float) -> None:
        """Counts an answer."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def observe_call(self, signature: str, clips: int, seconds: float) -> None:
        """Counts a call of the model."""
        self._batches.labels(signature).observe(clips)
        self._model.labels(signature).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)
