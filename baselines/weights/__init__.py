"""Trained weights, as TASK/DATASET/MODEL.safetensors."""
