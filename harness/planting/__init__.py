"""Defects planted into stored histories, and legal changes beside them: how sharp the checks are."""
