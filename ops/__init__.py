"""What watches the services: Prometheus rules, Grafana dashboards."""
