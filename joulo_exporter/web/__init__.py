"""HTTP server: metrics for scrapers, health for probes, a page for people; see ``app``."""
