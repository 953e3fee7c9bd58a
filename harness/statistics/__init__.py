"""What many stored runs say together: two sets compared, and the history of a nightly run."""
