"""What commands show: drawings, tables and figures as text. Nothing is read or printed here."""
