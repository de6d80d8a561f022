"""Decisions: from results to actions. ``BUILT_IN`` says which module has which type."""

BUILT_IN = {
    "apnea": "edgeflow.pipelines.agents.rooms:Apnea",
    "fall": "edgeflow.pipelines.agents.rooms:FallAlarm",
    "person_count": "edgeflow.pipelines.agents.rooms:PersonCount",
    "person_in_zone": "edgeflow.pipelines.agents.zone:PersonInZone",
    "presence_changed": "edgeflow.pipelines.agents.rooms:PresenceChanged",
    "rate_limit": "edgeflow.pipelines.agents.rate_limit:RateLimit",
    "record": "edgeflow.pipelines.agents.record:Record",
    "rules": "edgeflow.pipelines.agents.rules:Rules",
    "snapshot_archive": "edgeflow.pipelines.agents.archive:SnapshotArchive",
    "threshold": "edgeflow.pipelines.agents.threshold:Threshold",
    "window_control": "edgeflow.pipelines.agents.window:WindowKeeper",
}
