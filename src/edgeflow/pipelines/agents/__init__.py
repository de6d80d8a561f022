"""Decisions: from results to actions. ``BUILT_IN`` says which module has which type."""

BUILT_IN = {
    "person_in_zone": "edgeflow.pipelines.agents.zone:PersonInZone",
    "rate_limit": "edgeflow.pipelines.agents.rate_limit:RateLimit",
    "rules": "edgeflow.pipelines.agents.rules:Rules",
    "snapshot_archive": "edgeflow.pipelines.agents.archive:SnapshotArchive",
    "threshold": "edgeflow.pipelines.agents.threshold:Threshold",
}
