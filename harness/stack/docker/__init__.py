"""The docker platform: containers on one network of this machine."""
