"""What every service shares: settings, server, interceptors, metrics."""
