"""Who is computed when: queues, priorities, deadlines, batches, and the cores they share."""
