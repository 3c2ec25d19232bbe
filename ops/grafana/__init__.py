"""The Grafana dashboards, as code: `python -m ops.grafana` writes dashboards/*.json."""
