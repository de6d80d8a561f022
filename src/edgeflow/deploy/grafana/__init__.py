"""Grafana's dashboards of the climate system, generated and checked."""
