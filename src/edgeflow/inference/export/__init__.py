"""Trained models made into files that boards take."""
