"""HTTP and WebSocket: an OpenEnv server and the dashboard, in front of the env service."""
