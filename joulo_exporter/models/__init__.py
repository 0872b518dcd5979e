"""Frozen typed records of the API's responses, each next to the parser of its wire format."""
