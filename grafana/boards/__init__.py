"""The dashboards as code; ``generate.py`` writes them as the JSON that Grafana imports."""
