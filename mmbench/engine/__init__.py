"""The loops: evaluate and train."""
