"""The configuration: frozen records from a YAML file and the environment, with secrets that do not show."""
