"""Many stored runs of one product, and what they certify together."""
