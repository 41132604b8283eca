"""Run records to tables: one table for each group of runs that can be compared."""
