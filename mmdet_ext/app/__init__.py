"""A page in the browser to try models: `python tools/app.py CONFIG CHECKPOINT` (gradio, the extra `app`)."""
