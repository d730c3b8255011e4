"""Dictionaries of YOLO-RD: building them from images, texts or matrices, and making trained ones smaller."""
