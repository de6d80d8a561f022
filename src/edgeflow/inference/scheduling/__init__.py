"""Who is computed when: queues, priorities, deadlines, batches."""
