"""Linux namespaces: the enclosure of a local run, and each node's own network and disk."""
