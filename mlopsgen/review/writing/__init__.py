"""Changes to the text of a spec that leave its comments and layout as they are."""
