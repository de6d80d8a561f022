"""Serial links to boards: finding and opening ports, and the thread that owns one."""
