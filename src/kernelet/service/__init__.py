"""The execution service: sessions of stateful Python for applications and agents, each surface a thin projection."""
