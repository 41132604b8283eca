"""Models in ONNX files, run by onnxruntime: those of `mmbench export`, and image classifiers from elsewhere."""
