"""The target `local`: real Envoy, the settings, compose.yaml."""
