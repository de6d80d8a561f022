"""Who may do what: tokens and the rules of access."""
