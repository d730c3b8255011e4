"""Annotation files: reading, checking, converting, building. Nothing here is registered or imports mmdet."""
