"""The object store component, and the gate in front of it through which faults come."""
