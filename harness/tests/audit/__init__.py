"""Tests of the audit: every rule on a file that has its defect and on one that has not."""
