"""The audit: what in a configuration will hurt, read from its files alone, with nothing started."""
