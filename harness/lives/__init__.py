"""The life of one record through every hop, from the stored ledger alone."""
