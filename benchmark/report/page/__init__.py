"""The page: one file with the tables, the plots and every trial of a report."""
