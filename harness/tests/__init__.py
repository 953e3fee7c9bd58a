"""Tests, mirroring the tree; ``contract/`` runs one suite against every platform and fault."""
