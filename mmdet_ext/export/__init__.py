"""Write detectors as files for other programs: ONNX, OpenVINO, TorchScript, TensorRT."""
