"""A Toxiproxy that the user has, in front of a node's ports, tested."""
