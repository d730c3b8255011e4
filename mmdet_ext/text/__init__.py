"""Captions, questions and prompts as characters and tokens; networks that read them are in `models.text_encoders`."""
