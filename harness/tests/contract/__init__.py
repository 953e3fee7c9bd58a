"""One suite for every platform and fault: real processes, real namespaces."""
