"""Frozen typed records of the API's responses, each next to the reading of its wire format."""
