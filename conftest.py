"""Makes this folder the root of every test run.

Nothing is loaded here: the plugin that runs scenarios comes by its entry point
(``edge-harness`` in pyproject.toml) and must not be loaded twice.
"""
