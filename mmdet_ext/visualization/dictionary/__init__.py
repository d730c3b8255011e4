"""Figures of Retriever-Dictionaries (YOLO-RD, https://arxiv.org/abs/2410.15346)."""
