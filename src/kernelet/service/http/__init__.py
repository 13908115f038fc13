"""The service over HTTP: each endpoint a thin projection of the engine."""
