"""What the dashboard shows of a climate system: the same answers that Grafana's panels give."""
