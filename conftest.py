"""Makes this folder the root of every test run.

Nothing of the harness is loaded here: the plugin that runs scenarios comes by its entry point
(``edge-harness`` in pyproject.toml) and must not be loaded twice.
"""

from hypothesis import settings

# On a busy machine every example may take longer than any limit: times are judged by benchmarks.
settings.register_profile("edge", deadline=None)
settings.load_profile("edge")
