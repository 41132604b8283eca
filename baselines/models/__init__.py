"""The assembled baselines, and floors: models that show what a task gives away."""
