"""The serving app: one model behind HTTP."""
