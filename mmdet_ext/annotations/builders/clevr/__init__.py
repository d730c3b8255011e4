"""Annotation files of MDETR from CLEVR and CLEVR-Ref+."""
