"""Cost: stages, devices, memory."""
