"""Judge histories of single records, up to 10⁹ of them: rows become runs, and the checkers judge the runs."""
