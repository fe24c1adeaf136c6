"""Measurements: ``python -m bench NAME`` runs one and writes its page into docs/."""
