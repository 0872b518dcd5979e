"""The client of the Joulo API, and its failures."""
