"""Dictionaries of YOLO-RD: building them from pictures, texts or matrices, and making trained ones smaller."""
