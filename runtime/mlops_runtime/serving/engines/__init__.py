"""What generates: in this process, or behind an OpenAI-compatible address."""
