"""The run record: its schema, where it is kept, and the environment it describes."""
